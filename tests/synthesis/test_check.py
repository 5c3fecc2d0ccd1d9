"""The re-check: a true witness passes, and whichever claim of it is broken is found."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from tie_questions import question
from ties import changed, claim
from witnesses import W1, W2, XA, XB

from fpsynth import rounding as r
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import parse_order
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.ties.certification import Certification


def witness(chosen="lipschitz-exact"):
    numbers = {"w0_0_0": W1, "w0_1_0": W2, "a0": XA, "b0": XB}
    return Certification(question(FLOAT32), chosen).witness({n: r.from_float(v) for n, v in numbers.items()})[0]


def failing(tampered):
    return [finding.claim for finding in check(tampered).findings if not finding.holds]


@pytest.mark.parametrize("chosen", ["lipschitz", "lipschitz-exact"])
def test_a_true_witness_passes(chosen):
    result = check(witness(chosen))
    assert result.confirmed
    assert [entry.claim for entry in result.not_checked] == ["objective"]
    assert math.isclose(result.supremum_ratio, 0.25 / (XB - XA), rel_tol=1e-12)
    assert 6.3 < result.radius_ratio <= result.supremum_ratio


def _network(first, second):
    return dense_relu((Dense(((first,), (second,))),))


TRUE = witness()
OTHER, SOUND = TRUE.claims[1], TRUE.control


def with_radius(radius):
    """The true witness, whose claim is about a ball of another radius."""
    return changed(TRUE, claim=claim(TRUE.claim.verifier, True, Fraction(radius), TRUE.claim.supremum))


def with_logits(place, *logits):
    """The true witness, of which the file says that a view gives other logits."""
    views = list(TRUE.views)
    views[place] = replace(views[place], logits=tuple(map(Fraction, logits)))
    return replace(TRUE, views=tuple(views))


def with_view(place, **changes):
    """The true witness, one of whose views is another one."""
    views = list(TRUE.views)
    views[place] = replace(views[place], **changes)
    return replace(TRUE, views=tuple(views))


def around_the_counterexample(said):
    """The same claim, of the ball around the other point."""
    return replace(said, region=replace(said.region, centre=TRUE.point))


REVERSE = Deployment(Arithmetic(FLOAT32, order=parse_order("reverse")))
TAMPERED = {
    "the class changes": changed(TRUE, counterexample=(XB,)),
    "the largest logits tie": changed(TRUE, counterexample=(0.25,)),
    "accepts radius": with_radius("0.26"),
    "lies within that radius": with_radius("0.01"),
    "the file says of lipschitz-exact": changed(TRUE, claim=replace(TRUE.claim, supremum=Fraction(1, 4))),
    "the file says of lipschitz is": changed(TRUE, others=(replace(OTHER, supremum=Fraction(1, 8)),)),
    "the file says of lipschitz ": changed(TRUE, others=(replace(OTHER, verdict="unknown"),)),
    "the file says of lipschitz-sound": changed(TRUE, control=replace(SOUND, verdict="unsat")),
    "the file says of deeppoly": changed(TRUE, others=(claim("deeppoly", True, Fraction(1), Fraction(1)),)),
    "the distance in the file": replace(TRUE, distance=math.nextafter(math.nextafter(TRUE.distance, 1.0), 1.0)),
    "the ratio in the file": replace(TRUE, ratio=TRUE.ratio * 2),
    "the ratio in": replace(TRUE, ratio=math.inf),
    "the class ": replace(TRUE, network=_network(W2, W1)),
    "the class": replace(TRUE, network=_network(0.5, 0.75)),
    "the distance": replace(TRUE, distance=0.0),
    "the logits of b (float32 sequential) are right": with_logits(0, 0.5, 0.75),
    "the logits of a (float32 sequential) are right": with_logits(1, 0.5, 0.5),
    "the measure is right": replace(TRUE, measure=TRUE.measure + 1),
    "the measure is": replace(changed(TRUE), measure=Fraction(5)),
    "says of lipschitz-exact is": replace(TRUE, claims=(around_the_counterexample(TRUE.claim), OTHER)),
    "says of lipschitz is": replace(TRUE, claims=(TRUE.claim, around_the_counterexample(OTHER))),
    "says of lipschitz-sound is": replace(TRUE, control=around_the_counterexample(SOUND)),
    "both points are evaluated in the same arithmetic": with_view(0, deployment=REVERSE),
    "both points are evaluated in the same": with_view(1, permutation=(1, 0)),
    "the arithmetic of the tie rounds": changed(TRUE, deployment=Deployment(REAL)),
    "a computes the network that the witness is about": with_view(1, network=_network(W2, W1)),
}


@pytest.mark.parametrize("broken", TAMPERED, ids=str)
def test_a_broken_claim_is_found(broken):
    assert any(broken in found for found in failing(TAMPERED[broken]))
    assert not check(TAMPERED[broken]).confirmed


def test_what_is_said_wrongly_of_acceptance_is_found_even_if_nothing_else_is_wrong():
    lying = changed(TRUE, claim=replace(TRUE.claim, verdict="unknown"))
    assert failing(lying) == ["what the file says of lipschitz-exact is right"]


def test_an_environment_is_listed_as_not_checked():
    result = check(with_view(1, environment="torch:linear:batch=4"))
    assert [entry.claim for entry in result.not_checked] == ["the environment of view a", "objective"]


def test_two_equal_points_are_no_witness_and_no_crash():
    # the ratio is infinite then
    tampered = changed(TRUE, counterexample=TRUE.certified, distance=0.0)
    assert "the class changes" in failing(tampered)
    assert "the ratio in the file is right" in failing(tampered)
    assert check(tampered).radius_ratio == math.inf


def test_a_flip_in_another_arithmetic_than_the_files_is_none():
    upward = changed(TRUE, deployment=Deployment(Arithmetic(FLOAT32, rounding=Rounding.RTP)))
    assert not check(upward).confirmed
    reverse = changed(TRUE, deployment=Deployment(Arithmetic(FLOAT32, order=parse_order("reverse"))))
    assert check(reverse).confirmed  # one product: there is nothing to reorder


def test_a_flip_without_a_tie_is_only_a_witness_of_another_question():
    # the sign of the input decides the class
    flipped = changed(TRUE, counterexample=(-XB,))
    assert "the largest logits tie at the counterexample" in failing(flipped)
    assert "the class changes" not in failing(flipped)
    assert "the largest logits tie at the counterexample" not in failing(replace(flipped, question="order"))


def test_a_witness_that_cannot_be_computed_is_refused():
    with pytest.raises(InputError, match="unknown certifier 'crown'"):
        check(changed(TRUE, claim=replace(TRUE.claim, verifier="crown")))
    with pytest.raises(InputError, match="infinite or NaN"):
        check(changed(TRUE, network=_network(3e38, 3e38), certified=(2.0,), counterexample=(4.0,)))
    with pytest.raises(InputError, match="without bias"):
        check(changed(TRUE, network=dense_relu((Dense(((W1,), (W2,)), (0.0, 0.0)),))))


def test_a_bias_does_not_hinder_a_certifier_that_reads_it():
    biased = dense_relu((Dense(((W1,), (W2,)), (0.0, 0.0)),))
    with_bias = changed(witness("lipschitz"), network=biased)
    failed = failing(with_bias)
    assert failed == ["what the file says of lipschitz-exact is right"]
    assert check(changed(with_bias, others=())).confirmed


def test_huge_numbers_are_findings_or_one_line_but_no_crash():
    far = changed(
        witness("lipschitz"),
        format=FLOAT16,
        deployment=Deployment(Arithmetic(FLOAT16)),
        network=_network(2.0**-24, 2.0**-23),
        certified=(65504.0,),
        counterexample=(-65504.0,),
    )
    assert not check(far).confirmed


def test_a_claim_that_the_sound_certifier_shares_is_found():
    # far from any tie: nothing is refuted here, and the negative control says so
    harmless = changed(TRUE, network=_network(0.25, 1.0), certified=(1.0,), counterexample=(0.75,))
    assert "the floating-point-sound certifier rejects the smallest ball that contains the counterexample" in failing(harmless)
