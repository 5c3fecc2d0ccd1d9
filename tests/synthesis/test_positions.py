"""Positions that one kernel sums differently give twins that differ, and classes that permutations and rows change."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from fpsynth.arithmetic import Arithmetic, Deployment
from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate, argmax
from fpsynth.revealing.result import Check, PositionClass, Reveal
from fpsynth.solvers.engines import engines_named
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips import FlipQuestion, find_flip
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.placing import layer
from fpsynth.synthesis.positions.answer import same_everywhere
from fpsynth.synthesis.positions.pairs import Pair, build, pairs
from fpsynth.synthesis.settings import Settings
from fpsynth.witness.divergence import Divergence, View

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


def flip(found: Reveal, pair: Pair) -> Divergence:
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
    assert list(pairs(found, "twin", 0)) == [Pair((0, 0), (0, 2))]
    assert set(map(str, pairs(found, "permutation", 0))) == {str(Pair((0, 0), (0, 2))), str(Pair((0, 2), (0, 0)))}
    assert {(p.first[1], p.second[1]) for p in pairs(found, "row")} <= {(0, 0), (2, 2)}
    assert list(pairs(revealed(2, 3, set()), "twin")) == []


def test_twins_tie_in_the_reals_and_differ_where_they_are_summed_differently() -> None:
    found = revealed(1, 4, {(0, 3)})
    (pair,) = pairs(found, "twin")
    made = build("twin", found, pair, flip(found, pair))
    weight = made.network.layers[0].weight
    assert weight[pair.first[1]] == weight[pair.second[1]]
    assert made.real[0] == made.real[3]
    logits = made.deployed.logits
    assert logits[0] < 0 < logits[3]
    assert made.predicate == Predicate("equal", 0, 3)
    assert made.predicate.holds(made.reference.logits, logits)


def test_changing_the_places_of_two_neurons_changes_the_class() -> None:
    found = revealed(1, 4, {(0, 3)})
    for pair in pairs(found, "permutation"):
        made = build("permutation", found, pair, flip(found, pair))
        assert made.reference.permutation == ()
        assert sorted(made.deployed.permutation) == [0, 1, 2, 3]
        assert argmax(made.reference.logits) == pair.second[1]
        assert argmax(made.deployed.logits) == pair.first[1]
        assert made.reference.environment == made.deployed.environment


def test_the_row_of_the_batch_changes_the_class() -> None:
    found = revealed(3, 2, {(2, 0), (2, 1)})
    pair = next(iter(pairs(found, "row")))
    made = build("row", found, pair, flip(found, pair))
    assert (made.reference.row, made.deployed.row) == (pair.first[0], pair.second[0])
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
