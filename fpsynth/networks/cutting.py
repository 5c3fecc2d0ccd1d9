"""Parts of a network: what leads to a node, and what is behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fpsynth.networks.network import INPUT, Network, Node


def until(network: Network, name: str) -> Network:
    """The network up to a node, which is its output."""
    needed = _needed(network, name)
    return Network(tuple(node for node in network.nodes if node.name in needed), network.input_shape, name)


def behind(network: Network, name: str) -> Network | None:
    """What reads a node that ``cuts`` the network, as a network whose input that node is; None where it is the output."""
    nodes = tuple(_behind(network, name))
    return Network(nodes, network.shapes[name], network.output) if nodes else None


def cuts(network: Network, name: str) -> bool:
    """Whether all that does not lead to a node reads what does through that node alone."""
    before = _needed(network, name)
    return all(set(node.inputs) & before <= {name} for node in network.nodes if node.name not in before)


def _needed(network: Network, name: str) -> set[str]:
    """The nodes that a node comes of, itself and the input included."""
    waiting, result = [name], {INPUT}
    while waiting:
        one = waiting.pop()
        if one not in result:
            result.add(one)
            waiting += network[one].inputs
    return result


def _behind(network: Network, name: str) -> Iterator[Node]:
    before = _needed(network, name)
    for node in network.nodes:
        if node.name not in before:
            yield replace(node, inputs=tuple(INPUT if one == name else one for one in node.inputs))
