"""The queries are read by others, and say what they should with exact numbers."""

import re
from fractions import Fraction

import pytest

from fpsynth.corpus.counterexample import counterexample_text
from fpsynth.corpus.region import Region
from fpsynth.corpus.vnnlib import ELEMENT_TYPES, REAL, element_type, vnnlib1, vnnlib2
from fpsynth.errors import InputError
from fpsynth.formats import FORMATS

REGION = Region((Fraction(-1, 3 * 2**0 + 1), Fraction(0)), (Fraction(1), Fraction(1, 2**149)), True)
TINY = "0." + str(5**149).rjust(149, "0")

# what the competition's simple parser accepts (github.com/stanleybak/simple_adversarial_generator, regular expressions)
COMPARISON = r"\((<=|>=) (\S+) (\S+)\)"
DECLARATION = re.compile(r"^\(declare-const (X|Y)_(\S+) Real\)$")
SIMPLE = re.compile(rf"^\(assert {COMPARISON}\)$")
DNF = re.compile(rf"^\(assert \(or( \(and {COMPARISON}\))+\)\)$")


def statements(text):
    return [line for line in text.splitlines() if line and not line.startswith(";")]


@pytest.mark.parametrize("outputs", [2, 3, 10])
def test_version_1_is_in_the_form_that_simple_parsers_read(outputs):
    lines = statements(vnnlib1(REGION, outputs, 1, ["a comment"]))
    declared = [DECLARATION.match(line) for line in lines[: 2 + outputs]]
    assert [m[1] + m[2] for m in declared] == ["X0", "X1", *(f"Y{j}" for j in range(outputs))]
    bounds = [SIMPLE.match(line).groups() for line in lines[2 + outputs : -1]]
    assert bounds == [(">=", "X_0", "-0.25"), ("<=", "X_0", "1.0"), (">=", "X_1", "0.0"), ("<=", "X_1", TINY)]
    if outputs == 2:
        assert SIMPLE.match(lines[-1]).groups() == (">=", "Y_0", "Y_1")
    else:
        assert DNF.match(lines[-1])
        assert re.findall(r"\((>=) (\w+) (\w+)\)", lines[-1]) == [(">=", f"Y_{j}", "Y_1") for j in range(outputs) if j != 1]


@pytest.mark.parametrize("outputs", [2, 3])
@pytest.mark.parametrize("element", [*ELEMENT_TYPES.values(), REAL])
def test_version_2_is_parsed_and_type_checked_by_the_standards_own_library(element, outputs):
    vnnlib = pytest.importorskip("vnnlib")
    query = vnnlib.parse_query_string(vnnlib2(REGION, outputs, 1, element, ["a comment"]))
    (network,) = query.networks
    (x,), (y,) = network.inputs, network.outputs
    assert (x.shape, y.shape) == ([1, 2], [1, outputs])
    assert x.dtype == y.dtype
    assert x.dtype != vnnlib.DType.Unknown
    bounds = [(type(a.expr).__name__, a.expr.lhs.indices, a.expr.rhs.lexeme) for a in query.assertions[:-1]]
    assert bounds == [
        ("GreaterEqual", [0, 0], "-0.25"),
        ("LessEqual", [0, 0], "1.0"),
        ("GreaterEqual", [0, 1], "0.0"),
        ("LessEqual", [0, 1], TINY),
    ]
    clauses = query.assertions[-1].expr.to_dnf()
    assert [[(type(c).__name__, c.lhs.indices, c.rhs.indices) for c in clause] for clause in clauses] == [
        [("GreaterEqual", [0, j], [0, 1])] for j in range(outputs) if j != 1
    ]


def test_no_numeral_has_an_exponent():
    for text in (vnnlib1(REGION, 2, 0), vnnlib2(REGION, 2, 0, REAL), counterexample_text((2.0**-149, 1e30), (-0.0, 3.0))):
        assert re.search(r"\d[eE]", text) is None


def test_a_comment_cannot_become_a_statement():
    text = vnnlib1(REGION, 2, 0, ["harmless\n(assert false)", "ü\x1b"])
    assert text.splitlines()[:2] == ["; harmless?(assert false)", "; ??"]


def test_every_format_but_tf32_is_an_onnx_type():
    assert {name for name, fmt in FORMATS.items() if element_type(fmt) is None} == {"tf32"}


def test_the_counterexample_is_an_assignment_with_exact_decimals():
    assert counterexample_text((0.5, -(2.0**-3)), (1.0, -0.0)) == "sat\n((X_0 0.5)\n (X_1 -0.125)\n (Y_0 1.0)\n (Y_1 -0.0))\n"


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_what_is_no_number_is_not_written(number):
    with pytest.raises(InputError, match="Y_0 is"):
        counterexample_text((0.5,), (number, 1.0))
