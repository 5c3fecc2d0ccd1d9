"""Read what verifiers print: verdicts in their words, and counterexamples in the two forms of VNN-LIB."""

from __future__ import annotations

import math
import re
import struct
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.verifiers.external.base import FAILED, TIME, TOO_MUCH, Said

WORDS = {
    **dict.fromkeys(("sat", "violated", "unsafe", "falsified"), "sat"),
    **dict.fromkeys(("unsat", "holds", "verified", "safe", "robust"), "unsat"),
    **dict.fromkeys(("unknown", "timeout", "timed-out", "timed_out", "error", "memout", "unsupported"), "unknown"),
}
"""What tools say, and what it means."""
_CAUSES = {
    **dict.fromkeys(("timeout", "timed-out", "timed_out"), TIME),
    "memout": TOO_MUCH,
    **dict.fromkeys(("error", "unsupported"), FAILED),
}
"""Why some of them say ``unknown``."""
_PAIR = re.compile(r"\(\s*([XY])_(\d{1,9})\s+([^\s()]{1,400})\s*\)")
_TENSOR = re.compile(r"(\S{1,200})\s+([A-Za-z]\w{0,20})\s+\[([\d,\s]*)\]")
MAX_NUMBERS = 1 << 24
MAX_DIGITS = 5000
"""Of a number that is kept exactly, and the largest exponent of one: beyond, it is what its float is."""
Number = tuple[float, Fraction | None]
"""A number as a float and exactly; None where it is not finite."""


def meaning(word: str) -> str | None:
    """The verdict that a word stands for; None for any other word."""
    return WORDS.get(word.strip().lower())


def undecided(word: str) -> Said:
    """``unknown``, as a tool says it by one of WORDS or by another word."""
    return Said("unknown", f"it says {word}", cause=_CAUSES.get(word.strip().lower(), ""))


def stated(text: str) -> Said | None:
    """What a text says whose first line is a verdict, followed by an assignment where that is ``sat``; None for other texts."""
    first, _, rest = text.lstrip().partition("\n")
    verdict = meaning(first)
    if verdict is None:
        return None
    if verdict == "sat":
        return counterexample(rest)
    return Said(verdict) if verdict == "unsat" else undecided(first.strip())


def counterexample(text: str) -> Said:
    """``sat`` with the point that a text names, as ``assignment`` reads it."""
    inputs, outputs = _numbers(text)
    exact = [number for _, number in inputs if number is not None]
    whole = tuple(exact) if len(exact) == len(inputs) else ()
    return Said("sat", "", _floats(inputs), _floats(outputs), exact=whole)


def assignment(text: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Inputs and outputs of a counterexample, ((X_0 v) ... (Y_0 v)) or tensors with a value in each line; empty: there is none.

    Raises InputError where one is begun and not whole.
    """
    inputs, outputs = _numbers(text)
    return _floats(inputs), _floats(outputs)


def _floats(numbers: tuple[Number, ...]) -> tuple[float, ...]:
    return tuple(number for number, _ in numbers)


def _numbers(text: str) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    pairs = _PAIR.findall(text)
    if pairs:
        return _of_pairs(pairs, "X"), _of_pairs(pairs, "Y")
    return _of_tensors(text)


def _of_pairs(pairs: list[tuple[str, str, str]], tensor: str) -> tuple[Number, ...]:
    numbers = {int(place): _number(value) for name, place, value in pairs if name == tensor}
    if sorted(numbers) != list(range(len(numbers))):
        raise InputError(f"the counterexample leaves {tensor}_k out for some k")
    return tuple(numbers[place] for place in range(len(numbers)))


def _of_tensors(text: str) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    """Tensors in the order of their declaration: inputs come first (VNN-LIB 2.0, 5.3.1)."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    tensors: list[tuple[Number, ...]] = []
    while lines:
        head = _TENSOR.fullmatch(lines.pop(0))
        if head is None:
            continue
        size = 1
        for length in head[3].replace(",", " ").split():
            size *= int(length)
        if size > min(len(lines), MAX_NUMBERS):
            raise InputError(f"the counterexample has fewer numbers than the shape of {head[1][:40]} says")
        tensors.append(tuple(_number(line, head[2]) for line in lines[:size]))
        del lines[:size]
    inputs, outputs, *_ = [*tensors, (), ()]
    return inputs, outputs


def _number(text: str, element: str = "") -> Number:
    """A number as printed; one that is said to be a float32 or a float64 is the nearest of these."""
    try:
        number = float.fromhex(text) if "0x" in text.lower() else float(text)
        if element == "float32":
            number = float(struct.unpack("f", struct.pack("f", number))[0])
    except (ValueError, OverflowError):
        raise InputError(f"{text[:40]!r} in the counterexample is no number") from None
    return number, _exact(text, number, element)


def _exact(text: str, number: float, element: str) -> Fraction | None:
    if not math.isfinite(number):
        return None
    if element.startswith("float") or "0x" in text.lower() or len(text) > MAX_DIGITS:
        return Fraction(number)
    try:
        printed = Decimal(text)
    except InvalidOperation:  # an exponent beyond those of Decimal
        return Fraction(number)
    return Fraction(printed) if abs(printed.adjusted()) <= MAX_DIGITS else Fraction(number)
