"""The table of questions: every benchmark of the collection, by family."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from fpsynth import expressions as ex
from fpsynth.corpus.smtlib import aligned_table, divergence_table
from fpsynth.corpus.smtlib.question import Demands, Evidence, Question, SmtFile, tie_question
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
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.domain import DEFAULT_INPUTS, Interval, default_weights
from fpsynth.synthesis.ties import ratio_bound
from fpsynth.synthesis.ties.question import CERTIFIED, Bound, TieQuestion, weight_name


@dataclass(frozen=True)
class QuestionFamily:
    """What the questions of one folder have in common."""

    category: str
    """SMT-LIB's: industrial for what an application asks, crafted for what was made up."""
    about: str
    application: str = "robustness certificates of neural networks that floating-point arithmetic contradicts"
    publication: str = 'Murray, "Breaking a Verified Certifier"'


FAMILIES = {
    "published": QuestionFamily(
        "industrial",
        "The published constraints: 0.1 < w1 < w2 < 1 and 0.1 < xa < xb < 1 (0.1 rounded to nearest), the rounded products "
        "w1*xa and w2*xa are equal, and the rounded w2*xb exceeds the rounded w1*xb.",
    ),
    "certified": QuestionFamily(
        "industrial",
        "Network y = W x without biases.  At a, logits 0 and 1 tie and none exceeds them; at b, logit 1 is ahead of every "
        "other logit by more than its Lipschitz bound times the distance of a and b (that product is exact), so the certified "
        "ball around b contains a, where the class is another one.",
    ),
    "largest": QuestionFamily(
        "industrial",
        "A certified tie (see the family certified) of one input and two outputs whose ratio, certified radius over distance, "
        "is at least the largest one that there is.",
    ),
    "beyond": QuestionFamily(
        "industrial",
        "A certified tie (see the family certified) of one input and two outputs whose ratio, certified radius over distance, "
        "is above the largest one that there is.",
    ),
    "theorem": QuestionFamily(
        "industrial",
        "The negation of a theorem: with one input, two outputs, normal products and precision p >= 5, no certified tie has a "
        "ratio above 2^p.  The product P of the lower weight and the lower input is a free number within its McCormick bounds; "
        "the other weight and input are k and j units above.",
    ),
    "sums": QuestionFamily(
        "industrial",
        "A certified tie (see the family certified) of a network with several inputs, so that sums are rounded in some order, "
        "or with a hidden layer and ReLU, whose Frobenius norm then multiplies the Lipschitz bound.",
    ),
    "domains": QuestionFamily(
        "crafted", "A certified tie (see the family certified) on an unusual domain of weights and inputs."
    ),
    "objectives": QuestionFamily(
        "crafted",
        "A certified tie (see the family certified) of one input and two outputs with a demand on its distance or margin that "
        "is just fulfillable or just not.",
    ),
    "small": QuestionFamily(
        "crafted", "A certified tie (see the family certified) in a small invented format, with a ratio just above the largest."
    ),
    **{
        name: QuestionFamily(
            "crafted", about, "neural networks on which two arithmetics disagree", divergence_table.CITED[name]
        )
        for name, about in divergence_table.FAMILIES.items()
    },
    aligned_table.FAMILY: QuestionFamily(
        "crafted", aligned_table.ABOUT, "neural networks on which two arithmetics disagree", aligned_table.CITED
    ),
}

_FP, _BV = "fp", "significands"
_SCALAR = "one input and two outputs"
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
        *divergence_table.questions(),
        *aligned_table.questions(),
    )


def benchmarks() -> tuple[SmtFile, ...]:
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


def _two_weights(fmt: Format) -> TieQuestion:
    """Weights among two neighbours near nine tenths of the scale; inputs from 3/4 on, where many products tie."""
    scale = default_weights(fmt).upper
    lower = round_fraction(Fraction(9, 10) * scale, fmt, Rounding.RTN).fraction()
    start = Fraction(3, 4)
    weights = Interval(lower, lower + scale * power_of_two(-fmt.precision))
    return _tie(fmt, weights=weights, inputs=Interval(start, start + power_of_two(-8)))


