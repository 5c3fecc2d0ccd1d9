"""A tool is asked, and judged, by the user's own box and property; where those cannot be written, by the border as well."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from external_questions import script

from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Network, dense_relu
from fpsynth.networks.onnx import OPSET, onnx_bytes
from fpsynth.synthesis.requests.verifying import VerifyRequest
from fpsynth.synthesis.verifying.run import verify_request
from fpsynth.verifiers import external
from fpsynth.verifiers.external.judging import BORDER_SAT, FALSE_SAT, RIGHT, TRUE_SAT
from fpsynth.verifiers.external.verifying import exact
from fpsynth.verifiers.properties import Case, ExactBox, Inequality, Property
from fpsynth.verifiers.vnnlib import outward

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

NETWORK: Network = dense_relu([([[1.0], [2.0]], [0.0, 0.0])])
"""Outputs x and 2x."""
BELOW = Property(((Inequality(((0, Fraction(1)), (1, Fraction(-1))), Fraction(0), strict=True),),))
"""Output 0 is below output 1: where x is above 0."""
TENTH = ExactBox((Fraction(0),), (Fraction(1, 10),))


def reaches(bound: Fraction) -> Property:
    return Property(((Inequality(((0, Fraction(-1)),), -bound),),))


def told(folder: Path, printed: str, box: ExactBox, unsafe: Property, *known: Fraction) -> external.Verified:
    path = script(folder, f"print({printed!r})\nopen({str(folder / 'asked')!r}, 'w').write(open(sys.argv[2]).read())")
    tool = external.TemplateTool(f"{path} {{onnx}} {{vnnlib}}")
    return external.verify(NETWORK, [Case(outward(box), unsafe, box)], tool, witnesses=[[one] for one in known])


def test_a_point_on_the_border_of_a_strict_property_is_no_false_sat(tmp_path: Path) -> None:
    box = ExactBox((Fraction(-1),), (Fraction(0),))
    found = told(tmp_path, "sat\n((X_0 0.0))", box, BELOW)
    assert found.judgements[0].word == BORDER_SAT
    reason = "its point lies on the border, which the question it was asked includes"
    assert (found.verdict, found.reason) == ("unknown", reason)
    assert told(tmp_path, "sat\n((X_0 1.0))", box, BELOW).judgements[0].word == FALSE_SAT
    inside = told(tmp_path, "sat\n((X_0 0.5))", ExactBox((Fraction(0),), (Fraction(1),)), BELOW)
    assert (inside.verdict, inside.judgements[0].word) == ("sat", TRUE_SAT)


def test_the_box_is_the_user_s_and_not_that_of_the_floats_around(tmp_path: Path) -> None:
    """Above 1/10 and below its float: no point of the box is there, whatever a tool says of 0.1."""
    assert exact(Case(outward(TENTH), BELOW, TENTH)) == TENTH
    beyond = reaches(Fraction("0.100000000000000004"))
    assert told(tmp_path, "sat\n((X_0 0.1))", TENTH, beyond).judgements[0].word == FALSE_SAT
    assert "(assert (<= X_0 0.1))" in (tmp_path / "asked").read_text()
    assert told(tmp_path, "sat\n((X_0 0.1))", TENTH, reaches(Fraction(1, 10))).judgements[0].word == TRUE_SAT
    assert told(tmp_path, "unsat", TENTH, beyond, Fraction(0.1), Fraction(1, 10)).judgements[0].word == RIGHT


def test_an_end_without_a_decimal_expansion_is_written_outward(tmp_path: Path) -> None:
    box = ExactBox((Fraction(0),), (Fraction(1, 3),))
    (upper,) = map(Fraction, outward(box).upper)
    assert upper > Fraction(1, 3)
    found = told(tmp_path, f"sat\n((X_0 {float(upper).hex()}))", box, reaches(upper))
    assert (found.verdict, found.judgements[0].word) == ("unknown", BORDER_SAT)


def test_a_request_whose_tool_names_the_border_is_open_and_shows_no_point(tmp_path: Path) -> None:
    model, query = tmp_path / "m.onnx", tmp_path / "q.vnnlib"
    model.write_bytes(onnx_bytes(NETWORK, FLOAT32, form="gemm", batch=1, opset=OPSET))
    names = "".join(f"(declare-const {name} Real)" for name in ("X_0", "Y_0", "Y_1"))
    query.write_text(f"{names}(assert (>= X_0 -1.0))(assert (<= X_0 0.0))(assert (< Y_0 Y_1))")
    path = script(tmp_path, "print('sat\\n((X_0 0.0))')")
    found = verify_request(VerifyRequest(model, property=query, command=f"{path} {{onnx}} {{vnnlib}}"))
    assert (found.verdict, found.point, [one.word for one in found.worth]) == ("unknown", (), [BORDER_SAT])
