"""The exact rounding against gfloat's reference, in its five deterministic modes, on named and invented formats."""

from __future__ import annotations

import gfloat
import numpy as np
import pytest
from gfloat import Domain, FormatInfo, RoundMode
from hostile import hostile_array
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from strategies import EVERY, TINY, TINYFN, operands

from fpsynth import rounding as r
from fpsynth.formats import FLOAT8_E4M3FN, FLOAT64, Format
from fpsynth.rounding import Rounding

MODES = {
    Rounding.RNE: RoundMode.TiesToEven,
    Rounding.RNA: RoundMode.TiesToAway,
    Rounding.RTP: RoundMode.TowardPositive,
    Rounding.RTN: RoundMode.TowardNegative,
    Rounding.RTZ: RoundMode.TowardZero,
}


def described(fmt: Format) -> FormatInfo:
    """The format in gfloat's terms."""
    return FormatInfo(
        fmt.name,
        fmt.bits,
        fmt.precision,
        bias=fmt.bias,
        is_signed=True,
        domain=Domain.Extended if fmt.has_infinity else Domain.Finite,
        has_nz=True,
        num_high_nans=(1 << (fmt.precision - 1)) - 1 if fmt.has_infinity else 1,
        has_subnormals=True,
        is_twos_complement=False,
    )


@pytest.mark.parametrize("fmt", [f for f in EVERY if f.bits <= 19], ids=str)
def test_every_encoding_means_the_same(fmt: Format) -> None:
    info = described(fmt)
    for bits in range(0, 1 << fmt.bits, 1 if fmt.bits < 16 else 7):
        assert r.from_bits(bits, fmt) == r.from_float(float(gfloat.decode_float(info, bits).fval))


@pytest.mark.parametrize("mode", Rounding)
@pytest.mark.parametrize("fmt", EVERY, ids=str)
def test_rounding_values_midpoints_and_their_neighbours(fmt: Format, mode: Rounding) -> None:
    """Inputs have at most 52 bits: gfloat decides ties away by adding a half, which is not exact just below a half."""
    near = hostile_array(fmt, 150, seed=41)
    with np.errstate(all="ignore"):
        steps = [near * (1 + k * 2.0 ** -(fmt.precision + 1)) for k in (-3, -2, -1, 1, 2, 3)] if fmt.precision <= 24 else []
        x = np.concatenate([near, *steps, hostile_array(TINY, 100, 42), hostile_array(FLOAT64, 150, 43)])
    if mode is Rounding.RNA and fmt != FLOAT64:
        x = x.view(np.int64)
        x = (x & ~0xFF).view(np.float64)
    info = described(fmt)
    for number in x.tolist():
        wanted = gfloat.round_float(info, number, MODES[mode])
        assert r.round_value(r.from_float(number), fmt, mode) == r.from_float(float(wanted)), number.hex()


@pytest.mark.parametrize("fmt", [TINY, TINYFN, FLOAT8_E4M3FN], ids=str)
@settings(max_examples=examples(60))
@given(data=st.data(), mode=st.sampled_from(list(Rounding)))
def test_operations_are_gfloat_s_rounding_of_the_exact_result(data: st.DataObject, fmt: Format, mode: Rounding) -> None:
    a, b, c = data.draw(operands(fmt, 3))
    info, product = described(fmt), r.exact_mul(a, b)
    for exact in (r.exact_add(a, b, mode), product, r.exact_add(product, c, mode)):
        wanted = gfloat.round_float(info, float(exact), MODES[mode])  # these exact results are float64 values
        assert r.round_value(exact, fmt, mode) == r.from_float(float(wanted))
