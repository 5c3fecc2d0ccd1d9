"""Whatever is wrong with a witness file is one line that names the field; nothing else ever comes out of loading one."""

import copy
import json
import random
from functools import partial

import pytest
import test_divergence_bad_files as version2
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from test_divergence_bad_files import LAYER, good
from test_witness_bad_files import _JSON, ABSENT, _mutate, _strings, one_short_line, outcome, shown
from ties import changed as other_tie
from ties import claim
from witnesses import RADIUS, SUPREMUM, published

from fpsynth.errors import InputError
from fpsynth.synthesis.table import WITNESSED
from fpsynth.witness import from_json, to_json
from fpsynth.witness.file import parse, text
from fpsynth.witness.schema import require_valid, witness_schema

GOOD = json.loads(text(good()))
TIE = json.loads(text(published()))

OTHERWISE = {
    ("schema_version",): "is another version's",
    ("inputs", "point"): "points are a list",
    ("inputs", "certified"): "points are a list",
    ("inputs", "point_decimal", 0): "points are a list",
    ("views", 1, "deployment", "exceptions"): "exceptions are about ranges of outputs",
}
"""What a file of version 2 says in another way."""
LARGER = [4097, 4098]
"""Sizes that were too large for version 2."""


def alike(entries):
    """Faults of files of version 2 that are faults of today's as well."""
    return [e for e in entries if e[0] not in OTHERWISE and not any(str(size) in shorter(e[1]) for size in LARGER)]


def shorter(value):
    """A value as text in which a long list is its length."""
    if isinstance(value, list) and len(value) > 1000:
        return str(len(value))
    if isinstance(value, list):
        return str([shorter(part) for part in value])
    return str({k: shorter(part) for k, part in value.items()}) if isinstance(value, dict) else str(value)


