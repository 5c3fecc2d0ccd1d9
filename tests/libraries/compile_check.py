"""Run as a program: torch.compile of every operation at many shapes; prints JSON."""

from __future__ import annotations

import json

import numpy as np

from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.torch import Torch
from fpsynth.networks.layers import Add, AveragePooling, Convolution, MaxPooling, ReLU
from fpsynth.networks.network import INPUT, Network, Node


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


def residual_graph(library: Torch, numbers: np.random.Generator) -> list[str]:
    """Logits of a small graph with a convolution, pooling and an addition that are not the reference's; both batch sizes."""
    weight = numbers.integers(-2, 3, (2, 2, 3, 3)).astype(np.float64)
    nodes = (
        Node("conv", Convolution(weight, padding=1)),
        Node("relu", ReLU(), ("conv",)),
        Node("add", Add(), ("relu", INPUT)),
        Node("average", AveragePooling((2, 2), ceil=True), ("add",)),
        Node("maximum", MaxPooling((2, 2), (1, 1), ((0, 1), (1, 0))), ("average",)),
    )
    network, wrong = Network(nodes, (2, 5, 4), "maximum"), []
    for batch in (1, 3):
        points = numbers.integers(-2, 3, (batch, 40)).astype(np.float64)
        logits = np.array(library.run(network, points.tolist(), FLOAT32, "linear").logits)
        exact = float64_outputs(network, points.reshape(batch, 2, 5, 4)).reshape(batch, -1)
        if not np.array_equal(logits, exact):
            wrong.append(f"graph at batch {batch}: {logits.tolist()}, not {exact.tolist()}")
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
    wrong += residual_graph(library, numbers)
    report = {"inexact": wrong, "shapes": len(shapes), "graphs": counted, "facts": library.describe("cpu")}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
