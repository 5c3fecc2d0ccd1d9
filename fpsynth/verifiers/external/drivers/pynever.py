"""Asks NeVer 2: run by the Python of its environment, as ``pynever.py JOB ANSWER``.

Its two algorithms are called sslp, star sets with linear programs, and ssbp, with bounds propagation, which fails for networks
without a ReLU.  Its command line has no default; here it is sslp, and the job's option ``algorithm`` names the other.
"""

from __future__ import annotations

import json
import sys

from pynever import utilities
from pynever.strategies.conversion.converters.onnx import ONNXConverter
from pynever.strategies.conversion.representation import load_network_path
from pynever.strategies.verification.algorithms import SSBPVerification, SSLPVerification
from pynever.strategies.verification.parameters import SSBPVerificationParameters, SSLPVerificationParameters
from pynever.strategies.verification.properties import VnnLibProperty

job_path, answer_path = sys.argv[1:]
with open(job_path) as file:
    job = json.load(file)
network = ONNXConverter().to_neural_network(load_network_path(job["onnx"]))
if job["options"].get("algorithm") == "ssbp":
    strategy = SSBPVerification(SSBPVerificationParameters(timeout=max(1, int(job["seconds"]))))
else:
    strategy = SSLPVerification(SSLPVerificationParameters("complete"))
safe, point = strategy.verify(network, VnnLibProperty(job["vnnlib"]))
answer = {"verdict": "unsat"} if safe else {"verdict": "unknown", "reason": "it says neither Verified nor Falsified"}
if not safe and point is not None:
    outputs = utilities.execute_network(network, point)
    numbers = ([float(x).hex() for x in tensor.flatten().tolist()] for tensor in (point, outputs))
    answer = {"verdict": "sat", **dict(zip(("point", "outputs"), numbers, strict=True))}
with open(answer_path, "w") as file:
    json.dump(answer, file)
