"""Asks NeuralSAT: run by the Python of its environment, as ``neuralsat.py JOB ANSWER``.

Its package is called src and imports its parts by their bare names; torchvision is imported for an operator that networks
here have not.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import time
import types
from pathlib import Path

started = time.monotonic()
job_path, answer_path = sys.argv[1:]
sys.path.insert(0, str(Path(str(importlib.metadata.distribution("neuralsat").locate_file("src")))))
sys.modules.setdefault("torchvision", types.ModuleType("torchvision"))

from helper.network.read_onnx import parse_onnx  # noqa: E402
from helper.spec.objective import parse_vnnlib  # noqa: E402
from setting import Settings  # noqa: E402
from verifier.verifier import Verifier  # noqa: E402

with open(job_path) as file:
    job = json.load(file)
# what its main.py has where nothing is said (there the options disable_... are true unless given)
Settings.setup(
    argparse.Namespace(
        disable_attack=True,
        disable_restart=True,
        disable_stabilize=True,
        force_split=None,
        reasoning_output=None,
        setting_file=None,
        test=False,
        result_file=None,
        batch=1000,
        verbosity=1,
    )
)
model, input_shape, _ = parse_onnx(job["onnx"], None, None)
verifier = Verifier(net=model, input_shape=input_shape, batch=1000, device="cpu")
left = job["seconds"] - (time.monotonic() - started)
status = verifier.verify(parse_vnnlib(job["vnnlib"], input_shape), timeout=left, force_split=None)
decided = status in ("sat", "unsat")
answer = {"verdict": status if decided else "unknown", "reason": "" if decided else f"it says {status}"}
if status == "sat" and verifier.adv is not None:
    point = verifier.adv.detach().cpu()
    answer["point"] = [float(x).hex() for x in point.flatten().tolist()]
    answer["outputs"] = [float(y).hex() for y in verifier.net(point).detach().flatten().tolist()]
with open(answer_path, "w") as file:
    json.dump(answer, file)
