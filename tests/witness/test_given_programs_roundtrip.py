"""Witness files that hold sum programs: written, read, checked and explained."""

import json
from dataclasses import replace

import pytest
from divergences import divergence, row_of, views
from given_programs import BY_HAND, arithmetic, parts, rounded_before_bias, tail
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import check as check_damaged
from mutations import mutated_data
from profiles import examples
from rendered import explain
from ties import changed
from witnesses import published

from fpsynth.alignment import Alignment
from fpsynth.cli.main import main
from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate
from fpsynth.report.renderers.trees import tree_text
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.witness import load, save, to_json
from fpsynth.witness.file import parse, text
from fpsynth.witness.schema import witness_schema


def of(program):
    """A rule and a program of so many terms, at ones, with weights 1, 2, 3, ... and a bias if there is one."""
    network = dense_relu(
        (Dense((tuple(map(float, range(1, program.terms + 1))),), (1.0,) if program.bias is not None else None),)
    )
    point = (1.0,) * program.terms
    rule = Arithmetic(program.format)
    return divergence(
        network, point, views(("rule", rule), ("program", arithmetic(program))), Predicate("sign"), fmt=program.format
    )


def departing():
    """1 + 2**-9 is rounded to 1 before the bias, 2**-8, is added: in bfloat16 the class changes."""
    network = dense_relu((Dense((row_of(2, {0: 1.0}), row_of(2, {0: 1.0, 1: 2.0**-9})), (2.0**-8, 2.0**-8)),))
    hows = views(("rule", Arithmetic(BFLOAT16, FLOAT32, fused=True)), ("program", arithmetic(rounded_before_bias(2))))
    return divergence(network, (1.0, 1.0), hows, Predicate("argmax"), fmt=BFLOAT16)


@pytest.mark.parametrize("name", BY_HAND)
def test_what_is_written_is_read_back(name):
    found = of(BY_HAND[name])
    again = parse(text(found))
    assert again == found
    assert again.deployed.deployment.default.given == BY_HAND[name]


@settings(max_examples=examples(20))
@given(st.sampled_from(sorted(BY_HAND)))
def test_the_shipped_schema_accepts_them(name):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(witness_schema()).validate(to_json(of(BY_HAND[name])))


def test_a_file_is_checked_and_explained(tmp_path, capsys):
    found, file = departing(), str(tmp_path / "program.json")
    assert [float(logit) for logit in found.reference.logits] == [1.0, 1 + 2.0**-7]
    assert [float(logit) for logit in found.deployed.logits] == [1.0, 1.0]
    save(found, file)
    assert load(file) == found
    assert check(found).confirmed
    assert main(["check", file]) == 0
    assert "holds" in capsys.readouterr().out
    assert main(["explain", file]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "the sum rounded to bfloat16 before the bias is added" in told
    assert "s1, rounded to bfloat16" in told
    assert main(["explain", file, "--json"]) == 0
    formats = [step["format"] for step in json.loads(capsys.readouterr().out)["views"][1]["steps"]]
    assert formats == ["float32", "bfloat16", "bfloat16"]


def test_a_claim_that_a_program_does_not_bear_out_is_found(tmp_path, capsys):
    """As if the sum were not rounded before the bias."""
    found, file = departing(), str(tmp_path / "wrong.json")
    a, b = found.views
    save(replace(found, views=(a, replace(b, logits=a.logits))), file)
    assert main(["check", file]) == 4
    assert "FAILS the logits of b (program)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("terms", "bias", "reason"),
    [
        (9, None, "the arithmetic is that of a sum of 8 terms, not of 9"),
        (8, (1.0,), "the arithmetic is that of a sum without a bias, but there is one"),
    ],
)
def test_a_program_that_does_not_fit_the_network_is_refused(terms, bias, reason):
    data = to_json(of(tail()))
    other = to_json(of_layer(terms, bias))
    data |= {name: other[name] for name in ("network", "points")}
    with pytest.raises(InputError, match=rf"views\[1\].deployment: {reason}"):
        parse(json.dumps(data))


def of_layer(terms, bias):
    network = dense_relu((Dense(((1.0,) * terms,), bias),))
    hows = views(("a", Arithmetic(FLOAT32)), ("b", Arithmetic(FLOAT32, order=parse_order("pairwise"))))
    return divergence(network, (1.0,) * terms, hows, Predicate("sign"))


@pytest.mark.parametrize(
    "how",
    [
        arithmetic(parts(1, 2)),
        Arithmetic(FLOAT32, fused=True, order=parse_order("groups:4"), alignment=Alignment(25)),
    ],
    ids=["program", "aligned"],
)
def test_a_tie_in_a_program_or_in_aligned_sums_is_read_back(how):
    network, points = dense_relu((Dense(((1.0, 2.0), (2.0, 1.0))),)), {"certified": (1.0, 0.5), "counterexample": (0.5, 0.5)}
    found = changed(published(), network=network, **points, format=how.format, deployment=Deployment(how))
    assert parse(text(found)) == found


@pytest.mark.parametrize("name", ["parts and a bias", "exact steps"])
def test_a_damaged_program_is_refused_in_one_line_or_told(name):
    """Whatever is read is a program that can be drawn, told and explained."""
    whole = to_json(of(BY_HAND[name]))

    def damaged(draw):
        table = whole["arithmetics"]
        program = mutated_data(table[1]["program"], draw)
        return json.dumps(whole | {"arithmetics": [table[0], table[1] | {"program": program}]})

    def told(text):
        found = parse(text)
        assert explain(found)
        assert tree_text(found.deployed.deployment.default)

    check_damaged(f"program, {name}", damaged, told)
