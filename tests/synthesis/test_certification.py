"""Certification: the radius that is claimed is decimal, accepted and contains the other point; extreme numbers included."""

import math
import sys
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tie_questions import question
from witnesses import W1, W2, XA, XB, published

from fpsynth import rounding as r
from fpsynth.errors import InputError
from fpsynth.evaluators.networks import network_logits
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.ties.certification import Certification, claims
from fpsynth.verifiers.base import certifier
from fpsynth.verifiers.radii import (
    decimal_above,
    decimal_below,
    lipschitz_ratio,
    nearest_sqrt,
    squared_distance,
    stated_ratio,
)

MAGNITUDES = st.builds(
    lambda n, d, e: Fraction(n, d) * Fraction(2) ** e, st.integers(1, 10**30), st.integers(1, 10**30), st.integers(-2100, 2000)
)


@given(square=MAGNITUDES)
@example(square=Fraction(1, 2**2148))  # of the smallest distance
@example(square=Fraction(1, 3 * 2**2100))
@example(square=Fraction(2) ** 2046)
@example(square=Fraction(2))
def test_roots_are_right_to_one_unit_in_the_last_place(square):
    assume(square < Fraction(math.nextafter(sys.float_info.max, 0.0)) ** 2)  # of roots that have two neighbours
    root = nearest_sqrt(square)
    low, high = Fraction(math.nextafter(root, 0.0)), Fraction(math.nextafter(root, math.inf))
    assert low**2 < square < high**2 or (root == 0.0 and square < Fraction(5e-324) ** 2)


@pytest.mark.parametrize("root", [0.0, 5e-324, 3.0, 0.1, 2.0**-53, 1e300])
def test_roots_of_squares_are_exact(root):
    assert nearest_sqrt(Fraction(root) ** 2) == root


def test_a_root_beyond_float64_is_an_input_error():
    with pytest.raises(InputError, match="exceeds the range of float64"):
        nearest_sqrt(Fraction(2) ** 2048)


@given(bound=MAGNITUDES, digits=st.integers(1, 20))
@example(bound=Fraction(1000), digits=3)
@example(bound=Fraction(1), digits=12)
@example(bound=Fraction(1, 1000), digits=1)
@example(bound=Fraction(10**15) + Fraction(1, 10**9), digits=12)
@example(bound=Fraction(10**15) - Fraction(1, 10**9), digits=12)  # its logarithm is that of the power of ten
def test_decimals_enclose_a_bound_as_closely_as_their_digits_allow(bound, digits):
    below, above = decimal_below(bound, digits), decimal_above(bound, digits)
    assert below < bound <= above
    assert _digits(below) <= digits
    assert _digits(above) <= digits
    assert above - below <= bound / Fraction(10) ** (digits - 1)
    if digits > 1:
        assert bound - below <= bound / Fraction(10) ** (digits - 1)


def _digits(number):
    """Significant decimal digits of a number that has finitely many."""
    numerator, denominator = number.as_integer_ratio()
    while denominator > 1:  # times ten until it is whole
        numerator, denominator = (number := number * 10).as_integer_ratio()
    return len(str(numerator).rstrip("0")) if len(str(numerator)) < 4000 else 0


def test_the_published_witness_is_certified_as_published():
    network = dense_relu((Dense(((W1,), (W2,))),))
    logits = network_logits(network, (XB,), FLOAT32, Deployment(Arithmetic(FLOAT32)))
    squared = squared_distance((XB,), (XA,))
    said = claims(network, (XB,), logits, squared, FLOAT32, "lipschitz-exact", Fraction("0.2471875"))
    assert (said.rejection, said.claim.accepted) == ("", True)
    assert said.claim.reach == published().claim.reach
    (other,) = said.others
    assert (other.verifier, other.accepted, other.supremum) == ("lipschitz", True, Fraction(1, 4))
    assert said.sound is not None
    assert not said.sound.accepted
    assert said.sound.radius**2 >= squared
    assert lipschitz_ratio(network, logits, squared, said.claim.reach) == (
        float(Fraction(1, 4) / (Fraction(XB) - Fraction(XA))),
        (Fraction(1, 4) / (Fraction(XB) - Fraction(XA))) ** 2,
    )


