"""Layers and networks run in a library on arrays of points, in batches of one size, and compared with an arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fpsynth.aliases import Array
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import Format
from fpsynth.libraries.base import Library, attempt
from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.operands import narrowed, widened
from fpsynth.networks.graph import INPUT
from fpsynth.networks.network import Network, Node
from fpsynth.revealing.checking import same_numbers
from fpsynth.sums.arithmetic import Deployment

Rows = tuple[int, ...]
"""Rows of a batch that are computed alike."""


class Runs:
    """A network in an environment of a loaded library."""

    def __init__(self, library: Library, network: Network, dtype: Format, where: Environment) -> None:
        """Raises CannotRun where the library cannot run it."""
        graph = network.logits
        self.library, self.dtype, self.batch = library, dtype, where.batch
        numbers = {
            node.name: [None if (x := getattr(node.layer, name)) is None else self._narrow(x) for name in node.layer.parameters]
            for node in graph.nodes
        }
        self.model = attempt(library.model, graph, numbers, dtype, where.operation, where.device, None, where.layout)

    def _narrow(self, numbers: Array) -> Array:
        return narrowed(np.asarray(numbers, np.float64), self.dtype, self.library.takes_patterns)

    def __call__(self, points: Array) -> Array:
        """The outputs (points, outputs) in float64 for points (points, inputs); a last batch is filled up."""
        parts = []
        for start in range(0, len(points), self.batch):
            rows = points[start : start + self.batch]
            full = np.concatenate([rows, np.repeat(rows[-1:], self.batch - len(rows), axis=0)])
            result = attempt(lambda batch: self.library.numbers(self.model(batch)), self._narrow(full))
            parts.append(widened(np.asarray(result)).reshape(self.batch, -1)[: len(rows)])
        return np.concatenate(parts)


def alone(network: Network, name: str) -> Network:
    """One node of one input as a network."""
    node = network[name]
    return Network((Node(name, node.layer),), network.shapes[node.inputs[0]], name)


def up_to(network: Network, name: str) -> Network:
    """The network that ends at a node: only what that needs."""
    needed, todo = {name}, [name]
    while todo:
        for source in network[todo.pop()].inputs:
            if source != INPUT and source not in needed:
                needed.add(source)
                todo.append(source)
    return replace(network, nodes=tuple(node for node in network.nodes if node.name in needed), output=name)


def predicted(network: Network, points: Array, deployments: Mapping[Rows, Deployment]) -> Array:
    """What the arithmetics of deployments give, (points, outputs); by the rows of a batch, which points fill in turn."""
    return placed([_given(network, part, how) for part, how in in_rows(points, deployments)], len(points), deployments)


def in_rows(points: Array, deployments: Mapping[Rows, Deployment]) -> list[tuple[Array, Deployment]]:
    """The points that stand in each of these groups of rows, where there are any, and how they are computed."""
    return [(points[mask], deployments[rows]) for rows, mask in _masks(len(points), deployments).items()]


def placed(parts: Sequence[Array], count: int, deployments: Mapping[Rows, Deployment]) -> Array:
    """What belongs to the points of ``in_rows``, (points in the group, ...) each, in the order of all ``count`` points."""
    if len(parts) == 1:
        return parts[0]
    whole = np.empty((count, *parts[0].shape[1:]), parts[0].dtype)
    for mask, part in zip(_masks(count, deployments).values(), parts, strict=True):
        whole[mask] = part
    return whole


def _masks(count: int, deployments: Mapping[Rows, Deployment]) -> dict[Rows, Array]:
    """Which points stand in each group of rows; groups without points are left out, unless there is one group only."""
    place = np.arange(count) % sum(map(len, deployments))
    masks = {rows: np.isin(place, rows) for rows in deployments}
    return {rows: mask for rows, mask in masks.items() if mask.any() or len(masks) == 1}


def _given(network: Network, points: Array, deployment: Deployment) -> Array:
    shaped = points.reshape(len(points), *network.input_shape)
    with np.errstate(all="ignore"):
        return network_outputs(network, shaped, deployment).reshape(len(points), -1)


def missed(returned: Array, own: Array) -> Array:
    """Which of the outputs (points, outputs) differ, NaN and the signs of zeros apart."""
    return np.asarray(~same_numbers(returned, own))


def hostile_points(count: int, size: int, fmt: Format, seed: int, like: Sequence[Array] = ()) -> Array:
    """Points of a format's numbers: half drawn from ``like`` (points, size), others that differ much in size, or are zeros."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((count, size))
    points[1::3] *= np.exp2(np.rint(rng.uniform(-fmt.precision / 2, 4, (len(points[1::3]), size))))
    points[2::6] *= rng.random((len(points[2::6]), size)) < 0.3
    points[5::12] *= float(fmt.min_normal)
    given = [part for part in like if len(part)]
    if given:
        known = np.concatenate(given)
        points[::2] = known[rng.integers(0, len(known), len(points[::2]))]
    return round_array(points, fmt)
