"""Claims of formats.py: the facts about every format, held against numpy and ml_dtypes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from strategies import EVERY, MICRO, TINY, TINYFN

from fpsynth.errors import InputError
from fpsynth.formats import (
    ALIASES,
    FLOAT8_E4M3FN,
    FLOAT32,
    FLOAT64,
    FORMATS,
    SEVERAL,
    TF32,
    Format,
    format_named,
    power_of_two,
)
from fpsynth.rounding import from_bits, to_bits

ml_dtypes = pytest.importorskip("ml_dtypes")
DTYPES: dict[str, Any] = {name: getattr(np, name, None) or getattr(ml_dtypes, name) for name in FORMATS if name != "tf32"}


@pytest.mark.parametrize("name", DTYPES)
def test_facts_are_those_of_the_library_that_has_the_dtype(name: str) -> None:
    fmt, info = format_named(name), ml_dtypes.finfo(DTYPES[name])
    assert fmt.bits == info.bits
    assert fmt.precision == info.nmant + 1
    assert fmt.exponent_bits == info.iexp
    assert fmt.max_finite == Fraction(float(info.max))
    assert fmt.min_normal == Fraction(float(info.smallest_normal))
    assert fmt.min_subnormal == Fraction(float(info.smallest_subnormal))
    assert 2 * fmt.unit_roundoff == Fraction(float(info.eps))


@pytest.mark.parametrize("name", DTYPES)
def test_special_encodings_are_those_of_the_library(name: str) -> None:
    fmt, dtype = format_named(name), np.dtype(DTYPES[name])
    as_bits = np.dtype(f"u{dtype.itemsize}")
    assert np.isnan(np.array(fmt.nan_bits, as_bits).view(dtype))
    assert float(np.array(fmt.max_finite_bits, as_bits).view(dtype)) == float(fmt.max_finite)
    if fmt.has_infinity:
        assert float(np.array(fmt.infinity_bits, as_bits).view(dtype)) == np.inf


def test_tf32_has_the_range_of_float32_and_the_precision_of_float16() -> None:
    assert (TF32.bits, TF32.emax, TF32.emin, TF32.precision) == (19, FLOAT32.emax, FLOAT32.emin, 11)


def test_small_invented_formats_by_hand() -> None:
    assert (TINY.bias, TINY.emin, TINY.emax, TINY.lsb_min) == (3, -2, 3, -4)
    assert (TINY.max_finite, TINY.min_normal, TINY.min_subnormal) == (14, Fraction(1, 4), Fraction(1, 16))
    assert (TINYFN.emax, TINYFN.max_finite, TINYFN.nan_bits) == (4, 24, 0b11111)
    assert (MICRO.max_finite, MICRO.min_normal, MICRO.min_subnormal) == (Fraction(7, 2), 1, Fraction(1, 4))


@pytest.mark.parametrize("fmt", EVERY, ids=str)
def test_the_largest_number_has_the_last_finite_encoding(fmt: Format) -> None:
    assert from_bits(fmt.max_finite_bits, fmt).fraction() == fmt.max_finite
    assert not from_bits(fmt.max_finite_bits + 1, fmt).is_finite
    assert from_bits(1, fmt).fraction() == fmt.min_subnormal
    assert to_bits(from_bits(1 << (fmt.precision - 1), fmt), fmt) == 1 << (fmt.precision - 1)
    assert from_bits(1 << (fmt.precision - 1), fmt).fraction() == fmt.min_normal


def test_a_format_without_infinity_says_so() -> None:
    with pytest.raises(InputError, match="float8_e4m3fn has no infinity"):
        _ = FLOAT8_E4M3FN.infinity_bits


def test_format_named_finds_every_format_and_suggests_the_nearest_name() -> None:
    assert all(format_named(name) is fmt for name, fmt in FORMATS.items())
    with pytest.raises(InputError, match=r"unknown dtype 'flaot32' \(did you mean float32\?\); choose from .*float64"):
        format_named("flaot32")
    with pytest.raises(InputError, match=r"unknown dtype 'xyz'; choose"):
        format_named("xyz")


def test_power_of_two_is_exact_on_both_sides() -> None:
    assert power_of_two(-1074) == Fraction(5e-324)
    assert power_of_two(1023) == Fraction(2.0**1023)
    assert str(FLOAT64) == "float64"


@pytest.mark.parametrize("alias", ALIASES)
def test_other_names_of_formats_mean_one_format(alias: str) -> None:
    assert alias not in FORMATS
    assert format_named(alias) is FORMATS[ALIASES[alias]]
    if alias.upper() != alias:
        with pytest.raises(InputError, match=f"did you mean {ALIASES[alias]}"):
            format_named(alias.upper())


@pytest.mark.parametrize("name", SEVERAL)
def test_a_name_that_may_mean_several_formats_is_answered_with_them(name: str) -> None:
    assert name not in FORMATS
    assert name not in ALIASES
    with pytest.raises(InputError, match=" or ".join(SEVERAL[name])):
        format_named(name)
