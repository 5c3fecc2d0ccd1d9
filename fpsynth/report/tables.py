"""Tables of text: columns as wide as they need to be; where lines would be too long cells are wrapped, and never cut."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from fpsynth.report.style import Style, pad, plain

_ROOM = 20
"""Columns that a wrapped cell needs; with fewer it goes to lines of its own.  Shorter cells are never wrapped."""

Row = Sequence[str]


def table(header: Row, rows: Sequence[Row], style: Style, *, indent: int = 2, gap: int = 3) -> list[str]:
    """Lay out rows under a header, with a rule between them; an empty header gives neither.

    Cells may be painted; painted ones are not wrapped, others at their blanks, those of the last column before the rest.  A row
    may be shorter than the others: its last cell then takes the rest of the line.  Where wrapped columns have no room either,
    each row becomes a paragraph.  A line is longer than the style's width only where one word is.
    """
    lead, between = " " * indent, " " * gap
    everything = [row for row in (header, *rows) if row]
    widths = _widths(everything)
    heads = [header] if header else []
    room = style.width - indent - gap * (len(widths) - 1)
    if sum(widths) > room and not _last_wraps(everything, widths, room):
        narrow = _narrowed(everything, widths, room)
        if not narrow:
            return [line for row in everything for line in style.wrap(between.join(map(plain, row)), indent, indent + 4)]
        widths = narrow
        heads = [line for row in heads for line in _folded(row, widths)]
        rows = [line for row in rows for line in (_folded(row, widths) if len(row) == len(widths) else [row])]
    lines = []
    for row in heads:
        lines.append(style.paint(lead + between.join(map(pad, row, widths)).rstrip(), "dim"))
    body = [line for row in rows for line in _row(row, widths, style, lead, between)]
    if header:
        longest = max((len(plain(line)) for line in (*lines, *body)), default=indent)
        lines.append(style.paint(lead + "─" * (min(longest, style.width) - indent), "dim"))
    return lines + body


def _widths(rows: Sequence[Row]) -> list[int]:
    """What each column needs; the last cell of a row that is shorter than others needs nothing."""
    columns = max((len(row) for row in rows), default=0)
    widths = [0] * columns
    for row in rows:
        for k, cell in enumerate(row):
            if k + 1 < len(row) or len(row) == columns:
                widths[k] = max(widths[k], len(plain(cell)))
    return widths


def _last_wraps(rows: Sequence[Row], widths: Sequence[int], room: int) -> bool:
    """Whether it is enough to wrap the cells of the last column, or to put them on lines of their own."""
    left = room - sum(widths[:-1])
    last = [row[-1] for row in rows if len(row) == len(widths)]
    return room > sum(widths[:-1]) and all(len(cell) > _ROOM and " " in cell for cell in last if len(plain(cell)) > left)


def _narrowed(rows: Sequence[Row], widths: Sequence[int], room: int) -> list[int]:
    """Widths that fit, the widest columns narrowed first, but none below its longest word; empty where that is not possible."""
    whole = [row for row in rows if len(row) == len(widths)]
    least = [max((_least(row[k]) for row in whole), default=0) for k in range(len(widths))]
    least = [
        max(need, *(len(plain(row[k])) for row in rows if k + 1 < len(row) < len(widths)), 0) for k, need in enumerate(least)
    ]
    found = list(widths)
    while sum(found) > room:
        wide = [k for k, width in enumerate(found) if width > least[k]]
        if not wide:
            return []
        found[max(wide, key=lambda k: found[k])] -= 1
    return found


def _least(cell: str) -> int:
    """The room that a cell cannot do without."""
    return len(plain(cell)) if plain(cell) != cell else max(map(len, cell.split()), default=0)


def _folded(row: Row, widths: Sequence[int]) -> list[Row]:
    """A row as the lines of its wrapped cells."""
    cells = [
        [cell] if len(plain(cell)) <= width else textwrap.wrap(cell, width, break_on_hyphens=False)
        for cell, width in zip(row, widths, strict=True)
    ]
    return list(zip_longest(*cells, fillvalue=""))


def _row(row: Row, widths: Sequence[int], style: Style, lead: str, gap: str) -> list[str]:
    start = lead + "".join(pad(cell, width) + gap for cell, width in zip(row[:-1], widths, strict=False))
    offset = len(plain(start))
    if offset + len(plain(row[-1])) <= style.width or len(plain(row[-1])) <= _ROOM or " " not in row[-1]:
        return [(start + row[-1]).rstrip()]
    room = style.width - offset
    if room < _ROOM:
        return [start.rstrip(), *style.wrap(row[-1], len(lead) + 4)]
    first, *others = textwrap.wrap(row[-1], room, break_on_hyphens=False)
    return [start + first, *(" " * offset + text for text in others)]