RANGE = {"layer": 0, "outputs": [[0, 1]], "arithmetic": 0}
EXCEPTIONS = ("views", 1, "deployment", "exceptions")
BAD_BY_SCHEMA = [
    *alike(version2.BAD_BY_SCHEMA),
    ((*LAYER, "weight"), [["0x1p+0"] * 4] * 65537),
    (("points",), ABSENT),
    (("points",), []),
    (("points",), [GOOD["points"][0]] * 3),
    (("points", 0), ["0x1p+0"]),
    (("points", 0, "name"), "A point"),
    (("points", 0, "numbers"), []),
    (("points", 0, "numbers", 1), "1.0"),
    (("points", 0, "numbers_decimal", 1), "1e0"),
    (("points", 0, "class"), 1),
    (("inputs",), {"point": ["0x1p+0"] * 4}),
    (("views", 0, "point"), ABSENT),
    (("views", 0, "point"), 0),
    (("views", 0, "network"), []),
    (("views", 0, "deployment", "layers"), [{"layer": 0}]),
    (EXCEPTIONS, [{"layer": 0, "output": 0, "arithmetic": 0}]),
    (EXCEPTIONS, [RANGE | {"outputs": []}]),
    (EXCEPTIONS, [RANGE | {"outputs": [0]}]),
    (EXCEPTIONS, [RANGE | {"outputs": [[0]]}]),
    (EXCEPTIONS, [RANGE | {"outputs": [[-1, 0]]}]),
    (EXCEPTIONS, [RANGE | {"outputs": [[0, 1, 2]]}]),
    (("claims",), {}),
    (("control",), True),
    (("distance",), -1.0),
    (("ratio",), "6.3"),
    (("objective",), None),
    (("observations", 0, "accepted"), "yes"),
    (("observations", 0, "class"), -1),
    (("observations", 0, "reference_class"), 0.5),
    (("observations", 0, "reference_logits"), ["NaN"]),
    (("proof",), {"text": "by exhaustion"}),
    (("replays",), []),
]
BAD_BY_MEANING = [
    *alike(version2.BAD_BY_MEANING),
    (("points", 0, "numbers"), ["0x1p+0"], "has 1 numbers, the network has 4 inputs"),
    (("points", 0, "numbers", 0), "0x1.0000001p+0", "is not a float32"),
    (("points", 0, "numbers_decimal", 0), "2.0", "is not 0x1p+0"),
    (("points", 0, "name"), "other", "neither of the first two views is evaluated at other"),
    (("points",), GOOD["points"] * 2, "point is the name of another point"),
    (("points",), [*GOOD["points"], GOOD["points"][0] | {"name": "b"}], "neither of the first two views is evaluated at b"),
    (("views", 0, "point"), "b", "there is no point b"),
    (EXCEPTIONS, [RANGE | {"layer": 1}], "no output 0 in a layer 1"),
    (EXCEPTIONS, [RANGE | {"outputs": [[0, 2]]}], "no output 2 in a layer 0"),
    (EXCEPTIONS, [RANGE | {"outputs": [[1, 0]]}], "the last output of 1 to 0 is before its first one"),
    (EXCEPTIONS, [RANGE | {"outputs": [[0, 16777216]]}], "no output 2 in a layer 0"),
    (EXCEPTIONS, [RANGE | {"arithmetic": 9}], "no arithmetic 9"),
    (EXCEPTIONS, [RANGE, RANGE], "named twice"),
    (EXCEPTIONS, [RANGE | {"outputs": [[0, 1], [1, 1]]}], "named twice"),
    (("views", 1, "deployment", "layers"), [{"layer": 1, "arithmetic": 0}], "no layer 1"),
    (("views", 1, "deployment", "layers"), [{"layer": 0, "arithmetic": 0}] * 2, "or it is named twice"),
    (("views", 1, "deployment", "layers"), [{"layer": 0, "arithmetic": 2}], "no arithmetic 2"),
    (("views", 1, "network"), {"layers": [{"weight": [["0x1p+0"]], "bias": None}]}, "has other inputs or outputs"),
    (("observations", 0, "reference_logits"), ["0x1p+0"] * 2, "do not go with one point"),
    (("observations", 0, "class"), 2, "no class of a network with 2 outputs"),
]
SAID = ("claims", 0)
BAD_TIES_BY_SCHEMA = [
    (("claims",), None),
    ((*SAID, "verifier"), "\x1b[2J"),
    ((*SAID, "verdict"), "accepted"),
    ((*SAID, "region"), ABSENT),
    ((*SAID, "region", "centre"), ABSENT),
    ((*SAID, "region", "radius"), -0.25),
    ((*SAID, "region", "radius_exact"), "0"),
    ((*SAID, "region", "radius_exact"), "-0.25"),
    ((*SAID, "region", "radius_exact"), "1" * 4001),
    ((*SAID, "supremum"), "0.25"),
    ((*SAID, "supremum_exact"), "1e-3"),
    ((*SAID, "accepted"), True),
    (("control", "verdict"), ABSENT),
    (("distance",), "0"),
]
BAD_TIES_BY_MEANING = [
    ((*SAID, "region", "centre"), "point", "there is no point point"),
    ((*SAID, "region", "radius"), 0.25, "nearest to radius_exact"),
    ((*SAID, "region", "radius_exact"), "0.247187", "nearest to radius_exact"),
    ((*SAID, "supremum"), ABSENT, "must stand beside supremum_exact"),
    ((*SAID, "supremum_exact"), ABSENT, "must stand beside supremum_exact"),
    ((*SAID, "supremum_exact"), "9" * 400, "is too large"),
    (("control", "region", "centre"), "b", "there is no point b"),
    (("distance_hex",), "0x1p+0", "is not 0.0392"),
    (("distance",), 10**310, "is too large"),
    (("ratio_hex",), "0x1p+0", "is not 6.29999"),
    (("observations", 0, "reference_logits"), ["0x1p+0"], "has 1 numbers, the network has 2 outputs"),
    (("observations", 0, "reference_class"), 2, "no class of a network with 2 outputs"),
    (("observations", 0, "agrees_with"), ["b"], "does not name the views"),
    (("engine",), None, "is missing, although"),
]


