"""Asks Marabou: run by the Python of its environment, as ``maraboupy.py JOB ANSWER``."""

from __future__ import annotations

import json
import sys

from maraboupy import Marabou

job_path, answer_path = sys.argv[1:]
with open(job_path) as file:
    job = json.load(file)
network = Marabou.read_onnx(job["onnx"])
options = Marabou.createOptions(verbosity=0, timeoutInSeconds=max(1, int(job["seconds"])))
status, values, _ = network.solve(verbose=False, options=options, propertyFilename=job["vnnlib"])
decided = status in ("sat", "unsat")
answer = {"verdict": status if decided else "unknown", "reason": "" if decided else f"it says {status}"}
if status == "sat":
    variables = (network.inputVars[0].flatten(), network.outputVars[0].flatten())
    answer["point"], answer["outputs"] = ([float(values[v]).hex() for v in ends] for ends in variables)
with open(answer_path, "w") as file:
    json.dump(answer, file)
