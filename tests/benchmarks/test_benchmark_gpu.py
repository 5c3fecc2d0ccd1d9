"""The script for GPUs: what it plans is possible, it rehearses on the CPU from beginning to end, and says what it needs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from profiles import SLOW

from fpsynth.libraries.machine import has_gpu
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.registry import NAMES
from fpsynth.witness import load

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def script(*arguments, seconds=300):
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)


def test_everything_in_the_plan_is_an_environment_of_a_gpu():
    from benchmarks.gpu_plan import FIRST, questions

    for case in FIRST:
        environment = parse_environment(f"{case.where},outputs={case.outputs},device=cuda")
        assert parse_environment(str(environment)) == environment
        assert all(1 <= terms <= 4096 for terms in case.terms)
    for question in questions():
        sides = [parse_environment(side) for side in (question.a, question.b, *question.silent)]
        assert any(side.device == "cuda" for side in sides)
        assert len(set(map(str, sides))) == len(sides)


def test_the_plan_covers_what_matters_on_a_gpu():
    from benchmarks.gpu_plan import FIRST

    seen = [parse_environment(f"{case.where},device=cuda") for case in FIRST]
    assert {case.dtype for case in FIRST if case.where.startswith("torch:linear")} == {
        "float16",
        "bfloat16",
        "float32",
        "float64",
    }
    assert {e.batch for e in seen if e.library == "torch"} >= {1, 4, 64, 1024}
    assert {name for e in seen if e.library == "torch" for name, _ in e.switches} >= {
        "tf32",
        "deterministic",
        "compile",
        "cudnn",
    }
    assert {e.library for e in seen} == {name for name in NAMES if name not in ("numpy", "onnxruntime")}
    assert {terms for case in FIRST for terms in case.terms} >= {8, 64, 784, 4096}


@pytest.mark.skipif(has_gpu(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    done = script(seconds=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "no GPU" in done.stderr


@pytest.mark.skipif(not SLOW, reason="takes half a minute (set FPSYNTH_SLOW=1)")
def test_a_rehearsal_on_the_cpu_reveals_finds_and_keeps(tmp_path):
    pytest.importorskip("torch", reason="torch is not installed")
    small = ("--kernels", 2, "--vectors", 200, "--terms", 8, "--libraries", "torch")
    done = script("--device", "cpu", *small, "--minutes", 3, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "gpu.json").read_text())
    assert (tmp_path / "gpu.txt").read_text() == done.stdout
    assert [entry["terms"] for entry in kept["reveals"]] == [8, 8]
    for entry in kept["reveals"]:
        assert sum(cls["total"] for cls in entry["classes"]) >= 200
    found = [answer for answer in kept["questions"] if answer["verdict"] == "found"]
    assert found, done.stdout
    for answer in found:
        assert load(tmp_path / "gpu_witnesses" / answer["witness"]).question == "order"
        assert (answer["exit"], answer["replay_exit"]) == (0, 0)
        assert all(view["predicted"] and view["returned"] for view in answer["views"])