def _largest_ratio(fmt: Format) -> int:
    return _LARGEST_8_BIT.get(fmt, 1 << fmt.precision)


def _domain(tie: TieQuestion) -> str:
    return f"weights in {tie.weights}, inputs in {tie.inputs}"


def _network(tie: TieQuestion) -> str:
    how, shape = tie.deployments[0].default, ",".join(map(str, tie.shape))
    assert how.given is None, "these are the rules that deployments() makes, which have an order"
    return f"Format {tie.format}, shape {shape} (inputs, hidden widths, outputs), order {how.order}"


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
        (FLOAT16, (_BV,), (_FP,)),
        (TF32, (_BV,), ()),
        (FLOAT32, (), (_FP, _BV)),
        (FLOAT64, (), (_FP, _BV)),
    ]
    for fmt, quick, hard in chosen:
        about = f"Products in {fmt}, rounded to nearest, ties to even."
        yield Question("published", fmt.name, about, "sat", Evidence.MODEL, partial(published_problem, fmt), quick, hard)
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
        (FLOAT8_E5M2, (), (_FP,)),
        (FLOAT16, (), (_FP, _BV)),
        (FLOAT32, (), (_FP, _BV)),
        (FLOAT64, (), (_BV,)),
    ]
    for fmt, quick, hard in chosen:
        tie = _tie(fmt)
        about = f"Format {fmt}, {_SCALAR}; {_domain(tie)}."
        yield tie_question("certified", fmt.name, about, Evidence.MODEL, Demands(tie), quick=quick, hard=hard)
    for fmt, quick, hard in ((FLOAT16, (_FP, _BV), ()), (FLOAT32, (_FP,), (_BV,)), (FLOAT64, (), (_FP, _BV))):
        tie = _two_weights(fmt)
        about = f"Format {fmt}, {_SCALAR}; the weights are among two neighbouring numbers, {_domain(tie)}."
        yield tie_question("certified", f"{fmt}_two_weights", about, Evidence.MODEL, Demands(tie), quick=quick, hard=hard)


def _largest() -> Iterator[Question]:
    chosen: list[tuple[str, TieQuestion, tuple[str, ...], tuple[str, ...]]] = [
        ("float8_e4m3fn", _tie(FLOAT8_E4M3FN), (), (_BV,)),
        ("bfloat16", _tie(BFLOAT16), (), (_BV,)),
        ("float16", _tie(FLOAT16), (), (_BV,)),
        ("float32", _tie(FLOAT32), (), (_BV,)),
        ("float64", _tie(FLOAT64), (), (_BV,)),
        ("float32_two_weights", _two_weights(FLOAT32), (), (_FP, _BV)),
    ]
    for name, tie, quick, hard in chosen:
        about = f"Format {tie.format}; {_domain(tie)}; ratio at least {_largest_ratio(tie.format)}."
        bounds = _ratio(_largest_ratio(tie.format))
        yield tie_question("largest", name, about, Evidence.MODEL, Demands(tie, bounds), quick=quick, hard=hard)


def _beyond() -> Iterator[Question]:
    chosen: list[tuple[str, TieQuestion, Evidence, tuple[str, ...], tuple[str, ...]]] = [
        ("float8_e5m2", _tie(FLOAT8_E5M2), Evidence.ENUMERATION, (), (_FP, _BV)),
        ("float8_e4m3fn", _tie(FLOAT8_E4M3FN), Evidence.ENUMERATION, (), (_BV,)),
        ("bfloat16", _tie(BFLOAT16), Evidence.MONOTONE_ENUMERATION, (), (_BV,)),
        ("float16", _tie(FLOAT16), Evidence.MONOTONE_ENUMERATION, (), (_BV,)),
        ("float16_two_weights", _two_weights(FLOAT16), Evidence.MONOTONE_ENUMERATION, (_FP, _BV), ()),
        ("float32", _tie(FLOAT32), Evidence.THEOREM, (), (_BV,)),
        ("float32_two_weights", _two_weights(FLOAT32), Evidence.THEOREM, (), (_FP, _BV)),
        ("float64", _tie(FLOAT64), Evidence.THEOREM, (), (_BV,)),
    ]
    for name, tie, known_by, quick, hard in chosen:
        about = f"Format {tie.format}; {_domain(tie)}; ratio above {_largest_ratio(tie.format)}."
        bounds = _ratio(_largest_ratio(tie.format), True)
        theorem = f"theorem/{tie.format}" if known_by is Evidence.THEOREM else ""
        yield tie_question("beyond", name, about, known_by, Demands(tie, bounds), quick=quick, hard=hard, theorem=theorem)


