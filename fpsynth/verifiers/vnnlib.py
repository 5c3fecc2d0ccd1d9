"""Read VNN-LIB, versions 1.0 and 2.0: boxes of inputs, and with each the outputs that the file calls for.

Files say what a counterexample is; so do properties here (``Property.unsafe``).  Formulas are brought into disjunctive normal
form: every conjunction bounds each input by numbers and each output by linear inequalities.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.files import read_limited, shown
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.properties import Case, ExactBox, Inequality, Property

MAX_BYTES = 1 << 26
MAX_CONJUNCTIONS = 1 << 16
"""Of the disjunctive normal form."""
MAX_ATOMS = 1 << 23
"""Of all its conjunctions together."""
MAX_NUMBERS = 1 << 24
"""Of inputs, and of outputs."""
_MAX_DEPTH, _MAX_DIGITS, _MAX_BITS = 200, 2000, 1 << 15
_TOKEN = re.compile(r"\(|\)|[A-Za-z_]\w*\[[^\]()]*\]|\[[^\]()]*\]|[^\s()\[\]]+|[\[\]]")
_VARIABLE = re.compile(r"([XY])_(\d+)$")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?$")

Tree = str | list["Tree"]


@dataclass(frozen=True)
class VnnlibQuery:
    """What a file asks."""

    inputs: int
    outputs: int
    boxes: tuple[tuple[ExactBox, Property], ...]
    """Satisfied by a point of one of them whose outputs are unsafe there; none: by nothing."""
    element: str
    """The element type of version 2.0, such as real or float32; real for version 1.0."""

    def cases(self, inputs: int, outputs: int) -> tuple[Case, ...]:
        """The regions as boxes of float64 around the exact ones, for a network with so many flat inputs and outputs.

        Raises InputError where the file speaks of others.
        """
        if (inputs, outputs) != (self.inputs, self.outputs):
            raise InputError(
                f"the property speaks of {self.inputs} inputs and {self.outputs} outputs,"
                f" but the network has {inputs} and {outputs}"
            )
        return tuple(Case(outward(box), unsafe, box) for box, unsafe in self.boxes)


def outward(box: ExactBox) -> Box:
    """The smallest box of float64 around an exact one."""
    return Box(tuple(map(down, box.lower)), tuple(-down(-end) for end in box.upper))


def down(number: Fraction) -> float:
    """The largest float64 that is no larger."""
    try:
        nearest = float(number)
    except OverflowError:
        raise InputError("an input's bound is beyond the range of float64") from None
    return nearest if Fraction(nearest) <= number else math.nextafter(nearest, -math.inf)


def load_vnnlib(path: PathLike) -> VnnlibQuery:
    """The query of a file.  Raises InputError, one line, for what is not VNN-LIB or goes beyond boxes and linear outputs."""
    try:
        return parse_vnnlib(read_limited(path, MAX_BYTES))
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(shown(path)) else f"{shown(path)}: {error}") from None


def parse_vnnlib(text: str) -> VnnlibQuery:
    """The query of a text; raises as ``load_vnnlib``."""
    names = _Names()
    asserted: list[Tree] = []
    for statement in _statements(text):
        match statement:
            case ["vnnlib-version", _] | ["set-logic", _] | ["set-info", *_] | ["check-sat"] | ["exit"]:
                continue
            case ["declare-const", str(name), _] | ["declare-fun", str(name), [], _]:
                names.declare(name)
            case ["declare-network", str(), *tensors]:
                names.declare_network(tensors)
            case ["assert", formula]:
                asserted.append(formula)
            case _:
                raise InputError(f"not a statement of VNN-LIB that is read: {_shown(statement)}")
    inputs, outputs = names.counts()
    return VnnlibQuery(inputs, outputs, _boxes(asserted, names, inputs), names.element)


def _statements(text: str) -> Iterator[Tree]:
    """The parenthesised expressions of a text."""
    stack: list[list[Tree]] = []
    for line in text.splitlines():
        for match in _TOKEN.finditer(line.partition(";")[0]):
            token = match[0]
            if token in "[]":
                raise InputError("not VNN-LIB: a bracket is not closed, or not opened")
            if token == "(":
                stack.append([])
                if len(stack) > _MAX_DEPTH:
                    raise InputError(f"parentheses are nested deeper than {_MAX_DEPTH}")
                continue
            if not stack:
                raise InputError(f"not VNN-LIB: {token[:40]!r} stands outside parentheses")
            if token != ")":
                stack[-1].append(token)
                continue
            done = stack.pop()
            if stack:
                stack[-1].append(done)
            else:
                yield done
    if stack:
        raise InputError("not VNN-LIB: a parenthesis is not closed")


def _shown(tree: Tree) -> str:
    text = tree if isinstance(tree, str) else "(" + " ".join(map(_shown, tree[:6])) + ")"
    return text if len(text) <= 80 else text[:77] + "..."


@dataclass
class _Names:
    """The variables: X_0, Y_0 (1.0), or X[0,1] of tensors that are declared with shapes (2.0)."""

    declared: set[str] = field(default_factory=set)
    tensors: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    """Name to "X" or "Y" and its shape."""
    element: str = "real"
    _counts: dict[str, int] = field(default_factory=dict)

    def declare(self, name: str) -> None:
        """A variable of version 1.0."""
        known = _VARIABLE.match(name)
        if not known or len(known[2]) > 9:
            raise InputError(f"variables are called X_0, ... and Y_0, ..., not {name[:40]}")
        self.declared.add(name)
        self._counts[known[1]] = max(self._counts.get(known[1], 0), int(known[2]) + 1)

    def declare_network(self, tensors: Sequence[Tree]) -> None:
        """The tensors of version 2.0: one input and one output."""
        for tensor in tensors:
            match tensor:
                case ["declare-input" | "declare-output" as which, str(name), str(element), str(shape)]:
                    kind = "X" if which == "declare-input" else "Y"
                    if any(kind == other for other, _ in self.tensors.values()):
                        raise InputError("a network with one input and one output is read, this has more")
                    sizes = _indices(shape)
                    self.tensors[name], self.element = (kind, sizes), element.lower()
                    self._counts[kind] = math.prod(sizes)
                case _:
                    raise InputError(f"not a declaration that is read: {_shown(tensor)}")

    def counts(self) -> tuple[int, int]:
        """How many inputs and outputs there are."""
        if not self._counts.get("X") or not self._counts.get("Y"):
            raise InputError("the file declares no input or no output")
        if max(self._counts.values()) > MAX_NUMBERS:
            raise InputError(f"more than {MAX_NUMBERS} inputs or outputs are not read")
        for kind in "XY" if self.declared else "":
            for k in range(self._counts[kind]):
                if f"{kind}_{k}" not in self.declared:
                    raise InputError(f"{kind}_{k} is not declared, but {kind}_{self._counts[kind] - 1} is")
        return self._counts["X"], self._counts["Y"]

    def place(self, name: str) -> tuple[str, int]:
        """("X" or "Y", flat position) of a variable."""
        if name in self.declared:
            kind, _, number = name.partition("_")
            return kind, int(number)
        tensor, bracket, inside = name.partition("[")
        known = self.tensors.get(tensor.strip())
        if not bracket or known is None:
            raise InputError(f"{name[:40]} is not declared")
        kind, shape = known
        indices = _indices("[" + inside)
        if len(indices) != len(shape) or any(i >= size for i, size in zip(indices, shape, strict=False)):
            raise InputError(f"{name[:40]} is outside the shape {list(shape)}")
        flat = 0
        for index, size in zip(indices, shape, strict=True):
            flat = flat * size + index
        return kind, flat


def _indices(text: str) -> tuple[int, ...]:
    inside = text.strip().removeprefix("[").removesuffix("]").replace(",", " ").split()
    if not all(part.isdecimal() and len(part) < 10 for part in inside):
        raise InputError(f"{text[:40]} is no list of whole numbers")
    return tuple(map(int, inside))


@dataclass(frozen=True)
class _Atom:
    """sum of terms <= bound, or < where it is strict; of inputs ("X", k) and outputs ("Y", k)."""

    terms: tuple[tuple[tuple[str, int], Fraction], ...]
    bound: Fraction
    strict: bool


Conjunction = tuple[_Atom, ...]


def _normal(formula: Tree, names: _Names) -> list[Conjunction]:
    """The disjunctive normal form."""
    match formula:
        case ["and", *parts]:
            return _product([_normal(part, names) for part in parts])
        case ["or", *parts]:
            return _limited(itertools.chain.from_iterable(_normal(part, names) for part in parts))
        case ["<=" | "<" | ">=" | ">" as sign, left, right]:
            a, b = (left, right) if sign[0] == "<" else (right, left)
            return [(_atom(a, b, sign in "<>", names),)]
        case ["=" | "==", left, right]:
            return [(_atom(left, right, False, names), _atom(right, left, False, names))]
    raise InputError(f"not a formula that is read: {_shown(formula)}")


def _product(parts: Sequence[list[Conjunction]]) -> list[Conjunction]:
    single = tuple(itertools.chain.from_iterable(part[0] for part in parts if len(part) == 1))
    several = [part for part in parts if len(part) != 1]
    return _limited(single + tuple(itertools.chain.from_iterable(chosen)) for chosen in itertools.product(*several))


def _limited(conjunctions: Iterable[Conjunction]) -> list[Conjunction]:
    result, atoms = [], 0
    for conjunction in conjunctions:
        result.append(conjunction)
        atoms += len(conjunction)
        if len(result) > MAX_CONJUNCTIONS or atoms > MAX_ATOMS:
            raise InputError(f"the formulas have more than {MAX_CONJUNCTIONS} cases, or {MAX_ATOMS} comparisons in all of them")
    return result


def _atom(left: Tree, right: Tree, strict: bool, names: _Names) -> _Atom:
    terms = _linear(left, names)
    for place, factor in _linear(right, names).items():
        terms[place] = terms.get(place, Fraction(0)) - factor
    bound = -terms.pop(None, Fraction(0))
    known = {place: factor for place, factor in terms.items() if place is not None and factor}
    return _Atom(tuple(sorted(known.items())), bound, strict)


def _linear(term: Tree, names: _Names) -> dict[tuple[str, int] | None, Fraction]:
    """A linear term: coefficients by variable, the constant under None."""
    match term:
        case str() if len(term) <= _MAX_DIGITS and _NUMBER.match(term):
            return {None: Fraction(term)}
        case str():
            return {names.place(term): Fraction(1)}
        case ["+", *parts]:
            return _total([(_linear(part, names), 1) for part in parts])
        case ["-", part]:
            return _total([(_linear(part, names), -1)])
        case ["-", first, *parts]:
            return _total([(_linear(first, names), 1), *((_linear(part, names), -1) for part in parts)])
        case ["*", a, b]:
            left, right = _linear(a, names), _linear(b, names)
            if set(left) <= {None}:
                return _scaled(right, left.get(None, Fraction(0)))
            if set(right) <= {None}:
                return _scaled(left, right.get(None, Fraction(0)))
    raise InputError(f"not a linear term: {_shown(term)}")


def _scaled(terms: Mapping[tuple[str, int] | None, Fraction], by: Fraction) -> dict[tuple[str, int] | None, Fraction]:
    """Raises InputError where a number grows too long: products of products otherwise take for ever."""
    result = {place: factor * by for place, factor in terms.items()}
    if any(max(number.numerator.bit_length(), number.denominator.bit_length()) > _MAX_BITS for number in result.values()):
        raise InputError("a product of numbers is too long")
    return result


def _total(
    parts: Iterable[tuple[Mapping[tuple[str, int] | None, Fraction], int]],
) -> dict[tuple[str, int] | None, Fraction]:
    result: dict[tuple[str, int] | None, Fraction] = {}
    for terms, sign in parts:
        for place, factor in terms.items():
            result[place] = result.get(place, Fraction(0)) + sign * factor
    return result


def _boxes(asserted: Sequence[Tree], names: _Names, inputs: int) -> tuple[tuple[ExactBox, Property], ...]:
    """Conjunctions with one box together; those that no input can satisfy are left out."""
    together: dict[ExactBox, list[tuple[Inequality, ...]]] = {}
    for conjunction in _product([_normal(formula, names) for formula in asserted]):
        box = _box(conjunction, inputs)
        if all(low <= high for low, high in zip(box.lower, box.upper, strict=True)):
            together.setdefault(box, []).append(_inequalities(conjunction))
    return tuple((box, Property(tuple(unsafe))) for box, unsafe in together.items())


def _box(conjunction: Conjunction, inputs: int) -> ExactBox:
    lower: list[Fraction | None] = [None] * inputs
    upper: list[Fraction | None] = [None] * inputs
    for atom in conjunction:
        if not any(kind == "X" for (kind, _), _ in atom.terms):
            continue
        if len(atom.terms) > 1:
            raise InputError("inputs are bounded one by one: a formula of several, or of inputs and outputs, is not read")
        if atom.strict:
            raise InputError("inputs are bounded by <= and >=: a strict bound is not read")
        ((_, place), factor) = atom.terms[0]
        end = atom.bound / factor
        if factor > 0:
            upper[place] = end if (before := upper[place]) is None else min(before, end)
        else:
            lower[place] = end if (before := lower[place]) is None else max(before, end)
    for place in range(inputs):
        if lower[place] is None or upper[place] is None:
            raise InputError(f"input {place} has no {'lower' if lower[place] is None else 'upper'} bound")
    return ExactBox(tuple(e for e in lower if e is not None), tuple(e for e in upper if e is not None))


def _inequalities(conjunction: Conjunction) -> tuple[Inequality, ...]:
    return tuple(
        Inequality(tuple((place, factor) for (_, place), factor in atom.terms), atom.bound, atom.strict)
        for atom in conjunction
        if all(kind == "Y" for (kind, _), _ in atom.terms)
    )
