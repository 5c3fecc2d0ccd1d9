"""What a reveal holds for beside its kernel: fpsynth's own code, the machine, the process, and the library as it is loaded."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from fpsynth.aliases import Json
from fpsynth.libraries.base import Library
from fpsynth.libraries.machine import cuda_libraries, gpu, loaded_libraries, machine
from fpsynth.version import __version__
from fpsynth.workers.messages import Message

_VARIABLES = re.compile(
    r"MKL|OMP_|KMP_|GOMP_|OPENBLAS|GOTO|BLIS|ONEDNN|DNNL|ATEN|TORCH|PYTORCH|TF_|XLA|JAX|NPY|NUMBA|ORT_|ONNX|KERAS|CUDA|CUBLAS|CUDNN"
    r"|CUPY|NVIDIA|GLIBC_TUNABLES|LD_|DYLD_|VECLIB|NPROC|ARM_|KLEIDI|ACL_|TBB|PYTHONHASHSEED"
)
"""Beginnings of the names of variables that may decide what libraries compute: more than an environment may name."""


def identity(library: Library, request: Message, described: Mapping[str, str]) -> Json:
    """Equal, as JSON data, where a kernel is computed in the same way as far as anybody can tell beforehand.

    To be asked for in the library's own process, once it is loaded by a ``load_request``.  ``described``: what the library says
    of itself.  Its shared libraries are among it with their sizes and times: two builds of one version are two libraries.
    """
    device = request["device"]
    on_gpu = {"gpu": gpu(), "cuda": cuda_libraries()} if device == "cuda" else {}
    return {
        "fpsynth": __version__,
        "code": code(),
        "library": library.name,
        "version": library.version() or "",
        "process": {"device": device, "threads": request["threads"], "switches": dict(request["switches"])},
        "machine": machine(),
        **on_gpu,
        "described": dict(described),
        "variables": {name: os.environ[name] for name in sorted(os.environ) if _VARIABLES.match(name)},
        "packages": _digest(_packages()),
        "loaded": _digest(map(_file, loaded_libraries())),
    }


@cache
def code() -> str:
    """SHA-256 over the sources of fpsynth: a reveal of other code is another reveal."""
    root = Path(__file__).parents[1]
    result = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        data = path.read_bytes()
        result.update(f"{path.relative_to(root).as_posix()} {len(data)}\n".encode() + data)
    return result.hexdigest()


def _packages() -> list[str]:
    """Names and versions of everything that is installed, by the folders that installers make."""
    endings = (".dist-info", ".egg-info")
    folders = {os.path.realpath(folder) for folder in sys.path if os.path.isdir(folder)}
    return sorted({name for folder in folders for name in os.listdir(folder) if name.endswith(endings)})


def _file(path: str) -> str:
    """A file with its size and the time of its last change, by which another build is told."""
    try:
        status = os.stat(path)
    except OSError:  # such as one that was removed after it was loaded
        return path
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
