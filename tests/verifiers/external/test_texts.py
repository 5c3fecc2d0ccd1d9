"""What is written for tools is read back as it was meant, and what they print is read in each of its forms."""

from __future__ import annotations

import contextlib
import math
import re
from fractions import Fraction

import pytest
from external_questions import BOX, UNSAFE
from hypothesis import given
from hypothesis import strategies as st

from fpsynth.errors import InputError
from fpsynth.verifiers.external.outputs import WORDS, assignment, meaning, stated
from fpsynth.verifiers.external.writing import NESTED, PLAIN, Dialect, written
from fpsynth.verifiers.properties import ExactBox, Inequality, Property, one_class
from fpsynth.verifiers.vnnlib import parse_vnnlib

NEW = Dialect("2.0")
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def test_version_1_is_what_simple_parsers_read() -> None:
    text = written(BOX, UNSAFE, (2,), (2,))
    assert "(declare-const X_1 Real)" in text
    assert "(assert (>= X_0 0.0))" in text
    assert text.endswith("\n(assert (<= Y_1 Y_0))\n")


def test_nested_outputs_are_a_disjunction_of_conjunctions() -> None:
    assert written(BOX, UNSAFE, (2,), (2,), NESTED).endswith("\n(assert (or (and (<= Y_1 Y_0))))\n")


def test_version_2_has_tensors_of_the_network_s_shapes() -> None:
    text = written(BOX, UNSAFE, (1, 2), (2,), NEW)
    assert "  (declare-input X real [1,1,2])\n  (declare-output Y real [1,2])" in text
    assert "(assert (<= X[0,0,1] 1.0))" in text
    assert text.endswith("\n(assert (<= Y[0,1] Y[0,0]))\n")


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=4), st.integers(2, 5), st.sampled_from([PLAIN, NESTED]))
def test_what_is_written_is_read_back(ends: list[tuple[float, float]], outputs: int, dialect: Dialect) -> None:
    lower, upper = (tuple(Fraction(end(pair)) for pair in ends) for end in (min, max))
    box, unsafe = ExactBox(lower, upper), one_class(1, outputs)
    text = written(box, unsafe, (len(ends),), (outputs,), dialect)
    query = parse_vnnlib(text)
    assert [one for one, _ in query.boxes] == [box]
    ((_, read),) = query.boxes
    assert {_canonical(c) for c in read.unsafe} == {_canonical(c) for c in unsafe.unsafe}
    assert not re.search(r"[0-9][eE]", text)


def _canonical(conjunction: tuple[Inequality, ...]) -> frozenset[object]:
    return frozenset((frozenset(one.coefficients), one.bound, one.strict) for one in conjunction)


@pytest.mark.parametrize("outputs", [2, 3])
def test_version_2_is_parsed_by_the_standard_s_own_library(outputs: int) -> None:
    vnnlib = pytest.importorskip("vnnlib")
    query = vnnlib.parse_query_string(written(BOX, one_class(1, outputs), (2,), (outputs,), NEW))
    (network,) = query.networks
    (x,), (y,) = network.inputs, network.outputs
    assert (x.shape, y.shape) == ([1, 2], [1, outputs])
    assert len(query.assertions) == 5


def test_bounds_of_outputs_are_written() -> None:
    unsafe = Property(((Inequality(((1, Fraction(-2)),), Fraction(3)), Inequality(((0, Fraction(4)),), Fraction(1))),))
    lines = written(BOX, unsafe, (2,), (2,)).splitlines()
    assert lines[-2:] == ["(assert (>= Y_1 -1.5))", "(assert (<= Y_0 0.25))"]


def test_strict_comparisons_are_written_as_others() -> None:
    strict = Property(((Inequality(UNSAFE.inequalities[0].coefficients, Fraction(0), strict=True),),))
    assert written(BOX, strict, (2,), (2,)) == written(BOX, UNSAFE, (2,), (2,))


