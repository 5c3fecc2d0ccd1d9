"""Random sums: trees with n-ary steps, arithmetics in which a neuron may be evaluated, neurons with hostile operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hostile import Floats, hostile_array
from hypothesis import strategies as st

from fpsynth.evaluators.exact import evaluate
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.expressions import Expression, variable
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.networks.lowering import lower
from fpsynth.networks.template import template
from fpsynth.orders import Order, Tree, fixed_order
from fpsynth.orders.families import FAMILIES
from fpsynth.rounding import Flush, Rounding, Value, from_float
from fpsynth.sums.arithmetic import Arithmetic, Deployment


@st.composite
def wide_trees(draw: st.DrawFn, leaves: int, arity: int = 4) -> Tree:
    """Any tree over ``leaves`` leaves whose steps add up at most ``arity`` nodes."""
    nodes, steps = list(range(leaves)), list[tuple[int, ...]]()
    while len(nodes) > 1:
        count = draw(st.integers(2, min(arity, len(nodes))))
        steps.append(tuple(nodes.pop(draw(st.integers(0, len(nodes) - 1))) for _ in range(count)))
        nodes.append(leaves + len(steps) - 1)
    return Tree(leaves, tuple(steps))


def family_orders(name: str) -> list[Order]:
    """Orders of one family, with small parameters where it takes one."""
    family = FAMILIES[name]
    if not family.parameter:
        return [Order(name)]
    return [Order(name, parameter) for parameter in {0 if family.optional else family.least, 2, 3}]


def some_orders(leaves: int) -> st.SearchStrategy[Order]:
    """Random trees, binary and wider, and every family."""
    named = st.sampled_from([order for name in FAMILIES for order in family_orders(name)])
    return st.one_of(wide_trees(leaves, 2).map(fixed_order), wide_trees(leaves).map(fixed_order), named)


@st.composite
def sum_arithmetics(draw: st.DrawFn, fmt: Format, terms: int, bias: bool) -> Arithmetic:
    """Any arithmetic in which a sum of ``terms`` products of ``fmt``, with or without a bias, can be evaluated."""
    leaf = bias and draw(st.booleans())
    return Arithmetic(
        fmt,
        accumulator=draw(st.sampled_from([None, None, FLOAT16, FLOAT32, FLOAT64])),
        rounding=draw(st.one_of(st.just(Rounding.RNE), st.sampled_from(list(Rounding)))),
        fused=draw(st.booleans()),
        flush=draw(st.sampled_from(Flush)),
        order=draw(some_orders(terms + leaf)),
        bias_first=draw(st.booleans()),
        rounded=tuple(sorted(draw(st.sets(st.integers(0, terms - 1))))),
        operands=draw(st.sampled_from([None, None, TF32])),
        bias_leaf=leaf,
    )


@dataclass(frozen=True)
class Neurons:
    """A neuron's arithmetic, and rows of weights, inputs and, unless there is none, biases to evaluate it on."""

    how: Arithmetic
    weights: Floats
    inputs: Floats
    bias: Floats | None

    def graph(self) -> Expression:
        """The lowered neuron over variables w0, w1, ..., x0, x1, ... and b."""
        assert self.how.format is not None
        terms, fmt = self.weights.shape[-1], self.how.format
        row = tuple(variable(f"w{k}", fmt) for k in range(terms))
        layer = ((row,), None if self.bias is None else (variable("b", fmt),))
        return lower(template([layer]), [variable(f"x{k}", fmt) for k in range(terms)], Deployment(self.how))[0]

    def columns(self) -> dict[str, Floats]:
        """An array for every variable."""
        named = {f"{name}{k}": a[:, k] for name, a in (("w", self.weights), ("x", self.inputs)) for k in range(a.shape[1])}
        return named if self.bias is None else {**named, "b": self.bias}

    def assignments(self) -> list[dict[str, Value]]:
        """The rows one by one."""
        columns = {name: column.tolist() for name, column in self.columns().items()}
        return [{name: from_float(column[k]) for name, column in columns.items()} for k in range(len(self.weights))]

    def by_exact(self) -> list[Value]:
        """What the reference makes of every row."""
        graph = self.graph()
        return [value for row in self.assignments() for value in evaluate([graph], row) if isinstance(value, Value)]


def neurons(how: Arithmetic, terms: int, rows: int, bias: bool, seed: int, finite: bool = False) -> Neurons:
    """Rows of which a third is hostile, a third of moderate size, and a third cancels up to what rounding leaves."""
    assert how.format is not None
    rng = np.random.default_rng(seed)
    fmt, shape = how.format, (rows, terms)
    kind = rng.integers(0, 3, (rows, 1))
    moderate = [round_array(rng.standard_normal(shape) * 2.0 ** rng.integers(-6, 6, shape), fmt) for _ in range(2)]
    hostile = [hostile_array(fmt, rows * terms, seed + k).reshape(shape) for k in (1, 2)]
    weights, inputs = (np.where(kind == 0, a, b) for a, b in zip(hostile, moderate, strict=True))
    partner = rng.permutation(terms)
    undone = (kind == 2) & (np.arange(terms) < partner)  # this product is its partner's opposite
    weights = np.where(undone, -weights[:, partner], weights)
    inputs = np.where(undone, inputs[:, partner], inputs)
    biases = hostile_array(fmt, rows, seed + 3)
    if finite:
        weights, inputs, biases = (np.where(np.isfinite(a), a, 1.0) for a in (weights, inputs, biases))
    return Neurons(how, weights, inputs, biases if bias else None)


@st.composite
def random_neurons(draw: st.DrawFn, formats: Sequence[Format], most: int = 7, rows: int = 4, finite: bool = False) -> Neurons:
    """Neurons of up to ``most`` terms in any arithmetic over one of ``formats``."""
    fmt, terms, bias = draw(st.sampled_from(formats)), draw(st.integers(1, most)), draw(st.booleans())
    how = draw(sum_arithmetics(fmt, terms, bias))
    return neurons(how, terms, rows, bias, draw(st.integers(0, 10**6)), finite)
