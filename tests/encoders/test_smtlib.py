"""Scripts are complete, the same every time, and readable by what they claim to be written in."""

from __future__ import annotations

import re
import subprocess
import sys
from fractions import Fraction as F
from functools import cache

import pytest
from bitvectors import tie
from profiles import slow
from strategies import TWO_BITS

from fpsynth.encoders import ENCODINGS, Script, encode
from fpsynth.encoders.bitblast import INDEXED, OPERATORS
from fpsynth.errors import InputError
from fpsynth.expressions import lt, mul, variable
from fpsynth.formats import FLOAT8_E4M3FN, FLOAT16, FLOAT32, Format
from fpsynth.problems import Problem, Variable
from fpsynth.rounding import PLUS_ZERO, from_fraction, to_bits


@cache
def of_the_tie(fmt: Format, encoding: str) -> Script:
    """The script of the tie."""
    return encode(tie(fmt), encoding)


@pytest.mark.parametrize(
    ("fmt", "encoding"),
    [
        pytest.param(fmt, encoding, marks=slow if (fmt, encoding) == (FLOAT16, "bitblast") else ())
        for fmt in (FLOAT8_E4M3FN, FLOAT16)
        for encoding in ENCODINGS
    ],
)
def test_a_script_is_complete_and_the_same_every_time(fmt: Format, encoding: str) -> None:
    script = of_the_tie(fmt, encoding)
    lines = script.text.splitlines()
    assert lines[0] == f"(set-logic {script.logic})"
    assert lines[-1] == "(check-sat)"
    assert script.text.count("(check-sat)") == 1
    assert script.text.count("(") == script.text.count(")")
    assert "to_ieee_bv" not in script.text
    assert [u.variable for u in script.unknowns] == ["w1", "w2", "xa", "xb"]
    for unknown in script.unknowns:
        assert f"(declare-const {unknown.name} (_ BitVec {unknown.width}))" in lines
    assert encode(tie(fmt), encoding) == script


def test_bitblasting_uses_the_theory_of_bit_vectors_only() -> None:
    text = of_the_tie(FLOAT8_E4M3FN, "bitblast").text
    assert "FloatingPoint" not in text
    operators = set(re.findall(r"\(define-fun \w+ \(\) (?:Bool|\(_ BitVec \d+\)) \(([\w=]+|\(_ \w+)", text))
    assert {word.removeprefix("(_ ") for word in operators} <= OPERATORS | INDEXED


def test_decoding_reads_bits() -> None:
    script = encode(tie(FLOAT16), "fp")
    half = from_fraction(F(1, 2))
    model = {u.name: to_bits(half, FLOAT16) for u in script.unknowns}
    assert script.decode(model) == dict.fromkeys(("w1", "w2", "xa", "xb"), half)
    with pytest.raises(KeyError):
        script.decode({})


def test_a_fixed_zero_decodes_to_plus_zero() -> None:
    script = encode(Problem("p", (Variable("a", FLOAT16, F(-1), F(1)),), ()), "significands")
    assert script.decode({"a_int": 0}) == {"a": PLUS_ZERO}
    assert script.decode({"a_int": (1 << script.unknowns[0].width) - 1})["a"].fraction() == -F(1, 2**24)


def test_reals_that_fit_use_sorts_that_every_solver_has() -> None:
    text = encode(tie(FLOAT32), "fp").text
    words = text.replace(")", " ").split()
    sorts = {(words[k + 1], words[k + 2]) for k, word in enumerate(words) if word == "FloatingPoint"}
    assert sorts <= {("8", "24"), ("11", "53"), ("15", "113")}


def test_what_cannot_be_encoded_is_said() -> None:
    with pytest.raises(InputError, match="choose from fp, bitblast, significands"):
        encode(tie(FLOAT16), "smt")
    with pytest.raises(InputError, match="two_bits is too narrow"):
        encode(Problem("p", (Variable("a", TWO_BITS, F(0), F(1)),), ()), "fp")
    a = variable("a", FLOAT16)
    with pytest.raises(InputError, match="not among its variables"):
        encode(Problem("p", (), (lt(a, mul(a, a)),)), "fp")


def test_encoding_as_text_needs_no_solver() -> None:
    code = (
        "import sys; from fpsynth import encoders, expressions as e, formats, problems; a = e.variable('a', formats.FLOAT16);"
        "p = problems.Problem('p', (problems.Variable('a', a.format, 0, 1),), (e.lt(a, e.mul(a, a)),));"
        "encoders.encode(p, 'fp'); encoders.encode(p, 'significands'); sys.exit('z3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
