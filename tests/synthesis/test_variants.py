"""A corpus of ties is varied: shapes, signs and classes differ, what the user fixed stays, each witness is certified."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from profiles import slow

from fpsynth import tie
from fpsynth.evaluators.networks import argmax
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import SEQUENTIAL, parse_order
from fpsynth.rounding import Rounding
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.ties.question import TieQuestion
from fpsynth.synthesis.ties.variants import FREE, SHAPES, Variant, deployments, variants
from fpsynth.witness.prediction import floats_at

RANGE = Interval(Fraction(1, 10), Fraction(1))


def asked(shape=(1, 2)):
    return TieQuestion(FLOAT32, shape, deployments(FLOAT32, SEQUENTIAL, Rounding.RNE, shape), RANGE, RANGE)


def planned(count, free=FREE, seed=0, shape=(1, 2), order=SEQUENTIAL):
    return list(itertools.islice(variants(asked(shape), order, Rounding.RNE, free, seed), count))


def test_a_plan_begins_with_the_question_itself_and_follows_from_the_seed():
    assert planned(1) == [Variant(asked())]
    assert planned(40) == planned(40)
    assert planned(40)[1:] != planned(40, seed=1)[1:]
    assert {variant.question.shape for variant in planned(1 + len(SHAPES))[1:]} == set(SHAPES)


def test_what_is_fixed_stays():
    for variant in planned(60, free=(), shape=(3, 4, 3)):
        assert (variant.question.shape, variant.question.weights, variant.question.inputs) == ((3, 4, 3), RANGE, RANGE)
        assert variant.flipped == ()
        assert variant.tied < variant.certified  # as argmax demands
    assert {variant.question.weights for variant in planned(60, free=("shape", "inputs"))} == {RANGE}
    assert {variant.question.shape for variant in planned(30, shape=(3, 2), order=parse_order("[[0,1],2]"))} == {(3, 2)}


def test_ranges_behind_hidden_layers_leave_something_to_the_relu():
    for variant in planned(200):
        weights, inputs = variant.question.weights, variant.question.inputs
        if len(variant.question.shape) > 2:
            assert (weights.lower > 0) == (inputs.lower > 0)
        if len(variant.question.shape) > 3:
            assert weights.lower > 0


def test_a_rearrangement_changes_places_and_signs_and_no_product():
    network = dense_relu((Dense(((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))),))
    moved, a, b = Variant(asked((2, 3)), (1, 2, 0), (1,)).applied((network, (7.0, 8.0), (9.0, 10.0)))
    assert moved.dense_layers[0].weight.tolist() == [[5.0, -6.0], [1.0, -2.0], [3.0, -4.0]]
    assert (a, b) == ((7.0, -8.0), (9.0, -10.0))


@pytest.fixture(scope="module")
def corpus():
    return tie("float32", count=16, replay=False, timeout=300)


def test_the_witnesses_of_a_corpus_are_varied_and_each_is_certified_and_checked(corpus):
    witnesses = corpus.witnesses
    assert len(witnesses) == 16
    assert all(check(witness).confirmed for witness in witnesses)
    assert all(witness.claim.accepted for witness in witnesses)
    assert len({witness.network.widths for witness in witnesses}) >= 8
    assert len({tuple(argmax(floats_at(witness, view)) for view in witness.views) for witness in witnesses}) >= 3
    signs = {tuple(sorted({entry > 0 for entry in witness.network.entries()})) for witness in witnesses}
    assert len(signs) == 3  # positive, negative, mixed
    assert any("rearranged" in note for witness in witnesses for note in witness.provenance.notes)
    assert corpus.settings["varied"] == ["inputs", "shape", "weights", "classes"]


@slow
def test_a_fixed_shape_stays_in_a_corpus():
    found = tie("float16", shape=(2, 3), weights="0.25:1", count=2, replay=False, timeout=300)
    assert {witness.network.widths for witness in found.witnesses} == {(2, 3)}
    assert all(0.25 <= entry <= 1 for witness in found.witnesses for entry in witness.network.entries())
    assert found.settings["varied"] == ["inputs", "classes"]
