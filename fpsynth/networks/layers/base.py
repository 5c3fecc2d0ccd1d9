"""Layer: what every layer type says of itself; parameters are checked and frozen here."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.networks.layers.structure import Outline, Shape, Structure, outlined

MAX_SIZE = 1 << 28
"""The most numbers that an activation may have, per example."""


@dataclass(frozen=True)
class Names:
    """What a layer type is called elsewhere; several where others split it or have synonyms.

    Of a layer type that is ``called``, these are the one place from which readers, writers and libraries take its name.
    """

    onnx: tuple[str, ...] = ()
    """Operators of the standard domain."""
    torch: tuple[str, ...] = ()
    """Classes of torch.nn, or functions of torch."""
    keras: tuple[str, ...] = ()
    """Classes of keras.layers."""
    arrays: str = ""
    """A function of numpy, of which cupy and jax.numpy have the same."""
    tensorflow: str = ""
    """A function of tensorflow, with dots where it stands in a module of it."""

    @property
    def torch_function(self) -> str:
        """The first function of torch; empty where it has none."""
        return next((name for name in self.torch if name.islower()), "")


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer type is one frozen dataclass: its fields are its parameters (arrays) and attributes.

    Two layers are equal where their types, attributes and the bits of their numbers are; a parameter stored as float32 equals
    the same numbers stored as float64.
    """

    kind: ClassVar[str]
    """The name of the type: the key in ``LAYERS``, in files and messages."""
    names: ClassVar[Names]
    parameters: ClassVar[tuple[str, ...]] = ()
    """The fields that are arrays."""
    ending: ClassVar[bool] = False
    """Whether it stands only at the end of a network, behind the logits."""
    called: ClassVar[bool] = False
    """Whether it is a function of one value and nothing else, by its name alone, in every format and library that has it.

    Such a type needs a row in no other table than ``LAYERS``; a format or library that has a row for it goes by that row.
    """
    inputs_taken: ClassVar[tuple[int, int | None]] = (1, 1)
    """The least and the largest number of inputs; None: any number."""

    def shape(self, *inputs: Shape) -> Shape:
        """The shape of the output for inputs of these shapes, per example.  Raises InputError where they do not fit."""
        raise NotImplementedError

    def structure(self, *inputs: Shape) -> Structure:
        """The sums, the selection or the view that the layer is for inputs of these shapes, which ``shape`` accepts."""
        raise NotImplementedError

    def outline(self, *inputs: Shape) -> Outline:
        """How large that structure is, for the same inputs.

        A type says so by shapes alone, so that what is too large is refused before its tables are laid out; unless it does,
        they are.
        """
        return outlined(self.structure(*inputs), math.prod(self.shape(*inputs)))

    def arrays(self) -> Iterator[NDArray[Any]]:
        """The parameters that are there, in the order of the fields."""
        for name in self.parameters:
            if getattr(self, name) is not None:
                yield getattr(self, name)

    def map(self, function: Callable[[Any], Any]) -> Self:
        """The same layer, its parameters arrays of objects: ``function`` of each number, a Python float or such an object.

        Divisors stay numbers.
        """
        return replace(self, **{name: _mapped(getattr(self, name), function) for name in self.parameters})

    def filled(self, function: Callable[[Any], float]) -> Self:
        """The same layer, its parameters arrays of float64: ``function`` of each entry."""
        arrays = {name: getattr(self, name) for name in self.parameters if getattr(self, name) is not None}
        numbers = {
            name: np.array([*map(function, array.reshape(-1).tolist())], np.float64).reshape(array.shape)
            for name, array in arrays.items()
        }
        return replace(self, **numbers)

    @property
    def known(self) -> bool:
        """Whether all parameters are numbers, not a template's objects."""
        return all(array.dtype != object for array in self.arrays())

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the type, its attributes and the values of its parameters."""
        return self._hashed("<f8")

    def _hashed(self, dtype: str) -> bytes:
        attributes = {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name not in self.parameters}
        shapes = {name: None if (array := getattr(self, name)) is None else array.shape for name in self.parameters}
        result = hashlib.sha256(json.dumps([self.kind, attributes, shapes], sort_keys=True).encode())
        for array in self.arrays():
            result.update(np.ascontiguousarray(array, dtype).data)
        return result.digest()

    def __eq__(self, other: object) -> bool:
        if self is other or type(self) is not type(other):
            return self is other
        assert isinstance(other, Layer)
        if self.known and other.known:
            return self.digest == other.digest
        return self._contents() == other._contents()

    def __hash__(self) -> int:
        return hash(self.digest) if self.known else hash(self.kind)

    def _contents(self) -> list[Any]:
        values = (getattr(self, f.name) for f in fields(self))
        return [value.tolist() if isinstance(value, np.ndarray) else value for value in values]

    def _set(self, **values: Any) -> None:
        """Set fields while the layer is built."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def _mapped(array: NDArray[Any] | None, function: Callable[[Any], Any]) -> NDArray[Any] | None:
    if array is None:
        return None
    return _filled(array.shape, map(function, array.reshape(-1).tolist()))


