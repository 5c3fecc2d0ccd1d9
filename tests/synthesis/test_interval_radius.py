"""Boxes of a radius that no number of the format is, and boxes that rounding never leaves."""

from fractions import Fraction

import pytest

import fpsynth
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32, Format
from fpsynth.orders import parse_order
from fpsynth.rounding import from_fraction, representable
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.domain import Interval, parse_interval
from fpsynth.synthesis.intervals.question import IntervalQuestion, radius_within, rounded_up
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.data import View

FAST = {"replay": False, "jobs": 1, "seed": 0}


@pytest.mark.parametrize("fmt", [FLOAT16, FLOAT32], ids=str)
@pytest.mark.parametrize("text", ["0.1", "1e-9", "1e-60", "3.00001"])
def test_a_radius_becomes_the_next_number_of_the_format(text: str, fmt: Format) -> None:
    wanted = Fraction(text)
    used = radius_within(wanted, fmt)
    assert used > wanted
    assert representable(from_fraction(used), fmt)
    assert used - wanted < max(wanted * Fraction(2, 2**fmt.precision), Fraction(2) ** fmt.lsb_min)
    assert rounded_up(wanted, fmt) == (f"the radius {float(wanted)!r} is no {fmt} number: it is rounded up",)
    assert radius_within(used, fmt) == used
    assert rounded_up(used, fmt) == ()


def test_a_radius_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match=r"the radius 65505 exceeds the largest float16 number, 65504"):
        radius_within(Fraction(65505), FLOAT16)
    with pytest.raises(InputError, match=r"the radius of a box cannot be negative, as -0\.1 is"):
        fpsynth.interval(radius="-0.1", **FAST)


def test_a_decimal_radius_is_asked_of_solvers_and_what_it_became_is_said() -> None:
    pytest.importorskip("z3")
    result = fpsynth.interval(radius="0.1", timeout=2, solver="z3", **FAST)
    assert result.verdict.value == "unknown"
    assert result.attempts
    assert not [attempt for attempt in result.attempts if "not encoded" in attempt.reason]
    assert (result.settings["radius"], result.settings["radius_rounded_up"]) == (0.1, float.fromhex("0x1.99999ap-4"))
    assert "a box of radius 0.1 is wider than the rounding errors of 8 terms" in result.reason


def test_what_is_found_lies_outside_the_box_that_was_asked_for() -> None:
    result = fpsynth.interval(terms=16, radius="1e-9", solver="sampling", timeout=20, **FAST)
    (found,) = result.witnesses
    assert all(Fraction(low) <= Fraction(x) - Fraction("1e-9") for (low, _), x in zip(found.box, found.point, strict=True))
    assert found.provenance is not None
    assert "the radius 1e-09 is no float32 number: it is rounded up" in found.provenance.notes
    assert result.settings["radius_rounded_up"] == float(radius_within(Fraction("1e-9"), FLOAT32))


def asked(b: Arithmetic, terms: int, inputs: str = "-1:1") -> IntervalQuestion:
    a = Arithmetic(FLOAT32, order=parse_order("sequential"))
    views = View("a", "a", "reference", Deployment(a)), View("b", "b", "deployed", Deployment(b))
    return IntervalQuestion(FLOAT32, terms, *views, Interval(Fraction(-1), Fraction(1)), parse_interval(inputs, "inputs"))


def test_how_far_rounding_reaches() -> None:
    """Terms times the relative error of one rounding times the largest input, in the coarsest format on the way."""
    pairwise = Arithmetic(FLOAT32, order=parse_order("pairwise"))
    assert asked(pairwise, 8).reach == Fraction(8, 2**23)
    assert asked(pairwise, 16, "0:4").reach == Fraction(64, 2**23)
    assert asked(Arithmetic(FLOAT32, products=FLOAT16, order=parse_order("pairwise")), 8).reach == Fraction(8, 2**10)
    assert asked(REAL, 8).reach is None


def test_where_nothing_is_found_the_answer_says_which_box_it_is_about():
    """The proof of a larger box, whose interval is wider, is none of the smaller one."""
    result = fpsynth.interval("sequential", "sequential", terms=1, radius="0.1", replay=False)
    assert result.verdict is Verdict.IMPOSSIBLE
    assert "the radius 0.1 is no float32 number" in result.proof.statement
    assert "of the smaller box nothing is said" in result.proof.statement
