"""How text looks in a terminal: colours, box drawing with an ASCII fallback, wrapping, and text from files made harmless."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MIN_WIDTH, MAX_WIDTH = 60, 120
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
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


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

    def wrap(self, text: str, indent: int = 2, hanging: int | None = None) -> list[str]:
        """Break unpainted text into lines of the width, the later ones indented by ``hanging`` (the same unless given)."""
        later = indent if hanging is None else hanging
        return textwrap.wrap(
            text,
            self.width,
            initial_indent=" " * indent,
            subsequent_indent=" " * later,
            break_on_hyphens=False,
        )

    def heading(self, text: str) -> list[str]:
        """An empty line and a section's title."""
        return ["", self.paint(text, "bold")]

    def box(self, lines: Sequence[str], colour: str = "") -> list[str]:
        """Lines (painted or not) in a frame of the full width."""
        inner = self.width - 4
        edge = self.paint("│", colour)
        return [
            self.paint("╭" + "─" * (inner + 2) + "╮", colour),
            *(f"{edge} {pad(line, inner)} {edge}" for line in lines),
            self.paint("╰" + "─" * (inner + 2) + "╯", colour),
        ]

    def finish(self, lines: Iterable[str]) -> str:
        """Join lines into the final text, ending in a newline: trailing blanks removed, ASCII where Unicode is off."""
        text = "\n".join(line.rstrip() for line in lines) + "\n"
        return text if self.unicode else text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def plain(text: str) -> str:
    """The text without ANSI codes."""
    return _ANSI.sub("", text)


def pad(text: str, width: int, right: bool = False) -> str:
    """Fill painted text with blanks to a visible width, on its left with ``right``."""
    blanks = " " * (width - len(plain(text)))
    return blanks + text if right else text + blanks


def clean(text: str, limit: int = 400) -> str:
    """Text from outside as one printable line: control and formatting characters become "?", the rest is cut at ``limit``."""
    harmless = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)
    return harmless if len(harmless) <= limit else harmless[: limit - 2] + ".."


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + " and " + words[-1]
