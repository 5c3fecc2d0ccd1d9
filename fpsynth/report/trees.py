"""The tree of an order or an arithmetic as text, leaves top to bottom and sums growing to the right."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from fpsynth.arithmetic import Arithmetic
from fpsynth.errors import InputError
from fpsynth.orders import Order, Tree
from fpsynth.report.repeats import Rows, folded, unfolded
from fpsynth.wording import counted

ROWS = 40
"""Of a drawing, unless told otherwise; what has no room is counted."""
_NAME = 38
"""Columns for what a row that stands for many leaves is called."""
_WHOLE = 16
"""Trees of so many leaves are drawn as they are if they have room; of larger ones what repeats is cut short."""
_SUM = ("┬", "┤", "╯", "│")
_FUSED_SUM = ("╦", "╣", "╝", "║")
_ASCII = str.maketrans("─┬┤╯│╦╣╝║●○", "-++'|####*o")


@dataclass(frozen=True)
class Subject:
    """What is drawn."""

    tree: Tree
    label: Callable[[int], str]
    """What a leaf is called."""
    fused: frozenset[int] | None
    """Leaves whose products are not rounded before they are added; None where nothing is said of products."""
    title: str
    aligned: bool = False
    """Steps that add unrounded products line their operands up and cut them."""

    def name(self, leaf: int) -> str:
        """What a leaf is called, with the mark of its product."""
        return f"{self.label(leaf)}{self.mark(leaf)}"

    def mark(self, leaf: int) -> str:
        """Whether a leaf's product is rounded first, where that is said."""
        if self.fused is None or self.label(leaf) == "bias":
            return ""
        return " ●" if leaf in self.fused else " ○"

    def kind(self, leaf: int) -> str:
        """Leaves that look alike in a drawing have one kind: the bias has its own."""
        label = self.label(leaf)
        return self.mark(leaf) if label.isdigit() else label

    @property
    def legend(self) -> list[str]:
        """What the marks mean, for the marks that there are."""
        lines = []
        if self.fused is not None:
            lines.append("● product fused into the addition   ○ product rounded first")
        if any(len(step) > 2 for step in self.tree.steps):
            lines.append(f"╦ more than two nodes, {'cut and ' if self.aligned else ''}rounded once")
        return lines


def subject(what: Tree | Order | Arithmetic, terms: int | None = None) -> Subject:
    """What there is to draw of a tree, an order or an arithmetic, for so many ``terms`` (products, without the bias).

    A tree and an order that is one tree bring their own number.  Raises InputError where the number is missing or does not
    fit, and for real numbers, whose sums have no order.
    """
    if isinstance(what, Tree):
        return subject(Order("tree", 0, what), terms)
    order = what.order if isinstance(what, Arithmetic) else what
    with_bias = order.bias > 0 or (isinstance(what, Arithmetic) and what.bias_leaf)
    if terms is None and order.fixed is None:
        raise InputError(f"order {order} gives a tree for any number of terms: say how many to draw")
    tree = order.tree(order.fixed.leaves if terms is None and order.fixed else (terms or 0) + with_bias)
    if isinstance(what, Order):
        name = f"{what}, " if what.fixed is None else ""
        return Subject(
            tree,
            lambda leaf: "bias" if with_bias and leaf == tree.leaves - 1 else str(leaf),
            None,
            f"{name}{_terms(tree.leaves - with_bias)}",
        )
    if what.format is None:
        raise InputError("a sum of real numbers has no order to draw")
    start = tree.steps[0][0] if tree.steps else 0
    bias = tree.leaves - 1 if what.bias_leaf else None

    def label(leaf: int) -> str:
        return "bias" if leaf == bias else f"bias+{leaf}" if what.bias_first and leaf == start and bias is None else str(leaf)

    fused = _fused_leaves(what, tree, start) if what.fused else None
    return Subject(tree, label, fused, f"{what}, {_terms(tree.leaves - what.bias_leaf)}", what.alignment is not None)


def _terms(count: int) -> str:
    return counted(count, "term")


def _fused_leaves(how: Arithmetic, tree: Tree, start: int) -> frozenset[int]:
    """The leaves that lowering fuses: of two the later one, unless the step aligns; and the product that the bias starts."""
    bias_first = how.bias_first and not how.bias_leaf
    may = set(range(tree.leaves)) - set(how.rounded) - ({tree.leaves - 1} if how.bias_leaf else set())
    fused = {start} & may if bias_first else set()
    for step in tree.steps:
        candidates = [node for node in step if node in may and not (bias_first and node == start)]
        one = len(step) == 2 and candidates and how.alignment is None
        fused.update([max(candidates)] if one else candidates)
    return frozenset(fused)


