"""On a GPU switches do what they say: TF32 rounds the factors, deterministic algorithms repeat, cuDNN takes the algorithm."""

from __future__ import annotations

import pytest
from cuda_processes import cuda

from fpsynth.libraries.cudnn import ALGORITHMS
from fpsynth.libraries.machine import gpu, has_gpu

pytestmark = pytest.mark.skipif(not has_gpu(), reason="needs a GPU")

FULL, ROUNDED = [1 + 2.0**-11], [1.0]
"""(1 + 2**-12)**2 in float32, and where the factors are rounded to 11 or fewer bits of significand first."""


def needs_tf32() -> None:
    if float(gpu()["compute_capability"]) < 8:
        pytest.skip("this GPU has no TF32")


@pytest.mark.parametrize(("library", "operation"), [("torch", "linear"), ("torch", "matmul"), ("cupy", "matmul")])
def test_tf32_rounds_the_factors_and_without_it_nothing_is_rounded(library: str, operation: str) -> None:
    needs_tf32()
    assert cuda("probe", library, operation, "float32", "tf32=off")["squares"] == FULL
    assert cuda("probe", library, operation, "float32")["squares"] == FULL, "it is off unless asked for"
    assert cuda("probe", library, operation, "float32", "tf32=on")["squares"] == ROUNDED


def test_torch_tells_that_tf32_is_on() -> None:
    needs_tf32()
    on, off = (cuda("probe", "torch", "linear", "float32", f"tf32={value}")["facts"] for value in ("on", "off"))
    assert (on["tf32_matmul"], on["tf32_cudnn"]) == ("True", "True")
    assert (off["tf32_matmul"], off["tf32_cudnn"]) == ("False", "False")


def test_the_precision_of_jax() -> None:
    needs_tf32()
    assert cuda("probe", "jax", "jit", "float32", "precision=highest")["squares"] == FULL
    assert cuda("probe", "jax", "jit", "float32", "precision=BF16_BF16_F32")["squares"] == ROUNDED
    assert cuda("probe", "jax", "jit", "float32")["squares"] in (FULL, ROUNDED)


def test_deterministic_jax_gives_two_processes_the_same_bits() -> None:
    first = cuda("probe", "jax", "jit", "float32", "deterministic=on")
    second = cuda("probe", "jax", "jit", "float32", "deterministic=on", "precision=default")
    assert (first["repeats"], second["repeats"]) == (1, 1)
    assert first["digest"] == second["digest"]
    assert "--xla_gpu_deterministic_ops=true" in first["facts"]["xla_flags"]


def test_tensorflow_uses_tf32_unless_told_not_to() -> None:
    needs_tf32()
    assert cuda("probe", "tensorflow", "matmul", "float32", "tf32=off")["squares"] == FULL
    assert cuda("probe", "tensorflow", "matmul", "float32", "tf32=on")["squares"] in (FULL, ROUNDED)


@pytest.mark.parametrize("operation", ["linear", "conv2d"])
def test_deterministic_torch_repeats(operation: str) -> None:
    found = cuda("probe", "torch", operation, "float32", "deterministic=on")
    assert found["repeats"] == 1
    assert found["facts"]["deterministic"] == "True"


@pytest.mark.parametrize(
    ("switch", "fact", "value"),
    [
        ("reduced=off", "fp16_reduced_precision_reduction", "False"),
        ("reduced=off", "bf16_reduced_precision_reduction", "False"),
        ("accumulate=float16", "fp16_accumulation", "True"),
    ],
)
def test_how_float16_is_accumulated_is_told(switch: str, fact: str, value: str) -> None:
    found = cuda("probe", "torch", "linear", "float16", switch)
    assert found["facts"][fact] == value
    assert found["error"] < 2.0, "of sums of 256 products of about 1"


def test_compiled_torch_computes_the_same_up_to_rounding() -> None:
    found = cuda("probe", "torch", "linear", "float32", "compile=on")
    if "refused" in found:
        pytest.skip(f"torch cannot compile here: {found['refused']}")
    assert found["error"] < 1e-3
    assert found["facts"]["compile"] == "on"


def test_every_algorithm_of_cudnn_convolves_or_says_why_not() -> None:
    ran = []
    for algorithm, tf32 in [*((algorithm, "off") for algorithm in ALGORITHMS), ("implicit-precomp-gemm", "on")]:
        found = cuda("probe", "torch", "conv2d", "float32", f"cudnn={algorithm}", f"tf32={tf32}")
        if "refused" in found:
            assert found["refused"].startswith("cudnn"), found["refused"]
            assert "\n" not in found["refused"]
            continue
        ran.append(algorithm)
        assert found["facts"]["cudnn_algorithm"] == algorithm
        assert found["error"] < (0.5 if tf32 == "on" else 0.01), (algorithm, "sums of 576 products of about 1")
    assert ran, "at least one of them must be supported"


@pytest.mark.parametrize("value", ["default", "off", "benchmark"])
def test_torch_convolves_with_and_without_cudnn(value: str) -> None:
    found = cuda("probe", "torch", "conv2d", "float32", f"cudnn={value}", "tf32=off")
    assert found["error"] < 0.01
    assert found["facts"]["cudnn_enabled"] == str(value != "off")
    assert found["facts"]["cudnn_benchmark"] == str(value == "benchmark")
