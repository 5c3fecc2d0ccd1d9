"""Run as a program: torch.compile of every operation at many shapes; prints JSON."""

from __future__ import annotations

import json

import numpy as np

from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.torch import Torch


def graphs() -> int:
    """Graphs that torch has compiled so far."""
    import torch

    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


def inexact(library: Torch, operation: str, terms: int, batch: int, numbers: np.random.Generator) -> list[str]:
    """Kernels whose sums of small integers are not the exact ones; weights change from call to call."""
    plain = operation in ("sum", "vdot")
    outputs = 1 if plain else 3
    kernel = Kernel(Environment("torch", operation, batch), FLOAT32, terms, outputs, not plain)
    compute, wrong = library.operation(kernel), []
    for _ in range(3):
        rows, weights, bias = (
            numbers.integers(-3, 4, size).astype("f") for size in ((batch, terms), (outputs, terms), outputs)
        )
        exact = rows @ (np.ones_like(weights) if operation == "sum" else weights).T + (0 if plain else bias)
        if not np.array_equal(compute(rows, weights, None if plain else bias), exact):
            wrong.append(str(kernel))
    return wrong


def main() -> None:
    """The findings."""
    library, numbers = Torch(), np.random.default_rng(5)
    library.start("cpu", None, {"compile": "on"})
    wrong: list[str] = []
    shapes = [("linear", terms, batch) for terms in (3, 4, 5, 6, 7, 8) for batch in (1, 2, 3)]
    shapes += [("matmul", 8, 4), ("sum", 8, 4), ("sum", 8, 1), ("vdot", 8, 1), ("conv2d", 9, 2)]
    for shape in shapes:
        wrong += inexact(library, *shape, numbers)
    counted = graphs()
    report = {"inexact": wrong, "shapes": len(shapes), "graphs": counted, "facts": library.describe("cpu")}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
