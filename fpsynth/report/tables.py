"""Tables of text: columns as wide as they need to be, the last one wrapped where the line would be too long."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from fpsynth.report.style import Style, pad, plain

GAP = "   "


def table(header: Sequence[str], rows: Sequence[Sequence[str]], style: Style, *, indent: int = 2) -> list[str]:
    """Lay out rows under a header, with a rule between them; an empty header gives neither.

    Cells may be painted, those of the last column may not: they are wrapped.  A row may be shorter than the others: its last
    cell then takes the rest of the line.
    """
    lead = " " * indent
    columns = max(len(row) for row in (header, *rows)) if rows else len(header)
    full = [row for row in (header, *rows) if len(row) == columns]
    widths = [max((len(plain(row[k])) for row in full), default=0) for k in range(columns)]
    lines = []
    if header:
        lines.append(style.paint(lead + GAP.join(pad(cell, w) for cell, w in zip(header, widths, strict=True)).rstrip(), "dim"))
        widths_used = min(sum(widths) + len(GAP) * (columns - 1), style.width - indent)
        lines.append(style.paint(lead + "─" * widths_used, "dim"))
    for row in rows:
        lines += _row(row, widths, style, lead)
    return lines


def _row(row: Sequence[str], widths: Sequence[int], style: Style, lead: str) -> list[str]:
    start = lead + "".join(pad(cell, width) + GAP for cell, width in zip(row[:-1], widths, strict=False))
    offset = len(plain(start))
    if offset + len(plain(row[-1])) <= style.width or "\x1b" in row[-1]:
        return [start + row[-1]]
    room = style.width - offset
    if room < 20:
        return [start.rstrip(), *style.wrap(row[-1], len(lead) + 4)]
    first, *others = textwrap.wrap(row[-1], room, break_on_hyphens=False)
    return [start + first, *(" " * offset + text for text in others)]
