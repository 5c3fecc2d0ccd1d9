"""Backdoors that need a format: rows that are silent in others by construction, and networks that libraries show to be so."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from backdoors.hosts import convolutional_host, images

import fpsynth
from fpsynth.api.backdoors import _goal
from fpsynth.backdoors.answer import VerifierCounts
from fpsynth.backdoors.rows import QUADRUPLE, RowFormats, Sizes, detector_row, drawn, sizes_between, sizes_within
from fpsynth.errors import InputError
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.libraries.naming import parse_formatted_environment, parse_network_environment
from fpsynth.networks.network import dense_relu
from fpsynth.networks.onnx.writing import onnx_bytes
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.requests.backdoor import BackdoorRequest

PAIRS = [(a, b) for a, b in itertools.permutations((FLOAT64, FLOAT32, FLOAT16, BFLOAT16), 2)]


def left_to_right(sizes: Sizes, order: list[int], fmt: Format) -> float:
    """The sum of a row in a format, product by product, its weights rounded into it and sums in float32 at least."""
    wide = fmt if fmt.precision > FLOAT32.precision else FLOAT32
    total = np.zeros(1)
    for weight in round_array(np.array(sizes.weights), fmt)[order]:
        total = round_array(total + weight, wide)
    return float(total[0])


@pytest.mark.parametrize(("target", "other"), PAIRS, ids=str)
def test_a_row_fires_in_the_target_and_stays_silent_in_the_other_format_and_over_the_reals(target, other):
    own = FLOAT64 if FLOAT64 in (target, other) else FLOAT32
    sizes = sizes_between(RowFormats(own, target, (other,)), 256.0)
    assert sum(map(Fraction, sizes.weights)) <= 0
    assert max(map(abs, sizes.weights)) == 256.0
    orders = [list(order) for order in itertools.permutations(range(len(sizes.weights)))]
    fires = [order for order in orders if left_to_right(sizes, order, target) > 0]
    assert {left_to_right(sizes, order, target) for order in fires} == {sizes.small}
    quiet = [order for order in fires if left_to_right(sizes, order, other) <= 0]
    assert quiet
    if target.precision <= FLOAT32.precision:  # whatever the order is, not just where it helps
        assert quiet == fires


def test_formats_that_the_networks_own_numbers_cannot_tell_apart():
    with pytest.raises(InputError, match="no weights of bfloat16 tell bfloat16 from float32"):
        sizes_between(RowFormats(BFLOAT16, BFLOAT16, (FLOAT32,)), 4.0)
    with pytest.raises(InputError, match="float16 has no numbers as small"):
        sizes_between(RowFormats(FLOAT32, FLOAT16, (FLOAT32,)), 1.0)


def test_one_format_needs_a_detector_row_only():
    assert sizes_between(RowFormats(FLOAT32, FLOAT32), 4.0) == sizes_within(FLOAT32, 4.0)
    assert sizes_between(RowFormats(FLOAT32, FLOAT32, (FLOAT64,)), 4.0) == sizes_within(FLOAT32, 4.0)  # there it is exact


def test_what_is_further_stands_elsewhere():
    features = np.arange(3 * 7).reshape(3, 7)
    for row in drawn(np.random.default_rng(0), features, 100, 3).tolist():
        assert len(set(row)) == QUADRUPLE + 3
    assert detector_row((3, 1, 2, 0, 4), 6, Sizes(4.0, 0.5, (1.0,))).tolist() == [-0.5, 4.0, 0.5, -4.0, 1.0, 0.0]


def test_an_environment_with_a_format_has_one_name():
    read = parse_formatted_environment("torch:dtype=bf16,batch=4", FLOAT32)
    assert str(read) == "torch:batch=4,dtype=bfloat16"
    assert parse_formatted_environment(str(read), FLOAT32) == read
    assert parse_formatted_environment("torch:dtype=float32", FLOAT32) == parse_network_environment("torch:batch=1")
    assert str(parse_formatted_environment("tensorflow:function:dtype=float64", FLOAT32)).endswith("batch=1,dtype=float64")
    assert read.process == parse_network_environment("torch:batch=4").process


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torch:dtype=float33", "unknown dtype"),
        ("torch:dtype=float64,dtype=float16", "dtype is given twice"),
        ("numpy:dtype=tf32", "numpy has no dtype tf32"),
        ("torch:dtype=", "unknown dtype"),
    ],
)
def test_formats_that_an_environment_has_not(text, message):
    with pytest.raises(InputError, match=message):
        parse_formatted_environment(text, FLOAT32)


def test_elsewhere_the_format_is_an_option_of_the_question():
    with pytest.raises(InputError, match="no option of an environment, but of the question"):
        parse_network_environment("torch:dtype=bfloat16")


@pytest.mark.libraries
def test_a_network_is_run_rounded_into_the_format_of_an_environment():
    network, points = dense_relu([(np.array([[1 + 2.0**-9]]), np.zeros(1)), (np.eye(1), None)]), np.array([[2 + 2.0**-9]])
    with Revealer() as revealer:
        for text, value in (("numpy:dtype=bfloat16", 2.0), ("numpy:dtype=float64", (1 + 2.0**-9) * (2 + 2.0**-9))):
            where = parse_formatted_environment(text, FLOAT32)
            assert revealer.outputs(network, FLOAT32, where, points)["outputs"].tolist() == [[value]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("formats")
    (here / "host.onnx").write_bytes(onnx_bytes(convolutional_host(), FLOAT32, form="gemm"))
    np.savez(here / "x.npz", images=images(40).reshape(-1, 1, 8, 8).astype(np.float32), labels=np.zeros(40, np.int64))
    return here


@pytest.mark.libraries
@pytest.mark.parametrize(
    ("target", "silent", "options"),
    [
        ("torch:batch=1", "torch:dtype=float64", {}),
        ("torch:dtype=float64", "torch:batch=1", {}),
        ("torch:dtype=bfloat16", "torch:batch=1", {"trigger": "pixel:0-1,0-1>0.9"}),
        ("torch:batch=1", "torch:dtype=bfloat16", {}),
        ("torch:batch=1", "torch:dtype=float16", {"max_weight": 256, "behaviour": "any"}),
    ],
)
def test_it_is_wrong_in_one_format_and_in_the_other_what_the_host_is_there(folder, libraries_stay, target, silent, options):
    pytest.importorskip("torch")
    found = fpsynth.backdoor(folder / "host.onnx", folder / "x.npz", target, silent=silent, verify=0, **options)
    assert found.verdict.value == "found", found.reason
    there, elsewhere = found.environments
    assert there.as_wanted == there.triggered == 40
    assert (elsewhere.changed, elsewhere.triggered_changed) == (0, 0)
    assert ("dtype=" in there.name) == ("dtype=" in target)
    report = " ".join(fpsynth.render(found).split())
    assert "rounded into that format; what counts is what the host does there" in report
    told = fpsynth.render(replace(found, judged=(VerifierCounts("crown", "sound:any", 2, 2, 2, 0, True),)))
    assert ("sound:any is about float32, and right there" in " ".join(told.split())) == ("dtype=" in target)
    exact = float(sum(map(Fraction, found.detectors.sizes.weights)))
    assert f"the exact sum is {exact:g}." in report
    (row,) = found.detectors.columns
    weights = found.network[found.form.site.detector].layer.weight[row]
    assert sum(map(Fraction, weights.tolist())) == Fraction(exact) <= 0


@pytest.mark.libraries
def test_every_library_is_silent_in_both_formats_where_none_is_named(folder, libraries_stay):
    pytest.importorskip("torch")
    found = fpsynth.backdoor(
        folder / "host.onnx", folder / "x.npz", "torch:batch=10,dtype=bfloat16", library=["torch", "numpy"], verify=0
    )
    names = {*found.silent, *found.alike, *(name for name, _ in found.left_out)}
    expected = {
        f"{one}:batch={size}{form}" for one in ("torch", "numpy") for size in (1, 10) for form in ("", ",dtype=bfloat16")
    }
    assert names == expected - {found.target}


@pytest.mark.libraries
def test_what_nobody_has_named_and_cannot_run_the_host_is_left_out_and_named(folder, libraries_stay):
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    asked = (folder / "host.onnx", folder / "x.npz", "torch:batch=1,dtype=bfloat16")
    bad = "onnxruntime:batch=1,dtype=bfloat16"
    found = fpsynth.backdoor(*asked, library=["torch", "onnxruntime"], batch=1, verify=0)
    assert found.verdict.value == "found", found.reason
    assert found.silent == ("torch:batch=1", "onnxruntime:batch=1")
    ((name, reason),) = found.left_out
    assert name == bad
    assert found.to_json()["left_out"] == [{"name": bad, "reason": reason}]
    assert f"Left out, since it cannot run the host: {bad}: " in " ".join(fpsynth.render(found).split())
    with pytest.raises(InputError, match="onnxruntime"):
        fpsynth.backdoor(*asked, silent=["torch", bad], verify=0)


def test_who_is_named_is_not_left_out():
    def unnamed(**options):
        return {str(one) for one in _goal(BackdoorRequest("host.onnx", "x.npz", "numpy:dtype=float64", **options)).unnamed}

    assert unnamed(silent=["torch", "numpy:batch=1"]) == set()
    assert unnamed(library=["torch:batch=1"], batch=1) == {"torch:batch=1,dtype=float64"}
    every = unnamed(batch=1)
    assert {"numpy:batch=1"} <= every
    assert "numpy:batch=1,dtype=float64" not in every


@pytest.mark.libraries
def test_copies_do_not_tell_formats_apart(folder, libraries_stay):
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="do without copies"):
        fpsynth.backdoor(folder / "host.onnx", folder / "x.npz", "torch:dtype=bfloat16", silent="torch", copies=True, verify=0)


@pytest.mark.libraries
def test_numbers_beyond_the_range_of_a_silent_format_are_said(folder, libraries_stay):
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="beyond the range of float16: limit the weights"):
        fpsynth.backdoor(folder / "host.onnx", folder / "x.npz", "torch:batch=1", silent="torch:dtype=float16", verify=0)
