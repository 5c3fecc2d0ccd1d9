"""A small network and property as files, and scripts that stand in for verifiers of every kind, good and bad."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Network, dense_relu
from fpsynth.networks.onnx import OPSET, onnx_bytes
from fpsynth.verifiers.external.writing import written
from fpsynth.verifiers.properties import ExactBox, Inequality, Property

NEEDED = ((0, Fraction(-1)), (1, Fraction(1)))
UNSAFE = Property(((Inequality(NEEDED, Fraction(0)),),))
"""Output 1 is at most output 0."""
BOX = ExactBox((Fraction(0), Fraction(0)), (Fraction(1), Fraction(1)))


def network() -> Network:
    """Outputs x0 + x1 and 1: unsafe where x0 + x1 >= 1."""
    return dense_relu([([[1.0, 1.0], [0.0, 0.0]], [0.0, 1.0])])


def asked(folder: Path, box: ExactBox = BOX) -> tuple[Path, Path]:
    """Its ONNX model and the property, as files."""
    model, query = folder / "m.onnx", folder / "q.vnnlib"
    model.write_bytes(onnx_bytes(network(), FLOAT32, form="gemm", batch=1, opset=OPSET))
    query.write_text(written(box, UNSAFE, (2,), (2,)))
    return model, query


def script(folder: Path, body: str, name: str = "tool") -> Path:
    """An executable script of Python."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n")
    path.chmod(0o755)
    return path
