"""Claims of arithmetic_json.py: every arithmetic is read back as it was written, and hostile data is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import arithmetics, every_order, trees

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, TF32
from fpsynth.orders import Tree, fixed_order, parse_order
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.arithmetic import REAL, Arithmetic
from fpsynth.sums.arithmetic_json import arithmetic_from_json, arithmetic_to_json, order_from_json, order_to_json
from fpsynth.witness.schema import witness_schema


@given(st.data(), st.integers(1, 9))
def test_an_arithmetic_is_read_back_as_it_was_written(data: st.DataObject, leaves: int) -> None:
    alignment = data.draw(st.one_of(st.none(), st.builds(Alignment, st.integers(1, 64), st.sampled_from(list(Rounding)))))
    plain = data.draw(arithmetics(FLOAT16))
    how = replace(
        plain,
        fused=plain.fused or alignment is not None,
        order=data.draw(st.one_of(every_order, trees(leaves, most=4).map(fixed_order))),
        operands=data.draw(st.sampled_from([None, TF32])),
        products=data.draw(st.sampled_from([None, BFLOAT16])),
        rounded=tuple(data.draw(st.lists(st.integers(0, 9)))),
        bias_leaf=data.draw(st.booleans()),
        operand_rounding=data.draw(st.sampled_from(list(Rounding))),
        alignment=alignment,
    )
    assert arithmetic_from_json(json.loads(json.dumps(arithmetic_to_json(how)))) == how


def test_every_field_is_written_and_only_the_format_is_required() -> None:
    assert set(arithmetic_to_json(REAL)) == {field.name for field in fields(Arithmetic)} - {"given"}
    assert arithmetic_from_json(arithmetic_to_json(REAL)) == REAL
    assert arithmetic_from_json({"format": "float32"}) == Arithmetic(FLOAT32)


@pytest.mark.parametrize(("data", "flush"), [(False, Flush.NEVER), (True, Flush.ROUNDED), ("unbounded", Flush.UNBOUNDED)])
def test_files_from_before_there_were_two_kinds_of_flushing_keep_their_meaning(data: object, flush: Flush) -> None:
    assert arithmetic_to_json(Arithmetic(FLOAT16, flush=flush))["flush"] is data
    assert arithmetic_from_json({"format": "float16", "flush": data}).flush is flush


@pytest.mark.parametrize("value", [None, True, False, "unbounded", "rounded", 0, 1, 2, [], {}])
def test_the_schema_and_the_reader_accept_the_same_flushing(value: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = {"$ref": "#/$defs/arithmetic", "$defs": witness_schema()["$defs"]}
    data = arithmetic_to_json(Arithmetic(FLOAT16)) | {"flush": value}
    try:
        arithmetic_from_json(data)
        read = True
    except InputError:
        read = False
    assert jsonschema.Draft202012Validator(schema).is_valid(data) == read


def test_a_tree_keeps_the_numbers_of_its_steps() -> None:
    order = fixed_order(Tree(4, ((3, 2), (0, 1), (5, 4))))
    assert order_to_json(order) == {"leaves": 4, "steps": [[3, 2], [0, 1], [5, 4]]}
    assert order_from_json(order_to_json(order)) == order


def test_a_tree_of_4096_leaves() -> None:
    order = fixed_order(parse_order("sequential").tree(4096))
    assert order_from_json(json.loads(json.dumps(order_to_json(order)))) == order


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("format", "float31", "float31"),
        ("format", 32, "format must be the name"),
        ("operands", [], "operands must be the name"),
        ("operand_rounding", 1, "operand_rounding must be the name"),
        ("operand_rounding", "RNX", "RNX"),
        ("alignment", 25, "an alignment must be an object"),
        ("alignment", {}, "an alignment must be an object with fraction_bits"),
        ("alignment", {"fraction_bits": True}, "fraction_bits must be a whole number"),
        ("alignment", {"fraction_bits": 0}, "1 to 64 fraction bits"),
        ("alignment", {"fraction_bits": 25, "least_exponent": 2.5}, "least_exponent"),
        ("alignment", {"fraction_bits": 25, "cut": None}, "cut must be the name"),
        ("alignment", {"fraction_bits": 25, "bits": 1}, "an alignment has no field 'bits'"),
        ("fused", 1, "fused must be true or false"),
        ("flush", 2, "flush must be true, false"),
        ("flush", "rounded", "flush must be true, false"),
        ("bias_leaf", None, "bias_leaf must be true or false"),
        ("rounded", [True], "rounded must be a list"),
        ("rounded", [-1], "rounded must be a list"),
        ("rounded", 3, "rounded must be a list"),
        ("rounding", None, "rounding must be the name"),
        ("rounding", "UP", "UP"),
        ("surprise", 1, "no field 'surprise'"),
        ("order", None, "an order must be a name"),
        ("order", {"leaves": 1}, "an order must be a name"),
        ("order", {"leaves": True, "steps": []}, "1 to 65537 leaves"),
        ("order", {"leaves": 10**30, "steps": []}, "1 to 65537 leaves"),
        ("order", {"leaves": 2, "steps": [[0, 1], [0, 1]]}, "fewer steps than leaves"),
        ("order", {"leaves": 2, "steps": [[0, 1.0]]}, "whole numbers"),
        ("order", {"leaves": 2, "steps": [[0, 10**30]]}, "before it is computed"),
        ("order", {"leaves": 2, "steps": [[0, 0]]}, "repeated"),
        ("order", {"leaves": 3, "steps": [[0, 1]]}, "every leaf exactly once"),
    ],
)
def test_what_is_no_arithmetic_is_refused_in_one_line(field: str, value: Any, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        arithmetic_from_json({"format": "float32", field: value})
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("field", ["fraction_bits", "rounding", "cut", "least_exponent"])
@pytest.mark.parametrize("value", [None, True, 0, 1, 64, 65, 2000, 2001, -2000, -2001, 2.5, "RNE", "rne", "RTZ", "", [], {}])
def test_the_schema_and_the_reader_accept_the_same_alignments(field: str, value: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    whole = witness_schema()
    schema = {"$ref": "#/$defs/arithmetic", "$defs": whole["$defs"]}
    data = arithmetic_to_json(Arithmetic(FLOAT16, fused=True, alignment=Alignment(25)))
    data["alignment"][field] = value
    try:
        arithmetic_from_json(data)
        read = True
    except InputError:
        read = False
    assert jsonschema.Draft202012Validator(schema).is_valid(data) == read


def test_a_file_from_before_there_were_alignments_is_read_as_it_was() -> None:
    data = arithmetic_to_json(Arithmetic(FLOAT16, fused=True))
    del data["alignment"], data["operand_rounding"]
    assert arithmetic_from_json(data) == Arithmetic(FLOAT16, fused=True)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["leaves", "steps"]), inner),
    max_leaves=9,
)


@given(st.dictionaries(st.sampled_from(sorted(arithmetic_to_json(REAL))) | st.text(max_size=5), _json, max_size=4), _json)
def test_hostile_data_is_an_arithmetic_or_refused(data: dict[str, Any], other: Any) -> None:
    for read, hostile in [
        (arithmetic_from_json, data),
        (arithmetic_from_json, {"format": "float32", **data}),
        (arithmetic_from_json, other),
        (order_from_json, other),
    ]:
        message = _refusal(read, hostile)
        assert message is None or "\n" not in message


def _refusal(read: Callable[[object], object], data: object) -> str | None:
    try:
        read(data)
    except InputError as error:
        return str(error)
    return None


def test_an_alignment_without_fused_products_says_nothing() -> None:
    with pytest.raises(InputError, match="an alignment needs fused"):
        arithmetic_from_json({"format": "float16", "alignment": {"fraction_bits": 25}})
