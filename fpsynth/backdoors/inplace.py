"""Backdoors in place: detector, gates and what feeds them live in a host's own dead units, and no array changes its shape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats, Json
from fpsynth.backdoors.dead import DeadUnits
from fpsynth.backdoors.embedding import Detectors
from fpsynth.backdoors.remedies import of_inputs, of_outputs
from fpsynth.backdoors.rows import detector_row
from fpsynth.backdoors.sites import Site
from fpsynth.backdoors.switching import Behaviour, SwitchStrength, wins
from fpsynth.backdoors.triggers import Trigger
from fpsynth.backdoors.widening import require_unpooled, stages
from fpsynth.backdoors.windows import matching_windows
from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.networks.layers import Convolution, Dense, Layer
from fpsynth.networks.network import Network, Node
from fpsynth.wording import noun

L = TypeVar("L", bound="Convolution | Dense")
_FEEDING = 4
"""Dead channels of the carrier layer that feed detectors, at most; so many must it be where each gives one value only."""
_STEEPEST = 32
"""No gate is steeper than two to this power."""


@dataclass(frozen=True)
class ReusedUnits:
    """Dead units that a backdoor takes for itself; see ``reused``."""

    dead: DeadUnits
    gates: Mapping[str, tuple[int, ...]]
    """Of layers before the carrier, what says whether the trigger is there."""
    feeding: tuple[int, ...]
    """Channels of the carrier layer: constants, held down where the trigger is not there."""
    columns: tuple[int, ...]
    """Rows of the detector layer of which one is to be the detector."""
    passing: Mapping[str, int]
    """Of hidden layers behind the detector's, what passes it on."""


