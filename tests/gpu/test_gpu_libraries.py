"""On a GPU every library computes what it should in every format, and says on what."""

from __future__ import annotations

import pytest
from cuda_processes import cuda

from fpsynth.libraries.machine import gpu, has_gpu
from fpsynth.libraries.registry import library_named, names_for

pytestmark = pytest.mark.skipif(not has_gpu(), reason="needs a GPU")

NAMES = names_for("cuda")
OPERATIONS = [(name, operation) for name in NAMES for operation in library_named(name).operations]
SURE = ("float16", "float32", "float64")
"""Formats that every library multiplies on every GPU.  bfloat16 needs a new enough one, and in CuPy a new enough CuPy."""


def test_the_gpu_is_described() -> None:
    facts = gpu()
    assert facts["gpu"] != "unknown"
    assert float(facts["compute_capability"]) >= 5
    assert int(facts["multiprocessors"]) > 0
    assert facts["driver"] != "unknown"
    assert float(facts["cuda_driver"]) >= 11


@pytest.mark.parametrize("name", NAMES)
def test_each_library_names_the_gpu_and_the_libraries_it_computes_with(name: str) -> None:
    facts = cuda("check", name)["facts"]
    assert gpu().items() <= facts.items()
    assert facts.get("cublas", "13.0") != "unknown"


def test_torch_tells_every_switch() -> None:
    facts = cuda("check", "torch")["facts"]
    assert {"cuda", "cublas", "cudnn", "built_for_cuda"} <= set(facts)
    asked = ("tf32_matmul", "tf32_cudnn", "deterministic", "cudnn_benchmark", "fp16_reduced_precision_reduction")
    assert all(facts[name] in ("True", "False") for name in asked), facts
    assert facts["deterministic"] == "False"


@pytest.mark.parametrize("dtype", [*SURE, "bfloat16"])
@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_small_integers_are_exact_at_every_shape(name: str, operation: str, dtype: str) -> None:
    """Up to 4096 terms and 1024 rows: no order, no tensor core and no split of the sum makes a difference to them."""
    found = cuda("check", name)["sums"][operation][dtype]
    assert found["inexact"] == []
    assert found["unsteady"] == []
    assert not any("\n" in reason for reason in found["refused"])
    if dtype in SURE:
        assert found["refused"] == []


@pytest.mark.parametrize("name", NAMES)
def test_what_a_reveal_looks_at_is_what_a_replay_runs(name: str) -> None:
    assert cuda("check", name)["differ"] == {variant: [] for variant in library_named(name).variants}
