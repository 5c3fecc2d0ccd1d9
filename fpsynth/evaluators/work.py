"""How long evaluations take and what they hold, estimated from shapes alone; the one place that says what is too much.

The estimates are rough, within a factor of ten on any machine: they tell seconds from hours before anything is laid out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import BeyondReachError
from fpsynth.formats import FLOAT32, FLOAT64
from fpsynth.networks.graph import Graph
from fpsynth.networks.network import Network, Node
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.wording import counted
from fpsynth.workers.deadlines import FILE_TIME, time_left

SHARE, LEAST = 0.25, 10.0
"""Of the time that is given, what evaluations may be estimated at: that share, or so many seconds where it is less."""
MARGIN = 1.25
"""Of a time limit that is advised: some of it is over before anything is estimated."""
MEMORY = 4 << 30
"""Bytes that one evaluation may be estimated at."""
EXTRA = 1.0
"""Seconds that may be estimated for what nobody asked for: exact logits beside others."""
MAX_ROWS = 1 << 28
"""Numbers that a layer of a library may give for all rows of a batch: 1 GiB in float32."""
MAX_GRAPH = 5000
"""Numbers read by a network that the exact interpreter evaluates within two seconds."""

_PRODUCT = {"exact": 500e-9, "interpreted": 200e-6, "arrays": 2e-9, "arrays in passes": 500e-9, "followed": 120e-6}
"""Seconds for each addend."""
_MOVED = {"exact": 100e-9, "interpreted": 40e-6, "arrays": 20e-9, "arrays in passes": 20e-9, "followed": 60e-6}
"""Seconds for each number that is moved or selected among."""
_DIGIT = 2e-9
"""Seconds for a digit of 30 bits that is multiplied by another."""
_PARAMETER, _RESULT, _PLACE, _TAP = 400e-9, 200e-9, 3e-6, 10e-6
"""Seconds for a parameter made exact; over arrays for a result, a position of sums, and a term of all positions."""
_HELD = {"interpreted": 1 << 8, "followed": 1 << 12}
"""Bytes for each number that is read."""


@dataclass(frozen=True)
class Effort:
    """What an evaluation is estimated at."""

    seconds: float
    memory: float
    """Bytes."""
    reads: int
    """Numbers that it adds, selects among and moves."""

    def __add__(self, other: Effort) -> Effort:
        """One after the other."""
        return Effort(self.seconds + other.seconds, max(self.memory, other.memory), self.reads + other.reads)

    def times(self, count: int) -> Effort:
        """So many, one after the other."""
        return Effort(self.seconds * count, self.memory, self.reads * count)


NOTHING = Effort(0.0, 0.0, 0)


def require_affordable(what: str, work: Effort) -> None:
    """Raise BeyondReachError, which says what is too large, for what, and what to do, unless ``what`` may be computed."""
    left = time_left(math.inf)
    given = FILE_TIME if math.isinf(left) else left
    more = f"give more time (timeout {math.ceil(MARGIN * work.seconds / SHARE)})"
    require_within(what, work, min(given, max(SHARE * given, LEAST)), f" of the {given:.3g} s that are left: {more}")


def require_within(what: str, work: Effort, limit: float, advice: str) -> None:
    """Raise BeyondReachError unless ``what`` takes so many seconds at most, and ``MEMORY``; ``advice`` follows on the limit."""
    size = f"{counted(work.reads, 'number')} added, selected or moved"
    if work.memory > MEMORY:
        raise BeyondReachError(
            f"{what} takes some {work.memory / 2**30:.3g} GiB of memory ({size}), which is beyond the {MEMORY >> 30} GiB that"
            " may be taken: only a smaller network can be evaluated"
        )
    if work.seconds > limit:
        beyond = f"which is beyond the {_duration(limit)} that may be spent on it{advice}"
        raise BeyondReachError(f"{what} takes some {_duration(work.seconds)} ({size}), {beyond}")


def affordable_extra(work: Effort) -> bool:
    """Whether something is worth its while that nobody has asked for."""
    return work.seconds <= EXTRA and work.memory <= MEMORY


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 600 else f"{seconds / 3600:.3g} h"


def exact_work(network: Network, point: Sequence[float] = ()) -> Effort:
    """That of ``real.exact_logits``: integers that grow from layer to layer, over one denominator for each."""
    graph = network.logits
    sizes = {"seconds": _PARAMETER * graph.parameter_count, "memory": 0.0, "divisors": 0.0}

    def step(node: Node, given: Sequence[_Size]) -> _Size:
        before, own = _Size.of(given), _own_size(node)
        outline, reads = graph.outline(node.name), graph.read_by(node.name)
        sizes["divisors"] += outline.divisor_bits
        after = before.after(own, outline.terms)
        bits, digits = after.bits + sizes["divisors"], own.bits // 30 + 1
        cost = _PRODUCT["exact"] if outline.adds else _MOVED["exact"]
        sizes["seconds"] += reads * (cost + _DIGIT * digits * (bits // 30 + 1))
        results = math.prod(graph.shapes[node.name])
        sizes["memory"] = max(sizes["memory"], results * (80 + bits / 3))
        if node.name == graph.output:
            sizes["seconds"] += results * _DIGIT * (bits / 30) ** 2  # to lowest terms
        return after

    graph.run(_size_of(np.array(point, np.float64)) if point else _Size(128, 149), step)
    return Effort(sizes["seconds"], sizes["memory"], graph.work)


@dataclass(frozen=True)
class _Size:
    """Of numbers: all are below 2**high in size, and multiples of 2**-low."""

    high: int = 0
    low: int = 0

    @property
    def bits(self) -> int:
        """Of an integer over the common denominator."""
        return max(self.high + self.low, 1)

    @classmethod
    def of(cls, parts: Sequence[_Size]) -> _Size:
        """Of several inputs together."""
        return cls(max(part.high for part in parts), max(part.low for part in parts))

    def after(self, own: _Size, terms: int) -> _Size:
        """At most, after a layer whose numbers are ``own`` has multiplied by them, added them, or divided."""
        return _Size(max(self.high, 0) + max(own.high, own.low) + terms.bit_length(), self.low + max(own.high, own.low))


def _own_size(node: Node) -> _Size:
    """Of the numbers of a layer: its parameters and the floats among its attributes."""
    layer = node.layer
    values = (getattr(layer, field.name) for field in fields(layer) if field.name not in layer.parameters)
    sizes = [_size_of(array) for array in layer.arrays()]
    sizes.append(_size_of(np.array([value for value in values if isinstance(value, float)], np.float64)))
    return _Size.of(sizes)


def _size_of(numbers: NDArray[np.floating]) -> _Size:
    flat = numbers.reshape(-1)
    pieces = [flat[start : start + (1 << 20)].astype(np.float64) for start in range(0, len(flat), 1 << 20)]
    return _Size.of([_Size(), *(_size_of_piece(piece[piece != 0]) for piece in pieces if piece.any())])


def _size_of_piece(numbers: NDArray[np.float64]) -> _Size:
    significands, exponents = np.frexp(np.abs(numbers))
    whole = np.ldexp(significands, 53).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(np.float64))[1] - 1 + exponents - 53
    return _Size(max(int(exponents.max()), 0), max(-int(lowest.min()), 0))


def interpreted_work(network: Network) -> Effort:
    """That of ``networks.graph_logits``: an object for each number, a graph for each sum."""
    return _step_by_step(network, "interpreted")


def followed_work(network: Graph) -> Effort:
    """That of following every rounding of a network in interval arithmetic."""
    return _step_by_step(network, "followed")


def _step_by_step(network: Graph, way: str) -> Effort:
    graph = network.logits
    seconds = _PRODUCT[way] * graph.operations + _MOVED[way] * (graph.work - graph.operations)
    return Effort(seconds, float(_HELD[way] * graph.work), graph.work)


def array_work(network: Network, deployment: Deployment) -> Effort:
    """That of ``deployed.network_outputs`` at one point."""
    graph, seconds, memory = network.logits, 0.0, 0.0
    used = (deployment.default, *(how for _, how in deployment.layers), *(how for _, how in deployment.exceptions))
    way = "arrays" if all(map(_swift, {id(how): how for how in used}.values())) else "arrays in passes"
    for node in graph.nodes:
        outline, results = graph.outline(node.name), math.prod(graph.shapes[node.name])
        cost = _PRODUCT[way] if outline.adds else _MOVED[way]
        seconds += cost * graph.read_by(node.name) + _RESULT * results + _TAP * outline.terms
        seconds += _PLACE * outline.positions if outline.adds and outline.terms > 1 else 0.0
        memory = max(memory, 16 * outline.positions * outline.terms + 64 * results)
    return Effort(seconds, float(memory), graph.work)


def batch_work(network: Network, points: int) -> Effort:
    """That of many points at once by machine operations: of each only what is read counts."""
    graph = network.logits
    each = _PRODUCT["arrays"] * graph.operations + _MOVED["arrays"] * (graph.work - graph.operations)
    return Effort(each * points, 0.0, graph.work * points)


def _swift(how: Arithmetic) -> bool:
    """Whether sums are likely to be evaluated by machine operations."""
    if how.given is not None:
        aligned = any(step.alignment is not None for step in {id(step): step for step in how.given.steps}.values())
        return how.format in (FLOAT32, FLOAT64) and not aligned and how.unit is not None and how.unit.mode is Rounding.RNE
    plain = how.rounding is Rounding.RNE and how.flush is not Flush.UNBOUNDED and how.alignment is None
    return plain and how.sum_format in (FLOAT32, FLOAT64)


def logits_work(network: Network, point: Sequence[float], deployment: Deployment) -> Effort:
    """That of the logits at a point, in real arithmetic or in formats, as they are evaluated for witnesses."""
    if deployment.default.format is None:
        return exact_work(network, point)
    return array_work(network, deployment) if network.work > MAX_GRAPH else interpreted_work(network)


def batch_refusal(network: Network, batch: int) -> str:
    """Why no library is given so many points at once; empty where they are."""
    largest = max(math.prod(shape) for shape in network.shapes.values())
    if batch * largest <= MAX_ROWS:
        return ""
    return f"a layer has {largest} numbers for each of {counted(batch, 'row')}, more than the {MAX_ROWS} that are run at once"


def total(parts: Iterable[Effort]) -> Effort:
    """All of them, one after the other."""
    return sum(parts, NOTHING)
