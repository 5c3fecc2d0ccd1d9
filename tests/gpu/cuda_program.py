"""Run as a program: one library on the GPU in a process of its own, with switches; prints JSON.

Usage: cuda_program.py check LIBRARY, or cuda_program.py probe LIBRARY OPERATION DTYPE [SWITCH=VALUE ...].
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import numpy as np

from fpsynth.formats import FORMATS, Format
from fpsynth.libraries.base import CannotRun, Library
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.operands import numpy_dtype
from fpsynth.libraries.registry import library_named
from fpsynth.networks.network import Dense, dense_relu

SHAPES = ((1, 1, 1), (64, 1, 1), (36, 10, 64), (4096, 1, 1), (4096, 1, 64), (4096, 3, 1024))
"""(terms, outputs, batch); few of them: XLA takes a second for each."""
SQUARE = 2.0**-12
"""(1 + 2**-12)**2 is 1 + 2**-11 in float32, and 1 where the factors are rounded to TF32 or bfloat16 first."""


def kernel(library: Library, operation: str, dtype: Format, shape: tuple[int, int, int]) -> Kernel | None:
    """A kernel of that shape; None where the operation has no such shape."""
    terms, outputs, batch = shape
    plain = operation in ("sum", "vdot")
    if (plain and outputs > 1) or (operation == "vdot" and batch > 1):
        return None
    return Kernel(Environment(library.name, operation, batch, device="cuda"), dtype, terms, outputs, not plain)


def checked(library: Library, operation: str, dtype: Format) -> dict[str, list[str]]:
    """Kernels whose sums of -1, 0 and 1, which every format holds, are not exact or not repeated; and those that do not run."""
    draw, found = np.random.default_rng(1), {"inexact": [], "unsteady": [], "refused": []}
    for shape in SHAPES:
        what = kernel(library, operation, dtype, shape)
        if what is None:
            continue
        (terms, outputs, batch), expected = shape, numpy_dtype(dtype)
        rows, weights, bias = (draw.integers(-1, 2, size) for size in ((batch, terms), (outputs, terms), outputs))
        exact = rows @ (np.ones_like(weights) if operation == "sum" else weights).T + (bias if what.bias else 0)
        operands = rows.astype(expected), weights.astype(expected), bias.astype(expected) if what.bias else None
        try:
            compute = library.operation(what)
            first, second = compute(*operands), compute(*operands)
        except CannotRun as reason:
            found["refused"].append(f"{shape}: {reason}")
            continue
        exact = exact.astype(expected)  # 4096 terms may give more than bfloat16 holds exactly: it is rounded once then
        compared = first.astype(np.float64)  # of a convolution by Winograd's method, or by Fourier's, only the nearest integer
        compared = np.rint(compared) if operation == "conv2d" else compared
        if first.dtype != expected or not np.array_equal(compared, exact.astype(np.float64)):
            found["inexact"].append(f"{shape}: {first.ravel()[:4].tolist()}, not {exact.ravel()[:4].tolist()}")
        if first.tobytes() != second.tobytes():
            found["unsteady"].append(str(shape))
    return found


def same_bits(library: Library, variant: str) -> list[str]:
    """One-layer networks on which ``operation`` and ``run`` differ, also in every layout."""
    draw, wrong = np.random.default_rng(2), []
    called = library.calls[variant]
    others = [*called.layouts[1:], *(["NsTe", "TeNs"] if called.strided else [])]
    shapes = ((8, 2, 1, ""), (64, 10, 4, ""), (36, 3, 64, ""), *((64, 10, 4, layout) for layout in others))
    for terms, outputs, batch, layout in shapes:
        rows, weights = (draw.standard_normal(size).astype(np.float32) for size in ((batch, terms), (outputs, terms)))
        where = Environment(library.name, variant, batch, device="cuda", layout=layout)
        what = Kernel(where, FORMATS["float32"], terms, outputs)
        network = dense_relu((Dense(tuple(map(tuple, weights.tolist()))),))
        ran = library.run(network, rows.tolist(), FORMATS["float32"], variant, "cuda", layout).logits
        if tuple(map(tuple, library.operation(what)(rows, weights, None).tolist())) != ran:
            wrong.append(str(what))
    return wrong


def check(name: str) -> dict[str, Any]:
    """Every operation in every format."""
    library = library_named(name)
    library.start("cuda", None, {})
    formats = [FORMATS[dtype] for dtype in ("float16", "bfloat16", "float32", "float64")]
    return {
        "facts": library.describe("cuda"),
        "differ": {variant: same_bits(library, variant) for variant in library.variants},
        "sums": {op: {dtype.name: checked(library, op, dtype) for dtype in formats} for op in library.operations},
    }


def probe(name: str, operation: str, dtype: Format, switches: dict[str, str]) -> dict[str, Any]:
    """The square of 1 + SQUARE, the error of a random kernel, and whether twenty repeats give the same bits."""
    library = library_named(name)
    library.start("cuda", None, switches)
    size = (576, 64, 64) if operation == "conv2d" else (256, 256, 256)
    what = kernel(library, operation, dtype, size)
    assert what is not None
    terms, outputs, batch = size
    expected = numpy_dtype(dtype)
    try:
        compute = library.operation(what)
        rows, weights, bias = np.zeros((batch, terms)), np.zeros((outputs, terms)), np.zeros(outputs, expected)
        rows[:, 0] = weights[:, 0] = 1 + SQUARE
        squares = compute(rows.astype(expected), weights.astype(expected), bias).astype(np.float64)
        draw = np.random.default_rng(3)
        rows, weights = (draw.standard_normal(shape).astype(expected) for shape in ((batch, terms), (outputs, terms)))
        results = [compute(rows, weights, bias) for _ in range(20)]
    except CannotRun as reason:
        return {"refused": str(reason), "facts": library.describe("cuda")}
    error = np.abs(results[0].astype(np.float64) - rows.astype(np.float64) @ weights.astype(np.float64).T).max()
    return {
        "facts": library.describe("cuda"),
        "squares": sorted(set(squares.ravel().tolist()))[:8],
        "error": float(error),
        "repeats": len({result.tobytes() for result in results}),
        "digest": hashlib.sha256(results[0].tobytes()).hexdigest(),
    }


def main(what: str, name: str, *arguments: str) -> dict[str, Any]:
    """The findings, or why the library cannot be used here."""
    try:
        if what == "check":
            return check(name)
        return probe(name, arguments[0], FORMATS[arguments[1]], dict(text.split("=") for text in arguments[2:]))
    except CannotRun as reason:
        return {"unusable": str(reason)}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
