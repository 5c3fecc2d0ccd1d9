"""Sides: what users write becomes the view that they mean, or one line that says why it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, TF32
from fpsynth.orders import parse_order
from fpsynth.revealing.file import save_reveals
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.sums.arithmetic_json import arithmetic_to_json
from fpsynth.synthesis.sides import Shape, Sides, is_environment, shape_for


@pytest.fixture
def sides() -> Iterator[Sides]:
    with Sides(FLOAT32, Shape(4, 1, 0), vectors=200) as made:
        yield made


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("real", REAL),
        ("sequential", Arithmetic(FLOAT32)),
        ("strided:2", Arithmetic(FLOAT32, order=parse_order("strided:2"))),
        ("[[0,1],[2,3]]", Arithmetic(FLOAT32, order=parse_order("[[0,1],[2,3]]"))),
        ("[[0,1],[2,3]],fused", Arithmetic(FLOAT32, order=parse_order("[[0,1],[2,3]]"), fused=True)),
        ("sequential,fused,flush", Arithmetic(FLOAT32, fused=True, flush=True)),
        ("sequential,fused,flush=rounded", Arithmetic(FLOAT32, fused=True, flush=Flush.ROUNDED)),
        ("sequential,fused,flush=unbounded", Arithmetic(FLOAT32, fused=True, flush=Flush.UNBOUNDED)),
        ("sequential,rounded=1,fused", Arithmetic(FLOAT32, fused=True, rounded=(1,))),
        ("pairwise,fused,rounded=3+1", Arithmetic(FLOAT32, order=parse_order("pairwise"), fused=True, rounded=(1, 3))),
        ("reverse,accumulator=float64", Arithmetic(FLOAT32, order=parse_order("reverse"), accumulator=FLOAT64)),
        ("sequential,format=bfloat16,rounding=RTZ", Arithmetic(BFLOAT16, rounding=Rounding.RTZ)),
        ("sequential,operands=tf32", Arithmetic(FLOAT32, operands=TF32)),
        ("sequential,bias=first", Arithmetic(FLOAT32, bias_first=True)),
        (
            "sequential,operands=tf32,operand_rounding=RNA",
            Arithmetic(FLOAT32, operands=TF32, operand_rounding=Rounding.RNA),
        ),
        ("groups:4,fused,align=25", Arithmetic(FLOAT32, order=parse_order("groups:4"), fused=True, alignment=Alignment(25))),
        (
            "groups:2,align_cut=RTN,align=13,align_rounding=RNE,align_least=-133,format=float16,accumulator=float32,fused",
            Arithmetic(
                FLOAT16,
                accumulator=FLOAT32,
                order=parse_order("groups:2"),
                fused=True,
                alignment=Alignment(13, Rounding.RNE, Rounding.RTN, -133),
            ),
        ),
    ],
)
def test_arithmetics_are_read(sides: Sides, text: str, how: Arithmetic) -> None:
    view = sides.view(text, "a", "reference")
    assert view.deployment == Deployment(how)
    assert (view.name, view.label, view.role, view.environment) == ("a", text, "reference", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("backwards", "unknown order 'backwards'"),
        ("sequential,wide", "unknown order"),
        ("sequential,accumulator=float99", "unknown dtype 'float99'"),
        ("sequential,rounding=UP", "unknown rounding 'UP'"),
        ("sequential,align=25", "align needs fused"),
        ("sequential,fused,align_cut=RTN", "align_cut says how sums are aligned: it needs align=BITS"),
        ("sequential,fused,align=many", "align=many must be a whole number"),
        ("sequential,fused,align=0", "1 to 64 fraction bits"),
        ("sequential,fused,align=24,align_rounding=UP", "unknown rounding 'UP'"),
        ("sequential,fused,align=24,align_least=9999", "from -2000 to 2000"),
        ("sequential,operand_rounding=RTZ", "it needs operands=FORMAT"),
        ("sequential,rounded=1", "it needs fused"),
        ("sequential,fused,rounded=4", "the sum has no such product; they are 0 to 3"),
        ("sequential,fused,rounded=1++2", "must name products by number"),
        ("sequential,flush=before", "choose flush"),
        ("groups:1", "at least 2"),
        ("[[0,1],2]", "a tree of 3 leaves, but the sum has 4 terms"),
        ("[[0,1],[1,2]]", "repeated"),
        ("numpy:matmul:batch=x", "batch of an environment is a whole number from 1"),
        ("nowhere.json", "cannot read"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(sides: Sides, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        sides.view(text, "a", "reference")
    assert "\n" not in str(error.value)


def test_an_environment_is_revealed_and_its_reveal_can_be_kept_in_a_file(sides: Sides, tmp_path: Path) -> None:
    view = sides.view("numpy:matmul:batch=4", "b", "deployed")
    assert view.environment == "numpy:matmul:batch=4,outputs=1"
    (found,) = sides.reveals.values()
    assert found.explained
    save_reveals([found], tmp_path / "numpy.json")
    again = sides.view(str(tmp_path / "numpy.json"), "b", "deployed")
    assert (again.deployment, again.environment) == (view.deployment, view.environment)
    with (
        Sides(FLOAT16, Shape(4, 1, 0)) as others,
        pytest.raises(InputError, match="has no reveal of 4 terms, 1 outputs, float16"),
    ):
        others.view(str(tmp_path / "numpy.json"), "b", "deployed")


def test_arithmetics_and_orders_are_read_from_json(sides: Sides, tmp_path: Path) -> None:
    how = Arithmetic(FLOAT32, order=parse_order("pairwise"), fused=True, rounded=(1,))
    (tmp_path / "how.json").write_text(json.dumps(arithmetic_to_json(how)))
    assert sides.view(str(tmp_path / "how.json"), "a", "reference").deployment == Deployment(how)
    (tmp_path / "tree.json").write_text("[[0, 1], [2, 3]]")
    assert sides.view(str(tmp_path / "tree.json"), "a", "reference").deployment.default.order == parse_order("[[0,1],[2,3]]")
    (tmp_path / "junk.json").write_text("{")
    with pytest.raises(InputError, match=r"junk.json is not JSON"):
        sides.view(str(tmp_path / "junk.json"), "a", "reference")


def test_the_shape_is_what_all_environments_agree_on() -> None:
    assert shape_for(["sequential", "real"], 8, 2) == Shape(8, 2, 0)
    assert shape_for(["torch:linear:outputs=10,output=9", "torch:linear:batch=4"], 8, None) == Shape(8, 10, 9)
    with pytest.raises(InputError, match="all sides must have the same outputs=N"):
        shape_for(["torch:linear:outputs=10", "torch:linear:outputs=3"], 8, 1)
    assert shape_for(["numpy:matmul:outputs=2"], 8, None, 1) == Shape(8, 2, 0)
    assert shape_for(["sequential"], 8, None, 2) == Shape(8, 2, 0)
    with pytest.raises(InputError, match="all sides must have the same outputs=N"):
        shape_for(["numpy:matmul:outputs=2"], 8, 3)
    with pytest.raises(InputError, match="output 9 is not among 2"):
        shape_for(["torch:linear:output=9"], 8, 2)


def test_environments_are_told_from_orders_by_the_library() -> None:
    assert is_environment("numpy:sum")
    assert not is_environment("numpy")
    assert not is_environment("strided:4")


def test_what_is_revealed_stands_before_what_goes_on() -> None:
    """Elapsed seconds follow the text: they are of the search, not of the reveal."""
    said: list[str] = []
    with Sides(FLOAT32, Shape(4, 1, 0), vectors=200, progress=said.append) as made:
        made.view("numpy:matmul", "a", "reference")
    assert said[0].startswith("revealing numpy:matmul")
    assert said[-1].startswith("numpy:matmul")
    assert said[-1].endswith(" is revealed; searching")


def test_two_rows_of_one_kernel_are_one_reveal() -> None:
    rows = [f"numpy:matmul:batch=2,outputs=3,row={row}" for row in (0, 1)]
    with Sides(FLOAT32, Shape(5, 3, 1), read=[1], vectors=100) as made:
        for row in rows:
            made.planned(row, "a", "reference")
        views = [made.view(row, "a", "reference") for row in rows]
        first, second = (made.reveals[row] for row in rows)
    assert [view.row for view in views] == [0, 1]
    assert (first.classes, first.seconds, first.revealed) == (second.classes, second.seconds, second.revealed)
    assert all(first.at(row, 1).check.perfect for row in (0, 1))
