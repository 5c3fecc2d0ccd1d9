"""The questions about two ways to evaluate a sum: families order, precision, relu and interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial

from fpsynth import expressions as ex
from fpsynth.arithmetic import Arithmetic, Deployment
from fpsynth.certifiers.interval_expressions import lower_interval
from fpsynth.corpus.smtlib.question import Evidence, Question
from fpsynth.expressions import Expression
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Dense, Network
from fpsynth.orders import Tree, parse_order
from fpsynth.problems import Problem, Variable
from fpsynth.synthesis.domain import Interval

_FP, _BV = "fp", "significands"
_UNIT = Interval(Fraction(-1), Fraction(1))
_PLAIN = "{} {} numbers v0, v1, ... in {}"

FAMILIES = {
    "order": "The same numbers are added up in two orders, each addition rounded to nearest, ties to even; the results differ "
    "in the way that is stated.  Any two different orders of three terms or more can be told apart; signs can not always.",
    "precision": "A sum is evaluated in two formats, on numbers of the narrower one.",
    "relu": "A sum that is negative in exact arithmetic, so that ReLU of it is 0, is computed as a positive number.",
    "interval": "The computed value of a sum lies outside the interval that interval arithmetic with outward rounding gives for "
    "it in another order.",
}


def questions() -> tuple[Question, ...]:
    """Every question of the four families."""
    return (*_orders(), *_precisions(), *_relus(), *_intervals())


def _unknowns(letter: str, count: int, fmt: Format) -> list[Expression]:
    return [ex.variable(f"{letter}{k}", fmt) for k in range(count)]


def _variables(names: Sequence[Expression], fmt: Format, domain: Interval) -> tuple[Variable, ...]:
    return tuple(Variable(v.name, fmt, domain.lower, domain.upper) for v in names)


def total(tree: Tree, leaves: Sequence[Expression], into: Format) -> Expression:
    """The leaves, cast into a format that contains theirs, added up along a tree."""
    nodes = [ex.cast(leaf, into) for leaf in leaves]
    for left, right in tree.steps:
        nodes.append(ex.add(nodes[left], nodes[right]))
    return nodes[-1]


def exact_total(leaves: Sequence[Expression]) -> Expression:
    """The sum of the leaves in the reals."""
    result = ex.real(leaves[0])
    for leaf in leaves[1:]:
        result = ex.add(result, ex.real(leaf))
    return result


def _zero(node: Expression) -> Expression:
    return ex.constant(0, node.format)


def _opposite(a: Expression, b: Expression) -> tuple[Expression, ...]:
    return ex.lt(a, _zero(a)), ex.lt(_zero(b), b)


def _zero_and_more(a: Expression, b: Expression) -> tuple[Expression, ...]:
    return ex.eq(a, _zero(a)), ex.lt(_zero(b), b)


def _different(a: Expression, b: Expression) -> tuple[Expression, ...]:
    return (ex.negation(ex.eq(a, b)),)


_WAYS = {
    "opposite signs": _opposite,
    "zero and above zero": _zero_and_more,
    "different": _different,
}


def order_problem(name: str, fmt: Format, terms: int, a: str, b: str, way: str, domain: Interval) -> Problem:
    """Numbers of which orders a and b give different sums."""
    v = _unknowns("v", terms, fmt)
    first, second = (total(parse_order(order).tree(terms), v, fmt) for order in (a, b))
    return Problem(name, _variables(v, fmt, domain), _WAYS[way](first, second))


def _orders() -> Iterator[Question]:
    normal = Interval(Fraction(1, 16), Fraction(1))
    chosen: list[tuple[str, Format, int, str, str, str, Interval, str, tuple[str, ...], tuple[str, ...]]] = [
        ("float16_3_zero", FLOAT16, 3, "sequential", "[0,[1,2]]", "zero and above zero", _UNIT, "sat", (), (_FP, _BV)),
        ("float32_3_zero", FLOAT32, 3, "sequential", "[0,[1,2]]", "zero and above zero", _UNIT, "sat", (), (_FP, _BV)),
        ("float64_3_zero", FLOAT64, 3, "sequential", "[0,[1,2]]", "zero and above zero", _UNIT, "sat", (), (_FP,)),
        ("float32_3_positive", FLOAT32, 3, "sequential", "reverse", "different", normal, "sat", (), (_FP, _BV)),
        ("float16_4_signs", FLOAT16, 4, "sequential", "pairwise", "opposite signs", _UNIT, "sat", (), (_FP, _BV)),
        ("float32_4_signs", FLOAT32, 4, "sequential", "pairwise", "opposite signs", _UNIT, "sat", (), (_FP, _BV)),
        ("float32_8_signs", FLOAT32, 8, "sequential", "strided:4", "opposite signs", _UNIT, "sat", (), (_FP,)),
        ("float8_e4m3fn_3_signs", FLOAT8_E4M3FN, 3, "sequential", "reverse", "opposite signs", _UNIT, "unsat", (), (_FP, _BV)),
        ("float16_3_signs", FLOAT16, 3, "sequential", "reverse", "opposite signs", _UNIT, "unsat", (), (_FP, _BV)),
        ("bfloat16_3_signs", BFLOAT16, 3, "sequential", "reverse", "opposite signs", normal, "unsat", (), (_FP, _BV)),
    ]
    for name, fmt, terms, a, b, way, domain, status, quick, hard in chosen:
        about = f"{_PLAIN.format(terms, fmt, domain)}; orders {a} and {b}: {way}."
        known = Evidence.MODEL if status == "sat" else Evidence.REFUTATION
        state = partial(order_problem, name, fmt, terms, a, b, way, domain)
        yield Question("order", name, about, status, known, state, quick, hard)


def precision_problem(name: str, narrow: Format, wide: Format, terms: int, way: str, domain: Interval) -> Problem:
    """Numbers of the narrower format whose sums, from left to right, differ in the two formats."""
    v = _unknowns("v", terms, narrow)
    tree = parse_order("sequential").tree(terms)
    first, second = total(tree, v, narrow), total(tree, v, wide)
    return Problem(name, _variables(v, narrow, domain), _WAYS[way](first, second))


def _precisions() -> Iterator[Question]:
    chosen: list[tuple[str, Format, Format, int, str, str, tuple[str, ...], tuple[str, ...]]] = [
        ("float16_float32_3", FLOAT16, FLOAT32, 3, "zero and above zero", "sat", (), (_FP, _BV)),
        ("bfloat16_float32_3", BFLOAT16, FLOAT32, 3, "zero and above zero", "sat", (), (_FP, _BV)),
        ("float32_float64_3", FLOAT32, FLOAT64, 3, "zero and above zero", "sat", (), (_FP, _BV)),
        ("float16_float32_4_signs", FLOAT16, FLOAT32, 4, "opposite signs", "sat", (), (_FP, _BV)),
        ("tf32_float32_2_signs", TF32, FLOAT32, 2, "opposite signs", "unsat", (), (_FP, _BV)),
        ("float16_float32_2_zero", FLOAT16, FLOAT32, 2, "zero and above zero", "unsat", (), (_FP, _BV)),
    ]
    for name, narrow, wide, terms, way, status, quick, hard in chosen:
        about = f"{_PLAIN.format(terms, narrow, _UNIT)}, added from left to right in {narrow} and in {wide}: {way}."
        known = Evidence.MODEL if status == "sat" else Evidence.REFUTATION
        state = partial(precision_problem, name, narrow, wide, terms, way, _UNIT)
        yield Question("precision", name, about, status, known, state, quick, hard)


def relu_problem(name: str, fmt: Format, terms: int, order: str, products: bool, domain: Interval) -> Problem:
    """Numbers, or weights and inputs, whose exact sum is below zero and whose computed sum is above."""
    v, x = _unknowns("v" if not products else "w", terms, fmt), _unknowns("x", terms, fmt)
    if not products:
        computed = total(parse_order(order).tree(terms), v, fmt)
        return Problem(name, _variables(v, fmt, domain), _opposite(exact_total(v), computed))
    network = Network((Dense((tuple(v),)),))
    (computed,) = lower(network, x, Deployment(Arithmetic(fmt, order=parse_order(order))))
    (exact,) = lower(network, x, Deployment(Arithmetic(None, order=parse_order(order))))
    return Problem(name, _variables([*v, *x], fmt, domain), _opposite(exact, computed))


def _relus() -> Iterator[Question]:
    chosen: list[tuple[str, Format, int, str, bool, str, tuple[str, ...], tuple[str, ...]]] = [
        ("float16_4_sequential", FLOAT16, 4, "sequential", False, "sat", (), (_FP, _BV)),
        ("float32_4_pairwise", FLOAT32, 4, "pairwise", False, "sat", (), (_FP, _BV)),
        ("bfloat16_3_products", BFLOAT16, 3, "sequential", True, "sat", (), (_FP,)),
        ("float16_3_sequential", FLOAT16, 3, "sequential", False, "unsat", (), (_FP, _BV)),
        ("float8_e4m3fn_2_products", FLOAT8_E4M3FN, 2, "sequential", True, "unsat", (), (_FP, _BV)),
    ]
    for name, fmt, terms, order, products, status, quick, hard in chosen:
        what = f"{terms} products w0*x0, w1*x1, ... of {fmt} numbers in {_UNIT}" if products else _PLAIN.format(terms, fmt, _UNIT)
        about = f"{what}; order {order}."
        known = Evidence.MODEL if status == "sat" else Evidence.REFUTATION
        state = partial(relu_problem, name, fmt, terms, order, products, _UNIT)
        yield Question("relu", name, about, status, known, state, quick, hard)


def interval_problem(name: str, fmt: Format, terms: int, a: str, b: str, domain: Interval, widening: str = "") -> Problem:
    """Numbers whose sum in order b lies outside the interval computed in order a."""
    v = _unknowns("v", terms, fmt)
    ones = [ex.constant(1, fmt)] * terms
    network = Network((Dense((tuple(v),)),))
    how = Deployment(Arithmetic(fmt, order=parse_order(a)))
    ((low, high),) = lower_interval(network, [(one, one) for one in ones], how, widening)
    value = total(parse_order(b).tree(terms), v, fmt)
    outside = ex.disjunction([ex.lt(value, low), ex.lt(high, value)])
    return Problem(name, _variables(v, fmt, domain), (outside,))


def _intervals() -> Iterator[Question]:
    same = "[[0,1],2]"
    chosen: list[tuple[str, Format, int, str, str, str, tuple[str, ...], tuple[str, ...]]] = [
        ("float16_3_other_order", FLOAT16, 3, "sequential", "reverse", "sat", (), (_FP, _BV)),
        ("float32_3_other_order", FLOAT32, 3, "sequential", "reverse", "sat", (), (_FP, _BV)),
        ("float32_4_pairwise", FLOAT32, 4, "pairwise", "sequential", "sat", (), (_FP,)),
        ("float16_3_same_order", FLOAT16, 3, "sequential", same, "unsat", (), (_FP, _BV)),
        ("bfloat16_3_same_order", BFLOAT16, 3, "sequential", same, "unsat", (), (_FP, _BV)),
    ]
    for name, fmt, terms, a, b, status, quick, hard in chosen:
        about = f"{_PLAIN.format(terms, fmt, _UNIT)}; interval in order {a}, value in order {b}."
        known = Evidence.MODEL if status == "sat" else Evidence.REFUTATION
        state = partial(interval_problem, name, fmt, terms, a, b, _UNIT)
        yield Question("interval", name, about, status, known, state, quick, hard)
