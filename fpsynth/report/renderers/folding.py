"""Lines folded to a width: measured in the cells of a terminal, painted or not, and never between a number and its signs."""

from __future__ import annotations

import re
import unicodedata

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_END = "\x1b[0m"
_TOKEN = re.compile(r"( *)((?:\x1b\[[0-9;]*m|[^ ])+)")
_HEXADECIMAL = re.compile(r"[-−]?0x[01](?:\.[0-9a-f]*)?p[-+]?[0-9]+[,.;:)\]]*")
_NUMBER = re.compile(r"≈?[ \xa0]?[-−+]?[0-9][0-9.]*(?:e-?[0-9]+)?")
_AFTER = ",;/:=·+)]|"
"""Where a word that is longer than a line may be broken."""
SIGNS = re.compile(rf"(?<=[{re.escape(_AFTER)}])| ")
"""Between the parts that such words have."""


def plain(text: str) -> str:
    """The text without ANSI codes."""
    return _ANSI.sub("", text)


def cells(text: str) -> int:
    """How many cells of a terminal a line takes: none for codes and combining characters, two for wide ones."""
    bare = plain(text)
    return len(bare) if bare.isascii() else sum(map(_cell, bare))


def _cell(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def units(text: str, room: int) -> list[tuple[str, str]]:
    """What must not be broken, as pairs of the blanks before it and itself.

    A sign "≈" belongs to the number behind it, and a hexadecimal number to the decimal before it as far as both fit ``room``.
    """
    found: list[tuple[str, str]] = []
    for match in _TOKEN.finditer(text):
        blanks, word = match[1], match[2]
        if found:
            last = plain(found[-1][1])
            if last.endswith("≈"):
                found[-1] = (found[-1][0], found[-1][1] + blanks + word)
                continue
            count = 2 if last == "=" and len(found) > 1 else 1  # a number, and perhaps an equals sign
            before = "".join(gap + part for gap, part in found[-count:]).lstrip(" ")
            pair = _HEXADECIMAL.fullmatch(plain(word)) and _NUMBER.fullmatch(plain(found[-count][1]))
            if pair and cells(before) + len(blanks) + cells(word) <= room:
                found[-count:] = [(found[-count][0], before + blanks + word)]
                continue
        found.append((blanks, word))
    return found


def fold(text: str, width: int, first: str = "", later: str = "") -> list[str]:
    """Break one paragraph into lines of at most ``width`` cells, which start with ``first`` and then with ``later``.

    Blanks within a line stay; those at its start, the first line's included, vanish.  Words longer than a line are broken
    behind a sign where they have one.  A colour that runs over a break is ended and taken up again.
    """
    lines: list[str] = []
    line, empty = first, True
    for blanks, word in units(text.expandtabs().translate(_BLANKS), width - max(len(first), len(later))):
        if not empty and cells(line) + len(blanks) + cells(word) <= width:
            line += blanks + word
            continue
        if not empty:
            lines.append(line)
            line = later
        while cells(line) + cells(word) > width:
            head, word = _broken(word, width - cells(line))
            lines.append(line + head)
            line = later
        line, empty = line + word, False
    if not empty:
        lines.append(line)
    return _repainted(lines) if "\x1b" in text else lines


_BLANKS = str.maketrans("\n\r\v\f", "    ")


def _broken(word: str, room: int) -> tuple[str, str]:
    """The part of a long word that fits into ``room`` cells, and the rest: cut behind a sign, or before a blank in it."""
    used = end = cut = 0
    for piece in re.finditer(r"\x1b\[[0-9;]*m|.", word):
        wide = 0 if piece[0].startswith("\x1b") else _cell(piece[0])
        if used + wide > max(room, 1) and end:
            break
        used, end = used + wide, piece.end()
        if piece[0] in _AFTER and 3 * used > room:
            cut = end
    return word[: cut or end], word[cut or end :]


def _repainted(lines: list[str]) -> list[str]:
    """Each line with the codes that make it look as it did before the breaks."""
    done, active = [], ""
    for line in lines:
        lead = len(line) - len(line.lstrip(" "))
        text = line[:lead] + active + line[lead:]
        for code in _ANSI.findall(line):
            active = "" if code == _END else code
        done.append(text + (_END if active else ""))
    return done
