"""The re-check of a divergence: a true one passes, and whichever claim of it is broken is found."""

from dataclasses import replace
from fractions import Fraction

import pytest
from divergences import BY_HAND, PAIRWISE, classes, observed, outside, position, relu, triple, twin

from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Tree, fixed_order
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.witness import Sampled
from fpsynth.witness.data import only_point
from fpsynth.witness.prediction import predicted_logits


def failing(tampered):
    return [finding.claim for finding in check(tampered).findings if not finding.holds]


@pytest.mark.parametrize("name", BY_HAND)
def test_a_true_divergence_passes(name):
    result = check(BY_HAND[name]())
    assert result.confirmed, result.findings
    assert len(result.findings) >= 4


def with_view(found, place, **changes):
    views = list(found.views)
    views[place] = replace(views[place], **changes)
    return replace(found, views=tuple(views))


def with_weight(found, neuron, k, number):
    (layer,) = found.network.dense_layers
    rows = layer.weight.tolist()
    rows[neuron][k] = number
    return replace(found, network=dense_relu((Dense(tuple(map(tuple, rows)), layer.bias),)))


ONE = (Fraction(1),)
TAMPERED = {
    "the logits of a (sequential) are right": with_view(triple(), 0, logits=(Fraction(2),)),
    "the logits of b (pairwise) are right": with_view(triple(), 1, logits=ONE),
    "the logits of silent1 (real) are right": with_view(triple(), 2, logits=()),
    "b (pairwise) departs from a (sequential) by sign": with_view(triple(), 1, deployment=triple().reference.deployment),
    "silent1 (real) is silent": with_view(triple(), 2, deployment=Deployment(PAIRWISE)),
    "the measure is right": replace(triple(), measure=Fraction(2)),
    "the logits in exact arithmetic are right": replace(triple(), real=(Fraction(3),)),
    "the intervals of a (interval in sequence) are right": with_view(outside(), 0, interval=((Fraction(1, 2), Fraction(1)),)),
    "neurons 0 and 9 have the same weights": with_weight(twin(), 9, 1, 0.5),
    "outputs 0 and 9 are equal in exact arithmetic": with_weight(twin(), 9, 1, 0.5),
    "b (pairwise) departs from a (sequential) by argmax": replace(classes(), points=only_point((0.0,) * 4)),
    "no weight or bias is above 4 in size": replace(triple(), max_weight=Fraction(4)),
    "the point lies in the box": replace(triple(), box=((0.0, 0.5),) * 4),
    "the verdicts on the libraries' logits are right": replace(
        triple(), observations=(replace(observed(triple(), (0.0,)), departs=False),)
    ),
    "b (pairwise) departs from a (real) by relu": with_weight(relu(), 0, 3, 4.0),
}


@pytest.mark.parametrize("claim", TAMPERED)
def test_a_broken_claim_is_found(claim):
    assert claim in failing(TAMPERED[claim])


OTHER = dense_relu((Dense(((0.0, 0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))),))


def with_own_network(**changes):
    """Two classes in a view that computes another network, its logits and the measure those of that."""
    found = with_view(classes(), 1, network=OTHER, logits=(), **changes)
    found = with_view(found, 1, logits=predicted_logits(found.network, found.point, found.deployed))
    return replace(found, measure=found.predicate.measure(found.reference.logits, found.deployed.logits))


def test_a_network_of_a_view_that_no_environment_computes_is_found():
    assert failing(with_own_network()) == ["b computes the network that the witness is about"]


def test_a_network_that_an_environment_is_said_to_compute_is_listed_as_not_checked():
    result = check(with_own_network(environment="torch:linear:batch=4"))
    assert "the network of view b" in [entry.claim for entry in result.not_checked]
    assert result.measured == ("b",)
    assert not result.confirmed


def test_a_witness_of_one_point_is_no_tie():
    assert failing(replace(classes(), question="tie")) == ["a witness holds only what belongs to its kind"]


@pytest.mark.parametrize("said", [{"class_index": 1}, {"accepted": True}, {"reference_class": 0}], ids=str)
def test_what_a_run_says_beside_its_logits_is_compared_with_them(said):
    ran = observed(classes(), tuple(map(float, classes().reference.logits)))
    assert classes().predicate.kind == "argmax"
    assert failing(replace(classes(), observations=(ran,))) == []
    wrong = replace(classes(), observations=(replace(ran, **said),))
    assert failing(wrong) == ["the records of runs do not contradict each other"]


def test_what_holds_is_not_blamed():
    assert failing(replace(triple(), measure=Fraction(2))) == ["the measure is right"]
    assert failing(replace(triple(), max_weight=Fraction(2**24))) == []


def test_a_permutation_that_is_none_is_found():
    assert failing(with_view(position(), 1, permutation=(0, 0)))


def test_an_order_that_does_not_fit_is_a_finding():
    three = Arithmetic(FLOAT32, order=fixed_order(Tree(3, ((0, 1), (3, 2)))))
    assert "what the file predicts for b (pairwise) is right" in failing(with_view(triple(), 1, deployment=Deployment(three)))


def test_a_logit_that_overflows_is_a_finding():
    huge = replace(with_weight(triple(), 0, 0, 3.0e38), points=only_point((2.0,) * 4))
    (detail,) = [f.detail for f in check(huge).findings if f.claim == "what the file predicts for a (sequential) is right"]
    assert "infinite or NaN in float32" in detail


def test_mixed_formats_are_a_finding():
    mixed = Deployment(Arithmetic(FLOAT32), (((0, 0), Arithmetic(FLOAT16)),))
    assert "what the file predicts for b (pairwise) is right" in failing(with_view(triple(), 1, deployment=mixed))


def test_what_only_libraries_and_solvers_can_say_is_listed_as_not_checked():
    found = replace(
        triple(),
        sampled=Sampled(10, 10, 20, 0, 1, "uniformly"),
        optimum="the largest",
        observations=(observed(triple(), (0.0,)),),
    )
    result = check(found)
    assert result.confirmed
    claims = [entry.claim for entry in result.not_checked]
    assert claims == ["sampled", "optimum", "the libraries, logits and rows of the runs"]
    assert all(entry.reason for entry in result.not_checked)


def test_4096_terms_are_checked_within_seconds():
    assert check(triple(4096)).confirmed


def test_a_question_that_nobody_asks_with_the_predicate_is_found():
    claim = "the question is one that is asked with the predicate argmax"
    assert failing(replace(classes(), question="interval")) == [claim]
    assert failing(replace(classes(), question="only-in")) == [claim]
    assert claim not in failing(classes())
