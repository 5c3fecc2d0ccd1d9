"""Running tests/gpu/cuda_program.py: a process for each library and its switches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fpsynth.libraries.registry import library_named

ROOT = Path(__file__).parents[1]


@cache
def cuda(*arguments: str) -> dict[str, Any]:
    """What the program found; skips the test where the library is not installed, or is a build without CUDA."""
    if library_named(arguments[1]).version() is None:
        pytest.skip(f"{arguments[1]} is not installed")
    path = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "gpu" / "cuda_program.py"), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "sees no" in found.get("unusable", ""):
        pytest.skip(found["unusable"])
    assert "unusable" not in found, found
    return found
