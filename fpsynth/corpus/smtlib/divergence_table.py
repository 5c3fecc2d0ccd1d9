"""The questions about two ways to evaluate a sum: families order, precision, relu and interval."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial, reduce

from fpsynth import expressions as ex
from fpsynth.corpus.smtlib.question import Evidence, Question
from fpsynth.expressions import Expression
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT16, FLOAT32, FLOAT64, TF32, Format, power_of_two
from fpsynth.networks.lowering import lower
from fpsynth.networks.template import template
from fpsynth.orders import parse_order
from fpsynth.problems import Problem, Variable
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.graph import sum_graph
from fpsynth.sums.numbers import of_numbers
from fpsynth.synthesis.domain import Interval
from fpsynth.verifiers.interval_expressions import lower_interval

CITED = {
    "order": "FPRev, ATC 2025",
    "precision": "Szasz et al., ICML 2025",
    "relu": "Zombori et al., ICLR 2021",
    "interval": "Szasz et al., ICML 2025",
}
"""Where the matter of a family is treated."""
FAMILIES = {
    "order": "The same numbers are added up in two orders, each addition rounded to nearest, ties to even; the results differ "
    "in the way that is stated.  Three terms in two orders can give 0 and a number above 0, but no opposite signs; four can.",
    "precision": "A sum is evaluated in two arithmetics, rounding to nearest, ties to even, that differ in the format, in the "
    "accumulator, in the rounding of products before they are added (fused: none), or in the number of terms that are added "
    "exactly before the sum is rounded (a list of more than two); the results differ in the way that is stated.",
    "relu": "A sum that is below zero in exact arithmetic, so that ReLU makes it 0, is computed as a number above zero.",
    "interval": "The computed value of a sum lies outside the interval that interval arithmetic with outward rounding computes "
    "for it, in the same order or in another.",
}

_FP, _BV = "fp", "significands"
_BOTH = (_FP, _BV)


def _between(low: int, high: int) -> Interval:
    """The numbers from 2^low to 2^high."""
    return Interval(power_of_two(low), power_of_two(high))


def _minus(interval: Interval) -> Interval:
    return Interval(-interval.upper, -interval.lower)


_UNIT = (Interval(Fraction(-1), Fraction(1)),)
_NORMAL = (_between(-4, 0),)
_UP, _SMALL = _between(-1, 0), _between(-30, -20)
_CANCEL = (_UP, _SMALL, _minus(_UP), _minus(_SMALL))
"""Signs and sizes with which a small number is lost where it meets a large one, and stays where the large ones cancel."""


def _signed(terms: int) -> tuple[Interval, ...]:
    """Weights of alternating signs, then inputs, from 1/2 to 1 in magnitude: no product is subnormal."""
    return (*((_UP, _minus(_UP))[k % 2] for k in range(terms)), *[_UP] * terms)


Two = tuple[Expression, Expression]
WAYS: Mapping[str, Callable[[Expression, Expression], Expression]] = {
    "The first is below 0 and the second above": lambda a, b: ex.conjunction([ex.lt(a, _zero(a)), ex.lt(_zero(b), b)]),
    "The first is 0 and the second above": lambda a, b: ex.conjunction([ex.eq(a, _zero(a)), ex.lt(_zero(b), b)]),
    "They differ": lambda a, b: ex.negation(ex.eq(a, b)),
}
_OPPOSITE, _ZERO, _DIFFER = WAYS


def _zero(node: Expression) -> Expression:
    return ex.constant(0, node.format)


@dataclass(frozen=True)
class ComparedSums:
    """A sum of so many numbers v0, v1, ... or products w0*x0, w1*x1, ... that is evaluated in two arithmetics."""

    format: Format
    terms: int
    first: Arithmetic
    second: Arithmetic
    way: str = ""
    """How the two results differ, a key of WAYS; of an interval question nothing: the second lies outside the first."""
    domain: tuple[Interval, ...] = _UNIT
    """Of every number in turn, the weights before the inputs; they begin again where there are fewer."""
    products: bool = False
    widening: str = ""
    """What the interval of the first arithmetic is widened by (see ``fpsynth.verifiers.intervals.WIDENINGS``)."""

    @property
    def letters(self) -> str:
        """What the names of the unknowns begin with: weights and inputs, or numbers that are added as they are."""
        return "wx" if self.products else "v"

    def problem(self, name: str) -> Problem:
        """The numbers for which the results differ in that way."""
        rows = [[ex.variable(f"{letter}{k}", self.format) for k in range(self.terms)] for letter in self.letters]
        numbers = [v for row in rows for v in row]
        domains = itertools.cycle(self.domain)
        variables = [Variable(v.name, self.format, d.lower, d.upper) for v, d in zip(numbers, domains, strict=False)]
        value = _value(rows, self.second)
        if self.way:
            return Problem(name, tuple(variables), (WAYS[self.way](_value(rows, self.first), value),))
        low, high = _ends(rows, self.first, self.widening)
        outside = ex.disjunction([ex.lt(value, low), ex.lt(high, value)])
        return Problem(name, tuple(variables), (outside,))

    def __str__(self) -> str:
        names = [f"{letter}{k}" for letter in self.letters for k in range(self.terms)]
        what = "products w0*x0, w1*x1, ..." if self.products else "numbers v0, v1, ..."
        domains = ", ".join(f"{name} in {d}" for name, d in zip(names, itertools.cycle(self.domain), strict=False))
        where = domains if len(self.domain) > 1 else f"all in {self.domain[0]}"
        if self.way:
            return f"{self.terms} {what} in {self.format}, {where}.  First: {self.first}.  Second: {self.second}.  {self.way}."
        widened = f", every sum widened as {self.widening.upper()} does" if self.widening else ""
        return f"{self.terms} {what} in {self.format}, {where}.  Interval: {self.first}{widened}.  Value: {self.second}."


def _value(rows: Sequence[Sequence[Expression]], how: Arithmetic) -> Expression:
    """The sum as an arithmetic evaluates it; a single row is one of numbers that are added as they are."""
    if len(rows) > 1:
        weights, inputs = rows
        return lower(template([((tuple(weights),), None)]), inputs, Deployment(how))[0]
    if how.format is None:
        return reduce(ex.add, [ex.real(v) for v in rows[0]])
    return sum_graph(of_numbers(program_of(how, len(rows[0])), how.format), (), addends=rows[0])


def _ends(rows: Sequence[Sequence[Expression]], how: Arithmetic, widening: str) -> Two:
    """The interval of the sum; a single row is one of numbers that are multiplied by 1."""
    inputs = rows[1] if len(rows) > 1 else [ex.constant(1, v.format) for v in rows[0]]
    network = template([((tuple(rows[0]),), None)])
    return lower_interval(network, [(x, x) for x in inputs], Deployment(how), widening)[0]


def _in(fmt: Format, order: str = "sequential", accumulator: Format | None = None, fused: bool = False) -> Arithmetic:
    return Arithmetic(fmt, accumulator, order=parse_order(order), fused=fused)


Row = tuple[str, ComparedSums, str, tuple[str, ...], tuple[str, ...]]
"""Name, sums, status, quick encodings, hard encodings."""


def questions() -> tuple[Question, ...]:
    """Every question of the four families."""
    return tuple(_questions())


def _questions() -> Iterator[Question]:
    for family, rows in (("order", _orders()), ("precision", _precisions()), ("relu", _relus()), ("interval", _intervals())):
        for name, sums, status, quick, hard in rows:
            known = Evidence.MODEL if status == "sat" else Evidence.REFUTATION
            yield Question(family, name, str(sums), status, known, partial(sums.problem, name), quick, hard)


def _orders() -> list[Row]:
    def two(
        fmt: Format,
        terms: int,
        a: str,
        b: str,
        way: str,
        domain: tuple[Interval, ...] = _UNIT,
        accumulator: Format | None = None,
    ) -> ComparedSums:
        return ComparedSums(fmt, terms, _in(fmt, a, accumulator), _in(fmt, b, accumulator), way, domain)

    last, rev, seq = "[0,[1,2]]", "reverse", "sequential"
    return [
        ("float16_3_zero", two(FLOAT16, 3, seq, last, _ZERO), "sat", _BOTH, ()),
        ("float32_3_zero", two(FLOAT32, 3, seq, last, _ZERO, (_SMALL, _UP, _minus(_UP))), "sat", _BOTH, ()),
        ("float64_3_zero", two(FLOAT64, 3, seq, last, _ZERO, (_between(-60, -50), _UP, _minus(_UP))), "sat", _BOTH, ()),
        ("float32_3_positive", two(FLOAT32, 3, seq, rev, _DIFFER, _NORMAL), "sat", _BOTH, ()),
        ("float32_4_signs", two(FLOAT32, 4, seq, "strided:2", _OPPOSITE, _CANCEL), "sat", _BOTH, ()),
        ("float16_4_signs", two(FLOAT16, 4, seq, "strided:2", _OPPOSITE), "sat", (), _BOTH),
        ("float32_8_signs", two(FLOAT32, 8, seq, "strided:2", _OPPOSITE, _CANCEL), "sat", (), (_FP,)),
        ("float16_in_float32_4", two(FLOAT16, 4, seq, "pairwise", _DIFFER, accumulator=FLOAT32), "sat", (), (_FP,)),
        (
            "float8_e4m3fn_in_float16_3_exact",
            two(FLOAT8_E4M3FN, 3, seq, rev, _DIFFER, _NORMAL, accumulator=FLOAT16),
            "unsat",
            (_BV,),
            (_FP,),
        ),
        (
            "float8_e4m3fn_in_float16_4_exact",
            two(FLOAT8_E4M3FN, 4, seq, "pairwise", _DIFFER, (_UP,), accumulator=FLOAT16),
            "unsat",
            (_BV,),
            (),
        ),
        ("float8_e4m3fn_3_signs", two(FLOAT8_E4M3FN, 3, seq, rev, _OPPOSITE), "unsat", (), (_BV,)),
        ("bfloat16_3_signs", two(BFLOAT16, 3, seq, rev, _OPPOSITE, (_UP, _minus(_UP), _between(-12, -4))), "unsat", _BOTH, ()),
        ("float16_3_signs", two(FLOAT16, 3, seq, rev, _OPPOSITE, (_UP, _minus(_UP), _between(-12, -4))), "unsat", _BOTH, ()),
        (
            "float32_3_signs",
            two(FLOAT32, 3, seq, rev, _OPPOSITE, (_UP, _minus(_UP), _between(-12, -4))),
            "unsat",
            (_BV,),
            (_FP,),
        ),
        (
            "bfloat16_4_signs",
            two(BFLOAT16, 4, seq, "pairwise", _OPPOSITE, (_UP, _between(-8, -4), _minus(_UP), _minus(_between(-8, -4)))),
            "unsat",
            _BOTH,
            (),
        ),
        ("float64_3_commuted", two(FLOAT64, 3, seq, "[2,[1,0]]", _DIFFER), "unsat", (_FP,), ()),
    ]


def _precisions() -> list[Row]:
    def wider(fmt: Format, wide: Format, terms: int, way: str, domain: tuple[Interval, ...] = _UNIT) -> ComparedSums:
        return ComparedSums(fmt, terms, _in(fmt), _in(wide), way, domain)

    def fused(fmt: Format, terms: int, way: str, domain: tuple[Interval, ...] = _UNIT) -> ComparedSums:
        return ComparedSums(fmt, terms, _in(fmt), _in(fmt, fused=True), way, domain, True)

    def accumulated(fmt: Format, terms: int, way: str, domain: tuple[Interval, ...] = _UNIT) -> ComparedSums:
        return ComparedSums(fmt, terms, _in(fmt), _in(fmt, accumulator=FLOAT32), way, domain, True)

    def at_once(fmt: Format, terms: int, way: str, domain: tuple[Interval, ...] = _UNIT) -> ComparedSums:
        whole = "[" + ",".join(map(str, range(terms))) + "]"
        return ComparedSums(fmt, terms, _in(fmt, fused=True), _in(fmt, whole, fused=True), way, domain, True)

    return [
        ("float16_float32_3_zero", wider(FLOAT16, FLOAT32, 3, _ZERO), "sat", _BOTH, ()),
        (
            "bfloat16_float32_3_zero",
            wider(BFLOAT16, FLOAT32, 3, _ZERO, (_UP, _between(-20, -10), _minus(_UP))),
            "sat",
            _BOTH,
            (),
        ),
        ("float32_float64_3_zero", wider(FLOAT32, FLOAT64, 3, _ZERO, _CANCEL[:3]), "sat", _BOTH, ()),
        ("float32_float64_4_signs", wider(FLOAT32, FLOAT64, 4, _OPPOSITE, _CANCEL), "sat", _BOTH, ()),
        ("float16_float32_4_signs", wider(FLOAT16, FLOAT32, 4, _OPPOSITE), "sat", (), (_FP,)),
        ("bfloat16_accumulated_3", accumulated(BFLOAT16, 3, _OPPOSITE, _signed(3)), "sat", (_BV,), ()),
        ("bfloat16_fused_2_zero", fused(BFLOAT16, 2, _ZERO, _signed(2)), "sat", _BOTH, ()),
        ("float32_fused_2_zero", fused(FLOAT32, 2, _ZERO, _signed(2)), "sat", (), _BOTH),
        ("bfloat16_at_once_4", at_once(BFLOAT16, 4, _OPPOSITE, _signed(4)), "sat", (), (_BV,)),
        ("float16_float32_2_zero", wider(FLOAT16, FLOAT32, 2, _ZERO), "unsat", _BOTH, ()),
        ("tf32_float32_3_signs", wider(TF32, FLOAT32, 3, _OPPOSITE, _CANCEL), "unsat", _BOTH, ()),
        ("float8_e4m3fn_fused_2_signs", fused(FLOAT8_E4M3FN, 2, _OPPOSITE, _signed(2)), "unsat", (_BV,), ()),
        ("float8_e4m3fn_at_once_3_signs", at_once(FLOAT8_E4M3FN, 3, _OPPOSITE, _signed(3)), "sat", (_BV,), (_FP,)),
        ("bfloat16_fused_2_signs", fused(BFLOAT16, 2, _OPPOSITE, _signed(2)), "unsat", (_FP,), (_BV,)),
    ]


def _relus() -> list[Row]:
    def wrong(
        fmt: Format, terms: int, how: Arithmetic, domain: tuple[Interval, ...] = _UNIT, products: bool = False
    ) -> ComparedSums:
        return ComparedSums(fmt, terms, REAL, how, _OPPOSITE, domain, products)

    cancel = (_UP, _minus(_SMALL), _minus(_UP), _SMALL)
    return [
        ("float16_4_sequential", wrong(FLOAT16, 4, _in(FLOAT16)), "sat", (), (_BV,)),
        ("float32_4_sequential", wrong(FLOAT32, 4, _in(FLOAT32), cancel), "sat", _BOTH, ()),
        (
            "float64_4_sequential",
            wrong(FLOAT64, 4, _in(FLOAT64), (_UP, _minus(_between(-60, -50)), _minus(_UP), _between(-62, -52))),
            "sat",
            (_BV,),
            (_FP,),
        ),
        ("bfloat16_3_products", wrong(BFLOAT16, 3, _in(BFLOAT16), _signed(3), True), "sat", (_BV,), ()),
        ("float16_3_sequential", wrong(FLOAT16, 3, _in(FLOAT16), (_UP, _minus(_UP), _between(-12, -4))), "unsat", _BOTH, ()),
        ("float32_4_pairwise", wrong(FLOAT32, 4, _in(FLOAT32, "pairwise"), cancel), "unsat", (_BV,), (_FP,)),
        ("float8_e4m3fn_2_products", wrong(FLOAT8_E4M3FN, 2, _in(FLOAT8_E4M3FN), products=True), "unsat", (_BV,), ()),
        (
            "bfloat16_in_float32_3_products",
            wrong(BFLOAT16, 3, _in(BFLOAT16, accumulator=FLOAT32), _signed(3), True),
            "unsat",
            (_FP,),
            (_BV,),
        ),
    ]


def _intervals() -> list[Row]:
    def escaping(
        fmt: Format, terms: int, a: str, b: str, domain: tuple[Interval, ...] = _UNIT, widening: str = ""
    ) -> ComparedSums:
        return ComparedSums(fmt, terms, _in(fmt, a), _in(fmt, b), "", domain, False, widening)

    seq, rev = "sequential", "reverse"
    three = (_UP, _minus(_UP), _between(-12, -4))
    return [
        ("float16_3_other_order", escaping(FLOAT16, 3, seq, rev), "sat", (), _BOTH),
        ("float32_3_other_order", escaping(FLOAT32, 3, seq, rev, (_UP, _minus(_UP), _SMALL)), "sat", (_BV,), (_FP,)),
        ("bfloat16_3_lost", escaping(BFLOAT16, 3, seq, rev, (_UP, _between(-12, -4), _minus(_UP))), "unsat", (_BV,), ()),
        ("float32_4_pairwise", escaping(FLOAT32, 4, "pairwise", seq, _NORMAL), "sat", (_BV,), ()),
        ("float8_e4m3fn_3_same_order", escaping(FLOAT8_E4M3FN, 3, seq, seq, _NORMAL), "unsat", (_BV,), ()),
        ("bfloat16_3_same_order", escaping(BFLOAT16, 3, seq, seq, three), "unsat", (), (_BV,)),
        (
            "float8_e4m3fn_3_elina",
            escaping(FLOAT8_E4M3FN, 3, seq, rev, (_UP, _minus(_UP), _between(-3, -1)), "elina"),
            "unsat",
            (_BV,),
            (),
        ),
    ]
