"""Fields of witness files, whatever their version: numbers, points, versions, each compared with what stands beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction

from fpsynth.aliases import Json
from fpsynth.errors import InputError
from fpsynth.formats import Format, format_named
from fpsynth.witness.data import Provenance
from fpsynth.witness.numerals import hex_text, parse_exact, parse_hex_in, parse_rational, quoted


@contextmanager
def at(where: str) -> Iterator[None]:
    """Say of an InputError where in the file its cause is."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def read_rational(text: str, where: str) -> Fraction:
    """An exact number.  Raises InputError that begins with ``where``."""
    with at(where):
        return parse_rational(text)


def read_vector(hexes: Sequence[str], decimals: Sequence[str] | None, fmt: Format, where: str, field: str) -> tuple[float, ...]:
    """The numbers of one list, each compared with its decimal expansion if there is one."""
    numbers = []
    for k, text in enumerate(hexes):
        try:
            numbers.append(parse_hex_in(text, fmt))
        except InputError as error:
            raise InputError(f"{where.format(field)}[{k}]: {error}") from None
    if decimals is not None:
        if len(decimals) != len(numbers):
            raise InputError(f"{where.format(field + '_decimal')}: has {len(decimals)} numbers, {field} has {len(numbers)}")
        for k, (number, decimal) in enumerate(zip(numbers, decimals, strict=True)):
            # the sign of a zero counts as well
            if parse_exact(decimal) != Fraction(number) or decimal.startswith("-") != hex_text(number).startswith("-"):
                raise InputError(f"{where.format(field + '_decimal')}[{k}]: {quoted(decimal)} is not {hex_text(number)}")
    return tuple(numbers)


def read_exact(data: Json, where: str, name: str) -> Fraction:
    """An exact number, compared with the float64 beside it."""
    exact = parse_exact(data[f"{name}_exact"])
    try:
        nearest = float(exact)
    except OverflowError:
        raise InputError(f"{where}.{name}_exact: is too large") from None
    if nearest != data[name]:
        raise InputError(f"{where}.{name}: {quoted(data[name])} is not the float64 nearest to {name}_exact")
    return exact


def read_float(number: float, where: str) -> float:
    """A number as a float64.  Raises InputError where it is beyond its range."""
    try:
        return float(number)
    except OverflowError:
        raise InputError(f"{where}: {quoted(number)} is too large") from None


def read_number(data: Json, name: str) -> float | None:
    """A float64, compared with its hexadecimal text if there is one; None if the file does not say it."""
    number = read_float(data.get(name, 0.0), name)
    text = data.get(f"{name}_hex")
    if text is not None:
        try:
            same = parse_hex_in(text, format_named("float64")) == number
        except InputError as error:
            raise InputError(f"{name}_hex: {error}") from None
        if not same:
            raise InputError(f"{name}_hex: {quoted(text)} is not {number!r}")
    return number if name in data else None


def read_optimum(data: Json) -> str:
    """What is proved.  Raises InputError where the two places that say so differ."""
    optimum: str = data.get("optimum", "")
    proof = data.get("proof")
    if "proof" in data and (proof["text"] if proof else "") != optimum:
        raise InputError("proof.text: does not say what optimum says")
    return optimum


def read_logits(data: Json, where: str, name: str, outputs: int) -> tuple[float, ...]:
    """What a library computed, infinities and NaN among it; empty if the file does not say."""
    texts = data.get(name, ())
    if texts and len(texts) != outputs:
        raise InputError(f"{where}.{name}: has {len(texts)} numbers, the network has {outputs} outputs")
    numbers = []
    for k, text in enumerate(texts):
        try:
            numbers.append(float(text) if text in ("nan", "inf", "-inf") else parse_hex_in(text, format_named("float64")))
        except InputError as error:
            raise InputError(f"{where}.{name}[{k}]: {error}") from None
    return tuple(numbers)


def read_class(data: Json, where: str, name: str, outputs: int) -> int | None:
    """A class that a library gave; None if the file does not say."""
    number = data.get(name)
    if number is not None and number >= outputs:
        raise InputError(f"{where}.{name}: {int(number)} is no class of a network with {outputs} outputs")
    return None if number is None else int(number)


def read_provenance(data: Json) -> Provenance | None:
    """How a witness came to be, if the file says so.  Raises InputError where it says only half of it."""
    names = ("engine", "encoding", "seed", "seconds", "provenance")
    absent = [name for name in names if data.get(name) is None]
    if len(absent) == len(names):
        return None
    if absent:
        raise InputError(f"{absent[0]}: is missing, although {next(n for n in names if n not in absent)} is there")
    return Provenance(
        engine=data["engine"],
        encoding=data["encoding"],
        seed=int(data["seed"]),
        created=data["provenance"]["created"],
        versions=dict(data["provenance"]["versions"]),
        seconds_solve=read_float(data["seconds"]["solve"], "seconds.solve"),
        seconds_total=read_float(data["seconds"]["total"], "seconds.total"),
        notes=tuple(data["provenance"]["notes"]),
    )


def read_point(data: Json, name: str, fmt: Format, expected: int, where: str) -> tuple[float, ...]:
    """The numbers of a point under ``name``, its decimals beside it.  Raises InputError where they are not ``expected``."""
    if len(data[name]) != expected:
        raise InputError(f"{where}.{name}: has {len(data[name])} numbers, the network has {expected} inputs")
    return read_vector(data[name], data.get(f"{name}_decimal"), fmt, f"{where}.{{}}", name)
