"""Orders of summation: a rule that gives the tree of any number of terms, or one tree; and how their names are read."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache

from fpsynth.errors import InputError
from fpsynth.orders.families import FAMILIES, usage
from fpsynth.orders.nested import nested_text, parse_tree
from fpsynth.orders.tree import Builder, Tree


@dataclass(frozen=True)
class Order:
    """A named family and its parameter; or, where ``fixed`` is given, one tree for one number of terms."""

    family: str = "sequential"
    parameter: int = 0
    fixed: Tree | None = None

    def tree(self, terms: int) -> Tree:
        """Return the expression tree of a sum of ``terms`` >= 1 terms.

        Raises InputError for fewer, and where the order is one tree and that has another number of leaves.
        """
        if terms < 1:
            raise InputError(f"a sum needs at least one term, not {terms}")
        if self.fixed is None:
            return _family_tree(self.family, self.parameter, terms)
        if self.fixed.leaves != terms:
            raise InputError(f"the order is a tree of {self.fixed.leaves} leaves, but the sum has {terms} terms")
        return self.fixed

    def __str__(self) -> str:
        """What ``parse_order`` reads: the family's name and parameter, or the tree as nested lists."""
        if self.fixed is not None:
            return nested_text(self.fixed)
        family = FAMILIES[self.family]
        written = bool(family.parameter) and not (family.optional and not self.parameter)
        return f"{self.family}:{self.parameter}" if written else self.family


def fixed_order(tree: Tree) -> Order:
    """The order that is one tree."""
    return Order("tree", 0, tree)


@lru_cache(maxsize=256)
def _family_tree(family: str, parameter: int, terms: int) -> Tree:
    build = Builder(terms)
    FAMILIES[family].build(build, parameter)
    return build.tree()


SEQUENTIAL = Order()


def parse_order(text: str) -> Order:
    """Read an order such as ``sequential``, ``strided:4``, ``[[0,1],[2,3]]`` or ``((0+1)+2)+3``.

    Raises InputError for an unknown family, for a parameter that is missing, superfluous or too small, and for text that is
    no tree (see ``parse_tree``).
    """
    if text.lstrip()[:1] in tuple("[(0123456789"):
        return fixed_order(parse_tree(text))
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
