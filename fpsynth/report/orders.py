"""Orders on paper: one as text, tree, picture, FPCore or JSON, and two compared."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fpsynth.arithmetic import Arithmetic
from fpsynth.arithmetic_json import order_from_json, order_to_json
from fpsynth.encoders.fpcore import sum_to_fpcore
from fpsynth.errors import InputError
from fpsynth.files import read_limited, shown
from fpsynth.formats import FLOAT32
from fpsynth.orders import Order, fixed_order, parse_order
from fpsynth.orders.comparing import difference
from fpsynth.report.tree_svg import tree_svg
from fpsynth.report.trees import tree_text
from fpsynth.revealing.file import reveals_from_json
from fpsynth.revealing.result import Reveal

FORMS = ("unicode", "text", "svg", "fpcore", "json")
TERMS = 8
"""Of a family, where nobody says how many."""
MAX_TERMS = 4096
_MAX_BYTES = 64 << 20


def order_text(order: str, terms: int | None, form: str, *, unicode: bool = True, width: int = 96) -> str:
    """An order in one of FORMS, for so many terms (None: those of its tree, or 8).

    ``order``: what ``parse_order`` reads, or the path of a .json file with an order, an arithmetic or a reveal.  Raises
    InputError for what cannot be read or drawn, and for an unknown form.
    """
    if form not in FORMS:
        raise InputError(f"unknown form {form[:40]!r}; choose from {', '.join(FORMS)}")
    read, number = _read(order, terms)
    leaves = number + (read.bias > 0)
    tree = read.tree(leaves)
    match form:
        case "text":
            return str(fixed_order(tree))
        case "json":
            return json.dumps(order_to_json(fixed_order(tree)))
        case "svg":
            return tree_svg(read, number)
        case "fpcore":
            return sum_to_fpcore(Arithmetic(FLOAT32, order=read), leaves, "sum")
    return tree_text(read, number, width=width, unicode=unicode)


def comparison_text(a: str, b: str, terms: int | None) -> str:
    """Whether two orders are the same tree, and if not three leaves that they join differently.  Raises InputError."""
    first, number = _read(a, terms)
    second, other = _read(b, number if terms is None and _brings(a) else terms)
    if terms is None and not _brings(a) and other != number:
        number = other
    triple = difference(first.tree(number + (first.bias > 0)), second.tree(number + (second.bias > 0)))
    if triple is None:
        return f"the same tree of {number} terms: {a} and {b} give equal bits, operands of one addition being exchangeable"
    leaves = f"{triple.i}, {triple.j} and {triple.k}"
    return f"different trees of {number} terms: of the terms {leaves}, {a} computes {triple.in_a}, {b} {triple.in_b}"


def _read(text: str, terms: int | None) -> tuple[Order, int]:
    """The order, and for how many terms."""
    order = _from_file(text) if text.endswith(".json") else parse_order(text)
    number = terms if terms is not None else order.fixed.leaves if order.fixed else TERMS
    if not 1 <= number <= MAX_TERMS:
        raise InputError(f"the number of terms must be from 1 to {MAX_TERMS}, not {number}")
    return order, number


def _brings(text: str) -> bool:
    """Whether the order is one tree, which brings its own number of terms."""
    return (_from_file(text) if text.endswith(".json") else parse_order(text)).fixed is not None


def _revealed(reveals: Sequence[Reveal]) -> Order:
    """The order of a reveal file.  Raises InputError where it holds several: nobody says which one is meant."""
    orders = {
        cls.arithmetic.order.tree(found.kernel.terms + (cls.arithmetic.bias_leaf and found.kernel.bias))
        for found in reveals
        for cls in found.classes
    }
    if len(orders) != 1:
        raise InputError(f"has {len(orders)} different orders, one is needed: reveal one batch size, and one output")
    return fixed_order(orders.pop())


def _from_file(path: str) -> Order:
    text = read_limited(path, _MAX_BYTES)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{shown(path)} is not JSON") from None
    if isinstance(data, dict) and "order" in data:  # an arithmetic
        data = data["order"]
    try:
        if isinstance(data, dict) and "reveals" in data:
            return _revealed(reveals_from_json(data))
        return order_from_json(data) if isinstance(data, dict | str) else parse_order(json.dumps(data))
    except InputError as error:
        raise InputError(f"{shown(path)}: {error}") from None
