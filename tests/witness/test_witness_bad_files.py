"""Whatever is wrong with a file of version 1 is one line that names the field; nothing else ever comes out of loading one."""

import copy
import json
import os
import random
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from profiles import examples

from fpsynth.errors import InputError
from fpsynth.witness import from_json, load
from fpsynth.witness.file import MAX_BYTES, parse
from fpsynth.witness.schema import require_valid, witness_schema

FILES = Path(__file__).parent / "files"
"""A tie and a divergence as the versions wrote them that wrote nothing newer."""
TEXT = (FILES / "version1.json").read_text("utf-8")
GOOD = json.loads(TEXT)
ABSENT = object()


def changed(path, value):
    """The good file with one field replaced (or removed)."""
    data = copy.deepcopy(GOOD)
    *parents, last = path
    place = data
    for step in parents:
        place = place[step]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return data


def shown(path):
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


LAYER = ("network", "layers", 0)
# what the schema can say: jsonschema must refuse these as well
BAD_BY_SCHEMA = [
    (("schema",), "fpsynth-report"),
    (("schema",), ABSENT),
    (("schema_version",), 4),
    (("schema_version",), 0),
    (("schema_version",), "1"),
    (("schema_version",), True),
    (("verdict",), "impossible"),
    (("question",), "Tie!"),
    (("question",), 5),
    (("dtype",), "float31"),
    (("dtype",), None),
    (("dtype",), ABSENT),
    (("network",), []),
    (("network", "layers"), []),
    (("network", "layers"), [GOOD["network"]["layers"][0]] * 257),
    ((*LAYER, "weight"), []),
    ((*LAYER, "weight"), "0x1p+0"),
    ((*LAYER, "weight", 1), []),
    ((*LAYER, "weight", 1), ["0x1p+0"] * 65537),
    ((*LAYER, "weight", 1, 0), 0.5),
    ((*LAYER, "weight", 1, 0), "0.5"),
    ((*LAYER, "weight", 1, 0), "nan"),
    ((*LAYER, "weight", 1, 0), "inf"),
    ((*LAYER, "weight", 1, 0), "0x1.p+0"),
    ((*LAYER, "weight", 1, 0), "0x1p+99999"),
    ((*LAYER, "weight", 1, 0), "0x2p+0"),
    ((*LAYER, "weight", 1, 0), "0X1P+0"),
    ((*LAYER, "weight", 1, 0), None),
    ((*LAYER, "weight_decimal", 1, 0), "1e-3"),
    ((*LAYER, "weight_decimal", 1, 0), 1),
    ((*LAYER, "bias"), ABSENT),
    ((*LAYER, "bias"), {}),
    ((*LAYER, "activation"), "relu"),
    (("inputs", "certified"), ABSENT),
    (("inputs", "certified"), []),
    (("inputs", "certified", 0), "-nan"),
    (("inputs", "counterexample", 0), "-inf"),
    (("arithmetic", "default"), ABSENT),
    (("arithmetic", "default", "format"), None),
    (("arithmetic", "default", "rounding"), "nearest"),
    (("arithmetic", "default", "accumulator"), "float128"),
    (("arithmetic", "default", "fused"), 1),
    (("arithmetic", "default", "order"), ""),
    (("arithmetic", "exceptions"), {}),
    (("arithmetic", "exceptions"), [{"layer": -1, "output": 0, "arithmetic": {"format": "float32"}}]),
    (("certificate", "radius"), "0.25"),
    (("certificate", "radius"), -0.25),
    (("certificate", "radius_exact"), "0"),
    (("certificate", "radius_exact"), "0.000"),
    (("certificate", "radius_exact"), "0/7"),
    (("certificate", "radius_exact"), "-0.25"),
    (("certificate", "radius_exact"), "1/0"),
    (("certificate", "radius_exact"), "1e-3"),
    (("certificate", "radius_exact"), "1" * 4001),
    (("certificate", "supremum_exact"), ABSENT),
    (("certificate", "accepted"), "yes"),
    (("certificate", "certifier"), "\x1b[2J"),
    (("other_certificates",), None),
    (("sound_certifier",), True),
    (("distance",), -1.0),
    (("distance",), "0"),
    (("seed",), 1.5),
    (("seed",), 2**64),
    (("seed",), True),
    (("seconds", "solve"), -1),
    (("replays",), {}),
    (("replays", 0, "library"), ABSENT),
    (("replays", 0, "batch"), -1),
    (("replays", 0, "class_certified"), 0.5),
    (("replays", 0, "logits_certified", 0), "NaN"),
    (("replays", 0, "environment"), {"threads": 2}),
    (("replays", 0, "environment"), {"a\x00b": "2"}),
    (("replays", 0, "device"), "a\u2028b"),
    (("provenance", "created"), "yesterday"),
    (("provenance", "versions"), []),
    (("proof",), "by exhaustion"),
    (("comment",), "a field that is not in the schema"),
]
# what no schema can say
BAD_BY_MEANING = [
    ((*LAYER, "weight", 1, 0), "0x1.0000001p+0", "is not a float32"),
    ((*LAYER, "weight", 1, 0), "0x1p+128", "is not a float32"),
    ((*LAYER, "weight", 1, 0), "0x1p-150", "is not a float32"),
    (("inputs", "certified", 0), "0x1p-9999", "is not a float32"),
    ((*LAYER, "weight_decimal", 1, 0), "0.98905950784683227539062", "is not 0x1.fa6602p-1"),
    ((*LAYER, "weight_decimal", 1, 0), "-0.989059507846832275390625", "is not 0x1.fa6602p-1"),
    ((*LAYER, "weight_decimal", 1), ["0.5", "0.5"], "has 2 numbers, weight has 1"),
    ((*LAYER, "weight_decimal"), [["0.5"]], "has 1 rows, weight has 2"),
    (("inputs", "counterexample_decimal", 0), "0.15797621011734008", "is not 0x1.438"),
    ((*LAYER, "bias_decimal"), ["0.0", "0.0"], "beside a bias that is null"),
    ((*LAYER, "bias"), ["0x0p+0"], "has 1 numbers, the layer has 2 outputs"),
    ((*LAYER, "weight", 1), ["0x1p+0", "0x1p+0"], "has 2 numbers, the first row has 1"),
    (("inputs", "certified"), ["0x1p+0", "0x1p+0"], "the network has 1 inputs"),
    (("inputs", "counterexample"), ["0x1p+0", "0x1p+0"], "the network has 1 inputs"),
    (("arithmetic", "default", "order"), "zigzag", "unknown order"),
    (("arithmetic", "default", "order"), "strided:0", "unknown order"),
    (("arithmetic", "default", "format"), "float16", "but the network is float32"),
    (("certificate", "radius"), 0.25, "nearest to radius_exact"),
    (("certificate", "radius_exact"), "0.247187", "nearest to radius_exact"),
    (("certificate", "supremum_exact"), "9" * 400, "is too large"),
    (("distance_hex",), "0x1p+0", "is not 0.0392"),
    (("distance",), 10**310, "is too large"),
    (("proof",), None, "does not say what optimum says"),
    (("engine",), None, "is missing, although"),
    (("replays", 0, "class_certified"), 2, "no class of a network with 2 outputs"),
    (("replays", 0, "logits_certified"), ["0x1p+0"], "has 1 numbers, the network has 2 outputs"),
]


