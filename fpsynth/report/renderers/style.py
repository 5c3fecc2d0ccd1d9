"""How text looks in a terminal: colours, box drawing with an ASCII fallback, wrapping, and text from files made harmless."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fpsynth.report.renderers.folding import cells, fold
from fpsynth.report.renderers.folding import plain as plain
from fpsynth.report.text import CLASSES, DOUBT, QUIET, RIGHT, STRONG, WRONG, Text, spans

MIN_WIDTH, MAX_WIDTH = 60, 200
"""Columns that a report is laid out in, whatever the terminal says."""

_CODES = {
    STRONG: "1",
    QUIET: "2",
    WRONG: "1;31",
    RIGHT: "32",
    DOUBT: "33",
    **dict(zip(CLASSES, ("33", "1;36", "1;35", "1;34", "32"), strict=True)),
}
"""The ANSI code of each tone."""

# one character for one character, so that both alphabets give the same layout
_ASCII = str.maketrans(
    {
        **dict.fromkeys("─╌", "-"),
        **dict.fromkeys("━═", "="),
        **dict.fromkeys("│┃", "|"),
        **dict.fromkeys("┌┐└┘╭╮╰╯├┤┬┴┼╋", "+"),
        **{"●": "O", "╎": ":", "▼": "v", "▲": "^", "▶": ">", "✓": "+", "✗": "!"},
        **{"·": "*", "×": "x", "−": "-", "≈": "~", "²": "2", "–": "-"},
    }
)


@dataclass(frozen=True)
class Style:
    """What the terminal can show: ``unicode`` box drawing or ASCII, ``colour`` by ANSI codes, lines of ``width`` columns."""

    unicode: bool = True
    colour: bool = False
    width: int = 96

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", max(MIN_WIDTH, min(self.width, MAX_WIDTH)))

    def paint(self, text: str, tone: str) -> str:
        """The text in the colour of a tone (empty for none); unchanged where colours are off."""
        return f"\x1b[{_CODES[tone]}m{text}\x1b[0m" if self.colour and tone and text else text

    def text(self, text: Text) -> str:
        """A text with its pieces painted."""
        return "".join(self.paint(span.text, span.tone) for span in spans(text))

    def wrap(self, text: str, indent: int = 2, hanging: int | None = None, width: int | None = None) -> list[str]:
        """Break text into lines of the width, the later ones indented by ``hanging`` (the same unless given).

        Numbers stay with their "≈" and their hexadecimal (see ``fold``); ``width`` is for text inside something narrower.
        """
        return fold(text, width or self.width, " " * indent, " " * (indent if hanging is None else hanging))

    def box(self, lines: Sequence[str], tone: str = "") -> list[str]:
        """Lines (painted or not) in a frame of the full width; longer ones are folded."""
        inner = self.width - 4
        edge = self.paint("│", tone)
        lines = [part for line in lines for part in (fold(line, inner) or [""])]
        return [
            self.paint("╭" + "─" * (inner + 2) + "╮", tone),
            *(f"{edge} {pad(line, inner)} {edge}" for line in lines),
            self.paint("╰" + "─" * (inner + 2) + "╯", tone),
        ]

    def finish(self, lines: Iterable[str]) -> str:
        """Join lines into the final text, ending in a newline: none wider than the width, ASCII where Unicode is off.

        This is the last resort: what knows its layout has folded its lines already.
        """
        text = "\n".join(part.rstrip() for line in lines for part in fitted(line, self.width)) + "\n"
        return text if self.unicode else text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def fitted(line: str, width: int) -> list[str]:
    """A line as it is, or where it is wider than ``width`` cells folded, two columns further in than it starts."""
    if cells(line) <= width:
        return [line]
    lead = " " * min(len(line) - len(line.lstrip(" ")), width // 2)
    return fold(line, width, lead, lead + "  ")


def pad(text: str, width: int, right: bool = False) -> str:
    """Fill painted text with blanks to a visible width, on its left with ``right``."""
    blanks = " " * (width - cells(text))
    return blanks + text if right else text + blanks
