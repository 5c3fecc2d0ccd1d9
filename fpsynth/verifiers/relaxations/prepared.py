"""A network as bounds are computed of it: affine maps and selections of flat vectors, each with what its evaluation rounds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.rounding_bounds import LayerLosses
from fpsynth.evaluators.step_losses import followable, stepwise
from fpsynth.networks.graph import INPUT
from fpsynth.networks.layers.structure import Selection, Structure, Sums
from fpsynth.networks.network import Network
from fpsynth.verifiers.asked import holds_all
from fpsynth.verifiers.bounds import float_up
from fpsynth.verifiers.relaxations.lines import Selecting
from fpsynth.verifiers.relaxations.maps import AffineMap, affine_map, scipy_sparse
from fpsynth.verifiers.relaxations.reasoning import LARGEST, Reasoning, magnitude

_KEPT = 16
"""Ends of a layer whose roundings are kept."""


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

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each source lies among the inputs."""
        ends = np.cumsum((0, *self.sizes)).tolist()
        return tuple(slice(start, stop) for start, stop in itertools.pairwise(ends))

    def joined(self, parts: Sequence[Floats]) -> Floats:
        """What the sources give, as one vector."""
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def rounding(self, lower: Floats, upper: Floats) -> Floats | float:
        """How far the node's results are from exact ones of its inputs between these ends, (outputs,).

        It is 0 where nothing is computed, infinite where the evaluation may overflow.
        """
        if self.reasoning.deployed is None or self.made is None:
            return 0.0
        fmt = self.reasoning.deployed
        if isinstance(self.made, Selecting):  # subnormals may be read as zeros, and a slope rounds
            if self.made.made.slope is None:
                return 2 * float(fmt.min_normal)
            moved = 4 * float(fmt.unit_roundoff) * magnitude(*self.made.ends(lower, upper, self.reasoning))
            given = self.made.largest(magnitude(lower, upper))  # a slope that is subnormal may be read as zero
            return 2 * float(fmt.min_normal) * (1 + given) + moved
        if self.losses is None:
            return 0.0
        inputs = magnitude(lower, upper)
        sizes = self.size(inputs)
        largest = float(inputs.max(initial=0.0))
        lost = self.losses.relative * sizes + self.losses.absolute + self.losses.flushed(largest)
        lost = lost * (1 + self.reasoning.gamma(4)) + self.reasoning.least
        lost = np.where(self.losses.fits(sizes + lost, largest), lost, np.inf)
        followed = self.followed(lower, upper)
        return lost if followed is None else np.minimum(lost, followed[2])

    def followed(self, lower: Floats, upper: Floats) -> tuple[Floats, Floats, Floats] | None:
        """For inputs between these ends: two ends of each result, and how far it is from the exact one, rounding by rounding.

        None where the layer is large, or bounds are not of one deployment; infinite where nothing is known of a result.
        """
        if self.losses is None or self.losses.deployment is None or not followable(self.losses.sums):
            return None
        return self._kept(lower.astype(np.float64).tobytes(), upper.astype(np.float64).tobytes())

    @cached_property
    def _kept(self) -> Callable[[bytes, bytes], tuple[Floats, Floats, Floats] | None]:
        """What ``_follow`` gives of ends in float64: every bound that is substituted through this layer asks about the same."""
        return lru_cache(maxsize=_KEPT)(lambda lower, upper: self._follow(np.frombuffer(lower), np.frombuffer(upper)))

    def _follow(self, lower: Floats, upper: Floats) -> tuple[Floats, Floats, Floats] | None:
        assert self.losses is not None
        assert self.losses.deployment is not None
        ends = list(zip(lower.tolist(), upper.tolist(), strict=True))
        reaches = stepwise(self.losses.sums, self.losses.deployment, self.losses.index, ends)
        if reaches is None:
            return None
        nothing = (-np.inf, np.inf, np.inf)
        columns = [nothing if r is None else (*_outward(r.low, r.high), float_up(r.lost)) for r in reaches]
        low, high, lost = table = np.array(columns).T
        table.flags.writeable = low.flags.writeable = high.flags.writeable = lost.flags.writeable = False
        return low, high, lost

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
    layers = []
    for node in order:
        structure, own = graph.structure(node.name), [sizes[source] for source in node.inputs]
        losses = None
        _require_constants(node.name, structure, reasoning)
        if isinstance(structure, Selection):
            made: AffineMap | Selecting | None = Selecting.of(structure)
        else:
            made = affine_map(structure, sum(own))
            made = None if made is None else made.cast(reasoning.dtype)
            if isinstance(structure, Sums) and reasoning.deployed is not None:
                if structure.normalisation is not None:
                    raise InputError(f"{node.name}: libraries compute a batch normalisation in several ways: fold it first")
                losses = LayerLosses(
                    node.name, structure, reasoning.deployed, reasoning.deployment, graph.sums.index(node.name)
                )
        layers.append(PreparedLayer(node.name, node.inputs, tuple(own), made, losses, reasoning))
    return PreparedNetwork(sizes[INPUT], tuple(layers), sizes[graph.output], reasoning)


def _require_constants(name: str, structure: Structure, reasoning: Reasoning) -> None:
    """Raise InputError for what is no maximum, and, of sound reasoning, for a bound or a fill that is not of the format."""
    if isinstance(structure, Selection) and structure.rule != "maximum":
        raise InputError(f"{name}: bounds by relaxation are of maxima, not of {structure.rule}")
    if reasoning.deployed is None or isinstance(structure, Sums):
        return
    given = (structure.floor, structure.ceiling) if isinstance(structure, Selection) else (structure.fill,)
    if not holds_all(reasoning.deployed, np.array([number for number in given if number is not None])):
        raise InputError(f"{name}: a bound or a fill is not a {reasoning.deployed}; round the network first")
