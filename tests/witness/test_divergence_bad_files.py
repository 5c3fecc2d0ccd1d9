"""Whatever is wrong with a file of version 2 is one line that names the field; nothing else ever comes out of loading one."""

import copy
import json
import random
from dataclasses import replace
from functools import partial

import pytest
from divergences import classes, observed
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from test_witness_bad_files import _JSON, ABSENT, FILES, _mutate, _strings, one_short_line, outcome, shown

from fpsynth.errors import InputError
from fpsynth.synthesis.table import WITNESSED
from fpsynth.witness import from_json
from fpsynth.witness.data import Sampled
from fpsynth.witness.file import parse
from fpsynth.witness.schema import require_valid, witness_schema

PLACE = "torch:linear:batch=4,threads=2,MKL_CBWR=COMPATIBLE"


def good():
    """What files/version2.json holds."""
    found = classes()
    named = replace(found.views[1], environment=PLACE, row=2, permutation=(1, 0))
    run = {"library": "torch", "variant": "linear", "batch": 4, "threads": 2, "settings": (("MKL_CBWR", "COMPATIBLE"),)}
    seen = observed(found, (0.0, 0.5), **run, permutation=(1, 0), view="b")
    return replace(
        found,
        views=(found.views[0], replace(named, logits=found.views[1].logits)),
        box=((0.5, 1.0),) * 4,
        sampled=Sampled(100, 100, 1000, 0, 7, "uniformly"),
        observations=(seen,),
    )


TEXT = (FILES / "version2.json").read_text("utf-8")
GOOD = json.loads(TEXT)


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


