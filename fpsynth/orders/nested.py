"""Trees as nested lists, such as [[0,1],[2,3]] or ((0+1)+2)+3: written and read without recursion, in linear time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from fpsynth.errors import InputError
from fpsynth.orders.tree import Tree

MAX_LEAVES = 65537
"""Of a tree that is read from text or from a file."""
_MAX_TEXT = 4_000_000
_TOKEN = re.compile(r"([0-9]+)|([\[(])|([\])])|([,+])|(\S)")
_CLOSING = {"[": "]", "(": ")"}


def nested_text(tree: Tree) -> str:
    """The tree as nested lists: ``[[0,1],2]``, with ``[0,1,2]`` for three nodes added in one rounding; ``0`` for one leaf."""
    return str(tree).translate(str.maketrans("()+", "[],"))


@dataclass
class _Reader:
    """The groups that are open, outermost first; the outermost stands for the whole text."""

    leaves: int
    steps: list[tuple[int, ...]] = field(default_factory=list)
    groups: list[list[int]] = field(default_factory=lambda: [[]])
    opened: list[str] = field(default_factory=list)
    complete: bool = False
    """The last token ended an item, so that a separator or a closing bracket comes next."""

    def item(self, node: int) -> None:
        self.groups[-1].append(node)
        self.complete = True

    def step(self, nodes: list[int]) -> int:
        self.steps.append(tuple(nodes))
        return self.leaves + len(self.steps) - 1

    def close(self, bracket: str, place: str) -> None:
        if not self.opened or _CLOSING[self.opened[-1]] != bracket:
            raise InputError(f"the order has an unbalanced bracket {place}")
        if not self.complete:
            raise InputError(f"the order lacks a leaf or a group {place}")
        group = self.groups.pop()
        self.opened.pop()
        if len(group) == 1:
            raise InputError(f"the order has a group of one {place}: brackets must hold at least two")
        self.item(self.step(group))

    def end(self) -> None:
        if self.opened:
            raise InputError("the order has an unbalanced bracket: one is not closed")
        if not self.complete:
            raise InputError("the order lacks a leaf or a group at its end")
        if len(self.groups[0]) > 2:
            raise InputError(
                "the order needs brackets that say what is added first, as in ((0+1)+2), or all at once, as in [0,1,2]"
            )
        if len(self.groups[0]) == 2:
            self.step(self.groups[0])


def parse_tree(text: str) -> Tree:
    """Read nested groups of leaves 0, 1, ..., each leaf once, in [] or (), separated by commas or plus signs.

    The outermost brackets may be left out where they would hold two.  A group of three or more is one fused step.  The steps
    are numbered in the order in which the groups close, so a tree whose steps were numbered otherwise comes back equal, but
    perhaps with another first step, at which a bias that comes first starts.  Raises InputError in one
    line for repeated or missing leaves,
    unbalanced brackets, groups of one, anything else, and more than MAX_LEAVES leaves.
    """
    if len(text) > _MAX_TEXT:
        raise InputError(f"an order may have at most {MAX_LEAVES} leaves")
    tokens = list(_TOKEN.finditer(text))
    read = _Reader(_leaves([match[1] for match in tokens if match[1] is not None]))
    for match in tokens:
        number, opening, closing, _, junk = match.groups()
        place = f"at character {match.start() + 1}"
        if junk is not None:
            raise InputError(f"the order has {junk!r} {place}, which is no leaf, bracket, comma or plus sign")
        if closing is not None:
            read.close(closing, place)
        elif (number is not None or opening is not None) and read.complete:
            raise InputError(f"the order lacks a comma or a plus sign {place}")
        elif number is not None:
            read.item(int(number))
        elif opening is not None:
            read.groups.append([])
            read.opened.append(opening)
        elif not read.complete:
            raise InputError(f"the order lacks a leaf or a group {place}")
        else:
            read.complete = False
    read.end()
    return Tree(read.leaves, tuple(read.steps))


def _leaves(numbers: list[str]) -> int:
    """How many leaves there are: each of 0, 1, ... once."""
    count = len(numbers)
    if count > MAX_LEAVES:
        raise InputError(f"an order may have at most {MAX_LEAVES} leaves")
    seen = bytearray(count)
    for text in numbers:
        leaf = int(text) if len(text) < 9 else count
        if leaf < count and seen[leaf]:
            raise InputError(f"leaf {leaf} of the order is repeated")
        if leaf >= count:
            raise InputError(
                f"the order has a leaf {text[:20]} but {count} leaves in all: they are 0 to {count - 1}, each once"
            )
        seen[leaf] = 1
    return count
