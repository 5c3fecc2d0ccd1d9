"""The benchmark of layers times every way that is there, compares their bits, and keeps what it printed."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from profiles import slow

ROOT = Path(__file__).parents[2]


def benchmark(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.networks", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@slow  # as comparing is
def test_every_way_is_timed(tmp_path):
    done = benchmark("--runs", 1, "--images", 70, "--no-compare", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "networks.txt").read_text() == done.stdout
    results = json.loads((tmp_path / "networks.json").read_text())
    assert results["conditions"]["threads_of_numpy"] == 1
    ways = {"arrays"} | ({"compiled"} if importlib.util.find_spec("numba") else set())
    assert [(entry["kind"], entry["work"]) for entry in results["layers"]][:2] == [("fused", 401408), ("unfused", 401408)]
    for entry in results["layers"]:
        assert set(entry["ns"]) == ways | {"numpy @"} | ({"general"} if entry["work"] <= 500_000 else set())
        assert all(0 < taken["min"] <= taken["max"] for taken in entry["ns"].values())
    assert set(results["network"]["ways"]) == ways
    assert results["network"]["work"] == 70 * (196 * 16 * 16 + 49 * 32 * 256 + 1568 * 100 + 100 * 10)


def test_compare_is_timed_beside_the_libraries_themselves(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.comparing import compared, convolutional, text, through_onnx

    network = convolutional()
    assert network.operations == 196 * 16 * 16 + 49 * 32 * 256 + 1568 * 100 + 100 * 10
    found = compared(network, 66, ["numpy:batch=1,threads=1"])
    assert found["environments"] == {"numpy:batch=1,threads=1": {"reproduced": 660, "of": 660, "not_run": ""}}
    assert (
        0
        < found["forward"]["numpy:batch=1,threads=1"]
        < found["seconds"]
        == pytest.approx(found["ratio"] * sum(found["forward"].values()))
    )
    assert 0 < found["peak_of_a_library_mib"] < 2048
    assert "660 of 660 logits reproduced" in text(found)[0]
    pytest.importorskip("onnx", reason="onnx is not installed")
    assert through_onnx(network)[0]


def test_what_is_no_way_is_refused():
    done = benchmark("--ways", "fast")
    assert done.returncode == 2
    assert done.stderr == "error: there is no way 'fast'; there are compiled, arrays, general\n"
