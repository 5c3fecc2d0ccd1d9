"""The benchmark of scoreboards keeps nothing that says where on a machine it was run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, ROOT

sys.path.insert(0, str(ROOT / "tests" / "bench"))

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_results_hold_no_path_of_the_machine(tmp_path: Path) -> None:
    from bench_corpus import standing_in, written

    written(tmp_path / "corpus")
    crash = tmp_path / "crash.py"
    crash.write_text("import sys\nsys.exit(f'cannot read {sys.argv[1]!r} beside {__file__}')\n")
    tools = f"{standing_in('always_unsat')},crash={sys.executable} {crash} {{onnx}} {{vnnlib}}"
    options = ["--tools", tools, "--own", "crown", "--timeout", "20", "--out", tmp_path / "results", "--name", "small"]
    argv = [sys.executable, "-m", "benchmarks.scoreboard", tmp_path / "corpus", *options]
    done = subprocess.run(argv, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for name in ("small.json", "small.txt"):
        told = (tmp_path / "results" / name).read_text()
        assert not any(place in told for place in (str(tmp_path), str(ROOT), "/tmp/", sys.prefix)), told
    of_each = (tmp_path / "results" / "small.txt").read_text().partition("Verdicts, and seconds:\n")[2].splitlines()
    assert of_each[0].split() == ["verifier", "broken_0", "narrow_0", "robust_0", "tie_0", "tie_0_control1"]
    assert of_each[1].split()[1::2] == ["unsat"] * 5
    data = json.loads((tmp_path / "results" / "small.json").read_text())
    assert data["corpus"] == "corpus"
    assert {run["reason"] for run in data["runs"] if run["verifier"] == "crash"} == {
        "it ended with status 1: cannot read 'network.onnx' beside crash.py"
    }
