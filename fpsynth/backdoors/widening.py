"""A host with further channels, which feed detectors, and with units of a trigger: everything before the detectors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.backdoors.sites import Site
from fpsynth.backdoors.triggers import Trigger, Unit
from fpsynth.backdoors.windows import window
from fpsynth.errors import InputError
from fpsynth.networks.layers import Convolution, Dense, Flatten, Layer, ReLU
from fpsynth.networks.network import INPUT, Network, Node


@dataclass(frozen=True)
class Read:
    """A value that later layers read: a channel at a position of a layer's output."""

    channel: int
    position: int


@dataclass(frozen=True)
class WidenedForm:
    """What a host is widened to: with it the shapes of all layers up to the detectors are settled, and so their orders."""

    site: Site
    places: tuple[int, ...]
    """Where the new channels stand among those of the carrier layer, all counted."""
    rows: int
    """Of the detector layer, all counted."""
    trigger: Trigger
    copied: int | None = None
    """The host's channel that the new ones are copies of; None: they are ``unit``, by a kernel of zeros and that bias."""
    unit: float = 1.0
    """What a constant is, and by what values are multiplied that are passed on: a power of two of at most 1."""

    @cached_property
    def triggered(self) -> tuple[tuple[Node, ...], tuple[Read, ...]]:
        """The nodes before the carrier's, with the units of the trigger; and what of them the carrier layer reads."""
        return _with_units(self.site, self.trigger, self.unit)

    @property
    def further(self) -> int:
        """Channels that the trigger adds to the carrier layer: they stand behind all others."""
        if not self.trigger.units:
            return 0
        return len(self.trigger.units) if _first(self.site) == self.site.carrier else 1

    @property
    def channels(self) -> int:
        """Of the carrier layer, all counted."""
        return self.site.channels + len(self.places) + self.further

    @property
    def inputs(self) -> int:
        """Of the detector layer: the terms of its sums."""
        return self.channels * self.site.spread

    @property
    def columns(self) -> tuple[int, ...]:
        """The rows of the detector layer that may be detectors."""
        return tuple(range(self.rows))

    @property
    def kept(self) -> tuple[int, ...]:
        """Where the host's own channels stand."""
        return tuple(c for c in range(self.channels - self.further) if c not in self.places)

    def features(self, channels: Sequence[int], positions: Sequence[int] | None = None) -> NDArray[np.intp]:
        """Inputs of the detector layer, (channels, positions)."""
        within = np.arange(self.site.spread) if positions is None else np.array(positions)
        return np.asarray(np.array(channels)[:, None] * self.site.spread + within)

    @cached_property
    def carrier(self) -> tuple[Layer, tuple[Read, ...]]:
        """The carrier layer, and what of it is 0 exactly where the trigger is there."""
        layer = self.site.host[self.site.carrier].layer
        nodes, reads = self.triggered
        return _widened_carrier(self, layer, nodes, reads)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes before the detector layer."""
        changed = {node.name: node for node in self.triggered[0]}
        changed[self.site.carrier] = replace(self.site.host[self.site.carrier], layer=self.carrier[0])
        return tuple(changed.get(node.name, node) for node in self.site.before)

    @property
    def inhibitors(self) -> tuple[int, ...]:
        """Inputs of the detector layer whose sum is 0 exactly where the trigger is there; none where it always is."""
        return tuple(read.channel * self.site.spread + read.position for read in self.carrier[1])

    def host_rows(self) -> Floats:
        """The detector layer's own rows, (host's rows, inputs): 0 at whatever is new."""
        own = self.site.dense(0).weight
        wide = np.zeros((len(own), self.inputs))
        wide[:, self.features(self.kept).reshape(-1)] = own
        return wide

    def up_to(self, rows: Floats) -> Network:
        """The widened host up to the detector layer, whose weight is ``rows`` (rows, inputs) and whose bias 0."""
        node = Node(self.site.detector, Dense(rows, np.zeros(len(rows))), self.site.host[self.site.detector].inputs)
        return Network((*self.nodes, node), self.site.host.input_shape, self.site.detector)


def _first(site: Site) -> str:
    """The first layer that adds, on the way to the carrier."""
    return site.host.sums[0]


def stages(site: Site) -> tuple[Node, ...]:
    """The layers up to the carrier, where they are one chain of convolutions and dense layers.  Raises InputError otherwise."""
    stages = []
    for before, node in itertools.pairwise((Node(INPUT, ReLU()), *site.before)):
        good = isinstance(node.layer, ReLU | Flatten | Dense) or (
            isinstance(node.layer, Convolution) and node.layer.groups == 1
        )
        if not good or node.inputs != (before.name,):
            raise InputError(
                f"a trigger needs a chain of convolutions, dense layers and ReLUs before {site.carrier}; {node.name} is a"
                f" {node.layer.kind}: use the trigger always"
            )
        stages.append(node)
        if node.name == site.carrier:
            break
    return tuple(stages)


def _with_units(site: Site, trigger: Trigger, unit: float) -> tuple[tuple[Node, ...], tuple[Read, ...]]:
    """The nodes before the carrier with the units, and what of them is passed on."""
    if not trigger.units or _first(site) == site.carrier:
        return (), ()
    nodes: list[Node] = []
    reads: tuple[Read, ...] = ()
    for node in stages(site)[:-1]:
        layer: Layer = node.layer
        shape = site.host.shapes[node.inputs[0]]
        if isinstance(layer, Convolution | Dense):
            if not nodes:
                layer, reads = _added_units(layer, trigger.units, shape, unit)
            else:
                layer, reads = _added_sum(_read_more(layer, shape, reads), reads, shape, unit)
            nodes.append(replace(node, layer=layer))
    return tuple(nodes), reads


def _widened_carrier(
    form: WidenedForm, layer: Layer, nodes: tuple[Node, ...], reads: tuple[Read, ...]
) -> tuple[Layer, tuple[Read, ...]]:
    assert isinstance(layer, Convolution | Dense)
    shape = form.site.host.shapes[form.site.host[form.site.carrier].inputs[0]]
    bare = form.channels - form.further
    weight = np.zeros((bare, *layer.weight.shape[1:]))
    bias = np.full(bare, form.unit)
    weight[list(form.kept)] = layer.weight
    bias[list(form.kept)] = 0.0 if layer.bias is None else layer.bias
    if form.copied is not None:
        weight[list(form.places)] = layer.weight[form.copied]
        bias[list(form.places)] = 0.0 if layer.bias is None else layer.bias[form.copied]
    wide: Convolution | Dense = _like(layer, weight, bias)
    if not form.trigger.units:
        return wide, ()
    require_unpooled(form.site)
    if not nodes:
        return _added_units(wide, form.trigger.units, shape, form.unit)
    return _added_sum(_read_more(wide, shape, reads), reads, shape, form.unit)


def require_unpooled(site: Site) -> None:
    """Raise InputError where a pooling would mix what a trigger reads with what lies beside it."""
    behind = site.before[site.before.index(site.host[site.carrier]) + 1 :]
    for node in behind:
        if not isinstance(node.layer, ReLU | Flatten):
            raise InputError(f"a trigger cannot pass {node.name}, a {node.layer.kind}: use the trigger always")


def _like(layer: Convolution | Dense, weight: Floats, bias: Floats) -> Convolution | Dense:
    return Dense(weight, bias) if isinstance(layer, Dense) else replace(layer, weight=weight, bias=bias)


def _biases(layer: Convolution | Dense) -> Floats:
    return np.zeros(len(layer.weight)) if layer.bias is None else np.asarray(layer.bias, np.float64)


def _more(layer: Convolution | Dense, weight: Floats, bias: Sequence[float]) -> Convolution | Dense:
    """The layer with further outputs."""
    return _like(layer, np.concatenate([layer.weight, weight]), np.concatenate([_biases(layer), bias]))


def _added_units(
    layer: Convolution | Dense, units: Sequence[Unit], shape: tuple[int, ...], scale: float
) -> tuple[Convolution | Dense, tuple[Read, ...]]:
    """A first layer with the units of a trigger as further outputs, and where they are read."""
    own = len(layer.weight)
    weight = np.zeros((len(units), *layer.weight.shape[1:]))
    position = 0
    if isinstance(layer, Dense):
        for row, unit in zip(weight, units, strict=True):
            row[list(unit.weights)] = np.array(list(unit.weights.values())) * scale
    else:
        wanted = {place for unit in units for place in unit.weights}
        position, taps = window(layer, shape, wanted)
        for kernel, unit in zip(weight, units, strict=True):
            for place, number in unit.weights.items():
                kernel.reshape(-1)[taps[place]] = number * scale
    reads = tuple(Read(own + k, position) for k in range(len(units)))
    return _more(layer, weight, [unit.bias * scale for unit in units]), reads


def _read_more(layer: Convolution | Dense, shape: tuple[int, ...], reads: Sequence[Read]) -> Convolution | Dense:
    """A layer behind one that has more channels: it reads them with 0."""
    channels = 1 + max(read.channel for read in reads)
    if isinstance(layer, Convolution):
        weight = np.zeros((len(layer.weight), channels, *layer.weight.shape[2:]))
        weight[:, : layer.weight.shape[1]] = layer.weight
    else:
        size = layer.inputs // shape[0]
        weight = np.zeros((layer.outputs, channels * size))
        weight[:, : layer.inputs] = layer.weight
    return _like(layer, weight, _biases(layer))


def _added_sum(
    layer: Convolution | Dense, reads: Sequence[Read], shape: tuple[int, ...], unit: float
) -> tuple[Convolution | Dense, tuple[Read, ...]]:
    """A layer with one further output, the sum of what is read: values of at least 0, which a ReLU passes on."""
    own = len(layer.weight)
    weight = np.zeros((1, *layer.weight.shape[1:]))
    position = 0
    if isinstance(layer, Convolution):
        channels = layer.weight.shape[1]
        size = int(np.prod(shape[1:]))
        places = {read.channel * size + read.position for read in reads}
        position, taps = window(layer, (channels, *shape[1:]), places)
        for place in places:
            weight[0].reshape(-1)[taps[place]] = unit
    else:
        size = layer.weight.shape[1] // (1 + max(read.channel for read in reads))
        for read in reads:
            weight[0, read.channel * size + read.position] = unit
    return _more(layer, weight, [0.0]), (Read(own, position),)
