"""Region: the box of inputs that a benchmark asks about, and a proof that the network is robust in it over the reals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.evaluators.work import affordable_extra, exact_work
from fpsynth.formats import Format, power_of_two
from fpsynth.networks.network import Dense, Network, stacked
from fpsynth.rounding import Rounding, round_fraction
from fpsynth.verifiers.base import certifier
from fpsynth.verifiers.margins import top_class

MAX_BRANCHES = 256
"""How many activation patterns the proof follows before it gives up."""
MAX_OPERATIONS = 20_000
"""How many exact multiplications that proof may need for one pattern; of larger networks, and of other layers, a Lipschitz
bound is asked instead."""
BY_LIPSCHITZ = "a proof by a Lipschitz bound from exact logits"
MAX_EXACT = 300_000
"""Products of a network whose matrices are bounded for that: they take seconds, and about the cube of a layer's width."""

Proved = Callable[[Sequence[Fraction], Sequence[Fraction]], bool]
"""From the lower and the upper end of a box: whether it is proved that the class does not change there over the reals."""
Affine = tuple[tuple[Fraction, ...], Fraction]
"""A function of the input: coefficients, constant."""


@dataclass(frozen=True)
class Region:
    """A box around the certified point that contains the counterexample, or, where they are one point, that point alone."""

    lower: tuple[Fraction, ...]
    """One number of the network's format per input; the bounds belong to the box."""
    upper: tuple[Fraction, ...]
    robust_over_reals: bool
    """Proved: over the reals every point of the box has the class of the certified point."""
    proof: str = ""
    """How that was proved, in words; empty where it was not."""

    @property
    def alone(self) -> bool:
        """Whether it is one point, and no box."""
        return self.lower == self.upper


def choose_region(
    network: Network,
    fmt: Format,
    certified: Sequence[float],
    counterexample: Sequence[float],
    radius: Fraction,
    label: int,
) -> Region:
    """Return a box that contains both points and lies inside the L2 ball of ``radius`` around ``certified``.

    The certificate speaks of an L2 ball and VNN-LIB of boxes.  The box is the largest of these on which robustness over the
    reals (class ``label``) is proved: the cubes of half width 2**k around the certified point that fit into the ball, their
    bounds rounded inwards to ``fmt``; failing these, the box spanned by the two points, proved or not.  A certificate
    computed from rounded logits can be wrong over the reals too, so that the ball itself need not be robust.
    Raises InputError where the counterexample is not in the ball.
    """
    centre, other = [Fraction(c) for c in certified], [Fraction(a) for a in counterexample]
    squares = sum((c - a) ** 2 for c, a in zip(centre, other, strict=True))
    if squares > radius**2:
        raise InputError("the counterexample lies outside the certified radius")
    proved, told = _prover(network, certified, label)
    for half in _half_widths(radius, len(centre), max(abs(c - a) for c, a in zip(centre, other, strict=True))):
        lower, upper = _cube(centre, half, fmt)
        if proved(lower, upper):
            return Region(lower, upper, True, told)
    lower, upper = tuple(map(min, centre, other)), tuple(map(max, centre, other))
    robust = proved(lower, upper)
    return Region(lower, upper, robust, told if robust else "")


def _prover(network: Network, certified: Sequence[float], label: int) -> tuple[Proved, str]:
    """What proves that a box around the certified point has its class over the reals, and how that does it, in words."""
    if stacked(network) and _operations(network) <= MAX_OPERATIONS:
        return lambda lower, upper: robust_over_reals(network, lower, upper, label), "a proof in exact arithmetic"
    return _within([Fraction(c) for c in certified], _reach(network, certified, label)), BY_LIPSCHITZ


def _within(centre: Sequence[Fraction], reach: Fraction) -> Proved:
    """Whether every point of a box is nearer (L2) than ``reach`` to the centre."""

    def proved(lower: Sequence[Fraction], upper: Sequence[Fraction]) -> bool:
        ends = zip(lower, upper, centre, strict=True)
        return sum((max(c - low, up - c) ** 2 for low, up, c in ends), Fraction(0)) < reach**2

    return proved


def region_around(network: Network, fmt: Format, point: Sequence[float], label: int) -> Region:
    """Return a cube around a point of which a Lipschitz bound proves that it has the class ``label`` over the reals.

    Its half width is a power of two, its bounds are rounded inwards to ``fmt``.  Where no such cube is known it is the point
    alone, of which nothing is said to be proved.
    """
    centre = [Fraction(x) for x in point]
    reach = _reach(network, point, label)
    proved = _within(centre, reach)
    for half in _half_widths(reach, len(centre), reach / (2 * len(centre))) if reach else ():
        lower, upper = _cube(centre, half, fmt)
        if proved(lower, upper):
            return Region(lower, upper, True, BY_LIPSCHITZ)
    return Region(tuple(centre), tuple(centre), False)


