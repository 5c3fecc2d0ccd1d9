"""Asks auto_LiRPA in a checkout for CROWN bounds: run by a Python that has what it needs, as ``auto_lirpa.py JOB ANSWER``."""

from __future__ import annotations

import json
import sys
from fractions import Fraction

job_path, answer_path = sys.argv[1:]
with open(job_path) as file:
    job = json.load(file)
sys.path.insert(0, job["options"]["checkout"])
import onnx  # noqa: E402
import torch  # noqa: E402
from auto_LiRPA import BoundedModule, BoundedTensor, PerturbationLpNorm  # noqa: E402
from onnx2pytorch import ConvertModel  # noqa: E402

rows = [one for conjunction in job["unsafe"] for one in conjunction]
matrix = torch.zeros(1, len(rows), job["outputs"])
for row, one in zip(matrix[0], rows, strict=True):
    for k, factor in one["terms"]:
        row[k] = float(Fraction(factor))
model = onnx.load(job["onnx"])
shape = [length.dim_value or 1 for length in model.graph.input[0].type.tensor_type.shape.dim]
lower, upper = (torch.tensor(list(map(float, job[end]))).reshape(shape) for end in ("lower", "upper"))
network = BoundedModule(ConvertModel(model), torch.zeros(shape))
region = BoundedTensor((lower + upper) / 2, PerturbationLpNorm(x_L=lower, x_U=upper))
bounds = network.compute_bounds(x=(region,), C=matrix, method="CROWN", bound_upper=False)[0]
least = iter(bounds.detach().flatten().tolist())
excluded = []
for conjunction in job["unsafe"]:
    pairs = [(Fraction(next(least)), one) for one in conjunction]
    excluded.append(any(low >= Fraction(one["bound"]) if one["strict"] else low > Fraction(one["bound"]) for low, one in pairs))
answer = {"verdict": "unsat"} if all(excluded) else {"verdict": "unknown", "reason": "its bounds do not decide it"}
with open(answer_path, "w") as file:
    json.dump(answer, file)
