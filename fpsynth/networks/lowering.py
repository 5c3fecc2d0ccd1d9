"""Lowering: what a network computes at a point under a deployment, as an expression graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from typing import Any

from fpsynth.arithmetic import Arithmetic, Deployment, holds
from fpsynth.deadlines import require_time
from fpsynth.errors import InputError
from fpsynth.expressions import Expression, add, aligned, cast, constant, fma, maximum, mul, neg, real
from fpsynth.formats import Format
from fpsynth.networks.layers.structure import PADDING, Addends, Normalisation, Selection, Sums, View, moved
from fpsynth.networks.network import Network, Node
from fpsynth.networks.template import Template
from fpsynth.rounding import Flush, from_float, representable


@dataclass(frozen=True)
class _Computed:
    """A number in the graph, and the arithmetic that computed it: None for the network's input and for what a pad writes."""

    node: Expression
    arithmetic: Arithmetic | None = None


def lower(
    network: Network | Template[Expression], point: Sequence[Expression], deployment: Deployment
) -> tuple[Expression, ...]:
    """Return the logits of ``network`` at ``point``: one expression per output, and one per input, both row-major.

    A number is cast exactly where the arithmetic that reads it has a wider format; REAL reads any format exactly; a network's
    parameters are constants of the format that reads them.  Taps in a padding read +0; inputs that are added as they are, are
    products with 1; a divided sum is rounded, divided, and rounded again (a zero gives +0, what is not finite NaN).  A
    selection is computed in the arithmetic of its first number: the default one where that is an input.  Raises ValueError
    where a weight, a bias, the point or an activation has a format whose values that arithmetic does not all hold, and
    InputError for a batch normalisation without an exact value.
    """
    graph = network.logits
    if len(point) != math.prod(graph.input_shape):
        raise ValueError(f"a network of {math.prod(graph.input_shape)} inputs got a point of {len(point)} numbers")

    def step(node: Node, inputs: Sequence[Sequence[_Computed]]) -> Sequence[_Computed]:
        values = [value for part in inputs for value in part]
        structure = graph.structure(node.name)
        if isinstance(structure, Sums):
            index = graph.sums.index(node.name)
            return [
                _sum(node.name, structure.addends(output), values, deployment.at(index, output), structure.normalisation)
                for output in range(structure.outputs)
            ]
        if isinstance(structure, Selection):
            return _selected(structure, values, deployment.default)
        return _viewed(structure, values)

    given: Sequence[_Computed] = [_Computed(x) for x in point]
    return tuple(value.node for value in graph.run(given, step))


def _viewed(view: View, values: Sequence[_Computed]) -> Sequence[_Computed]:
    if view.read is None:
        return values
    reference = values[0]
    fill = _Computed(_constant(view.fill, reference.node.format), reference.arithmetic)
    return [fill if k == PADDING else values[k] for k in view.read.tolist()]


def _selected(selection: Selection, values: Sequence[_Computed], default: Arithmetic) -> list[_Computed]:
    result = []
    for group in range(selection.groups):
        read = moved(selection.taps.at(slice(None)), group * selection.group_stride)
        for row in read.tolist():
            given = [(values[k].node, values[k].arithmetic or default) for k in row if k != PADDING]
            result.append(_Computed(selected(selection, given), given[0][1]))
    return result


def selected(selection: Selection, values: Sequence[tuple[Expression, Arithmetic]]) -> Expression:
    """The largest of the values, between the bounds, and multiplied where it is negative, in the arithmetic of the first.

    Raises ValueError where the arithmetics are of several formats, or a value, bound or slope is not of theirs.
    """
    arithmetic = values[0][1]
    fmt, flush = arithmetic.format, arithmetic.flush.of_exact
    if any(other.format != fmt for _, other in values):
        raise ValueError("a selection among numbers of several formats; cast them first")
    nodes = [_widened(node, replace(arithmetic, accumulator=None)) for node, _ in values]
    node = reduce(lambda a, b: maximum(a, b, flush), nodes)
    if selection.floor is not None:
        node = maximum(node, _constant(selection.floor, fmt), flush)
    if selection.ceiling is not None:
        node = neg(maximum(neg(node), _constant(-selection.ceiling, fmt), flush))
    if selection.slope is not None:  # the slope is between 0 and 1: the product is the larger one where x is negative
        node = maximum(node, mul(_constant(selection.slope, fmt), node, arithmetic.rounding, arithmetic.flush), flush)
    return node


def _constant(value: float | Fraction, fmt: Format | None) -> Expression:
    """A number of a network, the zero below 0 included."""
    if value == 0 and isinstance(value, float) and math.copysign(1.0, value) < 0:
        return neg(constant(0, fmt))
    if fmt is not None and not representable(from_float(float(value)), fmt):
        raise ValueError(f"{value} is no number of {fmt}; round it first")
    return constant(value, fmt)


def _entry(entry: Any, arithmetic: Arithmetic) -> Expression:
    """A parameter as an expression: a template's already is one."""
    return entry if isinstance(entry, Expression) else _constant(float(entry), arithmetic.format)


def _sum(
    name: str, addends: Addends, values: Sequence[_Computed], arithmetic: Arithmetic, normalisation: Normalisation | None
) -> _Computed:
    """One sum of a layer, divided and normalised where it is."""
    one, zero = constant(1, arithmetic.format), constant(0, arithmetic.format)
    weights = [one] * len(addends.read) if addends.weights is None else [_entry(w, arithmetic) for w in addends.weights]
    inputs = [zero if k == PADDING else values[k].node for k in addends.read.tolist()]
    bias = None if addends.bias is None else _entry(addends.bias, arithmetic)
    node = neuron(list(zip(weights, inputs, strict=True)), bias, arithmetic)
    if addends.divisor != 1:
        node = divided(node, addends.divisor, arithmetic)
    if normalisation is not None:
        node = _normalised(name, node, addends.group, arithmetic, normalisation)
    return _Computed(node, arithmetic)


def neuron(row: Sequence[tuple[Expression, Expression]], bias: Expression | None, arithmetic: Arithmetic) -> Expression:
    """The sum of one neuron: products of pairs (weight, input) summed by ``_Sum``, the result rounded into the format."""
    total = _Sum(row, None if bias is None else _widened(bias, arithmetic), arithmetic).total()
    return cast(total, arithmetic.format, arithmetic.rounding, _flush_of_result(arithmetic))


def divided(node: Expression, divisor: float, arithmetic: Arithmetic) -> Expression:
    """A number over a constant, rounded once into the arithmetic's format; a zero gives +0, what is not finite NaN."""
    read = node if arithmetic.format is None else cast(node, arithmetic.format, flush=arithmetic.flush.of_exact)
    quotient = mul(real(read), constant(1 / Fraction(divisor), None))
    return cast(quotient, arithmetic.format, arithmetic.rounding, arithmetic.flush)


def _normalised(name: str, node: Expression, group: int, arithmetic: Arithmetic, normalisation: Normalisation) -> Expression:
    """Raises InputError where an arithmetic would have to say how, or where the factor is irrational."""
    if arithmetic.format is not None:
        raise InputError(f"{name}: no arithmetic says how a batch normalisation is computed; fold it first")
    low, high = normalisation.factor(group)
    if low != high:
        raise InputError(f"{name}: a batch normalisation multiplies by an irrational number, which has no exact value")
    shift = Fraction(float(normalisation.shift[group])) - Fraction(float(normalisation.mean[group])) * low
    return add(mul(node, constant(low, None)), constant(shift, None))


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
