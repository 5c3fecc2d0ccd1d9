"""Asks AbstractNN for bounds: run by the Python of its environment, as ``abstractnn.py JOB ANSWER``.

It bounds outputs; what they mean for the property is worked out here, from its own affine expressions.  It passes over nodes
that it does not know, so that networks with such nodes are refused here.
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction

import numpy as np
from abstractnn.affine_engine import AffineExpression
from abstractnn.bound_propagator import BoundPropagator
from abstractnn.onnx_parser import ONNXParser

KNOWN = {"Gemm", "Relu", "Flatten", "Conv", "MaxPool"}


def refused(layer: dict) -> str:
    """Why a layer cannot be asked about; empty where it can."""
    if layer["type"] not in KNOWN:
        return f"it passes over {layer['type']} nodes"
    attributes = layer["attributes"]
    plain = layer["type"] != "Gemm" or (
        attributes.get("alpha", 1) == 1 and attributes.get("beta", 1) == 1 and not attributes.get("transA", 0)
    )
    return "" if plain else "it reads no factors of Gemm nodes"


def beyond(low: Fraction, inequality: dict) -> bool:
    """Whether an inequality is false wherever its left side is at least ``low``."""
    bound = Fraction(inequality["bound"])
    return low >= bound if inequality["strict"] else low > bound


def margin(expressions: list, inequality: dict) -> AffineExpression:
    """The left side of an inequality."""
    total = AffineExpression(0.0, {}, {})
    for k, factor in inequality["terms"]:
        total = total + expressions[k] * float(Fraction(factor))
    return total


job_path, answer_path = sys.argv[1:]
with open(job_path) as file:
    job = json.load(file)
parser = ONNXParser(job["onnx"])
layers = parser.parse()
reasons = [reason for layer in layers if (reason := refused(layer))]
for layer in layers:
    if layer["type"] == "Gemm" and not layer["attributes"].get("transB", 0):
        layer["weights"] = layer["weights"].T  # it takes every Gemm to have a row for each output
answer = {"verdict": "unknown", "reason": reasons[0] if reasons else "its bounds do not decide it"}
if not reasons:
    ends = zip(map(float, job["lower"]), map(float, job["upper"]), strict=True)
    inputs = [AffineExpression(0.0, {k: 1.0}, {k: (np.float64(low), np.float64(high))}) for k, (low, high) in enumerate(ends)]
    shape = tuple(1 if not isinstance(length, int) else length for length in parser.get_input_shape())
    outputs = BoundPropagator(enable_reporting=False).propagate(inputs, layers, shape)
    excluded = []
    for conjunction in job["unsafe"]:
        least = [Fraction(float(margin(outputs, one).get_bounds()[0])) for one in conjunction]
        excluded.append(any(map(beyond, least, conjunction)))
    if all(excluded):
        answer = {"verdict": "unsat"}
with open(answer_path, "w") as file:
    json.dump(answer, file)
