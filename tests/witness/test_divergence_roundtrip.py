"""The file of a divergence gives back the very divergence that was written."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from divergences import BY_HAND, PAIRWISE, any_divergence, divergence, observed, row_of, triple, views
from hypothesis import given, settings
from profiles import examples
from witnesses import published

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, FORMATS
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Builder, fixed_order
from fpsynth.predicates import KINDS, Predicate
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.witness import from_json, load, save, to_json
from fpsynth.witness.file import parse, text
from fpsynth.witness.numerals import parse_rational, rational_text
from fpsynth.witness.schema import witness_schema


@settings(max_examples=examples(150))
@given(any_divergence())
def test_what_is_written_is_read_back_bit_for_bit(found):
    again = parse(text(found))
    assert again == found
    assert repr(again) == repr(found)  # in which the two zeros differ


@settings(max_examples=examples(30))
@given(any_divergence())
def test_the_shipped_schema_accepts_what_is_written(found):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(witness_schema()).validate(to_json(found))


def test_ties_and_divergences_are_files_of_one_version(tmp_path):
    save(published(), tmp_path / "tie.json")
    save(triple(), tmp_path / "order.json")
    tie, order = load(tmp_path / "tie.json"), load(tmp_path / "order.json")
    assert (tie, order) == (published(), triple())
    assert (tie.two_points, order.two_points) == (True, False)
    versions = [json.loads((tmp_path / name).read_text())["schema_version"] for name in ("tie.json", "order.json")]
    assert versions == [3, 3]


@pytest.mark.parametrize("name", BY_HAND)
def test_every_question_survives_its_file(name):
    assert parse(text(BY_HAND[name]())) == BY_HAND[name]()


def test_a_tree_stands_in_the_file_once_however_many_outputs_have_it():
    build = Builder(64)
    build.halves(range(64))
    tree = Arithmetic(FLOAT32, order=fixed_order(build.tree()))
    weights = row_of(64, {0: -(2.0**24), 32: 2.0**24, 33: 1.0})
    network = dense_relu((Dense((weights,) * 10),))
    deployed = Deployment(Arithmetic(FLOAT32), tuple(((0, j), tree) for j in range(1, 10)))
    found = divergence(network, (1.0,) * 64, views(("real", REAL), ("kernel", deployed)), Predicate("equal", 0, 9))
    data = to_json(found)
    assert len(data["arithmetics"]) == 3
    assert sum(isinstance(entry["order"], dict) for entry in data["arithmetics"]) == 1
    assert from_json(data) == found


def test_numbers_are_hexadecimal_with_exact_decimals_and_rationals_are_exact():
    data = to_json(replace(triple(), real=(Fraction(-1, 3),)))
    assert data["network"]["layers"][0]["weight"][0][:3] == ["-0x1p+24", "0x0p+0", "0x1p+24"]
    assert data["points"] == [{"name": "point", "numbers": ["0x1p+0"] * 4, "numbers_decimal": ["1.0"] * 4}]
    assert data["real"] == ["-1/3"]
    assert [view["logits"] for view in data["views"]] == [["0x1p+0"], ["0x0p+0"], ["0x1p+0"]]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (Fraction(0), "0x0p+0"),
        (Fraction(-3, 4), "-0x1.8p-1"),
        (Fraction(1, 3), "1/3"),
        (Fraction(2**53 + 1), "9007199254740993/1"),
        (Fraction(1, 2**1074), "0x0.0000000000001p-1022"),
        (Fraction(1, 2**1075), f"1/{2**1075}"),
    ],
)
def test_rationals_are_floats_where_float64_holds_them(number, expected):
    assert rational_text(number) == expected
    assert parse_rational(expected) == number


def test_a_number_too_long_for_a_file_is_not_written():
    assert len(rational_text(Fraction(1, 3**8_000))) < 4000
    for power in (8_400, 8_700, 40_000):
        with pytest.raises(InputError, match="cannot be written"):
            rational_text(Fraction(1, 3**power))


def test_only_what_is_needed_to_check_a_divergence_must_be_there():
    full = to_json(triple(silent=False))
    small = {name: full[name] for name in witness_schema()["required"]}
    small["points"] = [{name: point[name] for name in ("name", "numbers")} for point in full["points"]]
    small["predicate"] = {"kind": "sign"}
    small["arithmetics"] = [{"format": "float32"}, {"format": "float32", "order": "pairwise"}]
    small["views"] = [{name: v[name] for name in ("name", "label", "role", "deployment", "point")} for v in full["views"]]
    found = parse(json.dumps(small))
    assert found.deployed.deployment == Deployment(PAIRWISE)
    assert found.observations == found.real == ()


def test_4096_terms_fit_into_a_file():
    found = triple(4096)
    content = text(found)
    assert len(content) < 1 << 20
    assert parse(content) == found


def test_observations_are_kept_with_infinities_and_settings_in_their_order():
    seen = observed(triple(), (float("-inf"),), threads=2, settings=(("B", "1"), ("A", "2")), environment={"dtype": "float32"})
    (again,) = parse(text(replace(triple(), observations=(seen,)))).observations
    assert again == seen


@pytest.mark.parametrize("version", [2, 3])
def test_the_schemas_name_the_formats_roundings_and_predicates_that_there_are(version):
    schema = witness_schema(version)
    assert schema["$defs"]["format"]["enum"] == list(FORMATS)
    assert schema["$defs"]["arithmetic"]["properties"]["rounding"]["enum"] == [r.value for r in Rounding]
    assert schema["properties"]["predicate"]["properties"]["kind"]["enum"] == list(KINDS)
