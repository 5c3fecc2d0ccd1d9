"""Positions: neurons with identical weights, permuted neurons and rows of a batch that one kernel treats differently.

In real arithmetic none of this changes anything.  Where a kernel sums two positions (row, output) of its result in different
arithmetics p and q, weights w and an input x with  w.x < 0 in p  and  w.x > 0 in q  turn that into another class:

* twin: outputs i and j both have the weights w, so they tie in the reals; deployed, j is above and i below zero;
* permutation: the neuron with the weights w stands at output i, and then changes places with one at output j whose weights
  are zero; all other neurons have a single negative product;
* row: the same sample stands in rows r and s, whose sums for one output are taken in p and q.

Zero products and single products are exact up to one rounding in every arithmetic and keep their sign, so only w.x matters.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fpsynth.predicates import Predicate, argmax
from fpsynth.revealing.result import Reveal
from fpsynth.sums.arithmetic import REAL, Deployment
from fpsynth.synthesis.placing import assemble, layer
from fpsynth.witness.data import View, Witness

KINDS = ("twin", "permutation", "row")
Position = tuple[int, int]
"""(row, output)."""


@dataclass(frozen=True)
class PositionPair:
    """Two positions whose sums are taken differently."""

    first: Position
    second: Position


def pairs(found: Reveal, kind: str, row: int = 0) -> Iterator[PositionPair]:
    """Pairs of positions that serve a question of this kind, one for each pair of classes (both ways round).

    ``row``: the row of the batch, where only one is looked at.
    """
    seen: set[tuple[int, int]] = set()
    positions = [(r, j, k) for k, cls in enumerate(found.classes) for r, j in cls.positions]
    groups: dict[int, list[tuple[int, int]]] = {}
    for r, j, k in sorted(positions):
        if kind == "row":
            groups.setdefault(j, []).append((r, k))
        elif r == row:
            groups.setdefault(r, []).append((j, k))
    for key, members in groups.items():
        first_of: dict[int, int] = {}
        for place, cls in members:
            first_of.setdefault(cls, place)
        for (c, p), (d, q) in itertools.permutations(first_of.items(), 2):
            if kind == "twin" and p > q:
                continue
            if (c, d) in seen:
                continue
            seen.add((c, d))
            yield PositionPair((p, key), (q, key)) if kind == "row" else PositionPair((key, p), (key, q))


def build(kind: str, found: Reveal, pair: PositionPair, flip: Witness) -> Witness:
    """Return the divergence that a flip of one neuron gives at two positions (see the top of the file)."""
    (_, output), (_, other) = pair.first, pair.second
    weights, outputs = flip.network.dense_layers[0].weight[0].tolist(), found.kernel.outputs
    if kind == "twin":
        rows = tuple(weights if j in (output, other) else (0.0,) * len(weights) for j in range(outputs))
        return assemble(flip, rows, "twin", Predicate("equal", output, other), _views(kind, found, pair))
    rival = other if kind == "permutation" else (output + 1) % outputs
    rows = layer(weights, flip.point, outputs, output, rival)
    made = assemble(flip, rows, "position", Predicate("argmax"), _views(kind, found, pair))
    right = argmax(made.real)
    if argmax(made.deployed.logits) == right != argmax(made.reference.logits):  # what agrees with the reals is not what departs
        made = assemble(flip, rows, "position", made.predicate, _exchanged(made.views))
    return made


def _exchanged(views: Sequence[View]) -> tuple[View, ...]:
    """The two views with their parts exchanged."""
    a, b = views
    return replace(b, name=a.name, role=a.role), replace(a, name=b.name, role=b.role)


def _views(kind: str, found: Reveal, pair: PositionPair) -> tuple[View, View]:
    """What is believed, and what departs from it."""
    environment = found.kernel.environment
    (row, output), (other_row, other) = pair.first, pair.second

    def view(name: str, role: str, at: int, permutation: tuple[int, ...] = ()) -> View:
        label = replace(environment, row=at)
        return View(name, str(label), role, found.deployment(at), str(label), row=at, permutation=permutation)

    if kind == "twin":
        return View("a", "real", "reference", Deployment(REAL)), view("b", "deployed", row)
    if kind == "row":
        return view("a", "reference", row), view("b", "deployed", other_row)
    swapped = list(range(found.kernel.outputs))
    swapped[output], swapped[other] = other, output
    return view("a", "reference", row), view("b", "deployed", row, tuple(swapped))
