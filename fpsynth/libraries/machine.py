"""The machine: CPU model and features, cores, operating system, Python, and the variables that choose kernels."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

KERNEL_VARIABLES: tuple[str, ...] = (
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DYNAMIC",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ATEN_CPU_CAPABILITY",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_XLA_FLAGS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_ENABLE_CUBLAS_TENSOR_OP_MATH_FP32",
    "XLA_FLAGS",
    "NPROC",
    "JAX_DEFAULT_MATMUL_PRECISION",
    "JAX_ENABLE_X64",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "CUBLAS_WORKSPACE_CONFIG",
    "GLIBC_TUNABLES",
    "LD_PRELOAD",
)
"""Environment variables that decide which kernels run, or with how many threads: hence in which order sums are taken."""

_FEATURES = re.compile(r"s?sse|avx|fma|f16c|amx|asimd|fphp|sve|sme(?!p)|bf16|i8mm|neon|vsx")


def kernel_variables() -> dict[str, str]:
    """Those of KERNEL_VARIABLES that are set."""
    return {name: os.environ[name] for name in KERNEL_VARIABLES if name in os.environ}


@cache
def _cpuinfo() -> dict[str, str]:
    """The first processor in /proc/cpuinfo (Linux); empty elsewhere."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(errors="replace").split("\n\n")[0] if path.exists() else ""
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


@cache
def _sysctl(name: str) -> str:
    """One entry of the macOS kernel's table; empty elsewhere."""
    if sys.platform != "darwin":
        return ""
    done = subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def cpu() -> dict[str, str]:
    """CPU model (with family, model and stepping numbers on x86) and the features that arithmetic kernels are chosen by."""
    info = _cpuinfo()
    model = info.get("model name") or _sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()
    numbers = "/".join(info[key] for key in ("cpu family", "model", "stepping") if key in info)
    flags = (info.get("flags") or info.get("Features") or _sysctl("machdep.cpu.features")).lower().split()
    features = sorted(flag for flag in set(flags) if _FEATURES.match(flag))
    return {"cpu": model + (f" ({numbers})" if numbers else ""), "cpu_features": " ".join(features)}


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, str]:
    """CPU, cores, operating system, Python, C library, and the kernel variables that are set."""
    return {
        **cpu(),
        "cores": str(cores()),
        "os": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        **kernel_variables(),
    }


def limit_threads(threads: int | None) -> None:
    """Tell the OpenMP, OpenBLAS and MKL that this process has yet to load how many threads to use; None: as they like."""
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)


@cache
def has_gpu() -> bool:
    """Whether the CUDA driver is there and sees a device: asked of the driver, so that no library need be imported."""
    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            driver = ctypes.CDLL(name)
        except OSError:
            continue
        count = ctypes.c_int(0)
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    return False
