"""A layer that adds several inputs, number by number: in their order, or with the shift of a normalisation added last.

TensorFlow's grappler runs v + (scale x + shift), a residual added to a batch normalisation, as (v + scale x) + shift.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from fpsynth.networks.layers import Add, AddConstant, Affine, MultiplyConstant, Sums
from fpsynth.networks.network import Network, Node
from fpsynth.networks.rewrites import Rewrite
from fpsynth.revealing.layer_runs import missed, predicted, up_to
from fpsynth.revealing.layers import FLUSHES, NodeArithmetics, Work, deployments_of
from fpsynth.revealing.network_result import LayerReveal
from fpsynth.sums.arithmetic import Arithmetic

SHIFT_LAST = "the shift of {} is added after the other number"


@dataclass(frozen=True)
class _Way:
    """One way to compute the layer: the network with it, the nodes that are new there, and what was rewritten."""

    network: Network
    nodes: Mapping[str, NodeArithmetics]
    rewrites: tuple[Rewrite, ...] = ()


def joined(work: Work, name: str) -> LayerReveal:
    """The layer as the library computes it; where no way explains all of it, in the order of its inputs."""
    started = time.monotonic()
    sums, returned = work.network.structure(name), work.activations(name)
    assert isinstance(sums, Sums)
    best, missing = None, None
    for way in _ways(work, name):
        part = up_to(way.network, name)
        deployments = deployments_of(part, {**work.nodes, **way.nodes}, work.where.batch)
        wrong = missed(returned, predicted(part, work.points, deployments))
        if missing is None or wrong.sum() < missing.sum():
            best, missing = way, wrong
        if not wrong.any():
            break
    assert best is not None
    assert missing is not None
    work.computed = best.network
    work.nodes |= best.nodes
    work.rewrites += best.rewrites
    told = "not all of it is explained by its inputs added in any order that was tried, subnormals flushed or not"
    return LayerReveal(
        name=name,
        kind=work.network[name].layer.kind,
        nodes=tuple(best.nodes),
        classes=((best.nodes[name].usual, sums.outputs),),
        explained=int((~missing).sum()),
        total=missing.size,
        notes=(told,) if missing.any() else (),
        seconds=round(time.monotonic() - started, 3),
    )


def _ways(work: Work, name: str) -> Iterator[_Way]:
    for flush in FLUSHES:
        yield _Way(work.computed, {name: NodeArithmetics(Arithmetic(work.dtype, flush=flush))})
    for source in work.computed[name].inputs:
        changed = shift_last(work.computed, name, source)
        for flush in FLUSHES if changed is not None else ():
            assert changed is not None
            plain = NodeArithmetics(Arithmetic(work.dtype, flush=flush))
            made = dict.fromkeys((f"{name}.1", source, name), plain)
            yield _Way(changed, made, (Rewrite(SHIFT_LAST.format(source), name),))


def shift_last(network: Network, name: str, source: str) -> Network | None:
    """v + (scale x + shift) as (v + scale x) + shift, ``source`` being the node of the bracket; None where it is none.

    The node of the bracket becomes the product; the other ones are NAME.1 and NAME.
    """
    add, bracket = network[name], next((node for node in network.nodes if node.name == source), None)
    readers = sum(source in node.inputs for node in network.nodes)
    if bracket is None or not isinstance(bracket.layer, Affine) or not isinstance(add.layer, Add):
        return None
    if readers != 1 or len(add.inputs) != 2 or add.inputs[0] == add.inputs[1]:
        return None
    over = (-1, *[1] * (len(network.shapes[source]) - 1))
    scale, shift = (np.asarray(numbers).reshape(over) for numbers in (bracket.layer.scale, bracket.layer.shift))
    made = {
        source: [replace(bracket, layer=MultiplyConstant(scale))],
        name: [Node(f"{name}.1", Add(), add.inputs), Node(name, AddConstant(shift), (f"{name}.1",))],
    }
    nodes = tuple(new for old in network.nodes for new in made.get(old.name, [old]))
    return replace(network, nodes=nodes)
