"""Where two views of a network of any layers part ways: layer by layer, and the sum of the neuron that shows it first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import node_outputs
from fpsynth.evaluators.exact import Result
from fpsynth.evaluators.real import node_values
from fpsynth.evaluators.work import affordable_extra, exact_work
from fpsynth.networks.cancellation import Cancellation, cancellations
from fpsynth.networks.layers import Sums
from fpsynth.networks.layers.structure import PADDING
from fpsynth.networks.network import INPUT, Network
from fpsynth.report.partial_sums import Neuron
from fpsynth.rounding import from_float
from fpsynth.witness.data import View, Witness

Exact = dict[str, tuple[Fraction, ...]]
"""The exact result of each node."""
Values = dict[str, Floats]
"""What each node gives, flat."""


@dataclass(frozen=True)
class LayerApart:
    """A node that both views have, with sums or without."""

    name: str
    kind: str
    shape: tuple[int, ...]
    adds: bool
    terms: int
    """Of each sum; 0 where it does not add."""
    differ: int
    """Outputs that are not the same number in both views."""
    largest: float
    """The largest difference of two of them."""
    errors: tuple[float, float] | None
    """The largest distance of an output from its exact value in either view; None where that was not computed."""


@dataclass(frozen=True)
class Apart:
    """Two views of a network, layer by layer."""

    layers: tuple[LayerApart, ...]
    first: str
    """The name of the first layer of sums in which they differ; empty where they differ in none."""
    neurons: tuple[tuple[View, Neuron], ...]
    """The neuron of that layer in which they differ most, under each of the two views."""
    cancelling: Cancellation | None = None
    """The first neuron that differs although its weights cancel: what it gives was left to the order, and nothing else."""
    decided: tuple[tuple[View, Neuron], ...] = ()
    """That neuron under each of the two views."""


def computed_by(witness: Witness, view: View) -> Network:
    """The network that a view evaluates."""
    return (view.network or witness.network).logits


def apart(witness: Witness) -> Apart:
    """Evaluate the reference and the deployed view node by node, and hold them against each other.

    Raises InputError where a view cannot be evaluated over arrays, as one in exact arithmetic.
    """
    views = (witness.reference, witness.deployed)
    networks = [computed_by(witness, view) for view in views]
    exact = [_exactly(witness, view) for view in views]
    values = [
        _rounded(known, witness.at(view))
        if view.deployment.default.format is None
        else node_outputs(network, np.array(witness.at(view)), view.deployment)
        for network, view, known in zip(networks, views, exact, strict=True)
    ]
    a, b = networks
    shared = [node.name for node in a.nodes if node.name in b.shapes and a.shapes[node.name] == b.shapes[node.name]]
    layers = tuple(_layer(a, name, values, exact) for name in shared)
    first = next((layer.name for layer in layers if layer.differ and layer.adds), "")
    if not first:
        return Apart(layers, first, ())
    adding = {layer.name for layer in layers if layer.adds}
    distances = {name: np.abs(values[0][name] - values[1][name]) for name in adding}

    def under_each(name: str, output: int) -> tuple[tuple[View, Neuron], ...]:
        told = zip(networks, views, values, strict=True)
        return tuple((view, _neuron(network, name, output, view, known)) for network, view, known in told)

    neurons = under_each(first, int(distances[first].argmax()))
    for found in cancellations(a):
        if found.layer in adding:
            of_neuron = distances[found.layer].reshape(a.shapes[found.layer][0], -1)[found.neuron]
            if of_neuron.any():
                output = found.neuron * len(of_neuron) + int(of_neuron.argmax())
                return Apart(layers, first, neurons, found, under_each(found.layer, output))
    return Apart(layers, first, neurons)


def _rounded(exact: Exact, point: Sequence[float]) -> Values:
    """Exact results as the nearest float64, which is what is shown of a view in exact arithmetic."""
    if not exact:
        raise InputError("the network is too large to be evaluated exactly layer by layer")
    numbers = {name: np.array([float(x) for x in of_node]) for name, of_node in exact.items()}
    return {INPUT: np.array(point), **numbers}


def _exactly(witness: Witness, view: View) -> Exact:
    """The exact results of the witness's own network at a view's point; none where there are none, or they take long."""
    graph = witness.network.logits
    if not affordable_extra(exact_work(graph, witness.at(view))):
        return {}
    try:
        return node_values(graph, witness.at(view), graph.shapes)
    except InputError:
        return {}


def _layer(network: Network, name: str, values: Sequence[Values], exact: Sequence[Exact]) -> LayerApart:
    a, b = (known[name] for known in values)
    structure = network.structure(name)
    different = a != b
    errors = None
    if all(name in known for known in exact):
        errors = _largest_error(a, exact[0][name]), _largest_error(b, exact[1][name])
    return LayerApart(
        name=name,
        kind=network[name].layer.kind,
        shape=network.shapes[name],
        adds=isinstance(structure, Sums),
        terms=structure.terms if isinstance(structure, Sums) else 0,
        differ=int(different.sum()),
        largest=float(np.abs(a[different] - b[different]).max(initial=0.0)),  # what is infinite in both has no difference
        errors=errors,
    )


def _largest_error(values: Floats, exact: Sequence[Fraction]) -> float:
    return float(max(abs(Fraction(x) - y) for x, y in zip(values.tolist(), exact, strict=True)))


def _neuron(network: Network, name: str, output: int, view: View, values: Values) -> Neuron:
    """One sum of a node with the numbers that it reads under a view."""
    structure = network.structure(name)
    assert isinstance(structure, Sums)
    addends, layer = structure.addends(output), network.sums.index(name)
    given = np.concatenate([values[source] for source in network[name].inputs])
    arithmetic = view.deployment.at(layer, output)
    read: list[Result] = []
    for k in addends.read.tolist():
        number = 0.0 if k == PADDING else float(given[k])
        read.append(Fraction(number) if arithmetic.format is None else from_float(number))
    weights = [1.0] * len(read) if addends.weights is None else [float(w) for w in addends.weights]
    bias = None if addends.bias is None else float(addends.bias)
    return Neuron(layer, output, tuple(weights), bias, tuple(read), arithmetic)
