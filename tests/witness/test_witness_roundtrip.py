"""A witness file gives back the very witness that was written, in text that any JSON tool and schema checker accepts."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from profiles import examples
from witnesses import RADIUS, SUPREMUM, any_witness, published

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, FORMATS, TF32
from fpsynth.orders import Tree, fixed_order
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.witness import Observation, from_json, load, save, to_json
from fpsynth.witness.file import parse, text
from fpsynth.witness.schema import ANNOTATIONS, KEYWORDS, witness_schema


def exact_bits(witness):
    """The witness as text in which the two zeros differ (they are equal as Python floats)."""
    return repr(witness)


@settings(max_examples=examples(150))
@given(any_witness())
def test_what_is_written_is_read_back_bit_for_bit(witness):
    again = parse(text(witness))
    assert again == witness
    assert exact_bits(again) == exact_bits(witness)


@settings(max_examples=examples(30))
@given(any_witness())
def test_the_shipped_schema_accepts_what_is_written(witness):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(witness_schema()).validate(to_json(witness))


def test_the_shipped_schema_is_a_schema_of_its_draft():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(witness_schema())


def test_save_and_load(tmp_path):
    path = tmp_path / "witness.json"
    save(published(), path)
    assert load(path) == published()
    assert [entry.name for entry in tmp_path.iterdir()] == ["witness.json"]


def test_floats_are_hexadecimal_with_exact_decimals_beside_them():
    data = to_json(published())
    layer = data["network"]["layers"][0]
    assert layer["weight"] == [["0x1.fa66p-1"], ["0x1.fa6602p-1"]]
    assert layer["weight_decimal"] == [["0.9890594482421875"], ["0.989059507846832275390625"]]
    assert data["inputs"]["certified_decimal"] == ["0.19721232354640960693359375"]


def test_radii_are_exact():
    data = to_json(published())
    assert data["certificate"]["radius_exact"] == "0.2471875"
    assert data["certificate"]["radius"] == float(RADIUS)
    assert Fraction(data["certificate"]["supremum_exact"]) == SUPREMUM
    assert from_json(data).certificate.reach == SUPREMUM


def test_only_what_is_needed_to_check_a_witness_must_be_there():
    full = to_json(published())
    small = {name: full[name] for name in witness_schema()["required"]}
    small["network"] = {"layers": [{"weight": full["network"]["layers"][0]["weight"], "bias": None}]}
    small["inputs"] = {name: full["inputs"][name] for name in ("certified", "counterexample")}
    small["arithmetic"] = {"default": {"format": "float32"}}
    witness = parse(json.dumps(small))
    assert (witness.network, witness.certified, witness.deployment) == (
        published().network,
        published().certified,
        published().deployment,
    )
    assert witness.observations == ()


def test_a_witness_that_could_not_be_read_back_is_not_written(tmp_path):
    with pytest.raises(InputError, match="question: must be the name of a question"):
        save(replace(published(), question="Tie!"), tmp_path / "witness.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "how",
    [
        Arithmetic(FLOAT32, order=fixed_order(Tree(1, ()))),
        Arithmetic(FLOAT32, fused=True, rounded=(0,)),
        Arithmetic(FLOAT32, operands=TF32),
        Arithmetic(FLOAT32, bias_leaf=True),
    ],
)
def test_a_tie_in_an_arithmetic_that_its_file_cannot_describe_is_not_written_as_another_one(how):
    with pytest.raises(InputError, match="families of orders only"):
        to_json(replace(published(), deployment=Deployment(how)))


def test_what_a_library_says_of_itself_never_costs_the_witness():
    talkative = Observation("numpy", not_run="two\nlines", environment={"build\x00": "\x1b[2J\ud800" + "x" * 20_000})
    (replay,) = parse(text(replace(published(), observations=(talkative,)))).observations
    assert replay.not_run == "two lines"
    assert replay.environment == {"build ": " [2J " + "x" * 9_995}


def test_the_schema_names_the_formats_and_roundings_that_there_are():
    definitions = witness_schema()["$defs"]
    assert definitions["format"]["enum"] == list(FORMATS)
    assert definitions["format"]["title"] == "one of " + ", ".join(FORMATS)
    assert definitions["arithmetic"]["properties"]["rounding"]["enum"] == [r.value for r in Rounding]


def test_the_schema_uses_no_keyword_that_our_own_check_would_pass_over():
    def keywords(schema):
        if not isinstance(schema, dict):
            return set()
        found = set(schema)
        for name in ("items", "additionalProperties", "propertyNames"):
            found |= keywords(schema.get(name))
        for name in ("properties", "$defs"):
            for inner in schema.get(name, {}).values():
                found |= keywords(inner)
        for inner in schema.get("anyOf", ()):
            found |= keywords(inner)
        return found

    assert keywords(witness_schema()) <= KEYWORDS | ANNOTATIONS
