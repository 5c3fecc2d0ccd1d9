"""What a witness computes at its two points: exact logits, rounded logits, classes, and every operation on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, reduce

from fpsynth import rounding as r
from fpsynth.evaluators.exact import Result, evaluate
from fpsynth.evaluators.networks import network_logits
from fpsynth.evaluators.real import exact_logits
from fpsynth.expressions import Expression, Op, topological, variable
from fpsynth.formats import Format
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Network
from fpsynth.report.numerals import ulp
from fpsynth.rounding import Rounding, Value, from_float
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Program
from fpsynth.witness import Witness


@dataclass(frozen=True)
class Logits:
    """The logits at a point."""

    exact: tuple[Fraction, ...]
    """In exact arithmetic."""
    rounded: tuple[Value, ...]
    """In the witness's own arithmetic."""

    @property
    def exact_class(self) -> int:
        """The lowest index of the largest exact logit."""
        return max(range(len(self.exact)), key=lambda k: self.exact[k])

    @cached_property
    def rounded_class(self) -> int:
        """The lowest index of the largest rounded logit; the first NaN counts as the largest, as in numpy and torch."""
        best = 0
        for k, logit in enumerate(self.rounded):
            if logit.is_nan:
                return k
            if r.less(self.rounded[best], logit):
                best = k
        return best

    @property
    def floats(self) -> tuple[float, ...]:
        """The rounded logits as Python floats."""
        return tuple(float(logit) for logit in self.rounded)


def logits(witness: Witness, point: Sequence[float]) -> Logits:
    """Evaluate the witness's network at a point (one number per input), exactly and in its arithmetic."""
    rounded = network_logits(witness.network, point, witness.format, witness.deployment)
    return Logits(exact_logits(witness.network, point), tuple(map(from_float, rounded)))


def program_at(witness: Witness, layer: int, output: int) -> Program:
    """The sum program of a neuron."""
    dense = witness.network.dense_layers[layer]
    return program_of(witness.deployment.at(layer, output), dense.inputs, dense.bias is not None)


@dataclass(frozen=True)
class Operation:
    """One operation of one neuron."""

    layer: int
    output: int
    op: Op
    name: str
    """What the result is called, such as y0."""
    arguments: tuple[str, ...]
    """What the operands are called."""
    exact: Value
    """The result before it is rounded."""
    result: Value
    format: Format
    rounding: Rounding

    @property
    def formula(self) -> str:
        """The operation in symbols, such as w0 × a."""
        args = self.arguments
        match self.op:
            case Op.FMA:
                return f"{args[0]} × {args[1]} + {args[2]}"
            case Op.MAX:
                return f"max({args[0]}, {args[1]})"
        return {Op.MUL: " × ", Op.ADD: " + ", Op.ALIGNED: " + "}.get(self.op, "").join(args)

    @property
    def error(self) -> Fraction | None:
        """The rounded result less the exact one, in ulps of the exact one; None where either is not a finite number."""
        if not self.exact.is_finite or not self.result.is_finite:
            return None
        if self.exact == self.result:
            return Fraction(0)
        exact = self.exact.fraction()
        return (self.result.fraction() - exact) / ulp(exact, self.format)


def steps(witness: Witness, point: Sequence[float], letter: str) -> list[Operation]:
    """Return every operation of the network at a point, in order; ``letter`` names the point in the formulas.

    Casts that change nothing are left out.
    """
    roots, assignment = _graph(witness, point)
    nodes = list(topological(roots))
    worth = {id(node): _value(result) for node, result in zip(nodes, evaluate(nodes, assignment), strict=True)}
    owners = _owners(nodes, witness.network)
    names = _Names(witness.network, roots, nodes, owners, letter)
    result = []
    # neuron by neuron: within one the graph's own order stays
    for node in sorted((node for node in nodes if node.args), key=lambda node: owners[id(node)]):
        arguments = [worth[id(arg)] for arg in node.args]
        if node.format is None:  # a sum of reals, which the step that rounds it tells
            names.exact(node)
            continue
        if node.op is Op.CAST and worth[id(node)] == arguments[0] and not names.final(node):
            names.alias(node)
            continue
        layer, output = owners[id(node)]
        op, exact, operands = node.op, _unrounded(node, arguments), tuple(map(names.of, node.args))
        if op is Op.CAST and node.args[0].format is None:
            op, operands = Op.ADD, names.addends[id(node.args[0])]
        if node.op is Op.ALIGNED:
            split = len(node.numbers)
            pairs = zip(operands[split::2], operands[split + 1 :: 2], strict=True)
            operands = (*operands[:split], *(f"{a} × {b}" for a, b in pairs))
        result.append(
            Operation(layer, output, op, names.of(node), operands, exact, worth[id(node)], node.format, node.rounding)
        )
    return result


def _value(result: Result) -> Value:
    """A result as a datum; numbers of no format are exact."""
    return result if isinstance(result, Value) else r.from_fraction(Fraction(result))


def operations(network: Network) -> int:
    """The number of operations that ``steps`` would list for a network, ReLU included, when nothing is fused."""
    dense = sum(layer.outputs * (2 * layer.inputs - 1 + (layer.bias is not None)) for layer in network.dense_layers)
    return dense + sum(layer.outputs for layer in network.dense_layers[:-1])


