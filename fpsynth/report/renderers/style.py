"""How text looks in a terminal: colours, box drawing with an ASCII fallback, wrapping, and text from files made harmless."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fpsynth.report.renderers.folding import cells, fold
from fpsynth.report.renderers.folding import plain as plain
from fpsynth.wording import listed as listed

MIN_WIDTH, MAX_WIDTH = 60, 200
"""Columns that a report is laid out in, whatever the terminal says."""

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "1;31",
    "green": "32",
    "yellow": "33",
    "blue": "1;34",
    "magenta": "1;35",
    "cyan": "1;36",
}
CLASS_COLOURS = ("yellow", "cyan", "magenta", "blue", "green")
"""Colours of classes 0, 1, 2, ..., the same wherever a class or its logit is shown."""

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

    def paint(self, text: str, colour: str) -> str:
        """The text in a colour (``bold``, ``dim``, ``red``, ...; empty for none); unchanged where colours are off."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.colour and colour and text else text

    def wrap(self, text: str, indent: int = 2, hanging: int | None = None, width: int | None = None) -> list[str]:
        """Break text into lines of the width, the later ones indented by ``hanging`` (the same unless given).

        Numbers stay with their "≈" and their hexadecimal (see ``fold``); ``width`` is for text inside something narrower.
        """
        return fold(text, width or self.width, " " * indent, " " * (indent if hanging is None else hanging))

    def heading(self, text: str) -> list[str]:
        """An empty line and a section's title."""
        return ["", self.paint(text, "bold")]

    def box(self, lines: Sequence[str], colour: str = "") -> list[str]:
        """Lines (painted or not) in a frame of the full width; longer ones are folded."""
        inner = self.width - 4
        edge = self.paint("│", colour)
        lines = [part for line in lines for part in (fold(line, inner) or [""])]
        return [
            self.paint("╭" + "─" * (inner + 2) + "╮", colour),
            *(f"{edge} {pad(line, inner)} {edge}" for line in lines),
            self.paint("╰" + "─" * (inner + 2) + "╯", colour),
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


NO_BREAK = "\xa0"
"""A blank at which no line ends; to be replaced when lines are made."""


def whole(text: str) -> str:
    """Text in which no line ends."""
    return text.replace(" ", NO_BREAK)


def pad(text: str, width: int, right: bool = False) -> str:
    """Fill painted text with blanks to a visible width, on its left with ``right``."""
    blanks = " " * (width - cells(text))
    return blanks + text if right else text + blanks


def clean(text: str, limit: int = 400) -> str:
    """Text from outside as one printable line: control and formatting characters become "?", the rest is cut at ``limit``."""
    harmless = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)
    return harmless if len(harmless) <= limit else harmless[: limit - 2] + ".."
