"""How sums align, flush and round as JSON data: what arithmetics, sum programs and problems write alike."""

from __future__ import annotations

from fpsynth.aliases import Json
from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.rounding import Flush, Rounding, rounding_named


def flush_to_json(flush: Flush) -> bool | str:
    """``unbounded``; for the other kinds whether anything is flushed, as files said before there was a third kind."""
    return "unbounded" if flush == Flush.UNBOUNDED else bool(flush)


def flush_from_json(data: object) -> Flush:
    """Read what ``flush_to_json`` wrote.  Raises InputError in one line for anything else."""
    if data == "unbounded":
        return Flush.UNBOUNDED
    if not isinstance(data, bool):
        raise InputError('flush must be true, false or "unbounded"')
    return Flush(data)


def alignment_to_json(how: Alignment) -> Json:
    """An alignment as an object; every field is written."""
    return {
        "fraction_bits": how.fraction_bits,
        "rounding": how.rounding.value,
        "cut": how.cut.value,
        "least_exponent": how.least_exponent,
    }


def alignment_from_json(data: object) -> Alignment:
    """Read what ``alignment_to_json`` wrote; only ``fraction_bits`` is required.  Raises InputError in one line."""
    if not isinstance(data, dict) or "fraction_bits" not in data:
        raise InputError("an alignment must be an object with fraction_bits")
    unknown = set(data) - {"fraction_bits", "rounding", "cut", "least_exponent"}
    if unknown:
        raise InputError(f"an alignment has no field {min(unknown)[:40]!r}")
    least = data.get("least_exponent")
    if not _whole(data["fraction_bits"]) or not (least is None or (isinstance(least, int) and not isinstance(least, bool))):
        raise InputError("fraction_bits must be a whole number, and least_exponent one or null")
    return Alignment(data["fraction_bits"], mode_from_json(data, "rounding", "RTZ"), mode_from_json(data, "cut", "RTZ"), least)


def mode_from_json(data: Json, name: str, default: str) -> Rounding:
    """The rounding mode in a field of an object.  Raises InputError in one line."""
    text = data.get(name, default)
    if not isinstance(text, str):
        raise InputError(f"{name} must be the name of a rounding mode")
    return rounding_named(text)


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
