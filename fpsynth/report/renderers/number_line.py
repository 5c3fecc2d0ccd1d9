"""A picture of the number line: exact values among the floats of a format, and the floats that they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from fpsynth.formats import Format, power_of_two
from fpsynth.report.numerals import binade, neighbours, scaled_integer, ulp, value_hex
from fpsynth.report.renderers.style import Style
from fpsynth.report.story import Mark
from fpsynth.report.text import QUIET, WRONG
from fpsynth.rounding import Rounding, Value, equal, from_index, round_fraction, to_index

FINE = 6
"""Columns per ulp from which on every float gets a tick of its own."""
MIN_SPAN = 3
"""The least number of ulps that a picture shows, so that pictures of close values have one scale."""
_COARSE_TICK = 9
_MARGIN = 2


@dataclass
class _Canvas:
    """Rows of characters, each cell with a tone."""

    width: int
    rows: list[list[tuple[str, str]]] = field(default_factory=list)

    def row(self) -> int:
        self.rows.append([(" ", "")] * self.width)
        return len(self.rows) - 1

    def put(self, row: int, column: int, text: str, tone: str = "") -> None:
        for k, character in enumerate(text):
            if 0 <= column + k < self.width:
                self.rows[row][column + k] = (character, tone)

    def lines(self, style: Style) -> list[str]:
        result = []
        for row in self.rows:
            line, start = "", 0
            for k in range(1, len(row) + 1):
                if k == len(row) or row[k][1] != row[start][1]:
                    line += style.paint("".join(c for c, _ in row[start:k]), row[start][1])
                    start = k
            result.append(line.rstrip())
        return result


@dataclass(frozen=True)
class _Scale:
    """Where numbers are on the line: ``origin`` at a column of its own, and so many columns (exact) for one ulp."""

    origin: Fraction
    origin_column: int
    per_ulp: Fraction
    unit: Fraction
    """The ulp of the largest value shown."""
    first: int
    last: int
    """The columns that marks may be in."""

    def column(self, number: Fraction) -> int:
        return self.origin_column + round((number - self.origin) / self.unit * self.per_ulp)

    def number(self, column: int) -> Fraction:
        return self.origin + (column - self.origin_column) * self.unit / self.per_ulp

    @property
    def fine(self) -> bool:
        return self.per_ulp >= FINE


@dataclass(frozen=True)
class _Label:
    column: int
    text: str
    tone: str = ""


def number_line(
    marks: Sequence[Mark],
    fmt: Format,
    *,
    rounding: Rounding = Rounding.RNE,
    width: int = 92,
    unicode: bool = True,
    colour: bool = False,
    caption: bool = True,
) -> str:
    """Draw values and what they round to, to scale in ulps.

    Above the line stand the exact values, on it the floats (heavy: those that values become) with the halfway points between
    them where ``rounding`` is to nearest, and below it which float each value becomes; values that become the same float share
    one.  Where the values are so far apart that floats cannot be told apart, ticks stand for many ulps each, as the caption
    says.  ``width`` is in columns (at least 40).  Raises ValueError for no marks, and for a rounded value not of the format.
    """
    if not marks:
        raise ValueError("a number line needs a value to mark")
    lines = number_line_lines(marks, fmt, Style(unicode, colour, width), rounding=rounding, width=width, caption=caption)
    return Style(unicode, colour, width).finish(lines)


def number_line_lines(
    marks: Sequence[Mark],
    fmt: Format,
    style: Style,
    *,
    rounding: Rounding = Rounding.RNE,
    width: int = 92,
    caption: bool = True,
) -> list[str]:
    """``number_line`` as lines for a longer text: in Unicode, to be passed through ``style.finish``."""
    placed = [mark for mark in marks if not mark.rounded.is_nan]
    lines = []
    if placed:
        scale = _scale(placed, fmt, max(width, 40))
        canvas = _Canvas(max(width, 40))
        _labels_above(canvas, [_Label(scale.column(m.exact), m.label, m.tone) for m in placed])
        _axis(canvas, placed, scale, fmt, rounding)
        _arrows_below(canvas, placed, scale, fmt)
        lines = canvas.lines(style)
    lines += [" " * _MARGIN + f"{mark.name or mark.label} is not a number (NaN)" for mark in marks if mark.rounded.is_nan]
    return [*lines, style.paint(" " * _MARGIN + _caption(scale, fmt, rounding), QUIET)] if placed and caption else lines


def position(value: Value, fmt: Format) -> Fraction:
    """Where a value other than NaN is drawn: infinities at the power of two where the next number would be."""
    if value.is_finite:
        return value.fraction()
    end = power_of_two(fmt.emax + 1)
    return -end if value.negative else end


def _scale(marks: Sequence[Mark], fmt: Format, width: int) -> _Scale:
    """All marks, with an ulp beside the floats that they become; a whole, even number of columns per ulp if that fits."""
    targets = [position(mark.rounded, fmt) for mark in marks]
    unit = ulp(max(targets, key=abs), fmt)
    first, last = _MARGIN, width - 1 - _MARGIN
    low = min(min(targets) - unit, min(mark.exact for mark in marks) - unit / 4)
    high = max(max(targets) + unit, max(mark.exact for mark in marks) + unit / 4)
    span = max((high - low) / unit, Fraction(MIN_SPAN))
    columns = 2 * ((last - first) // (2 * span))
    if columns >= FINE:
        centre = (first + last) // 2 + round((targets[0] - (low + high) / 2) / unit * columns)
        return _Scale(targets[0], centre, Fraction(columns), unit, first, last)
    room = last - first - max(len(mark.label) for mark in marks)
    return _Scale(low, first + 1, (room - 2) * unit / (high - low), unit, first, last)


def _ticks(scale: _Scale, fmt: Format) -> list[Fraction]:
    """The numbers that get a tick: every float shown, or multiples of a power of two if there are too many."""
    low, high = scale.number(scale.first - _MARGIN), scale.number(scale.last + _MARGIN)
    if not scale.fine:
        step = power_of_two(binade(_COARSE_TICK * scale.unit / scale.per_ulp) + 1)
        return [k * step for k in range(-(-low // step), high // step + 1)]
    end = fmt.max_finite
    if low > end or high < -end:
        return []
    index = to_index(round_fraction(max(low, -end), fmt, Rounding.RTP), fmt)
    ticks = []
    while index <= fmt.max_finite_bits and (number := from_index(index, fmt).fraction()) <= high:
        ticks.append(number)
        index += 1
    return ticks


def _axis(canvas: _Canvas, marks: Sequence[Mark], scale: _Scale, fmt: Format, rounding: Rounding) -> None:
    row = canvas.row()
    canvas.put(row, scale.first - _MARGIN, "─" * (scale.last - scale.first + 1 + 2 * _MARGIN), QUIET)
    ticks = _ticks(scale, fmt)
    if scale.fine and rounding in (Rounding.RNE, Rounding.RNA):
        for tick in ticks:
            for beside in neighbours(round_fraction(tick, fmt), fmt):
                if abs(scale.column(beside) - scale.column(tick)) >= 4:
                    canvas.put(row, scale.column((tick + beside) / 2), "╎")
    for tick in ticks:
        canvas.put(row, scale.column(tick), "┼")
    for mark in marks:
        canvas.put(row, scale.column(position(mark.rounded, fmt)), "●", _target_tone(mark, marks))


def _target_tone(mark: Mark, marks: Sequence[Mark]) -> str:
    return mark.tone if len(_sharing(mark, marks)) == 1 else WRONG


def _sharing(mark: Mark, marks: Sequence[Mark]) -> list[Mark]:
    """The marks that become the same number as this one: a tie, if there are several."""
    return [other for other in marks if equal(other.rounded, mark.rounded)]


def _labels_above(canvas: _Canvas, labels: Sequence[_Label]) -> None:
    rows = _stacked(labels, canvas.width)
    for level in reversed(range(len(rows))):
        _draw_labels(canvas, rows, level)
    row = canvas.row()
    for label in labels:
        canvas.put(row, label.column, "▼", label.tone)


def _draw_labels(canvas: _Canvas, rows: Sequence[Sequence[tuple[int, _Label]]], level: int) -> None:
    """One level of labels, with the bars that connect those of farther levels to the line."""
    row = canvas.row()
    for farther in rows[level + 1 :]:
        for _, label in farther:
            canvas.put(row, label.column, "│", label.tone)
    for start, label in rows[level]:
        canvas.put(row, start, label.text, label.tone)


def _stacked(labels: Sequence[_Label], width: int) -> list[list[tuple[int, _Label]]]:
    """Where labels start, level by level from the line outwards: centred on their columns if there is room for all.

    Otherwise they begin at their columns, and each is moved outwards until it hides neither a label nor the bar of one.
    """
    merged = _merged(labels)
    centred = [(max(0, min(width - len(b.text), b.column - (len(b.text) - 1) // 2)), b) for b in merged]
    if all(left + len(b.text) + 1 <= right for (left, b), (right, _) in pairwise(centred)):
        return [centred]
    levels: list[list[tuple[int, _Label]]] = []
    bars: list[tuple[int, int]] = []  # (column, level) of what stands to the right
    for label in reversed(merged):
        start = max(0, min(label.column, width - len(label.text)))
        level = 0
        while any(at >= level and start + len(label.text) >= column for column, at in bars) or any(
            start + len(label.text) >= other for other, _ in (levels[level] if level < len(levels) else [])
        ):
            level += 1
        if level == len(levels):
            levels.append([])
        levels[level].append((start, label))
        bars.append((label.column, level))
    return levels


def _merged(labels: Sequence[_Label]) -> list[_Label]:
    """Labels by column, those of the same column in one."""
    by_column: dict[int, _Label] = {}
    for label in sorted(labels, key=lambda b: b.column):
        before = by_column.get(label.column)
        by_column[label.column] = _Label(label.column, f"{before.text}, {label.text}", "") if before else label
    return list(by_column.values())


def _arrows_below(canvas: _Canvas, marks: Sequence[Mark], scale: _Scale, fmt: Format) -> None:
    """One bracket from the values to each float, or where brackets would cross, a pointer to each float."""
    groups = {position(m.rounded, fmt): _sharing(m, marks) for m in marks}
    brackets = []
    for target, members in sorted(groups.items()):
        columns = [scale.column(m.exact) for m in members]
        brackets.append((scale.column(target), columns, _target_tone(members[0], marks)))
    reach = [(min(t, *columns), max(t, *columns)) for t, columns, _ in brackets]
    row = canvas.row()
    if all(left[1] < right[0] for left, right in pairwise(reach)):
        for target_column, columns, colour in brackets:
            _bracket(canvas, row, target_column, columns, colour)
    else:
        for target_column, _, colour in brackets:
            canvas.put(row, target_column, "▲", colour)
    labels = [
        _Label(scale.column(target), _result(members, fmt), _target_tone(members[0], marks))
        for target, members in groups.items()
    ]
    rows = _stacked(labels, canvas.width)
    for level in range(len(rows)):
        _draw_labels(canvas, rows, level)


def _bracket(canvas: _Canvas, row: int, target: int, columns: Sequence[int], colour: str) -> None:
    low, high = min(target, *columns), max(target, *columns)
    canvas.put(row, low, "─" * (high - low + 1), colour)
    for column in columns:
        canvas.put(row, column, "╰" if column == low else "╯" if column == high else "┴", colour)
    left, right = low < target, high > target
    straight = target in columns
    joint = {(True, True): "┬", (True, False): "╮", (False, True): "╭", (False, False): "│"}[left, right]
    if straight:
        joint = {(True, True): "┼", (True, False): "┤", (False, True): "├", (False, False): "│"}[left, right]
    canvas.put(row, target, joint, colour)


def _result(members: Sequence[Mark], fmt: Format) -> str:
    """The names of the values that become one float, and that float."""
    value = members[0].rounded
    text = "0" if value.is_zero else value_hex(value) if value.is_finite else f"{'-' if value.negative else ''}infinity"
    return " = ".join([*dict.fromkeys(m.name or m.label for m in members), text])


def _caption(scale: _Scale, fmt: Format, rounding: Rounding) -> str:
    if not scale.fine:
        ticks = _ticks(scale, fmt)
        step = ticks[1] - ticks[0] if len(ticks) > 1 else scale.unit
        return f"┼ steps of {scaled_integer(step)}; 1 ulp of {fmt} is {scaled_integer(scale.unit)} here"
    halfway = "   ╎ halfway points, where rounding switches" if rounding in (Rounding.RNE, Rounding.RNA) else ""
    return f"┼ {fmt} numbers, 1 ulp = {scaled_integer(scale.unit)}{halfway}"
