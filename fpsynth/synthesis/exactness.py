"""When no addition of a sum rounds, so that no order, no fusing and no wider accumulator can matter: the theorem.

Let every weight and every input be a multiple of some power of two, so that all products are multiples of 2**k, and let B be
the number of terms times the largest product in magnitude.  Every partial sum of every subset of the products is a multiple of
2**k and at most B in magnitude.

Theorem.  Let 2**k be no less than the least positive number of the accumulator, B no more than its largest number and no more
than 2**(k + p), p being its precision.  Then every partial sum is a number of the accumulator, whatever is added up in
whatever order, and the arithmetic computes the exact sum of the products, rounded once into the format of the result.

Proof.  A multiple m * 2**k with |m| <= 2**p has at most p significant bits and none below the accumulator's last place, hence
is one of its numbers; so are the products, which are sums of one term.  Every rounding mode leaves a number of its format as it
is.  So a product that is rounded is exact, and so is, by induction over the steps of the tree, what a step adds up: an
addition, a fused one and a sum of several nodes rounded once round a number that the accumulator holds.  Flushing changes
nothing where no operand, product or partial sum other than zero is subnormal: all are at least 2**k, which must be normal then.
A step that aligns cuts its addends to multiples of 2**(e - F), e being the largest exponent among them: at most the sum of the
largest exponents of weights and inputs, or that of B, or the least exponent that is set; where that is at most 2**k, nothing is
cut.  The bias plays no part: the layers of these questions have none.

Where operands are rounded first, or products into a format of their own, the same holds of what they are rounded to: two
arithmetics that round them alike and add up exactly compute the same sum.  Where only the last rounding differs, sums keep
their sign, unless one may be rounded to zero; and their results are no farther apart than these two roundings allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from fpsynth.arithmetic import Arithmetic
from fpsynth.formats import Format, floor_log2, holds, power_of_two
from fpsynth.predicates import Predicate
from fpsynth.rounding import Flush, Rounding, from_fraction, from_index, index_range, round_fraction
from fpsynth.synthesis.domain import Interval

_ONE = Interval(Fraction(1), Fraction(1))


@dataclass(frozen=True)
class Numbers:
    """What is known of all numbers in a range, or of all products of two of them."""

    last: int
    """All are multiples of 2**last."""
    least: Fraction
    """No magnitude but zero is below it."""
    most: Fraction
    """No magnitude is above it."""
    format: Format | None = None
    """A format of which all are numbers; None: not known."""

    def within(self, fmt: Format) -> bool:
        """Whether all are numbers of a format, as far as is known."""
        if self.format is not None and holds(fmt, self.format):
            return True
        return self.last >= fmt.lsb_min and self.most <= min(power_of_two(self.last + fmt.precision), fmt.max_finite)

    def rounded(self, fmt: Format) -> Numbers | None:
        """What is known of them once rounded into a format, in any mode; None where one may overflow."""
        most = round_fraction(self.most, fmt, Rounding.RTP)
        if not most.is_finite:
            return None
        power = power_of_two(floor_log2(self.least))
        last = max(self.last, fmt.lsb_min, floor_log2(self.least) - fmt.precision + 1)
        return Numbers(last, max(power, fmt.min_subnormal), most.fraction(), fmt)


@dataclass(frozen=True)
class ExactSum:
    """An arithmetic that adds up exactly: how operands and products are rounded before, and the sum afterwards; None: not."""

    operands: tuple[Format, Rounding] | None
    products: tuple[Format, Rounding, Flush] | None
    result: tuple[Format, Rounding, Flush] | None
    last: int
    """All products are multiples of 2**last."""
    most: Fraction
    """No sum is above it in magnitude."""

    @property
    def summands(self) -> object:
        """What two arithmetics must have in common to add up the same numbers."""
        return self.operands, self.products

    @property
    def keeps_signs(self) -> bool:
        """Whether the result has the sign of the sum, zero included, unless it overflows."""
        if self.result is None:
            return True
        fmt, _, flush = self.result
        return self.last >= (fmt.emin if flush else fmt.lsb_min)

    @property
    def error(self) -> Fraction | None:
        """How far the result may be from the sum; None where it may overflow."""
        if self.result is None:
            return Fraction(0)
        fmt, mode, flush = self.result
        if self.most > fmt.max_finite:
            return None
        nearest = mode in (Rounding.RNE, Rounding.RNA)
        return (1 if nearest else 2) * fmt.unit_roundoff * self.most + (fmt.min_normal if flush else fmt.min_subnormal)


def numbers_within(interval: Interval, fmt: Format) -> Numbers | None:
    """What is known of the numbers of a format within a range; None where it holds none."""
    first, last = index_range(interval.lower, interval.upper, fmt)
    if first > last:
        return None
    low, high = (from_index(index, fmt).fraction() for index in (first, last))
    most = max(abs(low), abs(high))
    if low == high:
        return Numbers(from_fraction(low).exponent if low else 0, most, most, fmt)
    if low <= 0 <= high:
        return Numbers(fmt.lsb_min, fmt.min_subnormal, most, fmt)
    least = min(abs(low), abs(high))
    return Numbers(max(fmt.lsb_min, floor_log2(least) - fmt.precision + 1), least, most, fmt)


def exact_sum(how: Arithmetic, terms: int, numbers: Format, weights: Interval, inputs: Interval | None) -> ExactSum | None:
    """How an arithmetic sums ``terms`` products of weights and inputs of the format ``numbers`` within their ranges, exactly.

    ``inputs`` None: all are 1.  None where the theorem does not apply (see the top of the file).
    """
    factors = [numbers_within(weights, numbers), numbers_within(_ONE if inputs is None else inputs, numbers)]
    known = [factor for factor in factors if factor is not None and factor.most]
    if len(known) < 2 or how.bias_leaf:
        return None
    if how.format is None:
        product = _product(*known)
        return ExactSum(None, None, None, product.last, terms * product.most)
    read = _operands(how, known)
    if read is None:
        return None
    operands, known = read
    product, products = _product(*known), None
    if not _plain(how, product):
        return None
    if how.products is not None and not _same_in(how.products, product, how.flush):
        rounded = product.rounded(how.products)
        if how.fused or rounded is None:
            return None  # some products are rounded into that format, and some are not
        product, products = rounded, (how.products, how.rounding, how.flush)
    sums = replace(product, most=terms * product.most, least=power_of_two(product.last), format=None)
    if not _plain(how, sums) or not _keeps(how, known, sums):
        return None
    return ExactSum(operands, products, _result(how, sums), sums.last, sums.most)


def _operands(how: Arithmetic, known: Sequence[Numbers]) -> tuple[tuple[Format, Rounding] | None, list[Numbers]] | None:
    """How weights and inputs are rounded, and what is known of them then; None where they are not read as they are."""
    if not all(_plain(how, factor) and _same_in(how.format, factor, how.flush) for factor in known):
        return None
    if how.operands is None:
        return None, list(known)
    if all(_same_in(how.operands, factor, Flush.NEVER if how.alignment is None else how.flush) for factor in known):
        return None, list(known)
    rounded = [after for factor in known if (after := factor.rounded(how.operands)) is not None]
    if len(rounded) < 2 or not all(_plain(how, factor) for factor in rounded):
        return None
    if how.alignment is not None and how.flush and any(factor.least < how.operands.min_normal for factor in rounded):
        return None
    return (how.operands, how.operand_rounding), rounded


def _plain(how: Arithmetic, numbers: Numbers) -> bool:
    """Whether the accumulator holds all numbers, none of them flushed."""
    return _same_in(how.sum_format, numbers, how.flush)


def _same_in(fmt: Format | None, numbers: Numbers, flush: Flush) -> bool:
    return fmt is not None and numbers.within(fmt) and not (flush and numbers.least < fmt.min_normal)


def _product(a: Numbers, b: Numbers) -> Numbers:
    return Numbers(a.last + b.last, a.least * b.least, a.most * b.most)


def _keeps(how: Arithmetic, factors: Sequence[Numbers], sums: Numbers) -> bool:
    """Whether steps that align, if there are any, cut nothing off."""
    align, read, wide = how.alignment, how.operands or how.format, how.sum_format
    if align is None:
        return True
    assert read is not None
    assert wide is not None
    of_products = sum(max(floor_log2(factor.most), read.emin) for factor in factors)
    largest = max(of_products, floor_log2(sums.most), wide.emin)
    if align.least_exponent is not None:
        largest = max(largest, align.least_exponent)
    return largest - align.fraction_bits <= sums.last


def _result(how: Arithmetic, sums: Numbers) -> tuple[Format, Rounding, Flush] | None:
    """The last rounding; None where it changes nothing."""
    assert how.format is not None
    if how.format == how.sum_format or _same_in(how.format, sums, how.flush):
        return None
    return how.format, how.rounding, how.flush if sums.least < how.format.min_normal else Flush.NEVER


def alike(kind: str, a: Sequence[ExactSum], b: Sequence[ExactSum]) -> str:
    """What two ways to evaluate a layer, an exact sum for each output, have in common that a predicate of this kind reads.

    Their results are equal, or, where it reads nothing but signs, have the same signs; empty where neither is known.
    """
    pairs = list(zip(a, b, strict=True))
    if any(x.summands != y.summands for x, y in pairs):
        return ""
    if all(x.result == y.result for x, y in pairs):
        return "the same result"
    signs = kind in ("sign", "relu") and all(x.keeps_signs and y.keeps_signs for x, y in pairs)
    return "results of the same sign" if signs else ""


def near(predicate: Predicate, a: Sequence[ExactSum], b: Sequence[ExactSum]) -> bool:
    """Whether the results of two exact sums, each rounded once, are always nearer to each other than a gap."""
    x, y = a[predicate.output], b[predicate.output]
    if predicate.kind != "gap" or x.summands != y.summands or x.error is None or y.error is None:
        return False
    return x.error + y.error < predicate.bound


def described(sums: Sequence[ExactSum]) -> str:
    """Why no addition rounds, in words."""
    last, most = min(sum_.last for sum_ in sums), max(sum_.most for sum_ in sums)
    return f"every product is a multiple of 2^{last}, and every sum of them at most {_short(most)}, so that no addition rounds"


def _short(number: Fraction) -> str:
    return str(number) if number.denominator == 1 and number < 10**16 else f"{float(number):.6g}"