def tree_text(
    what: Tree | Order | Arithmetic, terms: int | None = None, *, width: int = 96, rows: int = ROWS, unicode: bool = True
) -> str:
    """Draw what ``subject`` reads, in lines of at most ``width`` >= 40 columns and at most ``rows`` >= 2 rows of leaves.

    Operands end on one bar and the sum leaves at its top.  In large trees, operands that repeat are cut short, and
    subtrees that have no room still become one row that says how many leaves it stands for.  Ends in a newline.  Raises
    InputError as ``subject`` does.
    """
    drawn = subject(what, terms)
    shown = _Shown(drawn, max(rows, 2), max(width, 40))
    lines = [_cut(drawn.title, max(width, 40)), *shown.lines(), *drawn.legend]
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    return text if unicode else text.translate(_ASCII)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


class _Shown:
    """The part of a tree that is drawn: its top, opened at the largest subtrees first."""

    def __init__(self, drawn: Subject, rows: int, width: int) -> None:
        self.width = width
        self._show(unfolded(drawn.tree, drawn.name))
        if drawn.tree.leaves > _WHOLE or not self._depth_within(rows, (width - 3 - self.longest) // 2):
            self._show(folded(drawn.tree, drawn.name, drawn.kind, min(_NAME, width // 2)))
        self.opened: set[int] = set()
        room = width - 3
        if self._depth_within(rows, (room - self.longest) // 2):
            self._open(rows, (room - self.longest) // 2)
        else:  # some rows stand for many leaves, and say so
            self._open(rows, (room - min(_NAME, width // 2)) // 2)

    def _show(self, rows: Rows) -> None:
        self.tree, self.names, self.held = rows.tree, rows.names, rows.held
        self.sizes = [len(leaves) for leaves in rows.held]
        for step in self.tree.steps:
            self.sizes.append(sum([self.sizes[node] for node in step]))
        self.longest = max(map(len, rows.names))

    def _depth_within(self, rows: int, depth: int) -> bool:
        """Whether the whole tree has room."""
        if self.tree.leaves > rows:
            return False
        heights = [0] * self.tree.leaves
        for step in self.tree.steps:
            heights.append(1 + max(heights[node] for node in step))
        return heights[-1] <= depth

    def _open(self, rows: int, depth: int) -> None:
        heap = [(-self.sizes[self.tree.root], self.tree.root, 0)]
        used = 1
        while heap:
            _, node, above = heapq.heappop(heap)
            if node < self.tree.leaves or above >= depth:
                continue
            step = self.tree.steps[node - self.tree.leaves]
            if used + len(step) - 1 > rows:
                continue
            used += len(step) - 1
            self.opened.add(node)
            for operand in step:
                heapq.heappush(heap, (-self.sizes[operand], operand, above + 1))

    def _below(self, node: int) -> list[int]:
        leaves: list[int] = []
        stack = [node]
        while stack:
            item = stack.pop()
            if item < self.tree.leaves:
                leaves.extend(self.held[item])
            else:
                stack.extend(self.tree.steps[item - self.tree.leaves])
        return leaves

    def _name(self, node: int) -> str:
        if node < self.tree.leaves:
            return self.names[node]
        leaves = self._below(node)
        first, last = min(leaves), max(leaves)
        among = f"{first} to {last}" if last - first + 1 == len(leaves) else f"from {first} to {last}, not all"
        short = f"sum of {counted(len(leaves), 'leaf', 'leaves')}"  # of leaves that no row shows: it may be the first row
        return f"{short} ({among})" if len(short) + len(among) + 3 <= min(_NAME, self.width // 2) else short

    def lines(self) -> list[str]:
        """One line per row: labels to the right, then the bars."""
        order, rows, stack = [], [], [self.tree.root]
        while stack:
            node = stack.pop()
            if node in self.opened:
                order.append(node)
                stack.extend(reversed(self.tree.steps[node - self.tree.leaves]))
            else:
                rows.append(node)
        names = [_cut(self._name(node), self.width // 2) for node in rows]
        edge = max(map(len, names))
        place = {node: (row, 0) for row, node in enumerate(rows)}
        canvas = [dict.fromkeys(range(2), "─") for _ in rows]
        for node in reversed(order):
            place[node] = self._join(node, place, canvas)
        row, height = place[self.tree.root]
        canvas[row][2 * height + 1] = "─"
        width = max(max(cells) for cells in canvas) + 1
        return [
            f"{n:>{edge}} " + "".join(cells.get(c, " ") for c in range(width)) for n, cells in zip(names, canvas, strict=True)
        ]

    def _join(self, node: int, place: dict[int, tuple[int, int]], canvas: list[dict[int, str]]) -> tuple[int, int]:
        """Draw one step; return the row in which its sum goes on, and its height above the rows."""
        step = self.tree.steps[node - self.tree.leaves]
        height = 1 + max(place[operand][1] for operand in step)
        ends = [place[operand][0] for operand in step]
        top, middle, bottom, bar = _FUSED_SUM if len(step) > 2 else _SUM
        for row in range(ends[0], ends[-1] + 1):
            canvas[row][2 * height] = bar
        for operand in step:
            row, below = place[operand]
            for column in range(2 * below + 1, 2 * height):
                canvas[row][column] = "─"
            canvas[row][2 * height] = middle
        canvas[ends[0]][2 * height] = top
        canvas[ends[-1]][2 * height] = bottom
        return ends[0], height
