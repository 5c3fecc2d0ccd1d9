"""The tree of an order or an arithmetic as text, leaves top to bottom and sums growing to the right."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from fpsynth.errors import InputError
from fpsynth.orders import Order, Tree
from fpsynth.report.renderers.folding import fold
from fpsynth.report.renderers.repeats import Rows, folded, unfolded
from fpsynth.sums import facts
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of, program_told
from fpsynth.sums.program import Leaf, Program, Step
from fpsynth.sums.words import rounds_in_words
from fpsynth.wording import counted

ROWS = 40
"""Of a drawing, unless told otherwise; what has no room is counted."""
_NAME = 38
"""Columns for what a row that stands for many leaves is called."""
_WHOLE = 16
"""Trees of so many leaves are drawn as they are if they have room; of larger ones what repeats is cut short."""
_SUM = ("┬", "┤", "╯", "│")
_FUSED_SUM = ("╦", "╣", "╝", "║")
_SIGNS = ("◆", "◇", "▲", "△", "■")
"""Of nodes that are rounded otherwise than most; the last stands for all that are left."""
_ASCII = str.maketrans("─┬┤╯│╦╣╝║●○◆◇▲△■", "-++'|####*oabcde")


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
    special: dict[int, str] = field(default_factory=dict)
    """Nodes that are not rounded as most are, and the sign that each has."""
    signs: tuple[tuple[str, str], ...] = ()
    """Each of these signs, and what it means."""
    numbers: frozenset[int] = frozenset()
    """Leaves that are no products."""

    def name(self, leaf: int) -> str:
        """What a leaf is called, with the mark of its product."""
        return f"{self.label(leaf)}{self.mark(leaf)}"

    def mark(self, leaf: int) -> str:
        """Whether a leaf's product is rounded first, where that is said, and the sign of one that is rounded otherwise."""
        sign = f" {self.special[leaf]}" if leaf in self.special else ""
        if self.fused is None or leaf in self.numbers:
            return sign
        return (" ●" if leaf in self.fused else " ○") + sign

    def kind(self, node: int) -> str:
        """Leaves, and steps, that look alike in a drawing have one kind: the bias has its own."""
        if node >= self.tree.leaves:
            return self.special.get(node, "")
        label = self.label(node)
        return self.mark(node) if label.isdigit() else label

    @property
    def legend(self) -> list[str]:
        """What the marks mean, for the marks that there are."""
        lines = []
        if self.fused is not None:
            lines.append("● product fused into the addition   ○ product rounded first")
        if any(len(step) > 2 for step in self.tree.steps):
            lines.append(f"╦ more than two nodes, {'cut and ' if self.aligned else ''}rounded once")
        return lines + self.own_legend

    @property
    def own_legend(self) -> list[str]:
        """What the signs mean that mean something else in another drawing."""
        return [f"{sign} {meaning}" for sign, meaning in self.signs]


def subject(what: Tree | Order | Arithmetic, terms: int | None = None) -> Subject:
    """What there is to draw of a tree, an order or an arithmetic, for so many ``terms`` (products, without the bias).

    A tree, an order that is one tree and an arithmetic that is one program bring their own number.  Raises InputError where
    the number is missing or does not fit, and for real numbers, whose sums have no order.
    """
    if isinstance(what, Tree):
        return subject(Order("tree", 0, what), terms)
    if isinstance(what, Order):
        return _of_order(what, terms)
    if what.format is None:
        raise InputError("a sum of real numbers has no order to draw")
    program = program_told(what, terms)
    return _of_bias_first(what, program) if _starts_with_bias(what) else _of_program(what, program)


def _of_order(order: Order, terms: int | None) -> Subject:
    if terms is None and order.fixed is None:
        raise InputError(f"order {order} gives a tree for any number of terms: say how many to draw")
    bias = order.bias > 0
    tree = order.tree(order.fixed.leaves if terms is None and order.fixed else (terms or 0) + bias)
    last = tree.leaves - 1 if bias else None
    name = f"{order}, " if order.fixed is None else ""
    return Subject(
        tree, lambda leaf: "bias" if leaf == last else str(leaf), None, f"{name}{counted(tree.leaves - bias, 'term')}"
    )


def _of_program(what: Arithmetic, program: Program) -> Subject:
    """Every leaf and every step of a program."""
    special, signs = _special(program)
    return Subject(
        program.tree,
        lambda leaf: _leaf_name(program, leaf),
        facts.exact_products(program) if what.fused or facts.exact_products(program) else None,
        _title(what, program),
        bool(program.alignments),
        special,
        signs,
        frozenset(range(program.terms, program.tree.leaves)),
    )


def _title(what: Arithmetic, program: Program) -> str:
    """The number of terms comes before the words for a program, which may be too many for a line."""
    terms = counted(program.terms, "term")
    return f"{what}, {terms}" if what.given is None else f"{terms}, {what}"


def _starts_with_bias(what: Arithmetic) -> bool:
    """Whether it is a rule that adds the bias to the first product, whatever the tree of the products."""
    return what.given is None and what.bias_first and not what.bias_leaf


