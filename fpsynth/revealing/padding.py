"""Kernels at a place of a layer where taps lie in a padding: revealed as sums of the other taps, told as sums of all of them.

What a probe puts at a tap in a padding does not reach the sum, so that no probe of all taps shows how the others are added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from fpsynth.aliases import Array
from fpsynth.errors import InputError
from fpsynth.libraries.base import Operation
from fpsynth.libraries.kernels import Kernel
from fpsynth.networks.layers.structure import PADDING
from fpsynth.orders import Builder, Tree, fixed_order
from fpsynth.revealing.properties import families
from fpsynth.revealing.result import Check, PositionClass
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.sums.restriction import restrict_program


def taps_inside(kernel: Kernel) -> tuple[int, ...] | None:
    """The terms of a layer's kernel whose taps lie in the input at its position; None where all do, or none."""
    if kernel.layer is None or not kernel.layer.sums.taps.padded:
        return None
    read = kernel.layer.sums.taps.at(np.array([kernel.position]))[0]
    inside = np.flatnonzero(read != PADDING)
    return tuple(inside.tolist()) if 0 < len(inside) < len(read) else None


def of_taps(operation: Operation, inside: Sequence[int], terms: int) -> Operation:
    """An operation on sums of ``terms`` terms as one on sums of those ``inside``; the others are zero."""
    places = np.array(inside)

    def spread(values: Array) -> Array:
        whole = np.zeros((len(values), terms), values.dtype)
        whole[:, places] = values
        return whole

    return lambda rows, weights, bias: operation(spread(rows), spread(weights), bias)


def with_padding(found: PositionClass, inside: Sequence[int], terms: int, bias: bool) -> PositionClass:
    """A class of positions of sums of the terms ``inside`` as one of sums of all ``terms``, of which the others are zero."""
    first = found.check.first
    if first is not None:
        inputs, weights = (_spread(values, inside, terms) for values in (first.inputs, first.weights))
        first = replace(first, inputs=inputs, weights=weights)
    how = over_all(found.arithmetic, inside, terms, bias)
    return PositionClass(how, found.positions, Check(found.check.explained, found.check.total, first))


def _spread(values: Sequence[float], inside: Sequence[int], terms: int) -> tuple[float, ...]:
    whole = [0.0] * terms
    for place, value in zip(inside, values, strict=True):
        whole[place] = value
    return tuple(whole)


def over_all(how: Arithmetic, inside: Sequence[int], terms: int, bias: bool) -> Arithmetic:
    """An arithmetic of ``terms`` terms that computes, where all but those ``inside`` are zero, what ``how`` computes of these.

    Where the order of one with a name comes to that, it is taken; else zeros are added at the end, which changes no number
    but perhaps the sign of a zero.
    """
    wanted = program_of(how, len(inside), bias)
    if how.given is None:
        for one in _named(how, inside, terms):
            try:
                if restrict_program(program_of(one, terms, bias), inside, numbers=True) == wanted:
                    return one
            except InputError:  # a step that aligns and is left with one operand
                continue
    return Arithmetic(how.format, given=_appended(wanted, inside, terms))


def _named(how: Arithmetic, inside: Sequence[int], terms: int) -> Iterator[Arithmetic]:
    """The arithmetic with orders of all terms: its own if it has a name, the others with a name, and the tree with zeros last."""
    rounded = tuple(inside[leaf] for leaf in how.rounded)
    tree = how.order.tree(len(inside) + how.bias_leaf)
    if not how.bias_leaf:
        widest = max(map(len, tree.steps), default=2)
        for order in dict.fromkeys([*([how.order] if how.order.fixed is None else []), *families(widest)]):
            yield replace(how, order=order, rounded=rounded)
    others = tuple(sorted(set(range(terms)) - set(inside)))
    aligned = how.alignment is not None  # an aligned step cuts its operands: what is rounded before has an ordinary one
    kept = tuple(sorted((*rounded, *others))) if aligned else rounded
    yield replace(how, order=fixed_order(_with_zeros(tree, inside, terms)), rounded=kept)


def _with_zeros(tree: Tree, inside: Sequence[int], terms: int) -> Tree:
    """A tree over leaves ``inside``, and perhaps a bias, with all other leaves added at its end, one by one."""
    more = tree.leaves - len(inside)
    build = Builder(terms + more)
    nodes = [*inside, *range(terms, terms + more)]
    for step in tree.steps:
        nodes.append(build.add(*(nodes[node] for node in step)))
    last = nodes[tree.root]
    for leaf in sorted(set(range(terms)) - set(inside)):
        last = build.add(last, leaf)
    return build.tree()


def _appended(program: Program, inside: Sequence[int], terms: int) -> Program:
    """A program over the products ``inside`` as one of all of them, the others added at its end as products that are zero."""
    tree = _with_zeros(program.tree, inside, terms)
    wide = program.node_formats[program.tree.root]
    assert wide is not None
    zero = Round(wide, Rounding.RNE)
    own = dict(zip(inside, program.leaves, strict=False))
    leaves = [own.get(leaf, Leaf(LeafKind.PRODUCT, (), (zero,))) for leaf in range(terms)]
    added = Step(StepKind.ADD, (zero,))
    steps = (*program.steps, *[added] * (terms - len(inside)))
    return Program(program.format, tree, (*leaves, *program.leaves[len(inside) :]), steps, program.result)
