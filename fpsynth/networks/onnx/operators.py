"""The table of operators of ONNX that are read, and those of them that select or move numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32
from fpsynth.networks.assembling import Activation, require_axis
from fpsynth.networks.layers import (
    CALLED,
    Argmax,
    Clip,
    Layer,
    LeakyReLU,
    MaxPooling,
    MultiplyConstant,
    Softmax,
    SubtractConstant,
)
from fpsynth.networks.layers.base import shown
from fpsynth.networks.onnx.constants import OnnxConstant, axes_of, squeezed, target, unsqueezed
from fpsynth.networks.onnx.model import OnnxOperation
from fpsynth.networks.onnx.operators_sums import (
    add,
    added,
    average,
    convolution,
    divide,
    gemm,
    global_average,
    matmul,
    mean,
    multiply,
    normalise,
    pooling,
    subtract,
)
from fpsynth.networks.onnx.state import OnnxReading, Operand, count, one_constant, value
from fpsynth.networks.onnx.tensors import FORMATS, INTEGERS, type_name

Read = Callable[[OnnxReading, OnnxOperation, Sequence[Operand]], Activation]


def _called(layer: type[Layer]) -> Read:
    """A layer type that its name says all of."""

    def read(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
        op.given()
        count(inputs, 1, 1)
        return reading.assembly.each(op.label, layer(), value(inputs[0]))

    return read


def _leaky(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    (slope,) = op.given(alpha=0.01)
    count(inputs, 1, 1)
    return reading.assembly.each(op.label, LeakyReLU(float(np.float32(slope))), value(inputs[0]))


def _prelu(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    op.given()
    count(inputs, 2, 2)
    slopes = np.unique(reading.numbers(inputs[1], "slope"))
    if len(slopes) != 1:
        raise InputError("it has several slopes; a leaky ReLU has one")
    return reading.assembly.each(op.label, LeakyReLU(float(slopes[0])), value(inputs[0]))


def _clip(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    if reading.opset < 11:
        low, high = op.given(min=None, max=None)
        count(inputs, 1, 1)
        ends = [None if end is None else float(end) for end in (low, high)]
    else:
        op.given()
        count(inputs, 1, 3)
        ends = [None if end is None else reading.scalar(end, "bound") for end in (*inputs[1:], None, None)[:2]]
    return reading.assembly.each(op.label, Clip(*ends), value(inputs[0]))


def _bounded(below: bool) -> Read:
    """Max or Min with one constant."""

    def read(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
        op.given()
        count(inputs, 2, 2)
        pair = one_constant(inputs)
        if pair is None or pair[1].numbers.size != 1:
            raise InputError("it compares values with each other; read are comparisons with one constant")
        end = reading.scalar(pair[1], "bound")
        return reading.assembly.each(op.label, Clip(end, None) if below else Clip(None, end), pair[0])

    return read


def _max_pool(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    count(inputs, 1, 1)
    kernel, stride, around, ceil = pooling(op, value(inputs[0]), "storage_order")
    node = reading.assembly.batched(value(inputs[0]), (len(kernel) + 1,))
    return reading.assembly.put(op.label, MaxPooling(kernel, stride, around, ceil), node)


def _global_max(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    op.given()
    count(inputs, 1, 1)
    node = reading.assembly.batched(value(inputs[0]), (2, 3))
    return reading.assembly.put(op.label, MaxPooling(value(inputs[0]).dims[2:]), node)


def _softmax(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    count(inputs, 1, 1)
    computed = value(inputs[0])
    (axis,) = op.given(axis=-1 if reading.opset >= 13 else 1)
    place = require_axis(axis, len(computed.dims))
    if reading.opset < 13 and any(size != 1 for size in computed.dims[place + 1 :]) and place + 1 < len(computed.dims):
        raise InputError(f"it runs along {shown(computed.dims[place:])} at once; read is the softmax along the last axis")
    return reading.assembly.ended(op.label, Softmax(), computed, place)


def _argmax(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    axis, keep, last = op.given(axis=0, keepdims=1, select_last_index=0)
    count(inputs, 1, 1)
    if last:
        raise InputError("it selects the last of equal numbers; read is the first")
    return reading.assembly.ended(op.label, Argmax(), value(inputs[0]), axis, bool(keep))


def _flatten(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    (axis,) = op.given(axis=1)
    count(inputs, 1, 1)
    return reading.assembly.flattened(op.label, value(inputs[0]), axis)


def _reshape(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    (allow_zero,) = op.given(allowzero=0)
    count(inputs, 2, 2)
    computed, sizes = value(inputs[0]), inputs[1]
    if not isinstance(sizes, OnnxConstant):
        raise InputError("it reshapes to a shape that is computed: export with fixed sizes")
    asked = sizes.integers
    if reading.batch > 1 and asked[:1] == [reading.batch]:
        asked = [1, *asked[1:]]
    dims = target(computed.dims, asked, bool(allow_zero))
    if any(size < 1 for size in dims):
        raise InputError(f"{shown(computed.dims)} cannot become {asked}")
    return reading.assembly.reshaped(op.label, computed, dims, asked[1:] if asked[:1] == [0] else None)


def _squeeze(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    op.given(axes=None)
    count(inputs, 1, 2)
    computed = value(inputs[0])
    return reading.assembly.reshaped(op.label, computed, squeezed(computed.dims, _axes(reading, op, inputs)))


def _unsqueeze(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    op.given(axes=None)
    count(inputs, 1, 2)
    computed = value(inputs[0])
    return reading.assembly.reshaped(op.label, computed, unsqueezed(computed.dims, _axes(reading, op, inputs)))


def _axes(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> list[int] | None:
    return axes_of(op, [i if isinstance(i, OnnxConstant) else None for i in inputs], reading.opset, 13)


def _transpose(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    count(inputs, 1, 1)
    computed = value(inputs[0])
    (perm,) = op.given(perm=[*reversed(range(len(computed.dims)))])
    return reading.assembly.transposed(op.label, computed, perm)


def _concat(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    (axis,) = op.given(axis=1)
    count(inputs, 1, 1000)
    if any(not isinstance(operand, Activation) for operand in inputs):
        raise InputError("it joins a constant to values that are computed; read are computed ones only")
    return reading.assembly.concatenated(op.label, [value(operand) for operand in inputs], axis)


def _pad(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    computed = value(inputs[0] if inputs else None)
    mode, pads, fill = op.given(mode="constant", pads=None, value=0.0)
    axes = [*range(len(computed.dims))]
    if reading.opset >= 11:
        count(inputs, 2, 4)
        pads = inputs[1].integers if isinstance(inputs[1], OnnxConstant) else None
        given = (*inputs[2:], None, None)
        fill = 0.0 if given[0] is None else reading.scalar(given[0], "value")
        if isinstance(given[1], OnnxConstant):
            axes = [require_axis(axis, len(computed.dims)) for axis in given[1].integers]
    if mode != "constant" or pads is None or len(pads) != 2 * len(axes) or len(set(axes)) != len(axes):
        raise InputError(f"it pads in the mode {mode!r}; read are constant pads, two for each axis")
    around = [(0, 0)] * len(computed.dims)
    for place, axis in enumerate(axes):
        around[axis] = (pads[place], pads[place + len(axes)])
    return reading.assembly.padded(op.label, computed, around, float(np.float32(fill)))


def _scale(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    """The Scaler of scikit-learn: (x - offset) * scale, two layers."""
    offset, scale = op.given(offset=[], scale=[])
    count(inputs, 1, 1)
    if reading.types[op.inputs[0]] is not FLOAT32 or not offset or not scale:
        raise InputError("it scales numbers that are not float32, or by nothing")
    moved, factors = np.array(offset, np.float32), np.array(scale, np.float32)
    if not np.isfinite([*moved, *factors]).all():
        raise InputError("it holds infinities or NaN")
    less = reading.assembly.with_constant(f"{op.label}/offset", SubtractConstant, value(inputs[0]), moved)
    return reading.assembly.with_constant(op.label, MultiplyConstant, less, factors)


def _identity(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    op.given()
    count(inputs, 1, 1)
    return value(inputs[0])


def _dropout(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    op.given(ratio=0.5, is_test=0, seed=None)
    count(inputs, 1, 3)
    training = inputs[2] if len(inputs) == 3 else None
    if (reading.opset < 7 and not op.attributes.get("is_test")) or (training is not None and not _is_false(training)):
        raise InputError("it is in training mode: export the network for inference")
    return value(inputs[0])


def _is_false(operand: Operand) -> bool:
    return isinstance(operand, OnnxConstant) and operand.numbers.size == 1 and not operand.numbers.reshape(-1)[0]


def _cast(reading: OnnxReading, op: OnnxOperation, inputs: Sequence[Operand]) -> Activation:
    to, _, _ = op.given(to=0, saturate=1, round_mode="up")
    count(inputs, 1, 1)
    source, fmt = reading.types[op.inputs[0]], FORMATS.get(to)
    computed = value(inputs[0])
    ended = computed.name != reading.assembly.input.name and source is None  # the class that an argmax gave
    if ended or (fmt is not None and source == fmt):
        return computed
    if source is not None or fmt is None:
        raise InputError(f"it rounds values to {type_name(to)}; read are networks of one format")
    if computed != reading.assembly.input or fmt in (BFLOAT16, FLOAT16):
        raise InputError("it makes floats of integers that they may not hold")
    return computed


OPERATORS: dict[str, Read] = {
    "Gemm": gemm,
    "MatMul": matmul,
    "Add": add,
    "Sum": added,
    "Sub": subtract,
    "Mul": multiply,
    "Div": divide,
    "Conv": convolution,
    "BatchNormalization": normalise,
    "AveragePool": average,
    "GlobalAveragePool": global_average,
    "ReduceMean": mean,
    **{name: _called(layer) for layer in CALLED for name in layer.names.onnx},
    "LeakyRelu": _leaky,
    "PRelu": _prelu,
    "Clip": _clip,
    "Max": _bounded(True),
    "Min": _bounded(False),
    "MaxPool": _max_pool,
    "GlobalMaxPool": _global_max,
    "Softmax": _softmax,
    "ArgMax": _argmax,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Concat": _concat,
    "Pad": _pad,
    "ai.onnx.ml.Scaler": _scale,
    "Identity": _identity,
    "Dropout": _dropout,
    "Cast": _cast,
}
"""What makes a layer of each operator, or says that it changes no bits."""

NOTHING = ("Identity", "Dropout", "Cast")
"""Operators that are left out."""


def integer_format(code: int) -> bool:
    """Whether an input of this type holds integers that float32 and float64 hold exactly."""
    return code in INTEGERS and np.dtype(INTEGERS[code]).itemsize <= 2


def unread(kind: str) -> InputError:
    """The error for an operator that is not read."""
    if kind.startswith(("QLinear", "Dequantize", "Quantize", "DynamicQuantize")) or kind in ("MatMulInteger", "ConvInteger"):
        return InputError("the network is quantised: export it before that, with its weights as floats")
    if kind in ("LogSoftmax", "Sigmoid", "Tanh", "Elu", "Gelu", "Erf", "Exp", "Log", "Softplus", "Selu", "HardSwish"):
        return InputError("no layer of fpsynth computes that: where it stands at the end, export the network without it")
    return InputError(f"no layer of fpsynth is that; read are {', '.join(sorted(OPERATORS))}")
