"""Claims of properties.py: what is unsafe is decided exactly, strict bounds and empty conjunctions included."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import pytest
from profiles import examples

from fpsynth.errors import InputError
from fpsynth.verifiers.properties import ExactBox, Inequality, Property, one_class

LEAST = Inequality(((0, Fraction(1)),), Fraction(1, 2))
STRICT = Inequality(((0, Fraction(1)),), Fraction(1, 2), strict=True)


def test_a_strict_bound_does_not_hold_where_it_is_met() -> None:
    assert LEAST.holds((0.5,))
    assert not STRICT.holds((0.5,))
    assert STRICT.holds((0.25,))
    assert (LEAST.excluded_by(0.5), STRICT.excluded_by(0.5)) == (False, True)
    assert LEAST.excluded_by(math.nextafter(0.5, 1))
    assert not STRICT.excluded_by(math.nextafter(0.5, 0))


@pytest.mark.parametrize("least", [-math.inf, math.nan])
def test_no_bound_excludes_nothing(least: float) -> None:
    assert not LEAST.excluded_by(least)
    assert not Property(((LEAST,),)).excluded([least])


def test_nothing_is_unsafe_without_conjunctions_and_all_with_an_empty_one() -> None:
    assert not Property(()).violated((1.0,))
    assert Property(()).excluded([])
    assert Property(((),)).violated((1.0,))
    assert not Property(((),)).excluded([])
    assert not Property(((LEAST,), ())).excluded([9.0])


def number(rng: random.Random) -> Fraction:
    return Fraction(rng.randint(-2, 2))


def test_exclusion_is_never_said_of_what_is_violated() -> None:
    rng = random.Random(0)
    excluded = 0
    for _ in range(examples(500)):
        one = [
            Inequality(
                tuple((k, Fraction(rng.randint(-2, 2))) for k in range(2)), Fraction(rng.randint(-2, 2)), rng.random() < 0.5
            )
            for _ in range(3)
        ]
        unsafe = Property(((one[0], one[1]), (one[2],)))
        box = [(Fraction(low), Fraction(low + rng.randint(0, 1))) for low in (rng.randint(-2, 2), rng.randint(-2, 2))]
        if unsafe.excluded([float(each.least(box)) for each in unsafe.inequalities]):
            excluded += 1
            assert not any(map(unsafe.violated, itertools.product(*box)))
    assert excluded


def test_a_tie_counts_as_another_class() -> None:
    unsafe = one_class(1, 3)
    assert unsafe.violated((0.0, 1.0, 1.0))
    assert not unsafe.violated((0.0, 1.0, 0.5))
    assert len(unsafe.rows(3)[0]) == 2


@pytest.mark.parametrize(("label", "outputs"), [(3, 3), (-1, 3), (0, 1)])
def test_a_class_that_is_none_is_one_line(label: int, outputs: int) -> None:
    with pytest.raises(InputError) as caught:
        one_class(label, outputs)
    assert "\n" not in str(caught.value)


def test_an_output_that_a_network_has_not_is_one_line() -> None:
    with pytest.raises(InputError, match="output 2"):
        one_class(0, 3).require(2)


def test_an_exact_box_is_not_the_box_of_floats_around_it() -> None:
    box = ExactBox((Fraction(1, 10),), (Fraction(3, 10),))
    assert not box.contains((math.nextafter(0.1, 0),))
    assert box.contains((0.1,)) == (Fraction(0.1) >= Fraction(1, 10))
    assert box.contains((0.2,))
