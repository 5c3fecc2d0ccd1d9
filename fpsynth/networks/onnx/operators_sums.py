"""Operators of ONNX that add: dense layers, convolutions, averages, normalisations, and constants added or multiplied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fpsynth.errors import InputError
from fpsynth.networks.assembling import Activation
from fpsynth.networks.layers import (
    Add,
    AddConstant,
    AveragePooling,
    BatchNormalisation,
    Convolution,
    DivideConstant,
    GlobalAveragePooling,
    MultiplyConstant,
    SubtractConstant,
)
from fpsynth.networks.layers.base import shown
from fpsynth.networks.onnx.constants import OnnxConstant, axes_of
from fpsynth.networks.onnx.model import OnnxOperation
from fpsynth.networks.onnx.state import OnnxReading, Operand, aligned, count, one_constant, value


def matmul(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """x W, or W x with points as columns."""
    op.given()
    count(inputs, 2, 2)
    computed, constant, first = _with_weight(inputs)
    weight = _matrix(reading, constant)
    if first:
        _require_inner(weight.shape[1], computed.dims[-2:][0])
        result = reading.assembly.dense_columns(op.label, computed, weight)
    else:
        _require_inner(weight.shape[0], computed.dims[-1])
        result = reading.assembly.dense(op.label, computed, weight.T)
    reading.open[op.outputs[0]] = -2 if first and len(computed.dims) > 1 else -1
    return result


def gemm(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """x W + b, each turned or not; scaled ones are refused, as nothing says which roundings that takes."""
    alpha, beta, a_turned, b_turned, _ = op.given(alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0)
    count(inputs, 2, 3)
    if alpha != 1 or (beta != 1 and len(inputs) == 3):
        name, factor = ("alpha", alpha) if alpha != 1 else ("beta", beta)
        raise InputError(
            f"it multiplies by {name} = {factor:g}, which libraries round in ways of their own: multiply the weights before"
            " the export"
        )
    computed, constant, first = _with_weight(inputs)
    weight = _matrix(reading, constant)
    if len(computed.dims) != 2:
        raise InputError(f"it reads two axes, not {shown(computed.dims)}")
    if a_turned if not first else b_turned:
        computed = reading.assembly.transposed(f"{op.label}/turned", computed, (1, 0))
    bias = reading.numbers(inputs[2], "bias") if len(inputs) == 3 else None
    if first:
        turned = weight.T if a_turned else weight
        _require_inner(turned.shape[1], computed.dims[0])
        result = reading.assembly.dense_columns(op.label, computed, turned)
    else:
        turned = weight if b_turned else weight.T
        _require_inner(turned.shape[1], computed.dims[1])
        result = reading.assembly.dense(op.label, computed, turned)
    if bias is not None and not reading.assembly.with_bias(result, bias, -2 if first else -1):
        raise InputError(f"its bias of {shown(bias.shape)} does not fit its {len(turned)} outputs")
    return result


def _with_weight(inputs: Sequence[Operand]) -> tuple[Activation, OnnxConstant, bool]:
    pair = one_constant(inputs)
    if pair is None:
        raise InputError("it multiplies two values that are computed; read are products with constant weights")
    return pair


def _matrix(reading: OnnxReading, constant: OnnxConstant) -> Any:
    weight = reading.numbers(constant, "weight")
    while weight.ndim > 2 and weight.shape[0] == 1:
        weight = weight[0]
    if weight.ndim != 2:
        raise InputError(f"its weight is no matrix but {shown(weight.shape)}")
    return weight


def _require_inner(wanted: int, given: int) -> None:
    if wanted != given:
        raise InputError(f"it has {wanted} inputs, but {given} come in")


def add(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """A bias, a constant, or another value."""
    count(inputs, 2, 2)
    pair = one_constant(inputs)
    if pair is None:
        op.given(**({} if reading.opset >= 7 else {"broadcast": 0, "axis": None}))
        return reading.assembly.each(op.label, Add(), value(inputs[0]), value(inputs[1]))
    computed, constant, first = pair
    numbers = reading.numbers(aligned(op, constant, computed, reading.opset), "constant")
    tensor = op.inputs[1 if first else 0]
    axis = reading.open.get(tensor)
    alone = reading.readers[tensor] == 1
    if axis is not None and alone and reading.assembly.with_bias(computed, numbers, axis):
        return computed
    return reading.assembly.with_constant(op.label, AddConstant, computed, numbers)


def added(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """The Sum of several values."""
    op.given()
    count(inputs, 1, 1000)
    if len(inputs) == 1:
        return value(inputs[0])
    return reading.assembly.each(op.label, Add(), *map(value, inputs))


def subtract(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """A constant from the value, or the value from a constant."""
    computed, numbers, first = _constant(reading, op, inputs)
    return reading.assembly.with_constant(op.label, SubtractConstant, computed, numbers, turned=first)


def multiply(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """By a constant."""
    computed, numbers, _ = _constant(reading, op, inputs)
    return reading.assembly.with_constant(op.label, MultiplyConstant, computed, numbers)


def divide(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """By a constant."""
    computed, numbers, first = _constant(reading, op, inputs)
    if first:
        raise InputError("it divides by a value that is computed; read is the division by constants")
    return reading.assembly.with_constant(op.label, DivideConstant, computed, numbers)


def _constant(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> tuple[Activation, Any, bool]:
    count(inputs, 2, 2)
    pair = one_constant(inputs)
    if pair is None:
        raise InputError("it computes with two values that are computed; of such, only sums (Add) are read")
    computed, constant, first = pair
    return computed, reading.numbers(aligned(op, constant, computed, reading.opset), "constant"), first


def convolution(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """In one or two dimensions."""
    count(inputs, 2, 3)
    weight = reading.numbers(inputs[1], "weight")
    axes = weight.ndim - 2
    if axes not in (1, 2):
        raise InputError(f"it convolves along {axes} axes; read are 1 and 2")
    kernel, stride, pads, dilation, groups, auto = op.given(
        kernel_shape=[*weight.shape[2:]],
        strides=[1] * axes,
        pads=[0] * 2 * axes,
        dilations=[1] * axes,
        group=1,
        auto_pad="NOTSET",
    )
    if tuple(kernel) != weight.shape[2:]:
        raise InputError(f"its kernel_shape {kernel[:3]} is not that of its weight, {shown(weight.shape[2:])}")
    node = reading.assembly.batched(value(inputs[0]), (axes + 1,))
    sizes = value(inputs[0]).dims[2:]
    bias = reading.numbers(inputs[2], "bias") if len(inputs) == 3 else None
    around = padding(auto, pads, sizes, kernel, stride, dilation)
    layer = Convolution(weight, bias, tuple(stride), around, tuple(dilation), groups)
    return reading.assembly.put(op.label, layer, node)


def padding(
    auto: str, pads: Sequence[int], sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Pairs (before, after), from what a convolution or a pooling says.  Raises InputError."""
    axes = len(sizes)
    if any(len(each) != axes for each in (kernel, stride, dilation)) or len(pads) != 2 * axes:
        raise InputError(f"its kernel, strides, dilations and pads are not those of {axes} axes")
    if any(number < 1 for number in (*kernel, *stride, *dilation)):
        raise InputError("its kernel, strides and dilations must be at least 1")
    if any(pad < 0 for pad in pads):
        raise InputError("it cuts away numbers (pads below 0)")
    if auto in ("NOTSET", "", "VALID"):
        around = [*pads] if auto != "VALID" else [0] * 2 * axes
        return tuple(zip(around[:axes], around[axes:], strict=True))
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise InputError(f"its auto_pad is {auto}")
    result = []
    for size, taps, step, apart in zip(sizes, kernel, stride, dilation, strict=True):
        total = max(0, (-(-size // step) - 1) * step + (taps - 1) * apart + 1 - size)
        less, more = total // 2, total - total // 2
        result.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return tuple(result)


def normalise(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """Batch normalisation as it is when the network is used."""
    epsilon, _, spatial, training, _ = op.given(
        epsilon=float(np.float32(1e-5)), momentum=0.9, spatial=1, training_mode=0, is_test=1
    )
    count(inputs, 5, 5)
    if training or spatial != 1:
        raise InputError(
            "it is in training mode: export the network for inference" if training else "it normalises each number"
        )
    scale, shift, mean, variance = (
        reading.numbers(operand, what) for operand, what in zip(inputs[1:], ("scale", "shift", "mean", "variance"), strict=True)
    )
    node = reading.assembly.batched(value(inputs[0]), range(1, 8))
    layer = BatchNormalisation(mean, variance, scale, shift, float(np.float32(epsilon)))
    return reading.assembly.put(op.label, layer, node)


def average(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """AveragePool."""
    count(inputs, 1, 1)
    counted = op.attributes.get("count_include_pad", 0)
    kernel, stride, around, ceil = pooling(op, value(inputs[0]), "count_include_pad")
    node = reading.assembly.batched(value(inputs[0]), (len(kernel) + 1,))
    layer = AveragePooling(kernel, stride, around, ceil, bool(counted))
    return reading.assembly.put(op.label, layer, node)


def pooling(op: OnnxOperation, computed: Activation, *more: str) -> tuple[tuple[int, ...], tuple[int, ...], Any, bool]:
    """Kernel, stride, padding and rounding up, of a pooling; ``more``: integer attributes of its own."""
    kernel = op.attributes.get("kernel_shape")
    if not isinstance(kernel, list) or len(kernel) not in (1, 2) or len(computed.dims) != len(kernel) + 2:
        raise InputError(f"it pools {shown(computed.dims)}; read are poolings along 1 or 2 axes behind batch and channels")
    axes = len(kernel)
    rest = dict.fromkeys(more, 0)
    _, stride, pads, dilation, ceil, auto, *_ = op.given(
        kernel_shape=kernel,
        strides=[1] * axes,
        pads=[0] * 2 * axes,
        dilations=[1] * axes,
        ceil_mode=0,
        auto_pad="NOTSET",
        **rest,
    )
    around = padding(auto, pads, computed.dims[2:], kernel, stride, dilation)
    if any(apart != 1 for apart in dilation):
        raise InputError("its dilations are not 1, which no pooling of fpsynth has")
    return tuple(kernel), tuple(stride), around, bool(ceil)


def global_average(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """GlobalAveragePool."""
    op.given()
    count(inputs, 1, 1)
    return reading.assembly.put(op.label, GlobalAveragePooling(), reading.assembly.batched(value(inputs[0]), range(2, 8)))


def mean(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """ReduceMean over all axes but the channels'."""
    _, keep, _ = op.given(axes=None, keepdims=1, noop_with_empty_axes=0)
    count(inputs, 1, 2)
    arrays = [operand if isinstance(operand, OnnxConstant) else None for operand in inputs]
    axes = axes_of(op, arrays, reading.opset, 18)
    computed = value(inputs[0])
    return reading.assembly.averaged(op.label, computed, [*range(len(computed.dims))] if axes is None else axes, bool(keep))
