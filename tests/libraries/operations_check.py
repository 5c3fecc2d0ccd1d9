"""Run as a program, with a library's name and "all" or "some" shapes: compares ``operation`` with ``run``; prints JSON."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from typing import Any

from fpsynth.formats import FLOAT32, FLOAT64, FORMATS, TF32, Format
from fpsynth.libraries.base import CannotRun, Library
from fpsynth.libraries.calls import Called, letters
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.naming import kernel_call
from fpsynth.libraries.operands import placed, stored
from fpsynth.libraries.registry import library_named
from fpsynth.networks.network import Dense, dense_relu

ALL = sys.argv[2:] == ["all"]
SHAPES = [(terms, outputs, batch) for terms in (3, 7, 64, 784) for outputs in (1, 2, 10) for batch in (1, 4, 64)]


def same_bits(library: Library, variant: str, draw: random.Random) -> list[str]:
    """Random one-layer networks on which ``operation`` and ``run`` differ in a bit; several networks for each operation."""
    import numpy as np

    numbers, wrong = np.random.default_rng(draw.randrange(1 << 30)), []
    for terms, outputs, batch in draw.sample(SHAPES, 10 if ALL else 4):
        dtype, biased = draw.choice((FLOAT32, FLOAT64)), draw.random() < 0.5
        kernel = Kernel(Environment(library.name, variant, batch), dtype, terms, outputs, biased)
        operation = library.operation(kernel)
        for _ in range(2):
            rows, weight, bias = (
                numbers.standard_normal(size).astype(dtype.name) for size in ((batch, terms), (outputs, terms), outputs)
            )
            layer = Dense(tuple(map(tuple, weight.tolist())), tuple(bias.tolist()) if biased else None)
            ran = library.run(dense_relu((layer,)), rows.tolist(), dtype, variant).logits
            if tuple(map(tuple, operation(rows, weight, bias if biased else None).tolist())) != ran:
                wrong.append(f"{kernel}")
    return wrong


def exact_sums(library: Library, operation: str, dtype: Format) -> list[str]:
    """Kernels whose sums of small integers, in which nothing is rounded, are not the exact ones."""
    import numpy as np

    numbers, wrong = np.random.default_rng(7), []
    for terms in (1, 3, 8, 27, 64) if ALL else (1, 27):
        for outputs, batch in ((1, 1), (3, 1), (1, 4), (10, 5)) if ALL else ((1, 1), (10, 5)):
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


def all_layouts(called: Called) -> list[str]:
    """Every combination of letters, and some operands that are not contiguous."""
    if not called.strided:
        return list(called.layouts)
    return [*called.layouts, *(["NsTe", "TeNs", "NTs", "NeT", "TsNe"] if len(called.own) == 2 else ["Ns", "Te", "Ne"])]


def shapes_for(operation: str, turn: int) -> list[tuple[int, int, int]]:
    """Batch, terms and outputs of kernels that are called: all there are, or one of two in turn."""
    shapes = [(1, 64, 3), (4, 65, 2), (5, 7, 6)]
    if operation == "vdot":
        return shapes[:1]
    return shapes if ALL else [shapes[turn % 2]]


def printed_calls(library: Library) -> dict[str, Any]:
    """Which calls were made as they are printed; kernels whose operation, or whose replay, gave other bits than that."""
    import numpy as np

    numbers, differ, compared, turn = np.random.default_rng(11), [], [], 0
    for operation, called in library.calls.items():
        if called.images:
            continue
        for layout in all_layouts(called) or [""]:
            for batch, terms, outputs in shapes_for(operation, turn := turn + 1):
                outputs = 1 if operation in ("sum", "vdot") else outputs
                where = Environment(library.name, operation, batch, layout="" if layout == called.own else layout)
                kernel = Kernel(where, FLOAT32, terms, outputs)
                rows, weights = (numbers.standard_normal(size).astype("f4") for size in ((batch, terms), (outputs, terms)))
                weights = np.ones_like(weights) if operation == "sum" else weights
                found = library.operation(kernel)(rows, weights, None)
                network = dense_relu((Dense(tuple(map(tuple, weights.tolist()))),))
                ran = library.run(network, rows.tolist(), FLOAT32, operation, layout=where.layout).logits
                if tuple(map(tuple, found.tolist())) != ran:
                    differ.append(f"replay of {kernel}")
                text, _, told = kernel_call(kernel).partition("  ")
                by_hand = as_printed(library.name, text, told, called, layout, rows, weights)
                if by_hand is not None:
                    compared.append((operation, layout))
                    if not np.array_equal(by_hand.reshape(found.shape), found):
                        differ.append(f"{kernel}: {text}")
    return {"compared": compared, "differ": differ}


def as_printed(name: str, text: str, told: str, called: Called, layout: str, rows: Any, weights: Any) -> Any:
    """What a call gives when it is typed as it is printed; None for what is no text of Python's.

    Raises AssertionError where an operand has not the printed shape.
    """
    import numpy as np

    first, second = letters(layout) if layout else ("N", "T")
    operands = {"x": placed(stored(rows, first)), "W": placed(stored(weights.T, second or "T"))}
    for operand, array in operands.items():
        assert f"{operand} {array.shape} C" in told or f"{operand} (" not in told, told
    if name == "onnxruntime":
        return one_node(text, **operands)
    if text.startswith("keras"):
        return None
    scope: dict[str, Any] = {"np": np}
    if name == "torch":
        import torch

        scope |= {"torch": torch}
        operands = {key: torch.empty(array.shape).copy_(torch.from_numpy(array)) for key, array in operands.items()}
    elif name == "tensorflow":
        import tensorflow as tf

        scope |= {"tf": tf}
        operands = {key: tf.constant(array) for key, array in operands.items()}
    elif name == "jax":
        import jax
        import jax.numpy as jnp

        scope |= {"jax": jax, "jnp": jnp}
        operands = {key: jax.device_put(array) for key, array in operands.items()}
    return np.asarray(eval(text, {**scope, **operands}))


def one_node(text: str, x: Any, W: Any) -> Any:
    """A Gemm with the attributes that are printed, or a MatMul, whose weights are in the model; None for other nodes."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    name, _, rest = text.partition("(x, W")
    if name not in ("Gemm", "MatMul"):
        return None
    given = dict(part.split("=") for part in rest.strip("), ").split(", ") if part)
    node = helper.make_node(name, ["X", "W"], ["Y"], **{key: int(value) for key, value in given.items()})
    ends = [helper.make_tensor_value_info("X", TensorProto.FLOAT, x.shape)]
    result = [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, None])]
    graph = helper.make_graph([node], "one", ends, result, [numpy_helper.from_array(W, "W")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"X": x})[0]


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
        "calls": printed_calls(library),
        "unknown": refused("convolve"),
        "tf32": refused(library.variants[0], TF32.name),
        "pairs": refused("vdot", batch=4),
        "biased_sum": refused("sum", bias=True),
        "odd_offset": refused(library.variants[0], offset=2),
        "offset": refused(library.variants[0], offset=20),
    }


if __name__ == "__main__":
    print(json.dumps(report(sys.argv[1])))
