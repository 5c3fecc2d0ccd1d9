"""The benchmark runs both sides, says which demand is met, and keeps what it printed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fpsynth.solvers.engines import ENGINES

ROOT = Path(__file__).parents[2]


def benchmark(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.tie", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_one_seed_of_one_format(tmp_path):
    pytest.importorskip("z3", reason="the naive side needs z3")
    done = benchmark("--seeds", 1, "--limit", 20, "--formats", "float16", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tie.txt").read_text() == done.stdout
    results = json.loads((tmp_path / "tie.json").read_text())
    entry = results["formats"]["float16"]
    assert list(entry["columns"]) == ["naive z3", "fpsynth", *ENGINES]
    for column in entry["columns"].values():
        (run,) = column["runs"]
        assert column["median"] == column["min"] == column["max"] == run["seconds"] > 0
        assert column["unsolved"] == (not run["solved"])
    # every kind of solver reaches the largest ratio of float16, which is 2**11
    assert entry["columns"]["fpsynth"]["runs"][0]["ratio"] == 2048
    assert entry["median_ratio"] == entry["columns"]["naive z3"]["median"] / entry["columns"]["fpsynth"]["median"]
    assert entry["met"] == (entry["median_ratio"] >= 1)
    assert results["conditions"]["versions"]["z3-solver"]
    assert str(ROOT) not in json.dumps(results)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--formats", "float8_e4m3fn"], "cannot be stated in float8_e4m3fn"),
        (["--formats", "float61"], "unknown dtype"),
        (["--seeds", 0], "at least one seed"),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.tie import main

    assert main([*map(str, arguments), "--out", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()
