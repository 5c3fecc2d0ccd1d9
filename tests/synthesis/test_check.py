"""The re-check: a true witness passes, and whichever claim of it is broken is found."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from tie_questions import question
from witnesses import W1, W2, XA, XB

from fpsynth import rounding as r
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import parse_order
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.ties.certification import Certification
from fpsynth.witness import Claim


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
OTHER, SOUND = TRUE.claims[1:][0], TRUE.control
TAMPERED = {
    "the class changes": replace(TRUE, counterexample=(XB,)),
    "the largest logits tie": replace(TRUE, counterexample=(0.25,)),
    "accepts radius": replace(TRUE, certificate=replace(TRUE.certificate, radius=Fraction("0.26"))),
    "lies within that radius": replace(TRUE, certificate=replace(TRUE.certificate, radius=Fraction("0.01"))),
    "the file says of lipschitz-exact": replace(TRUE, certificate=replace(TRUE.certificate, supremum=Fraction(1, 4))),
    "the file says of lipschitz is": replace(TRUE, other_certificates=(replace(OTHER, supremum=Fraction(1, 8)),)),
    "the file says of lipschitz ": replace(TRUE, other_certificates=(replace(OTHER, accepted=False),)),
    "the file says of lipschitz-sound": replace(TRUE, control=replace(SOUND, accepted=True)),
    "the file says of deeppoly": replace(TRUE, other_certificates=(Claim("deeppoly", True, Fraction(1), Fraction(1)),)),
    "the distance in the file": replace(TRUE, distance=math.nextafter(math.nextafter(TRUE.distance, 1.0), 1.0)),
    "the ratio in the file": replace(TRUE, ratio=TRUE.ratio * 2),
    "the ratio in": replace(TRUE, ratio=math.inf),
    "the class ": replace(TRUE, network=_network(W2, W1)),
    "the class": replace(TRUE, network=_network(0.5, 0.75)),
    "the distance": replace(TRUE, distance=0.0),
}


@pytest.mark.parametrize("claim", TAMPERED, ids=str)
def test_a_broken_claim_is_found(claim):
    assert any(claim in found for found in failing(TAMPERED[claim]))
    assert not check(TAMPERED[claim]).confirmed


def test_what_is_said_wrongly_of_acceptance_is_found_even_if_nothing_else_is_wrong():
    lying = replace(TRUE, certificate=replace(TRUE.certificate, accepted=False))
    assert failing(lying) == ["what the file says of lipschitz-exact is right"]


def test_two_equal_points_are_no_witness_and_no_crash():
    # the ratio is infinite then
    tampered = replace(TRUE, counterexample=TRUE.certified, distance=0.0)
    assert "the class changes" in failing(tampered)
    assert "the ratio in the file is right" in failing(tampered)
    assert check(tampered).radius_ratio == math.inf


def test_a_flip_in_another_arithmetic_than_the_files_is_none():
    upward = replace(TRUE, deployment=Deployment(Arithmetic(FLOAT32, rounding=Rounding.RTP)))
    assert not check(upward).confirmed
    reverse = replace(TRUE, deployment=Deployment(Arithmetic(FLOAT32, order=parse_order("reverse"))))
    assert check(reverse).confirmed  # one product: there is nothing to reorder


def test_a_flip_without_a_tie_is_only_a_witness_of_another_question():
    # the sign of the input decides the class
    flipped = replace(TRUE, counterexample=(-XB,))
    assert "the largest logits tie at the counterexample" in failing(flipped)
    assert "the class changes" not in failing(flipped)
    assert "the largest logits tie at the counterexample" not in failing(replace(flipped, question="order"))


def test_a_witness_that_cannot_be_computed_is_refused():
    with pytest.raises(InputError, match="unknown certifier 'crown'"):
        check(replace(TRUE, certificate=replace(TRUE.certificate, certifier="crown")))
    with pytest.raises(InputError, match="infinite or NaN"):
        check(replace(TRUE, network=_network(3e38, 3e38), certified=(2.0,), counterexample=(4.0,)))
    with pytest.raises(InputError, match="without bias"):
        check(replace(TRUE, network=dense_relu((Dense(((W1,), (W2,)), (0.0, 0.0)),))))


def test_a_bias_does_not_hinder_a_certifier_that_reads_it():
    biased = dense_relu((Dense(((W1,), (W2,)), (0.0, 0.0)),))
    with_bias = replace(witness("lipschitz"), network=biased)
    failed = failing(with_bias)
    assert failed == ["what the file says of lipschitz-exact is right"]
    assert check(replace(with_bias, other_certificates=())).confirmed


def test_huge_numbers_are_findings_or_one_line_but_no_crash():
    far = replace(
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
    harmless = replace(TRUE, network=_network(0.25, 1.0), certified=(1.0,), counterexample=(0.75,))
    assert "the floating-point-sound certifier rejects the smallest ball that contains the counterexample" in failing(harmless)