def changed(good_data, path, value):
    """The good file with one field replaced (or removed)."""
    data = copy.deepcopy(good_data)
    *parents, last = path
    place = data
    for step in parents:
        place = place[step]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return data


def refused(data):
    with pytest.raises(InputError) as caught:
        from_json(data, questions=WITNESSED)
    assert one_short_line(str(caught.value))
    return str(caught.value)


def test_the_good_files_are_good():
    assert from_json(copy.deepcopy(GOOD)) == good()
    assert from_json(copy.deepcopy(TIE)) == published()


CASES = [(GOOD, *entry) for entry in BAD_BY_SCHEMA] + [(TIE, *entry) for entry in BAD_TIES_BY_SCHEMA]


@pytest.mark.parametrize(("whole", "path", "value"), CASES, ids=lambda v: shown(v) if isinstance(v, tuple) else "")
def test_both_the_loader_and_the_shipped_schema_refuse(whole, path, value):
    jsonschema = pytest.importorskip("jsonschema")
    data = changed(whole, path, value)
    assert refused(data).startswith(shown(path))
    assert not jsonschema.Draft202012Validator(witness_schema()).is_valid(data)


CASES = [(GOOD, *entry) for entry in BAD_BY_MEANING] + [(TIE, *entry) for entry in BAD_TIES_BY_MEANING]


@pytest.mark.parametrize(("whole", "path", "value", "reason"), CASES, ids=lambda v: shown(v) if isinstance(v, tuple) else "")
def test_the_loader_refuses_what_no_schema_can(whole, path, value, reason):
    assert reason in refused(changed(whole, path, value))


def test_both_views_of_a_tie_have_a_point_each():
    data = changed(TIE, ("views", 1, "point"), "certified")
    assert "points[1].name: neither of the first two views is evaluated at counterexample" in refused(data)


def test_a_claim_about_any_point_of_a_file_is_read_back():
    found = other_tie(published(), others=(claim("lipschitz", False, RADIUS, SUPREMUM),))
    assert from_json(to_json(found)) == found
    assert [said.accepted for said in found.claims] == [True, False]


@pytest.mark.parametrize("version", [0, -1, "3", True, 3.5, None, ABSENT])
def test_what_is_no_version_is_refused(version):
    refused(changed(GOOD, ("schema_version",), version))


def test_a_newer_version_is_said_to_be_newer():
    data = changed(GOOD, ("schema_version",), 4) | {"unheard_of": 1}
    assert "schema_version: 4 is newer than 3" in refused(data)


@settings(max_examples=examples(400))
@given(st.sampled_from([GOOD, TIE]), st.integers(0, 2**32), st.lists(_JSON, min_size=1, max_size=2))
def test_mutated_data_loads_or_is_refused_in_one_line(whole, seed, values):
    pick, data = random.Random(seed), copy.deepcopy(whole)
    for value in values:
        _mutate(data, pick, value)
    assert one_short_line(outcome(partial(from_json, questions=WITNESSED), data))
    assert one_short_line(outcome(parse, json.dumps(data)))


@settings(max_examples=examples(300))
@given(st.sampled_from([GOOD, TIE]), st.integers(0, 2**32), _JSON)
def test_our_check_of_the_schema_agrees_with_jsonschema(whole, seed, value):
    jsonschema = pytest.importorskip("jsonschema")
    data = copy.deepcopy(whole)
    _mutate(data, random.Random(seed), value)
    if data.get("schema_version") in (1, 2):
        return  # another schema
    try:
        data = json.loads(json.dumps(data, allow_nan=False))
    except ValueError:
        return  # NaN and infinities are no JSON
    # Python's jsonschema reads $ in a pattern as Python does, before a last line break; ECMA 262, which counts, does not
    if not any(isinstance(v, str) and v.endswith("\n") for v in _strings(data)):
        assert (outcome(require_valid, data) == "") == jsonschema.Draft202012Validator(witness_schema()).is_valid(data)