def _graph(witness: Witness, point: Sequence[float]) -> tuple[tuple[Expression, ...], dict[str, Value]]:
    """The logits as a graph whose unknowns are the weights (w0, w1, ... in ``entries`` order) and the point (x0, ...)."""
    fmt, assignment = witness.format, {}

    def unknown(name: str, number: float) -> Expression:
        assignment[name] = r.from_float(number)
        return variable(name, fmt)

    names = (f"w{k}" for k in range(sum(1 for _ in witness.network.entries())))
    network = witness.network.map(lambda weight: unknown(next(names), weight))
    inputs = [unknown(f"x{k}", number) for k, number in enumerate(point)]
    return lower(network, inputs, witness.deployment), assignment


def _unrounded(node: Expression, args: Sequence[Value]) -> Value:
    """The result of an operation before rounding, its operands flushed where it flushes them."""
    if node.flush:
        args = [r.flushed(a, arg.format) if arg.format else a for a, arg in zip(args, node.args, strict=True)]
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
        case Op.MAX:
            return r.maximum(args[0], args[1])
        case Op.CAST:
            return args[0]
    raise AssertionError(node.op)


def _places(network: Network) -> Iterator[tuple[int, int, int | None]]:
    """(layer, output, input) of every entry of a network, in ``entries`` order; input None for a bias."""
    for index, layer in enumerate(network.dense_layers):
        for j in range(layer.outputs):
            yield from ((index, j, k) for k in range(layer.inputs))
        if layer.bias is not None:
            yield from ((index, j, None) for j in range(layer.outputs))


def _owners(nodes: Sequence[Expression], network: Network) -> dict[int, tuple[int, int]]:
    """Which neuron (layer, output) computes a node: the latest one among its arguments'; inputs belong to none (-1, k)."""
    places = list(_places(network))
    owners: dict[int, tuple[int, int]] = {}
    for node in nodes:
        if node.op is Op.VARIABLE:
            number = int(node.name[1:])
            owners[id(node)] = places[number][:2] if node.name[0] == "w" else (-1, number)
        elif node.args:
            owners[id(node)] = max((owners[id(arg)] for arg in node.args if id(arg) in owners), key=lambda owner: owner[0])
    return owners


class _Names:
    """What nodes are called: y for logits, h for hidden values, z before their ReLU, p and s for products and partial sums."""

    def __init__(
        self,
        network: Network,
        roots: Sequence[Expression],
        nodes: Sequence[Expression],
        owners: dict[int, tuple[int, int]],
        letter: str,
    ) -> None:
        self.several = len(network.dense_layers) > 2
        self.names: dict[int, str] = {}
        self.finals: set[int] = set()
        self.owners = owners
        self.counts = {"p": 0, "s": 0, "r": 0}
        self.addends: dict[int, tuple[str, ...]] = {}
        """What real numbers are sums of."""
        places = list(_places(network))
        for node in nodes:
            if node.op is Op.VARIABLE:
                number = int(node.name[1:])
                one_input = network.widths[0] == 1
                self.names[id(node)] = (
                    weight_name(network, *places[number])
                    if node.name[0] == "w"
                    else letter
                    if one_input
                    else f"{letter}{number}"
                )
            elif node.op is Op.MAX:
                self._final(node, self._hidden("h", node))
                self._final(node.args[0], self._hidden("z", node))
        for k, root in enumerate(roots):
            self._final(root, f"y{k}")

    def _hidden(self, kind: str, node: Expression) -> str:
        layer, output = self.owners[id(node)]
        return f"{kind}{layer}.{output}" if self.several else f"{kind}{output}"

    def _final(self, node: Expression, name: str) -> None:
        self.names[id(node)] = name
        self.finals.add(id(node))

    def final(self, node: Expression) -> bool:
        return id(node) in self.finals

    def alias(self, node: Expression) -> None:
        self.names[id(node)] = self.of(node.args[0])

    def exact(self, node: Expression) -> None:
        """Keep what a real number is the sum of."""
        match node.op:
            case Op.CAST:
                self.addends[id(node)] = (self.of(node.args[0]),)
            case Op.MUL:
                self.addends[id(node)] = (" × ".join(addend for arg in node.args for addend in self.addends[id(arg)]),)
            case _:
                self.addends[id(node)] = tuple(addend for arg in node.args for addend in self.addends[id(arg)])

    def of(self, node: Expression) -> str:
        if id(node) in self.addends:
            return " + ".join(self.addends[id(node)])
        if node.op is Op.CONSTANT:  # the only one is the zero of the ReLU
            return "0"
        if id(node) not in self.names:
            rounded = node.op is Op.CAST and node.args[0].format is not None
            kind = "p" if node.op is Op.MUL else "r" if rounded else "s"
            self.counts[kind] += 1
            self.names[id(node)] = f"{kind}{self.counts[kind]}"
        return self.names[id(node)]


def weight_name(network: Network, layer: int, output: int, source: int | None) -> str:
    """What a weight, or with ``source`` None a bias, is called: w1 in a network of one input and one layer, else w[1,0]."""
    prefix = "" if len(network.dense_layers) == 1 else f"{layer}"
    if source is None:
        return f"b{prefix}[{output}]"
    return f"w{output}" if network.widths[0] == 1 and not prefix else f"w{prefix}[{output},{source}]"
