"""Run as a program, with a library's name: compares what it computes by ``operation`` and by ``run``; prints JSON."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from typing import Any

from fpsynth.formats import FLOAT32, FLOAT64, FORMATS, TF32, Format
from fpsynth.libraries.base import CannotRun, Library
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.registry import library_named
from fpsynth.networks.network import Dense, Network

SHAPES = [(terms, outputs, batch) for terms in (3, 7, 64, 784) for outputs in (1, 2, 10) for batch in (1, 4, 64)]


def same_bits(library: Library, variant: str, draw: random.Random) -> list[str]:
    """Random one-layer networks on which ``operation`` and ``run`` differ in a bit; several networks for each operation."""
    import numpy as np

    numbers, wrong = np.random.default_rng(draw.randrange(1 << 30)), []
    for terms, outputs, batch in draw.sample(SHAPES, 10):
        dtype, biased = draw.choice((FLOAT32, FLOAT64)), draw.random() < 0.5
        kernel = Kernel(Environment(library.name, variant, batch), dtype, terms, outputs, biased)
        operation = library.operation(kernel)
        for _ in range(2):
            rows, weight, bias = (
                numbers.standard_normal(size).astype(dtype.name) for size in ((batch, terms), (outputs, terms), outputs)
            )
            layer = Dense(tuple(map(tuple, weight.tolist())), tuple(bias.tolist()) if biased else None)
            ran = library.run(Network((layer,)), rows.tolist(), dtype, variant).logits
            if tuple(map(tuple, operation(rows, weight, bias if biased else None).tolist())) != ran:
                wrong.append(f"{kernel}")
    return wrong


def exact_sums(library: Library, operation: str, dtype: Format) -> list[str]:
    """Kernels whose sums of small integers, in which nothing is rounded, are not the exact ones."""
    import numpy as np

    numbers, wrong = np.random.default_rng(7), []
    for terms in (1, 3, 8, 27, 64):
        for outputs, batch in ((1, 1), (3, 1), (1, 4), (10, 5)):
            if (operation == "vdot" and batch > 1) or (operation in ("sum", "vdot") and outputs > 1):
                continue
            rows, weights, bias = (
                numbers.integers(-3, 4, size).astype(dtype.name) for size in ((batch, terms), (outputs, terms), outputs)
            )
            biased = operation not in ("sum", "vdot")
            kernel = Kernel(Environment(library.name, operation, batch), dtype, terms, outputs, biased)
            try:
                found = library.operation(kernel)(rows, weights, bias if biased else None)
            except CannotRun as reason:
                if dtype == FLOAT32:
                    wrong.append(f"{kernel}: {reason}")
                continue
            exact = rows @ (np.ones_like(weights) if operation == "sum" else weights).T + (bias if biased else 0)
            if found.dtype != rows.dtype or not np.array_equal(found, exact):
                wrong.append(f"{kernel}: {found.tolist()}, not {exact.tolist()}")
    return wrong


def refusal(action: Callable[[], Any]) -> str:
    """The reason for which an action cannot be done; empty if it can."""
    try:
        action()
    except CannotRun as reason:
        return str(reason)
    return ""


def report(name: str) -> dict[str, Any]:
    """Everything that the tests look at."""
    library, draw = library_named(name), random.Random(3)
    library.load("cpu")

    def refused(operation: str, dtype: str = "float32", batch: int = 1, bias: bool = False, offset: int | None = None) -> str:
        kernel = Kernel(Environment(name, operation, batch), FORMATS[dtype], 8, 1, bias)
        return refusal(lambda: library.operation(kernel, offset))

    return {
        "differ": {variant: same_bits(library, variant, draw) for variant in library.variants},
        "inexact": {op: exact_sums(library, op, FLOAT32) + exact_sums(library, op, FLOAT64) for op in library.operations},
        "unknown": refused("convolve"),
        "tf32": refused(library.variants[0], TF32.name),
        "pairs": refused("vdot", batch=4),
        "biased_sum": refused("sum", bias=True),
        "odd_offset": refused(library.variants[0], offset=2),
        "offset": refused(library.variants[0], offset=20),
    }


if __name__ == "__main__":
    print(json.dumps(report(sys.argv[1])))
