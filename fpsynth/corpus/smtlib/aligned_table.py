"""The questions about aligned sums, which tensor cores compute, beside other ways to evaluate a sum: family aligned."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial

from fpsynth.alignment import Alignment
from fpsynth.corpus.smtlib.divergence_table import WAYS, ComparedSums
from fpsynth.corpus.smtlib.question import Evidence, Question
from fpsynth.formats import FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, Format, power_of_two
from fpsynth.orders import parse_order
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import REAL, Arithmetic
from fpsynth.synthesis.domain import Interval

FAMILY = "aligned"
CITED = "MMA-Sim, 2025"
"""Where the matter is treated."""
ABOUT = (
    "Products are added in one step as tensor cores do it, and otherwise; the results differ in the way that is stated.  In an "
    "aligned step every exact product becomes a multiple of a power of two, so many bits below the largest exponent among the "
    "products, which are not normalised; what is left is added exactly and rounded once into the accumulator."
)

_OPPOSITE, _ZERO, _DIFFER = WAYS
_UP = Interval(Fraction(1, 2), Fraction(1))
_DOWN = Interval(Fraction(-1), Fraction(-1, 2))
_TINY = Interval(power_of_two(-14), power_of_two(-12))
_PAIR = (_UP, _DOWN, _UP, _UP)
_TRIPLE = (_UP, _DOWN, _UP, _UP, _UP, _UP)
_FOUR = (_UP, _DOWN, _UP, _DOWN, _UP, _UP, _UP, _UP)


def _step(fmt: Format, terms: int, alignment: Alignment | None = None) -> Arithmetic:
    """All products in one step, accumulated in float32; without an alignment their exact sum is rounded."""
    order = parse_order("[" + ",".join(map(str, range(terms))) + "]")
    return Arithmetic(fmt, FLOAT32, fused=True, order=order, alignment=alignment)


def _chain(fmt: Format) -> Arithmetic:
    return Arithmetic(fmt, FLOAT32, fused=True)


def questions() -> Iterator[Question]:
    """Every question of the family."""
    enumerated, model = Evidence.ENUMERATION, Evidence.MODEL
    e4m3fn, e5m2 = FLOAT8_E4M3FN, FLOAT8_E5M2
    wide, short, down = Alignment(25), Alignment(13), Alignment(13, cut=Rounding.RTN)

    def sums(first: Arithmetic, second: Arithmetic, terms: int, way: str, domain: tuple[Interval, ...]) -> ComparedSums:
        fmt = first.format or second.format
        assert fmt is not None
        return ComparedSums(fmt, terms, first, second, way, domain, products=True)

    # the large products may cancel, and the small one lies below what is kept beside them
    lost = (_UP, _DOWN, _TINY, _UP, _UP, _TINY)
    rows = [
        ("float16_3_zero", sums(_step(FLOAT16, 3, wide), REAL, 3, _ZERO, lost), model, False),
        ("float16_4_signs", sums(_chain(FLOAT16), _step(FLOAT16, 4, short), 4, _OPPOSITE, _FOUR), model, False),
        ("float16_2_downward", sums(_step(FLOAT16, 2, down), REAL, 2, _OPPOSITE, _PAIR), model, True),
        ("float8_e4m3fn_3", sums(_step(e4m3fn, 3, Alignment(5)), _step(e4m3fn, 3), 3, _DIFFER, _TRIPLE), model, True),
        ("float8_e4m3fn_2_signs", sums(_step(e4m3fn, 2, short), REAL, 2, _OPPOSITE, _PAIR), enumerated, True),
        ("float8_e5m2_3_exact", sums(_step(e5m2, 3, short), _step(e5m2, 3), 3, _DIFFER, _TRIPLE), enumerated, False),
    ]
    for name, asked, known, quick in rows:
        status = "sat" if known is model else "unsat"
        state = partial(asked.problem, name)
        yield Question(FAMILY, name, str(asked), status, known, state, quick=("fp",) * quick, hard=("fp",) * (not quick))
