"""The reveal benchmark runs a plain FPRev and fpsynth on real kernels, compares their trees, and keeps what it printed."""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from fpsynth.orders import Builder, parse_order
from fpsynth.orders.comparing import equal

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def benchmark(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.reveal", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def leaves_below(tree):
    below = [{leaf} for leaf in range(tree.leaves)]
    for step in tree.steps:
        below.append(set().union(*(below[node] for node in step)))
    return below


def lost_in(tree):
    """l(i, j) of a tree by its definition, of fused steps that lose all of their leaves; and the list of what was asked."""
    below, asked = leaves_below(tree), []

    def lost(i, j):
        asked.append((i, j))
        return next(len(leaves) for leaves in below if i in leaves and j in leaves)

    return lost, asked


@pytest.mark.parametrize(
    ("order", "terms", "probes"),
    [
        ("sequential", 100, 99),  # every leaf from the pivot on is told apart at once
        ("reverse", 40, 780),  # the worst case, n(n-1)/2: each probe tells only the pivot from the rest
        ("pairwise", 64, 192),  # n/2 log2 n
        ("strided:8", 64, None),
        ("numpy", 200, None),
        *((f"random:{seed}", terms, None) for seed, terms in product(range(3), (2, 9, 60))),
    ],
)
def test_fprev_finds_every_tree_from_its_definition(order, terms, probes):
    from benchmarks.naive_reveal import fprev

    tree = parse_order(order).tree(terms)
    lost, asked = lost_in(tree)
    assert equal(fprev(terms, lost), tree)
    assert len(set(asked)) == len(asked) <= terms * (terms - 1) // 2
    assert probes in (None, len(asked))


def test_fprev_finds_fused_steps():
    from benchmarks.naive_reveal import fprev

    build = Builder(13)
    total = build.add(0, 1, 2, 3)
    for start in (4, 8):
        total = build.add(total, *range(start, start + 4))
    build.add(12, total)
    tree = build.tree()
    assert equal(fprev(13, lost_in(tree)[0]), tree)


def test_depth_needs_no_recursion():
    from benchmarks.naive_reveal import fprev

    depth = 2 * sys.getrecursionlimit()
    assert equal(fprev(depth, lambda i, j: depth - min(i, j)), parse_order("reverse").tree(depth))


def test_both_find_the_tree_of_numpy_sum(tmp_path):
    arguments = ("--kernels", "numpy:sum numpy:matmul:batch=4", "--terms", "16,40", "--runs", 1, "--vectors", 100)
    done = benchmark(*arguments, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reveal.txt").read_text() == done.stdout
    results = json.loads((tmp_path / "reveal.json").read_text())
    assert [kernel["kernel"] for kernel in results["kernels"]] == ["numpy:sum:batch=1", "numpy:matmul:batch=4"]
    single, batched = results["kernels"]
    for line in single["terms"] + batched["terms"]:
        assert line["same_tree"]
        assert line["explained"] == line["vectors"] >= 100
        calls, seconds = line["calls"], line["seconds"]
        assert calls["order"] <= calls["fprev"]  # no more than FPRev needs
        assert calls["order"] < calls["all"]
        assert all(0 < entry["min"] <= entry["median"] <= entry["max"] for entry in seconds.values())
        assert line["ratio"] == seconds["fprev"]["median"] / seconds["order"]["median"]
    # where a call has one row, a call is a probe
    assert [line["calls"]["order"] for line in single["terms"]] == [line["calls"]["fprev"] for line in single["terms"]]
    assert str(ROOT) not in json.dumps(results)


def test_an_absent_library_is_said_to_be_absent(tmp_path, monkeypatch, capsys):
    from benchmarks import reveal
    from fpsynth.libraries.jax import Jax

    monkeypatch.setattr(Jax, "version", lambda self: None)
    assert reveal.main(["--kernels", "jax:jit", "--terms", "16", "--out", str(tmp_path)]) == 0
    assert "jax:jit:batch=1: not run, jax is not installed" in capsys.readouterr().out
    assert json.loads((tmp_path / "reveal.json").read_text())["kernels"][0]["terms"] == []


def test_a_library_that_fails_is_not_taken_for_an_absent_one(tmp_path):
    pytest.importorskip("jax", reason="jax is not installed")
    broken = "jax:vdot:XLA_FLAGS=--xla_nonsense=1"
    done = benchmark("--kernels", f"{broken} numpy:sum", "--terms", "16", "--runs", 1, "--out", tmp_path)
    assert done.returncode == 1
    failed, other = json.loads((tmp_path / "reveal.json").read_text())["kernels"]
    assert (failed["absent"], failed["terms"]) == (False, [])
    assert f"jax:vdot:batch=1,XLA_FLAGS=--xla_nonsense=1: not run, {failed['not_run']}" in done.stdout
    assert len(other["terms"]) == 1  # the others are run all the same


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--kernels", "numpy:shuffle"], "no operation"),
        (["--kernels", "abacus:sum"], "unknown library"),
        (["--terms", "70000"], "from 2 to 65536"),
        (["--runs", 0], "at least one run"),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.reveal import main

    assert main([*map(str, arguments), "--out", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()
