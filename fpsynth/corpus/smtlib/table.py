"""The table of questions: every benchmark of the collection, by family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from fpsynth import expressions as ex
from fpsynth.arithmetic import Arithmetic, Deployment
from fpsynth.corpus.smtlib.question import Benchmark, Evidence, Question, tie_question
from fpsynth.formats import (
    BFLOAT16,
    FLOAT8_E4M3FN,
    FLOAT8_E5M2,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    TF32,
    Format,
    power_of_two,
)
from fpsynth.orders import parse_order
from fpsynth.problems import Problem, Variable
from fpsynth.rounding import Rounding, round_fraction
from fpsynth.synthesis import ratio_bound
from fpsynth.synthesis.domain import DEFAULT_INPUTS, Interval, default_weights
from fpsynth.synthesis.tie import Bound, TieQuestion


@dataclass(frozen=True)
class Family:
    """What the questions of one folder have in common."""

    category: str
    """SMT-LIB's: industrial for what an application asks, crafted for what was made up."""
    about: str


FAMILIES = {
    "published": Family(
        "industrial",
        "The published constraints: 0.1 < w1 < w2 < 1 and 0.1 < xa < xb < 1 (0.1 rounded to nearest), the rounded products "
        "w1*xa and w2*xa are equal, and the rounded w2*xb exceeds the rounded w1*xb.",
    ),
    "certified": Family(
        "industrial",
        "Network y = W x without biases.  At a, logits 0 and 1 tie and none exceeds them; at b, logit 1 is ahead of every other "
        "logit by more than its Lipschitz bound times the distance of a and b (that product is exact), so the certified ball "
        "around b contains a, where the class is another one.",
    ),
    "largest": Family(
        "industrial",
        "A certified tie (see the family certified) of one input and two outputs whose ratio, certified radius over distance, "
        "is at least the largest one that there is.",
    ),
    "beyond": Family(
        "industrial",
        "A certified tie (see the family certified) of one input and two outputs whose ratio, certified radius over distance, "
        "is above the largest one that there is.",
    ),
    "theorem": Family(
        "industrial",
        "The negation of a theorem: with one input, two outputs, normal products and precision p >= 5, no certified tie has a "
        "ratio above 2^p.  The product P of the lower weight and the lower input is a free number within its McCormick bounds; "
        "the other weight and input are k and j units above.",
    ),
    "sums": Family(
        "industrial",
        "A certified tie (see the family certified) of a network with several inputs, so that sums are rounded in some order, "
        "or with a hidden layer and ReLU, whose Frobenius norm then multiplies the Lipschitz bound.",
    ),
    "domains": Family("crafted", "A certified tie (see the family certified) on an unusual domain of weights and inputs."),
    "objectives": Family(
        "crafted",
        "A certified tie (see the family certified) of one input and two outputs with a demand on its distance or margin that "
        "is just fulfillable or just not.",
    ),
    "small": Family(
        "crafted", "A certified tie (see the family certified) in a small invented format, with a ratio just above the largest."
    ),
}

_FP, _BV = "fp", "significands"
_WORDS = {(1, 2): "one input and two outputs"}
_TENTH = Fraction(1, 10)
_LARGEST_8_BIT = {FLOAT8_E5M2: 8, FLOAT8_E4M3FN: 32}
"""Largest ratios; with products below the least normal number that of float8_e4m3fn is above 2^p."""


def questions() -> tuple[Question, ...]:
    """Every question, in the order of the manifest."""
    return (
        *_published(),
        *_certified(),
        *_largest(),
        *_beyond(),
        *_theorems(),
        *_sums(),
        *_domains(),
        *_objectives(),
        *_small(),
    )


def benchmarks() -> tuple[Benchmark, ...]:
    """Every benchmark file."""
    return tuple(benchmark for question in questions() for benchmark in question.benchmarks())


