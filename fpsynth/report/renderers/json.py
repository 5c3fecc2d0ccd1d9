"""A story as JSON data: every part with its kind, texts as strings, or as pieces where some have a tone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from fpsynth.aliases import Json
from fpsynth.report.numerals import value_hex
from fpsynth.report.story import (
    CrossTable,
    Drawing,
    Formula,
    Frame,
    Item,
    Mark,
    NumberLine,
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
from fpsynth.report.text import Text, spans, words
from fpsynth.rounding import Value
from fpsynth.sums.arithmetic_json import arithmetic_to_json

SCHEMA, VERSION = "fpsynth-story", 1


def story_json(story: Story) -> Json:
    """The story as one object: ``parts`` in order, those of a section within it.

    A text is a string, or where some of it has a tone a list of objects with ``text`` and ``tone``.  Exact numbers are
    fractions as text, floats hexadecimal.
    """
    return {"schema": SCHEMA, "schema_version": VERSION, "parts": _parts(story.parts)}


def _parts(parts: Sequence[Part]) -> list[Json]:
    return [{"part": _KINDS[type(part)][0], **_KINDS[type(part)][1](part)} for part in parts]


def _text(text: Text) -> str | list[Json]:
    pieces = spans(text)
    return [{"text": p.text, "tone": p.tone} for p in pieces] if any(p.tone for p in pieces) else words(text)


def _title(part: Title) -> Json:
    return {"subject": _text(part.subject), "verdict": part.verdict}


def _section(part: Section) -> Json:
    return {"heading": part.heading, "depth": part.depth, "parts": _parts(part.parts)}


def _paragraph(part: Paragraph) -> Json:
    return {"text": _text(part.text), "tone": part.tone, "indent": part.indent}


def _item(part: Item) -> Json:
    return {"name": _text(part.name), "text": _text(part.text)}


def _table(part: Table) -> Json:
    return {"header": [_text(cell) for cell in part.header], "rows": [[_text(cell) for cell in row] for row in part.rows]}


def _cross(part: CrossTable) -> Json:
    return {"names": list(part.names), "marks": [list(row) for row in part.marks]}


def _frame(part: Frame) -> Json:
    return {"heading": part.heading, "tone": part.tone, "paragraphs": [_paragraph(one) for one in part.paragraphs]}


def _number_lines(part: NumberLines) -> Json:
    return {"lines": [_number_line(line) for line in part.lines]}


def _number_line(line: NumberLine) -> Json:
    return {
        "format": line.format.name,
        "rounding": line.rounding.value,
        "before": _paragraph(line.before),
        "marks": [_mark(mark) for mark in line.marks],
        "after": [_paragraph(one) for one in line.after],
    }


def _mark(mark: Mark) -> Json:
    return {
        "label": mark.label,
        "exact": _fraction(mark.exact),
        "rounded": _value(mark.rounded),
        "name": mark.name or mark.label,
        "tone": mark.tone,
    }


def _fraction(number: Fraction) -> str:
    return f"{number.numerator}/{number.denominator}" if number.denominator != 1 else str(number.numerator)


def _value(value: Value) -> str:
    if value.is_nan:
        return "nan"
    return value_hex(value) if value.is_finite else f"{'-' if value.negative else ''}inf"


def _tree(part: TreeFigure) -> Json:
    return {"arithmetic": arithmetic_to_json(part.arithmetic), "terms": part.terms}


def _formula(part: Formula) -> Json:
    import sympy

    return {"left": sympy.sstr(part.equation.lhs), "right": sympy.sstr(part.equation.rhs)}


_KINDS: Mapping[type[Part], tuple[str, Callable[[Any], Json]]] = {
    Title: ("title", _title),
    Section: ("section", _section),
    Paragraph: ("paragraph", _paragraph),
    Item: ("item", _item),
    Space: ("space", lambda _: {}),
    Table: ("table", _table),
    CrossTable: ("cross table", _cross),
    Frame: ("frame", _frame),
    Drawing: ("drawing", lambda part: {"lines": [_text(line) for line in part.lines]}),
    NumberLines: ("number lines", _number_lines),
    TreeFigure: ("tree", _tree),
    Formula: ("formula", _formula),
}
