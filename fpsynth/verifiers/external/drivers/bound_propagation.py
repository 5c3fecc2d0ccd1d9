"""Asks bound-propagation for CROWN bounds: run by the Python of its environment, as ``bound_propagation.py JOB ANSWER``.

It bounds torch modules: the ONNX model becomes a stack of Linear and ReLU, and the property its last layer.
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction

import onnx
import torch
from bound_propagation import BoundModelFactory, HyperRectangle


def linear(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.nn.Linear:
    """A layer with these numbers, a row of weights for each output."""
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data = weight.clone()
    layer.bias.data = torch.zeros(len(weight)) if bias is None else bias.reshape(-1).clone()
    return layer


def modules(model: onnx.ModelProto) -> list:
    """The stack; SystemExit with a line for models that are none."""
    tensors = {one.name: torch.tensor(onnx.numpy_helper.to_array(one).copy()) for one in model.graph.initializer}
    stack: list = []
    for node in model.graph.node:
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Relu":
            stack.append(torch.nn.ReLU())
        elif node.op_type == "Gemm" and all(attributes.get(name, 1) == 1 for name in ("alpha", "beta")):
            weight = tensors[node.input[1]]
            bias = tensors[node.input[2]] if len(node.input) > 2 else None
            stack.append(linear(weight if attributes.get("transB") else weight.T, bias))
        elif node.op_type == "Flatten" and not stack:
            continue
        else:
            sys.exit(f"this driver reads stacks of Gemm and Relu, not {node.op_type}")
    return stack


job_path, answer_path = sys.argv[1:]
with open(job_path) as file:
    job = json.load(file)
rows = [one for conjunction in job["unsafe"] for one in conjunction]
matrix = torch.zeros(len(rows), job["outputs"])
for row, one in zip(matrix, rows, strict=True):
    for k, factor in one["terms"]:
        row[k] = float(Fraction(factor))
network = BoundModelFactory().build(torch.nn.Sequential(*modules(onnx.load(job["onnx"])), linear(matrix, None)))
lower, upper = (torch.tensor([list(map(float, job[end]))]) for end in ("lower", "upper"))
least = iter(network.crown(HyperRectangle(lower, upper)).concretize().lower.detach().flatten().tolist())
excluded = []
for conjunction in job["unsafe"]:
    pairs = [(Fraction(next(least)), one) for one in conjunction]
    excluded.append(any(low >= Fraction(one["bound"]) if one["strict"] else low > Fraction(one["bound"]) for low, one in pairs))
answer = {"verdict": "unsat"} if all(excluded) else {"verdict": "unknown", "reason": "its bounds do not decide it"}
with open(answer_path, "w") as file:
    json.dump(answer, file)