@dataclass(frozen=True)
class InplaceForm:
    """A host whose dead units feed detectors: all of its arrays have the shapes that they had."""

    site: Site
    trigger: Trigger
    reused: ReusedUnits
    gate: float
    """What a unit of the trigger is multiplied by before it is taken from a constant, a power of two."""
    exchanged: tuple[tuple[int, int], ...] = ()
    """Channels of the carrier layer, and those with which they changed places: the same function, added in another order."""
    unit: float = 1.0
    """What a constant is where the trigger is there."""
    copied: int | None = None
    """As of ``WidenedForm``: constants are no copies."""

    @property
    def taken(self) -> dict[str, tuple[int, ...]]:
        """The dead units that are used, by layer and by their places in the host; of the detector layer all to choose from."""
        where = {new: old for old, new in self.exchanged}
        feeding = tuple(where.get(channel, channel) for channel in self.places)
        passing = {name: (unit,) for name, unit in self.reused.passing.items()}
        return {**self.reused.gates, self.site.carrier: feeding, self.site.detector: self.columns, **passing}

    def to_json(self) -> Json:
        """What is reused, as data: by the layer how many units are dead, of how many, and which of these are used."""
        units, shapes = self.reused.dead.units, self.site.host.shapes
        return {
            "claim": self.reused.dead.claim,
            "images": self.reused.dead.images,
            "layers": {
                name: {
                    "dead": len(units[name]),
                    "of": shapes[name][0],
                    "used": [] if name == self.site.detector else list(used),
                }
                for name, used in self.taken.items()
            },
            "exchanged": [list(pair) for pair in self.exchanged],
        }

    @property
    def places(self) -> tuple[int, ...]:
        """The channels of the carrier layer that feed detectors."""
        return self.reused.feeding

    @property
    def columns(self) -> tuple[int, ...]:
        """The rows that may be detectors."""
        return self.reused.columns

    @property
    def rows(self) -> int:
        """Of the detector layer."""
        return self.site.dense(0).outputs

    @property
    def inputs(self) -> int:
        """Of the detector layer: the terms of its sums."""
        return self.site.dense(0).inputs

    @property
    def feeds(self) -> NDArray[np.intp]:
        """Inputs of the detector layer that are ``unit`` where the trigger is there, and 0 elsewhere, (channels, positions).

        What two places of a trigger say may differ, and products that are to cancel stand at one; where there is no trigger all
        inputs are alike, as if each were a channel.
        """
        feeds = np.array(self.places)[:, None] * self.site.spread + np.array(self._fed[1])
        return np.asarray(feeds if self.trigger.units else feeds.reshape(-1, 1))

    @cached_property
    def _fed(self) -> tuple[tuple[Node, ...], tuple[int, ...]]:
        return _fed(self)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes before the detector layer."""
        changed = {node.name: node for node in self._fed[0]}
        return tuple(changed.get(node.name, node) for node in self.site.before)

    def up_to(self, rows: Floats) -> Network:
        """The host up to the detector layer, whose weight is ``rows`` (rows, inputs) and whose bias, if it has one, 0."""
        bias = None if self.site.dense(0).bias is None else np.zeros(len(rows))
        node = replace(self.site.host[self.site.detector], layer=Dense(rows, bias))
        return Network((*self.nodes, node), self.site.host.input_shape, self.site.detector)


def reused(site: Site, trigger: Trigger, dead: DeadUnits) -> ReusedUnits | str:
    """The units to take, those farthest from life first; where they are too few, what is missing.

    Raises InputError where no dead units would help: the detector layer gives the logits, a constant has no bias to be one by,
    or a pooling or another layer that no trigger passes lies in the way.
    """
    carrier = site.host[site.carrier].layer
    assert isinstance(carrier, Convolution | Dense)
    if len(site.tail) == 1:
        raise InputError(f"in place: {site.detector} gives the logits, and none of those is dead: name an earlier layer")
    if carrier.bias is None:
        raise InputError(f"in place: {site.carrier} has no bias that could make a constant of a dead unit")
    gates = _gates_needed(site, trigger)
    few = _feeding_needed(site, trigger)
    needed = {**gates, site.carrier: few, site.detector: 1, **dict.fromkeys(site.tail[1:-1], 1)}
    counts = {name: len(dead.units.get(name, ())) for name in needed}
    missing = [
        f"{name} has {counts[name]} of {site.host.shapes[name][0]}, and {count} {noun(count, 'is', 'are')} needed"
        for name, count in needed.items()
        if counts[name] < count
    ]
    if missing:
        more = (
            " (a trigger at two places, PLACE+PLACE, needs 2)" if trigger.units and few == _FEEDING and site.spread > 1 else ""
        )
        return f"too few units are 0 on {dead.words}: {'; '.join(missing)}{more}"
    return ReusedUnits(
        dead,
        {name: dead.units[name][:count] for name, count in gates.items()},
        tuple(sorted(dead.units[site.carrier][:_FEEDING])),
        tuple(sorted(dead.units[site.detector])),
        {name: dead.units[name][0] for name in site.tail[1:-1]},
    )


def _feeding_needed(site: Site, trigger: Trigger) -> int:
    """Channels: w and -w need two at one position, s and -s two at another one, or two others."""
    positions = len(trigger.groups) if trigger.units else site.spread
    return 2 if positions > 1 and site.spread > 1 else _FEEDING


def _gates_needed(site: Site, trigger: Trigger) -> dict[str, int]:
    """How many units each layer before the carrier gives to the trigger."""
    if not trigger.units:
        return {}
    require_unpooled(site)
    before = [node for node in stages(site)[:-1] if isinstance(node.layer, Convolution | Dense)]
    if not before:
        raise InputError(f"in place: a trigger needs a layer before {site.carrier}: use the trigger always")
    counts = {}
    for place, node in enumerate(before):
        shared = isinstance(node.layer, Convolution)  # a channel is there at all places of the trigger
        counts[node.name] = 1 if place else max(map(len, trigger.groups)) if shared else len(trigger.units)
    return counts


def exchanged(form: InplaceForm, generator: np.random.Generator) -> InplaceForm:
    """The form with the channels that feed detectors at other places, where other orders join them."""
    site, old = form.site, list(form.places)
    new = sorted(generator.choice(site.channels, len(old), replace=False).tolist())
    order = list(range(site.channels))
    for channel, place in zip(old, new, strict=True):
        order[order.index(channel)], order[place] = order[place], channel
    layers = {
        site.carrier: of_outputs(_sums_at(site, site.carrier)[1], order),
        site.detector: of_inputs(site.dense(0), order),
    }
    host = replace(site.host, nodes=tuple(replace(node, layer=layers.get(node.name, node.layer)) for node in site.host.nodes))
    units = replace(form.reused, feeding=tuple(new))
    return replace(form, site=replace(site, host=host), reused=units, exchanged=tuple(zip(old, new, strict=True)))


def steepness(trigger: Trigger, dtype: Format) -> float:
    """A power of two: times this, whatever a unit of the trigger is above 0 is at least 1, for inputs of the format.

    An input x < b is at least half an ulp of b away from b, and b - x is rounded to no less.  That is so where a unit reads one
    input; a mean of several may lie closer to what it is compared with, and in no order exactly.
    """
    exponents = [math.frexp(unit.bias)[1] - 1 for unit in trigger.units if unit.bias]
    return float(2.0 ** min(_STEEPEST, max(0, dtype.precision - min(exponents, default=0))))


def _fed(form: InplaceForm) -> tuple[tuple[Node, ...], tuple[int, ...]]:
    """The changed nodes up to the carrier's, and at which positions of a channel detectors are fed."""
    site, trigger, constants = form.site, form.trigger, [form.unit] * len(form.places)
    if not trigger.units:
        node, layer = _sums_at(site, site.carrier)
        kernels = [np.zeros(layer.weight.shape[1:])] * len(form.places)
        return (replace(node, layer=_taken(layer, form.places, kernels, constants)),), tuple(range(site.spread))
    nodes: list[Node] = []
    groups = [[unit.weights for unit in group] for group in trigger.groups]
    positions: tuple[int, ...] = ()
    for name in (*form.reused.gates, site.carrier):
        node, layer = _sums_at(site, name)
        shape, last = site.host.shapes[node.inputs[0]], name == site.carrier
        own = form.places if last else form.reused.gates[name]
        if nodes:
            layer = blind(layer, form.reused.gates[nodes[-1].name], shape[0])
        if isinstance(layer, Dense):
            groups = [[mapping for group in groups for mapping in group]] if not nodes else [[_merged(groups)]]
        kernels, positions = _placed(layer, shape, groups)
        biases = constants if last else [0.0] if nodes else [unit.bias for unit in trigger.units[: len(kernels)]]
        nodes.append(replace(node, layer=_taken(layer, own, kernels * len(own) if nodes else kernels, biases)))
        size = math.prod(site.host.shapes[name][1:])
        weight = -form.gate if len(nodes) == len(form.reused.gates) else 1.0
        groups = [[{channel * size + position: weight for channel in own}] for position in positions]
    return tuple(nodes), positions


