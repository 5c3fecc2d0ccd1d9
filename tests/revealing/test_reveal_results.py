"""What a reveal may say: explained only what is, the same classes as one, and no arithmetic for results that change."""

import pytest
from simulated import kernel

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.orders import parse_order
from fpsynth.revealing.kernel import _merged
from fpsynth.revealing.result import Check, PositionClass, Reveal
from fpsynth.sums.arithmetic import Arithmetic

PLAIN, PAIRS = Arithmetic(FLOAT32), Arithmetic(FLOAT32, order=parse_order("pairwise"))


def cls(how, positions, explained, total):
    return PositionClass(how, tuple(positions), Check(explained, total))


def test_results_that_change_are_not_explained_whatever_the_check_says():
    classes = (cls(PLAIN, [(0, 0)], 10, 10),)
    assert Reveal(kernel(FLOAT32, 4), classes, "1", repeats="same").explained
    changing = Reveal(kernel(FLOAT32, 4), classes, "1", repeats="3 of 24 calls gave other results when repeated")
    assert not changing.explained
    with pytest.raises(InputError, match="has no one arithmetic"):
        changing.deployment()


def test_one_vector_that_is_not_explained_is_enough():
    classes = (cls(PLAIN, [(0, 0)], 10, 10), cls(PAIRS, [(0, 1)], 9, 10))
    assert not Reveal(kernel(FLOAT32, 4, outputs=2), classes, "1", repeats="same").explained


def test_classes_of_one_arithmetic_add_their_counts_up():
    (one, other) = _merged([cls(PLAIN, [(0, 0)], 7, 10), cls(PAIRS, [(0, 1)], 10, 10), cls(PLAIN, [(1, 0)], 10, 20)])
    assert (one.check.explained, one.check.total, one.positions) == (17, 30, ((0, 0), (1, 0)))
    assert (other.check.explained, other.check.total) == (10, 10)
