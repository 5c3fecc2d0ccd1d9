"""How each layer type is written as nodes of ONNX: one row in the table of writers for each row of the table of layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT64
from fpsynth.networks import layers as la
from fpsynth.networks.layers import Layer
from fpsynth.networks.onnx.drafting import Place

NodeWriter = Callable[[Place], None]


def _dense(place: Place) -> None:
    number, biased = place.draft.number("dense"), place.layer.bias is not None
    gemm = place.style.form == "gemm" and len(place.shapes[0]) == 1
    turned = gemm and place.style.weights_turned
    if place.transposed and not gemm:
        raise InputError("only dense layers of the form gemm read points that are given as their transpose")
    weight = place.numbers(f"W_{number}", "weight", transposed=not turned)
    bias = [place.numbers(f"b_{number}", "bias")] if biased else []
    if gemm:
        flags = {"transA": int(place.transposed), "transB": int(turned)}
        place.add("Gemm", weight, *bias, **{flag: 1 for flag in flags if flags[flag]})
    elif biased:
        place.then("Add", place.inner(f"_product_{number}", "MatMul", weight), *bias, part="bias")
    else:
        place.add("MatMul", weight)


def _convolution(place: Place) -> None:
    layer, number = place.layer, place.draft.number("convolution")
    parameters = [place.numbers(f"_kernel_{number}", "weight")]
    if layer.bias is not None:
        parameters.append(place.numbers(f"_channels_{number}", "bias"))
    sizes = {"kernel_shape": layer.weight.shape[2:], "strides": layer.stride, "dilations": layer.dilation}
    place.add("Conv", *parameters, group=layer.groups, pads=_pads(layer.padding), **sizes)


def _pads(padding: Sequence[tuple[int, int]]) -> list[int]:
    """As ONNX writes padding: what is before each axis, then what is after."""
    return [before for before, _ in padding] + [after for _, after in padding]


def _normalisation(place: Place) -> None:
    number = place.draft.number("normalisation")
    parts = [place.numbers(f"_{what}_{number}", what) for what in ("scale", "shift", "mean", "variance")]
    place.add("BatchNormalization", *parts, epsilon=place.single("epsilon"))


def _affine(place: Place) -> None:
    if place.style.readable:
        raise InputError("ONNX has no affine layer: write a multiplication and an addition instead")
    number, shape = place.draft.number("affine"), (-1, *[1] * (len(place.shapes[0]) - 1))
    scale = place.numbers(f"_factor_{number}", "scale", shape=shape)
    shift = place.numbers(f"_addend_{number}", "shift", shape=shape)
    place.then("Add", place.inner(f"_scaled_{number}", "Mul", scale), shift, part="shift")


def _pooling(operator: str) -> NodeWriter:
    def write(place: Place) -> None:
        layer = place.layer
        more = {"count_include_pad": int(layer.count_padding)} if isinstance(layer, la.AveragePooling) else {}
        sizes = {"kernel_shape": layer.kernel, "strides": layer.stride, "pads": _pads(layer.padding)}
        place.add(operator, **{"ceil_mode": int(layer.ceil), **sizes, **more})

    return write


def _global(place: Place) -> None:
    if place.layer.keep_axes:
        place.add("GlobalAveragePool")
        return
    axes = [*range(2, len(place.shapes[0]) + 1)]
    if place.style.opset < 18:
        place.add("ReduceMean", axes=axes, keepdims=0)
    else:
        place.add("ReduceMean", place.draft.integers(f"_axes_{place.draft.number('axes')}", axes), keepdims=0)


def _plain(operator: str, **attributes: Any) -> NodeWriter:
    return lambda place: place.add(operator, **attributes)


def _with_constant(operator: str) -> NodeWriter:
    def write(place: Place) -> None:
        constant = place.numbers(f"_constant_{place.draft.number('constant')}", "value")
        operands = [*place.inputs, constant]
        turned = getattr(place.layer, "turned", False)
        place.draft.node(operator, operands[::-1] if turned else operands, place.output, place.name)

    return write


def _leaky(place: Place) -> None:
    exact = place.style.readable and place.style.dtype is FLOAT64
    if exact and float(np.float32(place.layer.slope)) != place.layer.slope:
        place.add("PRelu", place.numbers(f"_slope_{place.draft.number('slope')}", "slope"))
    else:
        place.add("LeakyRelu", alpha=place.single("slope"))


def _clip(place: Place) -> None:
    number = place.draft.number("clip")
    ends = [
        "" if getattr(place.layer, what) is None else place.numbers(f"_{what}_{number}", what) for what in ("lower", "upper")
    ]
    place.add("Clip", *ends[: 2 if ends[1] else 1 if ends[0] else 0])


def _reshape(place: Place) -> None:
    place.add("Reshape", place.draft.integers(f"_sizes_{place.draft.number('sizes')}", [0, *place.layer.sizes]))


def _pad(place: Place) -> None:
    number = place.draft.number("pad")
    pads = place.draft.integers(f"_pads_{number}", _pads([(0, 0), *place.layer.padding]))
    place.add("Pad", pads, place.numbers(f"_fill_{number}", "value"), mode="constant")


WRITERS: Mapping[type[Layer], NodeWriter] = MappingProxyType(
    {
        **{layer: _plain(layer.names.onnx[0]) for layer in la.CALLED if layer.names.onnx},
        la.Dense: _dense,
        la.Convolution: _convolution,
        la.BatchNormalisation: _normalisation,
        la.Affine: _affine,
        la.AveragePooling: _pooling("AveragePool"),
        la.MaxPooling: _pooling("MaxPool"),
        la.GlobalAveragePooling: _global,
        la.Add: lambda place: place.add("Add" if len(place.inputs) == 2 else "Sum"),
        la.AddConstant: _with_constant("Add"),
        la.SubtractConstant: _with_constant("Sub"),
        la.MultiplyConstant: _with_constant("Mul"),
        la.DivideConstant: _with_constant("Div"),
        la.LeakyReLU: _leaky,
        la.Clip: _clip,
        la.Argmax: _plain("ArgMax", axis=-1, keepdims=0),
        la.Softmax: _plain("Softmax", axis=-1),
        la.Flatten: _plain("Flatten", axis=1),
        la.Reshape: _reshape,
        la.Transpose: lambda place: place.add("Transpose", perm=[0, *(axis + 1 for axis in place.layer.axes)]),
        la.Pad: _pad,
        la.Concat: lambda place: place.add("Concat", axis=place.layer.axis + 1),
    }
)
