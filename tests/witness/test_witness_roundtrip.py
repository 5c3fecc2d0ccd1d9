"""A witness file gives back the very witness that was written, in text that any JSON tool and schema checker accepts."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from divergences import divergence, views
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from ties import changed
from witnesses import RADIUS, SUPREMUM, any_witness, published

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, FORMATS, TF32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Tree, fixed_order, parse_order
from fpsynth.predicates import Predicate
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.witness import Observation, from_json, load, save, to_json
from fpsynth.witness.file import parse, text
from fpsynth.witness.schema import ANNOTATIONS, KEYWORDS, SCHEMA_VERSION, witness_schema

FAMILIES = ("sequential", "reverse", "pairwise", "strided:2")
VERSIONS = range(1, SCHEMA_VERSION + 1)


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


@pytest.mark.parametrize("version", VERSIONS)
def test_each_shipped_schema_is_a_schema_of_its_draft(version):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(witness_schema(version))
    assert witness_schema(version)["properties"]["schema_version"] == {"const": version}
    assert witness_schema(version)["title"] == f"an fpsynth witness, version {version}"


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
    assert data["points"][0] == {
        "name": "certified",
        "numbers": ["0x1.93e40ep-3"],
        "numbers_decimal": ["0.19721232354640960693359375"],
    }


def test_radii_are_exact():
    data = to_json(published())
    said = data["claims"][0]
    assert said["region"] == {"centre": "certified", "radius": float(RADIUS), "radius_exact": "0.2471875"}
    assert Fraction(said["supremum_exact"]) == SUPREMUM
    assert from_json(data).claim.reach == SUPREMUM


def test_only_what_is_needed_to_check_a_witness_must_be_there():
    full = to_json(published())
    small = {name: full[name] for name in witness_schema()["required"]}
    small["network"] = {"layers": [{"weight": full["network"]["layers"][0]["weight"], "bias": None}]}
    small["points"] = [{name: point[name] for name in ("name", "numbers")} for point in full["points"]]
    small["arithmetics"] = [{"format": "float32"}]
    names = ("name", "label", "role", "deployment", "point")
    small["views"] = [{name: view[name] for name in names} for view in full["views"]]
    witness = parse(json.dumps(small))
    assert (witness.network, witness.certified, witness.deployment) == (
        published().network,
        published().certified,
        published().deployment,
    )
    assert (witness.claims, witness.observations, witness.distance) == ((), (), None)


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
def test_a_tie_in_an_arithmetic_that_files_of_version_1_could_not_describe_is_read_back(how):
    found = changed(published(), deployment=Deployment(how))
    again = parse(text(found))
    assert again == found
    assert again.deployment == Deployment(how)


def test_what_a_library_says_of_itself_never_costs_the_witness():
    talkative = Observation("numpy", not_run="two\nlines", environment={"build\x00": "\x1b[2J\ud800" + "x" * 20_000})
    (replay,) = parse(text(replace(published(), observations=(talkative,)))).observations
    assert replay.not_run == "two lines"
    assert replay.environment == {"build ": " [2J " + "x" * 9_995}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_schema_names_the_formats_and_roundings_that_there_are(version):
    definitions = witness_schema(version)["$defs"]
    assert definitions["format"]["enum"] == list(FORMATS)
    assert definitions["format"]["title"] == "one of " + ", ".join(FORMATS)
    assert definitions["arithmetic"]["properties"]["rounding"]["enum"] == [r.value for r in Rounding]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_schema_uses_a_keyword_that_our_own_check_would_pass_over(version):
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

    assert keywords(witness_schema(version)) <= KEYWORDS | ANNOTATIONS


# deployments


def layered(*exceptions, layers=()):
    """A witness of two layers of 9 neurons each: whatever is excepted is added up in pairs."""
    network = dense_relu((Dense(((1.0, 2.0, 4.0),) * 9), Dense(((1.0,) * 9,) * 9)))
    pairs = Arithmetic(FLOAT32, order=parse_order("pairwise"))
    how = Deployment(Arithmetic(FLOAT32), tuple((place, pairs) for place in exceptions), layers)
    a, b = views(("sequential", Arithmetic(FLOAT32)), ("mixed", how))
    return divergence(network, (1.0, 1.0, 1.0), (a, b), Predicate("sign"))


@pytest.mark.parametrize(
    ("outputs", "written"),
    [
        ((0,), [[0, 0]]),
        ((8,), [[8, 8]]),
        ((0, 1, 2, 5, 7, 8), [[0, 2], [5, 5], [7, 8]]),
        (tuple(range(9)), [[0, 8]]),
    ],
)
@pytest.mark.parametrize("layer", [0, 1])
def test_exceptions_of_a_layer_are_written_as_ranges_of_neighbours(layer, outputs, written):
    found = layered(*((layer, output) for output in outputs))
    (exception,) = to_json(found)["views"][1]["deployment"]["exceptions"]
    assert exception == {"layer": layer, "outputs": written, "arithmetic": 1}
    again = parse(text(found))
    assert again == found
    assert all(again.deployment.at(k, j) == found.deployment.at(k, j) for k in range(2) for j in range(9))


def test_layers_and_exceptions_of_several_arithmetics_are_read_back():
    reverse, fused = (Arithmetic(FLOAT32, order=parse_order("reverse")), Arithmetic(FLOAT32, fused=True))
    found = layered((0, 2), (0, 3), (1, 8), layers=((0, reverse), (1, fused)))
    data = to_json(found)
    assert data["views"][1]["deployment"]["layers"] == [{"layer": 0, "arithmetic": 1}, {"layer": 1, "arithmetic": 2}]
    assert [entry["outputs"] for entry in data["views"][1]["deployment"]["exceptions"]] == [[[2, 3]], [[8, 8]]]
    assert parse(text(found)) == found
    assert parse(text(found)).deployment.of_layer(1) == fused


@settings(max_examples=examples(60))
@given(st.data())
def test_any_deployment_of_layers_and_exceptions_is_the_same_in_every_neuron(data):
    hows = [Arithmetic(FLOAT32, fused=fused, order=parse_order(name)) for fused in (False, True) for name in FAMILIES]
    places = [(k, j) for k in range(2) for j in range(9)]
    chosen = data.draw(st.dictionaries(st.sampled_from(places), st.sampled_from(hows), max_size=18)).items()
    layers = data.draw(st.dictionaries(st.integers(0, 1), st.sampled_from(hows), max_size=2)).items()
    how = Deployment(data.draw(st.sampled_from(hows)), tuple(chosen), tuple(layers))
    plain = layered()
    found = replace(plain, views=(plain.views[0], replace(plain.views[1], deployment=how, logits=())))
    again = parse(text(found)).deployment
    assert [again.at(*place) for place in places] == [how.at(*place) for place in places]
    assert again.default == how.default
    assert dict(again.exceptions) == dict(how.exceptions)
    assert dict(again.layers) == dict(how.layers)
