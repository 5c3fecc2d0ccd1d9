"""The benchmark of large layers asks both ways the same question, and believes no witness that is not shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from profiles import slow

import fpsynth

ROOT = Path(__file__).parents[2]
PAIR = "numpy:matmul:batch=1~numpy:matmul:batch=4"


@pytest.fixture(autouse=True)
def found_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@slow
def test_a_small_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.order_layers import BEFORE, FIRST, FURTHER, main

    assert main(["--terms", "64", "--outputs", "3", "--pairs", PAIR, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "order_layers.txt").read_text() == capsys.readouterr().out
    results = json.loads((tmp_path / "order_layers.json").read_text())
    (case,) = results["cases"]
    assert (case["terms"], case["outputs"], case["dtype"]) == (64, 3, "float32")
    assert list(case["columns"]) == [BEFORE, FIRST, FURTHER]
    assert len({run["verdict"] for run in case["columns"].values()}) == 1
    for run in case["columns"].values():
        assert run["seconds"] > 0
        assert run["processor_seconds"] is None or run["processor_seconds"] > 0
    assert str(ROOT) not in json.dumps(results)


def test_what_no_environment_gives_is_an_error() -> None:
    from benchmarks.order_layers import require_shown

    (witness,) = fpsynth.order("reverse", "numpy:matmul:batch=1", terms=64, timeout=600, library=["numpy"], batch=[1]).witnesses
    require_shown(witness)
    other = tuple(replace(seen, logits=(1.0,)) if seen.view == "b" else seen for seen in witness.observations)
    with pytest.raises(RuntimeError, match="a claimed divergence is none"):
        require_shown(replace(witness, observations=other))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--terms", "2"], "from 3 to"),
        (["--pairs", "numpy:matmul"], "with ~ between them"),
        (["--pairs", "numpy:sideways~numpy:matmul"], "sideways"),
        (["--dtype", "float99"], "float99"),
        (["--limit", "0"], "the limit must be above 0"),
    ],
)
def test_bad_input_is_refused(arguments: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.order_layers import main

    assert main([*arguments, "--out", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()
