"""A story as Markdown: headings, tables with bars, drawings as code; words in a tone of weight are bold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fpsynth.report.renderers.style import Style
from fpsynth.report.renderers.terminal import lines as terminal_lines
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
from fpsynth.report.text import NO_BREAK, QUIET, Text, spans, words

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
_START = re.compile(r"^(\s*)([-+]|\d+[.)])(\s)")


def render(story: Story, style: Style) -> str:
    """The whole document, ending in a newline; drawings are as wide as the style says."""
    blocks = [block for block in _blocks(story.parts, style) if block]
    return "\n\n".join(blocks) + "\n"


def _blocks(parts: Iterable[Part], style: Style) -> list[str]:
    return [block for part in parts for block in _RENDERED[type(part)](part, style)]


def escaped(text: str) -> str:
    """Text in which nothing is markup."""
    plain = _SPECIAL.sub(r"\\\1", text.replace(NO_BREAK, " ").replace("\n", " "))
    return _START.sub(r"\1\\\2\3", plain)


def _text(text: Text) -> str:
    """Pieces in a tone, but for the quiet one, are bold."""
    return "".join(_bold(span.text) if span.tone not in ("", QUIET) else escaped(span.text) for span in spans(text))


def _bold(text: str) -> str:
    """Blanks at its ends would make the stars stars."""
    return f"**{escaped(text)}**" if text and text.strip() == text else escaped(text)


def _title(part: Title, style: Style) -> list[str]:
    subject = " ".join(filter(None, [part.program, _text(part.subject)]))
    return [f"# {subject}" + (f": {part.verdict}" if part.verdict else "")]


def _section(part: Section, style: Style) -> list[str]:
    return [f"{'#' * (part.depth + 2)} {escaped(part.heading)}", *_blocks(part.parts, style)]


def _table(part: Table, style: Style) -> list[str]:
    columns = max((len(row) for row in (part.header, *part.rows)), default=0)
    if not columns:
        return []
    header = [*map(_text, part.header), *[""] * (columns - len(part.header))]
    rows = [[*map(_text, row), *[""] * (columns - len(row))] for row in part.rows]
    return ["\n".join(_barred(row) for row in (header, ["---"] * columns, *rows))]


def _barred(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cross(part: CrossTable, style: Style) -> list[str]:
    rows = [[name, *marks] for name, marks in zip(part.names, part.marks, strict=True)]
    return _table(Table(["", *part.names], rows), style)


def _frame(part: Frame, style: Style) -> list[str]:
    told = [f"**{escaped(part.heading)}**", *(_text(one.text) for one in part.paragraphs)]
    return ["\n>\n".join(f"> {one}" for one in told)]


def _drawn(part: Part, style: Style) -> list[str]:
    """What only a terminal draws, as it is there."""
    plain = Style(style.unicode, False, style.width)
    drawing = plain.finish(terminal_lines([part], plain)).strip("\n")
    return [f"```text\n{drawing}\n```"]


_RENDERED: Mapping[type[Part], Callable[[Any, Style], list[str]]] = {
    Title: _title,
    Section: _section,
    Paragraph: lambda part, _: [_text(part.text)],
    Item: lambda part, _: [f"**{escaped(words(part.name))}**: {_text(part.text)}"],
    Space: lambda part, _: [],
    Table: _table,
    CrossTable: _cross,
    Frame: _frame,
    Drawing: _drawn,
    NumberLines: _drawn,
    TreeFigure: _drawn,
    Formula: _drawn,
}