TREE = {"leaves": 3, "steps": [[0, 1], [3, 2]]}
LAYER = ("network", "layers", 0)
BAD_BY_SCHEMA = [
    (("schema_version",), 1),
    (("question",), "Order!"),
    (("dtype",), "float128"),
    ((*LAYER, "weight"), [["0x1p+0"] * 4] * 4097),
    ((*LAYER, "weight", 0), ["0x1p+0"] * 4097),
    ((*LAYER, "weight", 0, 0), "1.0"),
    (("inputs", "point"), ["0x1p+0"] * 4097),
    (("inputs", "certified"), ["0x1p+0"]),
    (("predicate",), ABSENT),
    (("predicate", "kind"), "differs"),
    (("predicate", "output"), -1),
    (("predicate", "bound"), "1e-3"),
    (("predicate", "bound"), "1/0"),
    (("arithmetics",), []),
    (("arithmetics", 0, "format"), "float31"),
    (("arithmetics", 0, "fused"), 1),
    (("arithmetics", 0, "mode"), "RNE"),
    (("arithmetics", 0, "rounded"), [-1]),
    (("arithmetics", 0, "order"), 5),
    (("arithmetics", 0, "order"), {"leaves": 3}),
    (("arithmetics", 0, "order"), {"leaves": 4098, "steps": []}),
    (("arithmetics", 0, "order"), {"leaves": 4097, "steps": [[0, 1]] * 4097}),
    (("arithmetics", 0, "order"), {"leaves": 2, "steps": [[0]]}),
    (("arithmetics", 0, "order"), TREE | {"comment": "a tree"}),
    (("views",), []),
    (("views", 0, "name"), "A view"),
    (("views", 0, "role"), "believed"),
    (("views", 0, "deployment", "default"), -1),
    (("views", 0, "deployment", "default"), {"format": "float32"}),
    (("views", 0, "logits", 0), "inf"),
    (("views", 0, "interval"), [["0x0p+0"]]),
    (("views", 0, "widening"), "generous"),
    (("views", 0, "permutation"), [0.5]),
    (("real", 0), "0.5"),
    (("measure",), 0.5),
    (("box", 0), ["0x0p+0"]),
    (("sampled", "inside"), -1),
    (("observations", 0, "library"), ABSENT),
    (("observations", 0, "logits", 0), "NaN"),
    (("observations", 0, "threads"), 0),
    (("observations", 0, "settings"), [["A", "B"]]),
    (("observations", 0, "agrees_with"), "b"),
    (("observations", 0, "confirmed"), True),
    (("certificate",), {}),
]
BAD_BY_MEANING = [
    ((*LAYER, "weight", 0, 1), "0x1.0000001p+0", "is not a float32"),
    ((*LAYER, "weight_decimal", 0, 1), "1.0", "is not 0x0p+0"),
    ((*LAYER, "weight", 0), ["0x1p+0"] * 3, "the first row has 3"),
    (("inputs", "point"), ["0x1p+0"], "the network has 4 inputs"),
    (("inputs", "point_decimal", 0), "2.0", "is not 0x1p+0"),
    (("predicate", "output"), 2, "is no output of a network with 2 outputs"),
    (("predicate", "bound"), "0x1p+0", "must be equal to 0 where the kind is argmax"),
    (("predicate", "kind"), "gap", "must be above 0 where the kind is gap"),
    (("predicate",), {"kind": "equal", "other": 2}, "is no output"),
    (("predicate", "kind"), "outside", "although the predicate is about intervals"),
    (("arithmetics", 0, "order"), "zigzag", "unknown order"),
    (("arithmetics", 0, "order"), TREE, "is a tree of 3 leaves, but the sum has 4 terms"),
    (("arithmetics", 0, "order"), {"leaves": 4, "steps": [[0, 1], [0, 2], [4, 5]]}, "is repeated or used before"),
    (("arithmetics", 0, "rounded"), [4], "no leaf 4"),
    (("arithmetics", 0, "format"), "float16", "does not hold every float32"),
    (("views", 0, "role"), "deployed", "is the reference one"),
    (("views", 1, "role"), "silent", "is the deployed one"),
    (("views", 1, "name"), "a", "is the name of another view"),
    (("views", 1, "deployment", "default"), 2, "the table has no arithmetic 2"),
    (("views", 1, "deployment", "exceptions"), [{"layer": 1, "output": 0, "arithmetic": 0}], "no output 0 in a layer 1"),
    (("views", 1, "deployment", "exceptions"), [{"layer": 0, "output": 0, "arithmetic": 9}], "no arithmetic 9"),
    (("views", 1, "deployment", "exceptions"), [{"layer": 0, "output": 0, "arithmetic": 0}] * 2, "named twice"),
    (("views", 1, "environment"), "torch:lineal", "has no operation 'lineal'"),
    (("views", 1, "environment"), "torch:linear:batch=4,row=1", "2 is not the row of"),
    (("views", 1, "row"), 4, "4 is not the row of"),
    (("views", 1, "permutation"), [0, 0], "does not name each of the 2 neurons"),
    (("views", 1, "permutation"), [0, 2], "does not name each of the 2 neurons"),
    (("views", 1, "logits"), ["0x1p+0"], "the network has 2 outputs"),
    (("views", 1, "logits", 0), "0x1p+5000", "is not a float64"),
    (("views", 1, "interval"), [["0x1p+0", "0x0p+0"]] * 2, "its lower end is above its upper end"),
    (("views", 1, "widening"), "elina", "is no interval"),
    (("real",), ["1/3"], "the network has 2 outputs"),
    (("box",), [["0x0p+0", "0x1p+0"]], "the network has 4 inputs"),
    (("box", 0), ["0x1p+0", "0x0p+0"], "its lower end is above its upper end"),
    (("sampled", "outside_fires"), 1001, "is more than outside"),
    (("observations", 0, "departs"), False, "the logits beside it say the opposite"),
    (("observations", 0, "logits", 0), "0x1p+0", "departs: is true, but"),
    (("observations", 0, "agrees_with"), ["a"], "does not name the views"),
    (("observations", 0, "logits"), ["0x0p+0"], "the network has 2 outputs"),
    (("observations", 0, "view"), "silent7", "there is no view silent7"),
    (("observations", 0, "permutation"), [1], "does not name each"),
    (("observations", 0, "permutation"), [0, 1], "is not that of view b"),
    (("observations", 0, "library"), "jax", "not one of b's environment torch:linear:batch=4"),
    (("observations", 0, "variant"), "matmul", "not one of b's environment torch:linear:batch=4"),
    (("observations", 0, "device"), "cuda", "not one of b's environment torch:linear:batch=4"),
    (("observations", 0, "settings"), {}, "not one of b's environment torch:linear:batch=4"),
    (("observations", 0, "switches"), {"tf32": "on"}, "not one of b's environment torch:linear:batch=4"),
    (("observations", 0, "rows"), [0, 99], "a row that is not in a batch of 4"),
    (("observations", 0, "view"), "a", "a has no environment"),
    (("question",), "only-in", "question: is none of order"),
    (("question",), "interval", "predicate.kind: is argmax"),
    (("question",), "twin", "predicate.kind: is argmax"),
    (("views", 0, "label"), "tensorflow:matmul:batch=1", "not the view's own"),
    (("views", 1, "environment"), "torch:linear:batch=4,PYTHONPATH=evil", "PYTHONPATH is not one of those that choose kernels"),
    (("views", 1, "environment"), "torch:linear:batch=4,LD_PRELOAD=x", "LD_PRELOAD is not one of those that choose kernels"),
    (("views", 1, "environment"), "jax:jit:XLA_FLAGS=--xla_dump_to=x", "read or write files"),
    (("engine",), "z3", "is missing, although"),
]


