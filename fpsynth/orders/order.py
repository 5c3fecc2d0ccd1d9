"""Orders of summation: a rule that gives the tree of any number of terms, or one tree; and how their names are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from fpsynth.errors import InputError
from fpsynth.orders.families import FAMILIES
from fpsynth.orders.tree import Builder, Tree


@dataclass(frozen=True)
class Order:
    """A named family and its parameter; or, where ``fixed`` is given, one tree for one number of terms."""

    family: str = "sequential"
    parameter: int = 0
    fixed: Tree | None = None

    def tree(self, terms: int) -> Tree:
        """Return the expression tree of a sum of ``terms`` >= 1 terms.

        Raises InputError where the order is one tree and that has another number of leaves.
        """
        if self.fixed is None:
            return _family_tree(self.family, self.parameter, terms)
        if self.fixed.leaves != terms:
            raise InputError(f"the order is a tree of {self.fixed.leaves} leaves, but the sum has {terms} terms")
        return self.fixed

    def __str__(self) -> str:
        if self.fixed is not None:
            return str(self.fixed).replace("(", "[").replace(")", "]").replace("+", ",")
        return f"{self.family}:{self.parameter}" if FAMILIES[self.family].parameter else self.family


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
    """Read an order such as ``sequential`` or ``strided:4``.

    Raises InputError for an unknown family, and for a parameter that is missing, superfluous or too small.
    """
    match = re.fullmatch(r"([a-z]+)(?::(\d{1,6}))?", text)
    if match is None or match[1] not in FAMILIES:
        names = ", ".join(name + (f":{family.parameter}" if family.parameter else "") for name, family in FAMILIES.items())
        raise InputError(f"unknown order {text[:60]!r}; choose from {names}")
    family = FAMILIES[match[1]]
    if bool(family.parameter) != (match[2] is not None):
        wants = f"needs a number, as in {match[1]}:4" if family.parameter else "takes no number"
        raise InputError(f"order {match[1]} {wants}")
    parameter = int(match[2] or 0)
    if family.parameter and parameter < family.least:
        raise InputError(f"order {match[1]} needs a number of at least {family.least}")
    return Order(match[1], parameter)
