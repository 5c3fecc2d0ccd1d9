"""Claims of certifier_text.py: what is written is read back exactly, and nothing but the certifier's format is read."""

import json
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from witnesses import W1, W2

from fpsynth.errors import InputError
from fpsynth.networks.certifier_text import (
    decimal,
    parse_decimal,
    read_network,
    read_query,
    read_records,
    write_network,
    write_query,
    write_records,
)
from fpsynth.networks.network import Dense, dense_relu

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.integers(1, 3).flatmap(lambda n: st.lists(st.tuples(*[NUMBERS] * n), min_size=1, max_size=3))


@given(NUMBERS)
def test_decimals_are_exact_and_plain(number):
    text = decimal(number)
    assert re.fullmatch(r"-?[0-9]+\.[0-9]+", text)
    assert parse_decimal(text) == Fraction(number)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "0.0"),
        (1.0, "1.0"),
        (-2.5, "-2.5"),
        (0.0625, "0.0625"),
        (Fraction(-1, 10), "-0.1"),
        (1e22, "10000000000000000000000.0"),
    ],
)
def test_decimals_look_like_this(number, text):
    assert decimal(number) == text


@pytest.mark.parametrize("number", [float("nan"), float("inf"), Fraction(1, 3)])
def test_numbers_without_a_decimal_expansion_are_refused(number):
    with pytest.raises(InputError):
        decimal(number)


@given(st.lists(ROWS, min_size=1, max_size=1))
def test_networks_come_back_exactly(layers):
    network = dense_relu(tuple(Dense(tuple(rows)) for rows in layers))
    text = write_network(network)
    assert set(text) <= set("0123456789.,[]-")
    assert read_network(text) == network.map(Fraction)
    assert read_network(f"\n {text}\n") == network.map(Fraction)


def test_rows_are_inputs_and_matrices_follow_each_other():
    network = dense_relu((Dense(((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))), Dense(((0.5, -0.5, 0.25),))))
    text = "[[1.0,3.0,5.0],[2.0,4.0,6.0]],[[0.5],[-0.5],[0.25]]"
    assert write_network(network) == text
    assert read_network(text) == network.map(Fraction)


def test_the_published_network():
    assert write_network(dense_relu((Dense(((W1,), (W2,))),))) == "[[0.9890594482421875,0.989059507846832275390625]]"


def test_biases_cannot_be_written():
    with pytest.raises(InputError, match="no biases"):
        write_network(dense_relu((Dense(((1.0,),), (0.0,)),)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must be written as"),
        ("[]", "must be written as"),
        ("[[1.0]", "must be written as"),
        ("[[1.0,2.0],[3.0]]", "same length"),
        ("[[1e-3]]", "character 'e' at position 3"),
        ("[[1.0, 2.0]]", "character ' '"),
        ("[[nan]]", "character 'n'"),
        ("[[1]]", "not a decimal number"),
        ("[[1.]]", "not a decimal number"),
        ("[[.5]]", "not a decimal number"),
        ("[[--1.0]]", "not a decimal number"),
        ("[[1.0.0]]", "not a decimal number"),
        ("[[1-1.0]]", "not a decimal number"),
        ("[[]]", "not a decimal number"),
        ("[[1.0,]]", "not a decimal number"),
        ("[[[1.0]]]", "not a decimal number"),
        ("[[1.0]][[1.0]]", "not a decimal number"),
        ("[[1.0,2.0]],[[1.0]]", "2 outputs is followed by one with 1 inputs"),
        ("[[" + "1" * 5000 + ".0]]", "not a decimal number"),
        ("[[\u0661.0]]", "character"),
    ],
)
def test_anything_else_is_refused_in_one_line(text, reason):
    with pytest.raises(InputError, match=re.escape(reason)) as caught:
        read_network(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.lists(NUMBERS, min_size=1, max_size=4), NUMBERS)
def test_queries_come_back_exactly(logits, radius):
    line = write_query(logits, Fraction(radius))
    assert line.count(" ") == 1
    assert read_query(line + "\n") == (tuple(map(Fraction, logits)), Fraction(radius))


@pytest.mark.parametrize("line", ["", "1.0,2.0", "1.0, 2.0 0.5", "1.0,2.0 1e-3", ",1.0 0.5", "1.0 0.5 0.5"])
def test_other_lines_are_no_queries(line):
    with pytest.raises(InputError):
        read_query(line)


def test_records_come_back_exactly():
    bounds = ((Fraction(0), Fraction("0.1")), (Fraction("0.1"), Fraction(0)))
    text = write_records(bounds, 11, [([0.1, 0.5], Fraction("0.3"), True), ([0.0, 0.0], Fraction(1), False)])
    first, second, third = read_records(text)
    assert first == {"lipschitz_bounds": [list(row) for row in bounds], "GRAM_ITERATIONS": 11}
    assert second == {"output": [Fraction(0.1), Fraction(0.5)], "radius": Fraction("0.3"), "certified": True}
    assert third["certified"] is False
    assert json.loads(text)[1]["radius"] == 0.3


def test_debugging_messages_among_the_records_are_kept():
    assert read_records('[{"debug_msg": "hello"}, {"output": [1.0], "radius": 0.5, "certified": false}]')[0] == {
        "debug_msg": "hello"
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "{}",
        "[1]",
        '[{"certified": true}]',
        '[{"output": [1.0], "radius": 0.5, "certified": 1}]',
        '[{"output": ["a"], "radius": 0.5, "certified": true}]',
        '[{"output": [NaN], "radius": 0.5, "certified": true}]',
        '[{"output": [1.0], "radius": Infinity, "certified": true}]',
        '[{"output": [1e999999999], "radius": 0.5, "certified": true}]',
        '[{"lipschitz_bounds": [1.0]}]',
        '[{"lipschitz_bounds": 1.0}]',
        "[" * 100000,
    ],
)
def test_other_outputs_are_refused(text):
    with pytest.raises(InputError):
        read_records(text)


@pytest.mark.parametrize("digits", [2001, 5000, 10_000])
@pytest.mark.parametrize(
    "record", ['{{"x": {}}}', '{{"lipschitz_bounds": [[{}]]}}', '{{"radius": {}}}', '{{"x": -{}}}', '{{"x": {}.0}}']
)
def test_records_with_numbers_of_too_many_digits_are_refused(record, digits):
    with pytest.raises(InputError) as caught:
        read_records("[" + record.format("9" * digits) + "]")
    assert len(str(caught.value)) < 200
