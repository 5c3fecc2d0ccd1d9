"""Where a detector goes in a host: a dense layer that gets further rows, and the layer before it that gets further channels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fpsynth.errors import InputError
from fpsynth.networks.layers import (
    AveragePooling,
    Convolution,
    Dense,
    Flatten,
    GlobalAveragePooling,
    Layer,
    MaxPooling,
    ReLU,
)
from fpsynth.networks.network import INPUT, Network, Node

_KEEPS_CHANNELS: tuple[type[Layer], ...] = (ReLU, Flatten, MaxPooling, AveragePooling, GlobalAveragePooling)
"""What may stand between the two layers: channels stay in their order, and a constant channel stays constant."""
_WHAT = "a backdoor needs a dense layer behind a convolution or a dense layer and a ReLU, each read by one layer only"


@dataclass(frozen=True)
class Site:
    """A place for detectors in a host."""

    host: Network
    """Without an argmax or softmax at its end."""
    carrier: str
    """The convolution or dense layer that gets channels which feed the detectors."""
    detector: str
    """The dense layer that gets the detectors' rows."""
    tail: tuple[str, ...]
    """The dense layers from ``detector`` to the logits, ReLUs between them."""

    @property
    def channels(self) -> int:
        """Of the carrier layer in the host."""
        return self.host.shapes[self.carrier][0]

    @property
    def spread(self) -> int:
        """How many inputs of the detector layer each channel becomes: those of channel c are c * spread and the next ones."""
        return self.dense(0).inputs // self.channels

    def dense(self, place: int) -> Dense:
        """One of the layers of ``tail``."""
        layer = self.host[self.tail[place]].layer
        assert isinstance(layer, Dense)
        return layer

    @property
    def before(self) -> tuple[Node, ...]:
        """The nodes up to the one that the detector layer reads, in order."""
        return self.host.nodes[: self.host.nodes.index(self.host[self.detector])]


def site_in(host: Network, layer: str | None = None) -> Site:
    """The place for detectors in a host: in the dense layer called ``layer``, or the first that will do.

    Raises InputError where there is none.
    """
    network = host.logits
    tail = _tail(network)
    for place, name in enumerate(tail):
        if layer not in (None, name):
            continue
        carrier = _carrier(network, name)
        if carrier is not None:
            return Site(network, carrier, name, tail[place:])
    if layer is not None and layer not in tail:
        choices = ", ".join(tail) or "none"
        raise InputError(f"{layer[:60]!r} is none of the dense layers at the end of the host: {choices}")
    raise InputError(f"{_WHAT}; {_ending(network)}")


def _ending(network: Network) -> str:
    kinds = [node.layer.kind for node in network.nodes[-6:]]
    return f"this host ends with {', '.join(kinds)}"


def _only_reader(network: Network, name: str) -> bool:
    return sum(node.inputs.count(name) for node in network.nodes) + (network.output == name) == 1


def _tail(network: Network) -> tuple[str, ...]:
    """The dense layers at the end, with ReLUs between them, in order."""
    names: list[str] = []
    name = network.output
    while name != INPUT and isinstance(network[name].layer, Dense) and len(network.shapes[name]) == 1:
        if not _only_reader(network, name):
            break
        names.insert(0, name)
        (before,) = network[name].inputs
        if before == INPUT or not isinstance(network[before].layer, ReLU) or not _only_reader(network, before):
            break
        (name,) = network[before].inputs
    return tuple(names)


def _carrier(network: Network, detector: str) -> str | None:
    """The layer before that can be widened; None where there is none."""
    (name,) = network[detector].inputs
    kinds: list[type[Layer]] = []
    while name != INPUT and isinstance(network[name].layer, _KEEPS_CHANNELS):
        if not _only_reader(network, name):
            return None
        kinds.append(type(network[name].layer))
        (name,) = network[name].inputs
    if name == INPUT or ReLU not in kinds or not _only_reader(network, name):
        return None
    layer = network[name].layer
    if isinstance(layer, Convolution) and layer.groups == 1:
        return name
    alone = isinstance(layer, Dense) and math.prod(network.shapes[name]) == network.shapes[name][0]
    return name if alone else None
