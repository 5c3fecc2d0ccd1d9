"""The toy verifier of the documents works as they say, and is as short as they say."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from fpsynth.errors import InputError
from fpsynth.networks.network import dense_relu
from fpsynth.verifiers import Box, external
from fpsynth.verifiers.external.judging import FLOAT_SAT, RIGHT, TRUE_SAT
from fpsynth.verifiers.properties import Case, one_class

DOCS = Path(__file__).parents[3] / "docs"
TOY = f"{sys.executable} {DOCS / 'toy_verifier.py'} {{onnx}} {{vnnlib}} --timeout {{timeout}}"

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_it_is_short() -> None:
    assert len((DOCS / "toy_verifier.py").read_text().splitlines()) <= 65


def test_the_example_of_the_documents_does_what_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "verifiers.md").read_text("utf-8"), re.DOTALL)
    (code,) = (block for block in blocks if "toy" in block)
    *lines, last = code.strip().splitlines()
    expression, _, said = last.partition("  # ")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec("\n".join([*lines, f"shown = {expression}"]), names)
    assert repr(names["shown"]) == said


@pytest.mark.parametrize(("upper", "verdict", "word"), [(1.0, "unsat", RIGHT), (4.0, "sat", TRUE_SAT)])
def test_it_verifies_and_falsifies(upper: float, verdict: str, word: str) -> None:
    network = dense_relu([([[1.0], [0.0]], [0.0, 1.0]), ([[1.0, 0.0], [0.5, 0.5]], [0.0, 0.25])])
    found = external.verify(network, [Case(Box((0.0,), (upper,)), one_class(1, 2))], external.TemplateTool(TOY))
    assert (found.verdict, found.judgements[0].word) == (verdict, word), found


def test_a_case_without_a_property_is_about_the_class_of_the_middle() -> None:
    network = dense_relu([([[1.0], [0.0]], [0.0, 1.0])])
    toy = external.TemplateTool(TOY)
    assert external.verify(network, [Case(Box((-1.0,), (0.5,)), None)], toy).verdict == "unsat"
    assert external.verify(network, [Case(Box((0.5,), (1.25,)), None)], toy).verdict == "sat"
    with pytest.raises(InputError, match="no class is above all others in the middle"):
        external.verify(network, [Case(Box((0.5,), (1.5,)), None)], toy)


def test_it_is_asked_about_three_classes() -> None:
    network = dense_relu([([[1.0], [0.5], [0.0]], [0.0, 0.25, -1.0])])
    found = external.verify(network, [Case(Box((0.0,), (0.25,)), one_class(1, 3))], external.TemplateTool(TOY))
    assert (found.verdict, found.judgements[0].word) == ("unsat", RIGHT), found
    assert FLOAT_SAT not in [one.word for one in found.judgements]
