"""Claims of vnnlib.py: what is written comes back, forms of other tools are read, and hostile files are refused quickly."""

from __future__ import annotations

import random
import time
from fractions import Fraction
from pathlib import Path

import pytest
from profiles import examples

from fpsynth.corpus.region import Region
from fpsynth.corpus.vnnlib import vnnlib1, vnnlib2
from fpsynth.errors import InputError
from fpsynth.verifiers.properties import ExactBox, Inequality, Property, one_class
from fpsynth.verifiers.vnnlib import load_vnnlib, outward, parse_vnnlib

HEAD = "(declare-const X_0 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)\n"
BOX = "(assert (>= X_0 -1))(assert (<= X_0 1))\n"


def region(rng: random.Random, inputs: int) -> Region:
    lower = tuple(Fraction(rng.uniform(-1, 1) * 10.0 ** rng.randint(-30, 30)) for _ in range(inputs))
    return Region(lower, tuple(x + Fraction(rng.choice([0, 2.0**-40, 3])) for x in lower), True)


def require_same(text: str, given: Region, label: int, outputs: int) -> None:
    ((box, unsafe),) = parse_vnnlib(text).boxes
    assert box == ExactBox(tuple(map(Fraction, given.lower)), tuple(map(Fraction, given.upper)))
    wanted = one_class(label, outputs)
    assert {_terms(one) for one in unsafe.inequalities} == {_terms(one) for one in wanted.inequalities}
    assert len(unsafe.unsafe) == len(wanted.unsafe)


def _terms(one: Inequality) -> tuple[frozenset[tuple[int, Fraction]], Fraction, bool]:
    return frozenset(one.coefficients), one.bound, one.strict


def test_what_is_written_comes_back() -> None:
    rng = random.Random(0)
    for _ in range(examples(50)):
        inputs, outputs = rng.randint(1, 5), rng.randint(2, 4)
        given, label = region(rng, inputs), rng.randrange(outputs)
        require_same(vnnlib1(given, outputs, label), given, label, outputs)
        require_same(vnnlib2(given, outputs, label, "float32"), given, label, outputs)
        assert parse_vnnlib(vnnlib2(given, outputs, label, "float32")).element == "float32"
        shaped = vnnlib2(given, outputs, label, "real", input_shape=(1, inputs), output_shape=(outputs, 1))
        require_same(shaped, given, label, outputs)


def unsafe_of(formula: str) -> Property:
    ((_, unsafe),) = parse_vnnlib(HEAD + BOX + f"(assert {formula})").boxes
    return unsafe


FORMS = {
    "(<= Y_0 -1.5e-3)": (((0, 1),), Fraction(-15, 10000), False),
    "(< Y_0 (- 2))": (((0, 1),), -2, True),
    "(> Y_0 .5)": (((0, -1),), Fraction(-1, 2), True),
    "(<= (* 2 Y_0) Y_1)": (((0, 2), (1, -1)), 0, False),
    "(>= (+ Y_0 (* Y_1 -3.0) 1) (- Y_1 2))": (((0, -1), (1, 4)), 3, False),
    "(and (<= Y_0 1E2))": (((0, 1),), 100, False),
    "(or (and (or (<= Y_0 +1.))))": (((0, 1),), 1, False),
}


@pytest.mark.parametrize(("formula", "meant"), FORMS.items(), ids=FORMS)
def test_forms_of_other_tools(formula: str, meant: tuple[tuple[tuple[int, int], ...], Fraction, bool]) -> None:
    terms, bound, strict = meant
    wanted = Inequality(tuple((k, Fraction(c)) for k, c in terms), Fraction(bound), strict)
    assert unsafe_of(formula) == Property(((wanted,),))


def test_formulas_are_multiplied_out() -> None:
    unsafe = unsafe_of("(and (or (<= Y_0 0) (>= Y_1 1)) (or (<= Y_1 5) (and (<= Y_0 2) (<= Y_1 3))))")
    rng = random.Random(1)
    for _ in range(200):
        a, b = rng.randint(-2, 7), rng.randint(-2, 7)
        assert unsafe.violated((a, b)) == ((a <= 0 or b >= 1) and (b <= 5 or (a <= 2 and b <= 3)))


