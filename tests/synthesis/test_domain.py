"""Ranges: what is read, what is refused with which words, and that a range without numbers is noticed."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tie_questions import E4P4, E4P4FN, E5P3, numbers

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, FORMATS
from fpsynth.rounding import index_range
from fpsynth.synthesis.domain import Interval, check_interval, default_weights, parse_interval, parse_number
from fpsynth.witness.numerals import decimal_text


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [
        ("0.1:1", Fraction(1, 10), 1),
        ("-1e-3:+.5", Fraction(-1, 1000), Fraction(1, 2)),
        ("5.:5E0", 5, 5),
        ("0:1e-9999", 0, Fraction(1, 10**9999)),
    ],
)
def test_ends_are_read_exactly(text, lower, upper):
    assert parse_interval(text, "the range") == Interval(Fraction(lower), Fraction(upper))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.5", "form LO:HI"),
        ("", "form LO:HI"),
        (":", "not a decimal number"),
        ("1:", "not a decimal number"),
        ("1:0.5", "reversed"),
        ("nan:1", "not a decimal number"),
        ("0:inf", "not a decimal number"),
        ("0x1p3:9", "not a decimal number"),
        ("1/3:1", "not a decimal number"),
        ("0:1:2", "not a decimal number"),
        ("0:1e99999", "not a decimal number"),
        ("\u0661:\u0662", "not a decimal number"),  # digits, but none that a reader expects
        ("0:" + "9" * 5000, "not a decimal number"),  # Python refuses to read an integer of so many digits
        ("1_0:20", "not a decimal number"),
    ],
)
def test_anything_else_is_refused_in_one_short_line(text, words):
    with pytest.raises(InputError, match=words) as error:
        parse_interval(text, "the inputs' range")
    assert str(error.value).startswith("the inputs' range")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


def test_every_decimal_of_the_smallest_float64_is_read():
    text = decimal_text(5e-324)
    assert len(text) > 1000
    assert parse_number(text, "it") == Fraction(1, 2**1074)


@pytest.mark.parametrize("fmt", [E5P3, E4P4, E4P4FN], ids=str)
@given(ends=st.tuples(st.integers(-700, 700), st.integers(-700, 700)), scale=st.sampled_from([2, 17, 512, 3001]))
def test_a_range_is_accepted_exactly_if_it_holds_a_number(fmt, ends, scale):
    interval = Interval(Fraction(min(ends), scale), Fraction(max(ends), scale))
    if interval.magnitude > fmt.max_finite:
        with pytest.raises(InputError, match="exceeds the largest"):
            check_interval(interval, fmt, "the range")
    elif numbers(interval, fmt):
        check_interval(interval, fmt, "the range")
    else:
        with pytest.raises(InputError, match="holds no"):
            check_interval(interval, fmt, "the range")


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=str)
def test_between_two_neighbours_there_is_nothing_and_at_them_there_is(fmt):
    for low, ulp in ((Fraction(1), 2 * fmt.unit_roundoff), (fmt.max_finite / 2, 0), (Fraction(0), fmt.min_subnormal)):
        if ulp:
            between = Interval(low + ulp / 3, low + ulp / 2)
            with pytest.raises(InputError, match="holds no"):
                check_interval(between, fmt, "the range")
            check_interval(Interval(low + ulp / 3, low + ulp), fmt, "the range")
            check_interval(Interval(-low - ulp, -low - ulp / 3), fmt, "the range")
        check_interval(Interval(low, low), fmt, "the range")


@pytest.mark.parametrize("text", ["1e9999:1e9999", "1e400:1e401", "-1e400:0", "65505:65520", "0:1e4300"])
def test_ranges_outside_the_format_are_refused_whatever_their_size(text):
    # str() of an integer of more than 4300 digits raises, and so does float() of one beyond its range
    with pytest.raises(InputError, match="exceeds the largest float16 number, 65504") as error:
        check_interval(parse_interval(text, "the range"), FLOAT16, "the range")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(Fraction(1, 10), Fraction(1)), "0.1:1"),
        (Interval(Fraction(-3), Fraction(67108864)), "-3:67108864"),
        (Interval(Fraction(10) ** 38, Fraction(10) ** 400), "1e+38:1e+400"),
        (Interval(-(Fraction(10) ** 400), Fraction(1, 2**60)), "-1e+400:8.673617379884035e-19"),
    ],
)
def test_a_range_is_shown_as_it_was_given(interval, text):
    assert str(interval) == text


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=str)
def test_the_default_weights_have_gaps_that_sixteen_decimals_do_not_blur(fmt):
    low, high = index_range(default_weights(fmt).lower, default_weights(fmt).upper, fmt)
    assert high > low
    assert default_weights(fmt).upper * fmt.unit_roundoff / 8 >= Fraction(1, 2**30)  # one ulp at a tenth of the upper end
    assert default_weights(FLOAT32) == parse_interval("0.1:1", "it")
    assert default_weights(FLOAT64) == parse_interval("6710886.4:67108864", "it")
