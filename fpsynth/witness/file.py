"""Witness files: a tie or a divergence as one JSON object, and back, trusting nothing."""

from __future__ import annotations

import json
import os
from typing import Any, NoReturn

from fpsynth.errors import InputError
from fpsynth.files import read_limited, shown, write_atomically
from fpsynth.networks.foreign import recognised
from fpsynth.witness.data import Witness
from fpsynth.witness.divergence import Divergence
from fpsynth.witness.numerals import quoted
from fpsynth.witness.reading import tie_from_json
from fpsynth.witness.reading_divergence import divergence_from_json
from fpsynth.witness.schema import DIVERGENCE_VERSION, require_valid, version_of
from fpsynth.witness.writing import tie_to_json
from fpsynth.witness.writing_divergence import divergence_to_json

__all__ = ["MAX_BYTES", "from_json", "load", "parse", "save", "text", "to_json"]

MAX_BYTES = 64 << 20
"""The largest witness file that is read: a network of some 250 000 weights in float32."""
NEEDED = "a witness file (JSON, written by fpsynth with --out)"


def to_json(witness: Witness | Divergence) -> dict[str, Any]:
    """Return the tie (version 1) or the divergence (version 2) as JSON data that obeys the shipped schema of its version."""
    return divergence_to_json(witness) if isinstance(witness, Divergence) else tie_to_json(witness)


def from_json(data: object) -> Witness | Divergence:
    """Return what JSON data describes: a tie or a divergence.  Raises InputError, naming the field, for anything else."""
    return divergence_from_json(data) if version_of(data) == DIVERGENCE_VERSION else tie_from_json(data)


def text(witness: Witness | Divergence) -> str:
    """The witness as JSON text.  Raises InputError for one that could not be read back."""
    data = to_json(witness)
    require_valid(data)
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def save(witness: Witness | Divergence, path: str | os.PathLike[str], *, new: bool = False) -> None:
    """Write a witness file, whole or not at all.  Raises InputError where the path cannot be written; if ``new``, or exists."""
    write_atomically(path, text(witness), new=new)


def load(path: str | os.PathLike[str]) -> Witness | Divergence:
    """Read a witness file.  Raises InputError with one line, naming the file and the field, for whatever is wrong with it."""
    content = None
    try:
        content = read_limited(path, MAX_BYTES)
        return parse(content)
    except InputError as error:
        kind = recognised(path)
        if kind is not None:
            raise InputError(f"{shown(path)} is {kind.name}; what is needed is {NEEDED}") from None
        raise InputError(f"{shown(path)}: {error}" if content is not None else str(error)) from None


def parse(content: str) -> Witness | Divergence:
    """Read the text of a witness file.  Raises InputError, naming the field, for whatever is wrong with it."""
    return from_json(_json(content))


def _json(content: str) -> Any:
    """Parse JSON strictly: no repeated names, no NaN, no numbers that overflow, no bottomless nesting."""
    try:
        return json.loads(
            content, object_pairs_hook=_distinct, parse_constant=_no_constant, parse_float=_finite, parse_int=_short_integer
        )
    except InputError:
        raise
    except RecursionError:
        raise InputError("the file is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"the file is truncated or not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise InputError(f"the name {quoted(name)} is repeated in one object")
            seen.add(name)
    return result


def _no_constant(name: str) -> NoReturn:
    raise InputError(f"{name} is not a JSON number")


def _finite(numeral: str) -> float:
    number = float(numeral)
    if number in (float("inf"), float("-inf")):
        raise InputError(f"the number {numeral[:60]} is too large")
    return number


def _short_integer(numeral: str) -> int:
    if len(numeral) > 300:  # beyond that a float64 could not hold it
        raise InputError(f"the number {numeral[:60]}... is too large")
    return int(numeral)
