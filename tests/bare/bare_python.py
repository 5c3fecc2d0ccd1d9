"""A bare installation: a virtual environment that holds numpy, torch and what these two require, linked, and nothing else."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
WANTED = ("numpy", "torch")
ABSENT = (
    *("z3", "bitwuzla", "cvc5", "flint", "gmpy2", "tensorflow", "keras", "jax", "jaxlib", "onnx", "onnxruntime"),
    *("cupy", "ml_dtypes", "scipy", "gfloat", "jsonschema", "hypothesis", "pytest"),
)
"""Packages that other parts of fpsynth and its tests use."""


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float


def closure(wanted=WANTED):
    """The distributions, by name, that these require without any extra, on this machine."""
    found = {}
    todo = list(wanted)
    while todo:
        distribution = importlib.metadata.distribution(todo.pop())
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        if name in found:
            continue
        found[name] = distribution
        for text in distribution.requires or ():
            required = Requirement(text)
            if required.marker is None or required.marker.evaluate({"extra": ""}):
                todo.append(required.name)
                extras = required.extras
                todo += [name for extra in extras for name in _of_extra(required.name, extra)]
    return found


def _of_extra(name, extra):
    requirements = map(Requirement, importlib.metadata.requires(name) or ())
    return [r.name for r in requirements if r.marker is not None and r.marker.evaluate({"extra": extra})]


def make(folder):
    """Make the environment in ``folder`` and return its python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    asked = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True, text=True
    )
    packages = Path(asked.stdout.strip())
    for distribution in closure().values():
        for first in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__", "bin"}:
            source, link = Path(str(distribution.locate_file(first))), packages / first
            if source.exists() and not link.exists():
                link.symlink_to(source)
    return python


COMMANDS = """
import contextlib, io, json, os, sys, time, traceback
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from fpsynth.cli.main import main
from fpsynth.workers.kept import processes_kept
with processes_kept():
    for line in sys.stdin:
        out, err, began = io.StringIO(), io.StringIO(), time.monotonic()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(json.loads(line))
            except SystemExit as end:
                code = end.code
        print(json.dumps([code or 0, out.getvalue(), err.getvalue(), time.monotonic() - began]), file=answers, flush=True)
"""
"""Run by the bare python: command lines, one after the other, as each comes in a line of JSON.  Libraries stay in between."""


class Bare:
    """The bare python at work on this source tree.  Use it as a context manager, which ends its process."""

    def __init__(self, folder):
        self.python = make(folder)
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))},
            "PYTHONPATH": str(ROOT),
        }
        self.commands = subprocess.Popen(
            [str(self.python), "-c", COMMANDS],
            env=self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.commands.stdin.close()
        self.commands.stdout.close()
        self.commands.wait(30)

    def run(self, *arguments, cwd=None, timeout=100):
        """``python arguments`` to its end."""
        began = time.monotonic()
        done = subprocess.run(
            [str(self.python), *map(str, arguments)],
            capture_output=True,
            text=True,
            env=self.variables,
            cwd=cwd,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    def fpsynth(self, *arguments):
        """``fpsynth arguments`` to its end, in the one process for all of them: never with a traceback."""
        print(json.dumps([*map(str, arguments)]), file=self.commands.stdin, flush=True)
        done = Done(*json.loads(self.commands.stdout.readline()))
        assert "Traceback" not in done.err + done.out, done.err
        return done