def _cube(centre: Sequence[Fraction], half: Fraction, fmt: Format) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """The lower and the upper bounds of a cube, rounded inwards."""
    lower = tuple(round_fraction(c - half, fmt, Rounding.RTP).fraction() for c in centre)
    return lower, tuple(round_fraction(c + half, fmt, Rounding.RTN).fraction() for c in centre)


def _reach(network: Network, certified: Sequence[float], label: int) -> Fraction:
    """Over the reals every point nearer (L2) than this to the certified one has the class ``label``; 0: that is not known."""
    if network.operations > MAX_EXACT or not affordable_extra(exact_work(network, certified)):
        return Fraction(0)
    try:
        logits = exact_logits(network, certified)
        if top_class(logits) != label:
            return Fraction(0)
        return certifier("lipschitz", network).supremum(certified, logits)
    except InputError:  # a batch normalisation by an irrational number, a package that is not there, nothing that bounds it
        return Fraction(0)


def _half_widths(radius: Fraction, inputs: int, least: Fraction) -> Iterator[Fraction]:
    """Powers of two, downwards, from the largest cube inside the ball to the smallest that has the other point in it."""
    exponent = radius.numerator.bit_length() - radius.denominator.bit_length() + 1
    while inputs * power_of_two(2 * exponent) > radius**2:
        exponent -= 1
    while least and power_of_two(exponent) >= least:
        yield power_of_two(exponent)
        exponent -= 1


def robust_over_reals(network: Network, lower: Sequence[Fraction], upper: Sequence[Fraction], label: int) -> bool:
    """Whether it is proved that, in exact arithmetic, logit ``label`` exceeds all others everywhere in the box.

    A ReLU whose argument keeps its sign in the box is affine there; for any other both of its branches are followed, each over
    the whole box.  So the proof is sound, and complete for networks without hidden layers.  False means: not proved.
    """
    inputs = len(lower)
    if _operations(network) > MAX_OPERATIONS:
        return False
    identity: list[Affine] = [(tuple(Fraction(k == j) for k in range(inputs)), Fraction(0)) for j in range(inputs)]
    box = list(zip(lower, upper, strict=True))
    return _holds(network.dense_layers, identity, box, label, 1)


def _operations(network: Network) -> int:
    """Exact multiplications for one pattern of a stack of dense layers."""
    return sum(layer.inputs * layer.outputs for layer in network.dense_layers) * network.widths[0]


def _holds(
    layers: Sequence[Dense],
    values: Sequence[Affine],
    box: Sequence[tuple[Fraction, Fraction]],
    label: int,
    branches: int,
) -> bool:
    outputs = [_affine(layers[0], j, values) for j in range(layers[0].outputs)]
    if len(layers) == 1:
        return all(_lowest(_minus(outputs[label], other), box) > 0 for j, other in enumerate(outputs) if j != label)
    choices = [_relu(output, box) for output in outputs]
    branches *= math.prod(len(choice) for choice in choices)
    if branches > MAX_BRANCHES:
        return False
    return all(_holds(layers[1:], chosen, box, label, branches) for chosen in itertools.product(*choices))


def _affine(layer: Dense, output: int, values: Sequence[Affine]) -> Affine:
    weights = [Fraction(w) for w in layer.weight[output].tolist()]
    bias = Fraction(0) if layer.bias is None else Fraction(float(layer.bias[output]))
    coefficients = [
        sum((w * value[0][k] for w, value in zip(weights, values, strict=True)), Fraction(0)) for k in range(len(values[0][0]))
    ]
    return tuple(coefficients), sum((w * value[1] for w, value in zip(weights, values, strict=True)), bias)


def _relu(value: Affine, box: Sequence[tuple[Fraction, Fraction]]) -> list[Affine]:
    """The affine functions that the ReLU of one can be in the box: one of them or both."""
    zero: Affine = (tuple(Fraction(0) for _ in value[0]), Fraction(0))
    if _lowest(value, box) >= 0:
        return [value]
    return [zero] if _lowest(_minus(zero, value), box) >= 0 else [value, zero]


def _minus(a: Affine, b: Affine) -> Affine:
    return tuple(x - y for x, y in zip(a[0], b[0], strict=True)), a[1] - b[1]


def _lowest(value: Affine, box: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    """The exact minimum of an affine function on the box."""
    return value[1] + sum((c * (low if c > 0 else high) for c, (low, high) in zip(value[0], box, strict=True)), Fraction(0))
