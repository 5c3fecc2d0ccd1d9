"""A known network at a known point: its logits in any arithmetic by the exact interpreter, and its class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fpsynth.errors import InputError
from fpsynth.evaluators.exact import evaluate
from fpsynth.evaluators.work import MAX_GRAPH, interpreted_work, require_affordable
from fpsynth.expressions import Expression, variable
from fpsynth.formats import Format
from fpsynth.networks.layers.structure import PADDING, Addends, Rearrangement, Selection, Sums, moved
from fpsynth.networks.lowering import divided, neuron, selected
from fpsynth.networks.network import Network, Node
from fpsynth.rounding import PLUS_ZERO, Value, from_float
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.workers.deadlines import require_time


def network_logits(network: Network, point: Sequence[float], fmt: Format, deployment: Deployment) -> tuple[float, ...]:
    """Return the logits at ``point`` in the deployment's arithmetic, a format; weights and point must be of ``fmt``.

    One number per input and output, row-major.  Networks that read more than ``MAX_GRAPH`` numbers are evaluated as arrays,
    which gives the same bits a thousand times faster (tests/conformance holds the two together), unless arrays cannot hold the
    format.  Raises BeyondReachError where they cannot, and the interpreter would take far too long.
    """
    if network.work > MAX_GRAPH:
        from fpsynth.evaluators.deployed import network_outputs

        try:
            outputs = network_outputs(network, np.array(point).reshape(network.input_shape), deployment)
            return tuple(outputs.reshape(-1).tolist())
        except InputError as refusal:  # the graph says what is wrong, or does without arrays
            require_affordable(f"evaluating the network number by number ({refusal})", interpreted_work(network))
    return graph_logits(network, point, fmt, deployment)


def graph_logits(network: Network, point: Sequence[float], fmt: Format, deployment: Deployment) -> tuple[float, ...]:
    """The same by the exact interpreter, whatever the network's size: a third of a millisecond for each weight.

    Sums of a layer with equal weights, bias, inputs and arithmetic are evaluated once.  Raises OutOfTimeError.
    """
    graph = network.logits

    def step(node: Node, inputs: Sequence[Numbers]) -> Numbers:
        values = [value for part in inputs for value in part]
        structure = graph.structure(node.name)
        if isinstance(structure, Sums):
            return _Layer(node.name, structure, deployment, graph.sums.index(node.name), fmt).computed(values)
        if isinstance(structure, Selection):
            return _selected(structure, values, deployment.default)
        return _viewed(structure, values)

    given: Numbers = [Number(from_float(x), fmt) for x in point]
    return tuple(float(value.value) for value in graph.run(given, step))


def node_output(network: Network, name: str, output: int, given: Sequence[float], fmt: Format, deployment: Deployment) -> float:
    """One output of one node by the exact interpreter: ``given`` are the flat numbers of ``fmt`` that come into the node.

    ``output`` is its flat position.  A selection is computed in the default arithmetic.  Raises InputError for a batch
    normalisation and in real arithmetic.
    """
    structure = network.structure(name)
    values: Numbers = [Number(from_float(x), fmt) for x in given]
    if isinstance(structure, Sums):
        layer = _Layer(name, structure, deployment, network.sums.index(name), fmt)
        layer.require_summed()
        return float(layer.one(structure.addends(output), values, deployment.at(layer.index, output)).value)
    if isinstance(structure, Selection):
        group, position = divmod(output, structure.taps.positions)
        row = moved(structure.taps.at(np.array([position])), group * structure.group_stride)[0]
        return float(_selected_of(structure, row.tolist(), values, deployment.default).value)
    return float(_viewed(structure, values)[output].value)


@dataclass(frozen=True)
class Number:
    """A number, its format, and the arithmetic that computed it: None for the network's input and for what a pad writes."""

    value: Value
    format: Format
    arithmetic: Arithmetic | None = None


Numbers = Sequence[Number]


