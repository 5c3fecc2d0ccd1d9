"""Lowering: what a network computes at a point under a deployment, as an expression graph."""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.arithmetic import Arithmetic, Deployment
from fpsynth.expressions import Expression, constant, maximum
from fpsynth.networks.network import Dense, Network
from fpsynth.sums.building import program_of
from fpsynth.sums.graph import sum_graph


def lower(network: Network[Expression], point: Sequence[Expression], deployment: Deployment) -> tuple[Expression, ...]:
    """Return the logits of ``network`` at ``point`` (one expression per output).

    A number is cast exactly where the arithmetic that reads it has a wider format; REAL reads any format exactly.  Raises
    ValueError where a weight, a bias, the point or an activation has a format whose values that arithmetic does not all hold.
    """
    values = tuple(point)
    for index, layer in enumerate(network.layers):
        values = tuple(_output(layer, j, values, deployment.at(index, j)) for j in range(layer.outputs))
        if index + 1 < len(network.layers):
            values = tuple(_relu(v, deployment.at(index, j)) for j, v in enumerate(values))
    return values


def _relu(value: Expression, arithmetic: Arithmetic) -> Expression:
    return maximum(value, constant(0, value.format), flush=arithmetic.activation_flush)


def _output(layer: Dense[Expression], output: int, values: Sequence[Expression], arithmetic: Arithmetic) -> Expression:
    """One neuron: its products summed as the arithmetic's program says."""
    row = list(zip(layer.weight[output], values, strict=True))
    bias = None if layer.bias is None else layer.bias[output]
    return sum_graph(program_of(arithmetic, len(row), bias is not None), row, bias)
