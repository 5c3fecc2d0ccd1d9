"""Switches change what they say, where a CPU has them; and what they were set to is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from profiles import slow

from fpsynth.formats import FLOAT32
from fpsynth.libraries.base import CannotRun
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.registry import library_named
from fpsynth.libraries.runs import Run, run_in
from fpsynth.networks.network import Dense, dense_relu

CHECK = Path(__file__).with_name("compile_check.py")
NETWORK = dense_relu((Dense(((1.0, 2.0), (3.0, 4.0)), (1.0, 1.0)), Dense(((1.0, -1.0),))))


def needs(name: str) -> None:
    if library_named(name).version() is None:
        pytest.skip(f"{name} is not installed")


def run(library: str, variant: str, *switches: tuple[str, str]) -> Run:
    (found,) = runs(library, (variant,), switches)
    return found


def runs(library: str, variants: tuple[str, ...], switches: tuple[tuple[str, str], ...]) -> list[Run]:
    """Variants in one process."""
    return run_in([Environment(library, name, batch=2, switches=switches) for name in variants], NETWORK, FLOAT32, [(1.0, 2.0)])


@slow
def test_torch_compiles_every_operation_anew_for_each_shape_and_not_for_each_weight() -> None:
    needs("torch")
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("needs a C++ compiler")
    path = os.pathsep.join((str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run([sys.executable, CHECK], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["inexact"] == []
    assert found["graphs"] == found["shapes"] > 16, "torch's own limit is 8, beyond which it would run them as they are"
    assert found["facts"]["compile"] == "on"


def test_algorithms_of_cudnn_are_refused_for_anything_but_convolutions() -> None:
    """Also where a replay runs all variants of a library in one process."""
    library = library_named("torch")
    library.chosen = {"cudnn": "winograd-nonfused"}
    with pytest.raises(CannotRun, match="cudnn=winograd-nonfused is for torch's conv2d only"):
        library.operation(Kernel(Environment("torch", "linear", device="cuda"), FLOAT32, 8))
    with pytest.raises(CannotRun, match="cudnn=winograd-nonfused is for torch's conv2d only"):
        library.runner(NETWORK, FLOAT32, "matmul", "cuda")


def test_torch_tells_every_switch_and_they_are_set_as_they_say() -> None:
    """Most of them can be set without a GPU, too."""
    needs("torch")
    code = (
        "import json\n"
        "from fpsynth.libraries.torch import Torch, _cuda_facts\n"
        "library, found = Torch(), []\n"
        "library.load('cpu')\n"
        "for number in (0, 1):\n"
        "    for name, values in library.switches.items():\n"
        "        library.switch(name, values[number], 'cuda')\n"
        "    found.append(_cuda_facts())\n"
        "library.switch('cudnn', 'benchmark', 'cuda')\n"
        "print(json.dumps([*found, _cuda_facts()]))\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")))}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second, third = json.loads(done.stdout.splitlines()[-1])
    for name in ("tf32_matmul", "tf32_cudnn", "deterministic", "fp16_accumulation"):
        assert (first[name], second[name]) == ("False", "True"), name
    for name in ("fp16_reduced_precision_reduction", "bf16_reduced_precision_reduction", "cudnn_enabled"):
        assert (first[name], second[name]) == ("True", "False"), name
    assert (first["cudnn_benchmark"], third["cudnn_benchmark"], third["cudnn_enabled"]) == ("False", "True", "True")
    assert {"CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE"} <= set(first)


def test_deterministic_torch_fixes_the_workspace_of_cublas() -> None:
    needs("torch")
    found = run("torch", "linear", ("deterministic", "on"))
    assert found.answers[0].outputs is not None
    assert found.facts["CUBLAS_WORKSPACE_CONFIG"] == os.environ.get("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@pytest.mark.parametrize("precision", ["highest", "bfloat16", "F32_F32_F32"])
def test_the_precision_of_jax_is_told(precision: str) -> None:
    needs("jax")
    found = run("jax", "jit", ("precision", precision))
    assert found.facts["matmul_precision"] == precision
    assert found.answers[0].outputs is not None or "not supported" in found.answers[0].not_run


def test_jax_is_told_to_be_deterministic_beside_whatever_else_xla_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=0")
    told = library_named("jax").variables({"deterministic": "on"})
    assert told == {"XLA_FLAGS": "--xla_gpu_autotune_level=0 --xla_gpu_deterministic_ops=true"}
    assert library_named("jax").variables({"precision": "highest"}) == {}


def test_tensorflow_compiles_its_function_with_xla() -> None:
    needs("tensorflow")
    found, other = runs("tensorflow", ("function", "keras"), (("deterministic", "on"), ("xla", "on")))
    assert found.facts["xla"] == "on"
    assert found.answers[0].outputs is not None, found.answers[0].not_run
    assert found.answers[0].outputs.logits == ((-6.0,),) * 2
    (refused,) = other.answers
    assert refused.not_run == "xla=on is for TensorFlow's variant function only"
