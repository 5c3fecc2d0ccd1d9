"""The table of torch's operators (ATen) that are read, as torch.export writes them down for a batch of one example."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, Format
from fpsynth.networks.assembling import Activation, Assembly, Constant, require_axis
from fpsynth.networks.layers import (
    CALLED,
    Add,
    AddConstant,
    Argmax,
    AveragePooling,
    BatchNormalisation,
    Clip,
    Convolution,
    DivideConstant,
    GlobalAveragePooling,
    Layer,
    LeakyReLU,
    MaxPooling,
    MultiplyConstant,
    Softmax,
    SubtractConstant,
)
from fpsynth.networks.layers.base import shown
from fpsynth.networks.tensors import numbers


@dataclass(frozen=True)
class Tracing:
    """The network so far, and the format of the module's numbers."""

    assembly: Assembly
    format: Format
    scalar: type[np.floating[Any]]
    """What torch makes of Python's numbers and of attributes: float64 in float64 modules, else float32."""

    def rounded(self, number: float) -> float:
        """A Python number as torch takes it."""
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            raise InputError("it computes with a number that is not finite, or with none")
        with np.errstate(over="ignore"):
            result = float(self.scalar(number))
        if not math.isfinite(result):
            raise InputError(f"{number} is beyond the range of the network's format")
        return result

    def constant(self, operand: Any) -> NDArray[Any]:
        """A tensor or a Python number as an array."""
        if not isinstance(operand, (int, float)):
            return numbers(operand, "a constant")
        number = self.rounded(operand)
        if self.format in (FLOAT16, BFLOAT16) and number != int(number):
            raise InputError(f"{operand} is computed with in float32, the rest in {self.format.name}: make it a buffer")
        return np.array(number, self.scalar)


Read = Callable[[Tracing, str, list[Any], dict[str, Any]], Any]


def _arguments(args: Sequence[Any], kwargs: dict[str, Any], **defaults: Any) -> list[Any]:
    """The arguments after the first, by position or name."""
    result = dict(zip(defaults, args[1:], strict=False))
    return [result.get(name, kwargs.get(name, default)) for name, default in defaults.items()]


def _value(operand: Any) -> Activation:
    if not isinstance(operand, Activation):
        raise InputError("it does not compute with what the input becomes")
    return operand


def _parameter(operand: Any, what: str) -> NDArray[Any]:
    if operand is None or isinstance(operand, Activation):
        raise InputError(f"its {what} is computed, or none: it must be constant")
    return numbers(operand, f"its {what}")