def _tie(
    fmt: Format,
    shape: tuple[int, ...] = (1, 2),
    order: str = "sequential",
    mode: Rounding = Rounding.RNE,
    weights: Interval | None = None,
    inputs: Interval = DEFAULT_INPUTS,
) -> TieQuestion:
    deployment = Deployment(Arithmetic(fmt, rounding=mode, order=parse_order(order)))
    return TieQuestion(fmt, shape, (deployment,), weights or default_weights(fmt), inputs)


def _ratio(value: int, strict: bool = False) -> tuple[Bound, ...]:
    return (Bound("ratio", Fraction(value), strict),)


def published_problem(fmt: Format, mode: Rounding = Rounding.RNE) -> Problem:
    """The constraints of the published attack in one format."""
    tenth = round_fraction(_TENTH, fmt).fraction()
    names = ("w1", "w2", "xa", "xb")
    w1, w2, xa, xb = (ex.variable(name, fmt) for name in names)
    low, high = ex.constant(tenth, fmt), ex.constant(1, fmt)
    assertions = (
        *(ex.lt(small, large) for small, large in ((low, w1), (w1, w2), (w2, high), (low, xa), (xa, xb), (xb, high))),
        ex.eq(ex.mul(w1, xa, mode), ex.mul(w2, xa, mode)),
        ex.lt(ex.mul(w1, xb, mode), ex.mul(w2, xb, mode)),
    )
    variables = tuple(Variable(name, fmt, tenth, Fraction(1)) for name in names)
    return Problem("published", variables, assertions, (("w1", "w2"), ("xa", "xb")))


def _published() -> Iterator[Question]:
    chosen: list[tuple[Format, tuple[str, ...], tuple[str, ...]]] = [
        (FLOAT8_E4M3FN, (_FP, _BV), ()),
        (FLOAT8_E5M2, (_FP, _BV), ()),
        (BFLOAT16, (_FP, _BV), ()),
        (FLOAT16, (_FP, _BV), ()),
        (TF32, (_BV,), ()),
        (FLOAT32, (), (_FP, _BV)),
        (FLOAT64, (), (_FP, _BV)),
    ]
    for fmt, quick, hard in chosen:
        about = f"Products in {fmt}, rounded to nearest, ties to even."
        yield Question(
            "published", fmt.name, about, "sat", Evidence.MODEL, partial(published_problem, fmt), quick, hard
        )
    yield Question(
        "published",
        "float32_towards_zero",
        "Products in float32, rounded towards zero.",
        "sat",
        Evidence.MODEL,
        partial(published_problem, FLOAT32, Rounding.RTZ),
        hard=(_BV,),
    )


def _certified() -> Iterator[Question]:
    chosen: list[tuple[Format, tuple[str, ...], tuple[str, ...]]] = [
        (FLOAT8_E5M2, (_FP,), ()),
        (BFLOAT16, (_BV,), ()),
        (FLOAT16, (_FP, _BV), ()),
        (FLOAT32, (), (_FP, _BV)),
        (FLOAT64, (), (_BV,)),
    ]
    for fmt, quick, hard in chosen:
        tie = _tie(fmt)
        about = f"Format {fmt}, {_WORDS[tie.shape]}; weights in {tie.weights}, inputs in {tie.inputs}."
        yield tie_question("certified", fmt.name, about, "sat", Evidence.MODEL, tie, quick=quick, hard=hard)


def _largest() -> Iterator[Question]:
    chosen: list[tuple[Format, tuple[str, ...], tuple[str, ...]]] = [
        (FLOAT8_E4M3FN, (_BV,), ()),
        (BFLOAT16, (_BV,), ()),
        (FLOAT16, (_BV,), (_FP,)),
        (FLOAT32, (), (_BV,)),
        (FLOAT64, (), (_BV,)),
    ]
    for fmt, quick, hard in chosen:
        tie, largest = _tie(fmt), _LARGEST_8_BIT.get(fmt, 1 << fmt.precision)
        about = f"Format {fmt}; weights in {tie.weights}, inputs in {tie.inputs}; ratio at least {largest}."
        yield tie_question(
            "largest", fmt.name, about, "sat", Evidence.MODEL, tie, _ratio(largest), quick=quick, hard=hard
        )


