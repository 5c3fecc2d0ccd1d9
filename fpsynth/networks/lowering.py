"""Lowering: what a network computes at a point under a deployment, as an expression graph."""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.arithmetic import Arithmetic, Deployment
from fpsynth.expressions import Expression, add, cast, constant, fma, maximum, mul
from fpsynth.networks.network import Dense, Network


def lower(network: Network[Expression], point: Sequence[Expression], deployment: Deployment) -> tuple[Expression, ...]:
    """Return the logits of ``network`` at ``point`` (one expression per output).

    Weights, biases and the point must be of the deployment's format; a deployment in REAL reads any format exactly.  Raises
    ValueError where a weight, a bias or the point has another format than the arithmetic that reads it.
    """
    values = tuple(point)
    for index, layer in enumerate(network.layers):
        values = tuple(_output(layer, j, values, deployment.at(index, j)) for j in range(layer.outputs))
        if index + 1 < len(network.layers):
            values = tuple(_relu(v, deployment.at(index, j)) for j, v in enumerate(values))
    return values


def _relu(value: Expression, arithmetic: Arithmetic) -> Expression:
    return maximum(value, constant(0, value.format), flush=arithmetic.flush)


def _output(layer: Dense[Expression], output: int, values: Sequence[Expression], how: Arithmetic) -> Expression:
    """One neuron: products summed along the order's tree, the bias first or last, the result rounded into the format."""
    wide = how.sum_format

    def widened(node: Expression) -> Expression:
        if how.format is not None and node.format != how.format:
            raise ValueError(f"an arithmetic in {how.format} got a number in {node.format or 'the reals'}; cast it first")
        return cast(node, wide, how.rounding, how.flush and node.format is not None and node.format != wide)

    row = [(widened(w), widened(x)) for w, x in zip(layer.weight[output], values, strict=True)]
    bias = None if layer.bias is None else widened(layer.bias[output])

    def product(leaf: int) -> Expression:
        return mul(*row[leaf], how.rounding, how.flush)

    def plus(left: Expression, right: Expression) -> Expression:
        return add(left, right, how.rounding, how.flush)

    def join(total: Expression, leaf: int) -> Expression:
        return fma(*row[leaf], total, how.rounding, how.flush) if how.fused else plus(total, product(leaf))

    tree = how.order.tree(len(row))
    nodes: dict[int, Expression] = {}
    # the bias that comes first is the accumulator's starting value: it is added to the leaf that the first step begins with
    first = tree.steps[0][0] if tree.steps else 0

    def operand(node: int) -> Expression:
        if node >= tree.leaves:
            return nodes[node]
        if node == first and bias is not None and how.bias_first:
            return join(bias, node)
        return product(node)

    for step, (left, right) in enumerate(_binary(tree.steps)):
        if right < tree.leaves:
            nodes[tree.leaves + step] = join(operand(left), right)
        elif left < tree.leaves and not (left == first and bias is not None and how.bias_first):
            nodes[tree.leaves + step] = join(nodes[right], left)
        else:
            nodes[tree.leaves + step] = plus(operand(left), operand(right))
    total = operand(tree.leaves + len(tree.steps) - 1)
    if bias is not None and not how.bias_first:
        total = plus(total, bias)
    return cast(total, how.format, how.rounding, how.flush and how.format != wide)


def _binary(steps: tuple[tuple[int, ...], ...]) -> list[tuple[int, int]]:
    """The steps as pairs.  Raises ValueError for a fused addition of more than two terms, which has no node of its own yet."""
    if any(len(step) != 2 for step in steps):
        raise ValueError("fused additions of more than two terms are not supported")
    return [(step[0], step[1]) for step in steps]
