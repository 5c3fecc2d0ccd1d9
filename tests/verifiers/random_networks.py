"""Random networks and points of a format, and points of a ball where the class is most likely to change."""

import math
import random
from fractions import Fraction
from itertools import pairwise

import numpy as np

from fpsynth.formats import Format
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.rounding import Rounding, Value, round_fraction


def nearest(number: float, fmt: Format) -> float:
    """A number rounded to the format."""
    return float(round_fraction(Fraction(number), fmt, Rounding.RNE))


def random_network(rng: random.Random, shape: tuple[int, ...], fmt: Format, bias: bool, scale: float = 1.0) -> Network:
    """Weights of the format, of either sign, most of them near ``scale`` and a few far smaller."""

    def entry() -> float:
        size = scale * (1.0 if rng.random() < 0.9 else 2.0 ** -rng.randrange(1, 20))
        return nearest(rng.uniform(-size, size), fmt)

    return dense_relu(
        tuple(
            Dense(
                tuple(tuple(entry() for _ in range(inputs)) for _ in range(outputs)),
                tuple(entry() for _ in range(outputs)) if bias else None,
            )
            for inputs, outputs in pairwise(shape)
        )
    )


def floats(network: Network, point: list[float]) -> np.ndarray:
    """The logits in float64, to see which way is down."""
    values = np.array(point)
    for number, layer in enumerate(network.dense_layers):
        values = np.array(layer.weight) @ (np.maximum(values, 0) if number else values) + (
            0.0 if layer.bias is None else layer.bias
        )
    return values


def steepest(network: Network, point: list[float], top: int, other: int) -> np.ndarray:
    """The direction in which the lead of ``top`` over ``other`` grows fastest at the point, of length 1 (or 0)."""
    values, jacobian = np.array(point), np.eye(len(point))
    for number, layer in enumerate(network.dense_layers):
        if number:
            jacobian = jacobian * (values > 0)[:, None]
            values = np.maximum(values, 0)
        weight = np.array(layer.weight)
        values, jacobian = weight @ values + (0.0 if layer.bias is None else layer.bias), weight @ jacobian
    gradient = jacobian[top] - jacobian[other]
    return gradient / (np.linalg.norm(gradient) or 1.0)


def hostile_point(rng: random.Random, network: Network, point: list[float], radius: Fraction, top: int, fmt: Format):
    """The worst for the class ``top`` of some points of the format within ``radius``; None if none is found."""
    found = [c for _ in range(8) if (c := downhill_point(rng, network, point, radius, top, fmt))]

    def lead(candidate: list[float]) -> float:
        logits = floats(network, candidate)
        return logits[top] - np.delete(logits, top).max()

    return min(found, key=lead, default=None)


def downhill_point(rng: random.Random, network: Network, point: list[float], radius: Fraction, top: int, fmt: Format):
    """A point of the format within ``radius``, mostly near the edge, downhill for the class ``top``; None if none is found."""
    other = rng.choice([k for k in range(network.widths[-1]) if k != top])
    direction = -steepest(network, point, top, other) + np.array([rng.gauss(0, 0.1) for _ in point])
    direction /= np.linalg.norm(direction) or 1.0
    length = min(float(radius), 1e300) * rng.choice([1.0, 1.0, 0.999, rng.random()])
    for _ in range(60):
        rounded = [round_fraction(Fraction(x) + Fraction(length * d), fmt) for x, d in zip(point, direction, strict=True)]
        if all(isinstance(v, Value) and v.is_finite for v in rounded):
            candidate = [float(v) for v in rounded]
            if sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(candidate, point, strict=True)) <= radius**2:
                return candidate
        length *= 0.97
        if not math.isfinite(length) or length == 0:
            return None
    return None
