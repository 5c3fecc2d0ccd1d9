"""Ways to evaluate a network that is given: arithmetics for all of its layers, or an environment, revealed layer by layer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fpsynth.aliases import Floats, Progress
from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.work import array_work
from fpsynth.formats import FLOAT64, Format
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.libraries.registry import NAMES
from fpsynth.networks.layers import BatchNormalisation, Sums
from fpsynth.networks.network import Network
from fpsynth.revealing.network_json import network_from_kept
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.sides import Shape, Sides
from fpsynth.witness.data import View
from fpsynth.workers.deadlines import require_time

if TYPE_CHECKING:
    from fpsynth.libraries.kernels import Environment
    from fpsynth.revealing.network_result import NetworkReveal
    from fpsynth.revealing.revealer import Revealer


_BETWEEN = 0.25
"""Seconds that points evaluated together are estimated at, at most, where they are several."""
_MOST = 1024
"""Points that are evaluated together, at most."""
_ROW = re.compile(r"[:,]row=")
"""How the text of an environment says which row of a batch is looked at."""


@dataclass(frozen=True)
class GivenView:
    """A view of a given network, and how it is evaluated over arrays."""

    view: View
    network: Network
    """As it is computed."""
    found: NetworkReveal | None = None
    """Of an environment."""
    fixed: bool = False
    """Whether its row of a batch was asked for: no other one counts."""

    def __call__(self, points: Floats) -> Floats:
        """The logits (points, outputs) of points (points, inputs).

        Of a view in exact arithmetic those in float64, which are near to them: what rests on them is computed exactly later.
        Raises OutOfTimeError between some points and the next ones.
        """
        starts = range(0, max(1, len(points)), self.rows)
        return np.concatenate([self._outputs(points[start : start + self.rows]) for start in starts])

    def _outputs(self, points: Floats) -> Floats:
        require_time()
        with np.errstate(all="ignore"):
            outputs = network_outputs(self.network, points.reshape(len(points), *self.network.input_shape), self._over_arrays)
        return np.asarray(outputs.reshape(len(points), -1))

    @cached_property
    def _over_arrays(self) -> Deployment:
        """How it is evaluated over arrays."""
        exact = self.view.deployment.default.format is None
        return Deployment(Arithmetic(FLOAT64)) if exact else self.view.deployment

    @cached_property
    def rows(self) -> int:
        """Points that are evaluated between two looks at the clock."""
        return max(1, int(_BETWEEN / max(array_work(self.network, self._over_arrays).seconds, _BETWEEN / _MOST)))

    @property
    def explained(self) -> bool:
        """Whether every number that was tried is the one that the environment gives."""
        return self.found is None or self.found.perfect

    def in_row(self, row: int) -> GivenView:
        """The view in another row of its environment's batch, named with that row.  Itself where its own was asked for."""
        if self.found is None or self.fixed or row == self.view.row:
            return self
        placed = str(replace(self.found.environment, row=row))
        deployment = self.found.in_row(row)
        return replace(self, view=replace(self.view, label=placed, environment=placed, row=row, deployment=deployment))


def is_network_environment(text: str) -> bool:
    """Whether a text names a library, and so an environment of a whole network."""
    return text.partition(":")[0].strip() in NAMES


@dataclass(frozen=True)
class Given:
    """A network, the format that it is computed in, and what its reveals take."""

    network: Network
    format: Format
    revealer: Revealer
    vectors: int = 1000
    seed: int = 0
    progress: Progress = lambda text: None
    notes: tuple[str, ...] = ()
    """What was made of what was given: an ending left out, numbers rounded."""


def given_view(given: Given, text: str, name: str, role: str) -> GivenView:
    """The view that ``text`` stands for: ``real``, an order with how its sums are taken, or an environment.

    Raises InputError for what cannot be used, and for an order that does not fit every layer.
    """
    graph, fmt = given.network.logits, given.format
    if is_network_environment(text):
        where = parse_network_environment(text)
        given.progress(f"revealing {where}")
        answer = given.revealer.network(graph, fmt, where, vectors=given.vectors, seed=given.seed)
        found = network_from_kept(answer["kept"], graph, where, fmt)
        return replace(_of_environment(graph, found, where, name, role), fixed=_ROW.search(text) is not None)
    for node in graph.nodes:
        if isinstance(node.layer, BatchNormalisation):
            raise InputError(
                f"{node.name}: no order says how a batch normalisation is computed: name environments as sides, such as"
                f" torch:batch=1, not {text}"
            )
    if text.endswith(".json"):
        raise InputError(f"{text}: a reveal file is of one layer; name an order, real, or an environment such as torch:batch=1")
    return GivenView(View(name, text, role, Deployment(_arithmetic(graph, fmt, text))), graph)


def _of_environment(network: Network, found: NetworkReveal, where: Environment, name: str, role: str) -> GivenView:
    placed = str(where)
    own = None if found.network == network else found.network
    view = View(name, placed, role, found.deployment, placed, network=own, row=where.row)
    return GivenView(view, found.network, found)


def _arithmetic(network: Network, fmt: Format, text: str) -> Arithmetic:
    """The arithmetic that a text names, which has to fit the sums of every layer."""
    read: Sequence[Arithmetic] = []
    for name in network.sums:
        structure = network.structure(name)
        assert isinstance(structure, Sums)
        read = [*read, Sides(fmt, Shape(structure.terms, structure.outputs, 0)).arithmetic(text)]
    if not read:
        raise InputError("the network adds nothing: there is nothing to tell apart")
    return read[0]
