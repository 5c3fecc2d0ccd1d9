"""Files damaged at random, seeded: bytes, texts and JSON values as no writer would leave them.

FPSYNTH_MUTATIONS says how many of each kind are tried; FPSYNTH_SEED another seed.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from fpsynth.errors import InputError

COUNT = int(os.environ.get("FPSYNTH_MUTATIONS", "60"))
SEED = os.environ.get("FPSYNTH_SEED", "0")

NUMBERS = [
    "-1", "0", "True", "2.5", "1e5", "1e999", "-0", "NaN", "Infinity", "null", "007", "0x10", "9" * 20, "9" * 400, "9" * 5000,
    f"{2**31}", f"{2**32 - 1}", f"{2**63}", f"{2**64}", '"x"', "[]", "{}", "3L", "",
]  # fmt: skip
"""What may stand where a text has a number."""
TEXTS = [
    "\n",
    "\r",
    "\x00",
    "\x1b[2J",
    "\u202e",
    "\x85",
    "\u2028",
    "'",
    '"',
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    ":",
    "é",
    "\ud800",
]
"""What may be put anywhere into a text."""
VALUES: list[Any] = [
    None, True, False, -1, 0, 1, 1.5, 2**31, 2**64, 10**30, 10**400, 1e308, float("nan"), float("inf"),
    "", "x", "a\nb", "\x1b[31mx", "1e999999999", "0x1p+99999", [], {}, [[]], [None], [[0, 0], [0, 0]], {"a": 1},
]  # fmt: skip
"""What may stand anywhere in JSON data."""


def mutated_bytes(data: bytes, draw: random.Random) -> bytes:
    """One to four changes: bits flipped, bytes set, cut out, doubled, filled with ones; or the end cut off."""
    result = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(result) + 1)
        length = draw.choice([1, 1, 2, 4, 8, draw.randrange(64)])
        match draw.randrange(7):
            case 0 if place < len(result):
                result[place] ^= 1 << draw.randrange(8)
            case 1 if place < len(result):
                result[place] = draw.randrange(256)
            case 2:
                del result[place : place + length]
            case 3:
                result[place:place] = result[place : place + length]
            case 4:
                result[place : place + length] = draw.choice([b"\xff", b"\0", b"\x80"]) * length
            case 5:
                result[place : place + length] = draw.randbytes(length)
            case 6 if draw.random() < 0.3:
                del result[place:]
    return bytes(result)


def mutated_text(text: str, draw: random.Random) -> str:
    """One to three changes: a number replaced, a character put in, a piece cut out or doubled."""
    for _ in range(draw.randint(1, 3)):
        numbers = list(re.finditer(r"-?\d+(\.\d+)?", text))
        place = draw.randrange(len(text) + 1)
        end = place + draw.randrange(12)
        match draw.randrange(5):
            case 0 | 1 if numbers:
                number = draw.choice(numbers)
                text = text[: number.start()] + draw.choice(NUMBERS) + text[number.end() :]
            case 2:
                text = text[:place] + draw.choice(TEXTS) + text[place:]
            case 3:
                text = text[:place] + text[end:]
            case _:
                text = text[:end] + text[place:]
    return text


def mutated_json(data: Any, draw: random.Random) -> str:
    """``mutated_data`` as text, which is sometimes damaged on top of it."""
    text = json.dumps(mutated_data(data, draw))
    return mutated_text(text, draw) if draw.random() < 0.3 else text


def mutated_data(data: Any, draw: random.Random) -> Any:
    """One or two values replaced anywhere, a name changed or a value dropped."""
    data = copy.deepcopy(data)
    for _ in range(draw.randint(1, 2)):
        path = draw.choice(list(places(data)))
        inner = data
        for key in path[:-1]:
            inner = inner[key]
        match draw.randrange(8):
            case 0:
                del inner[path[-1]]
            case 1 if isinstance(inner, dict):
                inner[draw.choice(["x", "\x1b[2J", "a\nb", ""])] = inner.pop(path[-1])
            case _:
                inner[path[-1]] = copy.deepcopy(draw.choice(VALUES))
    return data


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in nested data."""
    if path:
        yield path
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def outcome(read: Callable[[Any], Any], subject: Any) -> str:
    """What reading says: empty where there is a value, the line where there is an InputError; nothing else may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read(subject)
        except InputError as error:
            said = str(error)
            assert said.isprintable()
            assert 0 < len(said) <= 2000
            return said
    return ""


def check(kind: str, make: Callable[[random.Random], Any], *readers: Callable[[Any], Any]) -> None:
    """Read whatever ``make`` makes of a source of chance, as often as FPSYNTH_MUTATIONS says; something must be refused."""
    refused = 0
    for number in range(COUNT):
        subject = make(random.Random(f"{SEED} {kind} {number}"))
        for read in readers:
            try:
                refused += outcome(read, subject) != ""
            except BaseException as error:
                raise AssertionError(f"mutation {number} of {kind}, seed {SEED}") from error
    assert refused > 0
