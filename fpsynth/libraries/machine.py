"""The machine: CPU and GPU models and features, cores, operating system, Python, and the variables that choose kernels."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

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
    "CUBLASLT_WORKSPACE_SIZE",
    "CUDA_VISIBLE_DEVICES",
    "CUPY_ACCELERATORS",
    "CUPY_TF32",
    "TORCH_BLAS_PREFER_CUBLASLT",
    "TORCHINDUCTOR_MAX_AUTOTUNE",
    "TF_DETERMINISTIC_OPS",
    "GLIBC_TUNABLES",
    "LD_PRELOAD",
)
"""Environment variables that decide which kernels run, or with how many threads: hence in which order sums are taken."""

SETTABLE: frozenset[str] = frozenset(KERNEL_VARIABLES) - {"LD_PRELOAD"}
"""Those that an environment may name.  An environment may come from a file that somebody else wrote: whatever could have the
process load or run something else (LD_PRELOAD, PYTHONPATH, plug-ins of the libraries) is not among them."""

_COUNTING = frozenset(name for name in KERNEL_VARIABLES if "THREADS" in name) | {"NPROC", "MKL_DYNAMIC", "CUDA_VISIBLE_DEVICES"}
"""Those that say how many threads or devices there are, and leave what a library does by default as it is."""

_FEATURES = re.compile(r"s?sse|avx|fma|f16c|amx|asimd|fphp|sve|sme(?!p)|bf16|i8mm|neon|vsx")


def kernel_variables() -> dict[str, str]:
    """Those of KERNEL_VARIABLES that are set."""
    return {name: os.environ[name] for name in KERNEL_VARIABLES if name in os.environ}


def defaults_may_differ() -> bool:
    """Whether a variable that is set here may have changed what a library does by default, such as TF_DETERMINISTIC_OPS."""
    return not _COUNTING.issuperset(kernel_variables())


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


WAITING = {"OMP_WAIT_POLICY": "passive", "OPENBLAS_THREAD_TIMEOUT": "4"}
"""Variables that have idle threads sleep.  How a thread waits decides nothing about what it computes, but a reveal is thousands
of small calls, and threads that spin take nine tenths of its time wherever the cores have something else to do."""


def limit_threads(threads: int | None) -> None:
    """Tell the OpenMP, OpenBLAS and MKL that this process has yet to load how many threads to use; None: as they like.

    Threads without work sleep, unless the environment has something else to say about that.
    """
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)


Loader = Callable[[str], Any]
"""What opens a shared library by name: ``ctypes.CDLL``, which raises OSError where there is none."""

_DRIVERS = ("libcuda.so.1", "nvcuda.dll")
_MANAGEMENT = ("libnvidia-ml.so.1", "nvml.dll")
_MAJOR, _MINOR, _MULTIPROCESSORS, _ECC = 75, 76, 16, 32  # CUdevice_attribute in cuda.h


def _opened(names: Sequence[str], load: Loader) -> Any:
    """The first of these shared libraries that is there; None where none is."""
    for name in names:
        with suppress(OSError):
            return load(name)
    return None


def _device_count(driver: Any) -> int:
    count = ctypes.c_int(0)
    if driver is None or driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


@cache
def has_gpu() -> bool:
    """Whether the CUDA driver is there and sees a device: asked of the driver, so that no library need be imported."""
    return _device_count(_opened(_DRIVERS, ctypes.CDLL)) > 0


def gpu(load: Loader = ctypes.CDLL) -> dict[str, str]:
    """The first CUDA device: name, compute capability, multiprocessors, memory, driver; empty where there is none.

    Asked of the CUDA driver and of NVIDIA's management library, or of /proc where that is missing; ``load`` opens them.
    """
    driver, device, memory = _opened(_DRIVERS, load), ctypes.c_int(0), ctypes.c_size_t(0)
    count = _device_count(driver)
    if count == 0 or driver.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return {}
    name, version = ctypes.create_string_buffer(256), ctypes.c_int(0)
    facts = {"gpu": "unknown"}
    if driver.cuDeviceGetName(name, len(name), device) == 0:
        facts["gpu"] = name.value.decode(errors="replace")
    numbers = {which: _attribute(driver, which, device) for which in (_MAJOR, _MINOR, _MULTIPROCESSORS, _ECC)}
    if numbers[_MAJOR] is not None:
        facts["compute_capability"] = f"{numbers[_MAJOR]}.{numbers[_MINOR]}"
    if numbers[_MULTIPROCESSORS] is not None:
        facts["multiprocessors"] = str(numbers[_MULTIPROCESSORS])
    if driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device) == 0:
        facts["gpu_memory"] = f"{memory.value / 2**30:.1f} GiB"
    if numbers[_ECC] is not None:
        facts["ecc"] = "on" if numbers[_ECC] else "off"
    if count > 1:
        facts["gpus"] = str(count)
    facts["driver"] = _driver_version(load)
    if driver.cuDriverGetVersion(ctypes.byref(version)) == 0:
        facts["cuda_driver"] = _cuda_version(version.value)
    return facts


def _attribute(driver: Any, which: int, device: ctypes.c_int) -> int | None:
    number = ctypes.c_int(0)
    return number.value if driver.cuDeviceGetAttribute(ctypes.byref(number), which, device) == 0 else None


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _driver_version(load: Loader) -> str:
    """The version of the kernel's driver, such as 580.65.06; "unknown" where nothing tells it."""
    management = _opened(_MANAGEMENT, load)
    if management is not None and management.nvmlInit_v2() == 0:
        text = ctypes.create_string_buffer(96)
        told = management.nvmlSystemGetDriverVersion(text, len(text)) == 0
        management.nvmlShutdown()
        if told:
            return text.value.decode(errors="replace")
    path = Path("/proc/driver/nvidia/version")
    found = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)\s", path.read_text(errors="replace")) if path.exists() else None
    return found[1] if found else "unknown"