def refused(data):
    with pytest.raises(InputError) as caught:
        from_json(data)
    message = str(caught.value)
    assert one_short_line(message)
    return message


@pytest.mark.parametrize(("path", "value"), BAD_BY_SCHEMA, ids=lambda v: shown(v) if isinstance(v, tuple) else "")
def test_both_the_loader_and_the_shipped_schema_refuse(path, value):
    jsonschema = pytest.importorskip("jsonschema")
    data = changed(path, value)
    assert refused(data).startswith(shown(path))
    assert not jsonschema.Draft202012Validator(witness_schema(1)).is_valid(data)


@pytest.mark.parametrize(("path", "value", "reason"), BAD_BY_MEANING, ids=lambda v: shown(v) if isinstance(v, tuple) else "")
def test_the_loader_refuses_what_no_schema_can(path, value, reason):
    message = refused(changed(path, value))
    assert reason in message
    # the shorter of the two is the place, the other the entry within it
    assert message.split(":")[0].removesuffix("_exact") in shown(path) or message.startswith(shown(path))


def test_layers_that_do_not_follow_on_each_other():
    data = changed(("network", "layers"), GOOD["network"]["layers"] * 2)
    assert refused(data) == "network.layers[1].weight: has 1 columns, the layer before it has 2 outputs"


def test_a_network_with_one_output():
    layer = {"weight": [["0x1p+0"]], "bias": None}
    assert "at least 2 outputs" in refused(changed(("network", "layers"), [layer]))


@pytest.mark.parametrize(
    ("exceptions", "reason"),
    [([(0, 2)], "no output 2 in a layer 0"), ([(1, 0)], "no output 0 in a layer 1"), ([(0, 1), (0, 1)], "named twice")],
)
def test_exceptions_of_the_arithmetic_name_outputs_that_exist_once(exceptions, reason):
    entries = [{"layer": layer, "output": output, "arithmetic": {"format": "float32"}} for layer, output in exceptions]
    assert reason in refused(changed(("arithmetic", "exceptions"), entries))


def test_the_sign_of_a_zero_is_part_of_its_decimal():
    data = changed(("inputs", "certified"), ["-0x0p+0"])
    data["inputs"]["certified_decimal"] = ["-0.0"]
    assert str(from_json(data).certified[0]) == "-0.0"
    data["inputs"]["certified_decimal"] = ["0.0"]
    refused(data)


