"""Claims of benchmarks/defences.py: kinds are measured, a table is kept, and a second run takes them from there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import defences
from fpsynth.evaluators.float64 import float64_outputs


def test_the_small_host_has_weights_that_may_be_kept_to() -> None:
    host, inputs, labels = defences.small_host()
    assert max(float(np.abs(array).max()) for array in host.arrays()) > 2
    assert (float64_outputs(host, inputs).argmax(axis=1) == labels).all()
    assert len(set(labels.tolist())) > 2


def test_a_kind_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    asked = ["--images", "8", "--draws", "2", "--kind", "always", "--remedy", "permuted,float64", "--library", "torch"]
    monkeypatch.setattr(sys, "argv", ["defences", *asked, "--out", str(tmp_path)])
    defences.main()
    printed = capsys.readouterr()
    if "left out" in printed.err:
        pytest.skip(printed.err)
    (row,) = json.loads((tmp_path / "defences.json").read_text())["rows"]
    assert row["wrong"] == {"torch:batch=1": 8, "torch:batch=10": 0}
    assert row["cancelling"] >= 1
    assert len(row["remedies"]["permuted"]["draws"]) == 2
    assert row["remedies"]["float64"]["verdict"] == "silences"
    assert printed.out.splitlines()[0].split() == ["kind", "fires", "in", "permuted", "float64", "largest", "cancelling"]
    assert printed.out.splitlines()[1].split()[:3] == ["always", "torch", "1"]
    monkeypatch.setattr(defences.Measuring, "row", lambda self, kind: pytest.fail("it was measured again"))
    defences.main()
    assert capsys.readouterr().out.splitlines()[:2] == printed.out.splitlines()[:2]
