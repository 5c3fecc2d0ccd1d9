"""A known network at a known point in exact arithmetic, in integers over one power of two."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from operator import mul

from fpsynth.networks.network import Network


def exact_logits(network: Network[float], point: Sequence[float]) -> tuple[Fraction, ...]:
    """The logits at ``point`` (one number per input) in exact arithmetic, one per output.

    Floats are integers over a power of two; the general interpreter would reduce a fraction to lowest terms after each
    operation, which takes minutes for 100 000 weights.
    """
    values, places = _integers(point)
    for index, layer in enumerate(network.layers):
        weights, more = _integers([entry for row in layer.weight for entry in row])
        biases, under = _integers(layer.bias or [0.0] * layer.outputs)
        places += more
        shift = max(0, under - places)  # the bias may be finer than the products
        rows = [weights[k : k + layer.inputs] for k in range(0, len(weights), layer.inputs)]
        sums = [sum(map(mul, row, values)) << shift for row in rows]
        places += shift
        values = [total + (bias << (places - under)) for total, bias in zip(sums, biases, strict=True)]
        if index + 1 < len(network.layers):  # by position: a layer object may be used twice
            values = [max(value, 0) for value in values]
    return tuple(Fraction(value, 1 << places) for value in values)


def _integers(numbers: Sequence[float]) -> tuple[list[int], int]:
    """The numbers times 2**places, and the least places >= 0 for which all of them are integers."""
    ratios = [number.as_integer_ratio() for number in numbers]
    places = max(denominator.bit_length() - 1 for _, denominator in ratios)
    return [numerator << (places - denominator.bit_length() + 1) for numerator, denominator in ratios], places
