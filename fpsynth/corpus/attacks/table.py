"""The attacks: random points, corners, gradients with restarts, kinks of the first layer, coordinates that are spliced."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from random import Random

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.corpus.attacks.target import AttackResult, Layers, Spent, Target
from fpsynth.corpus.instances.data import Attacked
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.points import Grid
from fpsynth.verifiers.properties import Property

LIMIT = 4096
"""Evaluations of one attack; a second of one processor, and less for small networks."""
_BATCH = 64


def uniform(target: Target) -> None:
    """Points that are uniform in the box."""
    while True:
        target.tried(target.drawn(512))


def corners(target: Target) -> None:
    """Corners of the box, the first ones where there are too many, and its middle."""
    low, high = target.ends
    target.tried(target.inside((low + high)[None] / 2))
    sides = itertools.product((0, 1), repeat=len(low))
    while rows := list(itertools.islice(sides, 512)):
        target.tried(np.where(np.array(rows, bool), high, low))


def gradient(target: Target) -> None:
    """Projected steps along the signs of gradients, shorter and shorter, from many random points at once."""
    if target.layers is None:
        return
    low, high = target.ends
    while True:
        points = target.drawn(_BATCH)
        for step in range(24):
            target.tried(points)
            moved = points - 0.25 * 0.75**step * (high - low) * np.sign(target.gradients(points))
            points = target.inside(moved)


def kinks(target: Target) -> None:
    """All combinations of inputs at which a neuron of the first layer that reads one of them alone changes its sign."""
    layers = target.layers
    if layers is None:
        return
    middle = (target.ends[0] + target.ends[1]) / 2
    places = [sorted(own) or [float(x)] for own, x in zip(_kinks(target, layers), middle, strict=True)]
    combinations = itertools.product(*places)
    while rows := list(itertools.islice(combinations, 512)):
        target.tried(target.inside(np.array(rows)))


def _kinks(target: Target, layers: Layers) -> list[set[float]]:
    """For each input, where the first layer of sums changes the sign of a neuron that reads it alone, and the neighbours."""
    low, high = target.ends
    signs_change: list[set[float]] = [set() for _ in low]
    matrix, bias = next(layer for layer in layers if layer is not None)
    for row, b in zip(matrix, bias.tolist(), strict=True):
        (read,) = np.nonzero(row)
        if len(read) == 1:
            at = np.float32(-b / float(row[read[0]]))
            near = (np.nextafter(at, np.float32(-np.inf)), at, np.nextafter(at, np.float32(np.inf)))
            signs_change[read[0]] |= {float(x) for x in near if low[read[0]] <= x <= high[read[0]]}
    return signs_change


def splice(target: Target) -> None:
    """Each neuron in turn: the values of each input that make it the largest, put together."""
    layers = target.layers
    if layers is None:
        return
    while True:
        base = target.drawn(1)[0]
        for neurons in _neurons(target, layers, base):
            target.tried(target.inside(neurons))


def _neurons(target: Target, layers: Layers, base: Floats) -> Iterator[Floats]:
    """Inputs, one for each neuron of a layer: each coordinate is the best of those tried while the others stay."""
    tried = target.drawn(max(8, 1024 // len(base)))
    best: list[list[Floats]] = []
    for axis in range(len(base)):
        points = np.tile(base, (len(tried), 1))
        points[:, axis] = tried[:, axis]
        target.tried(points)
        best.append([points[values.argmax(axis=0), axis] for values in _hidden(layers, points)])
    for layer in range(len(best[0])):
        yield np.stack([axis[layer] for axis in best], axis=1)


def _hidden(layers: Layers, points: Floats) -> Iterator[Floats]:
    """What each layer of sums gives, (points, neurons), in float32."""
    values = points.astype(np.float32)
    for layer in layers:
        if layer is None:
            values = np.maximum(values, 0)
        else:
            values = values @ layer[0].T + layer[1]
            yield values.astype(np.float64)


ATTACKS: Mapping[str, Callable[[Target], None]] = {
    "random": uniform,
    "corners": corners,
    "gradient": gradient,
    "kinks": kinks,
    "splice": splice,
}
"""By name.  An attack goes on until it is told by an exception that it is over, or has nothing more to try."""


def attacks_on(attacker: Computed, judge: Computed, grid: Grid, unsafe: Property, seed: str) -> tuple[Attacked, ...]:
    """What every attack comes to that computes as ``attacker`` does, where ``judge`` decides; the same for the same seed."""
    targets = ((name, Target(attacker, judge, grid, unsafe, LIMIT, Random(f"{seed}/{name}"))) for name in ATTACKS)
    return tuple(attacked(name, target) for name, target in targets)


def attacked(name: str, target: Target) -> Attacked:
    """What one attack comes to."""
    hit = False
    try:
        with np.errstate(all="ignore"):
            ATTACKS[name](target)
    except AttackResult:
        hit = True
    except Spent:
        pass
    return Attacked(name, hit, target.evaluations, target.limit, target.attacker.environment)
