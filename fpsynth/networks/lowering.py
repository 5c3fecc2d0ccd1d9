"""Lowering: what a network computes at a point under a deployment, as an expression graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

from fpsynth.errors import InputError
from fpsynth.expressions import Expression, add, cast, constant, maximum, mul, neg, real
from fpsynth.formats import Format, holds
from fpsynth.networks.layers.structure import PADDING, Addends, Normalisation, Rearrangement, Selection, Sums, moved
from fpsynth.networks.network import Network, Node
from fpsynth.networks.template import Template
from fpsynth.rounding import Flush, Rounding, from_float, representable
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.graph import sum_graph


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


def _viewed(view: Rearrangement, values: Sequence[_Computed]) -> Sequence[_Computed]:
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
    fmt, unit = arithmetic.format, arithmetic.unit
    flush = Flush.NEVER if unit is None else unit.flush.of_exact
    if any(other.format != fmt for _, other in values):
        raise ValueError("a selection among numbers of several formats; cast them first")
    nodes = [_read(node, arithmetic) for node, _ in values]
    node = reduce(lambda a, b: maximum(a, b, flush), nodes)
    if selection.floor is not None:
        node = maximum(node, _constant(selection.floor, fmt), flush)
    if selection.ceiling is not None:
        node = neg(maximum(neg(node), _constant(-selection.ceiling, fmt), flush))
    if selection.slope is not None:  # the slope is between 0 and 1: the product is the larger one where x is negative
        mode, kind = (Rounding.RNE, Flush.NEVER) if unit is None else (unit.mode, unit.flush)
        node = maximum(node, mul(_constant(selection.slope, fmt), node, mode, kind), flush)
    return node


def _read(node: Expression, arithmetic: Arithmetic) -> Expression:
    """A number in an arithmetic's format, exactly."""
    if arithmetic.format is None:
        return real(node)
    if node.format is None or not holds(arithmetic.format, node.format):
        raise ValueError(f"an arithmetic in {arithmetic.format} got a number in {node.format or 'the reals'}; cast it first")
    return cast(node, arithmetic.format)


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
    """The sum of one neuron: products of pairs (weight, input) and a bias, as the arithmetic's program says."""
    return sum_graph(program_of(arithmetic, len(row), bias is not None), row, bias)


def divided(node: Expression, divisor: float, arithmetic: Arithmetic) -> Expression:
    """A number over a constant, rounded once into the arithmetic's format; a zero gives +0, what is not finite NaN."""
    unit = arithmetic.unit
    read = node if unit is None else cast(node, unit.format, flush=unit.flush.of_exact)
    quotient = mul(real(read), constant(1 / Fraction(divisor), None))
    return quotient if unit is None else cast(quotient, unit.format, unit.mode, unit.flush)


def _normalised(name: str, node: Expression, group: int, arithmetic: Arithmetic, normalisation: Normalisation) -> Expression:
    """Raises InputError where an arithmetic would have to say how, or where the factor is irrational."""
    if arithmetic.format is not None:
        raise InputError(f"{name}: no arithmetic says how a batch normalisation is computed; fold it first")
    low, high = normalisation.factor(group)
    if low != high:
        raise InputError(f"{name}: a batch normalisation multiplies by an irrational number, which has no exact value")
    shift = Fraction(float(normalisation.shift[group])) - Fraction(float(normalisation.mean[group])) * low
    return add(mul(node, constant(low, None)), constant(shift, None))
