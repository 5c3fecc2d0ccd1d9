"""The order benchmark asks both sides the same question, checks their answers exactly, and keeps what it printed."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from profiles import slow

ROOT = Path(__file__).parents[2]
NAIVE, OURS, Z3 = "naive z3", "fpsynth", "z3, fpsynth's encodings"


def benchmark(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.order", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def naive_answer(terms, a, b, limit=20.0, memory=4 << 30):
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "naive_order.py", "8", "24", "0", str(limit), str(memory)],
        input=json.dumps({"terms": terms, "a": a, "b": b}),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@slow
def test_three_terms(tmp_path):
    pytest.importorskip("z3", reason="the naive side needs z3")
    done = benchmark("--seeds", 1, "--limit", 2, "--terms", 3, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "order.txt").read_text() == done.stdout
    results = json.loads((tmp_path / "order.json").read_text())
    (case,) = results["cases"]
    # three terms pairwise, and in the random order 1, are those from left to right: there is nothing to compare
    assert (case["terms"], case["a"], case["b"]) == (3, "sequential", "reverse")
    assert list(case["columns"]) == [NAIVE, OURS, Z3]
    for column in case["columns"].values():
        (run,) = column["runs"]
        assert column["median"] == column["min"] == column["max"] == run["seconds"] > 0
        assert column["rechecked"] + column["unsolved"] == 1
        assert bool(run.get("how")) == run["solved"] != bool(run.get("reason"))
    assert case["columns"][OURS]["rechecked"] == 1
    assert case["median_ratio"] == case["columns"][NAIVE]["median"] / case["columns"][OURS]["median"]
    assert case["at_least"] == (case["columns"][NAIVE]["unsolved"] == 1)
    assert results["conditions"]["versions"]["z3-solver"]
    assert str(ROOT) not in json.dumps(results)


def test_a_naive_run_out_of_time_counts_as_its_limit(tmp_path):
    pytest.importorskip("z3", reason="the naive side needs z3")
    done = benchmark("--seeds", 1, "--limit", 1, "--terms", 64, "--orders", "pairwise", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    (case,) = json.loads((tmp_path / "order.json").read_text())["cases"]
    naive = case["columns"][NAIVE]
    assert (naive["median"], naive["unsolved"], naive["rechecked"], case["at_least"]) == (1.0, 1, 0, True)
    assert f">= {case['median_ratio']:.3g}" in done.stdout
    assert "time 1x" in done.stdout
    assert naive["runs"][0]["process_seconds"] > 1.0


def test_the_naive_model_flips_in_numpy():
    pytest.importorskip("z3")
    answer = naive_answer(3, [[0, 1], [3, 2]], [[1, 2], [3, 0]])
    assert answer["status"] == "sat"
    x, y, z = np.array(answer["model"], np.uint32).view(np.float32)
    assert max(abs(v) for v in (x, y, z)) <= 1
    assert ((x + y) + z > 0) != (x + (y + z) > 0)


def test_equal_orders_have_no_flip():
    pytest.importorskip("z3")
    answer = naive_answer(3, [[0, 1], [3, 2]], [[0, 1], [3, 2]])
    assert (answer["status"], answer["model"]) == ("unsat", None)


def test_a_claimed_solution_that_is_none_is_an_error(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.order import Case, recheck
    from fpsynth.orders import parse_order
    from fpsynth.rounding import from_fraction

    case = Case(3, parse_order("reverse"), 1)
    tiny = Fraction(1, 2**30)

    def claim(*numbers):
        recheck(case, {f"w0_{k}": from_fraction(Fraction(number)) for k, number in enumerate(numbers)})

    claim(-1, 1, tiny)  # 2**-30 from left to right; 1 swallows it where it comes first
    for numbers in ((1, 1, tiny), (-2, 2, tiny), (1, -1, 0)):
        with pytest.raises(RuntimeError, match="3 terms, reverse: a claimed solution is none"):
            claim(*numbers)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--terms", "3,x"], "whole numbers"),
        (["--terms", "2"], "from 3 to 4096"),
        (["--orders", "sideways"], "unknown order"),
        (["--limit", 0], "the limit must be above 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.order import main

    assert main([*map(str, arguments), "--out", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()
