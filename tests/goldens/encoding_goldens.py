"""Goldens of encodings/: the SHA-256 of every file, and of every file that its generator writes into an empty folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from goldens.comparing import write
from goldens.running import HERE, ROOT

ENCODINGS = ROOT / "encodings"
GOLDEN = HERE / "encodings.json"
MANIFEST = "manifest.json"


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def regenerate(folder: Path) -> None:
    """Have the generator write the collection; the manifest, which holds the evidence, is there already."""
    shutil.copy(ENCODINGS / MANIFEST, folder / MANIFEST)
    command = [sys.executable, "-m", "fpsynth.corpus.smtlib", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=600)


def write_all() -> None:
    """Write the golden."""
    write(GOLDEN, hashes(ENCODINGS))