def refused(data):
    with pytest.raises(InputError) as caught:
        from_json(data, questions=WITNESSED)
    assert one_short_line(str(caught.value))
    return str(caught.value)


def test_the_good_file_is_good():
    assert from_json(copy.deepcopy(GOOD)) == good()


@pytest.mark.parametrize(("path", "value"), BAD_BY_SCHEMA, ids=lambda v: shown(v) if isinstance(v, tuple) else "")
def test_both_the_loader_and_the_shipped_schema_refuse(path, value):
    jsonschema = pytest.importorskip("jsonschema")
    data = changed(path, value)
    message = refused(data)
    assert message.startswith(shown(path)) or path == ("schema_version",)
    assert not jsonschema.Draft202012Validator(witness_schema(2)).is_valid(data)


@pytest.mark.parametrize(("path", "value", "reason"), BAD_BY_MEANING, ids=lambda v: shown(v) if isinstance(v, tuple) else "")
def test_the_loader_refuses_what_no_schema_can(path, value, reason):
    assert reason in refused(changed(path, value))


def test_what_questions_there_are_says_who_reads_and_not_the_file_itself():
    data = changed(("question",), "only-in")
    assert from_json(data).question == "only-in"
    held = [name for name, asked in WITNESSED.items() if asked.since <= 2]  # by a file of version 2, such as this
    assert "order" in held
    assert "tie" not in held
    with pytest.raises(InputError, match=f"question: is none of {', '.join(held)}$"):
        from_json(data, questions=WITNESSED)
    with pytest.raises(InputError, match="is none of order"):
        from_json({**data, "question": "tie"}, questions=WITNESSED)


def test_one_output_is_enough_for_a_divergence():
    data = changed(("predicate",), {"kind": "sign"})
    layer = data["network"]["layers"][0]
    layer.update(weight=layer["weight"][:1], weight_decimal=layer["weight_decimal"][:1])
    for view in data["views"]:
        view.update(logits=view["logits"][:1], permutation=[])
        del view["call"]  # which says how many outputs there are
    data.update(real=data["real"][:1], observations=[])
    assert from_json(data).network.widths == (4, 1)


@settings(max_examples=examples(400))
@given(st.integers(0, 2**32), st.lists(_JSON, min_size=1, max_size=2))
def test_mutated_data_loads_or_is_refused_in_one_line(seed, values):
    pick, data = random.Random(seed), copy.deepcopy(GOOD)
    for value in values:
        _mutate(data, pick, value)
    assert one_short_line(outcome(partial(from_json, questions=WITNESSED), data))
    assert one_short_line(outcome(partial(parse, questions=WITNESSED), json.dumps(data)))


@settings(max_examples=examples(300))
@given(st.integers(0, 2**32))
def test_mutated_text_loads_or_is_refused_in_one_line(seed):
    pick, content = random.Random(seed), bytearray(TEXT.encode())
    for _ in range(pick.randint(1, 4)):
        start = pick.randrange(len(content))
        end = min(len(content), start + pick.randint(0, 12))
        bits = [b"", b"0", b'"', b"-", b"}", b"[", b",", b"1e5", b"nan", bytes([pick.randrange(128)]), content[start:end] * 2]
        content[start:end] = pick.choice(bits)
    assert one_short_line(outcome(parse, content.decode("utf-8", errors="replace")))


@settings(max_examples=examples(300))
@given(st.integers(0, 2**32), _JSON)
def test_our_check_of_the_schema_agrees_with_jsonschema(seed, value):
    jsonschema = pytest.importorskip("jsonschema")
    data = copy.deepcopy(GOOD)
    _mutate(data, random.Random(seed), value)
    if not isinstance(data, dict) or data.get("schema_version") != 2:
        return
    try:
        data = json.loads(json.dumps(data, allow_nan=False))
    except ValueError:
        return  # NaN and infinities are no JSON
    # Python's jsonschema reads $ in a pattern as Python does, before a last line break; ECMA 262, which counts, does not
    if not any(isinstance(v, str) and v.endswith("\n") for v in _strings(data)):
        assert (outcome(require_valid, data) == "") == jsonschema.Draft202012Validator(witness_schema(2)).is_valid(data)