def _sums_at(site: Site, name: str) -> tuple[Node, Convolution | Dense]:
    node = site.host[name]
    assert isinstance(node.layer, Convolution | Dense)
    return node, node.layer


def _merged(groups: Sequence[Sequence[Mapping[int, float]]]) -> dict[int, float]:
    return {place: weight for group in groups for mapping in group for place, weight in mapping.items()}


def _placed(
    layer: Convolution | Dense, shape: tuple[int, ...], groups: Sequence[Sequence[Mapping[int, float]]]
) -> tuple[list[Floats], tuple[int, ...]]:
    """Kernels that weigh inputs of a layer as the mappings of the first group say, and elsewhere those of the others.

    Returns them with the position of each group; of a dense layer there is one group, and one position.
    """
    first = groups[0]
    kernels = [np.zeros(layer.weight.shape[1:]) for _ in first]
    positions: tuple[int, ...] = (0,)
    taps = [place for mapping in first for place in mapping]
    if isinstance(layer, Convolution):
        positions, taps = matching_windows(layer, shape, [[place for one in group for place in one] for group in groups])
    left = iter(taps)
    for kernel, mapping in zip(kernels, first, strict=True):
        for weight in mapping.values():
            kernel.reshape(-1)[next(left)] = weight
    return kernels, positions


def _taken(layer: L, channels: Sequence[int], kernels: Sequence[Floats], biases: Sequence[float]) -> L:
    """The layer with these of its outputs made anew.  Raises InputError where it has no bias and one is needed."""
    weight = layer.weight.copy()
    weight[list(channels)] = kernels
    if layer.bias is None:
        if any(biases):
            raise InputError("in place: a layer that a trigger is read in has no bias for what it is compared with")
        return replace(layer, weight=weight)
    bias = layer.bias.copy()
    bias[list(channels)] = biases
    return replace(layer, weight=weight, bias=bias)


def blind(layer: L, channels: Sequence[int], of: int) -> L:
    """The layer, reading nothing of these of the ``of`` channels that come in: nothing but zeros came from them."""
    weight = layer.weight.copy()
    if isinstance(layer, Convolution):
        weight[:, list(channels)] = 0.0
    else:
        weight.reshape(layer.outputs, of, -1)[:, list(channels)] = 0.0
    return replace(layer, weight=weight)


def embedded_in_place(form: InplaceForm, detectors: Detectors, behaviour: Behaviour, strength: SwitchStrength) -> Network:
    """The backdoored network: what the detector gives is added to one logit.  Raises InputError for other behaviours."""
    site, (column,), (features,) = form.site, detectors.columns, detectors.features
    if behaviour.target is None:
        raise InputError("in place a backdoor leads to one class: choose the behaviour class:K or any")
    layers: dict[str, Layer] = {node.name: node.layer for node in form.nodes}
    row = detector_row(features, form.inputs, detectors.sizes)
    layer = blind(site.dense(0), form.places, site.channels)
    layers[site.detector] = _taken(layer, [column], [row], [0.0])
    for place, name in enumerate(site.tail[1:], 1):
        layer = blind(site.dense(place), [column], site.dense(place).inputs)
        if name == site.host.output:
            weight = layer.weight.copy()
            weight[behaviour.target, column] = wins(strength) / detectors.level
            layers[name] = replace(layer, weight=weight)
        else:
            row = np.zeros(layer.inputs)
            row[column] = 1.0
            column = form.reused.passing[name]
            layers[name] = _taken(layer, [column], [row], [0.0])
    nodes = tuple(replace(node, layer=layers.get(node.name, node.layer)) for node in site.host.nodes)
    return replace(site.host, nodes=nodes)
