"""The text that the verified certifier of CAV 2025 reads and writes: networks, queries and JSON records.

A network is its matrices separated by commas, each [[r,r,...],[r,...],...] with one row per INPUT (the certifier transposes).
Numbers are plain decimals with digits on both sides of a point; nothing but 0123456789.,[]- may appear.  A query line is
``l0,l1,... radius``.  Floats are written as their exact decimal expansions, so that nothing is rounded on the way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from fpsynth.errors import InputError
from fpsynth.networks.network import Dense, Network
from fpsynth.networks.template import Template, template

MAX_CHARACTERS = 1 << 28
"""The longest text that is read."""

_NUMBER = re.compile(r"-?[0-9]{1,2000}\.[0-9]{1,2000}")
_FOREIGN = re.compile(r"[^0-9.,\[\]-]")


def decimal(number: float | Fraction) -> str:
    """Return the exact decimal expansion, with digits on both sides of the point and no exponent.

    Raises InputError for infinities, NaN and fractions whose expansion does not end.
    """
    try:
        exact = Fraction(number)
    except (ValueError, OverflowError):
        raise InputError(f"{number} has no decimal expansion") from None
    rest, twos, fives = exact.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        raise InputError(f"the decimal expansion of {exact} does not end")
    places = max(1, twos, fives)
    digits = str(abs(exact.numerator) * 10**places // exact.denominator).rjust(places + 1, "0")
    return ("-" if exact < 0 else "") + digits[:-places] + "." + digits[-places:]


def has_decimal(number: Fraction) -> bool:
    """Whether its decimal expansion ends."""
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def parse_decimal(text: str) -> Fraction:
    """Return the number that ``text`` writes, exactly.  Raises InputError for anything the certifier does not read."""
    if not _NUMBER.fullmatch(text):
        raise InputError(f"{text[:40]!r} is not a decimal number like -0.25 (digits on both sides of a point, no exponent)")
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text)
    whole, _, places = digits.partition(".")
    return sign * Fraction(int(whole + places), 10 ** len(places))


def write_network(network: Network | Template[Fraction]) -> str:
    """Return the network in the certifier's format.  Raises InputError for a bias, which that format cannot express."""
    matrices = []
    for layer in network.dense_layers:
        if layer.bias is not None:
            raise InputError("the certifier's format knows no biases")
        columns = layer.weight.T.tolist()
        matrices.append("[" + ",".join("[" + ",".join(map(decimal, column)) + "]" for column in columns) + "]")
    return ",".join(matrices)


def read_network(text: str) -> Template[Fraction]:
    """Return the network that ``text`` describes, its weights exact.

    Blanks around the text are allowed.  Raises InputError for any other character outside the format, for numbers it does not
    allow, for matrices that are ragged or do not fit together, and for texts beyond MAX_CHARACTERS.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"a network of more than {MAX_CHARACTERS} characters is too large")
    text = text.strip()
    foreign = _FOREIGN.search(text)
    if foreign:
        raise InputError(
            f"the network has the character {foreign[0]!r} at position {foreign.start()}; allowed: 0123456789.,[]-"
        )
    if not (text.startswith("[[") and text.endswith("]]")):
        raise InputError("a network must be written as [[r,...],...],[[r,...],...]")
    return template([_layer(matrix) for matrix in text[2:-2].split("]],[[")])


def _layer(matrix: str) -> Dense:
    rows = [tuple(parse_decimal(number) for number in row.split(",")) for row in matrix.split("],[")]
    if any(len(row) != len(rows[0]) for row in rows):
        raise InputError("the rows of a matrix must have the same length")
    return Dense(tuple(zip(*rows, strict=True)))


def write_query(logits: Sequence[float], radius: Fraction) -> str:
    """Return the line that asks whether ``radius`` is certified at a point with these logits."""
    return ",".join(map(decimal, logits)) + " " + decimal(radius)


def read_query(line: str) -> tuple[tuple[Fraction, ...], Fraction]:
    """Return the logits and the radius of a query line.  Raises InputError for anything else."""
    parts = line.strip().split(" ")
    if len(parts) != 2:
        raise InputError("a query is one line: logits separated by commas, a blank, a radius")
    return tuple(map(parse_decimal, parts[0].split(","))), parse_decimal(parts[1])


def write_records(
    bounds: Sequence[Sequence[Fraction]], gram: int, answers: Sequence[tuple[Sequence[float], Fraction, bool]]
) -> str:
    """Return the certifier's JSON: the matrix of Lipschitz bounds, then one record per query (logits, radius, certified)."""
    matrix = "[" + ", ".join("[" + ", ".join(map(decimal, row)) + "]" for row in bounds) + "]"
    records = [f'{{"lipschitz_bounds": {matrix}, "GRAM_ITERATIONS": {gram}}}']
    for logits, radius, certified in answers:
        output = "[" + ", ".join(map(decimal, logits)) + "]"
        records.append(f'{{"output": {output}, "radius": {decimal(radius)}, "certified": {json.dumps(certified)}}}')
    return "[\n" + ",\n".join(records) + "\n]\n"


def read_records(text: str) -> list[dict[str, Any]]:
    """Return the records of the certifier's JSON output, every number an exact Fraction.

    Records of other kinds (debugging messages) are kept as they are.  Raises InputError for text that is no JSON list of
    objects and for records with the wrong contents.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"more than {MAX_CHARACTERS} characters of records are too many")
    try:
        records = json.loads(text, parse_float=parse_decimal, parse_int=_whole, parse_constant=parse_decimal)
    except (json.JSONDecodeError, RecursionError):
        raise InputError("the certifier's output is not JSON") from None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError("the certifier's output must be a list of objects")
    for record in records:
        if "certified" in record:
            answer = (_numbers(record.get("output")), isinstance(record.get("radius"), Fraction), record["certified"])
            if answer[:2] != (True, True) or not isinstance(answer[2], bool):
                raise InputError("a record must have the numbers output and radius and the truth value certified")
        bounds = record.get("lipschitz_bounds", [])
        if not isinstance(bounds, list) or not all(_numbers(row) for row in bounds):
            raise InputError("lipschitz_bounds must be a matrix of numbers")
    return records


def _whole(text: str) -> Fraction:
    if len(text) > 2000:
        raise InputError(f"the number {text[:40]}... has too many digits")
    return Fraction(text)


def _numbers(data: Any) -> bool:
    return isinstance(data, list) and all(isinstance(entry, Fraction) for entry in data)
