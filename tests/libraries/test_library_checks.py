"""Operations, layers and whole graphs of every library: what a reveal looks at is what a replay runs, and sums are right."""

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
from fpsynth.networks.layers import LAYERS

CHECK = Path(__file__).with_name("library_checks.py")
POOLED = {"average padded, not counted"}
"""Padding that is not counted, and is not TensorFlow's SAME."""
CONSTANTS = {f"{kind} constant" for kind in ("add", "subtract", "multiply", "divide")} | {"add constants", "subtract constants"}
CLIPPED = {"clip", "clip below", "clip above"}
REFUSED = {
    "tensorflow": {
        "matmul": POOLED,
        "function": POOLED,
        "keras": POOLED
        | CONSTANTS
        | CLIPPED
        | {"subtract from constant", "affine", "affine of numbers", "pad with a number", "conv dilated strided"}
        | {"maximum padded", "maximum uneven"},
    }
}
"""By library and variant the cases for which it has no call."""


@cache
def report(name: str) -> dict[str, Any]:
    """The findings of one library, made in one process of its own: two that link OpenMP had better not share one."""
    if library_named(name).version() is None:
        pytest.skip(f"{name} is not installed")
    path = os.pathsep.join((str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")))
    command = [sys.executable, CHECK, name, "all" if SLOW else "some"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def require_right(name: str, part: str) -> None:
    """In float32 the cases that are refused are those that are known to be; in other formats there may be more."""
    for dtype, found in report(name)["graphs"][part].items():
        assert found
        refused = {case: why for case, why in found.items() if why.startswith("not run: ")}
        assert {case: why for case, why in found.items() if why and case not in refused} == {}
        expected = {case for case in found if case.partition(": ")[2] in REFUSED.get(name, {}).get(case.partition(": ")[0], ())}
        assert expected <= set(refused)
        assert dtype.partition(",")[0] != "float32" or expected == set(refused)
        assert all("\n" not in why and len(why) < 300 for why in refused.values())
        assert all(" (" in why for why in refused.values() if "cannot run" in why)


@pytest.mark.parametrize("name", names_for("cpu"))
def test_every_layer_type_gives_small_integers_exactly(name: str) -> None:
    assert set(report(name)["graphs"]["kinds"]) == set(LAYERS)
    require_right(name, "exact")


@pytest.mark.parametrize("name", names_for("cpu"))
def test_graphs_with_residual_additions_and_concatenations(name: str) -> None:
    require_right(name, "graphs")
    assert report(name)["graphs"]["float64"] == dict.fromkeys(
        library_named(name).variants, "" if name != "onnxruntime" else NO_CONV
    )


NO_CONV = (
    "not run: [ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an implementation for Conv(11) node with name 'stem'"
)


@pytest.mark.parametrize("name", names_for("cpu"))
def test_rounding_takes_no_logit_further_than_it_can(name: str) -> None:
    require_right(name, "rounded")


@pytest.mark.parametrize("name", names_for("cpu"))
def test_a_kernel_of_a_layer_gives_the_very_bits_of_the_whole_layer(name: str) -> None:
    require_right(name, "kernels")


@pytest.mark.parametrize("name", names_for("cpu"))
def test_kernels_that_do_not_fit_their_layer_are_refused(name: str) -> None:
    assert report(name)["graphs"]["refusals"] == {
        "terms": "the convolution adds 18 terms and has 4 outputs at a position",
        "outputs": "the convolution adds 18 terms and has 4 outputs at a position",
        "position": "position 12 is not among the 12 of the convolution",
        "bias": "this convolution has no bias",
        "normalisation": "a batch normalisation is no sum: ask about the affine layer that it is computed as",
        "results": "500000 rows of 48 outputs are more than 10000000 numbers",
        "many": "a kernel has from 1 to 65536 terms, not 65537",
        "layout": "a convolution takes no layout",
    }


@pytest.mark.parametrize("name", names_for("cpu"))
def test_an_operation_computes_bit_for_bit_what_a_one_layer_network_gives(name: str) -> None:
    assert report(name)["operations"]["differ"] == {variant: [] for variant in library_named(name).variants}


@pytest.mark.parametrize("name", names_for("cpu"))
def test_the_call_that_is_printed_gives_the_very_bits(name: str) -> None:
    """In every layout, on operands stored as they are printed; a replay of one layer gives them, too."""
    found, library = report(name)["operations"]["calls"], library_named(name)
    assert found["differ"] == []
    layouts = {(operation, layout) for operation, layout in found["compared"]}
    for operation, called in library.calls.items():
        if len(called.layouts) > 1:
            assert {(operation, layout) for layout in called.layouts} <= layouts
            assert any(operation == other and layout.endswith("e") for other, layout in layouts) == called.strided


@pytest.mark.parametrize("name", names_for("cpu"))
def test_every_operation_sums_small_integers_exactly(name: str) -> None:
    assert report(name)["operations"]["inexact"] == {operation: [] for operation in library_named(name).operations}


@pytest.mark.parametrize("name", names_for("cpu"))
def test_what_cannot_be_computed_is_refused_with_a_reason(name: str) -> None:
    found, library = report(name)["operations"], library_named(name)
    assert found["unknown"] == f"{name} has no variant convolve; choose from {', '.join(library.operations)}"
    assert found["tf32"] == f"{name} has no dtype tf32"
    assert found["pairs"] == "vdot takes one pair of vectors"
    assert found["biased_sum"] == "sum has one output and no bias"
    assert found["odd_offset"] == "an offset of 2 bytes is not a multiple of a float32's size below 64"


@pytest.mark.parametrize("name", names_for("cpu"))
def test_addresses_can_be_chosen_where_a_library_takes_memory_from_outside(name: str) -> None:
    assert bool(report(name)["operations"]["offset"]) == (name in ("tensorflow", "jax"))
