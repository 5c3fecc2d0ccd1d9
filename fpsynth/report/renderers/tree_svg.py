"""The tree of an order or an arithmetic as a standalone SVG picture, leaves top to bottom and sums growing to the right."""

from __future__ import annotations

import itertools
from xml.sax.saxutils import escape

from fpsynth.errors import InputError
from fpsynth.orders import Order, Tree
from fpsynth.report.renderers.trees import Subject, subject
from fpsynth.sums.arithmetic import Arithmetic

LABELLED = 64
"""The most leaves that get a name and a mark each; a larger tree is drawn whole, as a picture of its shape."""
MAX_DRAWN = 8192
"""The most leaves that are drawn at all."""
_LINE_HEIGHT = 18
"""Pixels between two lines of text."""
_FUSED, _LINE, _SPECIAL, _TEXT = "#c0392b", "#2c3e50", "#2471a3", "#111"


def tree_svg(what: Tree | Order | Arithmetic, terms: int | None = None) -> str:
    """Draw what ``trees.subject`` reads as one SVG document, every step of the tree, nothing left out.

    Up to 64 leaves are named; heavy red bars are steps that add more than two nodes; full red dots are products that are fused
    into their addition, open ones those that are rounded first; blue bars, with a sign, are steps that round otherwise than
    most.  Raises InputError as ``subject`` does, and for more than 8192 leaves.
    """
    drawn = subject(what, terms)
    leaves = drawn.tree.leaves
    if leaves > MAX_DRAWN:
        raise InputError(f"a tree of {leaves} leaves is too large to draw: at most {MAX_DRAWN}")
    heights, lines = _heights_and_lines(drawn.tree)
    named = leaves <= LABELLED
    row = 18.0 if named else 900 / leaves
    column = max(1e-3, min(28.0, 900 / max(heights, 1)))
    left, top = (16 + 8 * max(len(_name(drawn, leaf)) for leaf in range(leaves)) if named else 12), 40
    width, bottom = max(round(left + column * (heights + 1) + 40), 560), round(top + row * leaves + 26)
    height = bottom + 14 + _LINE_HEIGHT * len(drawn.own_legend)
    steps = dict.fromkeys(itertools.product((False, True), repeat=2), "")
    signs = []
    for node, (rows, columns, many) in enumerate(lines, leaves):
        sign = drawn.special.get(node, "")
        kind = many, bool(sign)
        bar = left + 14 + column * columns[-1]
        for y, x in zip(rows, columns[:-1], strict=True):
            steps[kind] += f"M{left + 14 + column * x:.2f} {top + row * (y + 0.5):.2f}H{bar:.2f}"
        if sign and named:
            place = f'x="{bar + 2:.2f}" y="{top + row * ((min(rows) + max(rows)) / 2 + 0.5) - 3:.2f}"'
            signs.append(f'<text {place} fill="{_SPECIAL}">{sign}</text>')
        steps[kind] += f"M{bar:.2f} {top + row * (min(rows) + 0.5):.2f}V{top + row * (max(rows) + 0.5):.2f}"
    weight = 1.5 if named else 0.6
    body = [
        f'<path d="{path}" fill="none" stroke="{_SPECIAL if special else _FUSED if many else _LINE}" '
        f'stroke-width="{2 * weight if many else weight}"/>'
        for (many, special), path in steps.items()
        if path
    ]
    body += signs
    body += [_leaf(drawn, leaf, left, top + row * (y + 0.5), named) for leaf, y in _rows(drawn.tree).items()]
    note = "" if named else "leaves from top to bottom as the tree is written; not named"
    common = [line for line in drawn.legend if line not in drawn.own_legend]
    legend = ["; ".join(filter(None, [*common, note])).replace("╦", "red bar:")]
    legend += drawn.own_legend if named else [f"blue bar: {meaning}" for _, meaning in drawn.signs]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            'font-family="sans-serif" font-size="13">',
            f"<title>{escape(drawn.title[:400])}</title>",
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="12" y="24" fill="{_TEXT}" font-weight="bold">{escape(_short(drawn.title))}</text>',
            *filter(None, body),
            *(
                f'<text x="12" y="{bottom + _LINE_HEIGHT * k}" fill="{_TEXT}">{escape(line)}</text>'
                for k, line in enumerate(legend)
            ),
            "</svg>",
            "",
        ]
    )


def _short(title: str) -> str:
    return title if len(title) <= 70 else title[:67] + "..."


def _rows(tree: Tree) -> dict[int, int]:
    """The row of every leaf, as the tree is written."""
    rows: dict[int, int] = {}
    stack = [tree.root]
    while stack:
        node = stack.pop()
        if node < tree.leaves:
            rows[node] = len(rows)
        else:
            stack.extend(reversed(tree.steps[node - tree.leaves]))
    return rows


def _heights_and_lines(tree: Tree) -> tuple[int, list[tuple[list[float], list[int], bool]]]:
    """The height of the tree, and for each step its operands' rows, their columns and then its own, and whether it is fused."""
    rows = _rows(tree)
    at: list[tuple[float, int]] = [(rows[leaf], 0) for leaf in range(tree.leaves)]
    lines = []
    for step in tree.steps:
        places = [at[node] for node in step]
        height = 1 + max(column for _, column in places)
        ys = [y for y, _ in places]
        lines.append((ys, [*(column for _, column in places), height], len(step) > 2))
        at.append(((min(ys) + max(ys)) / 2, height))
    y, height = at[-1]
    lines.append(([y], [height, height + 1], False))  # the result leaves to the right
    return height, lines


def _name(drawn: Subject, leaf: int) -> str:
    """A leaf's name, and its sign where it is rounded otherwise than most."""
    return " ".join(filter(None, [drawn.label(leaf), drawn.special.get(leaf, "")]))


def _leaf(drawn: Subject, leaf: int, left: float, y: float, named: bool) -> str:
    """A leaf's name and its mark; of a large tree only the marks of fused products."""
    name = _name(drawn, leaf)
    fused = drawn.fused is not None and leaf in drawn.fused
    if not named:
        return f'<path d="M{left} {y:.2f}h8" stroke="{_FUSED}" stroke-width="0.6"/>' if fused else ""
    text = f'<text x="{left - 2}" y="{y + 4:.1f}" text-anchor="end" fill="{_TEXT}">{escape(name)}</text>'
    if drawn.fused is None or leaf in drawn.numbers:
        return text
    return text + f'<circle cx="{left + 7}" cy="{y:.1f}" r="4" stroke="{_FUSED}" fill="{_FUSED if fused else "white"}"/>'
