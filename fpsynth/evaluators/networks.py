"""A known network at a known point: its logits in any arithmetic by the exact interpreter, and its class."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from fpsynth.arithmetic import Arithmetic, Deployment
from fpsynth.errors import InputError
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import constant, maximum, variable
from fpsynth.formats import Format
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Dense, Network
from fpsynth.rounding import Value, from_float
from fpsynth.workers.deadlines import require_time

Numbers = Sequence[tuple[Value, Format]]
"""Values, each of a format."""
MAX_GRAPH = 5000
"""Weights of a network that the exact interpreter evaluates within two seconds."""


def network_logits(network: Network[float], point: Sequence[float], fmt: Format, deployment: Deployment) -> tuple[float, ...]:
    """Return the logits at ``point`` in the deployment's arithmetic, a format; weights and point must be of ``fmt``.

    Networks of more than ``MAX_GRAPH`` weights are evaluated as arrays, which gives the same bits a thousand times faster
    (tests/conformance holds the two together), unless arrays cannot hold the format.
    """
    if sum(layer.inputs * layer.outputs for layer in network.layers) > MAX_GRAPH:
        import numpy as np

        from fpsynth.evaluators.sums import network_outputs

        try:
            return tuple(float(v) for v in network_outputs(network, np.array(point), deployment))
        except InputError:  # the graph says what is wrong, or does without arrays
            pass
    return graph_logits(network, point, fmt, deployment)


def graph_logits(network: Network[float], point: Sequence[float], fmt: Format, deployment: Deployment) -> tuple[float, ...]:
    """The same by the exact interpreter, whatever the network's size: a third of a millisecond for each weight.

    Neurons of a layer with equal weights, bias and arithmetic are evaluated once.  Raises OutOfTimeError when time is over.
    """
    values: Numbers = [(from_float(x), fmt) for x in point]
    for index, layer in enumerate(network.layers):
        last = index + 1 == len(network.layers)
        known: dict[object, tuple[Value, Format]] = {}
        outputs = []
        for output, row in enumerate(layer.weight):
            how, bias = deployment.at(index, output), None if layer.bias is None else layer.bias[output]
            key = array("d", row).tobytes(), None if bias is None else bias.hex(), how  # which tell the zeros apart
            if key not in known:
                require_time()
                known[key] = _neuron(row, bias, values, fmt, how, last)
            outputs.append(known[key])
        values = outputs
    return tuple(float(value) for value, _ in values)


def _neuron(
    row: Sequence[float], bias: float | None, values: Numbers, fmt: Format, how: Arithmetic, last: bool
) -> tuple[Value, Format]:
    """What one neuron gives, after its ReLU unless it is of the last layer; and the format that it is of."""
    if how.format is None:
        raise InputError("real arithmetic gives no numbers of a format")
    worth = {f"w{k}": from_float(weight) for k, weight in enumerate(row)} | {
        f"x{k}": value for k, (value, _) in enumerate(values)
    }
    weights = tuple(variable(f"w{k}", fmt) for k in range(len(row)))
    if bias is not None:
        worth["b"] = from_float(bias)
    neuron = Dense((weights,), None if bias is None else (variable("b", fmt),))
    inputs = [variable(f"x{k}", of) for k, (_, of) in enumerate(values)]
    (total,) = lower(Network((neuron,)), inputs, Deployment(how))
    (result,) = evaluate([total if last else maximum(total, constant(0, how.format), flush=how.flush)], worth)
    assert isinstance(result, Value)
    return result, how.format


def argmax(logits: Sequence[float]) -> int:
    """The class: the lowest index of the largest logit.  Raises InputError for NaN, of which libraries make what they like."""
    if any(math.isnan(v) for v in logits):
        raise InputError("a logit is NaN: the network has no class there")
    return max(range(len(logits)), key=lambda k: (logits[k], -k))
