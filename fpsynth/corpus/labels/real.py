"""Proofs over the reals: exact affine forms, ReLUs as symbols of their own, bounds by substitution, boxes halved where needed.

A form is a sum of symbols with rational coefficients and a constant.  The first symbols are the inputs; a ReLU whose argument
has both signs in the box becomes a new symbol, one for equal arguments.  So what two neurons have in common cancels exactly,
which is all that networks whose errors come from rounding alone need.  A form is bounded from below by replacing its symbols,
the newest first, by a line: of z = max(f, 0) with l <= f <= u the lower one is 0 or f, the upper one u (f - l) / (u - l).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.networks.layers.structure import PADDING, Rearrangement, Selection, Sums, moved
from fpsynth.networks.network import Network, Node
from fpsynth.verifiers.properties import ExactBox, Inequality, Property
from fpsynth.workers.deadlines import require_time

MAX_BOXES = 512
"""Halves of halves that a proof looks at before it gives up."""
MAX_WORK = 100_000
"""Numbers that a network reads, times its inputs, of which a form has a term each: more take minutes where boxes are halved."""
Terms = dict[int, Fraction]
_ZERO = Fraction(0)


@dataclass(frozen=True)
class Form:
    """A sum of symbols, by number, and a constant."""

    terms: tuple[tuple[int, Fraction], ...]
    constant: Fraction


@dataclass
class _Symbols:
    """Ends of every symbol, and of what it is the ReLU: None for inputs."""

    ends: list[tuple[Fraction, Fraction]]
    arguments: list[Form | None]
    symbol_of: dict[Form, int] = field(default_factory=dict)

    def low(self, form: Form) -> Fraction:
        """A lower bound: the better of symbol by symbol, and by substitution."""
        plain = form.constant + sum((c * self.ends[s][0 if c > 0 else 1] for s, c in form.terms), _ZERO)
        return plain if all(self.arguments[s] is None for s, _ in form.terms) else max(plain, self._substituted(form))

    def high(self, form: Form) -> Fraction:
        """An upper bound."""
        return -self.low(_scaled(form, Fraction(-1)))

    def _substituted(self, form: Form) -> Fraction:
        terms, constant = dict(form.terms), form.constant
        while newest := max((s for s in terms if self.arguments[s] is not None), default=0):
            constant += self._replaced(newest, terms.pop(newest), terms)
        return constant + sum((c * self.ends[s][0 if c > 0 else 1] for s, c in terms.items()), _ZERO)

    def _replaced(self, symbol: int, factor: Fraction, terms: Terms) -> Fraction:
        """Put a line in a symbol's place; the constant that this adds."""
        argument = self.arguments[symbol]
        assert argument is not None
        low, high = -self.ends_of_argument[symbol][0], self.ends_of_argument[symbol][1]
        slope, shift = (Fraction(high > low), _ZERO) if factor > 0 else (high / (high + low), high * low / (high + low))
        for s, c in argument.terms if slope else ():
            terms[s] = terms.get(s, _ZERO) + factor * slope * c
            if not terms[s]:
                del terms[s]
        return factor * (slope * argument.constant + shift)

    ends_of_argument: dict[int, tuple[Fraction, Fraction]] = field(default_factory=dict)

    def relu(self, form: Form) -> Form:
        """max(form, 0): the form, zero, or a symbol."""
        low, high = self.low(form), self.high(form)
        if low >= 0:
            return form
        if high <= 0:
            return Form((), _ZERO)
        if form not in self.symbol_of:
            symbol = self.symbol_of[form] = len(self.ends)
            self.ends.append((_ZERO, high))
            self.arguments.append(form)
            self.ends_of_argument[symbol] = (low, high)
        return Form(((self.symbol_of[form], Fraction(1)),), _ZERO)


def _scaled(form: Form, factor: Fraction) -> Form:
    return Form(tuple((s, c * factor) for s, c in form.terms), form.constant * factor)


def _combined(parts: Sequence[tuple[Fraction, Form]], constant: Fraction) -> Form:
    terms: Terms = {}
    for factor, form in parts:
        constant += factor * form.constant
        for symbol, c in form.terms:
            terms[symbol] = terms.get(symbol, _ZERO) + factor * c
    return Form(tuple(sorted((s, c) for s, c in terms.items() if c)), constant)


@dataclass(frozen=True)
class RealBound:
    """A proved lower bound of the margin in a box, over the reals."""

    least: Fraction
    attained: bool
    """Whether some point of the box has it."""
    boxes: int
    """Into how many boxes that was divided."""

    @property
    def proof(self) -> str:
        """In words."""
        parts = "" if self.boxes == 1 else f", the box in {self.boxes} parts"
        return f"exact affine forms over the rationals{parts}"


