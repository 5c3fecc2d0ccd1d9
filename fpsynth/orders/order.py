"""Orders of summation: a rule that gives the tree of any number of terms, or one tree; and how their names are read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from fpsynth.errors import InputError
from fpsynth.orders.families import FAMILIES, usage
from fpsynth.orders.nested import nested_text, parse_tree
from fpsynth.orders.tree import Builder, Tree, restrict

MAX_DEPTH = 4
"""Orders within orders."""
_PARTS = {
    "sequential": "sequential",
    "blocked": "sequential",
    "strided": "sequential",
    "lanes": "halves",
    "pairwise": "pairwise",
}
"""Families that sum parts first, and the order in which they add these up where none is given."""
_HEAD = re.compile("head:([1-9][0-9]{0,4})-then-")
_ACROSS = ("blocked", "strided", "lanes")
_WITHIN = ("blocked", "pairwise", "strided", "lanes")


@dataclass(frozen=True)
class Order:
    """A named family and its parameter; or, where ``fixed`` is given, one tree for one number of terms."""

    family: str = "sequential"
    parameter: int = 0
    fixed: Tree | None = None
    across: Order | None = None
    """Of strided, lanes and blocked: the order in which lanes or blocks are added up, where it is not the family's own."""
    within: Order | None = None
    """Of those three and of pairwise with a block: the order within a lane or a block, where it is not sequential."""
    head: int = 0
    """Of strided and lanes: so many terms come first, in sequence, and the first lane goes on from their sum."""
    bias: int = 0
    """The last term is a bias, added after so many terms, blocks or lanes, all in sequence; 0: it is a term like others."""

    def tree(self, terms: int) -> Tree:
        """Return the expression tree of a sum of ``terms`` >= 1 terms.

        Raises InputError for fewer, and where the order is one tree and that has another number of leaves.
        """
        if terms < 1:
            raise InputError(f"a sum needs at least one term, not {terms}")
        if self.fixed is None:
            return _family_tree(self, terms)
        if self.fixed.leaves != terms:
            raise InputError(f"the order is a tree of {self.fixed.leaves} leaves, but the sum has {terms} terms")
        return self.fixed

    @property
    def any_number(self) -> bool:
        """Whether it gives a tree for any number of terms; lanes that a sum does not fill are left out."""
        if self.fixed is not None:
            return False
        lanes = self.family in ("strided", "lanes") and self.across is not None and self.across.fixed is not None
        across = self.across is None or self.across.any_number or lanes
        return across and (self.within is None or self.within.any_number)

    @property
    def without_bias(self) -> Order:
        """The order of the same sum where there is no bias."""
        return replace(self, bias=0) if self.bias else self

    @property
    def bias_in_words(self) -> str:
        """Where the bias is added: ``bias after block 1``; empty where it is a term like others."""
        part = {"blocked": "block", "strided": "lane"}.get(self.family, "term")
        return f"bias after {part} {self.bias}" if self.bias else ""

    def __str__(self) -> str:
        """What ``parse_order`` reads: the family's name and parameter, or the tree as nested lists."""
        if self.fixed is not None:
            return nested_text(self.fixed)
        family = FAMILIES[self.family]
        written = bool(family.parameter) and not (family.optional and not self.parameter)
        parts = [f"head:{self.head}-then-"] if self.head else []
        parts += [f"{self.family}:{self.parameter}" if written else self.family]
        if self.across is not None:
            composed = self.across.across or self.across.within
            parts.append(f"/({self.across})" if composed else f"/{self.across}")
        parts += [f"-of-{self.within}"] if self.within is not None else []
        return "".join([*parts, *([f"+bias:{self.bias}"] if self.bias else [])])


def fixed_order(tree: Tree) -> Order:
    """The order that is one tree."""
    return Order("tree", 0, tree)


@lru_cache(maxsize=256)
def _family_tree(order: Order, terms: int) -> Tree:
    build = Builder(terms)
    if not (order.across or order.within or order.head or order.bias):
        FAMILIES[order.family].build(build, order.parameter)
    else:
        _composed(build, order, range(terms - (order.bias > 0)))
    return build.tree()


def _composed(build: Builder, order: Order, terms: range) -> None:
    """Sum the parts, add these up, then what is left; the bias is a part more."""
    size, left = order.parameter, terms[:0]
    head, terms = terms[: order.head], terms[order.head :]
    if order.family == "lanes":
        terms, left = terms[: len(terms) - len(terms) % size], terms[len(terms) - len(terms) % size :]
    if order.family == "sequential":
        parts = list(terms)
    elif order.family in ("strided", "lanes"):
        lanes = [list(terms[lane::size]) for lane in range(min(size, len(terms)))] or [[]]
        lanes[0] = [*head, *lanes[0]]
        parts = [_grafted(build, order.within or SEQUENTIAL, lane) for lane in lanes if lane]
    else:
        blocks = [terms[start : start + size] for start in range(0, len(terms), size)]
        parts = [_grafted(build, order.within or SEQUENTIAL, block) for block in blocks]
    if order.bias:
        parts.insert(min(order.bias, len(parts)), build.leaves - 1)
    across = order.across or Order(_PARTS[order.family])
    build.chain([*([_grafted(build, across, parts)] if parts else []), *left])