def _theorems() -> Iterator[Question]:
    chosen: list[tuple[Format, Rounding, tuple[str, ...], tuple[str, ...]]] = [
        (FLOAT16, Rounding.RNE, (_BV,), ()),
        (FLOAT32, Rounding.RNE, (_BV,), (_FP,)),
        (FLOAT32, Rounding.RTP, (), (_BV,)),
        (FLOAT64, Rounding.RNE, (), (_BV,)),
    ]
    for fmt, mode, quick, hard in chosen:
        name = fmt.name if mode is Rounding.RNE else f"{fmt}_{mode.value.lower()}"
        about = f"Precision {fmt.precision}, rounding {mode.value}."
        state = partial(ratio_bound.theorem, fmt, mode)
        yield Question("theorem", name, about, "unsat", Evidence.REFUTATION, state, quick, hard)


def _sums() -> Iterator[Question]:
    chosen: list[tuple[str, Format, tuple[int, ...], str, int, tuple[str, ...]]] = [
        ("float32_3_2_reverse", FLOAT32, (3, 2), "reverse", 1, (_BV,)),
        ("float32_3_2_strided_2", FLOAT32, (3, 2), "strided:2", 1, (_FP,)),
        ("float32_2_3_2", FLOAT32, (2, 3, 2), "sequential", 1, (_BV,)),
        ("float64_4_2_pairwise_64", FLOAT64, (4, 2), "pairwise", 64, (_FP,)),
    ]
    for name, fmt, shape, order, ratio, hard in chosen:
        tie = _tie(fmt, shape, order)
        bounds = _ratio(ratio) if ratio > 1 else ()
        about = f"{_network(tie)}; {_domain(tie)}; ratio {f'at least {ratio}' if ratio > 1 else 'above 1'}."
        yield tie_question("sums", name, about, Evidence.MODEL, Demands(tie, bounds), hard=hard)
    yield from _fixed_sums()
    binade = Interval(Fraction(1), Fraction(2))
    tie = _tie(Format("tiny", 4, 3), (2, 2), weights=binade, inputs=binade)
    about = f"{_network(tie)}, four bits of exponent and precision 3; {_domain(tie)}; ratio "
    yield tie_question(
        "sums", "tiny_2_2_at_largest", f"{about} at least 16.", Evidence.MODEL, Demands(tie, _ratio(16)), quick=(_BV,)
    )
    yield tie_question(
        "sums",
        "tiny_2_2_above_largest",
        f"{about} above 16.",
        Evidence.ENUMERATION,
        Demands(tie, _ratio(16, True)),
        hard=(_BV,),
    )


def _fixed_sums() -> Iterator[Question]:
    """Networks whose weights are given: what is left to find is two inputs."""
    chosen: list[tuple[Format, tuple[int, ...], str, tuple[str, ...], tuple[str, ...]]] = [
        (FLOAT16, (3, 2), "sequential", (_BV,), (_FP,)),
        (FLOAT32, (3, 2), "pairwise", (_BV,), ()),
        (FLOAT32, (2, 3, 2), "sequential", (_BV,), ()),
    ]
    for fmt, shape, order, quick, hard in chosen:
        tie = _tie(fmt, shape, order, inputs=Interval(Fraction(1, 2), Fraction(1)))
        name = f"{fmt}_{'_'.join(map(str, shape))}_{order}_fixed"
        about = f"{_network(tie)}; the weights are given, those of logits 0 and 1 a unit apart; inputs in {tie.inputs}."
        yield tie_question(
            "sums", name, about, Evidence.MODEL, Demands(tie, narrowed=_fixed_weights(tie)), quick=quick, hard=hard
        )


