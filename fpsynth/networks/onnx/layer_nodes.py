"""How each layer type is written as nodes of ONNX: one row in the table of writers for each row of the table of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT64, Format
from fpsynth.networks import layers as la
from fpsynth.networks.layers import Shape
from fpsynth.networks.onnx.tensors import package, written, written_integers


@dataclass
class Draft:
    """Nodes and weights written so far."""

    dtype: Format
    form: str
    opset: int
    nodes: list[Any] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def node(self, kind: str, inputs: Sequence[str], output: str, name: str, **attributes: Any) -> None:
        """Add a node."""
        self.nodes.append(package().helper.make_node(kind, list(inputs), [output], name, **attributes))

    def number(self, kind: str) -> int:
        """How many layers of a kind came before, counted on."""
        self.counts[kind] = self.counts.get(kind, -1) + 1
        return self.counts[kind]

    def constant(self, name: str, values: Any) -> str:
        """Add weights of the network's format."""
        self.tensors.append(written(name, values, self.dtype))
        return name

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Add a shape or axes."""
        self.tensors.append(written_integers(name, values))
        return name

    def blocked(self, tensor: str) -> str:
        """The same numbers by another name, to which readers add nothing as a bias."""
        name = f"{tensor}/product"
        self.node("Identity", [tensor], name, name)
        return name


Writer = Callable[[Draft, str, Any, Sequence[str], Sequence[Shape], str], None]


def single(value: float, what: str) -> float:
    """The number, which must be a float32: what ONNX keeps as an attribute."""
    if float(np.float32(value)) != value:
        raise InputError(
            f"{what} {value!r} is no float32, which is what ONNX keeps; the nearest is {float(np.float32(value))!r}"
        )
    return value


def _dense(draft: Draft, name: str, layer: la.Dense, inputs: Sequence[str], shapes: Sequence[Shape], output: str) -> None:
    number = draft.number("dense")
    gemm = draft.form == "gemm" and len(shapes[0]) == 1
    weight = draft.constant(f"W_{number}", layer.weight if gemm else layer.weight.T)
    bias = [] if layer.bias is None else [draft.constant(f"b_{number}", layer.bias)]
    if gemm:
        draft.node("Gemm", [*inputs, weight, *bias], output, name, transB=1)
        return
    product = f"_product_{number}" if bias else output
    draft.node("MatMul", [*inputs, weight], product, name)
    if bias:
        draft.node("Add", [product, *bias], output, f"{name}/bias")


def _convolution(
    draft: Draft, name: str, layer: la.Convolution, inputs: Sequence[str], shapes: Sequence[Shape], output: str
) -> None:
    number = draft.number("convolution")
    parameters = [draft.constant(f"_kernel_{number}", layer.weight)]
    if layer.bias is not None:
        parameters.append(draft.constant(f"_channels_{number}", layer.bias))
    sizes = {"kernel_shape": layer.weight.shape[2:], "strides": layer.stride, "dilations": layer.dilation}
    draft.node("Conv", [*inputs, *parameters], output, name, group=layer.groups, pads=_pads(layer.padding), **sizes)


def _pads(padding: Sequence[tuple[int, int]]) -> list[int]:
    return [before for before, _ in padding] + [after for _, after in padding]


def _normalisation(
    draft: Draft, name: str, layer: la.BatchNormalisation, inputs: Sequence[str], shapes: Sequence[Shape], output: str
) -> None:
    number = draft.number("normalisation")
    parts = [draft.constant(f"_{what}_{number}", getattr(layer, what)) for what in ("scale", "shift", "mean", "variance")]
    draft.node("BatchNormalization", [*inputs, *parts], output, name, epsilon=single(layer.epsilon, "the epsilon"))


def _pooling(kind: str) -> Writer:
    def write(draft: Draft, name: str, layer: Any, inputs: Sequence[str], shapes: Sequence[Shape], output: str) -> None:
        more = {"count_include_pad": int(layer.count_padding)} if isinstance(layer, la.AveragePooling) else {}
        sizes = {"kernel_shape": layer.kernel, "strides": layer.stride, "pads": _pads(layer.padding)}
        draft.node(kind, inputs, output, name, ceil_mode=int(layer.ceil), **sizes, **more)

    return write


def _global(
    draft: Draft, name: str, layer: la.GlobalAveragePooling, inputs: Sequence[str], shapes: Sequence[Shape], output: str
) -> None:
    if layer.keep_axes:
        draft.node("GlobalAveragePool", inputs, output, name)
        return
    axes = [*range(2, len(shapes[0]) + 1)]
    if draft.opset < 18:
        draft.node("ReduceMean", inputs, output, name, axes=axes, keepdims=0)
    else:
        given = draft.integers(f"_axes_{draft.number('axes')}", axes)
        draft.node("ReduceMean", [*inputs, given], output, name, keepdims=0)


def _plain(kind: str, **attributes: Any) -> Writer:
    def write(draft: Draft, name: str, layer: Any, inputs: Sequence[str], shapes: Sequence[Shape], output: str) -> None:
        draft.node(kind, inputs, output, name, **attributes)

    return write


def _with_constant(kind: str) -> Writer:
    def write(draft: Draft, name: str, layer: Any, inputs: Sequence[str], shapes: Sequence[Shape], output: str) -> None:
        operands = [*inputs, draft.constant(f"_constant_{draft.number('constant')}", layer.value)]
        draft.node(kind, operands[::-1] if getattr(layer, "turned", False) else operands, output, name)

    return write


def _add(draft: Draft, name: str, layer: la.Add, inputs: Sequence[str], shapes: Sequence[Shape], output: str) -> None:
    draft.node("Add" if len(inputs) == 2 else "Sum", inputs, output, name)


def _leaky(draft: Draft, name: str, layer: la.LeakyReLU, inputs: Sequence[str], shapes: Sequence[Shape], output: str) -> None:
    if draft.dtype is FLOAT64 and float(np.float32(layer.slope)) != layer.slope:
        draft.node("PRelu", [*inputs, draft.constant(f"_slope_{draft.number('slope')}", layer.slope)], output, name)
    else:
        draft.node("LeakyRelu", inputs, output, name, alpha=single(layer.slope, "the slope"))


def _clip(draft: Draft, name: str, layer: la.Clip, inputs: Sequence[str], shapes: Sequence[Shape], output: str) -> None:
    number = draft.number("clip")
    ends = [
        "" if end is None else draft.constant(f"_{what}_{number}", end)
        for what, end in (("lower", layer.lower), ("upper", layer.upper))
    ]
    draft.node("Clip", [*inputs, *ends[: 2 if ends[1] else 1 if ends[0] else 0]], output, name)


def _reshape(draft: Draft, name: str, layer: la.Reshape, inputs: Sequence[str], shapes: Sequence[Shape], output: str) -> None:
    sizes = draft.integers(f"_sizes_{draft.number('sizes')}", [0, *layer.sizes])
    draft.node("Reshape", [*inputs, sizes], output, name)


def _transpose(
    draft: Draft, name: str, layer: la.Transpose, inputs: Sequence[str], shapes: Sequence[Shape], output: str
) -> None:
    draft.node("Transpose", inputs, output, name, perm=[0, *(axis + 1 for axis in layer.axes)])


def _pad(draft: Draft, name: str, layer: la.Pad, inputs: Sequence[str], shapes: Sequence[Shape], output: str) -> None:
    number = draft.number("pad")
    pads = draft.integers(f"_pads_{number}", _pads([(0, 0), *layer.padding]))
    fill = draft.constant(f"_fill_{number}", layer.value)
    draft.node("Pad", [*inputs, pads, fill], output, name, mode="constant")


def _concat(draft: Draft, name: str, layer: la.Concat, inputs: Sequence[str], shapes: Sequence[Shape], output: str) -> None:
    draft.node("Concat", inputs, output, name, axis=layer.axis + 1)


WRITERS: dict[str, Writer] = {
    la.Dense.kind: _dense,
    la.Convolution.kind: _convolution,
    la.BatchNormalisation.kind: _normalisation,
    la.AveragePooling.kind: _pooling("AveragePool"),
    la.MaxPooling.kind: _pooling("MaxPool"),
    la.GlobalAveragePooling.kind: _global,
    la.Add.kind: _add,
    la.AddConstant.kind: _with_constant("Add"),
    la.SubtractConstant.kind: _with_constant("Sub"),
    la.MultiplyConstant.kind: _with_constant("Mul"),
    la.DivideConstant.kind: _with_constant("Div"),
    la.ReLU.kind: _plain("Relu"),
    la.LeakyReLU.kind: _leaky,
    la.Clip.kind: _clip,
    la.Argmax.kind: _plain("ArgMax", axis=-1, keepdims=0),
    la.Softmax.kind: _plain("Softmax", axis=-1),
    la.Flatten.kind: _plain("Flatten", axis=1),
    la.Reshape.kind: _reshape,
    la.Transpose.kind: _transpose,
    la.Pad.kind: _pad,
    la.Concat.kind: _concat,
}
"""By the kind of the layer."""
