"""What no arithmetic here says, but kernels do: parts of sums that are rounded before they are added, or wider than others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fpsynth.arithmetic import Arithmetic
from fpsynth.evaluators.float_arrays import add_arrays, round_array
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import FLOAT32, Format
from fpsynth.orders import Tree, fixed_order, restrict
from fpsynth.revealing.bench import Array
from fpsynth.revealing.checking import Answers, same_numbers
from fpsynth.rounding import Rounding


def departure(how: Arithmetic, given: Answers) -> str:
    """How the vectors come about if ``how`` is right but for one rounding more, in words; empty where that is not so."""
    fmt = how.format
    if fmt is None or how.bias_first or how.bias_leaf:
        return ""
    if given.bias is not None and how.sum_format != fmt:
        total = sum_of_products(how, given.weights, given.inputs)
        if _explains(add_arrays(total, given.bias, fmt), given):
            return f"the sum is rounded to {fmt} before the bias is added"
    if fmt == FLOAT32 and how.accumulator is None and how.alignment is None:
        tail = _wide_tail(how, given)
        if tail:
            last = f"the last {f'{tail} products are' if tail > 1 else 'product is'} rounded and added up in float64"
            return f"{last}, and the rest of the sum to {'them' if tail > 1 else 'it'} at the end"
    if how.alignment is None or how.rounded or fmt.bits >= 32:
        return ""
    wide = replace(how, accumulator=FLOAT32, alignment=replace(how.alignment, rounding=Rounding.RTZ))
    tree = how.order.tree(given.inputs.shape[-1])
    parts = list(_parts(tree))
    if parts and min(tree.steps[-1]) >= tree.leaves:
        worth = {node: _part(wide, tree, leaves, given) for node, leaves in parts}
        for narrow in (FLOAT32, fmt):
            if _explains(_added(tree, dict(worth), narrow, fmt, given.bias), given):
                return f"each of {len(parts)} parts of the sum is rounded to {fmt} before these are added in {narrow}"
    return ""


def _explains(results: Array, given: Answers) -> bool:
    return bool(same_numbers(results, given.returned).all())


def _wide_tail(how: Arithmetic, given: Answers) -> int:
    """How many products at the end are rounded and summed from left to right in float64 (OpenBLAS's sdot); 0 for none."""
    terms = int(given.inputs.shape[-1])
    tree = how.order.tree(terms)
    below: list[range] = [range(leaf, leaf + 1) for leaf in range(tree.leaves)]
    for step in tree.steps:
        below.append(range(min(below[node].start for node in step), max(below[node].stop for node in step)))
    last = [part for part in map(below.__getitem__, tree.steps[-1]) if part.stop == terms] if tree.steps else []
    if len(tree.steps[-1:]) != 1 or len(tree.steps[-1]) != 2 or not last or not 0 < last[0].start < terms - 1:
        return 0
    start = last[0].start
    order, _ = restrict(tree, range(start))
    main = replace(how, order=fixed_order(order), fused=True, rounded=tuple(leaf for leaf in how.rounded if leaf < start))
    with np.errstate(all="ignore"):
        products = round_array(given.weights[:, start:] * given.inputs[:, start:], FLOAT32)
        total = np.zeros(len(given))
        for product in products.T:
            total = total + product
        for rest in (main, replace(main, fused=False, rounded=())):
            results = total + sum_of_products(rest, given.weights[:, :start], given.inputs[:, :start])
            if _explains(round_array(results, FLOAT32), given):
                return terms - start
    return 0


def _parts(tree: Tree) -> Iterator[tuple[int, list[int]]]:
    """The sums that steps of partial sums alone add up, and their leaves."""
    below: list[list[int]] = [[leaf] for leaf in range(tree.leaves)]
    ordinary: set[int] = set()
    for node, step in enumerate(tree.steps, tree.leaves):
        below.append([leaf for operand in step for leaf in below[operand]])
        if min(step) >= tree.leaves:
            ordinary.add(node)
            yield from ((operand, below[operand]) for operand in step if operand not in ordinary)


def _part(how: Arithmetic, tree: Tree, leaves: list[int], given: Answers) -> Array:
    """A part of the sum, rounded into the format."""
    order, kept = restrict(tree, leaves)
    chosen = np.array(kept)
    return sum_of_products(replace(how, order=fixed_order(order)), given.weights[:, chosen], given.inputs[:, chosen])


def _added(tree: Tree, worth: dict[int, Array], wide: Format, fmt: Format, bias: Array | None) -> Array:
    """The parts added along the tree in a format, then the bias; rounded into another."""
    for node, step in enumerate(tree.steps, tree.leaves):
        if all(operand in worth for operand in step):
            total = worth[step[0]]
            for operand in step[1:]:
                total = add_arrays(total, worth[operand], wide)
            worth[node] = total
    total = worth[tree.root]
    return round_array(total if bias is None else add_arrays(total, bias, wide), fmt)
