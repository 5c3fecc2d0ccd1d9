"""Claims of base.py and margins.py: certifiers by name, what they accept at the edges, and what they refuse to read."""

import math
from fractions import Fraction

import pytest

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, TF32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.verifiers import NAMES, certifier
from fpsynth.verifiers.margins import least, top_class

NETWORK = dense_relu((Dense(((1.0,), (3.0,), (-5.0,))),))
REAL = [name for name in NAMES if name != "lipschitz-sound"]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_gives_its_certifier(name):
    judge = certifier(name, NETWORK, format=FLOAT32)
    assert judge.name == name
    assert judge.accepts([1.0], [1.0, 3.0, -5.0], Fraction(1, 2))
    assert 0 < judge.supremum([1.0], [1.0, 3.0, -5.0]) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_a_radius_is_accepted_exactly_below_the_supremum(name):
    judge = certifier(name, NETWORK, format=FLOAT32)
    logits = [0.5, 1.5, -2.5]
    supremum = judge.supremum([0.5], logits)
    assert not judge.accepts([0.5], logits, supremum)
    assert judge.accepts([0.5], logits, supremum * (1 - Fraction(1, 2**200)))
    assert judge.accepts([0.5], logits, Fraction(0))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("logits", [[2.0, 2.0, 0.0], [math.nan, 1.0, 0.0], [math.inf, 1.0, 0.0], [1.0, 0.0, -math.inf]])
def test_ties_and_logits_that_are_no_numbers_are_never_accepted(name, logits):
    judge = certifier(name, NETWORK, format=FLOAT32)
    assert judge.supremum([0.0], logits) == 0
    assert not judge.accepts([0.0], logits, Fraction(0))


@pytest.mark.parametrize("name", REAL)
def test_the_class_with_the_least_room_decides(name):
    judge = certifier(name, NETWORK)
    # class 0 leads class 1 by 1 (bound 2) and class 2 by 5 (bound 6)
    assert float(judge.supremum([0.0], [5.0, 4.0, 0.0])) == pytest.approx(1 / 2, rel=1e-15)
    assert float(judge.supremum([0.0], [5.0, 0.0, 4.0])) == pytest.approx(1 / 6, rel=1e-15)


def test_the_class_is_the_lowest_index_of_the_maximum():
    assert top_class([1.0, 2.0, 2.0]) == 1
    assert top_class([0.0, -0.0]) == 0
    assert top_class([0.0, math.nan]) is None


def test_a_radius_that_nothing_bounds_has_no_supremum():
    judge = certifier("lipschitz", dense_relu((Dense(((1.0,), (1.0,)), (0.0, 1.0)),)))
    assert judge.accepts([0.0], [0.0, 1.0], Fraction(10**100))
    with pytest.raises(InputError, match="every radius"):
        judge.supremum([0.0], [0.0, 1.0])
    assert least([None, Fraction(2)]) == 2


@pytest.mark.parametrize("name", NAMES)
def test_wrong_lengths_and_negative_radii_are_refused(name):
    judge = certifier(name, NETWORK, format=FLOAT32)
    with pytest.raises(InputError, match="shape 1,3"):
        judge.accepts([0.0, 0.0], [1.0, 2.0, 3.0], Fraction(1))
    with pytest.raises(InputError, match="shape 1,3"):
        judge.supremum([0.0], [1.0, 2.0])
    with pytest.raises(InputError, match="negative"):
        judge.accepts([0.0], [1.0, 2.0, 3.0], Fraction(-1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("network", "gram", "reason"),
    [
        (dense_relu((Dense(((1.0,),)),)), 11, "one output"),
        (dense_relu((Dense(((math.nan,), (1.0,))),)), 11, "finite"),
        (dense_relu((Dense(((math.inf,), (1.0,))),)), 11, "finite"),
        (NETWORK, 0, "Gram"),
        (NETWORK, 65, "Gram"),
    ],
)
def test_networks_that_cannot_be_certified_are_refused(name, network, gram, reason):
    with pytest.raises(InputError, match=reason):
        certifier(name, network, gram=gram, format=FLOAT32)


def test_unknown_names_and_missing_formats_are_refused():
    with pytest.raises(InputError, match="choose from lipschitz, lipschitz-exact, lipschitz-sound"):
        certifier("magic", NETWORK)
    with pytest.raises(InputError, match="needs the format"):
        certifier("lipschitz-sound", NETWORK)
    with pytest.raises(InputError, match="not tf32"):
        certifier("lipschitz-sound", NETWORK, format=TF32)