def _linear(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    weight, bias = _arguments(args, kwargs, weight=None, bias=None)
    numbers = None if bias is None else _parameter(bias, "bias")
    return t.assembly.dense(label, _value(args[0]), _parameter(weight, "weight"), numbers)


def _matmul(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    first, second = args[:2]
    if isinstance(first, Activation) and isinstance(second, Activation):
        raise InputError("it multiplies two values that are computed; read are products with constant weights")
    weight = _parameter(second if isinstance(first, Activation) else first, "weight")
    if weight.ndim != 2:
        raise InputError(f"its weight is no matrix but {shown(weight.shape)}")
    if isinstance(first, Activation):
        return t.assembly.dense(label, first, weight.T)
    return t.assembly.dense_columns(label, _value(second), weight)


def _addmm(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    bias, first, second = args[:3]
    if kwargs.get("alpha", 1) != 1 or kwargs.get("beta", 1) != 1:
        raise InputError("it scales its product or bias, which libraries round in ways of their own")
    weight = _parameter(second, "weight")
    return t.assembly.dense(label, _value(first), weight.T, _parameter(bias, "bias"))


def _convolution(axes: int) -> Read:
    def read(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
        weight, bias, stride, padding, dilation, groups = _arguments(
            args, kwargs, weight=None, bias=None, stride=[1], padding=[0], dilation=[1], groups=1
        )
        numbers = _parameter(weight, "weight")
        apart = _each(dilation, axes)
        if isinstance(padding, str):
            total = [a * (k - 1) if padding == "same" else 0 for a, k in zip(apart, numbers.shape[2:], strict=True)]
            around = tuple((n // 2, n - n // 2) for n in total)
        else:
            around = tuple((n, n) for n in _each(padding, axes))
        layer = Convolution(
            numbers, None if bias is None else _parameter(bias, "bias"), _each(stride, axes), around, apart, groups
        )
        return t.assembly.put(label, layer, t.assembly.batched(_value(args[0]), (axes + 1,)))

    return read


def _each(values: Any, axes: int) -> tuple[int, ...]:
    given = [values] if isinstance(values, int) else list(values)
    return tuple(given * axes if len(given) == 1 else given)


def _normalise(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    weight, bias, mean, variance, *rest = _arguments(
        args, kwargs, weight=None, bias=None, running_mean=None, running_var=None, fourth=None, fifth=None, sixth=None
    )
    epsilon = [number for number in rest if isinstance(number, float)][-1]  # the last float: momentum comes before it
    if mean is None or variance is None:
        raise InputError("it has no statistics of its own (track_running_stats=False): it normalises by each batch")
    averages, variances = _parameter(mean, "mean"), _parameter(variance, "variance")
    scale = np.ones_like(averages) if weight is None else _parameter(weight, "weight")
    shift = np.zeros_like(averages) if bias is None else _parameter(bias, "bias")
    layer = BatchNormalisation(averages, variances, scale, shift, t.rounded(epsilon))
    return t.assembly.put(label, layer, t.assembly.batched(_value(args[0]), range(1, 8)))


def _called(layer: type[Layer]) -> Read:
    """A layer type that its name says all of."""
    return lambda t, label, args, kwargs: t.assembly.each(label, layer(), _value(args[0]))


def _leaky(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    (slope,) = _arguments(args, kwargs, negative_slope=0.01)
    return t.assembly.each(label, LeakyReLU(t.rounded(slope)), _value(args[0]))


def _clip(low: float | None, high: float | None, *names: str) -> Read:
    def read(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
        defaults = {"low": low, "high": high}
        ends = _arguments(
            args,
            {defaults_name: kwargs[name] for defaults_name, name in zip(defaults, names, strict=False) if name in kwargs},
            **defaults,
        )
        return t.assembly.each(label, Clip(*(None if end is None else t.rounded(end) for end in ends)), _value(args[0]))

    return read


def _clamp_max(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    return t.assembly.each(label, Clip(None, t.rounded(args[1])), _value(args[0]))


def _max_pool(axes: int) -> Read:
    def read(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
        kernel, stride, padding, dilation, ceil = _arguments(
            args, kwargs, kernel_size=None, stride=[], padding=[0], dilation=[1], ceil_mode=False
        )
        if set(_each(dilation, axes)) != {1}:
            raise InputError("its dilation is not 1, which no pooling of fpsynth has")
        layer = MaxPooling(_each(kernel, axes), _each(stride, axes), _sides(padding, axes), ceil)
        return t.assembly.put(label, layer, t.assembly.batched(_value(args[0]), (axes + 1,)))

    return read


def _average_pool(axes: int) -> Read:
    def read(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
        kernel, stride, padding, ceil, counted, divisor = _arguments(
            args,
            kwargs,
            kernel_size=None,
            stride=[],
            padding=[0],
            ceil_mode=False,
            count_include_pad=True,
            divisor_override=None,
        )
        if divisor is not None:
            raise InputError("it has a divisor of its own (divisor_override)")
        layer = AveragePooling(_each(kernel, axes), _each(stride, axes), _sides(padding, axes), ceil, counted)
        return t.assembly.put(label, layer, t.assembly.batched(_value(args[0]), (axes + 1,)))

    return read


def _sides(padding: Any, axes: int) -> tuple[tuple[int, int], ...]:
    return tuple((n, n) for n in _each(padding, axes))


def _adaptive(axes: int) -> Read:
    def read(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
        value, wanted = _value(args[0]), _each(args[1], axes)
        node = t.assembly.batched(value, (axes + 1,))
        if set(wanted) == {1}:
            return t.assembly.put(label, GlobalAveragePooling(), node)
        if any(size % count for size, count in zip(value.dims[2:], wanted, strict=True)):
            raise InputError(f"it pools {shown(value.dims[2:])} to {shown(wanted)} in windows of several sizes")
        kernel = tuple(size // count for size, count in zip(value.dims[2:], wanted, strict=True))
        return t.assembly.put(label, AveragePooling(kernel), node)

    return read


def _mean(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    axes, keep = _arguments(args, kwargs, dim=None, keepdim=False)
    value = _value(args[0])
    chosen = [*range(len(value.dims))] if axes is None else [axes] if isinstance(axes, int) else axes
    return t.assembly.averaged(label, value, chosen, keep)


def _flatten(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    start, end = _arguments(args, kwargs, start_dim=0, end_dim=-1)
    dims = _value(args[0]).dims
    first, last = require_axis(start, len(dims)), require_axis(end, len(dims))
    return t.assembly.reshaped(label, args[0], (*dims[:first], math.prod(dims[first : last + 1]), *dims[last + 1 :]))


def _view(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    (sizes,) = _arguments(args, kwargs, size=None)
    value = _value(args[0])
    known = math.prod(size for size in sizes if size >= 0)
    dims = [math.prod(value.dims) // max(known, 1) if size == -1 else size for size in sizes]
    return t.assembly.reshaped(label, value, dims)


def _unsqueeze(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    value = _value(args[0])
    place = require_axis(args[1], len(value.dims) + 1)
    return t.assembly.reshaped(label, value, (*value.dims[:place], 1, *value.dims[place:]))


def _squeeze(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    value = _value(args[0])
    axes = [*range(len(value.dims))] if len(args) < 2 else [args[1]] if isinstance(args[1], int) else args[1]
    chosen = {require_axis(axis, len(value.dims)) for axis in axes}
    return t.assembly.reshaped(label, value, [n for k, n in enumerate(value.dims) if n != 1 or k not in chosen])


def _permute(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    value = _value(args[0])
    return t.assembly.transposed(label, value, [require_axis(axis, len(value.dims)) for axis in args[1]])


def _transpose(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    value = _value(args[0])
    perm = [*range(len(value.dims))]
    first, second = (require_axis(axis, len(perm)) for axis in (args[1:3] if len(args) > 1 else (0, -1)))
    perm[first], perm[second] = perm[second], perm[first]
    return t.assembly.transposed(label, value, perm)


def _cat(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    (axis,) = _arguments(args, kwargs, dim=0)
    return t.assembly.concatenated(label, [_value(part) for part in args[0]], axis)


def _add(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    first, second = args[:2]
    _require_plain(kwargs, args[2:])
    if isinstance(first, Activation) and isinstance(second, Activation):
        return t.assembly.each(label, Add(), first, second)
    computed, constant = (first, second) if isinstance(first, Activation) else (second, first)
    return t.assembly.with_constant(label, AddConstant, _value(computed), t.constant(constant))


def _with_constant(kind: Constant, turned: bool = False, either: bool = False) -> Read:
    """``turned``: the constant first, whatever order they come in; ``either``: their order says nothing."""

    def read(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
        first, second = args[:2]
        _require_plain(kwargs, args[2:])
        if isinstance(first, Activation) and isinstance(second, Activation):
            raise InputError("it computes with two values that are computed; of such, only sums are read")
        computed, constant = (first, second) if isinstance(first, Activation) else (second, first)
        behind = isinstance(first, Activation) == turned
        if kind is SubtractConstant:
            return t.assembly.with_constant(label, kind, _value(computed), t.constant(constant), turned=behind)
        if behind and not either:
            raise InputError("it divides by a value that is computed; read is the division by constants")
        return t.assembly.with_constant(label, kind, _value(computed), t.constant(constant))

    return read


def _require_plain(kwargs: dict[str, Any], rest: Sequence[Any]) -> None:
    if any(number not in (1, None) for number in (*kwargs.values(), *rest)):
        raise InputError("it scales what it adds (alpha), or rounds a quotient")


def _pad(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    mode_or_fill = args[2] if len(args) > 2 else kwargs.get("mode", kwargs.get("value", "constant"))
    fill = mode_or_fill if not isinstance(mode_or_fill, str) else args[3] if len(args) > 3 else kwargs.get("value", 0.0)
    if isinstance(mode_or_fill, str) and mode_or_fill != "constant":
        raise InputError(f"it pads in the mode {mode_or_fill!r}; read are constant pads")
    value, pads = _value(args[0]), list(args[1])
    pairs = [(pads[k], pads[k + 1]) for k in range(0, len(pads), 2)]
    around = [(0, 0)] * (len(value.dims) - len(pairs)) + pairs[::-1]
    return t.assembly.padded(label, value, around, t.rounded(fill or 0.0))


def _softmax(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    return t.assembly.ended(label, Softmax(), _value(args[0]), args[1])


def _argmax(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    axis, keep = _arguments(args, kwargs, dim=None, keepdim=False)
    if axis is None:
        raise InputError("it takes the largest of the whole batch: say dim=-1")
    return t.assembly.ended(label, Argmax(), _value(args[0]), axis, keep)


def _same(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return args[0]


def _dropout(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    if args[2]:
        raise InputError("it is in training mode, whatever module.eval() says")
    return _value(args[0])


def _item(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Activation:
    if args[1] != 0:
        raise InputError("it reads a result that is not read")
    return _value(args[0])


def _turned(read: Read) -> Read:
    """Of a weight, torch itself does it: a view changes no bits."""

    def either(t: Tracing, label: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(args[0], Activation):
            return read(t, label, args, kwargs)
        tensor = args[0]
        if len(args) == 1:
            return tensor.t() if tensor.ndim <= 2 else tensor.squeeze()
        return tensor.permute(args[1]) if isinstance(args[1], list) else tensor.transpose(args[1], args[2])

    return either


OPERATORS: dict[str, Read] = {
    "linear": _linear, "matmul": _matmul, "mm": _matmul, "addmm": _addmm,
    "conv1d": _convolution(1), "conv1d.padding": _convolution(1), "conv2d": _convolution(2), "conv2d.padding": _convolution(2),
    "batch_norm": _normalise, "_native_batch_norm_legit_no_training": _normalise,
    **{layer.names.torch_function: _called(layer) for layer in CALLED if layer.names.torch_function},
    "leaky_relu": _leaky, "hardtanh": _clip(-1.0, 1.0, "min_val", "max_val"), "relu6": _clip(0.0, 6.0),
    "clamp": _clip(None, None, "min", "max"), "clamp_min": _clip(None, None), "clamp_max": _clamp_max,
    "max_pool1d": _max_pool(1), "max_pool2d": _max_pool(2), "max_pool2d_with_indices": _max_pool(2),
    "avg_pool1d": _average_pool(1), "avg_pool2d": _average_pool(2),
    "adaptive_avg_pool1d": _adaptive(1), "adaptive_avg_pool2d": _adaptive(2), "_adaptive_avg_pool2d": _adaptive(2),
    "mean.dim": _mean, "flatten.using_ints": _flatten, "view": _view, "_unsafe_view": _view, "reshape": _view,
    "unsqueeze": _unsqueeze, "squeeze": _squeeze, "squeeze.dim": _squeeze, "squeeze.dims": _squeeze,
    "permute": _turned(_permute), "transpose.int": _turned(_transpose), "t": _turned(_transpose),
    "numpy_T": _turned(_transpose),
    "cat": _cat, "add.Tensor": _add, "add.Scalar": _add,
    "sub.Tensor": _with_constant(SubtractConstant), "sub.Scalar": _with_constant(SubtractConstant),
    "rsub.Scalar": _with_constant(SubtractConstant, turned=True), "rsub.Tensor": _with_constant(SubtractConstant, turned=True),
    "mul.Tensor": _with_constant(MultiplyConstant, either=True), "mul.Scalar": _with_constant(MultiplyConstant, either=True),
    "div.Tensor": _with_constant(DivideConstant), "div.Scalar": _with_constant(DivideConstant),
    "pad": _pad, "constant_pad_nd": _pad, "softmax.int": _softmax, "_softmax": _softmax, "argmax": _argmax,
    "dropout": _dropout, "clone": _same, "detach": _same, "alias": _same, "contiguous": _same, "lift_fresh_copy": _same,
    "<built-in function getitem>": _item,
}  # fmt: skip
"""What makes a layer of each operator, by its name without aten:: and .default."""

IGNORED = ("dropout",)
"""Operators that are left out and said to be."""


def unread(name: str) -> InputError:
    """The error for an operator that is not read."""
    names = sorted({one.split(".")[0] for one in OPERATORS if not one.startswith(("_", "<"))})
    return InputError(f"no layer of fpsynth is that; read are {', '.join(names)}")
