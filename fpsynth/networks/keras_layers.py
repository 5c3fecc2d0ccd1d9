"""The table of Keras layers that are read: a row says what a layer's configuration and weights are as layers of fpsynth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.networks.assembling import Activation, Assembly, require_axis
from fpsynth.networks.layers import (
    Add,
    AddConstant,
    AveragePooling,
    BatchNormalisation,
    Clip,
    Convolution,
    LeakyReLU,
    MaxPooling,
    MultiplyConstant,
    ReLU,
    Softmax,
)
from fpsynth.networks.layers.base import shown

T = TypeVar("T")
_FORMATS = {"float32": FLOAT32, "float16": FLOAT16, "bfloat16": BFLOAT16, "float64": FLOAT64}


@dataclass(frozen=True)
class Config:
    """What config.json says of a layer."""

    kind: str
    name: str
    inbound: tuple[str, ...]
    foreign: bool
    """Whether its class is not one of Keras: code that would have to be run."""
    values: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(data: Any) -> Config:
        """A layer of config.json.  Raises InputError where it is none."""
        config = data.get("config") if isinstance(data, dict) else None
        if (
            not isinstance(config, dict)
            or not isinstance(data.get("class_name"), str)
            or not isinstance(config.get("name"), str)
        ):
            raise InputError("its config.json has a layer without a class or a name")
        foreign = data.get("registered_name") not in (None, data["class_name"]) or not str(data.get("module")).startswith(
            "keras"
        )
        return Config(data["class_name"], config["name"], _inbound(data), foreign, config)

    def get(self, name: str, kind: type[T], default: T | None = None) -> T:
        """A value of a type.  Raises InputError where it is missing or of another type."""
        value = self.values.get(name, default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind):
            raise InputError(f"its {name} is no {kind.__name__}")
        return value

    def sizes(self, name: str, axes: int) -> tuple[int, ...]:
        """Whole numbers for so many axes."""
        value = self.values.get(name)
        given = [value] * axes if isinstance(value, int) else value
        if not isinstance(given, list) or len(given) != axes or any(not isinstance(n, int) or n < 1 for n in given):
            raise InputError(f"its {name} is no list of {axes} whole numbers from 1")
        return tuple(given)

    def require_float(self, formats: set[Format]) -> None:
        """Add the format that the layer computes in; raise InputError where it mixes several, or is quantised."""
        policy = self.values.get("dtype", "float32")
        inner = policy.get("config") if isinstance(policy, dict) else {"name": policy}
        name = inner.get("name") if isinstance(inner, dict) else None
        if not isinstance(name, str) or name not in _FORMATS:
            raise InputError(f"it computes in {str(name)[:40]}; read are {', '.join(_FORMATS)}")
        if name in ("float16", "bfloat16"):
            raise InputError(f"it computes in {name}: save the model with float32 weights")

    def require_last(self) -> None:
        """Raise InputError unless channels stand last, as Keras has them by default."""
        if self.values.get("data_format", "channels_last") != "channels_last":
            raise InputError("it keeps channels first; read are models with channels last")


def _inbound(data: dict[str, Any]) -> tuple[str, ...]:
    """The names of the layers that a layer of a Functional model reads."""
    nodes = data.get("inbound_nodes") or []
    if not isinstance(nodes, list) or len(nodes) > 1:
        raise InputError("its config.json has a layer that is used several times: make it several layers")
    names: list[str] = []
    waiting = [node.get("args") for node in nodes if isinstance(node, dict)]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, list):
            waiting = [*part, *waiting]
            continue
        history = (
            part.get("config", {}).get("keras_history")
            if isinstance(part, dict) and isinstance(part.get("config"), dict)
            else None
        )
        if not isinstance(history, list) or len(history) != 3 or not isinstance(history[0], str) or history[1:] != [0, 0]:
            raise InputError("its config.json has a layer that reads a constant, or a layer that is used several times")
        names.append(history[0])
    return tuple(names)


Read = Callable[[Assembly, Config, list[Activation], Sequence[NDArray[Any]]], Activation]


def _one(given: Sequence[Activation]) -> Activation:
    if len(given) != 1:
        raise InputError(f"it reads {len(given)} values, not 1")
    return given[0]


def _single(number: float, kind: type[np.floating[Any]] = np.float32) -> float:
    """A number of the configuration as the layer computes with it."""
    with np.errstate(over="ignore"):
        result = float(kind(number))
    if not np.isfinite(result):
        raise InputError(f"it computes with {number!r}, which is beyond the range of its numbers")
    return result


def _weights(weights: Sequence[NDArray[Any]], count: int) -> Sequence[NDArray[Any]]:
    if len(weights) != count or any(not array.size for array in weights):
        raise InputError(f"it has {len(weights)} arrays of weights, not {count}")
    return weights


def _activated(assembly: Assembly, config: Config, value: Activation) -> Activation:
    """What the activation makes of a layer's result."""
    activation = config.values.get("activation")
    if activation in (None, "linear"):
        return value
    name = f"{config.name}/{activation}" if config.kind != "Activation" else config.name
    if activation == "relu":
        return assembly.each(name, ReLU(), value)
    if activation == "relu6":
        return assembly.each(name, Clip(0.0, 6.0), value)
    if activation == "softmax":
        return assembly.ended(name, Softmax(), value, len(value.dims) - 1)
    raise InputError(f"its activation is {str(activation)[:40]}; read are linear, relu, relu6 and softmax")