def test_a_newer_version_is_said_to_be_newer():
    assert "schema_version: 4 is newer than 3" in refused(changed(("schema_version",), 4) | {"unheard_of": 1})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (TEXT[:-40], "truncated or not JSON"),
        ("", "truncated or not JSON"),
        ("{}", "not a witness file"),
        ("[]", "must be an fpsynth witness, version 1 to 3, not a list of 0"),
        ("null", "must be an fpsynth witness, version 1 to 3, not null"),
        ('{"schema": NaN}', "NaN is not a JSON number"),
        ('{"schema": -Infinity}', "-Infinity is not a JSON number"),
        ('{"schema": 1e999}', "is too large"),
        ('{"schema": ' + "9" * 5000 + "}", "is too large"),
        ('{"schema": 1, "schema": 1}', "'schema' is repeated"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        (TEXT.replace("bitwuzla", "\\ud800"), "engine: must be text"),
    ],
    ids=lambda v: v[:20],
)
def test_text_that_is_no_witness(content, reason, tmp_path):
    with pytest.raises(InputError, match=re.escape(reason)):
        parse(content)
    path = tmp_path / "w.json"
    path.write_text(content, "utf-8")
    with pytest.raises(InputError, match=re.escape(f"{path}: " if content else f"{path} is an empty file; ")):
        load(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "huge.json"
    with open(path, "wb") as file:
        os.truncate(file.fileno(), MAX_BYTES + 1)
    with pytest.raises(InputError, match=f"larger than {MAX_BYTES} bytes"):
        load(path)


def outcome(load, argument):
    """What a loader says: empty if it loads.  Any other exception than InputError fails the test."""
    try:
        load(argument)
    except InputError as error:
        return str(error)
    return ""


def one_short_line(message):
    return len(message) < 400 and message.isprintable()


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["0x1p+0", "0.5", "1/3", "float16", "nan", 10**320, 2.0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def _mutate(node, pick, value):
    """Replace, remove, repeat or rename something somewhere in the data."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = pick.choice(keys)
        if isinstance(node[key], dict | list) and pick.random() < 0.8:
            node = node[key]
            continue
        action = pick.randrange(3)
        if action == 0:
            del node[key]
        elif action == 1:
            node[key] = value
        elif isinstance(node, list):
            node.append(copy.deepcopy(node[key]))
        else:
            node[str(value)[:20]] = node[key]
        return


@settings(max_examples=examples(400))
@given(st.integers(0, 2**32), st.lists(_JSON, min_size=1, max_size=2))
@example(0, [10**320])
def test_mutated_data_loads_or_is_refused_in_one_line(seed, values):
    pick, data = random.Random(seed), copy.deepcopy(GOOD)
    for value in values:
        _mutate(data, pick, value)
    assert one_short_line(outcome(from_json, data))
    assert one_short_line(outcome(parse, json.dumps(data)))


@settings(max_examples=examples(400))
@given(st.integers(0, 2**32))
def test_mutated_text_loads_or_is_refused_in_one_line(seed):
    pick, content = random.Random(seed), bytearray(TEXT.encode())
    for _ in range(pick.randint(1, 4)):
        start = pick.randrange(len(content))
        end = min(len(content), start + pick.randint(0, 12))
        content[start:end] = pick.choice(
            [
                b"",
                b"0",
                b'"',
                b"-",
                b"}",
                b"[",
                b",",
                b"1e5",
                b"nan",
                b"\\u0000",
                bytes([pick.randrange(128)]),
                content[start:end] * 2,
            ]
        )
    assert one_short_line(outcome(parse, content.decode("utf-8", errors="replace")))


@settings(max_examples=examples(300))
@given(st.integers(0, 2**32), _JSON)
def test_our_check_of_the_schema_agrees_with_jsonschema(seed, value):
    jsonschema = pytest.importorskip("jsonschema")
    data = copy.deepcopy(GOOD)
    _mutate(data, random.Random(seed), value)
    if data.get("schema_version") in (2, 3):
        return  # another schema
    try:
        data = json.loads(json.dumps(data, allow_nan=False))
    except ValueError:
        return  # NaN and infinities are no JSON
    theirs = jsonschema.Draft202012Validator(witness_schema(1)).is_valid(data)
    ours = outcome(require_valid, data) == ""
    # Python's jsonschema reads $ in a pattern as Python does, before a last line break; ECMA 262, which counts, does not
    if not any(isinstance(v, str) and v.endswith("\n") for v in _strings(data)):
        assert ours == theirs


def _strings(data):
    if isinstance(data, str):
        yield data
    elif isinstance(data, list):
        for item in data:
            yield from _strings(item)
    elif isinstance(data, dict):
        for key, item in data.items():
            yield key
            yield from _strings(item)
