"""The number line shows every value where it is, and a tie exactly if rounded values are equal."""

import re
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from witnesses import W1, W2, XA, XB

from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, FORMATS
from fpsynth.report.renderers.number_line import number_line
from fpsynth.report.renderers.style import plain
from fpsynth.report.story import Mark
from fpsynth.rounding import NAN, Rounding, Value, equal, from_float, from_fraction, round_fraction


def _marks(fmt, exact, rounding=Rounding.RNE):
    return [Mark(f"e{k}", Fraction(v), round_fraction(Fraction(v), fmt, rounding), f"y{k}") for k, v in enumerate(exact)]


def _products(x):
    names = ("w0·x", "w1·x")
    exact = [Fraction(w) * Fraction(x) for w in (W1, W2)]
    return [Mark(n, e, round_fraction(e, FLOAT32), f"y{k}") for k, (n, e) in enumerate(zip(names, exact, strict=True))]


def _axis(picture):
    return next(line for line in picture.splitlines() if line.count("─") + line.count("┼") > 10 and "╰" not in line)


def test_the_published_tie():
    assert (
        number_line(_products(XA), FLOAT32)
        == """\
                                 w0·x              w1·x
                                  ▼                 ▼
───╎─────────────┼─────────────╎─────────────●─────────────╎─────────────┼─────────────╎────
                                  ╰──────────┬──────╯
                                  y0 = y1 = 0x1.3ffee2p-3
  ┼ float32 numbers, 1 ulp = 2^-26   ╎ halfway points, where rounding switches
"""
    )


def test_the_published_certified_point():
    assert (
        number_line(_products(XB), FLOAT32, caption=False)
        == """\
                                  w0·x                  w1·x
                                   ▼                     ▼
───┼─────────────╎─────────────●─────────────╎─────────────●─────────────╎─────────────┼────
                               ╭───╯                     ╰─╮
                       y0 = 0x1.8f78d8p-3          y1 = 0x1.8f78dap-3
"""
    )


def test_ascii_has_the_same_layout():
    drawn, fallback = number_line(_products(XA), FLOAT32), number_line(_products(XA), FLOAT32, unicode=False)
    assert fallback.isascii()
    assert [len(line) for line in drawn.splitlines()] == [len(line) for line in fallback.splitlines()]


def test_colour_changes_no_text():
    marks = [
        Mark("p", Fraction(1), from_float(1.0), tone="class 1"),
        Mark("q", Fraction(1025, 1024), from_float(1.0), tone="class 0"),
    ]
    coloured = number_line(marks, FLOAT8_E5M2, colour=True)
    assert "\x1b[" in coloured
    assert plain(coloured) == number_line(marks, FLOAT8_E5M2)


_FORMATS = st.sampled_from(list(FORMATS.values()))


@st.composite
def _near(draw):
    """A format and two to four reals within a few ulps of each other."""
    fmt = draw(_FORMATS)
    top = draw(st.integers(max(fmt.emin, -40), min(fmt.emax - 2, 40)))
    unit = Fraction(2) ** (top - fmt.precision + 1)
    steps = draw(st.lists(st.integers(-24, 24), min_size=2, max_size=4))
    return fmt, [Fraction(2) ** top * Fraction(3, 2) + unit * Fraction(step, 8) for step in steps]


@settings(max_examples=examples(150))
@given(_near(), st.sampled_from(Rounding), st.integers(60, 110))
def test_marks_stand_in_order_and_ties_are_shown_iff_rounded_values_are_equal(case, rounding, width):
    fmt, exact = case
    marks = _marks(fmt, exact, rounding)
    picture = number_line(marks, fmt, rounding=rounding, width=width)
    assert max(map(len, picture.splitlines()[:-1])) <= width
    pointers = next(line for line in picture.splitlines() if "▼" in line)
    assert pointers.count("▼") <= len(set(exact))
    assert _axis(picture).count("●") == len({m.rounded for m in marks})
    for i, m in enumerate(marks):
        for other in marks[:i]:
            together = any(
                m.name in line and f"{other.name} = " in line and re.search(f"{other.name}( = y\\d)* = {m.name}", line)
                for line in picture.splitlines()
            )
            assert together == equal(m.rounded, other.rounded)


@settings(max_examples=examples(100))
@given(_near())
def test_farther_right_is_larger(case):
    fmt, exact = case
    ordered = sorted(set(exact))
    columns = []
    for value in ordered:  # one pointer moves while the frame, given by the extremes, stays
        marks = _marks(fmt, [ordered[0], ordered[-1]])
        marks.append(Mark("m", value, marks[0].rounded, "m"))
        line = next(line for line in number_line(marks, fmt).splitlines() if "▼" in line)
        left, right = line.index("▼"), line.rindex("▼")
        inner = [k for k, c in enumerate(line) if c == "▼" and k not in (left, right)]
        columns.append(left if value == ordered[0] else right if value == ordered[-1] else (inner or [left])[0])
    assert columns == sorted(columns)


