"""Environments: how each computes a network, revealed on this machine; what it gives, by its revealed order and by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np

from fpsynth.aliases import Floats, Json
from fpsynth.corpus.labels.points import Grid
from fpsynth.corpus.semantics import ENVIRONMENTS
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.formats import FLOAT32
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.networks.network import Network
from fpsynth.revealing.network_json import computed_from_json, computed_to_json, network_from_kept
from fpsynth.revealing.revealer import Revealer
from fpsynth.sums.arithmetic import Deployment

RUN = 64
"""Inputs of a box at which libraries are run."""
VECTORS = 256
"""Hostile vectors on which each kernel is checked."""


@dataclass(frozen=True)
class Computed:
    """A network as one environment computes it."""

    environment: str
    network: Network
    """The network that was given, rewritten where the library rewrites it."""
    deployment: Deployment

    def outputs(self, points: Floats) -> Floats:
        """(points, outputs) for float32 points (points, inputs), bit for bit what the environment computes."""
        rows = self.network.logits
        with np.errstate(all="ignore"):
            values = network_outputs(self.network, points.reshape(len(points), *rows.input_shape), self.deployment)
        return values.reshape(len(points), -1)

    @property
    def order(self) -> str:
        """Layer by layer, in words."""
        layers = range(len(self.network.sums))
        return "; ".join(f"{self.network.sums[k]}: {self._layer(k)}" for k in layers)

    def _layer(self, k: int) -> str:
        others = {str(arithmetic) for (layer, _), arithmetic in self.deployment.exceptions if layer == k}
        return " or ".join(dict.fromkeys([str(self.deployment.of_layer(k)), *sorted(others)]))

    def to_json(self, given: Network) -> Json:
        """As data, for ``computed_from``."""
        return computed_to_json(self.network, self.deployment, given)


def computed_from(data: Json, given: Network, environment: str) -> Computed:
    """What ``Computed.to_json`` wrote of ``given``.  Raises InputError for anything else."""
    return Computed(environment, *computed_from_json(data, given.logits, FLOAT32))


@dataclass
class Environments:
    """The environments of this machine that instances are labelled for.  A context manager: it holds processes."""

    names: Sequence[str] = ENVIRONMENTS
    vectors: int = VECTORS
    versions: dict[str, str] = field(default_factory=dict)
    """Of the libraries, by environment, once something was revealed there."""

    def __post_init__(self) -> None:
        """Raises InputError for an environment that nobody knows."""
        self.parsed = {name: parse_network_environment(name) for name in self.names}
        self.revealer = Revealer()
        self._known: tuple[Network, dict[str, Computed | None]] | None = None

    def computed(self, network: Network, name: str) -> Computed | None:
        """How an environment computes a network of float32; None where what was revealed does not explain all that it gives, or
        holds for some rows of a batch only.

        Raises InputError where the library is not there, or does not run the network.
        """
        if self._known is None or self._known[0] is not network:
            self._known = network, {}  # an instance is asked about again and again, and then never more
        if name not in self._known[1]:
            self._known[1][name] = self._computed(network, name)
        return self._known[1][name]

    def _computed(self, network: Network, name: str) -> Computed | None:
        where = self.parsed[name]
        answer = self.revealer.network(network, FLOAT32, where, vectors=self.vectors)
        reveal = network_from_kept(answer["kept"], network.logits, where, FLOAT32)
        self.versions[name] = f"{where.library} {reveal.version}"
        trusted = reveal.perfect and not reveal.rows
        return Computed(name, reveal.network, reveal.deployment) if trusted else None

    def run(self, network: Network, name: str, point: Sequence[float]) -> tuple[tuple[float, ...], ...]:
        """What the library itself gives at a point, in every row of a batch of it."""
        points = np.array([point] * self.parsed[name].batch, np.float64)
        return tuple(map(tuple, self.outputs(network, name, points).tolist()))

    def outputs(self, network: Network, name: str, points: Floats) -> Floats:
        """What the library itself gives at points (points, inputs), whole batches of them: (points, outputs)."""
        answer = self.revealer.outputs(network, FLOAT32, self.parsed[name], points)
        outputs: Floats = answer["outputs"].reshape(len(points), -1)
        return outputs

    def agrees(self, network: Network, computed: Computed, grid: Grid) -> bool:
        """Whether the library gives the outputs of its revealed order, bit for bit, at RUN inputs of a box."""
        batch = self.parsed[computed.environment].batch
        points = grid.tried(-(-RUN // batch) * batch)
        given = self.outputs(network, computed.environment, points)
        return bool(np.array_equal(given, computed.outputs(points), equal_nan=True))

    def close(self) -> None:
        """End the processes."""
        self.revealer.close()

    def __enter__(self) -> Environments:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