@dataclass(frozen=True)
class _Layer:
    """One node of sums."""

    name: str
    sums: Sums
    deployment: Deployment
    index: int
    format: Format
    """Of its parameters."""

    def computed(self, values: Numbers) -> Numbers:
        """All of its outputs."""
        self.require_summed()
        answers: dict[object, Number] = {}
        outputs = []
        for output in range(self.sums.outputs):
            addends, arithmetic = self.sums.addends(output), self.deployment.at(self.index, output)
            numbers = [None if a is None else np.asarray(a).tobytes() for a in (addends.weights, addends.bias, addends.read)]
            key = (*numbers, addends.divisor, arithmetic)  # bytes tell the zeros apart
            if key not in answers:
                require_time()
                answers[key] = self.one(addends, values, arithmetic)
            outputs.append(answers[key])
        return outputs

    def require_summed(self) -> None:
        """Raise InputError for a batch normalisation."""
        if self.sums.normalisation is not None:
            raise InputError(f"{self.name}: no arithmetic says how a batch normalisation is computed; fold it first")

    def one(self, addends: Addends, values: Numbers, arithmetic: Arithmetic) -> Number:
        """What one sum gives, divided where it is."""
        if arithmetic.format is None:
            raise InputError("real arithmetic gives no numbers of a format")
        zero = Number(PLUS_ZERO, arithmetic.format)
        given = [zero if k == PADDING else values[k] for k in addends.read.tolist()]
        weights = [1.0] * len(given) if addends.weights is None else addends.weights.tolist()
        worth = {f"x{k}": x.value for k, x in enumerate(given)} | {f"w{k}": from_float(w) for k, w in enumerate(weights)}
        row = [(variable(f"w{k}", self.format), variable(f"x{k}", x.format)) for k, x in enumerate(given)]
        bias = None if addends.bias is None else variable("b", self.format)
        if bias is not None:
            worth["b"] = from_float(float(addends.bias))
        total = _value(neuron(row, bias, arithmetic), worth)
        if addends.divisor != 1:
            if not total.is_finite:
                raise InputError(f"{self.name}: a sum that is to be divided is not finite")
            total = _value(divided(variable("t", arithmetic.format), addends.divisor, arithmetic), {"t": total})
        return Number(total, arithmetic.format, arithmetic)


def _value(node: Expression, worth: Mapping[str, Value]) -> Value:
    (result,) = evaluate([node], worth)
    assert isinstance(result, Value)
    return result


def _selected(selection: Selection, values: Numbers, default: Arithmetic) -> Numbers:
    result = []
    for group in range(selection.groups):
        for row in moved(selection.taps.at(slice(None)), group * selection.group_stride).tolist():
            result.append(_selected_of(selection, row, values, default))
    return result


def _selected_of(selection: Selection, row: Sequence[int], values: Numbers, default: Arithmetic) -> Number:
    """What is selected among the inputs at these flat positions."""
    given = [values[k] for k in row if k != PADDING]
    named = {f"x{k}": x.value for k, x in enumerate(given)}
    nodes = [(variable(f"x{k}", x.format), x.arithmetic or default) for k, x in enumerate(given)]
    arithmetic = given[0].arithmetic or default
    if arithmetic.format is None:
        raise InputError("real arithmetic gives no numbers of a format")
    return Number(_value(selected(selection, nodes), named), arithmetic.format, arithmetic)


def _viewed(view: Rearrangement, values: Numbers) -> Numbers:
    if view.read is None:
        return values
    fill = Number(from_float(view.fill), values[0].format, values[0].arithmetic)
    return [fill if k == PADDING else values[k] for k in view.read.tolist()]


def argmax(logits: Sequence[float]) -> int:
    """The class: the lowest index of the largest logit.  Raises InputError for NaN, of which libraries make what they like."""
    if any(math.isnan(v) for v in logits):
        raise InputError("a logit is NaN: the network has no class there")
    return max(range(len(logits)), key=lambda k: (logits[k], -k))
