"""A network as bounds are computed of it: affine maps and selections of flat vectors, each with what its evaluation rounds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.rounding_bounds import LayerLosses
from fpsynth.evaluators.step_losses import MULTIPLE_OF_ALL, followable, stepwise, unit_of
from fpsynth.formats import Format
from fpsynth.networks.graph import INPUT
from fpsynth.networks.layers.structure import PADDING, Selection, Structure, Sums
from fpsynth.networks.network import Network
from fpsynth.verifiers.asked import holds_all
from fpsynth.verifiers.bounds import float_up
from fpsynth.verifiers.relaxations.formats import node_formats
from fpsynth.verifiers.relaxations.lines import Selecting
from fpsynth.verifiers.relaxations.maps import AffineMap, affine_map, scipy_sparse
from fpsynth.verifiers.relaxations.reasoning import LARGEST, Reasoning, magnitude

Units = NDArray[np.int64]
"""(numbers,): exponents of powers of two that numbers are multiples of."""
NOTHING_KNOWN = -(1 << 20)
"""The exponent of a number of which no more is known than its format."""


@dataclass(frozen=True, eq=False)
class PreparedLayer:
    """One node: what it makes of its sources, one behind the other."""

    name: str
    sources: tuple[str, ...]
    sizes: tuple[int, ...]
    """Numbers of each source."""
    made: AffineMap | Selecting | None
    """None: all inputs as they are."""
    losses: LayerLosses | None
    """What its sums lose in the evaluation that bounds are of; None: nothing, or it does not add."""
    reasoning: Reasoning
    format: Format | None = None
    """Of sound reasoning: that of its results."""

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each source lies among the inputs."""
        ends = np.cumsum((0, *self.sizes)).tolist()
        return tuple(slice(start, stop) for start, stop in itertools.pairwise(ends))

    def joined(self, parts: Sequence[Floats]) -> Floats:
        """What the sources give, as one vector."""
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def rounding(self, lower: Floats, upper: Floats, units: Units | None = None) -> Floats | float:
        """How far the node's results are from exact ones of its inputs between these ends, (outputs,).

        It is 0 where nothing is computed, infinite where the evaluation may overflow.  ``units``: as of ``Ends``.
        """
        if self.format is None or self.made is None:
            return 0.0
        fmt = self.format
        if isinstance(self.made, Selecting):  # subnormals may be read as zeros, and a slope rounds
            given = self.made.largest(magnitude(lower, upper))
            lost = np.full_like(given, 2 * float(fmt.min_normal))
            if self.made.made.slope is not None:
                moved = 4 * float(fmt.unit_roundoff) * magnitude(*self.made.ends(lower, upper, self.reasoning))
                lost = lost * (1 + given) + moved  # a slope that is subnormal may be read as zero
            return np.where(np.isfinite(given), lost, np.inf)  # what overflows may be NaN, which no bound of it keeps out
        if self.losses is None:
            return 0.0
        inputs = magnitude(lower, upper)
        sizes = self.size(inputs)
        largest = float(inputs.max(initial=0.0))
        lost = self.losses.relative * sizes + self.losses.absolute + self.losses.flushed(largest)
        lost = lost * (1 + self.reasoning.gamma(4)) + self.reasoning.least
        lost = np.where(self.losses.fits(sizes + lost, largest), lost, np.inf)
        followed = self.followed(lower, upper, units)
        return lost if followed is None else np.minimum(lost, followed.lost)

    def followed(self, lower: Floats, upper: Floats, units: Units | None = None) -> Followed | None:
        """What its sums are for inputs between these ends, rounding by rounding.

        None where the layer is large, or bounds are not of one deployment; infinite where nothing is known of a result.  Kept:
        every substitution through the layer asks for the same again.
        """
        if self.losses is None or self.losses.deployment is None or not followable(self.losses.sums):
            return None
        return _followed(
            self,
            lower.astype(np.float64).tobytes(),
            upper.astype(np.float64).tobytes(),
            None if units is None else units.tobytes(),
        )

    def units(self, given: Units | None) -> Units | None:
        """Those of its results, where it hands on numbers that it reads; ``given``: those of its inputs."""
        if given is None or self.made is None:
            return given
        if not isinstance(self.made, Selecting) or self.made.made.slope is not None:
            return None
        padded = np.append(given, np.int64(MULTIPLE_OF_ALL))
        most = padded[np.where(self.made.read == PADDING, -1, self.made.read)].min(axis=1)
        ends = [unit_of(Fraction(end)) for end in (self.made.made.floor, self.made.made.ceiling) if end is not None]
        return np.asarray(np.minimum(most, min(ends, default=MULTIPLE_OF_ALL)), np.int64)

    def size(self, inputs: Floats) -> Floats:
        """A bound on the sum of the magnitudes of all addends for inputs of these magnitudes, (outputs,)."""
        assert isinstance(self.made, AffineMap)
        sizes = self.made.magnitude @ inputs + np.abs(self.made.bias)
        return np.asarray(sizes * (1 + self.reasoning.gamma(self.made.terms) + 2 * self.made.doubt) + self.reasoning.least)

    def own(self, inputs: Floats) -> Floats | float:
        """What a product with the matrix loses for each output, with inputs of these magnitudes: by how bounds are computed."""
        assert isinstance(self.made, AffineMap)
        if not self.reasoning.rigorous:
            return 0.0
        sizes = self.size(inputs)
        lost = (self.reasoning.gamma(self.made.terms) + 2 * self.made.doubt) * sizes + self.reasoning.least
        lost = lost if self.made.off is None else lost + 2 * self.made.off
        return np.where((sizes <= LARGEST) & (inputs.max(initial=0.0) <= LARGEST), lost, np.inf)


