"""A backdoored network: the widened host, detectors in rows of their own, and a switch behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.backdoors.rows import ChainSizes, Sizes, detector_row
from fpsynth.backdoors.switching import Behaviour, Signals, Stack, SwitchStrength, switch
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.networks.layers import Dense, ReLU
from fpsynth.networks.network import Network, Node


@dataclass(frozen=True)
class Detectors:
    """Rows of the detector layer, and what they are worth."""

    features: tuple[tuple[int, ...], ...]
    """Where their weights stand, in the order of ``sizes.weights``."""
    columns: tuple[int, ...]
    """Which rows of the layer they are."""
    sizes: Sizes | ChainSizes
    level: float
    """What each gives at least where it fires."""
    band: tuple[float, float] | None = None
    """They fire up to the first, and are silent from the second on; None: they fire at ``level``, and are silent at 0."""


def rows_needed(form_rows: int, detectors: int, triggered: bool, last: bool) -> int:
    """How many rows the detector layer gets: the host's (twice where they are the logits), the detectors', the trigger's."""
    return form_rows * (1 + last) + detectors + triggered


def embedded(form: WidenedForm, detectors: Detectors, behaviour: Behaviour, strength: SwitchStrength) -> Network:
    """The backdoored network.  Raises InputError as ``switch``."""
    site = form.site
    stack, names = _tail(form, detectors, behaviour, strength), list(site.tail)
    before = site.host[site.detector].inputs
    nodes = list(form.nodes)
    taken = {*names, *(node.name for node in nodes)}
    for place, (weight, bias) in enumerate(stack):
        name = names[place] if place < len(names) - 1 else _new(f"switch{place - len(names) + 1}", taken)
        if place == len(stack) - 1:
            name = site.host.output
        nodes.append(Node(name, Dense(weight, bias), before))
        if place < len(stack) - 1:
            nodes.append(Node(_new(f"{name}_relu", taken), ReLU(), (name,)))
            before = (nodes[-1].name,)
    return Network(tuple(nodes), site.host.input_shape, site.host.output)


def _new(name: str, taken: set[str]) -> str:
    """The name, or a longer one where the host has it already; it is taken from now on."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _tail(form: WidenedForm, detectors: Detectors, behaviour: Behaviour, strength: SwitchStrength) -> Stack:
    """The dense layers from the detectors' to the logits."""
    site, last = form.site, len(form.site.tail) == 1
    weight, bias, hosts, inhibitor = _detector_layer(form, detectors, negated=last)
    stack: Stack = [(weight, bias)]
    columns, marks = hosts, [*detectors.columns, *([] if inhibitor is None else [inhibitor])]
    for place in range(1, len(site.tail) - 1):
        layer = site.dense(place)
        stack.append(_passing(layer, len(stack[-1][0]), columns, marks, form.unit))
        columns, marks = list(range(layer.outputs)), list(range(layer.outputs, layer.outputs + len(marks)))
    width = len(stack[-1][0])
    counted = len(detectors.columns)
    passed = form.unit ** max(0, len(site.tail) - 2)
    signals = Signals(
        width=width,
        detectors=tuple(marks[:counted]),
        level=detectors.level * passed,
        band=None if detectors.band is None else (detectors.band[0] * passed, detectors.band[1] * passed),
        exact=form.copied is None and detectors.band is None,
        inhibitor=None if inhibitor is None else marks[-1],
    )
    final = np.zeros((site.host.output_shape[0], width))
    numbers = np.zeros(len(final))
    if last:
        half = len(hosts) // 2
        final[range(half), hosts[:half]] = 1.0
        final[range(half), hosts[half:]] = -1.0
    else:
        layer = site.dense(-1)
        final[:, columns] = layer.weight
        numbers = _bias(layer)
    return [*stack, *switch(final, numbers, signals, behaviour, strength)]


def _detector_layer(form: WidenedForm, detectors: Detectors, negated: bool) -> tuple[Floats, Floats, list[int], int | None]:
    """Weight and bias; where the host's rows stand, and the row that is 0 where the trigger is there."""
    own, layer = form.host_rows(), form.site.dense(0)
    numbers = _bias(layer)
    if negated:
        own, numbers = np.concatenate([own, -own]), np.concatenate([numbers, -numbers])
    free = [row for row in range(form.rows) if row not in detectors.columns]
    hosts = free[: len(own)]
    weight, bias = np.zeros((form.rows, form.inputs)), np.zeros(form.rows)
    weight[hosts], bias[hosts] = own, numbers
    for column, features in zip(detectors.columns, detectors.features, strict=True):
        weight[column] = detector_row(features, form.inputs, detectors.sizes)
    inhibitor = None
    if form.inhibitors:
        inhibitor = free[len(own)]
        weight[inhibitor, list(form.inhibitors)] = form.unit
    return weight, bias, hosts, inhibitor


def _passing(layer: Dense, inputs: int, columns: Sequence[int], marks: Sequence[int], unit: float) -> tuple[Floats, Floats]:
    """A layer of the host that also passes on what stands at ``marks``, behind its own outputs."""
    weight = np.zeros((layer.outputs + len(marks), inputs))
    weight[: layer.outputs, columns] = layer.weight
    weight[range(layer.outputs, len(weight)), marks] = unit
    return weight, np.concatenate([_bias(layer), np.zeros(len(marks))])


def _bias(layer: Dense) -> Floats:
    return np.zeros(layer.outputs) if layer.bias is None else np.asarray(layer.bias, np.float64)