def _dense(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    biased = config.get("use_bias", bool, True)
    kernel, *bias = _weights(weights, 1 + biased)
    if kernel.ndim != 2:
        raise InputError(f"its kernel is no matrix but {shown(kernel.shape)}")
    return _activated(assembly, config, assembly.dense(config.name, _one(given), kernel.T, *bias))


def _first(assembly: Assembly, config: Config, value: Activation) -> Activation:
    axes = len(value.dims)
    return assembly.transposed(f"{config.name}/channels first", value, (0, axes - 1, *range(1, axes - 1)))


def _last(assembly: Assembly, config: Config, value: Activation) -> Activation:
    axes = len(value.dims)
    return assembly.transposed(f"{config.name}/channels last", value, (0, *range(2, axes), 1))


def _around(config: Config, sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], apart: Sequence[int]) -> Any:
    """The padding (before, after): same as TensorFlow has it, more behind than before."""
    mode = config.values.get("padding")
    if mode == "causal" and len(sizes) == 1:
        return (((kernel[0] - 1) * apart[0], 0),)
    if mode not in ("same", "valid"):
        raise InputError(f"its padding is {str(mode)[:40]}; read are same, valid and causal")
    result = []
    for size, taps, step, between in zip(sizes, kernel, stride, apart, strict=True):
        total = max(0, (-(-size // step) - 1) * step + (taps - 1) * between + 1 - size) if mode == "same" else 0
        result.append((total // 2, total - total // 2))
    return tuple(result)


def _convolution(axes: int, depthwise: bool = False) -> Read:
    def read(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
        config.require_last()
        value = _one(given)
        kernel, *bias = _weights(weights, 1 + config.get("use_bias", bool, True))
        if kernel.ndim != axes + 2 or len(value.dims) != axes + 2:
            raise InputError(f"it convolves {shown(value.dims)} with {shown(kernel.shape)}")
        if depthwise:  # (*sizes, channels, multiplier): channel c gives the outputs c * multiplier, ...
            groups = kernel.shape[-2]
            turned = np.moveaxis(kernel, (-2, -1), (0, 1)).reshape(-1, 1, *kernel.shape[:axes])
        else:
            groups, turned = config.get("groups", int, 1), np.moveaxis(kernel, (-1, -2), (0, 1))
        stride, apart = config.sizes("strides", axes), config.sizes("dilation_rate", axes)
        around = _around(config, value.dims[1:-1], kernel.shape[:axes], stride, apart)
        layer = Convolution(np.ascontiguousarray(turned), bias[0] if bias else None, stride, around, apart, groups)
        node = assembly.batched(_first(assembly, config, value), (axes + 1,))
        result = _activated(assembly, config, assembly.put(config.name, layer, node))
        return _last(assembly, config, result)

    return read


def _pooling(axes: int, kind: type[MaxPooling] | type[AveragePooling]) -> Read:
    def read(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
        config.require_last()
        value = _one(given)
        if len(value.dims) != axes + 2:
            raise InputError(f"it pools {shown(value.dims)}")
        kernel, stride = config.sizes("pool_size", axes), config.sizes("strides", axes)
        around = _around(config, value.dims[1:-1], kernel, stride, (1,) * axes)
        layer = kind(kernel, stride, around) if kind is MaxPooling else AveragePooling(kernel, stride, around, False, False)
        node = assembly.batched(_first(assembly, config, value), (axes + 1,))
        return _last(assembly, config, assembly.put(config.name, layer, node))

    return read


def _global(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    config.require_last()
    axes = range(1, len(_one(given).dims) - 1)
    return assembly.averaged(config.name, _one(given), list(axes), config.get("keepdims", bool, False))


def _normalise(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    value = _one(given)
    axes = len(value.dims)
    axis = config.values.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if not isinstance(axis, int) or require_axis(axis, axes) != axes - 1:
        raise InputError("it does not normalise the last axis")
    scaled, centred = config.get("scale", bool, True), config.get("center", bool, True)
    arrays = list(_weights(weights, 2 + scaled + centred))
    gamma = arrays.pop(0) if scaled else np.ones_like(arrays[0])
    beta = arrays.pop(0) if centred else np.zeros_like(arrays[0])
    epsilon = _single(config.get("epsilon", float, 1e-3), arrays[0].dtype.type)
    layer = BatchNormalisation(arrays[0], arrays[1], gamma, beta, epsilon)
    if axes == 2:
        return assembly.put(config.name, layer, assembly.viewed(value))
    node = assembly.batched(_first(assembly, config, value), range(1, 8))
    return _last(assembly, config, assembly.put(config.name, layer, node))


def _relu(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    slope, most = config.get("negative_slope", float, 0.0), config.values.get("max_value")
    if config.get("threshold", float, 0.0) != 0 or (slope and most is not None):
        raise InputError("it has a threshold, or both a slope and a maximum")
    if slope:
        return assembly.each(config.name, LeakyReLU(_single(slope)), _one(given))
    if most is None:
        return assembly.each(config.name, ReLU(), _one(given))
    return assembly.each(config.name, Clip(0.0, _single(config.get("max_value", float))), _one(given))


def _leaky(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    return assembly.each(config.name, LeakyReLU(_single(config.get("negative_slope", float, 0.3))), _one(given))


def _activation(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    return _activated(assembly, config, _one(given))


def _softmax(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    return assembly.ended(config.name, Softmax(), _one(given), config.get("axis", int, -1))


def _flatten(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    config.require_last()
    return assembly.flattened(config.name, _one(given))


def _reshape(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    value, sizes = _one(given), config.get("target_shape", list)
    if any(not isinstance(size, int) for size in sizes) or sizes.count(-1) > 1:
        raise InputError("its target_shape is no shape")
    known = int(np.prod([size for size in sizes if size > 0], dtype=object))
    total = int(np.prod(value.dims, dtype=object))
    return assembly.reshaped(config.name, value, (1, *(total // known if size == -1 else size for size in sizes)))


def _permute(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    value, order = _one(given), config.get("dims", list)
    if any(not isinstance(axis, int) for axis in order):
        raise InputError("its dims are no axes")
    return assembly.transposed(config.name, value, (0, *order))


def _pad(axes: int) -> Read:
    def read(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
        config.require_last()
        value, pads = _one(given), config.get("padding", list)
        pairs = [tuple(pads)] if axes == 1 and len(pads) == 2 and isinstance(pads[0], int) else [tuple(pair) for pair in pads]
        if (
            len(pairs) != axes
            or any(len(p) != 2 or not all(isinstance(n, int) for n in p) for p in pairs)
            or len(value.dims) != axes + 2
        ):
            raise InputError("its padding is no pair for each axis")
        return assembly.padded(config.name, value, [(0, 0), *pairs, (0, 0)], 0.0)

    return read


def _concatenate(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    return assembly.concatenated(config.name, given, config.get("axis", int, -1))


def _add(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    return assembly.each(config.name, Add(), *given)


def _rescale(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    scale, offset = (_constant(config.values.get(name)) for name in ("scale", "offset"))
    product = assembly.with_constant(f"{config.name}/scale", MultiplyConstant, _one(given), scale)
    return assembly.with_constant(config.name, AddConstant, product, offset)


def _constant(value: Any) -> NDArray[Any]:
    try:
        with np.errstate(over="ignore"):
            array: NDArray[Any] = np.array(value, np.float32)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    if not array.size or not np.isfinite(array).all():
        raise InputError("its scale or offset is no finite number")
    return array


def _subtract(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    raise InputError("it divides by the root of a variance, which it rounds: export the model without it and scale its inputs")


def _same(assembly: Assembly, config: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
    return _one(given)


NOTHING = (
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "GaussianNoise",
    "GaussianDropout",
    "ActivityRegularization",
    "Identity",
)
"""Layers that do nothing once a model is trained."""

LAYERS: dict[str, Read] = {
    "Dense": _dense,
    "Conv1D": _convolution(1),
    "Conv2D": _convolution(2),
    "DepthwiseConv1D": _convolution(1, depthwise=True),
    "DepthwiseConv2D": _convolution(2, depthwise=True),
    "MaxPooling1D": _pooling(1, MaxPooling),
    "MaxPooling2D": _pooling(2, MaxPooling),
    "AveragePooling1D": _pooling(1, AveragePooling),
    "AveragePooling2D": _pooling(2, AveragePooling),
    "GlobalAveragePooling1D": _global,
    "GlobalAveragePooling2D": _global,
    "BatchNormalization": _normalise,
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "Activation": _activation,
    "Softmax": _softmax,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    "ZeroPadding1D": _pad(1),
    "ZeroPadding2D": _pad(2),
    "Concatenate": _concatenate,
    "Add": _add,
    "Rescaling": _rescale,
    "Normalization": _subtract,
    **dict.fromkeys(NOTHING, _same),
}
"""By the name of the class in keras.layers."""


def unread(config: Config) -> InputError:
    """The error for a layer that is not read."""
    if config.kind == "Lambda" or config.foreign:
        return InputError("it is code of its own, which fpsynth never runs: build the model without it")
    if config.kind in ("Sequential", "Functional"):
        return InputError("a model inside a model is not read: put its layers into the outer one")
    return InputError(f"no layer of fpsynth is that; read are {', '.join(sorted(LAYERS))}")
