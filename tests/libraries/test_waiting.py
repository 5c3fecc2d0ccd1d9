"""Threads without work sleep unless the environment says otherwise, and that decides nothing about what is computed."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from profiles import slow

from fpsynth.formats import FLOAT32
from fpsynth.libraries.machine import WAITING, limit_threads
from fpsynth.libraries.onnxruntime import OnnxRuntime
from fpsynth.libraries.pool import LibraryCall, LibraryPool
from fpsynth.libraries.registry import library_named
from fpsynth.networks.network import Network, dense_relu

SIZE, BATCH = 192, 64
DRAW = np.random.default_rng(4)


def numbers(*shape: int) -> Any:
    return DRAW.uniform(-1.0, 1.0, shape).astype(np.float32).astype(np.float64)


NETWORK: Network = dense_relu([(numbers(SIZE, SIZE), None), (numbers(3, SIZE), None)])
"""Large enough for several threads."""
POINTS = numbers(BATCH, SIZE).tolist()


def test_they_sleep_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WAITING:
        monkeypatch.setenv(name, "")  # recorded first, so that what the test leaves is undone, whatever was there
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    limit_threads(None)
    assert {name: os.environ[name] for name in WAITING} == {**WAITING, "OMP_WAIT_POLICY": "active"}
    monkeypatch.delenv("OMP_WAIT_POLICY")
    limit_threads(None)
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


@pytest.mark.parametrize("name", ["numpy", pytest.param("torch", marks=slow)])
def test_a_library_gives_the_same_bits_however_its_threads_wait(name: str) -> None:
    if library_named(name).version() is None:
        pytest.skip(f"{name} is not installed")
    found = []
    for variables in ({}, {"OMP_WAIT_POLICY": "active", "OPENBLAS_THREAD_TIMEOUT": "26"}):
        with LibraryPool([name], environment=variables, threads=2) as pool:
            calls = [LibraryCall(variant, tuple(range(BATCH))) for variant in pool.members[name].variants]
            found.append(pool.run(NETWORK, FLOAT32, POINTS, {name: calls})[name])
    assert found[0] == found[1]
    assert all(one.outputs is not None for one in found[0])


class Spinning(OnnxRuntime):
    """As it is by default."""

    def _options(self, level: str = "") -> Any:
        options = super()._options(level)
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        return options


def test_sessions_of_onnxruntime_give_the_same_bits_however_their_threads_wait() -> None:
    pytest.importorskip("onnxruntime")
    found = []
    for library in (OnnxRuntime(), Spinning()):
        library.start("cpu", 2, {})
        spins = library._options().get_session_config_entry("session.intra_op.allow_spinning")
        found.append((spins, [library.run(NETWORK, POINTS, FLOAT32, variant) for variant in library.variants]))
    (sleeping, ours), (spinning, theirs) = found
    assert (sleeping, spinning) == ("0", "1")
    assert ours == theirs
