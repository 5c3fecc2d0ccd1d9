"""Positions that one kernel sums differently give twins that differ, and classes that permutations and rows change."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from revealing.simulated import layer as simulated_layer

from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate, argmax
from fpsynth.report.stories.divergence_words import told_apart, wrong
from fpsynth.revealing.bench import KernelBench
from fpsynth.revealing.comparing import Vectors, results
from fpsynth.revealing.result import Check, PositionClass, Reveal
from fpsynth.revealing.vectors import Call
from fpsynth.solvers.engines import engines_named
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips import FlipQuestion, find_flip
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.placing import layer
from fpsynth.synthesis.positions import answer
from fpsynth.synthesis.positions.answer import same_everywhere
from fpsynth.synthesis.positions.measuring import measured_twin
from fpsynth.synthesis.positions.pairs import PositionPair, build, pairs
from fpsynth.synthesis.requests.positions import TwinRequest
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.data import View, Witness
from fpsynth.workers.deadlines import OutOfTimeError

TERMS = 6
ONE, OTHER = (Arithmetic(FLOAT32, order=parse_order(name)) for name in ("sequential", "pairwise"))


def revealed(batch: int, outputs: int, others: set[tuple[int, int]]) -> Reveal:
    """A kernel that sums the given positions pairwise and all others from left to right."""
    every = [(row, output) for row in range(batch) for output in range(outputs)]
    classes = tuple(
        PositionClass(how, tuple(p for p in every if (p in others) == inside), Check(1, 1))
        for how, inside in ((ONE, False), (OTHER, True))
    )
    kernel = Kernel(Environment("torch", "linear", batch=batch, outputs=outputs), FLOAT32, TERMS, outputs)
    return Reveal(kernel, tuple(cls for cls in classes if cls.positions), "1.0")


def flip(found: Reveal, pair: PositionPair) -> Witness:
    views = [
        View(name, name, role, Deployment(found.at(*place).arithmetic))
        for name, role, place in (("a", "reference", pair.first), ("b", "deployed", pair.second))
    ]
    unit = Interval(Fraction(-1), Fraction(1))
    question = FlipQuestion("position", FLOAT32, TERMS, Predicate("relu"), tuple(views), unit, unit)
    result = find_flip(question, Settings(engines_named("sampling"), 0, 20.0, 0.0))
    assert result.divergence is not None
    return result.divergence


def test_pairs_are_of_different_classes_in_the_row_that_is_looked_at() -> None:
    found = revealed(2, 3, {(0, 2), (1, 0)})
    assert list(pairs(found, "twin", 0)) == [PositionPair((0, 0), (0, 2))]
    assert set(map(str, pairs(found, "permutation", 0))) == {
        str(PositionPair((0, 0), (0, 2))),
        str(PositionPair((0, 2), (0, 0))),
    }
    assert {(p.first[1], p.second[1]) for p in pairs(found, "row")} <= {(0, 0), (2, 2)}
    assert list(pairs(revealed(2, 3, set()), "twin")) == []


def test_twins_tie_in_the_reals_and_differ_where_they_are_summed_differently() -> None:
    found = revealed(1, 4, {(0, 3)})
    (pair,) = pairs(found, "twin")
    made = build("twin", found, pair, flip(found, pair))
    weight = made.network.dense_layers[0].weight.tolist()
    assert weight[pair.first[1]] == weight[pair.second[1]]
    assert made.real[0] == made.real[3]
    logits = made.deployed.logits
    assert logits[0] < 0 < logits[3]
    assert made.predicate == Predicate("equal", 0, 3)
    assert made.predicate.holds(made.reference.logits, logits)


def both_ways(kind: str, found: Reveal) -> list[Witness]:
    """What is built for a pair of positions and for the pair turned round, from a flip and its negation."""
    (pair, *_) = pairs(found, kind)
    plain, turned = flip(found, pair), PositionPair(pair.second, pair.first)
    a, b = plain.views
    weights = tuple(-w for w in plain.network.dense_layers[0].weight[0].tolist())
    negated = replace(plain, network=dense_relu((Dense((weights,)),)), views=(replace(b, name="a"), replace(a, name="b")))
    return [build(kind, found, pair, plain), build(kind, found, turned, negated)]


def test_changing_the_places_of_two_neurons_changes_the_class() -> None:
    found = revealed(1, 4, {(0, 3)})
    for made in both_ways("permutation", found):
        assert sorted(view.permutation for view in made.views)[0] == ()
        assert sorted(max(view.permutation for view in made.views)) == [0, 1, 2, 3]
        assert {argmax(view.logits) for view in made.views} == {0, 3}
        assert made.reference.environment == made.deployed.environment


@pytest.mark.parametrize(
    ("kind", "found"), [("permutation", revealed(1, 4, {(0, 3)})), ("row", revealed(3, 2, {(2, 0), (2, 1)}))]
)
def test_what_agrees_with_the_reals_is_not_called_the_departing_one(kind: str, found: Reveal) -> None:
    """Of a flip and its negation one is positive in the reals, so that the views are exchanged in one of the two."""
    both = both_ways(kind, found)
    for made in both:
        right = argmax(made.real)
        assert argmax(made.reference.logits) == right or argmax(made.deployed.logits) != right
        assert [view.name for view in made.views] == ["a", "b"]
        assert [view.role for view in made.views] == ["reference", "deployed"]
        assert made.predicate.holds(made.reference.logits, made.deployed.logits)
    right_place = {(made.reference.permutation, made.reference.row) for made in both}
    assert len(right_place) == (2 if kind == "permutation" else 1)  # always where the sum is taken as in the first position


@pytest.mark.parametrize(
    ("kind", "found"), [("permutation", revealed(1, 4, {(0, 3)})), ("row", revealed(3, 2, {(2, 0), (2, 1)}))]
)
def test_the_report_says_what_differs_of_one_environment(kind: str, found: Reveal) -> None:
    for made in both_ways(kind, found):
        names = told_apart(made)
        assert len(set(names)) == 2
        said = {"neurons 0 and 3 exchanged", "neurons as they are"} if kind == "permutation" else {"row 0", "row=2"}
        assert all(any(part in name for name in names) for part in said)
        sentence = wrong(made)[0]
        assert all(name in sentence for name in names)


def test_the_row_of_the_batch_changes_the_class() -> None:
    found = revealed(3, 2, {(2, 0), (2, 1)})
    pair = next(iter(pairs(found, "row")))
    made = build("row", found, pair, flip(found, pair))
    assert {made.reference.row, made.deployed.row} == {pair.first[0], pair.second[0]}
    assert argmax(made.reference.logits) != argmax(made.deployed.logits)


@pytest.mark.parametrize("rival", [None, 2])
def test_the_neurons_beside_it_have_no_product_or_a_single_negative_one(rival: int | None) -> None:
    rows = layer((0.5, -1.0, 0.25), (1.0, -1.0, 2.0), 4, 1, rival)
    assert rows[1] == (0.5, -1.0, 0.25)
    for number, row in enumerate(rows):
        products = [w * x for w, x in zip(row, (1.0, -1.0, 2.0), strict=True) if w * x]
        if number == 1:
            continue
        if rival is None or number == rival:
            assert products == []
        else:
            assert len(products) == 1
            assert products[0] < 0


def test_neurons_of_one_arithmetic_that_a_library_sums_differently_are_twins_that_were_measured() -> None:
    """The reveal says that all three are summed from left to right; the last one is not."""
    told = revealed(2, 3, set())
    compute = simulated_layer(told.kernel, lambda row, output: OTHER if output == 2 else ONE)

    def run(ground, asked):
        bench = KernelBench(compute, told.kernel)
        calls = asked if isinstance(asked, Vectors) else [Call(np.array([x]), np.array(w), None) for x, w in asked]
        return results(bench, calls, [ground.row], ground.outputs)

    made = measured_twin(told, 1, Options(vectors=200), run)
    assert made is not None
    assert (made.question, made.predicate) == ("twin", Predicate("equal", 0, 2))
    assert made.real[0] == made.real[2]
    assert made.deployed.logits[0] != made.deployed.logits[2]
    assert (made.deployed.measured, made.deployed.row) == (True, 1)
    outcome = check(made)
    assert all(finding.holds for finding in outcome.findings)
    assert not outcome.confirmed


def test_neurons_that_are_summed_alike_are_no_twins() -> None:
    told = revealed(2, 3, set())
    compute = simulated_layer(told.kernel, lambda row, output: ONE)

    def run(ground, asked):
        return results(KernelBench(compute, told.kernel), asked, [0], (0, 1, 2))

    assert measured_twin(told, 0, Options(vectors=200), run) is None


def test_where_no_addition_rounds_no_position_is_summed_otherwise() -> None:
    found = revealed(2, 4, {(0, 3), (1, 1)})
    for kind in ("twin", "permutation", "row"):
        proof = same_everywhere(kind, found, 0, TERMS, Options(weights="0.5:0.5", inputs="6:6", replay=False))
        assert proof is not None
        assert "multiple of 2^0, and every sum of them at most 18" in proof.statement
        assert same_everywhere(kind, found, 0, TERMS, Options(weights="0.5:0.5", inputs="6:7", replay=False)) is None


def test_nothing_is_proved_of_positions_that_are_not_explained() -> None:
    found = revealed(1, 4, {(0, 3)})
    first, *others = found.classes
    doubted = replace(found, classes=(replace(first, check=Check(299, 300)), *others))
    assert same_everywhere("twin", doubted, 0, TERMS, Options(weights="1:1", inputs="1:1", replay=False)) is None


def test_what_was_revealed_is_kept_where_the_time_ends_among_the_measured_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search has ended by then: its answer is that of the question, and not that time ran out."""
    (cls,) = revealed(1, 2, set()).classes
    found = replace(revealed(1, 2, set()), classes=(replace(cls, check=Check(0, 1)),))
    assert not found.explained

    def too_late(*_: object) -> None:
        raise OutOfTimeError

    monkeypatch.setattr(answer, "_revealed", lambda *_: found)
    monkeypatch.setattr(answer, "measured_twin", too_late)
    result = answer.run_position(TwinRequest("numpy:matmul:batch=1,outputs=2", terms=TERMS, timeout=20, replay=False))
    assert result.verdict is Verdict.UNKNOWN
    assert result.reveals == (found,)
    assert "no two positions of numpy:matmul:batch=1,outputs=2 were seen to be summed differently" in result.reason
