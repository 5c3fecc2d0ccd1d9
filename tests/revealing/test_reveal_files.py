"""Reveals come back from files as they were written; anything else is refused in one line."""

from __future__ import annotations

import copy
import json
import os

import pytest
from mutations import check, mutated_data, mutated_json
from simulated import kernel, layer, reveal_of, revealed

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.orders import parse_order
from fpsynth.revealing.file import (
    SCHEMA,
    VERSION,
    load_reveals,
    reveal_from_json,
    reveal_to_json,
    reveals_from_json,
    save_reveals,
)
from fpsynth.revealing.result import Reveal
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.arithmetic_json import arithmetic_from_json, arithmetic_to_json


@pytest.fixture(scope="module")
def reveals() -> list[Reveal]:
    """With classes, a bias, another accumulator, and a vector that is not explained."""
    mixed = kernel(FLOAT32, 5, batch=2, outputs=3, bias=True)
    orders = [parse_order("[[0,3],[[1,2],4]]"), parse_order("sequential")]
    wrong = kernel(FLOAT32, 3)
    return [
        revealed(layer(mixed, lambda row, output: Arithmetic(FLOAT32, order=orders[output == 2], fused=True)), mixed),
        reveal_of(Arithmetic(FLOAT16, accumulator=FLOAT32), 4),
        revealed(lambda x, w, b: (x @ w.T) ** 2, wrong),
    ]


def test_round_trip(reveals, tmp_path):
    path = tmp_path / "found.json"
    save_reveals(reveals, path)
    assert load_reveals(path) == tuple(reveals)
    assert not reveals[2].explained
    assert os.listdir(tmp_path) == ["found.json"]


def test_a_file_that_cannot_be_written_is_one_line(reveals, tmp_path):
    with pytest.raises(InputError) as refused:
        save_reveals(reveals, tmp_path / "missing" / "found.json")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[", "null", "[]", "{}", '{"schema": "fpsynth-reveal"}', "[" * 100_000, "NaN", "\0"])
def test_files_that_are_no_reveals(text, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        load_reveals(path)
    assert "\n" not in str(refused.value)


HOSTILE = [None, True, -1, 0, 1.5, 10**30, 1e308, "", "x", "1e999999999", [], {}, [[]], [None], [[0, 0], [0, 0]], {"a": 1}]


def places(data: object, path: tuple[object, ...] = ()):
    """The way to everything in nested data."""
    if path:
        yield path
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


@pytest.mark.parametrize("which", range(3))
def test_anything_in_any_place_is_read_or_refused_in_one_line(reveals, which):
    whole = json.loads(json.dumps(reveal_to_json(reveals[which])))
    for place in places(whole):
        for value in HOSTILE:
            data = copy.deepcopy(whole)
            inner = data
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            said = ""
            try:
                reveal_from_json(data)
            except InputError as refused:
                said = str(refused)
            assert "\n" not in said, (place, value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data["classes"].pop(), "cover every row and output once"),
        (lambda data: data["classes"].append(data["classes"][0]), "cover every row and output once"),
        (
            lambda data: data["kernel"].update(environment="torch:linear:batch=99999", outputs=4096),
            "cover every row and output",
        ),
        (lambda data: data["kernel"].update(terms=6), "leaves"),
        (lambda data: data["classes"][0]["arithmetic"].update(bias_leaf=True), "leaves"),
        (lambda data: data["kernel"].update(dtype="float64"), "the kernel in float64"),
        (lambda data: data["kernel"].update(environment="basic:linear"), "basic"),
        (lambda data: data["classes"][0].update(explained=10**6), "number of vectors"),
    ],
)
def test_what_does_not_fit_together_is_refused(reveals, change, says):
    data = json.loads(json.dumps(reveal_to_json(reveals[0])))
    change(data)
    with pytest.raises(InputError, match=says):
        reveal_from_json(data)


def test_an_empty_list_is_refused():
    with pytest.raises(InputError, match="list of reveals"):
        reveals_from_json({"schema": "fpsynth-reveal", "schema_version": 1, "reveals": []})


@pytest.mark.parametrize("field", ["seconds", "calls", "tree_calls"])
@pytest.mark.parametrize("number", [pytest.param(10**400, id="huge"), -1, 1 << 54, True])
def test_numbers_that_no_reveal_has_are_refused(reveals, field, number):
    data = json.loads(json.dumps(reveal_to_json(reveals[0])))
    data[field] = number
    with pytest.raises(InputError, match="calls and seconds of a reveal"):
        reveal_from_json(data)


@pytest.mark.parametrize("which", range(3))
def test_damaged_reveal_files(reveals, which, tmp_path):
    path = tmp_path / "reveals.json"
    data = {"schema": SCHEMA, "schema_version": VERSION, "reveals": [reveal_to_json(reveals[which])]}

    def written(draw):
        path.write_text(mutated_json(data, draw), "utf-8", "surrogatepass")
        return path

    check(f"reveal {which}", written, load_reveals)


def test_damaged_arithmetics():
    aligned = Arithmetic(FLOAT16, accumulator=FLOAT32, fused=True, alignment=Alignment(24, Rounding.RTZ, Rounding.RTZ, -133))
    data = json.loads(json.dumps(arithmetic_to_json(aligned)))
    for how in (data, {**data, "order": {"leaves": 4, "steps": [[0, 1], [2, 3], [4, 5]]}, "alignment": None}):
        check("arithmetic", lambda draw, how=how: mutated_data(how, draw), arithmetic_from_json)
