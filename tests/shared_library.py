"""Shared libraries for tests, compiled from C with the system's compiler."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def compiled(source: str, path: Path) -> str:
    """Compile C into the shared library ``path``; skips the test where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    file = path.with_suffix(".c")
    file.write_text(source)
    # its own functions are called, whatever the process has loaded: TensorFlow brings some of the same names
    flags = ["-shared", "-fPIC", "-O1", "-Wl,-Bsymbolic"]
    subprocess.run([compiler, *flags, "-o", str(path), str(file)], check=True, capture_output=True)
    return str(path)
