"""What the views of a divergence compute on the way: the values of every layer, and the partial sums of one neuron."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from fpsynth import rounding as r
from fpsynth.alignment import cut_at, lined_up
from fpsynth.errors import InputError
from fpsynth.evaluators.exact import Result, evaluate
from fpsynth.evaluators.work import MAX_GRAPH
from fpsynth.expressions import Expression, Op, topological, variable
from fpsynth.formats import FLOAT64, Format
from fpsynth.networks.network import Dense
from fpsynth.report.computed import Operation
from fpsynth.rounding import Value
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.sums.graph import sum_graph
from fpsynth.witness.data import View, Witness


@dataclass(frozen=True)
class LayerValues:
    """One layer under one view: Values in a format, Fractions in exact arithmetic."""

    inputs: tuple[Result, ...]
    sums: tuple[Result, ...]
    """Before the ReLU, one per neuron of the network, permutation undone."""


@dataclass(frozen=True)
class Neuron:
    """One neuron under one view."""

    layer: int
    output: int
    weights: tuple[float, ...]
    bias: float | None
    inputs: tuple[Result, ...]
    how: Arithmetic

    @property
    def active(self) -> tuple[int, ...]:
        """The terms whose product is not zero."""
        return tuple(k for k, (w, x) in enumerate(zip(self.weights, self.inputs, strict=True)) if w and number(x))


def number(value: Result) -> Fraction | None:
    """The number that a node is worth; None for infinities and NaN."""
    if isinstance(value, Value):
        return value.fraction() if value.is_finite else None
    return Fraction(value)


def layer_values(divergence: Witness, view: View) -> list[LayerValues]:
    """Every layer of the network at the point under a view."""
    network, how = divergence.network, view.deployment
    values: tuple[Result, ...] = tuple(_value(x, how.default.format) for x in divergence.point)
    layers = []
    for index, layer in enumerate(network.dense_layers):
        last = index + 1 == len(network.dense_layers)
        hows = [arithmetic_of(view, index, j, last) for j in range(layer.outputs)]
        sums = _sums(layer, values, hows)
        layers.append(LayerValues(values, tuple(sums)))
        values = tuple(map(_rectified, sums, hows))
    return layers


def arithmetic_of(view: View, layer: int, neuron: int, last: bool) -> Arithmetic:
    """How a view evaluates a neuron of the network, wherever it stands in that view."""
    place = view.permutation.index(neuron) if last and view.permutation else neuron
    return view.deployment.at(layer, place)


def neuron_of(divergence: Witness, view: View, layer: int, output: int, values: Sequence[LayerValues]) -> Neuron:
    """One neuron of the network under a view whose ``layer_values`` are ``values``."""
    dense, last = divergence.network.dense_layers[layer], layer + 1 == len(divergence.network.dense_layers)
    bias = None if dense.bias is None else float(dense.bias[output])
    return Neuron(
        layer,
        output,
        tuple(dense.weight[output].tolist()),
        bias,
        values[layer].inputs,
        arithmetic_of(view, layer, output, last),
    )


def parting(divergence: Witness, a: Sequence[LayerValues], b: Sequence[LayerValues]) -> tuple[int, int]:
    """(layer, neuron) where two views part ways first; the output that the predicate reads, where that is one of them."""
    for index, (left, right) in enumerate(zip(a, b, strict=True)):
        differ = [j for j, (x, y) in enumerate(zip(left.sums, right.sums, strict=True)) if number(x) != number(y)]
        if differ:
            last = index + 1 == len(a)
            return index, divergence.predicate.output if last and divergence.predicate.output in differ else differ[0]
    return len(a) - 1, divergence.predicate.output


def _value(entry: float, fmt: Format | None) -> Result:
    return Fraction(entry) if fmt is None else r.from_float(entry)


def _rectified(value: Result, how: Arithmetic) -> Result:
    if not isinstance(value, Value):
        return max(Fraction(value), Fraction(0))
    assert how.format is not None
    return r.maximum(r.flushed(value, how.format) if how.flushes else value, r.PLUS_ZERO)


def _sums(layer: Dense, inputs: Sequence[Result], hows: Sequence[Arithmetic]) -> list[Result]:
    """The sums of all neurons of a layer; as whole arrays, or in integers, where the graph would take long."""
    if layer.inputs * layer.outputs > MAX_GRAPH:
        if all(how.format is None for how in hows):
            return list(_exact_sums(layer, inputs))
        try:
            return _array_sums(layer, inputs, hows)
        except (InputError, OverflowError):  # arrays do not hold the format
            pass
    known: dict[object, Result] = {}  # layers that amplify hold many copies of a neuron
    sums = []
    for j, (row, how) in enumerate(zip(layer.weight.tolist(), hows, strict=True)):
        bias = None if layer.bias is None else float(layer.bias[j])
        key = array("d", row).tobytes(), None if bias is None else bias.hex(), how  # which tell the zeros apart
        if key not in known:
            known[key] = _evaluate(row, bias, inputs, how)
        sums.append(known[key])
    return sums


def _array_sums(layer: Dense, inputs: Sequence[Result], hows: Sequence[Arithmetic]) -> list[Result]:
    import numpy as np

    from fpsynth.evaluators.sums import sum_of_products

    weights, bias = layer.weight.astype(np.float64), None if layer.bias is None else layer.bias.astype(np.float64)
    point, sums = np.array([float(x) for x in inputs]), np.empty(layer.outputs)
    for how in dict.fromkeys(hows):
        places = [j for j, other in enumerate(hows) if other == how]
        sums[places] = sum_of_products(how, weights[places], point, None if bias is None else bias[places])
    return [r.from_float(v) for v in sums.tolist()]


def _exact_sums(layer: Dense, inputs: Sequence[Result]) -> Iterator[Fraction]:
    """In integers over one denominator: a fraction would be reduced to lowest terms after each product."""
    exact = [Fraction(x) for x in inputs if not isinstance(x, Value)]
    common = math.lcm(*(x.denominator for x in exact))
    point = [x.numerator * (common // x.denominator) for x in exact]
    for j, row in enumerate(layer.weight.tolist()):
        ratios = [w.as_integer_ratio() for w in row]
        below = max(q for _, q in ratios)  # powers of two
        total = sum(p * (below // q) * x for (p, q), x in zip(ratios, point, strict=True))
        yield Fraction(total, below * common) + Fraction(0 if layer.bias is None else float(layer.bias[j]))


def _evaluate(weights: Sequence[float], bias: float | None, inputs: Sequence[Result], how: Arithmetic) -> Result:
    """The sum of one neuron."""
    if how.format is None:
        products = (Fraction(w) * Fraction(x) for w, x in zip(weights, inputs, strict=True) if w and not isinstance(x, Value))
        return sum(products, Fraction(bias or 0))
    root, assignment = _graph(weights, bias, inputs, how)
    return evaluate([root], assignment)[0]


def _graph(
    weights: Sequence[float], bias: float | None, inputs: Sequence[Result], how: Arithmetic
) -> tuple[Expression, dict[str, Value]]:
    """One neuron as a graph over w0, x0, w1, ... and b."""
    fmt = how.format or FLOAT64
    known = {f"w{k}": r.from_float(w) for k, w in enumerate(weights)}
    known |= {f"x{k}": x for k, x in enumerate(inputs) if isinstance(x, Value)}
    row = [(variable(f"w{k}", fmt), variable(f"x{k}", fmt)) for k in range(len(weights))]
    if bias is not None:
        known["b"] = r.from_float(bias)
    program = program_of(how, len(row), bias is not None)
    return sum_graph(program, row, None if bias is None else variable("b", fmt)), known


@dataclass(frozen=True)
class Addend:
    """One of those that an aligned step adds, zeros left out."""

    name: str
    exact: Value
    kept: Value
    """What is left of it when it has been cut."""


@dataclass(frozen=True)
class AlignedStep:
    """What an aligned step does to its addends before it adds them up."""

    name: str
    largest: int
    """The exponent that all are lined up at."""
    last: int
    """They become multiples of 2**last."""
    addends: tuple[Addend, ...]


@dataclass(frozen=True)
class Sum:
    """The sum of one neuron, zeros left out."""

    steps: tuple[Operation, ...]
    """Additions, and whatever else rounds, in order; p3 is the product of term 3, s1, s2, ... are partial sums."""
    expression: str
    """The order in which what is not zero is added, such as (p0 + p2) + p3."""
    result: Value
    aligned: tuple[AlignedStep, ...] = ()


def summed(neuron: Neuron) -> Sum:
    """Follow the sum of a neuron whose arithmetic is a format, step by step.

    Adding a zero is exact; such steps are left out.
    """
    root, known = _graph(neuron.weights, neuron.bias, neuron.inputs, neuron.how)
    nodes = list(topological([root]))
    worth = {id(node): value for node, value in zip(nodes, evaluate(nodes, known), strict=True)}
    trace = _Trace(worth)
    for node in nodes:
        trace.take(node)
    result = worth[id(root)]
    assert isinstance(result, Value)
    return Sum(tuple(trace.steps), trace.text(root, top=True), result, tuple(trace.aligned))


class _Trace:
    """Names the nodes of a sum and lists those that compute something."""

    def __init__(self, worth: dict[int, Result]) -> None:
        self.worth = worth
        self.names: dict[int, str] = {}
        self.texts: dict[int, str] = {}
        self.steps: list[Operation] = []
        self.aligned: list[AlignedStep] = []

    def zero(self, node: Expression) -> bool:
        """Whether nothing but zeros is added up in a node: sums that cancel are none of those."""
        return id(node) not in self.names

    def _product_of_zero(self, node: Expression) -> bool:
        return any(number(self.worth[id(arg)]) == 0 for arg in node.args[:2])

    def text(self, node: Expression, top: bool = False) -> str:
        text = self.texts.get(id(node), "0")
        return text[1:-1] if top and text.startswith("(") else text

    def take(self, node: Expression) -> None:
        """Name a node, after its arguments."""
        match node.op:
            case Op.VARIABLE if node.name != "b" or number(self.worth[id(node)]) != 0:
                self._call(node, "bias" if node.name == "b" else node.name)
            case Op.MUL if not self._product_of_zero(node):
                self._call(node, f"p{self._term(node)}")
                if node.format is not None and self.worth[id(node)] != self._exact(node):
                    self._step(node, (self.names[id(node)],), self.names[id(node)])
            case Op.CAST:
                self._cast(node)
            case Op.ADD | Op.FMA | Op.ALIGNED:
                self._addition(node)

    def _call(self, node: Expression, name: str, text: str = "") -> None:
        self.names[id(node)], self.texts[id(node)] = name, text or name

    def _term(self, node: Expression) -> str:
        """The number of the term whose weight a product reads, through casts."""
        return _number(node.args[0])

    def _cast(self, node: Expression) -> None:
        inner = node.args[0]
        if id(inner) not in self.names:
            return
        self._call(node, self.names[id(inner)], self.texts[id(inner)])
        if node.format is not None and number(self.worth[id(inner)]) != number(self.worth[id(node)]) and not _is_factor(inner):
            self._next(node, (self.names[id(inner)],), self.texts[id(inner)])

    def _addition(self, node: Expression) -> None:
        """An addition; one with a zero is no step."""
        if node.op is Op.FMA:
            fused, rest = f"p{self._term(node)}", node.args[2]
            parts = [] if self._product_of_zero(node) else [(fused, fused)]
            parts = ([] if self.zero(rest) else [(self.names[id(rest)], self.texts[id(rest)])]) + parts
        else:
            added = node.numbers if node.op is Op.ALIGNED else node.args
            parts = [(self.names[id(arg)], self.texts[id(arg)]) for arg in added if not self.zero(arg)]
            parts += [(name, name) for name in self._aligned_products(node)]
        if not parts:
            return
        text = "(" + " + ".join(part for _, part in parts) + ")" if len(parts) > 1 else parts[0][1]
        if node.format is None:  # an exact sum that one rounding will end
            self._call(node, " + ".join(name for name, _ in parts), text)
        elif len(parts) == 1 and self.worth[id(node)] == self._exact(node):
            self._call(node, *parts[0])
        else:
            self._next(node, tuple(name for name, _ in parts), text)
            if node.op is Op.ALIGNED:
                self._lined_up(node, [name for name, _ in parts])

    def _lined_up(self, node: Expression, names: Sequence[str]) -> None:
        """Keep what an aligned step does to its addends, unless one of them is no number."""
        args, split = self._read(node), len(node.numbers)
        factors = (node.factors[0].format if node.products else None) or node.format
        assert node.alignment is not None
        assert node.format is not None
        assert factors is not None
        pairs = list(zip(args[split::2], args[split + 1 :: 2], strict=True))
        addends, largest = lined_up(args[:split], pairs, factors, node.format, node.alignment)
        live = [value for value in addends if not value.is_zero]
        if largest is None or len(live) != len(names) or not all(value.is_finite for value in live):
            return
        last = largest - node.alignment.fraction_bits
        told = [Addend(name, value, cut_at(value, last, node.alignment)) for name, value in zip(names, live, strict=True)]
        self.aligned.append(AlignedStep(self.names[id(node)], largest, last, tuple(told)))

    def _aligned_products(self, node: Expression) -> list[str]:
        """The products of an aligned sum that are not zero."""
        if node.op is not Op.ALIGNED:
            return []
        pairs = zip(node.factors[::2], node.factors[1::2], strict=True)
        return [f"p{_number(w)}" for w, x in pairs if all(number(self.worth[id(factor)]) != 0 for factor in (w, x))]

    def _next(self, node: Expression, arguments: tuple[str, ...], text: str) -> None:
        name = f"s{sum(step.name.startswith('s') for step in self.steps) + 1}"
        self._call(node, name, text)
        self._step(node, arguments, name)

    def _step(self, node: Expression, arguments: tuple[str, ...], name: str) -> None:
        result = self.worth[id(node)]
        assert node.format is not None
        assert isinstance(result, Value)
        op = Op.ADD if len(arguments) > 1 else node.op
        self.steps.append(Operation(0, 0, op, name, arguments, self._exact(node), result, node.format, node.rounding))

    def _read(self, node: Expression) -> list[Value]:
        """The operands of a node as it reads them."""
        values = [self.worth[id(arg)] for arg in node.args]
        args = [v if isinstance(v, Value) else r.from_fraction(Fraction(v)) for v in values]
        if not node.flush:
            return args
        return [r.flushed(v, arg.format) if arg.format else v for v, arg in zip(args, node.args, strict=True)]

    def _exact(self, node: Expression) -> Value:
        """The result of a node before it is rounded."""
        args = self._read(node)
        match node.op:
            case Op.ADD:
                return r.exact_add(args[0], args[1], node.rounding)
            case Op.MUL:
                return r.exact_mul(args[0], args[1])
            case Op.FMA:
                return r.exact_add(r.exact_mul(args[0], args[1]), args[2], node.rounding)
            case Op.ALIGNED:
                split = len(node.numbers)
                products = [r.exact_mul(a, b) for a, b in zip(args[split::2], args[split + 1 :: 2], strict=True)]
                return reduce(lambda a, b: r.exact_add(a, b, node.rounding), [*args[:split], *products])
        return args[0]


def _is_factor(node: Expression) -> bool:
    """Whether it is a weight or an input, as it is or as it is read: products are named by their terms."""
    while node.op is Op.CAST:
        node = node.args[0]
    return node.op is Op.VARIABLE and node.name != "b"


def _number(factor: Expression) -> str:
    """The number of the term whose weight this is, through casts."""
    while factor.op is Op.CAST:
        factor = factor.args[0]
    return factor.name[1:]
