"""A story as text for a terminal: Unicode or ASCII, with colours or without, no line wider than asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fpsynth.report.renderers.number_line import number_line_lines
from fpsynth.report.renderers.style import Style, pad
from fpsynth.report.renderers.tables import table
from fpsynth.report.renderers.trees import tree_text
from fpsynth.report.story import (
    CrossTable,
    Drawing,
    Formula,
    Frame,
    Item,
    NumberLines,
    Paragraph,
    Part,
    Section,
    Space,
    Story,
    Table,
    Title,
    TreeFigure,
)
from fpsynth.report.text import DOUBT, NO_BREAK, QUIET, RIGHT, STRONG, WRONG, words

MAX_FORMULA = 900
"""Characters of the longest formula that is printed."""
_VERDICTS = {"found": WRONG, "impossible": RIGHT, "unknown": DOUBT}


def render(story: Story, style: Style) -> str:
    """The whole text, ending in a newline."""
    return style.finish(lines(story.parts, style))


def lines(parts: Iterable[Part], style: Style) -> list[str]:
    """Parts as painted lines in Unicode, to be passed through ``style.finish``."""
    return [line for part in parts for line in _RENDERED[type(part)](part, style)]


def _title(part: Title, style: Style) -> list[str]:
    subject = style.text(part.subject) if part.program else style.paint(words(part.subject), STRONG)
    left = f"{style.paint(part.program, STRONG)} {subject}" if part.program else subject
    rule = style.paint("━" * style.width, QUIET)
    right = style.paint(part.verdict.upper(), _VERDICTS.get(part.verdict, STRONG))
    if len(f"{part.program} {words(part.subject)}") + len(part.verdict) + 2 > style.width:
        return [left, right, rule] if part.verdict else [left, rule]
    return [pad(left, style.width - len(part.verdict)) + right, rule]


def _section(part: Section, style: Style) -> list[str]:
    return ["", style.paint("  " * part.depth + part.heading, STRONG), *lines(part.parts, style)]


def _paragraph(part: Paragraph, style: Style, width: int | None = None) -> list[str]:
    folded = style.wrap(style.text(part.text), part.indent, part.hanging, width)
    return [style.paint(line.replace(NO_BREAK, " "), part.tone) for line in folded]


def _item(part: Item, style: Style) -> list[str]:
    name = pad(style.text(part.name), part.width)
    return style.wrap(name + style.text(part.text), part.indent, part.indent + part.width)


def _table(part: Table, style: Style) -> list[str]:
    header = [style.text(cell) for cell in part.header]
    rows = [[style.text(cell) for cell in row] for row in part.rows]
    return table(header, rows, style, indent=part.indent, gap=part.gap, words=part.words, ditto=part.ditto)


def _cross_table(part: CrossTable, style: Style) -> list[str]:
    """Row against column; where the columns have no room side by side they come in several blocks."""
    width = max(map(len, part.names), default=1) + 1
    most = (style.width - 2) // width - 1
    rendered = []
    for start in range(0, max(len(part.names), 1), most):
        columns = range(start, min(start + most, len(part.names)))
        rendered += [""] if start else []
        rendered.append("  " + " " * width + "".join(part.names[j].rjust(width) for j in columns))
        for name, marks in zip(part.names, part.marks, strict=True):
            rendered.append("  " + name.rjust(width) + "".join(marks[j].rjust(width) for j in columns))
    return rendered


def _frame(part: Frame, style: Style) -> list[str]:
    told = [line for one in part.paragraphs for line in _paragraph(one, style, style.width - 4)]
    return ["", *style.box([style.paint(part.heading, part.tone), *told], part.tone)]


def _number_lines(part: NumberLines, style: Style) -> list[str]:
    """All lines; the caption of one stands below the next where that says the same."""
    drawn = [
        number_line_lines(line.marks, line.format, style, rounding=line.rounding, width=style.width - 4) for line in part.lines
    ]
    rendered: list[str] = []
    for number, (line, drawing) in enumerate(zip(part.lines, drawn, strict=True)):
        same = drawing[-1:] == drawn[-1][-1:] and number + 1 < len(drawn)
        rendered += ["", *_paragraph(line.before, style), ""] if number else [*_paragraph(line.before, style), ""]
        rendered += [f"  {row}" for row in (drawing[:-1] if same else drawing)]
        rendered += lines(line.after, style)
    return rendered


def _tree(part: TreeFigure, style: Style) -> list[str]:
    drawing = tree_text(part.arithmetic, part.terms, width=style.width - 4, rows=part.rows, unicode=style.unicode, legend=False)
    return [f"    {line}" for line in drawing.splitlines()[1:]]  # what is drawn is named above


def _formula(part: Formula, style: Style) -> list[str]:
    """Two-dimensional where it fits the width, else on lines of text."""
    import sympy

    text = sympy.pretty(part.equation, use_unicode=style.unicode, wrap_line=False, order="none")
    drawn = [" " * part.indent + line for line in text.splitlines()]
    if max(map(len, drawn)) <= style.width:
        return drawn
    flat = f"{part.equation.lhs} = {sympy.sstr(part.equation.rhs)}"
    if len(flat) > MAX_FORMULA:
        return [" " * part.indent + f"({part.equation.lhs} is too long to be printed)"]
    return style.wrap(flat, part.indent, part.indent + 4)


_RENDERED: Mapping[type[Part], Callable[[Any, Style], list[str]]] = {
    Title: _title,
    Section: _section,
    Paragraph: _paragraph,
    Item: _item,
    Space: lambda _, __: [""],
    Table: _table,
    CrossTable: _cross_table,
    Frame: _frame,
    Drawing: lambda part, style: [style.text(line) for line in part.lines],
    NumberLines: _number_lines,
    TreeFigure: _tree,
    Formula: _formula,
}
