"""Write properties as VNN-LIB the way that tools read it: no exponents, no strict comparisons, outputs as each parser has them.

Strict comparisons break several parsers, so that < is written as <=.  The unsafe outputs grow by their border: what is then
``unsat`` is so for the property as well, and a ``sat`` is judged by the property itself: one by a point of the border is right,
and says nothing about the property.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.networks.certifier_text import decimal
from fpsynth.verifiers.properties import ExactBox, Inequality, Property


@dataclass(frozen=True)
class Dialect:
    """How a tool reads VNN-LIB."""

    version: str = "1.0"
    nested: bool = False
    """Whether outputs are always a disjunction of conjunctions, also where there is one comparison."""
    element: str = "real"
    """The element type of version 2.0."""


PLAIN, NESTED = Dialect(), Dialect(nested=True)


def written(box: ExactBox, unsafe: Property, inputs: Sequence[int], outputs: Sequence[int], dialect: Dialect = PLAIN) -> str:
    """The question whether a point of ``box`` has unsafe outputs, for a network of inputs and outputs of these shapes.

    Shapes are those of one example, to which version 2.0 adds a batch of 1.  Raises InputError for numbers whose decimal
    expansion does not end, for a property that names no outputs, and one with more than two outputs in a comparison, or with
    factors, which the parsers of version 1.0 do not take.
    """
    new = dialect.version.startswith("2")
    x = [_named("X", k, inputs, new) for k in range(len(box.lower))]
    y = [_named("Y", k, outputs, new) for k in range(_size(outputs))]
    head = _declared2(inputs, outputs, dialect.element) if new else [f"(declare-const {name} Real)" for name in (*x, *y)]
    bounds = [line for k, name in enumerate(x) for line in _bounded(name, box.lower[k], box.upper[k])]
    return "\n".join([*head, "", *bounds, "", *_asserted(unsafe, y, dialect), ""])


def not_strict(unsafe: Property) -> Property:
    """The property that is written for ``unsafe``."""
    return Property(tuple(tuple(replace(one, strict=False) for one in conjunction) for conjunction in unsafe.unsafe))


def _size(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _named(tensor: str, flat: int, shape: Sequence[int], new: bool) -> str:
    if not new:
        return f"{tensor}_{flat}"
    indices = []
    for length in reversed(shape):
        flat, index = divmod(flat, length)
        indices.append(index)
    return f"{tensor}[{','.join(map(str, [0, *reversed(indices)]))}]"


def _declared2(inputs: Sequence[int], outputs: Sequence[int], element: str) -> list[str]:
    ends = (("input X", inputs), ("output Y", outputs))
    tensors = [f"  (declare-{name} {element} [{','.join(map(str, [1, *shape]))}])" for name, shape in ends]
    return ["(vnnlib-version <2.0>)", "", "(declare-network N", *tensors, ")"]


def _bounded(name: str, lower: Fraction, upper: Fraction) -> Iterator[str]:
    yield f"(assert (>= {name} {decimal(lower)}))"
    yield f"(assert (<= {name} {decimal(upper)}))"


def _asserted(unsafe: Property, y: Sequence[str], dialect: Dialect) -> list[str]:
    conjunctions = [[_compared(one, y) for one in conjunction] for conjunction in unsafe.unsafe]
    if not conjunctions or not all(conjunctions):
        raise InputError("the property calls no outputs unsafe, or all: there is nothing to ask a verifier")
    if len(conjunctions) == 1 and not dialect.nested:
        return [f"(assert {comparison})" for comparison in conjunctions[0]]
    parts = (f"(and {' '.join(comparisons)})" for comparisons in conjunctions)
    return [f"(assert (or {' '.join(parts)}))"]


def _compared(one: Inequality, y: Sequence[str]) -> str:
    """An output against a number, or two outputs against each other."""
    terms = sorted(one.coefficients, key=lambda term: -term[1])
    match [factor for _, factor in terms]:
        case [factor] if factor:
            name, bound = y[terms[0][0]], decimal(one.bound / factor)
            return f"(<= {name} {bound})" if factor > 0 else f"(>= {name} {bound})"
        case [above, below] if above == -below and one.bound == 0:
            return f"(<= {y[terms[0][0]]} {y[terms[1][0]]})"
    raise InputError("external verifiers take comparisons of an output with a number or with another output")
