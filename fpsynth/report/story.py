"""A report as data: a story of sections, paragraphs, tables and figures.  Tellers make one, renderers show it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

from fpsynth.formats import Format
from fpsynth.report.text import QUIET, STRONG, Text
from fpsynth.rounding import Rounding, Value
from fpsynth.sums.arithmetic import Arithmetic


@dataclass(frozen=True)
class Title:
    """What the story is about, and its verdict (empty for none): found, impossible, unknown or witness."""

    subject: Text
    verdict: str = ""
    program: str = "fpsynth"
    """Who tells it; empty where the subject stands alone."""


@dataclass(frozen=True)
class Section:
    """Parts under a heading; ``depth`` is 0 for a section of the story, 1 for one within another."""

    heading: str
    parts: tuple[Part, ...]
    depth: int = 0


@dataclass(frozen=True)
class Paragraph:
    """Words that a renderer breaks into lines.

    ``indent`` is how far in the paragraph stands, and ``hanging`` its lines but the first (None: as far), in columns of a
    terminal; a page may read them as levels.
    """

    text: Text
    indent: int = 2
    hanging: int | None = None
    tone: str = ""
    """Of all of it."""


@dataclass(frozen=True)
class Item:
    """A name, in a column of ``width``, and what is said of it."""

    name: Text
    text: Text
    width: int
    indent: int = 0


@dataclass(frozen=True)
class Space:
    """What comes next is something else: an empty line in a terminal."""


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header (empty for none).

    A row may be shorter than the others: its last cell then takes the rest of the line.  ``words``: heads of the columns that
    may be broken anywhere.  ``ditto``: so many columns at the left whose cells are those of the row above where all of them are
    empty.  ``indent`` and ``gap`` are columns of a terminal.
    """

    header: Sequence[Text]
    rows: Sequence[Sequence[Text]]
    indent: int = 2
    gap: int = 3
    words: Collection[str] = ()
    ditto: int = 0


@dataclass(frozen=True)
class CrossTable:
    """A square: ``names`` at both edges, and a mark for each pair."""

    names: Sequence[str]
    marks: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Frame:
    """What matters most, in a frame."""

    heading: str
    paragraphs: tuple[Paragraph, ...]
    tone: str = ""


@dataclass(frozen=True)
class Drawing:
    """Lines that are a drawing, to be shown as they are."""

    lines: Sequence[Text]


@dataclass(frozen=True)
class Mark:
    """A value on a number line."""

    label: str
    exact: Fraction
    """Where it lies."""
    rounded: Value
    """What it becomes: a number of the format, an infinity (drawn where the next number would be) or NaN (named only)."""
    name: str = ""
    """What the rounded value is called; the label if empty."""
    tone: str = ""


@dataclass(frozen=True)
class NumberLine:
    """Exact values among the floats of a format, and the floats that they become; words before and after."""

    marks: tuple[Mark, ...]
    format: Format
    rounding: Rounding
    before: Paragraph
    after: tuple[Paragraph, ...] = ()


@dataclass(frozen=True)
class NumberLines:
    """Number lines one below the other; one caption is enough where they have one scale."""

    lines: tuple[NumberLine, ...]


@dataclass(frozen=True)
class TreeFigure:
    """The expression tree of a sum of so many terms in an arithmetic, in at most so many rows."""

    arithmetic: Arithmetic
    terms: int
    rows: int


@dataclass(frozen=True)
class Formula:
    """An equation of sympy, drawn in two dimensions where it has room."""

    equation: Any = field(compare=False)
    indent: int = 4


Part: TypeAlias = (
    Title | Section | Paragraph | Item | Space | Table | CrossTable | Frame | Drawing | NumberLines | TreeFigure | Formula
)
PARTS: tuple[type[Part], ...] = (
    Title,
    Section,
    Paragraph,
    Item,
    Space,
    Table,
    CrossTable,
    Frame,
    Drawing,
    NumberLines,
    TreeFigure,
    Formula,
)
"""Every kind of part: a renderer has a function for each."""


@dataclass(frozen=True)
class Story:
    """A whole report."""

    parts: tuple[Part, ...]


def section(heading: str, parts: Iterable[Part], depth: int = 0) -> Section:
    """A section of whatever parts come."""
    return Section(heading, tuple(parts), depth)


def told(*texts: Text, indent: int = 2, hanging: int | None = None) -> list[Part]:
    """A paragraph for each text."""
    return [Paragraph(text, indent, hanging) for text in texts]


def quiet(text: Text, indent: int = 2) -> Paragraph:
    """A paragraph of lesser weight."""
    return Paragraph(text, indent, None, QUIET)


def strong(text: Text, indent: int = 2) -> Paragraph:
    """A paragraph of greater weight."""
    return Paragraph(text, indent, None, STRONG)
