"""A known network at a known point: its logits in any arithmetic by the exact interpreter, and its class."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fpsynth.arithmetic import Deployment
from fpsynth.errors import InputError
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import variable
from fpsynth.formats import Format
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Network
from fpsynth.rounding import Value, from_float

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
    """The same by the exact interpreter, whatever the network's size: a third of a millisecond for each weight."""
    names: dict[str, Value] = {}

    def known(number: float) -> str:
        names[f"v{len(names)}"] = from_float(number)
        return f"v{len(names) - 1}"

    symbolic = network.map(lambda w: variable(known(w), fmt))
    inputs = [variable(known(x), fmt) for x in point]
    results = evaluate(lower(symbolic, inputs, deployment), names)
    return tuple(float(v) for v in results if isinstance(v, Value))


def argmax(logits: Sequence[float]) -> int:
    """The class: the lowest index of the largest logit.  Raises InputError for NaN, of which libraries make what they like."""
    if any(math.isnan(v) for v in logits):
        raise InputError("a logit is NaN: the network has no class there")
    return max(range(len(logits)), key=lambda k: (logits[k], -k))
