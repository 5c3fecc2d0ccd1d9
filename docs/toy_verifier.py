"""A toy verifier, as anybody could have written it: intervals in double precision, after some random points.

usage: python docs/toy_verifier.py MODEL.onnx PROPERTY.vnnlib [--timeout SECONDS]

Reads stacks of Gemm and Relu, and VNN-LIB 1.0 with bounds of inputs and comparisons of two outputs.  Prints sat and a
counterexample, unsat, or unknown.  Its intervals are not rounded outward: what it says is of real numbers, or so it thinks.
"""

import pathlib
import re
import sys

import numpy as np
import onnx


def layers(path):
    """Weights and biases, with None for a Relu."""
    graph = onnx.load(path).graph
    tensors = {one.name: onnx.numpy_helper.to_array(one).astype(float) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Relu":
            yield None
        else:
            weight, bias = (tensors[name] for name in node.input[1:])
            yield (weight if any(a.name == "transB" and a.i for a in node.attribute) else weight.T), bias


def bounds(stack, low, high):
    """What lies around all outputs for inputs from low to high."""
    for layer in stack:
        if layer is None:
            low, high = np.maximum(low, 0), np.maximum(high, 0)
        else:
            plus, minus = np.maximum(layer[0], 0), np.minimum(layer[0], 0)
            low, high = plus @ low + minus @ high + layer[1], plus @ high + minus @ low + layer[1]
    return low, high


def main(model, query):
    """Print the answer."""
    text = pathlib.Path(query).read_text()
    ends = re.findall(r"\((<=|>=) X_(\d+) (-?[\d.]+)\)", text)
    low, high = (np.array([float(v) for s, _, v in ends if s == sign]) for sign in (">=", "<="))
    unsafe = [(int(a), int(b)) for a, b in re.findall(r"\(<= Y_(\d+) Y_(\d+)\)", text)]
    unsafe += [(int(b), int(a)) for a, b in re.findall(r"\(>= Y_(\d+) Y_(\d+)\)", text)]
    stack = list(layers(model))
    for point in np.random.default_rng(0).uniform(low, high, (1000, len(low))):
        out, _ = bounds(stack, point, point)
        if any(out[a] <= out[b] for a, b in unsafe):
            print("sat\n(" + "\n ".join(f"(X_{k} {x!r})" for k, x in enumerate(map(float, point))) + ")")
            return
    rows = np.array([np.eye(len(out))[a] - np.eye(len(out))[b] for a, b in unsafe])
    weight, bias = stack[-1]
    least, _ = bounds([*stack[:-1], (rows @ weight, rows @ bias)], low, high)
    print("unsat" if (least > 0).all() else "unknown")


main(*sys.argv[1:3])
