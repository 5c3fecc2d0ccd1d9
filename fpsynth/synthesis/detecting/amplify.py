"""Bounded weights: a tiny difference between two arithmetics is amplified layer by layer, and large constants are built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import Format
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.predicates import SEARCHED, Predicate
from fpsynth.rounding import from_fraction
from fpsynth.synthesis.detecting.stacking import (
    Reading,
    Sketch,
    Stage,
    extended,
    mean,
    power_at_least,
    power_at_most,
    shifted,
    stage,
)
from fpsynth.synthesis.detecting.swallowing import Swallowing, swallowing
from fpsynth.synthesis.detecting.wanted import LastLayer, Strength
from fpsynth.witness.data import View, Witness, only_point
from fpsynth.witness.prediction import with_prediction

OUTPUTS = ("gap", "argmax")


def amplified(
    flip: Witness, *, max_weight: Fraction, gap: Fraction = Fraction(1), width: int | None = None, output: str = "gap"
) -> Witness:
    """Append the fewest ReLU layers after which the views are ``gap`` apart, no weight or bias above ``max_weight``.

    ``flip`` has the predicate sign, relu or gap on one neuron, whose value is v in the reference and v' in the deployed view.
    The layers compute g * (ReLU(v) - low), where low is the smaller of ReLU(v) and ReLU(v') (of -v and -v' if those are
    further apart) and g a power of two: exactly, apart from that one subtraction, and 0 in the view that gives low.  Each
    layer gains at most max_weight * width; the width of the layers, a power of two, is by default the least that gains.
    Equal products are summed exactly in every order for widths 1 and 2; for wider layers one more layer first turns a value
    h of too many bits into a power of two, h - ReLU(h - 2**e), of which every multiple up to the width is exact.

    ``output``: ``gap`` for one neuron, 0 in one view and at least ``gap`` in the other; ``argmax`` for two classes, that
    neuron against a threshold, which wins or loses by at least ``gap``.

    Raises InputError where the flip's own weights exceed the bound, where no number of layers amplifies (bound and width too
    small), where a threshold exceeds the bound, where a silent view departs once amplified, and for other predicates.
    """
    alone = flip.predicate.kind in SEARCHED and not flip.predicate.relation.about_classes
    if not alone or any(view.permutation for view in flip.views):
        raise InputError("only a flip of one neuron (sign, relu, gap) without permutations can be amplified")
    if output not in OUTPUTS:
        raise InputError(f"unknown output {output!r}; choose from {', '.join(OUTPUTS)}")
    if gap <= 0:
        raise InputError("a gap must be above 0")
    if max(map(abs, flip.network.entries())) > max_weight:
        raise InputError(f"the flip's own weights exceed {float(max_weight):.6g}: search for it with smaller weights")
    views = [with_prediction(flip.network, flip.point, view) for view in flip.views]
    a, b = (view.logits[flip.predicate.output] for view in views[:2])
    if output == "gap" and abs(a - b) >= gap:
        return evaluated(flip, flip.network, views, Predicate("gap", flip.predicate.output, bound=gap), max_weight)
    signal, network = _signal(flip, a, b)
    if output == "gap":
        layers = _layers(signal, stage(max_weight, width), max_weight, gap, None)
        predicate = Predicate("gap", bound=gap)
    else:
        threshold = power_at_least(gap)
        if threshold > max_weight:
            raise InputError(f"two classes that far apart need a threshold above {float(max_weight):.6g}: lower the gap")
        layers = _layers(signal, stage(max_weight, width), max_weight, 2 * threshold, threshold)
        predicate = Predicate("argmax")
    deeper = layers.network(flip.format, network.dense_layers)
    views = [replace(view, deployment=extended(view.deployment, network)) for view in views]
    return evaluated(flip, deeper, views, predicate, max_weight)


@dataclass(frozen=True)
class _Signal:
    """A neuron that is worth ``low`` in one view and ``high`` > low >= 0 in the other, after its ReLU."""

    output: int
    outputs: int
    low: Fraction
    high: Fraction
    format: Format


def _signal(flip: Witness, a: Fraction, b: Fraction) -> tuple[_Signal, Network]:
    """The signal, and the network whose last layer is negated where that tells the views further apart."""
    k, network = flip.predicate.output, flip.network
    low, high = sorted((max(a, Fraction(0)), max(b, Fraction(0))))
    under, over = sorted((max(-a, Fraction(0)), max(-b, Fraction(0))))
    if over - under > high - low:
        low, high = under, over
        *before, last = network.dense_layers
        network = dense_relu((*before, Dense(-last.weight, None if last.bias is None else -last.bias)))
    if low == high:
        raise InputError("the two views are equal: there is nothing to amplify")
    return _Signal(k, network.dense_layers[-1].outputs, low, high, flip.format), network


def _layers(signal: _Signal, by: Stage, bound: Fraction, wanted: Fraction, threshold: Fraction | None) -> Sketch:
    """The further layers, which turn the signal into 0 and at least ``wanted``, and put the threshold, if any, beside it."""
    sketch, layer, read = Sketch(signal.outputs), 0, 1
    reading, value = Reading({signal.output: Fraction(1)}), signal.high - signal.low
    uneven = by.width > 2 and _bits(value) + by.width.bit_length() - 1 > signal.format.precision
    if signal.low:
        reading = Reading(reading.row, -signal.low)
        scale = min(by.weight, power_at_most(bound / signal.low))  # the offset is a bias, and bounded as well
        if (value * scale < wanted or threshold is not None) or uneven:
            read = 1 if uneven else by.width
            reading = mean(sketch.add(0, reading.times(scale).row, reading.times(scale).bias, read))
            value, layer = value * scale, 1
    if uneven:
        scale = min(by.weight, power_at_most(bound / value), Fraction(1))
        even = power_at_most(value * scale)
        whole, above = *sketch.add(layer, reading.times(scale).row), *sketch.add(layer, reading.times(scale).row, -even)
        reading, value, layer, read = Reading({whole: Fraction(1), above: Fraction(-1)}), even, layer + 1, 1
    factor = power_at_least(wanted / value)
    factors = by.factors(factor, by.layers(factor, read), read)
    last = sketch.chain(layer, reading, factors, by.width)
    sketch.add(layer + len(factors) - 1, last.row, last.bias)
    if threshold is not None:
        sketch.add(layer + len(factors) - 1, {}, threshold)
    return sketch


def _bits(number: Fraction) -> int:
    """Significant bits of a dyadic rational."""
    return from_fraction(number).significand.bit_length()


def bounded_detector(sides: Sequence[View], layer: LastLayer, strength: Strength, *, question: str = "order") -> Witness:
    """A network of one input, which is 1, that tells two arithmetics of its last layer apart, no weight above a bound.

    Hidden layers build omega and the gap (the next power of two) out of the input, multiplying by powers of two; the last
    hidden layer holds as many values as ``layer`` has terms, of which the last layer adds up -omega, omega and the gap where
    one arithmetic loses it (see ``swallowing``).  ``sides``, the reference, the deployed one and any that are silent and must
    not depart, say how ``layer`` is evaluated; all layers but the last compute exactly in every order.

    Raises InputError where no such summands tell the arithmetics apart, where a silent view departs, where the format does
    not hold the numbers, without a bound, and for a bound and a width that build nothing.
    """
    fmt, terms, outputs, neuron = layer.format, layer.terms, layer.outputs, layer.neuron
    gap, max_weight = strength.gap, strength.max_weight
    if gap <= 0:
        raise InputError("a gap must be above 0")
    if max_weight is None:
        raise InputError("a bounded detector needs a bound on its weights")
    by, small = stage(max_weight, strength.width), power_at_least(gap)
    hows = [view.deployment.at(0, neuron) for view in sides[:2]]
    found = swallowing(hows[0], hows[1], terms, small)
    depth = max(by.layers(found.omega / by.weight), by.layers(small / min(by.weight, Fraction(1))))
    sketch, ending, one = Sketch(1), Ending(found, small, by, depth, fmt), Reading({0: Fraction(1)})
    readings = [sketch.chain(0, one, by.factors(level, depth), by.width) for level in (ending.large_level, ending.small_level)]
    ending.write(sketch, terms, readings[0], readings[1], outputs, neuron)
    network = sketch.network(fmt, last_bias=any(how.needs_bias for how in hows))
    blank = Witness(question, fmt, network, only_point((1.0,)), Predicate("gap", neuron, bound=gap), (), construction="bounded")
    views = [replace(view, deployment=shifted(view.deployment, depth, outputs)) for view in sides]
    return evaluated(blank, network, views, blank.predicate, max_weight)


@dataclass(frozen=True)
class Ending:
    """The last hidden layer, ``depth`` - 1, and the last one, which adds up the summands of a swallowing."""

    found: Swallowing
    small: Fraction
    by: Stage
    depth: int
    """Number of hidden layers."""
    format: Format

    def __post_init__(self) -> None:
        if self.large_weight > self.by.weight or self.small_level > self.format.max_finite:
            raise InputError(f"{self.format} does not hold what the gap needs: ask for a smaller one, or allow larger weights")

    @property
    def large_weight(self) -> Fraction:
        """The last layer's weight of omega: 1 unless the hidden layers or their format do not reach omega by themselves."""
        omega = self.found.omega
        return max(self.small_weight, omega / self.by.most(self.depth), omega / power_at_most(self.format.max_finite))

    @property
    def small_weight(self) -> Fraction:
        """The last layer's weight of the small summand."""
        return min(self.by.weight, Fraction(1))

    @property
    def large_level(self) -> Fraction:
        """What the last hidden layer holds of omega."""
        return self.found.omega / self.large_weight

    @property
    def small_level(self) -> Fraction:
        """What the last hidden layer holds of the small summand."""
        return self.small / self.small_weight

    def write(self, sketch: Sketch, terms: int, large: Reading, small: Reading, outputs: int, output: int) -> None:
        """Append both layers; all other neurons of the last hidden layer are 0, and so are all outputs but one."""
        found, nothing = self.found, Reading({})
        for k in range(terms):
            reading = large if k in (found.minus, found.plus) else small if k == found.small else nothing
            sketch.add(self.depth - 1, reading.row, reading.bias)
        row = {found.minus: -self.large_weight, found.plus: self.large_weight, found.small: self.small_weight}
        for j in range(outputs):
            sketch.add(self.depth, row if j == output else {})


def evaluated(
    flip: Witness, network: Network, views: Sequence[View], predicate: Predicate, max_weight: Fraction | None
) -> Witness:
    """``flip`` with another network, views and predicate, every view evaluated exactly; ``max_weight`` is what it promises.

    What was proved of, observed or sampled on the former network is dropped.  Raises InputError where the deployed view does
    not depart from the reference, or a silent one does.
    """
    if max_weight is not None and any(abs(Fraction(entry)) > max_weight for entry in network.entries()):
        raise AssertionError("a weight exceeds the bound")
    point = flip.at(views[1])
    filled = tuple(with_prediction(network, point, view) for view in views)
    reference, deployed, *silent = filled
    if not predicate.fires(deployed.logits, reference.logits):
        raise InputError(f"{deployed.label} does not depart from {reference.label} once the difference is amplified")
    for view in silent:
        if predicate.fires(view.logits, reference.logits):
            raise InputError(f"{view.label}, which must stay silent, departs from {reference.label} once amplified")
    return replace(
        flip,
        network=network,
        predicate=predicate,
        views=filled,
        real=exact_logits(network, point),
        measure=predicate.measure(reference.logits, deployed.logits),
        sampled=None,
        optimum="",
        observations=(),
        max_weight=max_weight,
    )
