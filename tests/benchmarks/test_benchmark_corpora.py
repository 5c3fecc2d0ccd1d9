"""The benchmark of categories over seeds counts what verifiers say, controls apart, and asks sound ones about the twins."""

from __future__ import annotations

from pathlib import Path

import pytest
from profiles import slow

import fpsynth
from benchmarks.corpora import ProvedTwin, SeedRow, beaten_by, controls_otherwise, seed_rows, seed_table, twin_table, twins
from fpsynth.corpus.instances.data import Corpus
from fpsynth.verifiers.external.base import ToolQuestion

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Corpus]:
    folder = tmp_path_factory.mktemp("corpora") / "ties"
    return folder, fpsynth.corpus.make(folder, count=4, seed=2, category="tie", environments="onnxruntime:batch=1")


def trusting(question: ToolQuestion) -> str:
    return "unsat"


def doubting(question: ToolQuestion) -> str:
    return "sat"


@slow
def test_rows_count_instances_and_controls_apart(made: tuple[Path, Corpus]) -> None:
    board = fpsynth.bench(made[0], [trusting, doubting])
    first, second = seed_rows(7, board, ["tie"])
    assert first == SeedRow(7, "trusting", "tie", ("tie_0000", "tie_0001"), ("tie_0000", "tie_0001"), 2, 2, 2, ())
    assert (second.wrong, second.asked, second.controls_right, second.controls) == ((), 2, 0, 2)
    assert second.controls_otherwise == ("tie_0000_control1: false_sat", "tie_0001_control1: false_sat")
    text = "\n".join(seed_table([first, second], 1))
    assert "trusting  tie       1               1                   1   2 of 2           2 of 2" in text
    assert "tie: all of 2 verifiers were wrong on an instance that is no control in 0 of 1 seeds" in text
    assert list(controls_otherwise([first, second]))[1:] == ["  trusting: none", "  doubting: 2 x tie false_sat"]


def row(seed: int, tool: str, wrong: tuple[str, ...]) -> SeedRow:
    return SeedRow(seed, tool, "rare", wrong, wrong, 2, 1, 1, ())


def test_a_seed_counts_where_every_verifier_is_wrong() -> None:
    rows = [row(1, "a", ("x",)), row(1, "b", ("y",)), row(2, "a", ("x",)), row(2, "b", ())]
    (line,) = beaten_by(rows, 2)
    assert line == "rare: all of 2 verifiers were wrong on an instance that is no control in 1 of 2 seeds"


def test_twins_are_controls_that_are_safe_and_are_proved(made: tuple[Path, Corpus]) -> None:
    proved = list(twins(made[1].instances, 20.0))
    assert [(one.instance, one.proved_by) for one in proved] == [("tie_0000_control1", "crown"), ("tie_0001_control1", "crown")]
    assert "2 of 2 robust twins are proved for the revealed order (100.0 %); not proved: none" in twin_table(proved)[-1]
    missed = [*proved, ProvedTwin("needle_0001_control1", "needle", "rare", "", 1.0)]
    assert twin_table(missed)[-1].endswith("(66.7 %); not proved: needle_0001_control1")
