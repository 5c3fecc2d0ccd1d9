"""Scripts that need no fpsynth: one runs a witness with onnxruntime, one makes the properties of a category for a seed."""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.corpus.instances.data import Instance
from fpsynth.corpus.labels.margins import comparison
from fpsynth.verifiers.properties import Inequality
from fpsynth.witness.numerals import hexes_of

_REPRODUCE = """\
# {name}: {about}
import pathlib
import sys
import numpy as np
import onnxruntime

point = [{point}]
x = np.array([float.fromhex(text) for text in point], np.float32).reshape({shape})
model = pathlib.Path(__file__).with_suffix(".onnx")
session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
y = session.run(None, {{session.get_inputs()[0].name: x}})[0].reshape(-1).astype(float)
unsafe = {condition}
print("outputs", *(number.hex() for number in y.tolist()))
print("unsafe" if unsafe else "safe", "in onnxruntime", onnxruntime.__version__, "- expected: {expected}")
sys.exit(unsafe != {unsafe})
"""

_GENERATE = '''\
"""Write the instances of this category that a seed draws: generate_properties.py SEED [COUNT]; it needs fpsynth."""
import pathlib
import shutil
import subprocess
import sys

seed, count = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "{count}"
here = pathlib.Path(__file__).resolve().parent
out = here / f"generated_{{seed}}"
command = ["corpus", "make", "--out", str(out), "--seed", seed, "--count", count, "--category", "{category}"]
subprocess.run([sys.executable, "-m", "fpsynth", *command], check=True)
for version in ("1.0", "2.0"):
    shutil.copytree(out / "{category}" / version, here / version, dirs_exist_ok=True)
shutil.rmtree(out)
'''


def reproduce(instance: Instance, margin_unsafe: bool) -> str:
    """A script that runs the witness in onnxruntime and says whether its outputs are unsafe, as they are to be or not."""
    lines = ", ".join(f'"{text}"' for text in hexes_of(instance.witness))
    expected = "unsafe" if margin_unsafe else "safe"
    return _REPRODUCE.format(
        name=instance.name,
        about=instance.about,
        point=lines,
        shape=(1, *instance.network.input_shape),
        condition=_condition(instance),
        expected=expected,
        unsafe=margin_unsafe,
    )


def _condition(instance: Instance) -> str:
    """In Python, over y."""
    conjunctions = []
    for conjunction in instance.unsafe.unsafe:
        sides = [[f"y[{side}]" if isinstance(side, int) else repr(side) for side in _sides(one)] for one in conjunction]
        conjunctions.append(" and ".join(f"{left} <= {right}" for left, right in sides))
    return f"bool({' or '.join(f'({text})' for text in conjunctions)})"


def _sides(one: Inequality) -> Sequence[int | float]:
    compared = comparison(one)
    return compared.left, compared.right


def generate(category: str, count: int) -> str:
    """A script that makes new instances of a category, as the VNN competition asks for them."""
    return _GENERATE.format(category=category, count=count)
