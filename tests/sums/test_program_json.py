"""Claims of sums/program_json.py: what is written is read back, and anything else is refused in one line."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sums import sum_arithmetics

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32
from fpsynth.orders import parse_order
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.arithmetic_json import arithmetic_from_json, arithmetic_to_json
from fpsynth.sums.building import program_of, restricted
from fpsynth.sums.program_json import program_from_json, program_to_json

CORE = Arithmetic(FLOAT16, FLOAT32, fused=True, order=parse_order("groups:4"), alignment=Alignment(25))


@given(st.data(), st.integers(1, 9), st.booleans())
def test_a_program_is_read_back_as_it_was_written(data: st.DataObject, terms: int, bias: bool) -> None:
    program = program_of(data.draw(sum_arithmetics(BFLOAT16, terms, bias)), terms, bias)
    assert program_from_json(json.loads(json.dumps(program_to_json(program)))) == program


def test_an_arithmetic_that_is_one_program_is_read_back() -> None:
    how = restricted(CORE, 9, [0, 1, 2, 3, 8])
    assert how.given is not None
    data = arithmetic_to_json(how)
    assert arithmetic_from_json(json.loads(json.dumps(data))) == how
    with pytest.raises(InputError, match="fused says something beside a sum program"):
        arithmetic_from_json(data | {"fused": True})


DAMAGED: list[tuple[str, Any, str]] = [
    ("format", "float99", "float99"),
    ("leaf_kinds", [], "no kind 0 of leaf"),
    ("leaf_kinds", [{"kind": "sum", "reads": [], "rounds": []}], "kind of leaf must be one of product, bias, addend"),
    ("leaves", [], "at least one leaf"),
    ("leaves", [0] * 70000, "at most"),
    ("leaves", [True] * 5, "no kind True of leaf"),
    ("steps", [[0, 0]], "."),
    ("steps", [[0, 0, 1, 2, 3, 4, 5]], "."),
    ("steps", [[0, -1, 1]], "list"),
    ("steps", "many", "list"),
    ("step_kinds", [{"kind": "fma", "rounds": [], "alignment": None}], "says what it rounds its sum into|add takes"),
    ("result", [{"format": "float32", "rounding": "RNE", "flush": False}], "must round its result into float16"),
    ("result", [{"format": "float16", "rounding": "RNE", "flush": False}] * 9, "at most 8"),
    ("result", [{"format": "float16", "rounding": "up", "flush": False}], "up"),
    ("result", [{"format": "float16", "rounding": "RNE", "flush": 2}], "flush"),
]


@pytest.mark.parametrize(("field", "value", "why"), DAMAGED)
def test_damaged_programs_are_refused_in_one_line(field: str, value: Any, why: str) -> None:
    data = copy.deepcopy(program_to_json(program_of(CORE, 5)))
    data[field] = value
    with pytest.raises(InputError, match=why) as error:
        program_from_json(data)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


def refusal(data: object) -> str:
    """Why data are no program; empty where they are one."""
    try:
        program_from_json(data)
    except InputError as error:
        return str(error)
    return ""


def test_no_mutation_of_a_program_ends_in_anything_but_one_line() -> None:
    text = json.dumps(program_to_json(program_of(CORE, 5, True)))
    for place in range(0, len(text), 3):
        for other in ('"', "7", "[", "null", ""):
            try:
                data = json.loads(text[:place] + other + text[place + 1 :])
            except ValueError:
                continue
            assert "\n" not in refusal(data)


def test_an_arithmetic_of_a_program_needs_a_format() -> None:
    data = arithmetic_to_json(restricted(CORE, 5, [0, 1]))
    data["program"] = program_to_json(program_of(CORE, 5)) | {"format": None}
    with pytest.raises(InputError, match="needs a format"):
        arithmetic_from_json(data)


@pytest.mark.parametrize("missing", ["format", "leaf_kinds", "step_kinds", "leaves", "steps", "result"])
def test_every_field_is_needed(missing: str) -> None:
    data = program_to_json(program_of(CORE, 5))
    del data[missing]
    with pytest.raises(InputError, match="must be an object with"):
        program_from_json(data)


def test_a_product_alone_must_be_rounded() -> None:
    data = program_to_json(program_of(CORE, 1))
    data["leaf_kinds"][0]["rounds"] = []
    with pytest.raises(InputError, match="must round its only product"):
        program_from_json(data)
