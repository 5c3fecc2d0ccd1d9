"""Scripts that need no fpsynth: one runs a witness with onnxruntime, one makes the properties of a category for a seed."""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.corpus.instances.data import RUNTIME, UNSAT, Instance
from fpsynth.corpus.labels.margins import comparison
from fpsynth.corpus.labels.points import grid_of
from fpsynth.errors import InputError
from fpsynth.verifiers.properties import Inequality
from fpsynth.witness.numerals import hexes_of

_REPRODUCE = """\
# {name}: {about}
import pathlib, sys
import numpy as np, onnxruntime

point = [{point}]
x = np.array([float.fromhex(text) for text in point], np.float32).reshape({shape})
model = pathlib.Path(__file__).resolve().parent / "{model}"
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
import tempfile

if not 2 <= len(sys.argv) <= 3:
    sys.exit("usage: generate_properties.py SEED [COUNT]")
seed, count = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "{count}"
here = pathlib.Path(__file__).resolve().parent
with tempfile.TemporaryDirectory() as folder:
    out = pathlib.Path(folder) / "made"
    command = ["corpus", "make", "--out", str(out), "--seed", seed, "--count", count, "--category", "{category}"]
    made = subprocess.run([sys.executable, "-m", "fpsynth", *command], stdout=subprocess.DEVNULL)
    if made.returncode:
        sys.exit(made.returncode)
    for version in ("1.0", "2.0"):
        shutil.copytree(out / "{category}" / version, here / version, dirs_exist_ok=True)
print(f"{{count}} instances of seed {{seed}}: {{here}}/1.0/instances.csv, {{here}}/2.0/instances.csv")
'''


def reproduce(instance: Instance, model: str) -> str:
    """A script that runs an input in onnxruntime, and says whether its outputs are unsafe, as they are to be or not.

    The input is the witness, or where nothing is unsafe the lowest one of the box.  ``model``: where the network lies, seen
    from the script.  Raises InputError where it is not known what onnxruntime gives.
    """
    point, unsafe = _expected(instance)
    return _REPRODUCE.format(
        name=instance.name,
        about=instance.about,
        point=", ".join(f'"{text}"' for text in hexes_of(point)),
        shape=(1, *instance.network.input_shape),
        model=model,
        condition=_condition(instance),
        expected="unsafe" if unsafe else "safe",
        unsafe=unsafe,
    )


def _expected(instance: Instance) -> tuple[Sequence[float], bool]:
    """The input, and whether it is unsafe."""
    label = instance.label(RUNTIME)
    if label is not None and instance.witness and label.margin is not None:
        return instance.witness, label.margin <= 0
    if label is not None and label.verdict == UNSAT:
        return [low for low, _ in grid_of(instance.box).ends()], False
    raise InputError(f"what {RUNTIME} gives is not known")


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
