"""What is said of a GPU is what the CUDA driver and the management library answer; without them nothing is said."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shared_library import compiled

from fpsynth.libraries import machine
from fpsynth.libraries.machine import cuda_libraries, gpu, has_gpu

DRIVER = """
#include <string.h>
#include <stddef.h>
int cuInit(unsigned flags) { return flags == 0 ? INIT : 1; }
int cuDeviceGetCount(int *count) { *count = COUNT; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = 40 + ordinal; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
    if (device != 40 || size < 32) return 1;
    strcpy(name, "NVIDIA Simulated 9000"); return 0;
}
int cuDeviceGetAttribute(int *value, int which, int device) {
    if (device != 40) return 1;
    switch (which) {
        case 75: *value = 9; return 0;
        case 76: *value = 0; return 0;
        case 16: *value = 132; return 0;
        case 32: *value = 1; return 0;
    }
    return 1;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)3 << 30; return device != 40; }
int cuDriverGetVersion(int *version) { *version = 13020; return 0; }
"""
MANAGEMENT = """
#include <string.h>
static int started = 0;
int nvmlInit_v2(void) { started++; return 0; }
int nvmlShutdown(void) { started--; return 0; }
int nvmlSystemGetDriverVersion(char *version, unsigned size) {
    if (!started || size < 80) return 1;
    strcpy(version, "580.65.06"); return 0;
}
int balance(void) { return started; }
"""
VERSIONS = """
#include <stddef.h>
int cudaRuntimeGetVersion(int *version) { *version = 13000; return 0; }
int cublasGetProperty(int which, int *value) { int parts[] = {13, 1, 2}; *value = parts[which]; return 0; }
size_t cudnnGetVersion(void) { return NUMBER; }
"""


def loader(**libraries: str) -> Callable[[str], Any]:
    """What opens these files for names that begin with their keys, and nothing else."""

    def load(name: str) -> Any:
        for key, path in libraries.items():
            if name.startswith(key):
                return ctypes.CDLL(path)
        raise OSError(f"{name}: cannot open shared object file")

    return load


def driver(folder: Path, count: int = 1, init: int = 0) -> str:
    source = DRIVER.replace("INIT", str(init)).replace("COUNT", str(count))
    return compiled(source, folder / f"libdriver_{count}_{init}.so")


def test_every_fact_comes_from_the_driver(tmp_path: Path) -> None:
    management = compiled(MANAGEMENT, tmp_path / "libmanagement.so")
    facts = gpu(loader(libcuda=driver(tmp_path), libnvidia=management))
    assert facts == {
        "gpu": "NVIDIA Simulated 9000",
        "compute_capability": "9.0",
        "multiprocessors": "132",
        "gpu_memory": "3.0 GiB",
        "ecc": "on",
        "driver": "580.65.06",
        "cuda_driver": "13.2",
    }
    assert ctypes.CDLL(management).balance() == 0, "what was started was shut down"


def test_several_devices_are_counted_and_the_driver_may_be_unknown(tmp_path: Path) -> None:
    facts = gpu(loader(libcuda=driver(tmp_path, count=2)))
    assert facts["gpus"] == "2"
    if not Path("/proc/driver/nvidia/version").exists():
        assert facts["driver"] == "unknown"


@pytest.mark.parametrize(("count", "init"), [(0, 0), (1, 100)])
def test_a_driver_without_a_device_is_no_gpu(tmp_path: Path, count: int, init: int) -> None:
    assert gpu(loader(libcuda=driver(tmp_path, count, init))) == {}


def test_without_a_driver_nothing_is_said() -> None:
    assert gpu(loader()) == {}
    assert bool(gpu()) == has_gpu()


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu Jan 23", "570.86.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build", "580.65.06"),
        ("something else", "unknown"),
    ],
)
def test_the_driver_is_read_from_proc_where_nothing_manages_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, version: str
) -> None:
    told = tmp_path / "version"
    told.write_text(line + "\nGCC version: gcc version 13.3.0\n")
    monkeypatch.setattr(machine, "Path", lambda name: told if name == "/proc/driver/nvidia/version" else Path(name))
    assert machine._driver_version(loader()) == version


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
@pytest.mark.parametrize(("number", "cudnn"), [(92800, "9.28.0"), (91002, "9.10.2"), (8907, "8.9.7")])
def test_loaded_libraries_tell_their_own_versions(tmp_path: Path, number: int, cudnn: str) -> None:
    for name in ("libcudart.so.13", "libcublas.so.13", "libcudnn.so.9", "libcublasLt.so.13"):
        path = tmp_path / name
        ctypes.CDLL(compiled(VERSIONS.replace("NUMBER", str(number)), path))
    mine = [str(tmp_path / name) for name in ("libcudart.so.13", "libcublas.so.13", "libcudnn.so.9")]
    assert set(mine) <= set(machine.loaded_libraries())

    def load(path: str) -> Any:
        if path not in mine:
            raise OSError("of another test")
        return ctypes.CDLL(path)

    assert cuda_libraries(load) == {"cuda": "13.0", "cublas": "13.1.2", "cudnn": cudnn}
