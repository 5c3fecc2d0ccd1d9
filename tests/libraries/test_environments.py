"""What the environments command lists: found by trying, with the machine that it was found on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fpsynth.errors import InputError
from fpsynth.formats import FORMATS
from fpsynth.libraries.environments import Installation, InstalledLibrary, environments
from fpsynth.libraries.machine import KERNEL_VARIABLES, cpu, kernel_variables, machine
from fpsynth.libraries.registry import NAMES, library_named, names_for

HEAVY = ("numpy", "torch", "tensorflow", "onnxruntime", "onnx", "jax", "cupy", "ml_dtypes")


def test_numpy_is_found_with_what_it_can_run() -> None:
    (found,) = environments(["numpy"])
    assert found.version == library_named("numpy").version()
    assert not found.absent
    assert set(found.variants) == {"matmul", "dot", "dot-rows"}
    assert set(found.operations) == {"matmul", "dot", "dot-rows", "sum", "vdot"}
    assert found.operations["dot"].call == "np.dot(x, W.T)  x (batch, inputs) C, W (outputs, inputs) C"
    assert found.operations["dot"].layouts == ("NT", "NN", "TN", "TT")
    assert found.operations["vdot"].layouts == ()
    assert all(set(obstacles) == set(FORMATS) for obstacles in found.variants.values())
    assert {"float16", "float32", "float64"} <= set(found.dtypes)
    assert "tf32" not in found.dtypes
    assert found.facts["cpu"]


def test_an_unknown_library_is_refused() -> None:
    with pytest.raises(InputError, match="unknown library"):
        environments(["theano"])


def test_the_machine_is_described() -> None:
    facts = machine()
    assert facts["cpu"]
    assert int(facts["cores"]) >= 1
    assert facts["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert "smep" not in cpu()["cpu_features"].split()  # a protection of the kernel's, no arithmetic


def test_variables_that_choose_kernels_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KERNEL_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert kernel_variables() == {}
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    assert kernel_variables() == {"MKL_CBWR": "COMPATIBLE"}
    assert machine()["MKL_CBWR"] == "COMPATIBLE"


def test_nothing_heavy_is_imported_by_the_parent() -> None:
    """Versions are known, processes could be started, and no library has been imported; networks are arrays of numpy."""
    code = (
        "import sys, fpsynth.libraries.environments\n"
        "from fpsynth.libraries.registry import NAMES, library_named, names_for\n"
        "[library_named(name).version() for name in NAMES]\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))\n"
        "import fpsynth.confirmation, fpsynth.networks.onnx\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['numpy']"]


def test_every_library_has_a_file() -> None:
    assert tuple(library_named(name).name for name in NAMES) == NAMES


def test_where_nobody_names_libraries_those_that_know_the_device_are_meant() -> None:
    assert names_for("cpu") == ("numpy", "torch", "tensorflow", "onnxruntime", "jax")
    assert names_for("cuda") == ("torch", "tensorflow", "jax", "cupy")
    assert names_for("cuda", ["numpy", "cupy"]) == ("numpy", "cupy")


def test_an_installation_says_whether_a_library_was_lost():
    """What a library that was killed can run is not known; one that is not installed runs nothing."""
    absent = InstalledLibrary("jax", "", "cpu", "not installed")
    assert not Installation({}, (absent,), {}).lost
    killed = InstalledLibrary("jax", "1", "cpu", "crashed: it ended with status -9")
    assert Installation({}, (absent, killed), {}).lost
