"""Words of messages and reports: text that a terminal may print, and nouns that go with their numbers."""

import re
from collections.abc import Sequence

_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


def printable(text: str, keep: str = "") -> str:
    """The text with every character that a terminal could obey (line breaks, escape sequences) written as an escape.

    Characters in ``keep`` stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)


def printable_report(text: str) -> str:
    """The text of a report, with line breaks and colours left as they are and everything else made ``printable``."""
    return "".join(part if k % 2 else printable(part, "\n") for k, part in enumerate(_COLOUR.split(text)))


def noun(number: int, one: str, many: str = "") -> str:
    """The noun that goes with a number: row of 1, rows of 0 and 2; ``many`` where the plural is not the noun and an s."""
    return one if number == 1 else many or one + "s"


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun, as in "1 row" and "2 rows" (see ``noun``)."""
    return f"{number} {noun(number, one, many)}"


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + " and " + words[-1]
