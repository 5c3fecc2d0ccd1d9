"""One neuron in every arithmetic: all that can evaluate it, or reason about it, give it the bits of the exact interpreter."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from profiles import SLOW, examples
from strategies import TINY
from sums import Neurons, family_orders, neurons, random_neurons

from fpsynth.encoders import Script, encode
from fpsynth.encoders.z3_terms import evaluate_z3
from fpsynth.errors import InputError
from fpsynth.evaluators.arrays import evaluate_arrays
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.expressions import constant, eq, variable
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.orders import Order, Tree, fixed_order
from fpsynth.orders.families import FAMILIES
from fpsynth.problems import Problem, Variable
from fpsynth.rounding import Flush, Rounding, Value, from_float
from fpsynth.solvers.base import Status
from fpsynth.solvers.bitwuzla import Bitwuzla
from fpsynth.solvers.z3 import Z3
from fpsynth.sums.arithmetic import Arithmetic

FORMATS = (FLOAT16, BFLOAT16, TF32, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT32, FLOAT64)
ROWS_PER_FAMILY = (100_000 if SLOW else 10_000) // len(FAMILIES) + 1


def agree(got: np.ndarray, wanted: list[Value], of: Neurons) -> None:
    for k, (have, want) in enumerate(zip(got.tolist(), wanted, strict=True)):
        assert from_float(have) == want, (str(of.how), of.weights[k].tolist(), of.inputs[k].tolist(), of.bias is None)


STEP = fixed_order(Tree(3, ((0, 1, 2),)))
"""Three nodes added exactly and rounded once."""


def by_hand(how: Arithmetic, weights: list[float], inputs: list[float]) -> Neurons:
    return Neurons(how, np.array([weights]), np.array([inputs]), None)


@settings(max_examples=examples(300))
@given(random_neurons(FORMATS))
@example(by_hand(Arithmetic(FLOAT16, order=STEP, fused=True), [2.0**15, 2.0**-24, -(2.0**15)], [2.0**15, 2.0**-24, 2.0**15]))
@example(by_hand(Arithmetic(FLOAT32, order=STEP, fused=True, flush=True), [2.0**-127, 1, -1], [2.0**10, 1, 1]))
@example(by_hand(Arithmetic(FLOAT32, order=STEP, rounding=Rounding.RTN), [1.0, -1.0, -0.0], [1.0, 1.0, 1.0]))
@example(by_hand(Arithmetic(FLOAT64, order=STEP, fused=True), [2.0**1000, 1.0, -(2.0**1000)], [2.0**1000, 1.0, 2.0**1000]))
@example(by_hand(Arithmetic(FLOAT64, order=STEP), [2.0**1000, 1.0, -(2.0**1000)], [2.0**1000, 1.0, 2.0**1000]))
def test_arrays_and_sums_give_the_bits_of_the_reference(case: Neurons) -> None:
    wanted = case.by_exact()
    agree(evaluate_arrays([case.graph()], case.columns())[0], wanted, case)
    agree(sum_of_products(case.how, case.weights, case.inputs, case.bias), wanted, case)


@settings(max_examples=examples(60))
@given(random_neurons(FORMATS, most=5, rows=2))
def test_z3_gives_the_bits_of_the_reference(case: Neurons) -> None:
    pytest.importorskip("z3", reason="z3 is not installed")
    graph = case.graph()
    for row, wanted in zip(case.assignments(), case.by_exact(), strict=True):
        assert evaluate_z3([graph], row) == [wanted], (str(case.how), row)


def pinned(case: Neurons) -> Problem:
    """Find the output: every variable equals its number, but has bounds so wide that no encoder folds the sum away."""
    fmt, (assignment,) = case.how.format, case.assignments()
    assert fmt is not None
    limits = {name: max(Fraction(1), abs(value.fraction())) for name, value in assignment.items()}
    unknowns = [Variable(name, fmt, -limit, limit) for name, limit in limits.items()]
    out = Variable("out", fmt, -fmt.max_finite, fmt.max_finite)
    claims = [eq(variable(name, fmt), constant(value.fraction(), fmt)) for name, value in assignment.items()]
    return Problem("neuron", (*unknowns, out), (*claims, eq(variable("out", fmt), case.graph())))


def script_of(problem: Problem, encoding: str) -> Script | None:
    """The script; None where the significand encoding refuses the problem because it may overflow."""
    try:
        return encode(problem, encoding)
    except InputError as error:
        if encoding != "significands" or "overflow" not in str(error):
            raise
        return None


def solver_agrees(case: Neurons, encoding: str, engine: str) -> bool:
    """Assert that a solver finds the output of the reference; false where the encoding refuses the neuron."""
    (wanted,) = case.by_exact()
    script = script_of(pinned(case), encoding)
    if script is None:
        return False
    outcome = {"z3": Z3, "bitwuzla": Bitwuzla}[engine]().run(script, 1, 60.0, None)
    assert outcome.status is (Status.SAT if wanted.is_finite else Status.UNSAT), outcome.reason
    if outcome.model is not None and wanted.is_finite:
        found = script.decode(outcome.model)["out"]
        assert found == wanted or (found.is_zero and wanted.is_zero), (str(case.how), case.weights, case.inputs)
    return True


READERS: dict[str, tuple[str, tuple[Format, ...], int, int]] = {
    "fp": ("z3", (TINY, FLOAT16), 4, 12),
    "significands": ("bitwuzla", (TINY, FLOAT8_E4M3FN), 4, 25),
    "bitblast": ("bitwuzla", (TINY,), 3, 3),
}
"""For each encoding a solver, formats and most terms of neurons that it solves within a second, and how many of them."""


@pytest.mark.parametrize("encoding", READERS)
def test_solvers_that_read_the_text_find_the_output_of_the_reference(encoding: str) -> None:
    engine, formats, most, count = READERS[encoding]
    count = count if SLOW else max(3, count // 2)
    pytest.importorskip("z3", reason="z3 is not installed")
    pytest.importorskip(engine, reason=f"{engine} is not installed")
    rng = random.Random(encoding)
    solved = 0
    for _ in range(4 * count):
        how, terms, bias = random_arithmetic(rng, rng.choice(formats), rng.randint(1, most))
        solved += solver_agrees(neurons(how, terms, 1, bias, rng.randrange(10**6), finite=True), encoding, engine)
        if solved == count:
            return
    pytest.fail(f"only {solved} of {4 * count} neurons could be encoded")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_on_thousands_of_hostile_vectors(family: str) -> None:
    rng, done = random.Random(family), 0
    while done < ROWS_PER_FAMILY:
        case = random_case(rng, family)
        agree(sum_of_products(case.how, case.weights, case.inputs, case.bias), case.by_exact(), case)
        done += len(case.weights)


def random_case(rng: random.Random, family: str) -> Neurons:
    """A neuron of 3 to 9 terms whose order is of a family, in an arithmetic drawn at random, on 64 rows."""
    how, terms, bias = random_arithmetic(rng, rng.choice(FORMATS), rng.randint(3, 9), rng.choice(family_orders(family)))
    return neurons(how, terms, 64, bias, rng.randrange(10**6))


def random_arithmetic(rng: random.Random, fmt: Format, terms: int, order: Order | None = None) -> tuple[Arithmetic, int, bool]:
    """An arithmetic for so many terms, in a random tree unless an order is given, and whether there is a bias."""
    bias = rng.random() < 0.5
    leaf = bias and rng.random() < 0.3
    how = Arithmetic(
        fmt,
        accumulator=rng.choice([None, None, FLOAT16, FLOAT32, FLOAT64] if order else [None, FLOAT16]),
        rounding=rng.choice([Rounding.RNE, Rounding.RNE, *Rounding]),
        fused=rng.random() < 0.6,
        flush=rng.choice([Flush.NEVER, Flush.NEVER, Flush.NEVER, Flush.ROUNDED, Flush.UNBOUNDED]),
        order=order or fixed_order(drawn_tree(rng, terms + leaf)),
        bias_first=rng.random() < 0.5,
        rounded=tuple(k for k in range(terms) if rng.random() < 0.2),
        operands=rng.choice([None, None, FLOAT8_E5M2, TF32]),
        bias_leaf=leaf,
    )
    return how, terms, bias


def drawn_tree(rng: random.Random, leaves: int) -> Tree:
    """A tree whose steps add up two to four nodes."""
    nodes, steps = list(range(leaves)), list[tuple[int, ...]]()
    while len(nodes) > 1:
        steps.append(tuple(nodes.pop(rng.randrange(len(nodes))) for _ in range(min(len(nodes), rng.choice([2, 2, 3, 4])))))
        nodes.append(leaves + len(steps) - 1)
    return Tree(leaves, tuple(steps))
