"""Tables of text: columns as wide as they need to be, the last one wrapped where the line would be too long."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from fpsynth.report.style import Style, pad, plain

_ROOM = 20
"""Columns that a wrapped cell needs; with fewer it goes to lines of its own.  Shorter cells are never wrapped."""


def table(header: Sequence[str], rows: Sequence[Sequence[str]], style: Style, *, indent: int = 2, gap: int = 3) -> list[str]:
    """Lay out rows under a header, with a rule between them; an empty header gives neither.

    Cells may be painted, but what is wrapped may not: cells of the last column that are long and have blanks in them.  A row
    may be shorter than the others: its last cell then takes the rest of the line.
    """
    lead, between = " " * indent, " " * gap
    everything = [row for row in (header, *rows) if row]
    columns = max((len(row) for row in everything), default=0)
    widths = [0] * columns
    for row in everything:
        for k, cell in enumerate(row):
            if k + 1 < len(row) or len(row) == columns:
                widths[k] = max(widths[k], len(plain(cell)))
    lines = []
    if header:
        lines.append(
            style.paint(lead + between.join(pad(cell, w) for cell, w in zip(header, widths, strict=True)).rstrip(), "dim")
        )
    body = [line for row in rows for line in _row(row, widths, style, lead, between)]
    if header:
        longest = max((len(plain(line)) for line in (*lines, *body)), default=indent)
        lines.append(style.paint(lead + "─" * (min(longest, style.width) - indent), "dim"))
    return lines + body


def _row(row: Sequence[str], widths: Sequence[int], style: Style, lead: str, gap: str) -> list[str]:
    start = lead + "".join(pad(cell, width) + gap for cell, width in zip(row[:-1], widths, strict=False))
    offset = len(plain(start))
    if offset + len(plain(row[-1])) <= style.width or len(plain(row[-1])) <= _ROOM or " " not in row[-1]:
        return [(start + row[-1]).rstrip()]
    room = style.width - offset
    if room < _ROOM:
        return [start.rstrip(), *style.wrap(row[-1], len(lead) + 4)]
    first, *others = textwrap.wrap(row[-1], room, break_on_hyphens=False)
    return [start + first, *(" " * offset + text for text in others)]