def test_the_halfway_point_lies_between_its_floats():
    axis = _axis(number_line(_marks(BFLOAT16, [1, 1 + 2.0**-7]), BFLOAT16))
    left, right = axis.index("●"), axis.rindex("●")
    assert axis[(left + right) // 2] == "╎"


def test_directed_rounding_has_no_halfway_points():
    marks = _marks(FLOAT16, [1 + 2.0**-12, 1 + 2.0**-11], Rounding.RTP)
    picture = number_line(marks, FLOAT16, rounding=Rounding.RTP)
    assert "╎" not in picture
    assert "y0 = y1 = 0x1.004p+0" in picture


def test_floats_below_a_power_of_two_are_twice_as_dense():
    axis = _axis(number_line(_marks(FLOAT32, [1.0]), FLOAT32))
    at = axis.index("●")
    above, below = axis.index("┼", at) - at, at - axis.rindex("┼", 0, at)
    assert above == 2 * below


def test_values_far_apart_are_drawn_with_coarse_ticks():
    picture = number_line(_marks(FLOAT32, [1, 3]), FLOAT32)
    assert "steps of 2^-2; 1 ulp of float32 is 2^-22 here" in picture
    assert "╎" not in picture
    assert _axis(picture).count("●") == 2


@pytest.mark.parametrize(
    "pair", [(1, Fraction(1, 10**30)), (-(10**30), 10**30), (0, Fraction(1, 2**149)), (10**30, 10**30 + 1)]
)
def test_extreme_distances_are_drawn(pair):
    marks = _marks(FLOAT32, pair)
    picture = number_line(marks, FLOAT32)
    assert ("y0 = y1 = " in picture) == equal(marks[0].rounded, marks[1].rounded)


def test_equal_values_share_a_pointer():
    picture = number_line(_marks(FLOAT64, [0.1, 0.1]), FLOAT64)
    assert "e0, e1" in picture
    assert "y0 = y1 = 0x1.999999999999ap-4" in picture


def test_both_zeros_are_one_place():
    marks = [Mark("p", Fraction(0), from_float(0.0)), Mark("q", Fraction(0), from_float(-0.0))]
    picture = number_line(marks, FLOAT32)
    assert "p = q = 0" in picture
    assert _axis(picture).count("●") == 1


def test_subnormals_are_evenly_spaced_down_to_zero():
    tiny = FLOAT32.min_subnormal
    picture = number_line(_marks(FLOAT32, [tiny / 3, tiny * Fraction(3, 4)]), FLOAT32)
    assert "y0 = 0 " in picture
    assert "y1 = 0x1p-149" in picture
    ticks = [k for k, c in enumerate(_axis(picture)) if c in "┼●"]
    assert len({b - a for a, b in pairwise(ticks)}) == 1


def test_overflow_leads_to_infinity_where_the_next_number_would_be():
    picture = number_line(_marks(FLOAT16, [65504, 65530]), FLOAT16)
    assert "y1 = infinity" in picture
    assert _axis(picture).rindex("●") > _axis(picture).index("●")


def test_far_overflow_and_minus_infinity():
    picture = number_line(_marks(FLOAT16, [-(10**9), 1]), FLOAT16)
    assert "y0 = -infinity" in picture


def test_float8_overflow_is_named_as_nan_not_drawn():
    picture = number_line(_marks(FLOAT8_E4M3FN, [448, 470]), FLOAT8_E4M3FN)
    assert "y1 is not a number (NaN)" in picture
    assert _axis(picture).count("●") == 1


def test_nothing_but_nan_is_named():
    assert number_line([Mark("p", Fraction(1), NAN)], FLOAT32) == "  p is not a number (NaN)\n"


def test_crossing_brackets_become_pointers():
    one = Fraction(1)
    marks = [
        Mark("y0", one + Fraction(1, 256), from_fraction(one + Fraction(3, 128))),
        Mark("y1", one + Fraction(3, 256), from_fraction(one)),
    ]
    picture = number_line(marks, BFLOAT16)
    assert picture.count("▲") == 2
    assert "╰" not in picture


def test_no_marks_are_refused():
    with pytest.raises(ValueError, match="needs a value"):
        number_line([], FLOAT32)


def test_values_of_another_format_are_drawn_where_they_are():
    """A float64 accumulator's value on a float16 line: the mark is not on a tick, and nothing is raised."""
    value: Value = from_float(1.0001)
    assert "●" in number_line([Mark("p", Fraction(1.0001), value)], FLOAT16)
