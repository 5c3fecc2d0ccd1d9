"""Options are refused at the door, each in one line that says what to do."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from fpsynth.errors import InputError
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.requests.reading import exact_number


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dtype": "float33"}, "unknown dtype 'float33'"),
        ({"timeout": 0}, "the time limit must be above 0"),
        ({"timeout": float("nan")}, "the time limit must be above 0"),
        ({"seed": -1}, "the seed must be from 0"),
        ({"seed": 1 << 31}, "the seed must be from 0"),
        ({"jobs": 0}, "the number of jobs must be from 1"),
        ({"batch": ()}, "batch sizes must be from 1"),
        ({"batch": (4, 0)}, "batch sizes must be from 1"),
        ({"vectors": 0}, "the number of vectors must be from 1"),
        ({"library": ("torch", "caffe")}, "unknown library 'caffe'"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Options(**wrong)


def test_a_library_that_is_not_replayed_need_not_be_known() -> None:
    assert Options(replay=False, library=("caffe",)).replay is False


def test_ranges_are_read_exactly() -> None:
    unit = Interval(Fraction(0), Fraction(1))
    assert Options(weights="0.1:1").interval("weights", unit) == Interval(Fraction(1, 10), Fraction(1))
    assert Options().interval("inputs", unit) == unit
    with pytest.raises(InputError, match="the range of the weights '2:1' is reversed"):
        Options(weights="2:1").interval("weights", unit)


def test_numbers_are_exact_whatever_they_are_given_as() -> None:
    assert exact_number("0.1", "x") == Fraction(1, 10)
    assert exact_number(0.1, "x") == Fraction(0.1)
    for wrong in (float("nan"), float("inf"), "one"):
        with pytest.raises(InputError, match=r"^the gap "):
            exact_number(wrong, "the gap")