@pytest.mark.parametrize(
    ("radius", "words"),
    [("0.26", "accepts only radii below 0.25"), ("0.03", "does not contain the other point"), ("0", "accepts only")],
)
def test_a_radius_that_is_too_large_too_small_or_nothing_is_rejected(radius, words):
    network = dense_relu((Dense(((W1,), (W2,))),))
    logits = network_logits(network, (XB,), FLOAT32, Deployment(Arithmetic(FLOAT32)))
    squared = squared_distance((XB,), (XA,))
    assert words in claims(network, (XB,), logits, squared, FLOAT32, "lipschitz-exact", Fraction(radius)).rejection


# (format, weights of two outputs, counterexample, certified point)
SOLUTIONS = [
    (FLOAT32, W1, W2, XA, XB),
    (
        FLOAT16,
        float.fromhex("0x1.3ap-2"),
        float.fromhex("0x1.3a4p-2"),
        float.fromhex("0x1.ce8p-2"),
        float.fromhex("0x1.cecp-2"),
    ),
    (FLOAT64, 2.0**-600, 3 * 2.0**-600, 0.0, 2.0**-474),  # margin and weights far below 16 decimals
    (FLOAT64, 2.0**600, 3 * 2.0**600, 0.0, 2.0**-1074),  # the smallest distance
    (FLOAT64, 2.0**-1074, 2.0**-1073, 0.0, 2.0**1000),  # a huge one
]


@pytest.mark.parametrize("chosen", ["lipschitz", "lipschitz-exact"])
@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda s: f"{s[0]} {s[1]:.3g} {s[4]:.3g}")
def test_the_radius_that_is_chosen_is_decimal_accepted_and_contains_the_other_point_or_it_says_why_not(solution, chosen):
    fmt, first, second, a, b = solution
    network = dense_relu((Dense(((first,), (second,))),))
    logits = network_logits(network, (b,), fmt, Deployment(Arithmetic(fmt)))
    squared = squared_distance((a,), (b,))
    said = claims(network, (b,), logits, squared, fmt, chosen)
    tool = certifier(chosen, network)
    radius = said.claim.radius
    assert said.claim.accepted == (radius > 0 and tool.accepts((b,), logits, radius))
    assert (said.rejection == "") == (said.claim.accepted and radius**2 >= squared)
    assert radius <= said.claim.reach
    assert _digits(radius) <= 40
    if said.claim.reach**2 > squared * (1 + Fraction(1, 10**9)):
        assert said.rejection == ""


def test_more_digits_are_used_where_a_few_would_lose_the_other_point():
    # the supremum exceeds the distance by one part in 2**50
    network = dense_relu((Dense(((1.0,), (2.0,))),))
    b, a = 1.0, 2.0**-50
    said = claims(network, (b,), (1.0, 2.0), squared_distance((a,), (b,)), FLOAT64, "lipschitz")
    assert said.claim.reach == 1
    assert said.rejection == ""
    assert 12 < _digits(said.claim.radius) <= 17
    assert 1 - Fraction(a) <= said.claim.radius < 1


def test_a_distance_equal_to_the_supremum_is_not_certified():
    network = dense_relu((Dense(((1.0,), (2.0,))),))
    said = claims(network, (1.0,), (1.0, 2.0), Fraction(1), FLOAT64, "lipschitz")
    assert "does not contain" in said.rejection