def test_several_boxes_have_their_own_properties() -> None:
    cases = "(or (and (>= X_0 0) (<= X_0 1) (<= Y_0 0)) (and (>= X_0 2) (<= X_0 3) (<= Y_1 0)) (and (>= X_0 5) (<= X_0 4)))"
    boxes = parse_vnnlib(HEAD + f"(assert {cases})").boxes
    assert [(int(box.lower[0]), int(box.upper[0])) for box, _ in boxes] == [(0, 1), (2, 3)]
    assert [unsafe.inequalities[0].coefficients[0][0] for _, unsafe in boxes] == [0, 1]
    nothing = parse_vnnlib(HEAD + BOX + "(assert (or))")
    assert nothing.boxes == ()


def test_boxes_of_floats_are_around_exact_ones() -> None:
    box = outward(ExactBox((Fraction(1, 10), Fraction(-1, 3)), (Fraction(2, 10), Fraction(1, 3))))
    assert all(Fraction(x) <= e for x, e in zip(box.lower, (Fraction(1, 10), Fraction(-1, 3)), strict=True))
    assert all(Fraction(x) >= e for x, e in zip(box.upper, (Fraction(2, 10), Fraction(1, 3)), strict=True))


def product(depth: int) -> str:
    return "9e999" if not depth else f"(* {product(depth - 1)} {product(depth - 1)})"


HOSTILE = {
    "deep": "(" * 100_000,
    "a million tokens": HEAD + "(assert " + "(and " * 150 + "a " * 1_000_000,
    "many parts": HEAD + BOX + "(assert (and " + "(<= Y_0 1)" * 20_000 + "(or (<= Y_0 0) (<= Y_0 1))" * 16 + "))",
    "many cases": HEAD + BOX + "(assert (or (<= Y_0 0) (<= Y_0 1)))" * 40,
    "products of numbers": HEAD + BOX + f"(assert (<= Y_0 {product(16)}))",
    "a long number": HEAD + BOX + f"(assert (<= Y_0 {'9' * 100_000}))",
    "a large exponent": HEAD + BOX + "(assert (<= Y_0 1e999999999))",
    "a large end": HEAD + "(assert (>= X_0 -1e999))(assert (<= X_0 1))(assert (<= Y_0 1))",
    "a long name": f"(declare-const X_{'9' * 10_000} Real)",
    "many inputs": "(declare-const X_999999999 Real)(declare-const Y_0 Real)",
    "a large shape": "(declare-network N (declare-input X real [99999,99999])(declare-output Y real [1]))",
    "unknown": HEAD + BOX + "(assert (<= Y_2 1))",
    "no lower bound": HEAD + "(assert (<= X_0 1))(assert (<= Y_0 1))",
    "no bound at all": HEAD + "(assert (<= Y_0 1))",
    "not closed": HEAD + "(assert (<= X_0 1)",
    "closed twice": HEAD + "(assert (<= X_0 1)))",
    "a bracket": HEAD + BOX + "(assert (<= Y_0 ] 1))",
    "not linear": HEAD + BOX + "(assert (<= (* Y_0 Y_1) 1))",
    "inputs and outputs": HEAD + BOX + "(assert (<= Y_0 X_0))",
    "a strict input": HEAD + "(assert (> X_0 -1))(assert (<= X_0 1))",
    "outside the shape": "(declare-network N (declare-input X real [2])(declare-output Y real [1]))(assert (<= Y[1] 1))",
    "another statement": HEAD + "(push 1)",
    "NaN": HEAD + BOX + "(assert (<= Y_0 NaN))",
    "nothing": "",
}


def read(path: Path) -> None:
    """Read, and made boxes of float64."""
    query = load_vnnlib(path)
    query.cases(query.inputs, query.outputs)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_one_line_quickly(text: str, tmp_path) -> None:
    path = tmp_path / "query.vnnlib"
    path.write_text(text)
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        read(path)
    assert time.process_time() - started < 10
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_outputs_that_a_network_has_not_are_one_line() -> None:
    query = parse_vnnlib(HEAD + BOX + "(assert (<= Y_1 Y_0))")
    with pytest.raises(InputError, match="1 inputs and 2 outputs"):
        query.cases(1, 3)
    assert len(query.cases(1, 2)) == 1
