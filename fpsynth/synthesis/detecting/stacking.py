"""Networks written neuron by neuron, with chains of layers that multiply by powers of two: exactly in every arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from operator import mul

from fpsynth.errors import InputError
from fpsynth.formats import Format, power_of_two
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.orders import SEQUENTIAL
from fpsynth.rounding import Rounding, from_fraction, representable
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.numbers import widest
from fpsynth.sums.program import Program

MAX_WEIGHTS = 50_000
"""Of a network whose views are evaluated exactly: more take longer than anybody waits."""


def power_at_most(number: Fraction) -> Fraction:
    """The largest power of two <= ``number`` > 0."""
    exponent = number.numerator.bit_length() - number.denominator.bit_length()
    power = power_of_two(exponent)
    return power if power <= number else power / 2


def power_at_least(number: Fraction) -> Fraction:
    """The smallest power of two >= ``number`` > 0."""
    power = power_at_most(number)
    return power if power == number else power * 2


@dataclass(frozen=True)
class Stage:
    """What a layer may multiply by: ``weight``, a power of two, is the largest weight, ``width`` the copies of each value.

    A layer of ``width`` copies is read by sums of ``width`` equal products, so each further layer gains ``width * weight``.
    """

    weight: Fraction
    width: int

    def most(self, layers: int, read: int = 1) -> Fraction:
        """The largest factor of so many layers; the first of them reads ``read`` copies."""
        return read * self.weight * (self.width * self.weight) ** (layers - 1) if layers else Fraction(1)

    def layers(self, factor: Fraction, read: int = 1) -> int:
        """The smallest number of layers, at least one, that multiply by ``factor``.  Raises InputError where none do."""
        layers = 1
        while self.most(layers, read) < factor:
            if self.width * self.weight <= 1:
                raise self._too_weak()
            layers += 1
        return layers

    def factors(self, factor: Fraction, layers: int, read: int = 1) -> list[Fraction]:
        """What each layer multiplies by: as much as it may until the rest is 1.  Raises InputError for too few layers."""
        found: list[Fraction] = []
        for layer in range(layers):
            found.append(min(factor, self.weight * (self.width if layer else read)))
            factor /= found[-1]
        if factor != 1:
            raise self._too_weak()  # or they do not even carry a value on as it is
        return found

    def _too_weak(self) -> InputError:
        return InputError(f"layers of width {self.width} with weights up to {float(self.weight)} amplify nothing: widen them")


def stage(max_weight: Fraction, width: int | None) -> Stage:
    """The stage for a bound on the weights: ``width`` None is the least power of two that amplifies at all.

    Raises InputError for a bound that is not above 0, and a width that is no power of two (only powers of two copies of a
    number have a sum that is exact in every order, or nearly every).
    """
    if max_weight <= 0:
        raise InputError("the largest weight must be above 0")
    weight = power_at_most(max_weight)
    if width is None:
        width = max(1, int(2 / weight))
        if width > 4096:
            raise InputError(f"weights up to {float(max_weight):g} amplify nothing in layers of at most 4096 neurons")
    if width < 1 or width & (width - 1) or width > 4096:
        raise InputError(f"the width of a layer that amplifies must be a power of two up to 4096, not {width}")
    return Stage(weight, width)


@dataclass(frozen=True)
class Reading:
    """How a neuron reads a value off the layer in front of it: a sparse row and a bias."""

    row: Mapping[int, Fraction]
    bias: Fraction = Fraction(0)

    def times(self, factor: Fraction) -> Reading:
        """The reading of ``factor`` times the value."""
        return Reading({k: weight * factor for k, weight in self.row.items()}, self.bias * factor)


def mean(copies: Sequence[int]) -> Reading:
    """The value of which a layer holds these copies."""
    return Reading(dict.fromkeys(copies, Fraction(1, len(copies))))


@dataclass
class Sketch:
    """A network while it is written down: per layer its neurons, each a sparse row and a bias."""

    inputs: int
    layers: list[list[tuple[Mapping[int, Fraction], Fraction]]] = field(default_factory=list)

    def add(self, layer: int, row: Mapping[int, Fraction], bias: Fraction = Fraction(0), copies: int = 1) -> list[int]:
        """Append equal neurons to a layer, counted from 0; return their positions."""
        while len(self.layers) <= layer:
            self.layers.append([])
        start = len(self.layers[layer])
        self.layers[layer] += [(row, bias)] * copies
        return list(range(start, start + copies))

    def chain(self, layer: int, reading: Reading, factors: Sequence[Fraction], width: int) -> Reading:
        """Append layers of ``width`` copies, from ``layer`` on, that multiply by all factors but the last.

        Returns the reading, for the layer behind them, that multiplies by the last factor.
        """
        for position, factor in enumerate(factors[:-1]):
            scaled = reading.times(factor)
            reading = mean(self.add(layer + position, scaled.row, scaled.bias, width))
        return reading.times(factors[-1])

    def network(self, fmt: Format, before: Sequence[Dense] = (), *, last_bias: bool = False) -> Network:
        """The network, after the layers ``before``.

        Raises InputError where ``fmt`` lacks one of the numbers, and for more than MAX_WEIGHTS weights.  A layer whose biases
        are all zero gets none, but for the last one with ``last_bias``.
        """
        widths = [self.inputs, *map(len, self.layers)]
        size = sum(map(mul, widths, widths[1:]))
        if size > MAX_WEIGHTS:
            raise InputError(f"the further layers would hold {size} weights, more than {MAX_WEIGHTS}: allow larger weights")
        width, dense = self.inputs, list(before)
        for index, neurons in enumerate(self.layers):
            forced = last_bias and index + 1 == len(self.layers)
            weight = tuple(tuple(_number(row.get(k, Fraction(0)), fmt) for k in range(width)) for row, _ in neurons)
            bias = tuple(_number(bias, fmt) for _, bias in neurons)
            dense.append(Dense(weight, bias if any(bias) or forced else None))
            width = len(neurons)
        return dense_relu(tuple(dense))


def _number(number: Fraction, fmt: Format) -> float:
    if not representable(from_fraction(number), fmt):
        raise InputError(f"{fmt} does not hold {float(number):.6g}, which the construction needs")
    return float(number)


def any_width(how: Arithmetic) -> Arithmetic:
    """The arithmetic for a layer of another width: from left to right where its order is for so many terms only."""
    if how.format is None:
        return how
    if how.given is not None:
        return _rule(how.given)
    order = how.order.without_bias if how.order.any_number else SEQUENTIAL
    return replace(how, order=order, rounded=(), bias_leaf=False)


def _rule(program: Program) -> Arithmetic:
    """Sums from left to right in the formats of a program, of its widest accumulator; in its rounding mode, if it has one."""
    modes, wide = {one.mode for one in program.roundings}, widest(program)
    mode = modes.pop() if len(modes) == 1 else Rounding.RNE
    return Arithmetic(program.format, None if wide == program.format else wide, mode, flush=program.flush)


def shifted(deployment: Deployment, layer: int, outputs: int) -> Deployment:
    """The deployment of a deeper network whose layer ``layer``, of that many outputs, is evaluated as layer 0 is here."""
    return _with(deployment, {(layer, j): deployment.at(0, j) for j in range(outputs)})


def extended(deployment: Deployment, network: Network) -> Deployment:
    """The deployment of ``network`` followed by further layers, which are evaluated alike but for orders of a fixed width."""
    places = [(index, j) for index, layer in enumerate(network.dense_layers) for j in range(layer.outputs)]
    return _with(deployment, {place: deployment.at(*place) for place in places})


def _with(deployment: Deployment, places: Mapping[tuple[int, int], Arithmetic]) -> Deployment:
    default = any_width(deployment.default)
    return Deployment(default, tuple((place, how) for place, how in places.items() if how != default))
