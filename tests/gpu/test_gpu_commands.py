"""On a GPU the commands work end to end, and what small kernels compute is explained."""

from __future__ import annotations

import json

import pytest
from command_line import fpsynth

from fpsynth import api
from fpsynth.libraries.machine import gpu, has_gpu
from fpsynth.libraries.registry import library_named, names_for

pytestmark = pytest.mark.skipif(not has_gpu(), reason="needs a GPU")


def test_the_environments_are_listed() -> None:
    done = fpsynth("environments", "--device", "cuda", "--json")
    assert done.returncode == 0, done.stderr
    assert gpu()["gpu"] in done.stdout
    assert json.loads(done.stdout)
    installed = [name for name in names_for("cuda") if library_named(name).version() is not None]
    assert all(name in done.stdout for name in installed)


@pytest.mark.parametrize("operation", ["linear", "matmul", "sum"])
@pytest.mark.parametrize("batch", [1, 64])
def test_what_torch_does_with_eight_terms_is_explained(operation: str, batch: int) -> None:
    if library_named("torch").version() is None:
        pytest.skip("torch is not installed")
    (found,) = api.reveal(f"torch:{operation}:batch={batch},device=cuda", terms=8, vectors=500)
    assert found.explained, found
    assert found.facts["gpu"] == gpu()["gpu"]


def test_a_reveal_on_the_command_line() -> None:
    if library_named("torch").version() is None:
        pytest.skip("torch is not installed")
    done = fpsynth("reveal", "torch:linear:device=cuda,tf32=on", "--terms", "8", "--vectors", "200")
    assert done.returncode in (0, 4), done.stderr
    assert "torch" in done.stdout
