"""The benchmark of real verifiers finds the counterexamples that rounding hides, and tells what a tool says of them."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks.verifiers import Row, candidates, instances, table
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import dense_relu
from fpsynth.networks.onnx import OPSET, onnx_bytes
from fpsynth.verifiers.external import TemplateTool, judge, run
from fpsynth.verifiers.external.judging import FALSE_IN_FLOAT, RIGHT
from fpsynth.verifiers.external.writing import written
from fpsynth.verifiers.properties import ExactBox, one_class

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

TIE = dense_relu([([[1.0], [1.0]], [0.0, 2.0**-30])])
TOY = Path(__file__).parents[2] / "docs" / "toy_verifier.py"


def placed(folder: Path, name: str, low: float, high: float) -> None:
    (folder / f"{name}.onnx").write_bytes(onnx_bytes(TIE, FLOAT32, form="gemm", batch=1, opset=OPSET))
    box = ExactBox((Fraction(low),), (Fraction(high),))
    (folder / f"{name}.vnnlib").write_text(written(box, one_class(1, 2), (1,), (2,)))


def test_small_boxes_are_enumerated() -> None:
    box = ExactBox((Fraction(1),), (Fraction(1) + Fraction(3, 2**23),))
    assert candidates(TIE, box).reshape(-1).tolist() == [1 + k * 2.0**-23 for k in range(4)]


def test_kinks_and_what_lies_beside_are_tried() -> None:
    kinked = dense_relu([([[1.0], [-2.0]], [-0.3, 0.6]), ([[1.0, 1.0]], [0.0])])
    points = candidates(kinked, ExactBox((Fraction(0),), (Fraction(1),))).reshape(-1)
    zero = np.float32(0.3)
    assert {zero, np.nextafter(zero, np.float32(1)), np.nextafter(zero, np.float32(0))} <= set(points)


def test_what_a_tool_says_is_held_against_what_was_found(tmp_path: Path) -> None:
    placed(tmp_path, "tie", 0.5, 1.0)
    placed(tmp_path, "apart", 2.0**-21, 2.0**-20)
    asked = list(instances(tmp_path))
    assert [(one.name, len(one.witnesses)) for one in asked] == [("apart", 0), ("tie", 1)]
    tool = TemplateTool(f"{sys.executable} {TOY} {{onnx}} {{vnnlib}}", name="toy")
    rows = []
    for one in asked:
        answer = run(tool, one.onnx, one.vnnlib)
        rows.append(Row(one, answer, judge(answer, one.network, one.onnx, one.box, one.unsafe, one.witnesses)))
    assert [row.judgement.word for row in rows] == [RIGHT, FALSE_IN_FLOAT]
    said = {"cpu": "C", "cores": 1, "load_at_start": None, "os": "O", "python": "3", "versions": {}, "date": "D"}
    text = table(rows, asked, said, 60.0)
    assert [line.split()[:4] for line in text.splitlines() if line.startswith("toy ")][:2] == [
        ["toy", "apart", "unsat", rows[0].cells()[4]],
        ["toy", "tie", "unsat", rows[1].cells()[4]],
    ]