def _of_bias_first(what: Arithmetic, program: Program) -> Subject:
    """A rule whose sums start with the bias: the leaf that it is added to is drawn as their sum."""
    plain = program_of(what, program.terms)
    assert program.bias is not None
    (start,) = facts.beside(program, program.bias)
    return replace(
        _of_program(what, program),
        tree=plain.tree,
        label=lambda leaf: f"bias+{leaf}" if leaf == start else str(leaf),
        numbers=frozenset(),
    )


def _leaf_name(program: Program, leaf: int) -> str:
    """The number of a product; ``bias``, and ``addend`` with its number where there are several."""
    first = program.terms + (program.bias is not None)
    if leaf < program.terms:
        return str(leaf)
    if leaf == program.bias:
        return "bias"
    return "addend" if len(program.leaves) == first + 1 else f"addend {leaf - first}"


def _special(program: Program) -> tuple[dict[int, str], tuple[tuple[str, str], ...]]:
    """The nodes that are rounded otherwise than most of their kind, each with its sign, and what the signs mean."""
    words: dict[int, str] = {}
    leaves = program.leaves[: program.terms]
    words |= _unlike({k: _product_words(leaf) for k, leaf in enumerate(leaves) if leaf.rounds})
    words |= {k: _read_words(program, k) for k in range(program.terms, len(program.leaves))}
    words |= _unlike({node: _step_words(step) for node, step in enumerate(program.steps, program.tree.leaves)})
    meanings = list(dict.fromkeys(filter(None, words.values())))
    signs = {meaning: _SIGNS[min(k, len(_SIGNS) - 1)] for k, meaning in enumerate(meanings)}
    grouped: dict[str, list[str]] = {}
    for meaning, sign in signs.items():
        grouped.setdefault(sign, []).append(meaning)
    told = tuple((sign, "; or ".join([*some[:3], *["otherwise"] * (len(some) > 3)])) for sign, some in grouped.items())
    return {node: signs[meaning] for node, meaning in words.items() if meaning}, told


def _unlike(words: dict[int, str]) -> dict[int, str]:
    """Those that are not the commonest; of equally many the first is the rule."""
    counts = Counter(words.values())
    if len(counts) < 2:
        return {}
    ((rule, _),) = counts.most_common(1)
    return {node: text for node, text in words.items() if text != rule}


def _product_words(leaf: Leaf) -> str:
    return f"product {rounds_in_words(facts.product_rounds(leaf))}"


def _read_words(program: Program, leaf: int) -> str:
    read = facts.changing(program.format, program.leaves[leaf].reads) if program.format is not None else ()
    name = "bias" if leaf == program.bias else "addend"
    return f"{name} {rounds_in_words(read)}" if read else ""


def _step_words(step: Step) -> str:
    then = facts.again(step)
    return f"sum in {facts.own_format(step)}{f', {rounds_in_words(then)}' if then else ''}"


def tree_text(
    what: Tree | Order | Arithmetic,
    terms: int | None = None,
    *,
    width: int = 96,
    rows: int = ROWS,
    unicode: bool = True,
    legend: bool = True,
) -> str:
    """Draw what ``subject`` reads, in lines of at most ``width`` >= 40 columns and at most ``rows`` >= 2 rows of leaves.

    Operands end on one bar and the sum leaves at its top.  In large trees, operands that repeat are cut short, and
    subtrees that have no room still become one row that says how many leaves it stands for.  What the signs mean comes last,
    if the ``legend`` is wanted.  Ends in a newline.  Raises InputError as ``subject`` does.
    """
    drawn = subject(what, terms)
    shown = _Shown(drawn, max(rows, 2), max(width, 40))
    lines = [_cut(drawn.title, max(width, 40)), *shown.lines()]
    lines += [part for line in drawn.legend for part in fold(line, max(width, 40), "", "  ")] if legend else []
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    return text if unicode else text.translate(_ASCII)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


class _Shown:
    """The part of a tree that is drawn: its top, opened at the largest subtrees first."""

    def __init__(self, drawn: Subject, rows: int, width: int) -> None:
        self.width = width
        self.signs = drawn.special
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
        self.tree, self.names, self.held, self.origins = rows.tree, rows.names, rows.held, rows.origins
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
        sign = f" {self._sign(node)}".rstrip()
        fits = len(short) + len(among) + len(sign) + 3 <= min(_NAME, self.width // 2)
        return f"{short} ({among}){sign}" if fits else short + sign

    def _sign(self, node: int) -> str:
        """The sign of a step; leaves have theirs in their names."""
        return "" if node < self.tree.leaves else self.signs.get(self.origins[node - self.tree.leaves], "")

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
        canvas[row][2 * height + 1] = (height and self._sign(self.tree.root)) or "─"
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
            if below and self._sign(operand):
                canvas[row][2 * below + 1] = self._sign(operand)
            canvas[row][2 * height] = middle
        canvas[ends[0]][2 * height] = top
        canvas[ends[-1]][2 * height] = bottom
        return ends[0], height