@dataclass(frozen=True, eq=False)
class Followed:
    """Sums of which every rounding was followed, each (outputs,)."""

    low: Floats
    high: Floats
    """Between which the results lie."""
    lost: Floats
    """How far they are from exact sums of the same inputs, at most."""
    units: Units
    """Of what powers of two they are multiples."""


@lru_cache(maxsize=64)
def _followed(layer: PreparedLayer, lower: bytes, upper: bytes, units: bytes | None) -> Followed | None:
    losses = layer.losses
    assert losses is not None
    assert losses.deployment is not None
    ends = list(zip(np.frombuffer(lower).tolist(), np.frombuffer(upper).tolist(), strict=True))
    own = None if units is None else np.frombuffer(units, np.int64).tolist()
    reaches = stepwise(losses.sums, losses.deployment, losses.index, ends, own)
    if reaches is None:
        return None
    nothing = (-np.inf, np.inf, np.inf)
    columns = [nothing if r is None else (*_outward(r.low, r.high), float_up(r.lost)) for r in reaches]
    low, high, lost = np.array(columns).T
    units_of = np.array([NOTHING_KNOWN if r is None else r.unit for r in reaches], np.int64)
    for kept in (low, high, lost, units_of):
        kept.flags.writeable = False
    return Followed(low, high, lost, units_of)


def _outward(low: Fraction, high: Fraction) -> tuple[float, float]:
    """Floats around two rationals."""
    return -float_up(-low), float_up(high)


@dataclass(frozen=True, eq=False)
class PreparedNetwork:
    """All of a network, in an order in which each follows its sources."""

    inputs: int
    layers: tuple[PreparedLayer, ...]
    outputs: int
    reasoning: Reasoning

    @cached_property
    def output(self) -> str:
        """The name of the last."""
        return self.layers[-1].name

    @cached_property
    def named(self) -> dict[str, PreparedLayer]:
        """By their names."""
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def sizes(self) -> dict[str, int]:
        """How many numbers each gives, and INPUT."""
        found = {INPUT: self.inputs}
        for layer in self.layers:
            for source, size in zip(layer.sources, layer.sizes, strict=True):
                found[source] = size
        found[self.output] = self.outputs
        return found


def prepared(network: Network, reasoning: Reasoning) -> PreparedNetwork:
    """The layers of a network up to its logits.

    Raises InputError for a layer that is too large, and for sound reasoning about a batch normalisation, which must be
    rewritten as what it is computed as; MissingPackageError where scipy is needed and absent.
    """
    scipy_sparse()  # where it is absent, it is so for every network
    graph = network.logits
    sizes = {name: int(np.prod(shape, dtype=np.int64)) for name, shape in graph.shapes.items()}
    order = [node for node in graph.nodes if node.name != graph.output] + [graph[graph.output]]
    layers, formats = [], node_formats(network, reasoning)
    for node in order:
        structure, own = graph.structure(node.name), [sizes[source] for source in node.inputs]
        losses, fmt = None, formats.get(node.name)
        _require_constants(node.name, structure, fmt)
        if isinstance(structure, Selection):
            made: AffineMap | Selecting | None = Selecting.of(structure)
        else:
            made = affine_map(structure, sum(own))
            made = None if made is None else made.cast(reasoning.dtype)
            if isinstance(structure, Sums) and fmt is not None:
                if structure.normalisation is not None:
                    raise InputError(f"{node.name}: libraries compute a batch normalisation in several ways: fold it first")
                losses = LayerLosses(node.name, structure, fmt, reasoning.deployment, graph.sums.index(node.name))
        layers.append(PreparedLayer(node.name, node.inputs, tuple(own), made, losses, reasoning, fmt))
    return PreparedNetwork(sizes[INPUT], tuple(layers), sizes[graph.output], reasoning)


def _require_constants(name: str, structure: Structure, fmt: Format | None) -> None:
    """Raise InputError for what is no maximum, and, of sound reasoning, for a bound or a fill that is not of the format."""
    if isinstance(structure, Selection) and structure.rule != "maximum":
        raise InputError(f"{name}: bounds by relaxation are of maxima, not of {structure.rule}")
    if fmt is None or isinstance(structure, Sums):
        return
    given = (structure.floor, structure.ceiling) if isinstance(structure, Selection) else (structure.fill,)
    if not holds_all(fmt, np.array([number for number in given if number is not None])):
        raise InputError(f"{name}: a bound or a fill is not a {fmt}; round the network first")
