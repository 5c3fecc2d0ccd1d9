"""Libraries whose kernels are simulated, so that it is known what a reveal must find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import Format
from fpsynth.libraries.base import CannotRun, Library, Operation
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.operands import narrowed, widened
from fpsynth.orders import Tree
from fpsynth.revealing.kernel import reveal_kernel
from fpsynth.revealing.result import Reveal
from fpsynth.sums.arithmetic import Arithmetic

Array = NDArray[Any]


@dataclass
class Simulated:
    """As much of a library as a reveal asks for."""

    compute: Operation
    rows_per_weights: int = 1
    moved: Callable[[int], Operation] | None = None
    """What it computes with operands so many bytes past a multiple of 64; None: it places them itself."""

    def operation(self, kernel: Kernel, offset: int | None = None) -> Operation:
        """The kernel.  Raises CannotRun where it is to say where operands are in memory, and places them itself."""
        if offset is None:
            return self.compute
        if self.moved is None:
            raise CannotRun("they are nowhere")
        return self.moved(offset)

    def version(self) -> str:
        """Of nothing."""
        return "1"


def kernel(
    fmt: Format, terms: int, *, batch: int = 1, outputs: int = 1, bias: bool = False, operation: str = "linear"
) -> Kernel:
    """A kernel of a layer, or a plain ``sum``."""
    return Kernel(Environment("torch", operation, batch=batch, outputs=outputs), fmt, terms, outputs, bias)


def revealed(compute: Operation, what: Kernel, vectors: int = 300) -> Reveal:
    """What is found out about any function that takes operands."""
    return reveal_kernel(cast(Library, Simulated(compute)), what, vectors, 0)


def layer(what: Kernel, how: Callable[[int, int], Arithmetic]) -> Operation:
    """The operation whose sum at (row, output) is evaluated in ``how(row, output)``."""
    places: dict[Arithmetic, list[tuple[int, int]]] = {}
    for row in range(what.environment.batch):
        for output in range(what.outputs):
            places.setdefault(how(row, output), []).append((row, output))

    def compute(rows: Array, weights: Array, bias: Array | None) -> Array:
        results = np.empty((len(rows), len(weights)))
        for arithmetic, positions in places.items():
            r, c = np.array(positions).T
            b = None if bias is None else widened(bias[c])
            results[r, c] = sum_of_products(arithmetic, widened(weights[c]), widened(rows[r]), b)
        return narrowed(results, what.dtype, patterns=True)

    return compute


def reveal_of(how: Arithmetic, terms: int, **shape: Any) -> Reveal:
    """What is found out about a kernel that is evaluated in ``how`` everywhere."""
    assert how.format is not None
    what = kernel(how.format, terms, **shape)
    return revealed(layer(what, lambda row, output: how), what)


def random_tree(rng: np.random.Generator, leaves: int, arity: int = 2) -> Tree:
    """Any tree whose steps add at most ``arity`` nodes."""
    nodes, steps = list(range(leaves)), list[tuple[int, ...]]()
    while len(nodes) > 1:
        width = min(len(nodes), int(rng.integers(2, arity + 1)))
        steps.append(tuple(nodes.pop(int(rng.integers(len(nodes)))) for _ in range(width)))
        nodes.append(leaves + len(steps) - 1)
    return Tree(leaves, tuple(steps))
