"""What a report's texts are: words, some of them in a tone, and words from outside made harmless."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from fpsynth.wording import listed as listed

STRONG, QUIET = "strong", "quiet"
WRONG, RIGHT, DOUBT = "wrong", "right", "doubt"
CLASSES = tuple(f"class {k}" for k in range(5))
"""Tones of classes 0, 1, 2, ..., the same wherever a class or its logit is shown."""
TONES = (STRONG, QUIET, WRONG, RIGHT, DOUBT, *CLASSES)
"""What words can sound like; how that looks is a renderer's matter."""
NO_BREAK = "\xa0"
"""A blank at which no line ends."""


@dataclass(frozen=True)
class Span:
    """Words in a tone, one of TONES; empty for none."""

    text: str
    tone: str = ""


Text: TypeAlias = "str | Span | tuple[str | Span, ...]"
"""Words without a tone, with one, or several such pieces one behind the other."""


def spans(text: Text) -> tuple[Span, ...]:
    """The pieces of a text."""
    pieces = text if isinstance(text, tuple) else (text,)
    return tuple(Span(piece) if isinstance(piece, str) else piece for piece in pieces)


def words(text: Text) -> str:
    """A text without its tones."""
    return "".join(span.text for span in spans(text))


def joined(texts: Iterable[Text], between: str = "") -> Text:
    """Texts one behind the other, but for empty ones, with something between them."""
    pieces: list[str | Span] = []
    for text in texts:
        if words(text):
            pieces += [between] if pieces and between else []
            pieces += [span if span.tone else span.text for span in spans(text)]
    return tuple(pieces)


def class_tone(number: int | None) -> str:
    """The tone of a class (none for no class)."""
    return "" if number is None else CLASSES[number % len(CLASSES)]


def class_text(number: int | None, prefix: str = "class ") -> Text:
    """A class in its tone; a dash for none."""
    return "–" if number is None else Span(f"{prefix}{number}", class_tone(number))


def whole(text: str) -> str:
    """Text in which no line ends."""
    return text.replace(" ", NO_BREAK)


def clean(text: str, limit: int = 400) -> str:
    """Text from outside as one printable line: control and formatting characters become "?", the rest is cut at ``limit``."""
    harmless = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)
    return harmless if len(harmless) <= limit else harmless[: limit - 2] + ".."
