"""What models compute from constants: shapes, axes and turned weights.  Only what changes no bits of a weight is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT64, Format
from fpsynth.networks.assembling import MAX_AXES, require_axis
from fpsynth.networks.onnx.model import OnnxOperation
from fpsynth.networks.onnx.tensors import FORMATS, INTEGERS, Elsewhere, array_of

MAX_FOLDED = 1 << 28
"""The most numbers of an array that is made from others."""
MAX_INTEGERS = 4096
"""The most integers that are computed with: they are shapes and axes."""


@dataclass(frozen=True, eq=False)
class OnnxConstant:
    """A constant."""

    numbers: NDArray[Any]
    """float32 or float64; Python integers as objects."""
    format: Format | None = None
    """None for integers."""

    @property
    def integers(self) -> list[int]:
        """The numbers, row-major.  Raises InputError unless they are few integers."""
        if self.format is not None or self.numbers.size > MAX_INTEGERS:
            raise InputError("a shape or axes are no list of few integers")
        return [int(number) for number in self.numbers.reshape(-1)]

    @property
    def scalar(self) -> float:
        """The one number."""
        if self.numbers.size != 1:
            raise InputError("a single number is expected, not several")
        return float(self.numbers.reshape(-1)[0])


def integers(values: Sequence[int]) -> OnnxConstant:
    """A row of integers."""
    array = np.empty(len(values), object)
    array[:] = list(values)
    return OnnxConstant(array)


def constant(operation: OnnxOperation, elsewhere: Elsewhere | None) -> OnnxConstant:
    """The result of a Constant node."""
    names = ("value", "value_float", "value_floats", "value_int", "value_ints")
    given = dict(zip(names, operation.given(**dict.fromkeys(names)), strict=True))
    ((name, value),) = [(n, v) for n, v in given.items() if v is not None] or [("", None)]
    if name == "value" and hasattr(value, "data_type"):
        return OnnxConstant(*array_of(value, elsewhere))
    if name in ("value_int", "value_ints"):
        return integers(value) if name == "value_ints" else OnnxConstant(integers([value]).numbers.reshape(()))
    if name in ("value_float", "value_floats"):
        return _float(value)
    raise InputError("it holds no numbers")


def _float(value: Any) -> OnnxConstant:
    numbers = np.array(value, np.float32)
    if not np.isfinite(numbers).all():
        raise InputError("it holds infinities or NaN")
    return OnnxConstant(numbers, FORMATS[1])


def folded(operation: OnnxOperation, inputs: Sequence[OnnxConstant | None], opset: int) -> OnnxConstant:
    """What an operation makes of constants.  Raises InputError where it would round, or is not read."""
    fold = _FOLDS.get(operation.kind)
    if fold is None or not inputs or inputs[0] is None:
        raise InputError(
            "it computes weights from weights; fpsynth does not round them: fold constants before the export"
            " (onnxruntime or onnx-simplifier write such models)"
        )
    result = fold(operation, inputs, opset)
    if result.numbers.ndim > MAX_AXES:
        raise InputError(f"it makes a constant of more than {MAX_AXES} axes")
    return result


def axes_of(operation: OnnxOperation, inputs: Sequence[OnnxConstant | None], opset: int, since: int) -> list[int] | None:
    """The axes of an operation that has them as an attribute before opset ``since``, then as an input; None for none."""
    if opset < since:
        axes = operation.attributes.get("axes")
        if axes is not None and not (isinstance(axes, list) and all(isinstance(axis, int) for axis in axes)):
            raise InputError("its attribute axes is no list of integers")
        return axes
    return inputs[1].integers if len(inputs) > 1 and inputs[1] is not None else None


def squeezed(shape: Sequence[int], axes: Sequence[int] | None) -> tuple[int, ...]:
    """A shape without axes of size 1: all of them, or these."""
    chosen = {k for k, n in enumerate(shape) if n == 1} if axes is None else {require_axis(a, len(shape)) for a in axes}
    if any(shape[axis] != 1 for axis in chosen):
        raise InputError("it drops an axis whose size is not 1")
    return tuple(size for axis, size in enumerate(shape) if axis not in chosen)


def unsqueezed(shape: Sequence[int], axes: Sequence[int] | None) -> tuple[int, ...]:
    """A shape with new axes of size 1 at these places of the result."""
    if axes is None or len(shape) + len(axes) > MAX_AXES:
        raise InputError("it does not say which axes it adds, or too many")
    places = {require_axis(axis, len(shape) + len(axes)) for axis in axes}
    if len(places) != len(axes):
        raise InputError("it adds one axis twice")
    rest = iter(shape)
    return tuple(1 if axis in places else next(rest) for axis in range(len(shape) + len(axes)))


def target(shape: Sequence[int], sizes: Sequence[int], allow_zero: bool) -> tuple[int, ...]:
    """The shape that a Reshape asks for: 0 keeps a size, -1 stands for what is left."""
    if len(sizes) > MAX_AXES or any(size < -1 for size in sizes) or list(sizes).count(-1) > 1:
        raise InputError(f"it reshapes to {list(sizes)[:MAX_AXES]}, which is no shape")
    if any(size == 0 and (allow_zero or axis >= len(shape)) for axis, size in enumerate(sizes)):
        raise InputError("it reshapes to a shape that holds nothing")
    kept = [shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    known = math.prod(size for size in kept if size >= 0)
    if -1 in kept and known and math.prod(shape) % known == 0:
        kept[kept.index(-1)] = math.prod(shape) // known
    return tuple(kept)


def _same(operation: OnnxOperation, inputs: Sequence[Any], opset: int) -> OnnxConstant:
    result: OnnxConstant = inputs[0]
    return result


def _reshaped(array: OnnxConstant, shape: Sequence[int]) -> OnnxConstant:
    if math.prod(shape) != array.numbers.size or min(shape, default=1) < 0:
        raise InputError(f"a constant of {array.numbers.size} numbers cannot become {list(shape)}")
    return OnnxConstant(array.numbers.reshape(shape), array.format)


def _reshape(operation: OnnxOperation, inputs: Sequence[Any], opset: int) -> OnnxConstant:
    (allow_zero,) = operation.given(allowzero=0)
    if len(inputs) != 2 or inputs[1] is None:
        raise InputError("it has no shape")
    return _reshaped(inputs[0], target(inputs[0].numbers.shape, inputs[1].integers, bool(allow_zero)))


def _flatten(operation: OnnxOperation, inputs: Sequence[Any], opset: int) -> OnnxConstant:
    (axis,) = operation.given(axis=1)
    shape = inputs[0].numbers.shape
    place = require_axis(axis, len(shape) + 1) if axis != len(shape) else axis
    return _reshaped(inputs[0], (math.prod(shape[:place]), math.prod(shape[place:])))


def _transpose(operation: OnnxOperation, inputs: Sequence[Any], opset: int) -> OnnxConstant:
    axes = inputs[0].numbers.ndim
    (perm,) = operation.given(perm=[*reversed(range(axes))])
    if sorted(perm) != list(range(axes)):
        raise InputError(f"the axes {perm[:MAX_AXES]} are not 0 to {axes - 1} in some order")
    return OnnxConstant(inputs[0].numbers.transpose(perm), inputs[0].format)


def _squeeze(operation: OnnxOperation, inputs: Sequence[Any], opset: int) -> OnnxConstant:
    return _reshaped(inputs[0], squeezed(inputs[0].numbers.shape, axes_of(operation, inputs, opset, 13)))


def _unsqueeze(operation: OnnxOperation, inputs: Sequence[Any], opset: int) -> OnnxConstant:
    return _reshaped(inputs[0], unsqueezed(inputs[0].numbers.shape, axes_of(operation, inputs, opset, 13)))


def _cast(operation: OnnxOperation, inputs: Sequence[Any], opset: int) -> OnnxConstant:
    (to,) = operation.given(to=0)
    array: OnnxConstant = inputs[0]
    if to in INTEGERS:
        if array.format is not None and not (array.numbers == np.trunc(array.numbers)).all():
            raise InputError("it rounds a constant to integers")
        low, high = np.iinfo(INTEGERS[to]).min, np.iinfo(INTEGERS[to]).max
        whole = integers([int(number) for number in array.numbers.reshape(-1)[: MAX_INTEGERS + 1]]).numbers
        if array.numbers.size > MAX_INTEGERS or any(not low <= number <= high for number in whole):
            raise InputError("it casts a constant to integers that do not hold it")
        return OnnxConstant(whole.reshape(array.numbers.shape))
    fmt = FORMATS.get(to)
    if fmt is None:
        raise InputError("it casts a constant to a type that is not read")
    return OnnxConstant(_as(array, fmt), fmt)


def _as(array: OnnxConstant, fmt: Format) -> NDArray[Any]:
    """The numbers in another format.  Raises InputError where one would be rounded."""
    if array.format is None and any(abs(number) > 1 << 53 for number in array.integers):
        raise InputError("it casts integers that floats do not hold")
    wide = array.numbers.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = wide if fmt is FLOAT64 else wide.astype(np.float16 if fmt is FLOAT16 else np.float32)
    bits = narrow.view(np.uint32) & 0xFFFF if fmt is BFLOAT16 else np.zeros(1)
    if not np.array_equal(narrow.astype(np.float64), wide) or bits.any():
        raise InputError(f"it rounds weights to {fmt.name}: save them in that format")
    return narrow if fmt is FLOAT64 else narrow.astype(np.float32)


def _concat(operation: OnnxOperation, inputs: Sequence[Any], opset: int) -> OnnxConstant:
    (axis,) = operation.given(axis=0)
    arrays = [array.numbers for array in inputs if array is not None]
    try:
        joined = np.concatenate(arrays, require_axis(axis, arrays[0].ndim))
    except ValueError:
        raise InputError("it joins constants that do not fit together") from None
    if joined.size > MAX_FOLDED or len({array.format for array in inputs}) != 1:
        raise InputError("it joins constants of several types, or too many")
    return OnnxConstant(joined, inputs[0].format)


def _gather(operation: OnnxOperation, inputs: Sequence[Any], opset: int) -> OnnxConstant:
    (axis,) = operation.given(axis=0)
    numbers, chosen = inputs[0].numbers, inputs[1]
    place = require_axis(axis, numbers.ndim)
    index = [require_axis(k, numbers.shape[place]) for k in chosen.integers]
    if len(index) * numbers.size > MAX_FOLDED:
        raise InputError("it gathers too many numbers")
    result = np.empty((*numbers.shape[:place], *chosen.numbers.shape, *numbers.shape[place + 1 :]), numbers.dtype)
    result[...] = np.take(numbers, np.array(index, np.int64).reshape(chosen.numbers.shape), place)
    return OnnxConstant(result, inputs[0].format)


def _filled(operation: OnnxOperation, inputs: Sequence[Any], opset: int) -> OnnxConstant:
    """ConstantOfShape."""
    (value,) = operation.given(value=None)
    fill = OnnxConstant(np.zeros(1, np.float32), FORMATS[1]) if value is None else constant(operation, None)
    shape = inputs[0].integers
    if fill.numbers.size != 1 or min(shape, default=0) < 0 or len(shape) > MAX_AXES or math.prod(shape) > MAX_INTEGERS:
        raise InputError("it fills a shape that is none, or too large")
    result = np.empty(shape, fill.numbers.dtype)
    result[...] = fill.numbers.reshape(-1)[0]
    return OnnxConstant(result, fill.format)


def _slice(operation: OnnxOperation, inputs: Sequence[Any], opset: int) -> OnnxConstant:
    numbers = inputs[0].numbers
    if opset < 10:
        starts, ends, axes = operation.given(starts=[], ends=[], axes=None)
        steps = None
    else:
        starts, ends, axes, steps = (None if a is None else a.integers for a in (*inputs[1:], None, None, None, None)[:4])
    chosen = range(len(starts or [])) if axes is None else [require_axis(axis, numbers.ndim) for axis in axes]
    steps = [1] * len(chosen) if steps is None else steps
    if not starts or not ends or not len(starts) == len(ends) == len(chosen) == len(steps) or 0 in steps:
        raise InputError("it does not say what it takes")
    slices = [slice(None)] * numbers.ndim
    for axis, start, end, step in zip(chosen, starts, ends, steps, strict=True):
        slices[require_axis(axis, numbers.ndim)] = slice(start, None if step < 0 and end < -numbers.shape[axis] else end, step)
    return OnnxConstant(numbers[tuple(slices)], inputs[0].format)


def _computed(function: Callable[[int, int], int]) -> Callable[..., OnnxConstant]:
    """Of integers only: sizes that are multiplied, say."""

    def fold(operation: OnnxOperation, inputs: Sequence[Any], opset: int) -> OnnxConstant:
        if len(inputs) != 2 or any(array is None or array.format is not None for array in inputs):
            raise InputError(
                "it computes weights from weights; fpsynth does not round them: fold constants before the export"
                " (onnxruntime or onnx-simplifier write such models)"
            )
        try:
            a, b = np.broadcast_arrays(inputs[0].numbers, inputs[1].numbers)
        except ValueError:
            raise InputError("its integers do not fit together") from None
        if a.size > MAX_INTEGERS:
            raise InputError("it computes with too many integers")
        whole = [function(int(x), int(y)) for x, y in zip(a.reshape(-1), b.reshape(-1), strict=True)]
        if any(abs(number) >= 1 << 63 for number in whole):
            raise InputError("it computes integers of more than 64 bits")
        return OnnxConstant(integers(whole).numbers.reshape(a.shape))

    return fold


def _quotient(a: int, b: int) -> int:
    if not b:
        raise InputError("it divides by zero")
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


_FOLDS: dict[str, Callable[..., OnnxConstant]] = {
    "Identity": _same,
    "Dropout": _same,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Cast": _cast,
    "Concat": _concat,
    "ConstantOfShape": _filled,
    "Gather": _gather,
    "Slice": _slice,
    "Add": _computed(lambda a, b: a + b),
    "Sub": _computed(lambda a, b: a - b),
    "Mul": _computed(lambda a, b: a * b),
    "Div": _computed(_quotient),
}
