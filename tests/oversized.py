"""Witness files of a few kilobytes whose networks take hours, or more memory than there is, once somebody evaluates them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

SIDE = 3000
"""Of the image that a pad makes of one number."""
ZERO, ONE = "0x0p+0", "0x1p+0"
NONE = [[0, 0], [0, 0], [0, 0]]
SEQUENTIAL, PAIRWISE, REAL = {"format": "float32"}, {"format": "float32", "order": "pairwise"}, {"format": None}
UPWARD = {"format": "float64", "rounding": "RTP"}


def node(kind: str, attributes: Json | None = None, parameters: Json | None = None, *reads: str) -> Json:
    """A node that reads the one before it, or what ``reads`` names; ``chain`` names it."""
    given = {name: {"shape": list(shape), "numbers": numbers} for name, (shape, numbers) in (parameters or {}).items()}
    return {"kind": kind, "attributes": attributes or {}, "parameters": given, "inputs": list(reads)}


def pad(before: int, after: int) -> Json:
    """So many zeros around an image of one channel, below and beside it."""
    return node("pad", {"padding": [[0, 0], [before, after], [before, after]], "value": ZERO})


def convolution(size: int, padding: int = 0) -> Json:
    """One kernel of ones."""
    around = [[padding, padding]] * 2
    attributes = {"stride": [1, 1], "padding": around, "dilation": [1, 1], "groups": 1}
    return node("convolution", attributes, {"weight": ((1, 1, size, size), [ONE] * size**2)})


def pooling(kind: str, size: int, stride: int) -> Json:
    """Windows of one channel."""
    attributes: Json = {"kernel": [size] * 2, "stride": [stride] * 2, "padding": [[0, 0]] * 2, "ceil": False}
    return node(kind, attributes | ({"count_padding": True} if kind == "average pooling" else {}))


def mean() -> list[Json]:
    """The mean of the image, and two logits of it."""
    return [node("global average pooling", {"keep_axes": False}), logits()]


def largest(size: int) -> list[Json]:
    """The largest number of an image, and two logits of it."""
    return [pooling("max pooling", size, size), node("flatten"), logits()]


def logits() -> Json:
    """A number, and its negative."""
    return node("dense", {}, {"weight": ((2, 1), [ONE, "-" + ONE])})


def chain(*nodes: Json) -> Json:
    """A network of one number, as an image, in which each node reads the one before it unless it says what."""
    named, before = [], "input"
    for number, one in enumerate(nodes):
        named.append({**one, "name": f"n{number}", "inputs": one["inputs"] or [before]})
        before = f"n{number}"
    return {"input_shape": [1, 1, 1], "output": before, "nodes": named}


def witness(network: Json, *hows: Json, copies: int = 0, dtype: str = "float32") -> Json:
    """A file that says that two views of the network at 1 have different classes, and ``copies`` more do not."""
    table = list(hows or (SEQUENTIAL, PAIRWISE))
    views = [("a", "reference", 0), ("b", "deployed", 1), *((f"silent{k}", "silent", 0) for k in range(1, copies + 1))]
    return {
        "schema": "fpsynth-witness",
        "schema_version": 3,
        "verdict": "found",
        "question": "order",
        "dtype": dtype,
        "network": network,
        "points": [{"name": "point", "numbers": [ONE]}],
        "predicate": {"kind": "argmax"},
        "arithmetics": table,
        "views": [
            {
                "name": name,
                "label": name,
                "role": role,
                "point": "point",
                "deployment": {"default": place},
                "logits": [ONE, ZERO],
            }
            for name, role, place in views
        ],
    }


def _doubled(times: int) -> list[Json]:
    """An image that is put beside itself again and again."""
    return [node("concat", {"axis": 1 + k % 2}, None, *[f"n{k - 1}" if k else "input"] * 2) for k in range(times)]


def _scaled(times: int) -> list[Json]:
    """Multiplied by the least number of float64 again and again: exact results of a thousand bits more each time."""
    return [node("multiply constant", {}, {"value": ((1, 1, 1), ["0x1p-1074"])}) for _ in range(times)]


def _one_of(size: int) -> list[Json]:
    """The largest number of an image, as an image again."""
    return [pooling("max pooling", size, size)]


def _constant() -> Json:
    return node("add constant", {}, {"value": ((1, 1, 1), [ONE])})


HOSTILE: dict[str, Callable[[], Json]] = {
    "a mean of nine million": lambda: witness(chain(pad(0, SIDE - 1), *mean())),
    "numbers that are moved": lambda: witness(chain(pad(0, SIDE - 1), *largest(SIDE))),
    "numbers that are selected": lambda: witness(chain(pad(0, SIDE - 1), node("relu"), *largest(SIDE))),
    "constants": lambda: witness(chain(pad(0, SIDE - 1), _constant(), *largest(SIDE))),
    "a convolution": lambda: witness(chain(pad(0, SIDE - 1), convolution(5, 2), *largest(SIDE))),
    "exact arithmetic": lambda: witness(chain(pad(0, SIDE - 1), convolution(5, 2), *largest(SIDE)), REAL, SEQUENTIAL),
    "concat by concat": lambda: witness(chain(*_doubled(24), *largest(4096))),
    "averages of large windows": lambda: witness(chain(pad(0, SIDE - 1), pooling("average pooling", 200, 1), *largest(2801))),
    "maxima of large windows": lambda: witness(chain(pad(0, SIDE - 1), pooling("max pooling", 200, 1), *largest(2801))),
    "quotients that arrays do not divide": lambda: witness(
        chain(pad(0, 399), pooling("average pooling", 4, 1), *largest(397)),
        UPWARD,
        {**UPWARD, "order": "pairwise"},
        dtype="float64",
    ),
    "bits": lambda: witness(chain(pad(0, 199), *_scaled(60), *largest(200)), REAL, {"format": "float64"}, dtype="float64"),
    "pads of which each fits": lambda: witness(
        chain(*[one for _ in range(12) for one in (pad(0, 8190), *_one_of(8191))], *mean())
    ),
    "many views": lambda: witness(chain(pad(0, 699), convolution(5, 2), *largest(700)), copies=60),
}
"""Files by what is large in them."""