def least_margin(network: Network, box: ExactBox, unsafe: Property) -> RealBound | None:
    """A lower bound of the margin over the reals: above 0 where the box is divided finely enough; None where none is known.

    Networks of sums, ReLUs and rearrangements are bounded; None for others, and for those that are too large.
    """
    if network.work * len(box.lower) > MAX_WORK:
        return None
    try:
        return _divided(network, box, unsafe)
    except InputError:  # a layer that has no forms
        return None


def _divided(network: Network, box: ExactBox, unsafe: Property) -> RealBound:
    least, attained = _one(network, box, unsafe)
    if least > 0 or attained:
        return RealBound(least, attained, 1)
    waiting, proved, seen = [box], list[Fraction](), 0
    while waiting:
        require_time()
        part, seen = waiting.pop(), seen + 1
        below, exact = _one(network, part, unsafe)
        if below <= 0 and (exact or seen + len(waiting) >= MAX_BOXES):
            return RealBound(least, False, 1)
        if below > 0:
            proved.append(below)
        else:
            waiting += _halves(part)
    return RealBound(min(proved), False, len(proved))


def _halves(box: ExactBox) -> list[ExactBox]:
    widths = [high - low for low, high in zip(box.lower, box.upper, strict=True)]
    k = max(range(len(widths)), key=lambda j: widths[j])
    middle = (box.lower[k] + box.upper[k]) / 2
    upper, lower = list(box.upper), list(box.lower)
    upper[k] = lower[k] = middle
    return [ExactBox(box.lower, tuple(upper)), ExactBox(tuple(lower), box.upper)]


def _one(network: Network, box: ExactBox, unsafe: Property) -> tuple[Fraction, bool]:
    """A lower bound of the margin in a box, and whether it is reached there."""
    symbols = _Symbols(list(zip(box.lower, box.upper, strict=True)), [None] * len(box.lower))
    outputs = forms(network, symbols)
    bounds = [[_left(symbols, one, outputs) for one in conjunction] for conjunction in unsafe.unsafe]
    best = min(max(low for low, _ in conjunction) for conjunction in bounds)
    single = len(bounds) == 1 and len(bounds[0]) == 1
    return best, single and bounds[0][0][1]


def _left(symbols: _Symbols, one: Inequality, outputs: Sequence[Form]) -> tuple[Fraction, bool]:
    form = _combined([(factor, outputs[k]) for k, factor in one.coefficients], -one.bound)
    return symbols.low(form), all(symbols.arguments[s] is None for s, _ in form.terms)


def forms(network: Network, symbols: _Symbols) -> Sequence[Form]:
    """Every output as a form.  Raises InputError for a layer that has none."""
    graph = network.logits

    def step(node: Node, inputs: Sequence[Sequence[Form]]) -> Sequence[Form]:
        require_time()
        values, structure = [form for part in inputs for form in part], graph.structure(node.name)
        if isinstance(structure, Sums):
            return [_summed(node.name, structure, output, values) for output in range(structure.outputs)]
        if isinstance(structure, Selection):
            return _selected(node.name, structure, values, symbols)
        return _viewed(structure, values)

    given: Sequence[Form] = [Form(((k, Fraction(1)),), _ZERO) for k in range(len(symbols.ends))]
    worth: Sequence[Form] = graph.run(given, step)
    return worth


def _summed(name: str, sums: Sums, output: int, values: Sequence[Form]) -> Form:
    addends = sums.addends(output)
    weights = [1.0] * len(addends.read) if addends.weights is None else addends.weights.tolist()
    divisor = Fraction(addends.divisor)
    parts = [
        (Fraction(weight) / divisor, values[place])
        for weight, place in zip(weights, addends.read.tolist(), strict=True)
        if place != PADDING and weight
    ]
    bias = Fraction(0 if addends.bias is None else float(addends.bias))
    total = _combined(parts, bias / divisor)
    if sums.normalisation is None:
        return total
    low, high = sums.normalisation.factor(addends.group)
    if low != high:
        raise InputError(f"{name}: the factor of the batch normalisation is irrational")
    mean, shift = (Fraction(float(a[addends.group])) for a in (sums.normalisation.mean, sums.normalisation.shift))
    return _combined([(low, total)], shift - low * mean)


def _selected(name: str, selection: Selection, values: Sequence[Form], symbols: _Symbols) -> list[Form]:
    first = selection.taps.at(slice(None))
    if selection.floor != 0 or selection.ceiling is not None or selection.slope is not None or first.shape[1] != 1:
        raise InputError(f"{name}: a selection other than ReLU has no forms")
    places = [place for g in range(selection.groups) for (place,) in moved(first, g * selection.group_stride).tolist()]
    return [symbols.relu(values[place]) for place in places]


def _viewed(view: Rearrangement, values: Sequence[Form]) -> Sequence[Form]:
    if view.read is None:
        return values
    fill = Form((), Fraction(view.fill))
    return [fill if place == PADDING else values[place] for place in view.read.tolist()]
