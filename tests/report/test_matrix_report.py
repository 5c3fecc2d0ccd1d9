"""The matrix on paper: every pair in the grid and in the picture, nothing failing silently."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from divergences import triple
from rendered import rendered

from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.orders import parse_order
from fpsynth.report.renderers.style import Style
from fpsynth.report.stories.matrix import class_name, gathered, matrix_json, matrix_story, matrix_svg, status
from fpsynth.revealing.result import Check, PositionClass, Reveal
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.synthesis.matrix import Cell, Matrix, Member, Published, classes_of

TERMS = 8


def member(library: str, variant: str, batch: int, order: str) -> Member:
    where = Environment(library, variant, batch=batch, outputs=2)
    how = Arithmetic(FLOAT32, order=parse_order(order))
    positions = tuple((row, output) for row in range(batch) for output in range(2))
    return Member(where, Reveal(Kernel(where, FLOAT32, TERMS, 2), (PositionClass(how, positions, Check(9, 9)),), "1"))


MEMBERS = (
    member("numpy", "matmul", 1, "sequential"),
    member("numpy", "dot", 1, "strided:1"),
    member("torch", "linear", 4, "pairwise"),
    member("torch", "linear", 1, "lanes:4"),
    Member(Environment("jax", "jit", outputs=2), None, "jax is not installed"),
)


@pytest.fixture
def matrix() -> Matrix:
    classes = classes_of(MEMBERS, TERMS)
    cells = (Cell(0, 1, None, "no time"), Cell(0, 2, None, "too hard"), Cell(1, 2, None, "no time"))
    known = (Published("Order3", (), ("numpy:matmul", "torch:linear")),)
    return Matrix(FLOAT32, TERMS, 2, MEMBERS, tuple(classes), cells, known, seconds=1.0)


def test_environments_with_one_arithmetic_are_one_class(matrix: Matrix) -> None:
    assert matrix.classes == ((0, 1), (2,), (3,))


def test_every_pair_that_is_not_confirmed_is_said_with_its_reason(matrix: Matrix) -> None:
    text = rendered(matrix_story(matrix), Style(True, False, 96))
    assert "0 of 3 pairs confirmed" in text
    for line in ("A B: no time", "A C: too hard", "B C: no time", "jax:jit:batch=1,outputs=2: jax is not installed"):
        assert line in text
    assert "Order3 fires in 0 of 2 environments" in text
    assert max(map(len, text.splitlines())) <= 96
    assert rendered(matrix_story(matrix), Style(False, False, 96)).isascii()


def test_a_cell_is_confirmed_only_if_every_run_obeyed() -> None:
    cell = Cell(0, 1, triple(), runs=4, obeyed=4)
    assert (cell.confirmed, status(cell)) == (True, "confirmed")
    assert status(replace(cell, obeyed=3)) == "disobeyed"
    assert status(replace(cell, runs=0, obeyed=0)) == "disobeyed"
    assert status(Cell(0, 1, None)) == "missing"


def test_the_picture_has_a_square_for_each_pair(matrix: Matrix) -> None:
    root = ET.fromstring(matrix_svg(matrix))
    squares = [
        e for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.find("{http://www.w3.org/2000/svg}title") is not None
    ]
    assert len(squares) == 9
    assert "B against C: missing" in {title.text for title in root.iter("{http://www.w3.org/2000/svg}title")}


def test_the_json_names_environments_classes_and_pairs(matrix: Matrix) -> None:
    data = json.loads(json.dumps(matrix_json(matrix), allow_nan=False))
    assert [entry["class"] for entry in data["environments"]] == ["A", "A", "B", "C", None]
    assert set(data["classes"]) == {"A", "B", "C"}
    assert [(c["below_zero_in"], c["above_zero_in"]) for c in data["cells"]] == [("A", "B"), ("A", "C"), ("B", "C")]


def test_classes_are_named_like_columns_of_a_sheet() -> None:
    assert [class_name(k) for k in (0, 25, 26, 27, 52, 701, 702)] == ["A", "Z", "AA", "AB", "BA", "ZZ", "AAA"]


def test_one_of_a_kind_is_not_told_in_the_plural(matrix: Matrix) -> None:
    one = replace(
        matrix,
        terms=1,
        outputs=1,
        members=MEMBERS[:1],
        classes=((0,),),
        cells=(Cell(0, 0, None, "no time", runs=1),),
        published=(Published("Order3", (), ("numpy:matmul",)),),
    )
    text = rendered(matrix_story(one), Style(True, False, 96))
    assert "1 term · 1 output" in text
    assert "1 arithmetic in 1 environment" in text
    assert "fires in 0 of 1 environment\n" in text
    assert "0 of 1 pair confirmed in 1 run" in text
    assert "1 term, 1 output: a detector confirmed for 0 of 1 pair" in matrix_svg(one)


def test_what_belongs_to_an_arithmetic_is_indented_as_elsewhere(matrix: Matrix) -> None:
    lines = rendered(matrix_story(matrix), Style(True, False, 96)).splitlines()
    assert any(line.startswith("      numpy matmul, dot at batch 1") for line in lines)
    assert any(line.startswith("  A  float32") for line in lines)


def test_environments_are_gathered_by_library_and_settings() -> None:
    some = [Environment("torch", v, batch=b) for v in ("linear", "matmul") for b in (1, 4)]
    other = Environment("torch", "linear", batch=4, settings=(("MKL_CBWR", "AVX"),))
    assert gathered([*some, other]) == ["torch linear, matmul at batch 1, 4", "torch linear at batch 4 with MKL_CBWR=AVX"]
    there = Environment("torch", "linear", device="cuda", switches=(("tf32", "on"),))
    assert gathered([some[0], there]) == ["torch linear at batch 1", "torch linear at batch 1 with device=cuda tf32=on"]
