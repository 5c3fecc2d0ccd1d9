"""Goldens of reveals: what libraries of one machine compute, and where that machine is told by its fingerprint.

Reveal files, as they were written there, are read on every machine.
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from goldens.comparing import read, write
from goldens.documents import COMMANDS
from goldens.running import HERE, run

Json = Any

REVEALS = HERE / "reveals"
FINGERPRINT = REVEALS / "fingerprint.json"
FILES = REVEALS / "files"
"""Reveal files as they were written, with all that a golden leaves out."""

FEW, SOME = "--vectors 300", "--vectors 1000"
QUICK = {
    "numpy_matmul": f"numpy:matmul --terms 16 --batch 1,4 {FEW}",
    "numpy_sum": f"numpy:sum --terms 40 {FEW}",
    "numpy_dot": f"numpy:dot --terms 64 {SOME}",
    "numpy_matmul_float16": f"numpy:matmul --terms 16 --batch 4 --dtype float16 {SOME}",
}
SLOW = {
    "numpy_matmul_float64": f"numpy:matmul --terms 32 --batch 4 --outputs 2 --dtype float64 {FEW}",
    "torch_linear": f"torch:linear --terms 8 --batch 1,4 {FEW}",
    "numpy_dot_rows": f"numpy:dot-rows --terms 64 --batch 4 {SOME}",
    "numpy_matmul_nn": f"numpy:matmul:layout=NN --terms 64 --outputs 4 --batch 1,4,64 {SOME}",
    "numpy_matmul_nt": f"numpy:matmul:layout=NT --terms 64 --outputs 4 --batch 1,4,64 {SOME}",
    "numpy_matmul_bias": f"numpy:matmul --terms 8 --batch 4 --bias {SOME}",
    "numpy_sum_long": f"numpy:sum --terms 300 {SOME}",
    "torch_linear_batch": f"torch:linear --terms 8 --batch 4 {SOME}",
    "torch_linear_outputs": f"torch:linear --terms 64 --outputs 10 --batch 1,4,64 {SOME}",
    "torch_linear_bias": f"torch:linear --terms 32 --outputs 3 --batch 1,4 --bias {SOME}",
    "torch_linear_bfloat16": f"torch:linear --terms 64 --outputs 4 --batch 1,4 --dtype bfloat16 {SOME}",
    "torch_linear_float16": f"torch:linear --terms 32 --outputs 2 --batch 1,4 --dtype float16 {SOME}",
    "torch_linear_float64": f"torch:linear --terms 32 --outputs 2 --batch 1,4 --dtype float64 {SOME}",
    "torch_linear_compatible": f"torch:linear:MKL_CBWR=COMPATIBLE --terms 32 --batch 1,4 {SOME}",
    "torch_matmul_nn": f"torch:matmul:layout=NN --terms 64 --outputs 4 --batch 1,4 {SOME}",
    "torch_sum": f"torch:sum --terms 64 {SOME}",
    "torch_conv2d": f"torch:conv2d --terms 18 --batch 1,4 {SOME}",
    "tensorflow_matmul": f"tensorflow:matmul --terms 64 --outputs 2 --batch 1,4,64 {SOME}",
    "tensorflow_keras": f"tensorflow:keras --terms 32 --outputs 2 --batch 4 --bias {SOME}",
    "tensorflow_sum": f"tensorflow:sum --terms 64 {SOME}",
    "tensorflow_conv2d": f"tensorflow:conv2d --terms 18 --batch 1 {SOME}",
    "onnxruntime_gemm": f"onnxruntime:gemm --terms 64 --outputs 2 --batch 1,4,64 {SOME}",
    "onnxruntime_matmul": f"onnxruntime:matmul --terms 64 --outputs 2 --batch 1,4 {SOME}",
    "onnxruntime_sum": f"onnxruntime:sum --terms 64 {SOME}",
    "onnxruntime_conv2d": f"onnxruntime:conv2d --terms 18 --batch 1 {SOME}",
    "jax_jit": f"jax:jit --terms 64 --outputs 2 --batch 1,4,64 {SOME}",
    "jax_eager": f"jax:eager --terms 32 --outputs 2 --batch 1,4 {SOME}",
    "jax_sum": f"jax:sum --terms 64 {SOME}",
    "jax_jit_bfloat16": f"jax:jit --terms 32 --outputs 2 --batch 4 --dtype bfloat16 {SOME}",
    "readme": "torch:linear --terms 784 --outputs 10 --batch 1,64",
}
ALL = QUICK | SLOW
KEPT = (
    *("numpy_matmul", "numpy_matmul_float64", "numpy_matmul_float16", "numpy_dot", "numpy_sum"),
    *("torch_linear_batch", "torch_linear_outputs", "tensorflow_keras", "jax_jit_bfloat16"),
)
"""Whose reveal files are kept as they were written."""

_PACKAGES = {
    "numpy": ("numpy",),
    "torch": ("torch",),
    "tensorflow": ("tensorflow", "keras"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "jax": ("jax", "jaxlib"),
}
_VARIABLES = ("MKL_", "OMP_", "OPENBLAS_", "KMP_", "XLA_", "ONEDNN_", "DNNL_", "TF_ENABLE_", "TF_XLA_", "NPY_", "ATEN_")
"""How variables begin that choose kernels."""
_FEATURES = ("avx", "sse", "ssse", "fma", "f16c", "amx", "asimd", "sve")


def fingerprint() -> Json:
    """What decides which kernels run here: processor, number of threads, variables, versions of the libraries."""
    return {
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "variables": {name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)},
        "packages": {library: {name: _version(name) for name in names} for library, names in _PACKAGES.items()},
    }


def _processor() -> Json:
    """Architecture, vendor, family, model and features, as Linux tells them."""
    try:
        first = Path("/proc/cpuinfo").read_text("utf-8").partition("\n\n")[0]
    except OSError:
        return {"machine": platform.machine(), "system": platform.platform()}
    fields = dict((part.strip() for part in line.split(":", 1)) for line in first.splitlines() if ":" in line)
    flags = fields.get("flags", fields.get("Features", "")).split()
    told = {name: fields.get(name, "") for name in ("vendor_id", "cpu family", "model")}
    features = " ".join(sorted(flag for flag in flags if flag.startswith(_FEATURES)))
    return {"machine": platform.machine(), **told, "features": features}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def library_of(name: str) -> str:
    """The library that a golden is about."""
    return ALL[name].partition(":")[0]


def elsewhere(name: str) -> str:
    """Why a golden says nothing here: what the fingerprint of its machine has otherwise; empty where it does."""
    golden, here = read(FINGERPRINT), fingerprint()
    library = library_of(name)
    for place in ("processor", "processors", "variables"):
        if golden[place] != here[place]:
            return f"the {place} of the golden: {golden[place]}, here: {here[place]}"
    if golden["packages"][library] != here["packages"][library]:
        return f"the golden is of {golden['packages'][library]}, here is {here['packages'][library]}"
    return ""


def golden_of(name: str) -> Path:
    """Where a reveal stands."""
    return REVEALS / "revealed" / f"{name}.json"


def revealed(name: str, *further: str) -> Json:
    """What ``reveal`` says now, wherever it is written to."""
    golden = run(["reveal", *ALL[name].split(), *further]).golden()
    golden.get("output", {}).pop("out", None)
    return golden


READING = {
    "order_matmul": "order --a sequential --b numpy_matmul_float16.json --terms 16 --dtype float16",
    "order_dot": "order --a numpy_dot.json --b sequential --terms 64",
    "order_outputs": "order --a numpy_matmul_float64.json --b sequential --terms 32 --dtype float64 --outputs 2",
    "order_sum": "order --a sequential --b numpy_sum.json --terms 40",
    "order_files": "order --a torch_linear_batch.json --b pairwise --silent real --terms 8",
    "order_bfloat16": "order --a sequential --b jax_jit_bfloat16.json --terms 32 --outputs 2 --dtype bfloat16",
    "order_argmax": "order --a sequential --b jax_jit_bfloat16.json --terms 32 --outputs 2 --dtype bfloat16 --predicate argmax",
    "order_two_environments": "order --a numpy_matmul.json --b sequential --terms 16",
    "order_other_terms": "order --a numpy_sum.json --b sequential --terms 16",
    "relu_torch": "relu --a real --b torch_linear_batch.json --terms 8",
    "interval_dot": "interval --a sequential --b numpy_dot.json --terms 64",
    "tree_matmul": "tree numpy_matmul_float16.json",
    "tree_sum": "tree numpy_sum.json --compare sequential",
    "tree_bias": "tree tensorflow_keras.json --compare sequential",
    "tree_torch": "tree torch_linear_batch.json",
    "tree_two_environments": "tree numpy_matmul.json",
    "tree_outputs": "tree torch_linear_outputs.json",
}
"""Commands that read reveal files, without the libraries: they say the same everywhere."""


def reading(name: str) -> Json:
    """What a command makes of a reveal file."""
    arguments = READING[name].split()
    quiet = [] if arguments[0] == "tree" else ["--no-replay"]
    return run([*arguments, *quiet], FILES).golden(str(FILES))


def reading_golden(name: str) -> Path:
    """Where that stands."""
    return REVEALS / "reading" / f"{name}.json"


def documented() -> list[str]:
    """The reveals that the documents show on a CPU."""
    return [command for _, command in COMMANDS if command.startswith("reveal ") and "device=cuda" not in command]


def write_all() -> None:
    """Write the goldens of this machine, and reveal files that are kept where they are missing: old ones stay readable."""
    write(FINGERPRINT, fingerprint())
    FILES.mkdir(parents=True, exist_ok=True)
    for name in ALL:
        kept = FILES / f"{name}.json"
        new = name in KEPT and not kept.exists()
        write(golden_of(name), revealed(name, *(["--out", str(kept)] if new else [])))
    write_reading()


def write_reading() -> None:
    """Write what commands make of the reveal files, which stay as they are."""
    for name in READING:
        write(reading_golden(name), reading(name))
