"""Orders of summation: expression trees over numbered leaves, and the families that name them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from fpsynth.errors import InputError


@dataclass(frozen=True)
class Tree:
    """A sum of ``leaves`` terms as a list of steps, so that depth 4096 needs no recursion.

    Node k < leaves is leaf k; node ``leaves + s`` is the sum of the nodes in ``steps[s]``, added in one rounding (two of
    them in ordinary arithmetic, more in fused hardware).  The last node is the result.  A single leaf has no steps.
    """

    leaves: int
    steps: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        used: set[int] = set()
        for position, step in enumerate(self.steps):
            if len(step) < 2:
                raise InputError("each step of an order must add at least two nodes")
            for node in step:
                if not 0 <= node < self.leaves + position or node in used:
                    raise InputError(f"node {node} of the order is repeated or used before it is computed")
                used.add(node)
        if self.leaves < 1 or len(used) != self.leaves + len(self.steps) - 1:
            raise InputError("an order must use every leaf exactly once")

    def __str__(self) -> str:
        texts = [str(k) for k in range(self.leaves)]
        for step in self.steps:
            texts.append("(" + "+".join(texts[node] for node in step) + ")")
        return texts[-1]


class _Builder:
    """Collects steps while a family is written down."""

    def __init__(self, leaves: int) -> None:
        self.leaves = leaves
        self.steps: list[tuple[int, ...]] = []

    def add(self, left: int, right: int) -> int:
        self.steps.append((left, right))
        return self.leaves + len(self.steps) - 1

    def chain(self, nodes: list[int]) -> int:
        total = nodes[0]
        for node in nodes[1:]:
            total = self.add(total, node)
        return total

    def halves(self, nodes: list[int]) -> int:
        """Join neighbours level by level: ((0+1)+(2+3))+..., an odd one out is carried to the next level."""
        while len(nodes) > 1:
            joined = [self.add(nodes[k], nodes[k + 1]) for k in range(0, len(nodes) - 1, 2)]
            nodes = joined + nodes[len(nodes) - len(nodes) % 2 :]
        return nodes[0]

    def tree(self) -> Tree:
        return Tree(self.leaves, tuple(self.steps))


def _sequential(build: _Builder, parameter: int) -> None:
    build.chain(list(range(build.leaves)))


def _reverse(build: _Builder, parameter: int) -> None:
    build.chain(list(range(build.leaves))[::-1])


def _pairwise(build: _Builder, parameter: int) -> None:
    build.halves(list(range(build.leaves)))


def _strided(build: _Builder, parameter: int) -> None:
    """K lanes as in a vectorised loop: lane l sums the terms l, l+K, l+2K, ...; then the lanes are added in sequence."""
    lanes = [build.chain(list(range(lane, build.leaves, parameter))) for lane in range(min(parameter, build.leaves))]
    build.chain(lanes)


_FAMILIES: dict[str, tuple[Callable[[_Builder, int], None], bool]] = {
    # name: (how to build it, whether it takes a parameter)
    "sequential": (_sequential, False),
    "reverse": (_reverse, False),
    "pairwise": (_pairwise, False),
    "strided": (_strided, True),
}


@dataclass(frozen=True)
class Order:
    """A rule that gives the tree of a sum of any number of terms: a named family and its parameter."""

    family: str = "sequential"
    parameter: int = 0

    def tree(self, terms: int) -> Tree:
        """Return the expression tree of a sum of ``terms`` >= 1 terms."""
        return _family_tree(self.family, self.parameter, terms)

    def __str__(self) -> str:
        return f"{self.family}:{self.parameter}" if self.parameter else self.family


@lru_cache(maxsize=256)
def _family_tree(family: str, parameter: int, terms: int) -> Tree:
    build = _Builder(terms)
    _FAMILIES[family][0](build, parameter)
    return build.tree()


SEQUENTIAL = Order()


def parse_order(text: str) -> Order:
    """Read an order such as ``sequential`` or ``strided:4``.

    Raises InputError for an unknown family, and for a parameter that is missing, superfluous or below 1.
    """
    match = re.fullmatch(r"([a-z]+)(?::(\d{1,6}))?", text)
    if match is None or match[1] not in _FAMILIES:
        names = ", ".join(name + (":K" if takes else "") for name, (_, takes) in _FAMILIES.items())
        raise InputError(f"unknown order {text!r}; choose from {names}")
    takes_parameter = _FAMILIES[match[1]][1]
    if takes_parameter != (match[2] is not None):
        raise InputError(f"order {match[1]} " + ("needs a number, as in strided:4" if takes_parameter else "takes no number"))
    parameter = int(match[2] or 0)
    if takes_parameter and parameter < 1:
        raise InputError(f"order {match[1]} needs a number of at least 1")
    return Order(match[1], parameter)
