"""The exact interpreter against MPFR (through gmpy2), with the exponent range and gradual underflow of each format.

MPFR has four of the five modes; ties away from zero is built here from its two directed ones.  Formats without infinity
overflow in a way of their own and are compared below their largest number only.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

import gmpy2
import pytest
from hostile import hostile_triples, pairs_of_all
from profiles import every_second
from strategies import EVERY, MICRO, TINY, TINYFN, TWO_BITS

from fpsynth import expressions as e
from fpsynth import rounding as r
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import Expression, Op
from fpsynth.formats import BFLOAT16, FLOAT8_E5M2, FLOAT16, FLOAT32, Format
from fpsynth.rounding import Rounding, Value

MODES = {
    Rounding.RNE: gmpy2.RoundToNearest,
    Rounding.RTZ: gmpy2.RoundToZero,
    Rounding.RTP: gmpy2.RoundUp,
    Rounding.RTN: gmpy2.RoundDown,
}
Operation = Callable[[Any, Any, Any, Any], Any]
OPERATIONS: dict[str, Operation] = {
    "add": lambda context, x, y, z: context.add(x, y),
    "sub": lambda context, x, y, z: context.sub(x, y),
    "mul": lambda context, x, y, z: context.mul(x, y),
    "fma": lambda context, x, y, z: context.fma(x, y, z),
    "cast": lambda context, x, y, z: context.plus(x),
    "neg": lambda context, x, y, z: context.minus(x),
}


@functools.cache
def context_of(fmt: Format, mode: Rounding) -> Any:
    """An MPFR context that computes in ``fmt``; MPFR's exponents count from a significand in [1/2, 1)."""
    return gmpy2.context(precision=fmt.precision, emax=fmt.emax + 1, emin=fmt.lsb_min + 1, subnormalize=True, round=MODES[mode])


def to_mpfr(value: Value) -> Any:
    """The value exactly, in a wide context."""
    with gmpy2.context(precision=64):
        number = gmpy2.mpfr(0 if value.is_zero else float(value))
        return -number if value.is_zero and value.negative else number


def from_mpfr(number: Any) -> Value:
    if not gmpy2.is_finite(number) or number == 0:
        return r.from_float(float(number))
    significand, exponent = number.as_mantissa_exp()
    return r.dyadic(significand < 0, abs(int(significand)), int(exponent))


def by_mpfr(op: str, fmt: Format, mode: Rounding, *operands: Any) -> Value:
    if mode is not Rounding.RNA:
        return from_mpfr(OPERATIONS[op](context_of(fmt, mode), *operands))
    # the result away from zero and the one toward it; one more bit of precision tells on which side of the middle it is
    nearest = by_mpfr(op, fmt, Rounding.RNE, *operands)
    if not nearest.is_finite and all(gmpy2.is_finite(x) for x in operands):
        return nearest
    finer = dataclasses.replace(fmt, precision=fmt.precision + 1)
    middle_low, middle_high = (by_mpfr(op, finer, m, *operands) for m in (Rounding.RTN, Rounding.RTP))
    if middle_low != middle_high or r.representable(middle_low, fmt):
        return nearest
    outward = Rounding.RTN if middle_low.negative else Rounding.RTP
    return by_mpfr(op, fmt, outward, *operands)


def roots_of(fmt: Format, mode: Rounding) -> dict[str, Expression]:
    x, y, z = (e.variable(name, fmt) for name in "xyz")
    return {
        "add": e.add(x, y, mode),
        "sub": e.sub(x, y, mode),
        "mul": e.mul(x, y, mode),
        "fma": e.fma(x, y, z, mode),
        "neg": e.neg(x),
    }


def compare(fmt: Format, mode: Rounding, a: list[float], b: list[float], c: list[float]) -> int:
    """Hold all operations on all triples against MPFR; return how many results were compared."""
    roots, compared = roots_of(fmt, mode), 0
    for point in zip(a, b, c, strict=True):
        values = [r.from_float(x) for x in point]
        numbers = [to_mpfr(v) for v in values]
        answers = evaluate(list(roots.values()), dict(zip("xyz", values, strict=True)))
        for op, answer in zip(roots, answers, strict=True):
            wanted = by_mpfr(op, fmt, mode, *numbers)
            if fmt.has_infinity or (
                wanted.is_finite and r.representable(wanted, fmt) and abs(wanted.fraction()) < fmt.max_finite
            ):
                assert answer == wanted, (op, [x.hex() for x in point])
                compared += 1
    return compared


@pytest.mark.parametrize("mode", Rounding)
@pytest.mark.parametrize("fmt", EVERY, ids=str)
def test_hostile_operands(fmt: Format, mode: Rounding) -> None:
    a, b, c = (x.tolist() for x in hostile_triples(fmt, 150, seed=51))
    assert compare(fmt, mode, a, b, c) > 300


@pytest.mark.parametrize(("fmt", "mode"), every_second(itertools.product([MICRO, TINY, TINYFN, TWO_BITS], Rounding)), ids=str)
def test_every_pair_of_small_formats(fmt: Format, mode: Rounding) -> None:
    a, b = (x.tolist() for x in pairs_of_all(fmt))
    assert compare(fmt, mode, a, b, b[::-1]) > len(a)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", [FLOAT16, BFLOAT16, FLOAT32, FLOAT8_E5M2, TINY, MICRO], ids=str)
def test_casts(target: Format, mode: Rounding) -> None:
    for source in EVERY:
        node = Expression(Op.CAST, (e.variable("x", source),), target, mode)
        for x in hostile_triples(source, 60, seed=52)[0].tolist():
            value = r.from_float(x)
            wanted = from_mpfr(context_of(target, mode).plus(to_mpfr(value)))
            assert evaluate([node], {"x": value}) == [wanted], x.hex()


@pytest.mark.parametrize("mode", MODES)
def test_every_fused_triple_of_a_tiny_format(mode: Rounding) -> None:
    values = list(dict.fromkeys(r.from_bits(bits, MICRO) for bits in range(1 << MICRO.bits)))
    numbers = {value: to_mpfr(value) for value in values}
    context, (x, y, z) = context_of(MICRO, mode), (e.variable(name, MICRO) for name in "xyz")
    node = e.fma(x, y, z, mode)
    for a, b, c in itertools.product(values, repeat=3):
        wanted = from_mpfr(context.fma(numbers[a], numbers[b], numbers[c]))
        assert evaluate([node], {"x": a, "y": b, "z": c}) == [wanted], (a, b, c)
