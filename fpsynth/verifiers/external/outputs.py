"""Read what verifiers print: verdicts in their words, and counterexamples in the two forms of VNN-LIB."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import chain

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
_ATOM = r"[^\s()]{1,400}"
_TERM = rf"(?:{_ATOM}|\(\s*[-/]\s+{_ATOM}(?:\s+{_ATOM})?\s*\))"
"""A number, or as SMT-LIB writes it: (- v) and (/ a b)."""
_VALUE = rf"(?:{_TERM}|\(\s*[-/]\s+{_TERM}(?:\s+{_TERM})?\s*\))"
_PAIR = re.compile(rf"\(\s*([XY])_(\d{{1,9}})\s+({_VALUE})\s*\)")
_NAMED = re.compile(r"\bX_(\d{1,9})\b")
_BEGUN = re.compile(r"\(\s*X_\d")
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
    read = {int(place) for name, place, _ in pairs if name == "X"}
    unread = {int(place) for place in _NAMED.findall(text)} - read if pairs or _BEGUN.search(text) else None
    if unread:  # the rest of the point would be another one
        raise InputError(f"the value of X_{min(unread)} in the counterexample is not understood")
    if pairs:
        return _of_pairs(pairs, "X"), _of_pairs(pairs, "Y")
    return _of_tensors(text)


def _of_pairs(pairs: list[tuple[str, str, str]], tensor: str) -> tuple[Number, ...]:
    numbers = {int(place): _value(value) for name, place, value in pairs if name == tensor}
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


def _value(text: str) -> Number:
    """A number, or a term of SMT-LIB: (- v) or (/ a b), with the like of these in it."""
    if "(" not in text:
        return _number(text)
    number = _term(iter(text.replace("(", " ( ").replace(")", " ) ").split()))
    try:
        return float(number), number
    except OverflowError:
        raise InputError(f"{text[:40]!r} in the counterexample is beyond all floats") from None


def _term(words: Iterator[str]) -> Fraction:
    """The term that begins with the next word; ``_PAIR`` has seen to its parentheses."""
    first = next(words)
    if first != "(":
        _, exact = _number(first)
        if exact is None:
            raise InputError(f"{first[:40]!r} in the counterexample is no number of a term")
        return exact
    sign, terms = next(words), []
    while (word := next(words)) != ")":
        terms.append(_term(chain([word], words)))
    if sign == "-" and len(terms) == 1:
        return -terms[0]
    if len(terms) != 2 or (sign == "/" and not terms[1]):
        raise InputError("a term in the counterexample is neither (- v) nor (/ a b)")
    return terms[0] / terms[1] if sign == "/" else terms[0] - terms[1]


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
