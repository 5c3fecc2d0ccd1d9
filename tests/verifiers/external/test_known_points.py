"""Points to hold verdicts against come from witness files and from counterexamples of the competition."""

from __future__ import annotations

from pathlib import Path

import pytest

import fpsynth
from fpsynth.errors import InputError
from fpsynth.synthesis.verifying.counterexamples import known_points


def test_the_points_of_a_witness_file(tmp_path: Path) -> None:
    witness = fpsynth.tie("float8_e5m2", replay=False).witnesses[0]
    fpsynth.save(witness, tmp_path / "w.json")
    assert set(known_points(tmp_path / "w.json")) == {witness.certified, witness.point}


def test_a_counterexample_of_the_competition(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("sat\n((X_0 0.5)\n (X_1 -0x1p-3)\n (Y_0 1))\n")
    assert known_points(tmp_path / "c.txt") == ((0.5, -0.125),)


@pytest.mark.parametrize("text", ["", "unsat\n", "sat\n", "((X_0 1))", "sat\n((X_1 1))", "{}"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(InputError):
        known_points(tmp_path / "c.txt")
