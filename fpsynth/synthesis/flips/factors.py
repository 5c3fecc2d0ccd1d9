"""Products as pairs of a weight and an input within their ranges: powers of two and small multiples of them, and zeros."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from fpsynth.formats import power_of_two
from fpsynth.sums.building import program_of
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips.columns import ends
from fpsynth.synthesis.flips.question import FlipQuestion

Pair = tuple[float, float]


@dataclass(frozen=True)
class Factors:
    """How the products of a question can be made."""

    question: FlipQuestion

    @cached_property
    def idle(self) -> Pair | None:
        """A weight and an input whose product is zero; None where there is none."""
        weight, inputs = self.question.weights, self.question.inputs
        fmt = self.question.format
        some = 1.0 if self._allows(1.0, inputs) else ends(inputs, fmt)[1]
        if weight.lower <= 0 <= weight.upper:
            return 0.0, some
        if inputs.lower <= 0 <= inputs.upper and not self.question.ones:
            return ends(weight, fmt)[1], 0.0
        return None

    def top(self) -> int | None:
        """The largest e such that both 2**e and -2**e are products; None where there is none."""
        for exponent in range(self._ceiling(), self._ceiling() - 300, -1):
            if self.pair(Fraction(1), exponent) and self.pair(Fraction(-1), exponent):
                return exponent
        return None

    def pair(self, factor: Fraction, exponent: int) -> Pair | None:
        """A weight and an input whose product is ``factor * 2**exponent``, the input a power of two close to 1.

        None where the ranges hold none, or none that is of this form.
        """
        key, known = (factor.numerator, factor.denominator, exponent), self._known  # a fraction takes long to hash
        if key not in known:
            known[key] = self._pair(factor, exponent)
        return known[key]

    @cached_property
    def _known(self) -> dict[tuple[int, int, int], Pair | None]:
        """Pairs that were looked for: there are thousands of candidates, but few different products."""
        return {}

    def _pair(self, factor: Fraction, exponent: int) -> Pair | None:
        for ex in (0,) if self.question.ones else self._input_exponents:
            for sign in (1,) if self.question.ones else (1, -1):
                x = sign * power_of_two(ex)
                w = factor * power_of_two(exponent) / x
                if self._allows(float(x), self.question.inputs) and self._allows(w, self.question.weights):
                    return float(w), float(x)
        return None

    @cached_property
    def _input_exponents(self) -> list[int]:
        low, high = ends(self.question.inputs, self.question.format)
        largest = max(abs(low), abs(high))
        if largest == 0:
            return []
        top = math.frexp(largest)[1] - 1
        least = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        bottom = max(math.frexp(least)[1] - 1 if least else -1100, top - 80, self.question.format.lsb_min)
        return sorted(range(bottom, top + 1), key=abs)

    def _allows(self, number: float | Fraction, interval: Interval) -> bool:
        """Whether a dyadic number is one of the format within the interval."""
        exact = Fraction(number)
        fmt = self.question.format
        if not interval.lower <= exact <= interval.upper or abs(exact) > fmt.max_finite:
            return False
        if exact == 0:
            return True
        width = abs(exact.numerator).bit_length() - ((abs(exact.numerator) & -abs(exact.numerator)).bit_length() - 1)
        return width <= fmt.precision and (exact / fmt.min_subnormal).denominator == 1

    def _ceiling(self) -> int:
        limits = [self.question.weights.magnitude * self.question.inputs.magnitude]
        for view in self.question.views[:2]:
            for output in range(self.question.outputs):
                program = program_of(view.deployment.at(0, output), self.question.terms)
                limits += [fmt.max_finite / 4 for fmt in program.formats]
        limit = min(limits)
        return limit.numerator.bit_length() - limit.denominator.bit_length() if limit > 0 else -2000