@pytest.mark.parametrize(
    "unsafe",
    [
        Property(()),
        Property(((),)),
        Property(((Inequality(((0, Fraction(1)), (1, Fraction(1))), Fraction(0)),),)),
        Property(((Inequality(((0, Fraction(1)), (1, Fraction(-1))), Fraction(1)),),)),
        Property(((Inequality(((0, Fraction(3)),), Fraction(1)),),)),
    ],
)
def test_what_cannot_be_written_is_refused(unsafe: Property) -> None:
    with pytest.raises(InputError):
        written(BOX, unsafe, (2,), (2,))


@pytest.mark.parametrize(("word", "verdict"), list(WORDS.items()))
def test_every_word_has_its_meaning(word: str, verdict: str) -> None:
    assert meaning(f" {word.upper()} ") == verdict
    said = stated(f"\n{word}\nmore")
    assert said is not None
    assert said.verdict == verdict
    assert (said.reason == "") == (verdict != "unknown")


@pytest.mark.parametrize("text", ["", "\n", "satisfied", "un sat", "{'verdict': 'sat'}", "sat?", "\x00"])
def test_other_texts_say_nothing(text: str) -> None:
    assert stated(text) is None


def test_numbers_are_read_exactly() -> None:
    assert assignment("((X_0 0x1.8p-1) (X_1 -1e-45) (Y_0 3))") == ((0.75, -1e-45), (3.0,))
    assert assignment("X float32 [1,1]\n0.1\nY real [1,2]\n0.1\n2\n") == ((0.10000000149011612,), (0.1, 2.0))
    assert assignment("X float64 [2]\nnan\ninf\n")[0][1] == math.inf
    assert assignment("no point") == ((), ())


@given(st.text(max_size=60))
def test_whatever_is_printed_is_read_or_refused(text: str) -> None:
    for read in (lambda: stated("sat\n" + text), lambda: assignment("X float32 [1,3]\n" + text)):
        with contextlib.suppress(InputError):
            read()


def test_printed_decimals_are_kept() -> None:
    """Beside the floats that ONNX Runtime is given; what is said to be a float, or not finite, has no other number."""
    for text, exact in (
        ("((X_0 0.1) (X_1 -2.5e-3))", (Fraction(1, 10), Fraction(-1, 400))),
        ("((X_0 0x1.8p-1))", (Fraction(3, 4),)),
        ("X real [1,1]\n0.1\nY real [1]\n1\n", (Fraction(1, 10),)),
        ("X float32 [1,1]\n0.1\n", (Fraction(0.10000000149011612),)),
        ("X float64 [1,1]\n0.1\n", (Fraction(0.1),)),
        ("((X_0 0.1) (X_1 inf))", ()),
        ("((X_0 1e-999999999) (X_1 1e-99999999999999999999999))", (0, 0)),
    ):
        said = stated(f"sat\n{text}")
        assert said is not None
        assert said.exact == exact, text


def test_numbers_are_read_as_smt_lib_writes_them() -> None:
    text = "sat\n((X_0 0.5)\n (X_1 (- 0.5)) (X_2 (/ 1 3)) (X_3 (- (/ 1.0 4.0))) (X_4 (/ (- 1) 8)) (X_5 (-  2)) (Y_0 (- 3)))"
    said = stated(text)
    assert said is not None
    assert said.exact == (Fraction(1, 2), Fraction(-1, 2), Fraction(1, 3), Fraction(-1, 4), Fraction(-1, 8), -2)
    assert (said.point, said.outputs) == ((0.5, -0.5, 1 / 3, -0.25, -0.125, -2.0), (-3.0,))


@pytest.mark.parametrize(
    "text",
    [
        "((X_0 0.5) (X_1 (+ 0.5 1)))",
        "((X_0 0.5) (X_1))",
        "((X_0 0.5) (X_1 (- (- (- 1)))))",
        "((X_0 (- 0.5 x)))",
        "((X_0 (* 2 3)))",
        "((X_0 (/ 1 0)))",
        "((X_0 (- inf)))",
        "((X_0 (/ 1)))",
        "((X_0 (/ 1e400 1)))",
        "((X_0 0.5) X_1 = 0.25)",
    ],
)
def test_a_point_that_is_read_in_part_is_not_understood(text: str) -> None:
    with pytest.raises(InputError):
        stated(f"sat\n{text}")
