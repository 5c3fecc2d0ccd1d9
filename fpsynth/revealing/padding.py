"""Kernels at a place of a layer where taps lie in a padding: revealed as sums of the other taps, told as sums of all of them.

What a row holds at a tap in a padding does not reach the sum: no probe shows how the others are added if it needs that tap.
The order of the others is what was found; where the taps in the padding stand in it is made up, and says nothing of a place
that reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fpsynth.aliases import Array
from fpsynth.errors import InputError
from fpsynth.formats import holds
from fpsynth.libraries.base import CannotRun, Operation
from fpsynth.libraries.kernels import Kernel
from fpsynth.networks.layers import Sums
from fpsynth.networks.layers.structure import PADDING
from fpsynth.orders import Builder, Order, Tree, equal, fixed_order, parse_order, restrict
from fpsynth.revealing.properties import families
from fpsynth.revealing.result import Check, PositionClass
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.sums.restriction import restrict_program

MADE_UP = "some taps lie in the padding: their place in the order is made up, and says nothing of places that read them"
"""A note of a reveal."""
_CHUNK = 1 << 22
"""Taps that are looked at at a time."""


@dataclass(frozen=True)
class TapsInside:
    """Which taps of a layer lie in its input, by position."""

    sets: Array
    """(different sets, terms)."""
    of: Array
    """The set of each position, (positions,)."""

    def within(self, positions: Sequence[int]) -> Array:
        """Of which positions all taps in the input lie there at one of these positions, too, (all positions,)."""
        chosen = self.sets[sorted({int(self.of[position]) for position in positions})]
        covered = np.array([not (own & ~chosen).any(axis=1).all() for own in self.sets])
        return np.asarray(covered[self.of])


def taps_of(sums: Sums) -> TapsInside:
    """Those of a layer."""
    if not sums.taps.padded:
        return TapsInside(np.ones((1, sums.terms), bool), np.zeros(sums.positions, np.intp))
    size = max(1, _CHUNK // sums.terms)
    parts = [np.arange(start, min(start + size, sums.positions)) for start in range(0, sums.positions, size)]
    packed = np.concatenate([np.packbits(sums.taps.at(part) != PADDING, axis=1) for part in parts])
    sets, of = np.unique(packed, axis=0, return_inverse=True)
    return TapsInside(np.unpackbits(sets, axis=1, count=sums.terms).astype(bool), of.reshape(-1))


def taps_inside(kernel: Kernel) -> tuple[int, ...] | None:
    """The terms of a layer's kernel whose taps lie in the input at its position; None where all do.

    Raises CannotRun where none does: there is no sum to look at.
    """
    if kernel.layer is None or not kernel.layer.sums.taps.padded:
        return None
    read = kernel.layer.sums.taps.at(np.array([kernel.position]))[0]
    inside = np.flatnonzero(read != PADDING)
    if not len(inside):
        raise CannotRun(f"no tap of position {kernel.position} lies in the input: nothing is added there")
    return tuple(inside.tolist()) if len(inside) < len(read) else None


def of_taps(operation: Operation, inside: Sequence[int], terms: int) -> Operation:
    """An operation on sums of ``terms`` terms as one on sums of those ``inside``.

    The rows of the others, which it does not read, are zero.  Their weights are not: what it makes of these must not matter.
    """
    places, others = np.array(inside), np.setdiff1d(np.arange(terms), inside)

    def spread(values: Array) -> Array:
        whole = np.zeros((len(values), terms), values.dtype)
        whole[:, places] = values
        return whole

    def compute(rows: Array, weights: Array, bias: Array | None) -> Array:
        held = spread(weights)
        held[:, others] = weights[:, np.arange(len(others)) % len(places)]
        return operation(spread(rows), held, bias)

    return compute


def with_padding(found: PositionClass, inside: Sequence[int], kernel: Kernel) -> PositionClass:
    """A class of positions of sums of the terms ``inside`` as one of sums of all terms of a kernel, the others being zero."""
    first = found.check.first
    if first is not None:
        inputs, weights = (_spread(values, inside, kernel.terms) for values in (first.inputs, first.weights))
        first = replace(first, inputs=inputs, weights=weights)
    how = over_all(found.arithmetic, inside, kernel.terms, kernel.bias, _widths(kernel))
    return PositionClass(how, found.positions, Check(found.check.explained, found.check.total, first))


def _spread(values: Sequence[float], inside: Sequence[int], terms: int) -> tuple[float, ...]:
    whole = [0.0] * terms
    for place, value in zip(inside, values, strict=True):
        whole[place] = value
    return tuple(whole)


def _widths(kernel: Kernel) -> tuple[int, ...]:
    """Taps per channel, and channels, in steps of which libraries often add."""
    shape = {} if kernel.layer is None else dict(kernel.layer.parameters)
    taps = int(np.prod(shape["weight"][2:])) if "weight" in shape else 0
    return tuple(width for width in (taps, kernel.terms // max(taps, 1)) if 1 < width < kernel.terms)


def over_all(how: Arithmetic, inside: Sequence[int], terms: int, bias: bool, widths: Sequence[int] = ()) -> Arithmetic:
    """An arithmetic of ``terms`` terms that computes, where all but those ``inside`` are zero, what ``how`` computes of these.

    Where the order of one with a name comes to that, it is taken, those by ``widths`` among them; else zeros are added at the
    end.  The sign of a zero may be another.
    """
    wanted = program_of(how, len(inside), bias)
    if how.given is None:
        for one in _candidates(how, inside, terms, widths):
            try:
                if _alike(restrict_program(program_of(one, terms, bias), inside, numbers=True), wanted):
                    return one
            except InputError:  # a step that aligns and is left with one operand
                continue
    return Arithmetic(how.format, given=_appended(wanted, inside, terms))


def _candidates(how: Arithmetic, inside: Sequence[int], terms: int, widths: Sequence[int]) -> Iterator[Arithmetic]:
    """The arithmetic with orders of all terms that come to its own: those with a name, and the tree with zeros last."""
    rounded = tuple(inside[leaf] for leaf in how.rounded)
    tree = how.order.tree(len(inside) + how.bias_leaf)
    for order in [] if how.bias_leaf else _named(how.order, tree, widths):
        whole = order.tree(terms)
        if _keeps_its_steps(whole, inside) and equal(restrict(whole, inside)[0], tree):
            for those in dict.fromkeys(((), rounded)):
                yield replace(how, order=order, rounded=those)
    others = tuple(sorted(set(range(terms)) - set(inside)))
    aligned = how.alignment is not None  # an aligned step cuts its operands: what is rounded before has an ordinary one
    kept = tuple(sorted((*rounded, *others))) if aligned else rounded
    yield replace(how, order=fixed_order(_with_zeros(tree, inside, terms)), rounded=kept)


def _named(order: Order, tree: Tree, widths: Sequence[int]) -> list[Order]:
    """Orders with a name that may come to a tree, its own first."""
    own = [order] if order.fixed is None else []
    by_width = [parse_order(f"{family}:{k}") for k in widths for family in ("interleaved", "blocked", "strided", "lanes")]
    return list(dict.fromkeys([*own, *families(max(map(len, tree.steps), default=2)), *by_width]))


def _keeps_its_steps(tree: Tree, inside: Sequence[int]) -> bool:
    """Whether no step of several operands is left with two or one, which an infinity would tell apart."""
    there = [False] * (tree.leaves + len(tree.steps))
    for leaf in inside:
        there[leaf] = True
    for node, step in enumerate(tree.steps, tree.leaves):
        count = sum(there[operand] for operand in step)
        if len(step) > 2 and count in (1, 2):
            return False
        there[node] = count > 0
    return True


def _alike(a: Program, b: Program) -> bool:
    """Whether two programs are the same but for the order of operands, and of steps that do not wait for one another."""
    names: dict[object, int] = {}

    def root(program: Program) -> int:
        nodes = [names.setdefault((k, leaf), len(names)) for k, leaf in enumerate(program.leaves)]
        for operands, step in zip(program.tree.steps, program.steps, strict=True):
            nodes.append(names.setdefault((step, tuple(sorted(nodes[node] for node in operands))), len(names)))
        return nodes[program.tree.root]

    return (a.format, a.result, len(a.leaves)) == (b.format, b.result, len(b.leaves)) and root(a) == root(b)


def _with_zeros(tree: Tree, inside: Sequence[int], terms: int) -> Tree:
    """A tree over leaves ``inside``, and perhaps a bias, with all other leaves added at its end, one by one."""
    more = tree.leaves - len(inside)
    build = Builder(terms + more)
    nodes = [*inside, *range(terms, terms + more)]
    for step in tree.steps:
        nodes.append(build.add(*(nodes[node] for node in step)))
    build.chain([nodes[tree.root], *sorted(set(range(terms)) - set(inside))])
    return build.tree()


def _appended(program: Program, inside: Sequence[int], terms: int) -> Program:
    """A program over the products ``inside`` as one of all of them, the others added at its end as products that are zero."""
    wide = program.node_formats[program.tree.root]
    assert wide is not None
    assert program.format is not None
    zero = Round(wide, Rounding.RNE)
    product = Leaf(LeafKind.PRODUCT, () if holds(wide, program.format) else (zero,), (zero,))
    own = dict(zip(inside, program.leaves, strict=False))
    leaves = [own.get(leaf, product) for leaf in range(terms)]
    steps = (*program.steps, *[Step(StepKind.ADD, (zero,))] * (terms - len(inside)))
    tree = _with_zeros(program.tree, inside, terms)
    return Program(program.format, tree, (*leaves, *program.leaves[len(inside) :]), steps, program.result)
