"""Number formats: one frozen dataclass per format, the single source of every fact about it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache

from fpsynth.errors import InputError, unknown_name


@lru_cache(maxsize=1 << 14)
def power_of_two(exponent: int) -> Fraction:
    """Return 2**exponent exactly, for any sign of the exponent."""
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)


@dataclass(frozen=True)
class Format:
    """A binary floating-point format with gradual underflow, signed zeros and at least one NaN.

    Bit layout, high to low: sign, ``exponent_bits`` of biased exponent, ``precision - 1`` of trailing significand.
    """

    name: str
    exponent_bits: int
    """Width of the exponent field."""
    precision: int
    """Bits of the significand, the hidden one included (IEEE 754 calls it p)."""
    has_infinity: bool = True
    """False for the "fn" layout of OCP 8-bit formats: the top exponent holds numbers, only all ones is NaN,
    and what overflows becomes NaN."""

    @cached_property
    def bits(self) -> int:
        """Width of the encoding."""
        return self.exponent_bits + self.precision

    @cached_property
    def bias(self) -> int:
        """Bias of the exponent field."""
        return (1 << (self.exponent_bits - 1)) - 1

    @cached_property
    def emax(self) -> int:
        """Exponent of the largest finite value's leading bit."""
        return self.bias if self.has_infinity else self.bias + 1

    @cached_property
    def emin(self) -> int:
        """Exponent of the smallest normal value's leading bit."""
        return 1 - self.bias

    @cached_property
    def lsb_min(self) -> int:
        """Exponent of the smallest positive (subnormal) value: every finite value is a multiple of 2**lsb_min."""
        return self.emin - self.precision + 1

    @cached_property
    def max_finite(self) -> Fraction:
        """The largest finite value."""
        lost = self.precision - 1 if self.has_infinity else self.precision - 2
        return (2 - power_of_two(-lost)) * power_of_two(self.emax)

    @cached_property
    def min_normal(self) -> Fraction:
        """The smallest positive normal value."""
        return power_of_two(self.emin)

    @cached_property
    def min_subnormal(self) -> Fraction:
        """The smallest positive value."""
        return power_of_two(self.lsb_min)

    @cached_property
    def unit_roundoff(self) -> Fraction:
        """u = 2**-p: the relative error bound of one rounding to nearest in the normal range."""
        return power_of_two(-self.precision)

    @cached_property
    def nan_bits(self) -> int:
        """The encoding of the one NaN that fpsynth writes: sign clear, quiet."""
        if not self.has_infinity:
            return (1 << (self.bits - 1)) - 1
        return ((1 << self.exponent_bits) - 1) << (self.precision - 1) | 1 << (self.precision - 2)

    @cached_property
    def infinity_bits(self) -> int:
        """The encoding of plus infinity.  Raises InputError for a format that has none."""
        if not self.has_infinity:
            raise InputError(f"{self.name} has no infinity")
        return ((1 << self.exponent_bits) - 1) << (self.precision - 1)

    @cached_property
    def max_finite_bits(self) -> int:
        """The encoding of the largest finite value."""
        return self.infinity_bits - 1 if self.has_infinity else self.nan_bits - 1

    def __str__(self) -> str:
        return self.name


FLOAT16 = Format("float16", 5, 11)
BFLOAT16 = Format("bfloat16", 8, 8)
FLOAT32 = Format("float32", 8, 24)
FLOAT64 = Format("float64", 11, 53)
TF32 = Format("tf32", 8, 11)
FLOAT8_E4M3FN = Format("float8_e4m3fn", 4, 4, has_infinity=False)
FLOAT8_E5M2 = Format("float8_e5m2", 5, 3)

FORMATS: dict[str, Format] = {f.name: f for f in (FLOAT16, BFLOAT16, FLOAT32, FLOAT64, TF32, FLOAT8_E4M3FN, FLOAT8_E5M2)}

ALIASES: dict[str, str] = {
    **dict.fromkeys(("fp16", "f16", "half", "binary16"), "float16"),
    **dict.fromkeys(("bf16", "brain16", "bfp16"), "bfloat16"),
    **dict.fromkeys(("fp32", "f32", "single", "binary32"), "float32"),
    **dict.fromkeys(("fp64", "f64", "double", "binary64"), "float64"),
    **dict.fromkeys(("tfloat32", "tensorfloat32"), "tf32"),
    **dict.fromkeys(("e4m3fn", "e4m3", "fp8_e4m3fn", "fp8_e4m3", "f8e4m3fn"), "float8_e4m3fn"),
    **dict.fromkeys(("e5m2", "fp8_e5m2", "f8e5m2"), "float8_e5m2"),
}
"""What people also call a format.  (OCP's E4M3 has no infinity: it is the "fn" layout.)"""
SEVERAL: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("float8", "fp8", "f8", "quarter"), ("float8_e4m3fn", "float8_e5m2")),
    "float": ("float32", "float64"),  # C's and numpy's
    "float8_e4m3": ("float8_e4m3fn",),  # ml_dtypes has another format of that name, with an infinity
}
"""Names that mean several formats, or one that fpsynth does not have, to what may be meant."""


def format_named(name: str) -> Format:
    """Return the format called ``name``, by its own name or one of ALIASES.

    Raises InputError that lists the names for an unknown one, and the candidates for one that means several formats.
    """
    found = FORMATS.get(ALIASES.get(name, name))
    if found is not None:
        return found
    meant = SEVERAL.get(name.lower()) or ((ALIASES[name.lower()],) if name.lower() in ALIASES else ())
    if meant:
        raise InputError(f"unknown dtype {name!r} (did you mean {' or '.join(meant)}?); choose from {', '.join(FORMATS)}")
    raise unknown_name("dtype", name, FORMATS)


def floor_log2(number: Fraction) -> int:
    """floor(log2(number)) of a positive rational."""
    guess = number.numerator.bit_length() - number.denominator.bit_length()
    return guess if number >= power_of_two(guess) else guess - 1


@lru_cache(maxsize=1 << 10)
def holds(wide: Format, narrow: Format) -> bool:
    """Whether every value of ``narrow``, infinities included, is a value of ``wide``."""
    finite = wide.precision >= narrow.precision and wide.lsb_min <= narrow.lsb_min and wide.max_finite >= narrow.max_finite
    return finite and (wide.has_infinity or not narrow.has_infinity)
