"""Tables of text: columns as wide as they need to be; where lines would be too long cells are wrapped, or rows are stacked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

from fpsynth.report.renderers.folding import SIGNS, cells, fold, units
from fpsynth.report.renderers.style import Style, pad, plain
from fpsynth.report.text import QUIET

_ROOM = 20
"""Columns that a wrapped cell needs; with fewer it goes to lines of its own.  Shorter cells are never wrapped."""

_SHORT = 18
"""Cells of so many columns, such as verdicts and pairs of numbers, are never broken."""

Row = Sequence[str]


def table(
    header: Row,
    rows: Sequence[Row],
    style: Style,
    *,
    indent: int = 2,
    gap: int = 3,
    words: Collection[str] = (),
    ditto: int = 0,
) -> list[str]:
    """Lay out rows under a header, with a rule between them; an empty header gives neither.

    Cells may be painted.  They are wrapped at their blanks, those of the last column before the rest, and never within a
    number and its signs; short cells only in the columns with the heads ``words``, and there behind signs, too.  A row may be
    shorter than the others: its last cell then takes the rest of the line.  Where wrapped columns have no room either, each row
    becomes lines of its own, every cell behind the head of its column (a column without a head continues the one before it, as
    a hexadecimal number does its decimal).  ``ditto``: so many columns at the left whose cells are those of the row above
    where all of them are empty, which then has to be said.
    """
    lead, between = " " * indent, " " * gap
    everything = [row for row in (header, *rows) if row]
    widths = _widths(everything)
    heads = [header] if header else []
    room = style.width - indent - gap * (len(widths) - 1)
    if sum(widths) > room and not _last_wraps(everything, widths, room):
        narrow = _narrowed(everything, widths, room) or _narrowed(everything, widths, room, _places(header, words))
        if not narrow:
            return [line for row in _repeated(rows, ditto) for line in _stacked(header, row, widths, style, indent, gap)]
        widths = narrow
        heads = [line for row in heads for line in _folded(row, widths, gap, style.width - indent)]
        rows = [line for row in rows for line in _folded(row, widths, gap, style.width - indent)]
    lines = []
    for row in heads:
        lines.append(style.paint(lead + between.join(map(pad, row, widths)).rstrip(), QUIET))
    body = [line for row in rows for line in _row(row, widths, style, lead, between)]
    if header:
        longest = max((cells(line) for line in (*lines, *body)), default=indent)
        lines.append(style.paint(lead + "─" * (min(longest, style.width) - indent), QUIET))
    return lines + body


def _places(header: Row, words: Collection[str]) -> frozenset[int]:
    return frozenset(k for k, head in enumerate(header) if head in words)


def _repeated(rows: Sequence[Row], ditto: int) -> Iterator[Row]:
    """The rows, each with what its first cells leave to the row above."""
    above: Row = ()
    for row in rows:
        above = (*above[:ditto], *row[ditto:]) if above and ditto and not any(row[:ditto]) else row
        yield above


def _widths(rows: Sequence[Row]) -> list[int]:
    """What each column needs; the last cell of a row that is shorter than others needs nothing."""
    columns = max((len(row) for row in rows), default=0)
    widths = [0] * columns
    for row in rows:
        for k, cell in enumerate(row):
            if k + 1 < len(row) or len(row) == columns:
                widths[k] = max(widths[k], cells(cell))
    return widths


def _last_wraps(rows: Sequence[Row], widths: Sequence[int], room: int) -> bool:
    """Whether it is enough to wrap the cells of the last column, or to put them on lines of their own."""
    left = room - sum(widths[:-1])
    last = [row[-1] for row in rows if len(row) == len(widths)]
    return room > sum(widths[:-1]) and all(cells(cell) > _ROOM and " " in cell for cell in last if cells(cell) > left)


def _narrowed(rows: Sequence[Row], widths: Sequence[int], room: int, loose: Collection[int] = frozenset()) -> list[int]:
    """Widths that fit, the widest columns narrowed first, but none below its longest word; empty where that is not possible.

    In ``loose`` columns every blank is a place to break, and so is every sign.  Of a row that is shorter than the others the
    last cell takes what is left of the line.
    """
    least = [0] * len(widths)
    for row in rows:
        whole = len(row) == len(widths)
        for k, cell in enumerate(row if whole else row[:-1]):
            need = _pieces(cell) if k in loose else _least(cell) if whole else cells(cell)
            least[k] = max(least[k], need)
    found = list(widths)
    while sum(found) > room:
        wide = [k for k, width in enumerate(found) if width > least[k]]
        if not wide:
            return []
        found[max(wide, key=lambda k: found[k])] -= 1
    return found


def _least(cell: str) -> int:
    """The room that a cell cannot do without."""
    if plain(cell) != cell or cells(cell) <= _SHORT:
        return cells(cell)
    return max((cells(word) for _, word in units(cell, len(cell))), default=0)


def _pieces(cell: str) -> int:
    """The room that a cell of words needs: its longest word, or part of one up to a sign."""
    return max(map(cells, re.split(SIGNS, cell)), default=0) if plain(cell) == cell else cells(cell)


def _folded(row: Row, widths: Sequence[int], gap: int, room: int) -> list[Row]:
    """A row as the lines of its wrapped cells; the last of one that is shorter than the others has the rest of ``room``."""
    places = list(widths[: len(row)])
    if len(row) < len(widths):
        left = room - sum(places[:-1]) - gap * len(places[:-1])
        places[-1] = left if left >= _ROOM else cells(row[-1])
    wrapped = [[cell] if cells(cell) <= width else fold(cell, width) for cell, width in zip(row, places, strict=True)]
    return list(zip_longest(*wrapped, fillvalue=""))


def _row(row: Row, widths: Sequence[int], style: Style, lead: str, gap: str) -> list[str]:
    start = lead + "".join(pad(cell, width) + gap for cell, width in zip(row[:-1], widths, strict=False))
    offset = cells(start)
    if offset + cells(row[-1]) <= style.width:
        return [(start + row[-1]).rstrip()]
    if style.width - offset < _ROOM or len(units(row[-1], style.width)) < 2:
        return [start.rstrip(), *style.wrap(row[-1], len(lead) + 4)]
    first, *others = fold(row[-1], style.width - offset)
    return [start + first, *(" " * offset + text for text in others)]


def _stacked(header: Row, row: Row, widths: Sequence[int], style: Style, indent: int, gap: int) -> list[str]:
    """One row as lines: as many cells side by side as fit, each whole."""
    lead, between = " " * indent, " " * gap
    if not header or len(row) < len(widths):
        return style.wrap(between.join(filter(None, row)), indent, indent + 4)
    lines, line = [], lead
    for item in _items(header, row, widths, between):
        if line != lead and cells(line) + gap + cells(item) <= style.width:
            line += between + item
        elif line == lead and cells(line) + cells(item) <= style.width:
            line += item
        else:
            lines += [line] if line.strip() else []
            *whole, line = style.wrap(item, indent + 4, indent + 6)
            lines += whole
    return [*lines, line] if line.strip() else lines


def _items(header: Row, row: Row, widths: Sequence[int], gap: str) -> list[str]:
    """The cells of a row behind the heads of their columns; those without a head belong to the one before."""
    groups: list[tuple[str, list[str]]] = []
    for head, cell, width in zip(header, row, widths, strict=True):
        if groups and not head and groups[-1][0]:
            groups[-1][1].append(cell)
        else:
            groups.append((head, [pad(cell, width) if not head else cell]))
    items = []
    for head, parts in groups:
        text = gap.join(filter(None, parts))
        if text.strip():
            items.append(f"{head} {text}" if head else text)
    return items
