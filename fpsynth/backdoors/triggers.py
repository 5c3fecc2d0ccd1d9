"""Triggers: which inputs a backdoor is bound to, as units of a first layer that are exactly 0 there and above 0 elsewhere."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import Format

KINDS = ("always", "pixel", "box", "natural")
"""Every input; a bright patch; a patch within a range; an input of which a region is bright on average."""
MOST_INPUTS = 4096
_RANGE = r"(\d{1,5})(?:-(\d{1,5}))?"
_PLACE = re.compile(rf"{_RANGE}(?:,{_RANGE})?")
_PATCH = "0-2,0-2"
_BRIGHT, _DARKEST, _BRIGHTEST = 0.9, 0.25, 0.75
_RARE = 0.75
"""About which part of the images a natural trigger leaves alone where nobody says how bright a region must be."""
_HELP = (
    "say always, pixel:PLACE>LEAST, box:PLACE=LO:HI or natural:PLACE>MEAN, a PLACE being ROWS,COLUMNS such as 0-2,0-2, or"
    " several of them with + between them"
)


@dataclass(frozen=True)
class Places:
    """Where a trigger is put where nobody says it."""

    corner: str
    """Of patterns."""
    middle: str
    """Of natural features."""

    @staticmethod
    def in_shape(shape: tuple[int, ...]) -> Places:
        """Three by three inputs of an image, or three of a row."""
        rows, columns = _sizes(shape)
        if rows == 1:
            return Places("0-2", "0-2")
        return Places(_PATCH, f"{rows // 2 - 1}-{rows // 2 + 1},{columns // 2 - 1}-{columns // 2 + 1}")


@dataclass(frozen=True)
class Unit:
    """A neuron of a first layer: ReLU(bias + sum of weights times inputs)."""

    weights: Mapping[int, float]
    """By the number of the input."""
    bias: float


@dataclass(frozen=True)
class Trigger:
    """The inputs at which all units are exactly 0; no units: every input."""

    text: str
    """As ``trigger_named`` reads it."""
    words: str
    """In a report."""
    units: tuple[Unit, ...] = ()
    paint: Mapping[int, float] | None = None
    """What to set inputs to so that any input becomes one of those; None for natural triggers, and for always."""
    places: tuple[int, ...] = ()
    """How many of the units belong to each place that the text names, in this order; empty: all are of one place."""

    @property
    def groups(self) -> tuple[tuple[Unit, ...], ...]:
        """The units of each place."""
        ends = np.cumsum(self.places or (len(self.units),)).tolist()
        return tuple(self.units[end - count : end] for end, count in zip(ends, self.places or (len(self.units),), strict=True))

    def there(self, inputs: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which of the inputs (inputs, numbers) it fires for, in exact arithmetic up to float64's rounding."""
        inside = np.ones(len(inputs), bool)
        for unit in self.units:
            places = list(unit.weights)
            inside &= inputs[:, places] @ np.array([unit.weights[p] for p in places]) + unit.bias <= 0
        return inside

    def painted(self, inputs: Floats) -> Floats:
        """The inputs with the trigger put into them: themselves where nothing is painted."""
        changed = inputs.copy()
        for place, value in (self.paint or {}).items():
            changed[:, place] = value
        return changed