def _fixed_weights(tie: TieQuestion) -> dict[str, Interval]:
    """Weights of 0.9, 0.8, ... rounded down; the certified row of the last layer is one unit above the tied one, or below."""
    fixed: dict[str, Interval] = {}
    last = len(tie.shape) - 2
    for layer, (sources, outputs) in enumerate(itertools.pairwise(tie.shape)):
        for j, k in itertools.product(range(outputs), range(sources)):
            weight = round_fraction(Fraction(9 - (k + (j if layer < last else 0)) % 4, 10), tie.format, Rounding.RTN).fraction()
            if layer == last and j == CERTIFIED:
                weight += (1 if k % 2 == 0 else -1) * power_of_two(-tie.format.precision)
            fixed[weight_name(layer, j, k)] = Interval(weight, weight)
    return fixed


def _domains() -> Iterator[Question]:
    one, half = Fraction(1), Fraction(1, 2)
    same, near = Interval(half, half), Interval(one, 1 + 16 * power_of_two(-23))
    chosen: list[tuple[str, str, TieQuestion, Evidence, tuple[str, ...], tuple[str, ...]]] = [
        (
            "float32_equal_weights",
            "Format float32; all weights are 1/2, so no class is ever ahead.",
            _tie(FLOAT32, weights=same),
            Evidence.REFUTATION,
            (_BV,),
            (_FP,),
        ),
        (
            "float64_one_input",
            "Format float64; inputs are 1/2 only, so a and b coincide.",
            _tie(FLOAT64, weights=Interval(_TENTH, one), inputs=same),
            Evidence.REFUTATION,
            (_BV,),
            (_FP,),
        ),
        (
            "float32_above_one",
            "Format float32; weights and inputs are among the seventeen numbers from 1 on, where no two products tie.",
            _tie(FLOAT32, weights=near, inputs=near),
            Evidence.ENUMERATION,
            (_FP, _BV),
            (),
        ),
    ]
    for name, about, tie, known_by, quick, hard in chosen:
        yield tie_question("domains", name, about, known_by, Demands(tie), quick=quick, hard=hard)
    tie = _tie(FLOAT16, inputs=Interval(power_of_two(-23), power_of_two(-14)))
    about = f"Format float16; {_domain(tie)}: products are subnormal; ratio above 2048 = 2^p, which normal ones cannot reach."
    yield tie_question("domains", "float16_subnormal", about, Evidence.MODEL, Demands(tie, _ratio(2048, True)), hard=(_BV,))
    tie = _tie(BFLOAT16, weights=Interval(-one, one))
    about = f"Format bfloat16; {_domain(tie)}; ratio at least 128."
    yield tie_question("domains", "bfloat16_any_sign", about, Evidence.MODEL, Demands(tie, _ratio(128)), hard=(_FP,))


def _objectives() -> Iterator[Question]:
    tie, widest = _tie(BFLOAT16), Fraction(3, 512)
    about = f"Format bfloat16; {_domain(tie)}; margin"
    for strict, name, how, known_by in (
        (False, "bfloat16_margin_at_largest", "at least", Evidence.MODEL),
        (True, "bfloat16_margin_above_largest", "above", Evidence.MONOTONE_ENUMERATION),
    ):
        bounds = (Bound("margin", widest, strict),)
        yield tie_question("objectives", name, f"{about} {how} {widest}.", known_by, Demands(tie, bounds), hard=(_BV,))


def _small() -> Iterator[Question]:
    binade = Interval(Fraction(1, 2), Fraction(1))
    for precision, hard in ((5, (_FP, _BV)), (6, (_BV,))):
        fmt = Format(f"p{precision}", 5, precision)
        tie, largest = _tie(fmt, weights=binade, inputs=binade), 1 << precision
        about = f"Five bits of exponent, precision {precision}; {_domain(tie)}; ratio above {largest}."
        bounds = _ratio(largest, True)
        yield tie_question("small", fmt.name, about, Evidence.ENUMERATION, Demands(tie, bounds), hard=hard)
