"""What a reveal looks at (``operation``) is what a replay runs (``run``), and every primitive sums what it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from profiles import SLOW

from fpsynth.libraries.registry import library_named, names_for

CHECK = Path(__file__).with_name("operations_check.py")


@cache
def report(name: str) -> dict[str, Any]:
    """The findings of one library, made in a process of its own: two that link OpenMP had better not share one."""
    if library_named(name).version() is None:
        pytest.skip(f"{name} is not installed")
    path = os.pathsep.join((str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")))
    command = [sys.executable, CHECK, name, "all" if SLOW else "some"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", names_for("cpu"))
def test_an_operation_computes_bit_for_bit_what_a_one_layer_network_gives(name: str) -> None:
    assert report(name)["differ"] == {variant: [] for variant in library_named(name).variants}


@pytest.mark.parametrize("name", names_for("cpu"))
def test_the_call_that_is_printed_gives_the_very_bits(name: str) -> None:
    """In every layout, on operands stored as they are printed; a replay of one layer gives them, too."""
    found, library = report(name)["calls"], library_named(name)
    assert found["differ"] == []
    layouts = {(operation, layout) for operation, layout in found["compared"]}
    for operation, called in library.calls.items():
        if len(called.layouts) > 1:
            assert {(operation, layout) for layout in called.layouts} <= layouts
            assert any(operation == other and layout.endswith("e") for other, layout in layouts) == called.strided


@pytest.mark.parametrize("name", names_for("cpu"))
def test_every_operation_sums_small_integers_exactly(name: str) -> None:
    assert report(name)["inexact"] == {operation: [] for operation in library_named(name).operations}


@pytest.mark.parametrize("name", names_for("cpu"))
def test_what_cannot_be_computed_is_refused_with_a_reason(name: str) -> None:
    found, library = report(name), library_named(name)
    assert found["unknown"] == f"{name} has no variant convolve; choose from {', '.join(library.operations)}"
    assert found["tf32"] == f"{name} has no dtype tf32"
    assert found["pairs"] == "vdot takes one pair of vectors"
    assert found["biased_sum"] == "sum has one output and no bias"
    assert found["odd_offset"] == "an offset of 2 bytes is not a multiple of a float32's size below 64"


@pytest.mark.parametrize("name", names_for("cpu"))
def test_addresses_can_be_chosen_where_a_library_takes_memory_from_outside(name: str) -> None:
    assert bool(report(name)["offset"]) == (name in ("tensorflow", "jax"))