def _beyond() -> Iterator[Question]:
    chosen: list[tuple[Format, Evidence, tuple[str, ...], tuple[str, ...]]] = [
        (FLOAT8_E5M2, Evidence.ENUMERATION, (_FP, _BV), ()),
        (FLOAT8_E4M3FN, Evidence.ENUMERATION, (_BV,), ()),
        (BFLOAT16, Evidence.MONOTONE_ENUMERATION, (), (_BV,)),
        (FLOAT16, Evidence.MONOTONE_ENUMERATION, (), (_BV,)),
        (FLOAT32, Evidence.THEOREM, (), (_FP, _BV)),
        (FLOAT64, Evidence.THEOREM, (), (_BV,)),
    ]
    for fmt, known_by, quick, hard in chosen:
        tie, largest = _tie(fmt), _LARGEST_8_BIT.get(fmt, 1 << fmt.precision)
        about = f"Format {fmt}; weights in {tie.weights}, inputs in {tie.inputs}; ratio above {largest}."
        theorem = f"theorem/{fmt}" if known_by is Evidence.THEOREM else ""
        yield tie_question(
            "beyond", fmt.name, about, "unsat", known_by, tie, _ratio(largest, True), quick=quick, hard=hard, theorem=theorem
        )


def _theorems() -> Iterator[Question]:
    chosen: list[tuple[Format, Rounding, tuple[str, ...], tuple[str, ...]]] = [
        (FLOAT16, Rounding.RNE, (_BV,), ()),
        (FLOAT32, Rounding.RNE, (_BV,), (_FP,)),
        (FLOAT32, Rounding.RTP, (_BV,), ()),
        (FLOAT64, Rounding.RNE, (_BV,), ()),
    ]
    for fmt, mode, quick, hard in chosen:
        name = fmt.name if mode is Rounding.RNE else f"{fmt}_{mode.value.lower()}"
        about = f"Precision {fmt.precision}, rounding {mode.value}."
        yield Question(
            "theorem",
            name,
            about,
            "unsat",
            Evidence.REFUTATION,
            partial(ratio_bound.theorem, fmt, mode),
            quick,
            hard,
        )


def _sums() -> Iterator[Question]:
    chosen: list[tuple[str, Format, tuple[int, ...], str, int, tuple[str, ...], tuple[str, ...]]] = [
        ("float16_3_2_sequential", FLOAT16, (3, 2), "sequential", 1, (), (_FP,)),
        ("float32_3_2_reverse", FLOAT32, (3, 2), "reverse", 1, (), (_BV,)),
        ("float32_3_2_strided_2", FLOAT32, (3, 2), "strided:2", 1, (), (_FP, _BV)),
        ("float32_4_2_pairwise_64", FLOAT32, (4, 2), "pairwise", 64, (), (_BV,)),
        ("float32_2_3_2", FLOAT32, (2, 3, 2), "sequential", 1, (), (_BV,)),
        ("bfloat16_2_3_3", BFLOAT16, (2, 3, 3), "sequential", 1, (), (_BV,)),
    ]
    for name, fmt, shape, order, ratio, quick, hard in chosen:
        tie = _tie(fmt, shape, order)
        about = (
            f"Format {fmt}, shape {','.join(map(str, shape))} (inputs, hidden widths, outputs), order {order}; weights in "
            f"{tie.weights}, inputs in {tie.inputs}; ratio {f'at least {ratio}' if ratio > 1 else 'above 1'}."
        )
        bounds = _ratio(ratio) if ratio > 1 else ()
        yield tie_question("sums", name, about, "sat", Evidence.MODEL, tie, bounds, quick=quick, hard=hard)
    tiny = Format("tiny", 4, 3)
    tie = _tie(tiny, (2, 2), weights=Interval(Fraction(1), Fraction(2)), inputs=Interval(Fraction(1), Fraction(2)))
    about = "Three bits of significand, shape 2,2; weights and inputs in 1:2; ratio above 16."
    yield tie_question("sums", "tiny_2_2", about, "unsat", Evidence.ENUMERATION, tie, _ratio(16, True), quick=(_BV,))


