"""One kernel revealed in the process that it runs in: classes of positions, the tree and the properties of each, the check."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from fpsynth.aliases import Array
from fpsynth.libraries.base import CannotRun, Library
from fpsynth.libraries.kernels import Kernel
from fpsynth.orders import fixed_order
from fpsynth.revealing.bench import KernelBench, Position
from fpsynth.revealing.checking import Answers, answers, check, joined, rarity
from fpsynth.revealing.hypotheses import Best, completed, guessed
from fpsynth.revealing.masks import tree_of
from fpsynth.revealing.padding import MADE_UP, of_taps, taps_inside, with_padding
from fpsynth.revealing.properties import named, placed_bias
from fpsynth.revealing.result import Check, PositionClass, Read, Reveal
from fpsynth.revealing.trees import Inconsistent
from fpsynth.revealing.vectors import KINDS, Call, hostile_calls
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of

_ALIKE = 8 * len(KINDS)
"""Calls with equal rows and equal weights that tell classes of positions apart: eight of each kind of vector."""
_VECTORS_OF_NONE = 1000
"""Vectors at most that a kernel is checked on whose results change between repeats."""
_REPEATS = 2 * len(KINDS)
"""Calls that are made twice."""
_ROWS = 64
"""Rows of a call with operands of their own."""
_DIGEST = 10 * len(KINDS)
"""Calls whose results stand for an arithmetic when processes are compared."""
_FEW, _FEW_POSITIONS = 2 * len(KINDS), 8
"""Calls, and positions in each, that hypotheses are tried on: two calls of each kind of vector."""
_CALLS, _MOST_CALLS = 2 * len(KINDS), 256
"""Calls that a check makes at least, whatever the number of positions; and where some kinds of vectors are rare."""
_ATTEMPTS = 3
"""Checks that are made where vectors that were not explained tell hypotheses apart."""
_HELD = 1 << 23
"""Numbers of the vectors of a check that are kept to be looked at again rather than asked for again."""
MAX_CLASSES = 64
"""More arithmetics than this in one kernel are not revealed one by one."""


@dataclass
class _Work:
    """What is known of a kernel while it is revealed."""

    bench: KernelBench
    """With the taps alone that lie in the input, where some lie in a padding."""
    vectors: int
    seed: int
    notes: list[str] = field(default_factory=list)
    tree_calls: int = 0


def reveal_kernel(library: Library, kernel: Kernel, vectors: int, seed: int, read: Read = ()) -> Reveal:
    """Reveal ``kernel`` with a loaded library.  Raises CannotRun where it cannot be run.

    ``read``: the positions whose arithmetics are wanted; empty: all.  Others that give other results than these are listed as
    what was not looked at (see ``PositionClass``): a class of one position takes as many calls as there are vectors.
    """
    started = time.monotonic()
    inside = taps_inside(kernel)
    work = _Work(_bench(library, kernel), vectors, seed)
    repeats = _repeats(work)
    if repeats == "same":
        groups = _groups(work)
    else:
        groups, work.vectors = [_positions(work)], min(vectors, _VECTORS_OF_NONE)
    groups, unread = _parted(groups, read)
    probed = groups[:MAX_CLASSES]
    if len(groups) > MAX_CLASSES:
        work.notes.append(
            f"{len(groups)} groups of positions gave different results; the first {MAX_CLASSES} were revealed, and the others"
            " are listed and checked with the last of these"
        )
        groups = [*groups[: MAX_CLASSES - 1], [position for group in groups[MAX_CLASSES - 1 :] for position in group]]
    classes = [_class(work, group, alike) for group, alike in zip(groups, probed, strict=True)]
    if inside is not None:
        classes = [with_padding(found, inside, kernel) for found in classes]
        work.notes.append(MADE_UP)
    classes = _merged(classes)
    if repeats != "same":
        work.notes.append(
            "the same operands give different results, as when parts of a sum are added in the order in which they are ready"
            " (atomic additions): the kernel has no one arithmetic"
        )
    classes.sort(key=lambda cls: (-len(cls.positions), cls.positions))
    if unread:
        classes.append(PositionClass(classes[0].arithmetic, tuple(sorted(unread)), Check(0, 0)))
        work.notes.append(
            f"{len(unread)} positions that are not read give other results than those that are: their arithmetic was not"
            " looked at, and that of the first class stands in its place"
        )
    alignment = _alignment(work, library, kernel)
    return Reveal(
        kernel=kernel,
        classes=tuple(classes),
        version=library.version() or "",
        repeats=repeats,
        alignment=alignment,
        tree_calls=work.tree_calls,
        calls=work.bench.calls,
        seconds=round(time.monotonic() - started, 3),
        notes=tuple(work.notes),
    )


def _bench(library: Library, kernel: Kernel, offset: int | None = None) -> KernelBench:
    """Where taps lie in a padding, of the sums of the others.  Raises CannotRun."""
    operation, inside = library.operation(kernel, offset), taps_inside(kernel)
    if inside is not None:
        operation, kernel = of_taps(operation, inside, kernel.terms), replace(kernel, terms=len(inside))
    return KernelBench(operation, kernel, library.rows_per_weights)


def digest(library: Library, kernel: Kernel, seed: int) -> str:
    """What stands for the results of a kernel on hostile vectors: equal arithmetics give equal digests."""
    bench = _bench(library, kernel)
    mixed = hashlib.sha256()
    for call in _calls(bench, seed, _DIGEST):
        mixed.update(_plain(bench.run(call)).tobytes())
    return mixed.hexdigest()


def _calls(bench: KernelBench, seed: int, number: int) -> Iterator[Call]:
    """So many hostile calls; where there are very many rows, most repeat others."""
    return islice(hostile_calls(bench.shape, bench.kernel.dtype, seed, distinct=_ROWS), number)


def _plain(results: Array) -> Array:
    """Every NaN alike, zeros without sign."""
    return np.where(np.isnan(results), np.nan, results) + 0.0


def _repeats(work: _Work) -> str:
    """Whether the same call gives the same results again."""
    changed = 0
    for call in _calls(work.bench, work.seed, _REPEATS):
        first, second = work.bench.run(call), work.bench.run(call)
        changed += _plain(first).tobytes() != _plain(second).tobytes()
    return "same" if not changed else f"{changed} of {_REPEATS} calls gave other results when repeated"


def _positions(work: _Work) -> list[Position]:
    return [(row, output) for row in range(work.bench.shape.batch) for output in range(work.bench.shape.outputs)]


def _groups(work: _Work) -> list[list[Position]]:
    """Positions that give equal results for equal operands, the largest group first."""
    shape, every = work.bench.shape, _positions(work)
    if len(every) == 1:
        return [every]
    results = [
        _plain(work.bench.run(call))
        for call, _ in zip(hostile_calls(shape, work.bench.kernel.dtype, work.seed, shared=True), range(_ALIKE), strict=False)
    ]
    stacked = np.ascontiguousarray(np.stack(results, axis=-1))
    found: dict[bytes, list[Position]] = {}
    for row, output in every:
        found.setdefault(stacked[row, output].tobytes(), []).append((row, output))
    return sorted(found.values(), key=len, reverse=True)


def _parted(groups: list[list[Position]], read: Read) -> tuple[list[list[Position]], list[Position]]:
    """The groups of positions that are read, and the positions of all others; where none is named, all are read."""
    wanted, own, others = set(read), list[list[Position]](), list[Position]()
    for group in groups:
        if not wanted or not wanted.isdisjoint(group):
            own.append(group)
        else:
            others += group
    return own, others


@dataclass
class _Trial:
    """What was made of one tree."""

    best: Best
    check: Check
    zeros: int
    missed: Answers | None


def _class(work: _Work, positions: list[Position], alike: list[Position]) -> PositionClass:
    """The arithmetic of positions, of which those ``alike`` act as one, and its check.

    Leaves that seem to be the operands of one step are taken for that at first: tensor cores have hundreds of such steps.
    Where that explains too little, each of them is probed.
    """
    bench, terms = work.bench, work.bench.kernel.terms
    where = f"row {positions[0][0]}, output {positions[0][1]}"
    few = joined(list(answers(bench, alike, _FEW * min(len(alike), _FEW_POSITIONS), work.seed + 3, calls=_FEW)))
    plain = _summed(work, alike, few, flat=True)
    trial = _tried(work, plain, positions, alike, few)
    if trial.missed is not None and any(len(step) > 2 for step in _steps(plain, work)):
        other = _summed(work, alike, few, flat=False)
        if other != plain:
            again = _tried(work, other, positions, alike, joined([few, trial.missed]))
            trial = max(trial, again, key=lambda one: one.check.explained)
    best, result = trial.best, trial.check
    if trial.missed is not None:
        work.notes.append(
            f"none of {best.tried} hypotheses explains {where}: on the tree that was found {best.words} were tried; the best"
            f" explains {result.explained} of {result.total} vectors"
        )
    if trial.zeros:
        work.notes.append(
            f"{where}: {trial.zeros} of {result.total} results differ from the prediction in the sign of a zero alone"
        )
    return PositionClass(named(best.arithmetic, terms), tuple(positions), result)


def _steps(how: Arithmetic, work: _Work) -> Sequence[Sequence[int]]:
    return program_of(how, work.bench.kernel.terms, work.bench.kernel.bias).tree.steps


def _tried(work: _Work, plain: Arithmetic, positions: list[Position], alike: list[Position], few: Answers) -> _Trial:
    """The hypothesis that explains most on the tree of ``plain``, and its check on all vectors."""
    bench, terms = work.bench, work.bench.kernel.terms
    best = completed(bench, plain, few, alike)
    held: dict[int, list[Answers]] = {}
    for attempt in range(_ATTEMPTS):
        rare = rarity(best.arithmetic, terms, bench.kernel.bias)
        calls = max(_CALLS, min(8 * rare, _MOST_CALLS))  # more calls with fewer vectors: fewer of the rare kinds
        asked = answers(bench, positions, work.vectors, work.seed + 1, calls=calls, rare=rare)
        if work.vectors * terms <= _HELD:
            asked = iter(held[rare] if rare in held else held.setdefault(rare, list(asked)))
        trial = _Trial(best, *check(best.arithmetic, asked))
        if trial.missed is None or attempt == _ATTEMPTS - 1:
            break
        few = joined([few, trial.missed])  # perhaps another hypothesis explains these, too
        other = completed(bench, plain, few, alike)
        if other.arithmetic == best.arithmetic:
            trial.best = other
            break
        best = other
    return trial


def _summed(work: _Work, positions: list[Position], few: Answers, flat: bool) -> Arithmetic:
    """The tree, and the place of the bias; everything else as in the simplest arithmetic.  ``flat``: see ``find_tree``."""
    bench, kernel = work.bench, work.bench.kernel
    before = bench.calls
    try:
        tree = tree_of(bench, positions, flat)
    except Inconsistent as error:
        where = f"row {positions[0][0]}, output {positions[0][1]}"
        transformed = kernel.environment.operation == "conv2d" and "; convolutions by Winograd's algorithm or FFT have none"
        work.notes.append(f"no tree was found for {where}: {error}{transformed or ''}; the named orders were tried instead")
        return guessed(kernel.dtype, kernel.terms, few)
    finally:
        work.tree_calls += bench.calls - before
    return placed_bias(tree, kernel.terms, kernel.dtype) if kernel.bias else Arithmetic(kernel.dtype, order=fixed_order(tree))


def _merged(classes: Sequence[PositionClass]) -> list[PositionClass]:
    """Classes with the same arithmetic as one: positions may differ in the sign of a zero, or in what is not explained."""
    merged: dict[Arithmetic, PositionClass] = {}
    for cls in classes:
        other = merged.get(cls.arithmetic)
        if other is None:
            merged[cls.arithmetic] = cls
            continue
        both = Check(
            cls.check.explained + other.check.explained,
            cls.check.total + other.check.total,
            other.check.first or cls.check.first,
        )
        merged[cls.arithmetic] = replace(other, positions=tuple(sorted((*other.positions, *cls.positions))), check=both)
    return list(merged.values())


def _alignment(work: _Work, library: Library, kernel: Kernel) -> str:
    """Whether the results depend on where the operands are in memory, as far as that can be chosen."""
    size = kernel.dtype.bits // 8
    offsets = sorted({size, 16, 32, 48} - {0})
    differing: set[int] = set()
    try:
        elsewhere = {offset: _bench(library, kernel, offset) for offset in offsets}
        for call in _calls(work.bench, work.seed + 2, _REPEATS):  # one at a time: the weights of all may not fit into memory
            wanted = _plain(work.bench.run(call)).tobytes()
            differing |= {offset for offset, moved in elsewhere.items() if _plain(moved.run(call)).tobytes() != wanted}
        work.bench.calls += sum(moved.calls for moved in elsewhere.values())
    except CannotRun as reason:
        return f"the library places its operands itself ({reason})"
    tried, other = ", ".join(map(str, offsets)), sorted(differing)
    if not other:
        return f"no effect of operands {tried} bytes past a multiple of 64"
    return f"other results with operands {', '.join(map(str, other))} bytes past a multiple of 64 (tried: {tried})"
