"""Orders on paper: one as text, tree, picture, FPCore or JSON, and two compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fpsynth.encoders.fpcore import sum_to_fpcore
from fpsynth.errors import InputError, unknown_name
from fpsynth.files import read_limited, shown
from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Kernel
from fpsynth.orders import Order, Tree, Triple, difference, fixed_order, parse_order
from fpsynth.report.renderers.tree_svg import tree_svg
from fpsynth.report.renderers.trees import tree_text
from fpsynth.revealing.file import reveals_from_json
from fpsynth.revealing.result import Reveal
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.arithmetic_json import arithmetic_from_json, order_from_json, order_to_json
from fpsynth.sums.building import program_of, program_told
from fpsynth.wording import counted, listed

FORMS = ("unicode", "text", "svg", "fpcore", "json")
TERMS = 8
"""Of a family, where nobody says how many."""
MAX_TERMS = 4096
_MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class OrderTree:
    """An order for a number of terms, and where another one parts from it."""

    text: str
    """What was asked for."""
    order: Order
    terms: int
    compared_with: str | None = None
    other: Order | None = None
    difference: Triple | None = None
    """Three leaves that the two join differently; None where they are the same tree, or nothing was compared."""

    @property
    def tree(self) -> Tree:
        """The tree of the sum."""
        return _sum(self.order, self.terms)

    @property
    def same(self) -> bool | None:
        """Whether the two are the same tree, operands of one addition being exchangeable; None where nothing was compared."""
        return None if self.other is None else self.difference is None

    def drawn(self, form: str = "unicode", *, unicode: bool = True, width: int = 96) -> str:
        """The order in one of FORMS.  Raises InputError for an unknown form, and for what is too large to be drawn."""
        require_drawn(form)
        match form:
            case "text":
                return str(fixed_order(self.tree))
            case "json":
                return json.dumps(order_to_json(fixed_order(self.tree)))
            case "svg":
                return tree_svg(self.order, self.terms)
            case "fpcore":
                return sum_to_fpcore(Arithmetic(FLOAT32, order=self.order), self.tree.leaves, "sum")
        return tree_text(self.order, self.terms, width=width, unicode=unicode)

    def compared(self) -> str:
        """The comparison in a sentence."""
        names = f"{self.text} and {self.compared_with}"
        if self.difference is None:
            terms = counted(self.terms, "term")
            return f"the same tree of {terms}: {names} give equal bits, operands of one addition being exchangeable"
        at = self.difference
        leaves, other = listed([str(leaf) for leaf in at.leaves]), self.compared_with
        which = f"of the terms {leaves}, {self.text} computes {at.in_a}, {other} {at.in_b}"
        return f"different trees of {counted(self.terms, 'term')}: {which}"

    def to_json(self) -> dict[str, Any]:
        """The trees, by their steps, and the difference as data."""
        at = self.difference
        return {
            "order": self.text,
            "terms": self.terms,
            "tree": order_to_json(fixed_order(self.tree)),
            "depth": depth(self.tree),
            "compared_with": self.compared_with,
            "other_tree": None if self.other is None else order_to_json(fixed_order(_sum(self.other, self.terms))),
            "same": self.same,
            "difference": None if at is None else {"leaves": [at.i, at.j, at.k], "first": at.in_a, "second": at.in_b},
        }


def require_drawn(form: str) -> None:
    """Raise InputError for what no order is drawn as."""
    if form not in FORMS:
        raise unknown_name("form", form, FORMS)


def read_tree(order: str, terms: int | None = None, compare: str | None = None) -> OrderTree:
    """An order for so many terms (None: those of its tree, or 8), and what it is compared with.

    ``order``: what ``parse_order`` reads, or the path of a .json file with an order, an arithmetic or a reveal.  Raises
    InputError for what cannot be read, and for trees of unlike numbers of terms.
    """
    read, number = _read(order, terms)
    if compare is None:
        _sum(read, number)
        return OrderTree(order, read, number)
    second, other = _read(compare, number if terms is None and _brings(order) else terms)
    if terms is None and not _brings(order):
        number = other
    return OrderTree(order, read, number, compare, second, difference(_sum(read, number), _sum(second, number)))


def _sum(order: Order, terms: int) -> Tree:
    """The tree of so many terms, and of the bias where the order says where that is added."""
    return order.tree(terms + (order.bias > 0))


def depth(tree: Tree) -> int:
    """The number of additions, one after the other, on the longest way from a leaf to the result."""
    below = [0] * (tree.leaves + len(tree.steps))
    for position, step in enumerate(tree.steps):
        below[tree.leaves + position] = 1 + max(below[node] for node in step)
    return below[-1]


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
    orders = {_tree(cls.arithmetic, found.kernel) for found in reveals for cls in found.classes}
    if len(orders) != 1:
        raise InputError(f"has {len(orders)} different orders, one is needed: reveal one batch size, and one output")
    return fixed_order(orders.pop())


def _tree(how: Arithmetic, kernel: Kernel) -> Tree:
    """The tree of a kernel's sums, and in it the bias where the arithmetic says which leaf that is."""
    bias = kernel.bias and (how.bias_leaf or how.given is not None)
    return program_of(how, kernel.terms, bias).tree


def _from_file(path: str) -> Order:
    text = read_limited(path, _MAX_BYTES)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{shown(path)} is not JSON") from None
    try:
        if isinstance(data, dict) and data.get("program") is not None:  # an arithmetic that is one program
            return fixed_order(program_told(arithmetic_from_json(data)).tree)
        if isinstance(data, dict) and "order" in data:  # another arithmetic
            data = data["order"]
        if isinstance(data, dict) and "reveals" in data:
            return _revealed(reveals_from_json(data))
        return order_from_json(data) if isinstance(data, dict | str) else parse_order(json.dumps(data))
    except InputError as error:
        raise InputError(f"{shown(path)}: {error}") from None
