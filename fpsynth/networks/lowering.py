"""Lowering: what a network computes at a point under a deployment, as an expression graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from fpsynth.arithmetic import Arithmetic, Deployment, holds
from fpsynth.expressions import Expression, add, aligned, cast, constant, fma, maximum, mul, real
from fpsynth.networks.network import Dense, Network
from fpsynth.rounding import Flush
from fpsynth.workers.deadlines import require_time


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
    return maximum(value, constant(0, value.format), flush=arithmetic.flush.of_exact)


def _output(layer: Dense[Expression], output: int, values: Sequence[Expression], how: Arithmetic) -> Expression:
    """One neuron: its products summed by ``_Sum``, the result rounded into the format."""
    row = list(zip(layer.weight[output], values, strict=True))
    bias = None if layer.bias is None else _widened(layer.bias[output], how)
    total = _Sum(row, bias, how).total()
    return cast(total, how.format, how.rounding, _flush_of_result(how))


def _flush_of_result(how: Arithmetic) -> Flush:
    """How the sum is flushed when it is rounded into the format: none of it is tiny there if none is in the accumulator."""
    fmt, wide = how.format, how.sum_format
    if fmt is None or wide is None or fmt == wide:
        return Flush.NEVER
    return how.flush.of_exact if fmt.emin <= wide.emin else how.flush


def _widened(node: Expression, how: Arithmetic) -> Expression:
    """A number in the accumulator's format: first, exactly, in the arithmetic's own."""
    if how.format is None:
        return real(node)
    if node.format is None or not holds(how.format, node.format):
        raise ValueError(f"an arithmetic in {how.format} got a number in {node.format or 'the reals'}; cast it first")
    wide = how.sum_format or how.format
    flush = Flush.NEVER if wide == how.format else how.flush.of_exact if holds(wide, how.format) else how.flush
    return cast(cast(node, how.format), wide, how.rounding, flush)


def _operand(node: Expression, how: Arithmetic) -> Expression:
    """A weight or an input as the multiplier reads it, in the accumulator's format."""
    wide = _widened(node, how)
    if how.operands is None or how.format is None:
        return wide
    return cast(cast(wide, how.operands, how.operand_rounding), wide.format)


def _factor(node: Expression, how: Arithmetic) -> Expression:
    """A weight or an input as hardware that aligns reads it: in its own format, which says what its exponent is."""
    own = _widened(node, replace(how, accumulator=None))
    return own if how.operands is None else cast(own, how.operands, how.operand_rounding)


class _Sum:
    """The sum of one neuron, built along the tree of its order."""

    def __init__(self, row: Sequence[tuple[Expression, Expression]], bias: Expression | None, how: Arithmetic) -> None:
        self.how = how
        self.row = [(_operand(w, how), _operand(x, how)) for w, x in row]
        self.factors = [(_factor(w, how), _factor(x, how)) for w, x in row] if how.alignment is not None else []
        self.bias_is_leaf = how.bias_leaf and bias is not None
        self.leaf_bias = bias if self.bias_is_leaf else None
        self.first_bias = bias if how.bias_first and not self.bias_is_leaf else None
        self.last_bias = bias if not how.bias_first and not self.bias_is_leaf else None
        order = how.order if self.bias_is_leaf else how.order.without_bias
        self.tree = order.tree(len(row) + self.bias_is_leaf)
        self.rounded = frozenset(how.rounded)
        factors, wide = how.operands or how.format, how.sum_format
        exact = factors is not None and wide is not None and 2 * factors.precision < wide.precision
        self.flush_of_product = how.flush.of_exact if exact else how.flush
        """Products with a bit to spare are no nearer to the least normal number than half the ulp below it."""
        self.nodes: dict[int, Expression] = {}
        # the bias that comes first is the accumulator's starting value: it is added to the leaf that the first step begins with
        self.start = self.tree.steps[0][0] if self.tree.steps else 0

    def total(self) -> Expression:
        """The result in the accumulator's format."""
        for position, step in enumerate(self.tree.steps):
            require_time()
            self.nodes[self.tree.leaves + position] = self._step(step)
        total = self._value(self.tree.root)
        return total if self.last_bias is None else self._plus(total, self.last_bias)

    def _step(self, step: Sequence[int]) -> Expression:
        products = [node for node in step if self._fusible(node)]
        if products and self.how.alignment is not None:
            return self._aligned([self._value(node) for node in step if node not in products], products)
        return self._joined(*step) if len(step) == 2 else self._fused_sum(step)

    def _product(self, leaf: int) -> Expression:
        how = self.how
        product = mul(*self.row[leaf], how.rounding, self.flush_of_product)
        if how.products is None or how.format is None:
            return product
        return cast(cast(product, how.products, how.rounding, how.flush), how.sum_format)

    def _plus(self, left: Expression, right: Expression) -> Expression:
        return add(left, right, self.how.rounding, self.how.flush.of_exact)

    def _fusible(self, node: int) -> bool:
        """Whether the node is a product that is still exact when it is added."""
        starts = node == self.start and self.first_bias is not None
        return self.how.fused and node < len(self.row) and node not in self.rounded and not starts

    def _value(self, node: int) -> Expression:
        """A node as a number of the accumulator's format: a partial sum, a rounded product, the bias."""
        if node >= self.tree.leaves:
            return self.nodes[node]
        if node == len(self.row):
            assert self.leaf_bias is not None
            return self.leaf_bias
        if node == self.start and self.first_bias is not None:
            return self._onto(self.first_bias, node)
        return self._product(node)

    def _onto(self, total: Expression, leaf: int) -> Expression:
        """A product added to a partial sum."""
        if self.how.fused and leaf not in self.rounded:
            if self.how.alignment is not None:
                return self._aligned([total], [leaf])
            return fma(*self.row[leaf], total, self.how.rounding, self.how.flush)
        return self._plus(total, self._product(leaf))

    def _joined(self, left: int, right: int) -> Expression:
        """Two nodes added: of those that are products the later leaf is fused, if it may be, and else the other one."""
        candidates = sorted((node for node in (left, right) if self._fusible(node)), reverse=True)
        if not candidates:
            return self._plus(self._value(left), self._value(right))
        leaf = candidates[0]
        return self._onto(self._value(left if leaf == right else right), leaf)

    def _aligned(self, numbers: Sequence[Expression], leaves: Sequence[int]) -> Expression:
        """Numbers and products added as hardware that aligns does it."""
        how = self.how
        assert how.alignment is not None
        assert how.sum_format is not None
        return aligned(numbers, [self.factors[leaf] for leaf in leaves], how.sum_format, how.alignment, how.flush.of_exact)

    def _fused_sum(self, step: Sequence[int]) -> Expression:
        """More than two nodes added exactly and rounded once; products among them are exact where they are fused.

        The sum is one of real numbers: an exact zero is +0, and an infinity among the nodes makes it NaN.
        """
        total = reduce(add, [self._exact(node) for node in step])
        return cast(total, self.how.sum_format, self.how.rounding, self.how.flush)

    def _exact(self, node: int) -> Expression:
        """A node as a real number; its subnormal operands are read as zeros where the arithmetic flushes."""
        if self._fusible(node):
            weight, value = self.row[node]
            return mul(self._read(weight), self._read(value))
        return self._read(self._value(node))

    def _read(self, node: Expression) -> Expression:
        return real(cast(node, node.format, flush=Flush.NEVER if node.format is None else self.how.flush.of_exact))