def _filled(shape: Sequence[int], entries: Iterable[Any]) -> NDArray[Any]:
    """An array of objects, which numpy does not look into."""
    result = np.empty(shape, object)
    flat = result.reshape(-1)
    for place, entry in enumerate(entries):
        flat[place] = entry
    return result


def _plain(value: Any) -> Any:
    """An attribute as JSON can write it, floats as their bits."""
    if isinstance(value, float):
        return value.hex()
    return [_plain(part) for part in value] if isinstance(value, (tuple, list)) else value


def frozen(values: Any, what: str, dimensions: int | None = None) -> NDArray[Any]:
    """A read-only array of its own: float32 as it is, other numbers as float64, anything else as objects.

    Raises InputError where the numbers are ragged, empty, of another number of dimensions, or do not fit into float64.
    """
    if _kept(values) and (dimensions is None or values.ndim == dimensions) and values.size:
        return values  # type: ignore[no-any-return]
    try:
        array = np.array(values)
    except ValueError:  # ragged
        array = np.empty(0)
    if array.dtype.kind == "O" or array.dtype.kind not in "fiub":
        array = _objects(values)
    if not array.size or (dimensions is not None and array.ndim != dimensions):
        raise InputError(f"{what} must be a non-empty {_FORMS.get(dimensions, 'array')} of numbers")
    if array.dtype != object:
        array = _floats(array, what)
    array.setflags(write=False)
    return array


def _kept(values: Any) -> bool:
    """Whether an array of floats may be kept without a copy: neither it nor what it is a view of can be written."""
    while isinstance(values, np.ndarray) and not values.flags.writeable and values.dtype in (np.float32, np.float64):
        if values.base is None:
            return True
        values = values.base
    return False


_FORMS: dict[int | None, str] = {1: "row", 2: "rectangle", 3: "box"}


def _objects(values: Any) -> NDArray[Any]:
    """Nested sequences of other things than numbers as an array of objects; empty where they are ragged."""
    if isinstance(values, np.ndarray):
        return values.astype(object)
    shape, level = [], values
    while isinstance(level, (tuple, list)) and level:
        shape.append(len(level))
        level = level[0]
    flat = values
    for size in shape[1:]:
        if any(not isinstance(part, (tuple, list)) or len(part) != size for part in flat):
            return np.empty(0)
        flat = [entry for part in flat for entry in part]
    return _filled(shape, flat)


def _floats(array: NDArray[Any], what: str) -> NDArray[Any]:
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        raise InputError(f"{what} is {array.dtype}, wider than float64")
    if array.dtype.kind in "iu" and ((array > 2**53) | (array < -(2**53))).any():
        raise InputError(f"{what} holds integers beyond 2**53")
    return array.astype(np.float32 if array.dtype == np.float32 else np.float64)


def require_shape(shape: Shape, axes: int | None, what: str) -> None:
    """Raise InputError unless a shape has so many axes (None: at least one)."""
    if len(shape) != axes if axes is not None else not shape:
        raise InputError(f"{what} reads {'a number of axes' if axes is None else f'{axes} axes'}, not the shape {shown(shape)}")


def shown(shape: Shape) -> str:
    """A shape as messages write it."""
    return " x ".join(map(str, shape)) if shape else "a single number"


def sized(shape: Shape) -> Shape:
    """The shape itself.  Raises InputError where it is empty along an axis or holds more than MAX_SIZE numbers."""
    if any(size < 1 for size in shape):
        raise InputError(f"a shape of {shown(shape)} holds nothing")
    if math.prod(shape) > MAX_SIZE:
        raise InputError(f"{shown(shape)} are more than {MAX_SIZE} numbers")
    return shape


def integers(values: Any, what: str, least: int, count: int | None = None) -> tuple[int, ...]:
    """Whole numbers, each at least ``least``; one number stands for ``count`` equal ones.  Raises InputError."""
    given = (values,) * (count or 1) if isinstance(values, (int, np.integer)) else tuple(values)
    if any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) or v < least for v in given):
        raise InputError(f"{what} must be whole numbers of at least {least}, not {given}")
    if count is not None and len(given) != count:
        raise InputError(f"{what} needs {count} numbers, not {len(given)}")
    return tuple(map(int, given))


def finite(value: float, what: str) -> float:
    """The number as a Python float.  Raises InputError for NaN and infinities."""
    if not math.isfinite(value):
        raise InputError(f"{what} must be a finite number, not {value}")
    return float(value)