def cuda_libraries(load: Loader = ctypes.CDLL) -> dict[str, str]:
    """Versions of the CUDA runtime, cuBLAS and cuDNN that are in this process's memory: asked of themselves (Linux)."""
    facts: dict[str, str] = {}
    paths = loaded_libraries()
    for name, fact, ask in (("cudart", "cuda", _runtime), ("cublas", "cublas", _cublas), ("cudnn", "cudnn", _cudnn)):
        for path in paths:
            if re.match(rf"lib{name}[-.]", os.path.basename(path)):
                with suppress(OSError, AttributeError):
                    facts[fact] = ask(load(path))
    return facts


def cuda_variables() -> dict[str, str]:
    """The variables that change what CUDA's libraries compute, also where they are not set."""
    return {name: os.environ.get(name, "unset") for name in ("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE")}


def loaded_libraries() -> list[str]:
    """Paths of the shared libraries in this process's memory (Linux)."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text(errors="replace").splitlines() if maps.exists() else []
    fields = (line.split(maxsplit=5) for line in lines)
    return sorted({line[5] for line in fields if len(line) == 6 and ".so" in line[5]})


def _runtime(library: Any) -> str:
    number = ctypes.c_int(0)
    return _cuda_version(number.value) if library.cudaRuntimeGetVersion(ctypes.byref(number)) == 0 else "unknown"


def _cublas(library: Any) -> str:
    parts = []
    for which in range(3):  # libraryPropertyType: MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL
        number = ctypes.c_int(0)
        if library.cublasGetProperty(which, ctypes.byref(number)) != 0:
            return "unknown"
        parts.append(str(number.value))
    return ".".join(parts)


def _cudnn(library: Any) -> str:
    """10000 times the major version from 9 on, 1000 times before; see cudnn_version.h."""
    library.cudnnGetVersion.restype = ctypes.c_size_t
    number = int(library.cudnnGetVersion())
    unit = 10000 if number >= 90000 else 1000
    return f"{number // unit}.{number % unit // 100}.{number % 100}"