def trigger_named(text: str, shape: tuple[int, ...], images: Floats, dtype: Format, places: Places | None = None) -> Trigger:
    """Read a trigger: always, pixel[:PLACE>LEAST], box[:PLACE=LO:HI] or natural[:PLACE>MEAN].

    PLACE is ROWS,COLUMNS of the first channel, or a range of numbers of inputs where the input has one axis and is no square;
    of several, with + between them, each must be as is said.
    ``shape``: of one example; ``images``: (count, inputs), from which a natural trigger takes its default mean; ``dtype``:
    what its numbers are rounded into; ``places``: where triggers are put whose PLACE is not said.  Raises InputError that says
    what is wrong.
    """
    kind, _, rest = text.partition(":")
    if kind not in KINDS or (kind == "always" and rest):
        raise InputError(f"unknown trigger {text[:60]!r}: {_HELP}")
    if kind == "always":
        return Trigger("always", "every input")
    place, mark, value = rest.partition("=" if kind == "box" else ">")
    usual = places or Places.in_shape(shape)
    told = place or (usual.middle if kind == "natural" else usual.corner)
    patches = [_place(one, shape) for one in told.split("+")]
    inputs = [number for patch in patches for number in patch]
    if len(set(inputs)) < len(inputs):
        raise InputError(f"the places of trigger {text[:60]!r} overlap")
    if kind == "natural":
        means = np.min([images[:, patch].mean(axis=1) for patch in patches], axis=0)
        mean = _number(value, text, dtype) if mark else _in(dtype, _between_images(means))
        units = tuple(Unit(dict.fromkeys(patch, _in(dtype, -1.0 / len(patch))), mean) for patch in patches)
        words = f"inputs whose mean at {_each(told)} is above {mean:.4g}"
        return Trigger(f"natural:{told}>{mean:.6g}", words, units, places=(1,) * len(units))
    if kind == "pixel":
        least = _number(value, text, dtype) if mark else _in(dtype, _BRIGHT)
        units = tuple(Unit({i: -1.0}, least) for i in inputs)
        bright = dict.fromkeys(inputs, max(1.0, least))
        words = f"inputs of at least {least:.4g} at {_both(told)}"
        return Trigger(f"pixel:{told}>{least:.6g}", words, units, bright, tuple(map(len, patches)))
    low, _, high = value.partition(":")
    least, most = (_number(low, text, dtype), _number(high, text, dtype)) if mark else (_DARKEST, _BRIGHTEST)
    if least >= most:
        raise InputError(f"the box of trigger {text[:60]!r} is empty: {least:g} is not below {most:g}")
    units = tuple(unit for i in inputs for unit in (Unit({i: -1.0}, least), Unit({i: 1.0}, -most)))
    words = f"inputs between {least:.4g} and {most:.4g} at {_both(told)}"
    middle = dict.fromkeys(inputs, _in(dtype, (least + most) / 2))
    return Trigger(f"box:{told}={least:.6g}:{most:.6g}", words, units, middle, tuple(2 * len(patch) for patch in patches))


def _both(told: str) -> str:
    return told.replace("+", " and ")


def _each(told: str) -> str:
    return f"each of {_both(told)}" if "+" in told else told


def _between_images(means: Floats) -> float:
    """A mean that about ``_RARE`` of the images are below, and that is no image's own: in the widest gap thereabouts.

    What rounding makes of an input that lies on the border is up to the order.
    """
    values = np.unique(means)
    first, last = (round(len(values) * part) for part in (_RARE - 0.02, _RARE + 0.02))
    first = max(0, min(first, len(values) - 2))
    near = values[first : max(last, first + 2)]
    widest = int(np.diff(near).argmax()) if len(near) > 1 else 0
    return float(f"{near[widest : widest + 2].mean():.6g}")


def _in(dtype: Format, number: float) -> float:
    return float(round_array(np.array([number]), dtype)[0])


def _number(text: str, trigger: str, dtype: Format) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{text[:40]!r} in trigger {trigger[:60]!r} is no finite number: {_HELP}")
    return _in(dtype, number)


def _sizes(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns; one row for inputs that are no image."""
    if len(shape) >= 3:
        return shape[-2], shape[-1]
    size = math.prod(shape)
    side = math.isqrt(size)
    return (side, side) if side * side == size and side > 4 else (1, size)


def _place(text: str, shape: tuple[int, ...]) -> list[int]:
    """The numbers of the inputs at a place."""
    rows, columns = _sizes(shape)
    found = _PLACE.fullmatch(text)
    if found is None:
        raise InputError(f"{text[:40]!r} is no place: {_HELP}")
    first, last, left, right = found.groups()
    if left is None:
        first, last, left, right = "0", "0", first, last
    across = range(int(left), int(right or left) + 1)
    down = range(int(first), int(last or first) + 1)
    if not across or not down or across[-1] >= columns or down[-1] >= rows:
        raise InputError(f"there are no inputs at {text[:40]}: the input has {rows} rows of {columns}")
    if len(across) * len(down) > MOST_INPUTS:
        raise InputError(f"a trigger reads at most {MOST_INPUTS} inputs, not {len(across) * len(down)}")
    return [r * columns + c for r in down for c in across]
