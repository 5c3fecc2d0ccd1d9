"""One kernel revealed in the process that it runs in: classes of positions, the tree and the properties of each, the check."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fpsynth.arithmetic import Arithmetic
from fpsynth.libraries.base import CannotRun, Library
from fpsynth.libraries.kernels import Kernel
from fpsynth.orders import fixed_order
from fpsynth.revealing.bench import Array, Bench, Position
from fpsynth.revealing.checking import Answers, answers, check, joined, rarity
from fpsynth.revealing.masks import tree_of
from fpsynth.revealing.properties import completed, guessed, named, placed_bias
from fpsynth.revealing.result import Check, PositionClass, Reveal
from fpsynth.revealing.trees import Inconsistent
from fpsynth.revealing.vectors import hostile_calls

_ALIKE = 96
"""Calls with equal rows and equal weights that tell classes of positions apart: eight of each kind of vector."""
_REPEATS = 24
"""Calls that are made twice."""
_DIGEST = 120
"""Calls whose results stand for an arithmetic when processes are compared."""
_FEW, _FEW_POSITIONS = 24, 8
"""Calls, and positions in each, that hypotheses are tried on: two calls of each kind of vector."""
_CALLS, _MOST_CALLS = 16, 256
"""Calls that a check makes at least, whatever the number of positions; and where some kinds of vectors are rare."""
_ATTEMPTS = 3
"""Checks that are made where vectors that were not explained tell hypotheses apart."""
_HYPOTHESES = (
    "fused and rounded products, flushing of subnormals, wider accumulators, operands rounded to TF32 and bfloat16, the other"
    " rounding modes, and products fused leaf by leaf"
)
MAX_CLASSES = 64
"""More arithmetics than this in one kernel are not revealed one by one."""


@dataclass
class _Work:
    """What is known of a kernel while it is revealed."""

    bench: Bench
    vectors: int
    seed: int
    notes: list[str] = field(default_factory=list)
    tree_calls: int = 0


def reveal_kernel(library: Library, kernel: Kernel, vectors: int, seed: int) -> Reveal:
    """Reveal ``kernel`` with a loaded library.  Raises CannotRun where it cannot be run."""
    started = time.monotonic()
    work = _Work(Bench(library.operation(kernel), kernel), vectors, seed)
    repeats = _repeats(work)
    groups = _groups(work)
    probed = groups[:MAX_CLASSES]
    if len(groups) > MAX_CLASSES:
        work.notes.append(
            f"{len(groups)} groups of positions gave different results; the first {MAX_CLASSES} were revealed, and the others"
            " are listed and checked with the last of these"
        )
        groups = [*groups[: MAX_CLASSES - 1], [position for group in groups[MAX_CLASSES - 1 :] for position in group]]
    classes = _merged([_class(work, group, alike) for group, alike in zip(groups, probed, strict=True)])
    if repeats != "same":
        work.notes.append("the same operands give different results: the kernel has no one arithmetic")
    alignment = _alignment(work, library, kernel)
    return Reveal(
        kernel=kernel,
        classes=tuple(sorted(classes, key=lambda cls: (-len(cls.positions), cls.positions))),
        version=library.version() or "",
        repeats=repeats,
        alignment=alignment,
        tree_calls=work.tree_calls,
        calls=work.bench.calls,
        seconds=round(time.monotonic() - started, 3),
        notes=tuple(work.notes),
    )


def digest(library: Library, kernel: Kernel, seed: int) -> str:
    """What stands for the results of a kernel on hostile vectors: equal arithmetics give equal digests."""
    bench = Bench(library.operation(kernel), kernel)
    calls = zip(hostile_calls(bench.shape, kernel.dtype, seed), range(_DIGEST), strict=False)
    mixed = hashlib.sha256()
    for call, _ in calls:
        mixed.update(_plain(bench.run(call)).tobytes())
    return mixed.hexdigest()


def _plain(results: Array) -> Array:
    """Every NaN alike, zeros without sign."""
    return np.where(np.isnan(results), np.nan, results) + 0.0


def _repeats(work: _Work) -> str:
    """Whether the same call gives the same results again."""
    changed = 0
    for call, _ in zip(hostile_calls(work.bench.shape, work.bench.kernel.dtype, work.seed), range(_REPEATS), strict=False):
        first, second = work.bench.run(call), work.bench.run(call)
        changed += _plain(first).tobytes() != _plain(second).tobytes()
    return "same" if not changed else f"{changed} of {_REPEATS} calls gave other results when repeated"


def _groups(work: _Work) -> list[list[Position]]:
    """Positions that give equal results for equal operands, the largest group first."""
    shape = work.bench.shape
    every = [(row, output) for row in range(shape.batch) for output in range(shape.outputs)]
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


def _class(work: _Work, positions: list[Position], alike: list[Position]) -> PositionClass:
    """The arithmetic of positions, of which those ``alike`` act as one, and its check."""
    bench, terms = work.bench, work.bench.kernel.terms
    vectors = _FEW * min(len(alike), _FEW_POSITIONS)
    few = joined(list(answers(bench, alike, vectors, work.seed + 3, calls=_FEW)))
    plain = _summed(work, alike, few)
    how, tried = completed(bench, plain, few, alike)
    for attempt in range(_ATTEMPTS):
        rare = rarity(how, terms)
        calls = max(_CALLS, min(8 * rare, _MOST_CALLS))  # more calls with fewer vectors: fewer of the rare kinds
        asked = answers(bench, positions, work.vectors, work.seed + 1, calls=calls, rare=rare)
        result, zeros, missed = check(how, asked)
        if missed is None or attempt == _ATTEMPTS - 1:
            break
        few = joined([few, missed])  # perhaps another hypothesis explains these, too
        other, tried = completed(bench, plain, few, alike)
        if other == how:
            break
        how = other
    where = f"row {positions[0][0]}, output {positions[0][1]}"
    if missed is not None:
        work.notes.append(
            f"none of {tried} hypotheses explains {where}: {_HYPOTHESES} were tried on the tree that was found; the best one"
            f" explains {result.explained} of {result.total} vectors"
        )
    if zeros:
        work.notes.append(f"{where}: {zeros} of {result.total} results differ from the prediction in the sign of a zero alone")
    return PositionClass(named(how, terms), tuple(positions), result)


def _summed(work: _Work, positions: list[Position], few: Answers) -> Arithmetic:
    """The tree, and the place of the bias; everything else as in the simplest arithmetic."""
    bench, kernel = work.bench, work.bench.kernel
    before = bench.calls
    try:
        tree = tree_of(bench, positions)
    except Inconsistent as error:
        where = f"row {positions[0][0]}, output {positions[0][1]}"
        work.notes.append(f"no tree was found for {where}: {error}; the named orders were tried instead")
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
    calls = [c for c, _ in zip(hostile_calls(work.bench.shape, kernel.dtype, work.seed + 2), range(_REPEATS), strict=False)]
    wanted = [_plain(work.bench.run(call)).tobytes() for call in calls]
    other: list[int] = []
    try:
        for offset in offsets:
            moved = Bench(library.operation(kernel, offset), kernel)
            if [_plain(moved.run(call)).tobytes() for call in calls] != wanted:
                other.append(offset)
            work.bench.calls += moved.calls
    except CannotRun as reason:
        return f"the library places its operands itself ({reason})"
    tried = ", ".join(map(str, offsets))
    if not other:
        return f"no effect of operands {tried} bytes past a multiple of 64"
    return f"other results with operands {', '.join(map(str, other))} bytes past a multiple of 64 (tried: {tried})"
