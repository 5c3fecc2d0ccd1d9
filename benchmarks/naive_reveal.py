"""FPRev as published, one call per probe: the tree of a sum, found by what a huge number and its opposite swallow.

Xie et al., "FPRev: Revealing Floating-Point Accumulation Order", ATC 2025: all numbers are 1 but M at i and -M at j, with M so
large that whatever is added to it is lost; n minus the result is l(i, j), the number of leaves below the lowest common ancestor
of i and j.  The leaves are grouped by their l(i, .) for one i, and each group is treated in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import numpy as np

from fpsynth.formats import power_of_two
from fpsynth.libraries.base import Library
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.operands import numpy_dtype
from fpsynth.orders import Builder, Tree

Lost = Callable[[int, int], int]
"""l(i, j)."""
Built = tuple[int, int]
"""A node, and the number of leaves below it or, if that is more, below the fused step that it is the first part of."""


def fprev(leaves: int, lost: Lost) -> Tree:
    """The tree of a sum of ``leaves`` >= 1 terms; a stack of generators stands for the recursion, however deep that is."""
    operands: dict[int, list[int]] = {}
    stack, result = [_subtree(range(leaves), leaves, lost, operands)], None
    while stack:
        try:
            group = stack[-1].send(result)
        except StopIteration as done:
            stack.pop()
            result = done.value
        else:
            stack.append(_subtree(group, leaves, lost, operands))
            result = None
    assert result is not None
    build = Builder(leaves)
    build.nested(result[0], operands.__getitem__)
    return build.tree()


def _subtree(
    group: Sequence[int], leaves: int, lost: Lost, operands: dict[int, list[int]]
) -> Generator[Sequence[int], Built | None, Built]:
    """Build the tree of a group of leaves; yields smaller groups and is sent what they were built into."""
    pivot, *others = group
    by_count: dict[int, list[int]] = {}
    for leaf in others:
        by_count.setdefault(lost(pivot, leaf), []).append(leaf)
    node, size = pivot, 1
    for size in sorted(by_count):
        built = yield by_count[size]
        assert built is not None
        inner, inner_size = built
        if inner_size == len(by_count[size]):
            operands[leaves + len(operands)] = [node, inner]
            node = leaves + len(operands) - 1
        else:  # the group is only a part of a fused step, to which what has been built so far belongs as well
            operands[inner].insert(0, node)
            node = inner
    return node, size


class Probe:
    """l(i, j) of a kernel's row 0 and output 0: one call each, all rows and all outputs alike."""

    def __init__(self, library: Library, kernel: Kernel) -> None:
        """Raises CannotRun where the library cannot run the kernel."""
        self.operation, self.terms, self.calls = library.operation(kernel), kernel.terms, 0
        dtype = numpy_dtype(kernel.dtype)
        self.rows = np.ones((kernel.environment.batch, kernel.terms), dtype)
        self.weights = np.ones((kernel.outputs, kernel.terms), dtype)
        self.huge = float(power_of_two(kernel.dtype.emax))

    def __call__(self, i: int, j: int) -> int:
        """One call of the library."""
        self.calls += 1
        self.rows[:, i], self.rows[:, j] = self.huge, -self.huge
        result = self.operation(self.rows, self.weights, None)[0, 0]
        self.rows[:, [i, j]] = 1
        return self.terms - int(result)