def _grafted(build: Builder, order: Order, nodes: Sequence[int]) -> int:
    """Add up nodes as an order adds up that many terms; a tree for more of them without those that there are not."""
    fewer = order.fixed is not None and len(nodes) < order.fixed.leaves
    tree = restrict(order.fixed, range(len(nodes)))[0] if fewer and order.fixed else order.tree(len(nodes))
    made = list(nodes)
    for step in tree.steps:
        made.append(build.add(*(made[node] for node in step)))
    return made[-1]


SEQUENTIAL = Order()


def parse_order(text: str) -> Order:
    """Read an order: a family such as ``strided:4``, a tree such as ``[[0,1],[2,3]]`` or ``((0+1)+2)+3``, or a composed one.

    ``strided:8/pairwise``: the lanes (of blocked, the blocks) are added up in that order.  ``blocked:256-of-lanes:8``: each
    block is summed in that order.  ``head:4-then-lanes:8``: four terms in sequence, and the first lane goes on from their sum.
    ``lanes:64/(strided:8-of-pairwise)``: a composed order across lanes stands in parentheses.
    ``blocked:256+bias:1``: the last term is a bias, added after one block.  Raises InputError
    for an unknown family, for a parameter that is missing, superfluous or too small, for a part that a family does not have,
    and for text that is no tree (see ``parse_tree``).
    """
    if text.lstrip()[:1] in tuple("[(0123456789"):
        return fixed_order(parse_tree(text))
    whole, plus, bias = text.rpartition("+bias:")
    if not plus:
        whole, bias = text, "0"
    if not re.fullmatch("[0-9]{1,6}" if not plus else "[1-9][0-9]{0,5}", bias):
        raise InputError("+bias:N needs the number of terms, blocks or lanes before the bias, at least 1")
    within = _composite(whole, MAX_DEPTH)
    if plus and (within.family not in _PARTS or within.across is not None or _PARTS[within.family] != "sequential"):
        raise InputError("+bias:N goes with sequential, blocked:N and strided:N, whose parts are added in sequence")
    return replace(within, bias=int(bias))


def _composite(text: str, depth: int) -> Order:
    """A chain of orders within each other."""
    parts = _outside(text, "-of-")
    if len(parts) > depth:
        raise InputError(f"an order may hold at most {MAX_DEPTH} orders within each other")
    within = None
    for part in reversed(parts):
        within = _parsed(part, within, depth - 1)
    assert within is not None
    return within


def _outside(text: str, mark: str) -> list[str]:
    """The text split at a mark wherever that is not in parentheses."""
    parts, start, opened = [], 0, 0
    for match in re.finditer(rf"[()]|{re.escape(mark)}", text):
        if match[0] == mark:
            if not opened:
                parts.append(text[start : match.start()])
                start = match.end()
        else:
            opened += 1 if match[0] == "(" else -1
    return [*parts, text[start:]]


def _parsed(text: str, within: Order | None, depth: int) -> Order:
    """One family, the order across its parts if it has one, and the order ``within`` them."""
    head = _HEAD.match(text)
    name, slash, across = text[head.end() if head else 0 :].partition("/")
    order = _family(name or text)
    if head is not None and order.family not in ("strided", "lanes"):
        raise InputError(f"order {order.family} has no lanes that a head could start: strided and lanes have")
    if slash and order.family not in _ACROSS:
        raise InputError(f"order {order.family} has no parts to be added up in another order: {', '.join(_ACROSS)} have")
    if within is not None and (order.family not in _WITHIN or not order.parameter):
        raise InputError(f"order {order} has no parts to be summed in another order: {', '.join(map(usage, _WITHIN))} have")
    if within is not None and head is not None:
        raise InputError("a head starts a lane that is summed in sequence, not in another order")
    inner = None
    if slash:
        inner = _across(across, depth)
        if order.family in ("strided", "lanes") and inner.fixed is not None and inner.fixed.leaves != order.parameter:
            raise InputError(
                f"order {order} has {order.parameter} lanes, but the tree across them has {inner.fixed.leaves} leaves"
            )
    return replace(order, across=inner, within=within, head=int(head[1]) if head else 0)


def _across(text: str, depth: int) -> Order:
    """A family, a tree, or a composed order in parentheses."""
    if re.match(r"\([a-z]", text) and text.endswith(")"):
        return _composite(text[1:-1], depth)
    return fixed_order(parse_tree(text)) if text[:1] in ("[", "(") else _family(text)


def _family(text: str) -> Order:
    """A family and its parameter."""
    match = re.fullmatch(r"([a-z]+)(?::([0-9]{1,6}))?", text)
    if match is None or match[1] not in FAMILIES:
        names = ", ".join(map(usage, FAMILIES))
        near = difflib.get_close_matches(text[:60].partition(":")[0], FAMILIES, n=1)
        hint = f" (did you mean {usage(near[0])}?)" if near else ""
        raise InputError(f"unknown order {text[:60]!r}{hint}; choose from {names}, or a tree such as [[0,1],[2,3]]")
    family = FAMILIES[match[1]]
    if match[2] is not None and not family.parameter:
        raise InputError(f"order {match[1]} takes no number")
    if match[2] is None and family.parameter and not family.optional:
        raise InputError(f"order {match[1]} needs a number, as in {match[1]}:4")
    if match[2] is not None and int(match[2]) < family.least:
        raise InputError(f"order {match[1]} needs a number of at least {family.least}")
    return Order(match[1], int(match[2] or 0))