def test_sixteen_decimals_cost_a_float64_with_weights_near_one_most_of_its_radius():
    # the trap for which the default weights of float64 are scaled
    first, second = 0.75, math.nextafter(0.75, 1.0)
    network = dense_relu((Dense(((first,), (second,))),))
    logits = (0.5, 0.5 + 2.0**-53)
    near = squared_distance((0.75,), (math.nextafter(0.75, 1.0),))
    exact = claims(network, (0.75,), logits, near, FLOAT64, "lipschitz-exact")
    ball = claims(network, (0.75,), logits, near, FLOAT64, "lipschitz")
    assert 60_000 < ball.claim.reach / exact.claim.reach < 70_000
    assert (exact.rejection, ball.rejection) == ("", "")
    further = squared_distance((0.75,), (0.7501,))
    assert "does not contain" in claims(network, (0.75,), logits, further, FLOAT64, "lipschitz-exact").rejection
    assert claims(network, (0.75,), logits, further, FLOAT64, "lipschitz").rejection == ""
    # so the ratio that is stated is that of the radii it really accepts, and a larger one that was demanded is not met
    assert stated_ratio(network, logits, near, ball.claim.reach) == lipschitz_ratio(network, logits, near, Fraction(0))[0]
    own = stated_ratio(network, logits, near, exact.claim.reach)
    assert own == pytest.approx(float(exact.claim.reach) / 2.0**-53)


def test_a_ratio_that_only_the_exact_lipschitz_bound_gives_is_not_met():
    # float64 weights near 1: 2**53 times the distance by the exact bound, but 6.9e10 times by the verified certifier's decimals
    numbers = {
        "w0_0_0": float.fromhex("0x1.4f8faef47f4bap-2"),
        "w0_1_0": float.fromhex("0x1.4f8faef47f4bbp-2"),
        "a0": float.fromhex("0x1.aa30c85259ed4p-2"),
        "b0": float.fromhex("0x1.aa30c85259ed3p-2"),
    }
    solution = {name: r.from_float(number) for name, number in numbers.items()}
    for chosen, least, met in [
        ("lipschitz-exact", 10**9, True),
        ("lipschitz-exact", 10**15, False),
        ("lipschitz", 10**15, True),
    ]:
        asked = question(FLOAT64, "0.1:1", "0.1:1", min_ratio=least)
        assert (Certification(asked, chosen).judge(solution) == "") is met


def test_with_a_bias_only_the_certifiers_that_read_one_are_asked():
    network = dense_relu((Dense(((W1,), (W2,)), (0.0, 0.0)),))
    said = claims(network, (XB,), (W1 * XB, W2 * XB), squared_distance((XB,), (XA,)), FLOAT32, "lipschitz")
    assert said.others == ()
    with pytest.raises(InputError, match="without bias"):
        claims(network, (XB,), (W1 * XB, W2 * XB), squared_distance((XB,), (XA,)), FLOAT32, "lipschitz-exact")


def test_only_certifiers_that_reason_about_real_numbers_can_be_refuted():
    with pytest.raises(InputError, match="negative control"):
        Certification(question(FLOAT32), "lipschitz-sound")
    with pytest.raises(InputError, match="lipschitz-exact, lipschitz"):
        Certification(question(FLOAT32), "ibp")


def test_a_solution_becomes_a_witness_with_all_certificates():
    asked = question(FLOAT32, "0.1:1", "0.1:1")
    numbers = {"w0_0_0": W1, "w0_1_0": W2, "a0": XA, "b0": XB}
    witness, rejection = Certification(asked, "lipschitz").witness({n: r.from_float(v) for n, v in numbers.items()}, "optimal")
    assert rejection == ""
    assert (witness.certified, witness.point) == ((XB,), (XA,))
    assert witness.claim.verifier == "lipschitz"
    assert [c.verifier for c in witness.claims[1:]] == ["lipschitz-exact"]
    assert witness.control is not None
    assert witness.distance == XB - XA
    assert witness.optimum == "optimal"
    assert witness.deployment == asked.deployments[0]
