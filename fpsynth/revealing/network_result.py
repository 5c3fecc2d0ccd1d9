"""What a reveal of a network found: the arithmetic of every layer, and the network as it is really computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from fpsynth.formats import Format
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.network import Network
from fpsynth.networks.rewrites import Rewrite
from fpsynth.revealing.result import Check
from fpsynth.sums.arithmetic import Arithmetic, Deployment


@dataclass(frozen=True)
class FirstDifference:
    """The first number that a library computes otherwise than its revealed arithmetic."""

    point: tuple[float, ...]
    """Of the layer's inputs, flat."""
    output: int
    """Flat output position."""
    library: float
    predicted: float


@dataclass(frozen=True)
class LayerReveal:
    """One layer of sums."""

    name: str
    """The node in the network that was given."""
    kind: str
    nodes: tuple[str, ...]
    """The nodes that compute it in the network as it is computed."""
    classes: tuple[tuple[Arithmetic, int], ...]
    """Arithmetics, and how many outputs each computes, the commonest first; of all its nodes, one after the other."""
    explained: int
    """Outputs of the layer, over all inputs that were tried, that these arithmetics give bit for bit."""
    total: int
    first: FirstDifference | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    cached: bool = False
    """Whether the reveals of its kernels were read from the cache on disk; the check of the layer was made all the same."""

    @property
    def perfect(self) -> bool:
        """Whether every output is explained."""
        return self.explained == self.total > 0


@dataclass(frozen=True)
class NetworkReveal:
    """A network in an environment."""

    environment: Environment
    dtype: Format
    network: Network
    """As it is computed: the network that was given, rewritten where the library computes a layer by other operations."""
    deployment: Deployment
    """The arithmetic of each of its layers, in the row of the environment."""
    layers: tuple[LayerReveal, ...]
    check: Check
    """How many logits of whole runs the deployment gives bit for bit."""
    rows: tuple[tuple[tuple[int, ...], Deployment], ...] = ()
    """Where rows of a batch are computed in different ways: all of them, by the way; empty where one stands for all."""
    rewrites: tuple[Rewrite, ...] = ()
    version: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    revealed: str = ""
    """When, in ISO 8601."""
    cached: bool = False
    """Whether all of it was read from the cache on disk."""

    @property
    def deployments(self) -> dict[tuple[int, ...], Deployment]:
        """How each row of a batch is computed, by rows that are alike."""
        return dict(self.rows) or {tuple(range(self.environment.batch)): self.deployment}

    def in_row(self, row: int) -> Deployment:
        """How a row of a batch is computed."""
        return next(one for rows, one in self.deployments.items() if row in rows)

    @cached_property
    def perfect(self) -> bool:
        """Whether every layer and every logit that was tried is explained."""
        return self.check.perfect and all(layer.perfect for layer in self.layers)
