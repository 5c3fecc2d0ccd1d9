"""A divergence in a folder: the witness, the network and the point, each readable again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from divergences import triple

from fpsynth.corpus.divergence import write_divergence_folder
from fpsynth.errors import InputError
from fpsynth.networks.onnx import read_onnx
from fpsynth.witness import load


def test_all_three_files_say_the_same(tmp_path: Path) -> None:
    made = triple()
    assert write_divergence_folder(made, tmp_path / "out") == ()
    assert load(tmp_path / "out" / "witness.json") == made
    assert tuple(Fraction(line) for line in (tmp_path / "out" / "point.txt").read_text().split()) == tuple(
        map(Fraction, made.point)
    )
    network = read_onnx(tmp_path / "out" / "network.onnx")[0]
    assert network == made.network
    with pytest.raises(InputError, match="exists"):
        write_divergence_folder(made, tmp_path / "out")