def _domains() -> Iterator[Question]:
    one, half = Fraction(1), Fraction(1, 2)
    same = Interval(half, half)
    yield tie_question(
        "domains",
        "float32_equal_weights",
        "Format float32; all weights are 1/2, so no class is ever ahead.",
        "unsat",
        Evidence.REFUTATION,
        _tie(FLOAT32, weights=same),
        quick=(_FP, _BV),
    )
    yield tie_question(
        "domains",
        "float64_one_input",
        "Format float64; inputs are 1/2 only, so a and b coincide.",
        "unsat",
        Evidence.REFUTATION,
        _tie(FLOAT64, weights=Interval(_TENTH, one), inputs=same),
        quick=(_FP, _BV),
    )
    near = Interval(one, 1 + 16 * power_of_two(-23))
    yield tie_question(
        "domains",
        "float32_above_one",
        "Format float32; weights and inputs are among the seventeen numbers from 1 on, where products are so exact that no two "
        "tie.",
        "unsat",
        Evidence.ENUMERATION,
        _tie(FLOAT32, weights=near, inputs=near),
        quick=(_FP, _BV),
    )
    tie = _tie(FLOAT16, inputs=Interval(power_of_two(-23), power_of_two(-14)))
    yield tie_question(
        "domains",
        "float16_subnormal",
        "Format float16; weights in 0.1:1, inputs from 2^-23 to 2^-14, so products are subnormal; ratio above 2048 = 2^p, which "
        "normal products cannot reach.",
        "sat",
        Evidence.MODEL,
        tie,
        _ratio(2048, True),
        quick=(_BV,),
    )
    signed = Interval(-one, one)
    yield tie_question(
        "domains",
        "bfloat16_any_sign",
        "Format bfloat16; weights in -1:1 and inputs in 0.1:1; ratio at least 128.",
        "sat",
        Evidence.MODEL,
        _tie(BFLOAT16, weights=signed),
        _ratio(128),
        hard=(_FP,),
    )


def _objectives() -> Iterator[Question]:
    farthest, widest = Fraction(14745, 16384), Fraction(3, 512)
    chosen: list[tuple[Format, str, Fraction, bool, tuple[str, ...], tuple[str, ...]]] = [
        (FLOAT16, "distance", farthest, False, (), (_BV,)),
        (FLOAT16, "distance", farthest, True, (), (_BV,)),
        (BFLOAT16, "margin", widest, False, (_BV,), ()),
        (BFLOAT16, "margin", widest, True, (), (_BV,)),
    ]
    for fmt, objective, value, strict, quick, hard in chosen:
        tie = _tie(fmt)
        how = "above" if strict else "at least"
        about = f"Format {fmt}; weights in {tie.weights}, inputs in {tie.inputs}; {objective} {how} {value}."
        status, known_by = ("unsat", Evidence.MONOTONE_ENUMERATION) if strict else ("sat", Evidence.MODEL)
        name = f"{fmt}_{objective}_{'above' if strict else 'at'}_largest"
        bounds = (Bound(objective, value, strict),)
        yield tie_question("objectives", name, about, status, known_by, tie, bounds, quick=quick, hard=hard)


def _small() -> Iterator[Question]:
    for precision, known_by, encodings in (
        (5, Evidence.ENUMERATION, (_FP, _BV)),
        (6, Evidence.MONOTONE_ENUMERATION, (_BV,)),
    ):
        fmt = Format(f"p{precision}", 5, precision)
        tie, largest = _tie(fmt), 1 << precision
        about = (
            f"Five bits of exponent, precision {precision}; weights in {tie.weights}, inputs in {tie.inputs}; ratio above "
            f"{largest}."
        )
        yield tie_question(
            "small", fmt.name, about, "unsat", known_by, tie, _ratio(largest, True), quick=encodings
        )
