"""The report on a divergence says what the views compute, what libraries made of it, and what is wrong, for every question."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from aligned_arithmetics import tensor_core
from divergences import BY_HAND, any_divergence, divergence, observed, row_of, triple, twin, views
from hypothesis import given, settings
from profiles import examples
from rendered import explain, rendered, report

from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.predicates import Predicate
from fpsynth.report.partial_sums import layer_values, neuron_of, number, parting, summed
from fpsynth.report.results import check_json, result_json
from fpsynth.report.stories.listings import check_story, replay_story
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.verdicts import Proof, Verdict
from fpsynth.witness import Observation, to_json


def result(*found, **changes):
    base = Result("order", Verdict.FOUND, found, "they differ", None, (), 0.5, 1.25, {"dtype": "float32"})
    return replace(base, **changes)


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_asked_for_and_ascii_is_ascii(name, width):
    for told in (report, explain):
        text = told(BY_HAND[name](), width=width, unicode=False)
        assert text.isascii()
        if width >= 80:
            assert max(map(len, text.splitlines())) <= width


WRONG = {
    "order": "y0 is 1 in sequential and 0 in pairwise: not the same side of zero.",
    "argmax": "into class 0 in sequential and into class 1 in pairwise.",
    "twin": "Neurons 0 and 9 have equal outputs in real, 1; in tail they are 1 and 0",
    "position": "Nothing but the places of the neurons",
    "precision": "y0 is 16777216 in float32 and 16777217 in float64, 1 apart.",
    "relu": "The pre-activation y0 is -0.5 in real, so ReLU gives 0; in pairwise it is 1.5",
    "interval": "proves that y0 lies in [1, 1]; in pairwise it is 0, outside by 1.",
}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_box_says_what_is_wrong_in_the_words_of_the_question(name):
    text = " ".join(report(BY_HAND[name](), width=120).replace("│", " ").split())
    assert WRONG[name] in text
    assert "No library has run it yet." in text


def test_orders_are_written_out_for_the_active_terms():
    text = report(triple(64))
    assert "64 terms, 3 active (the others are products with zero, which change no sum)" in text
    assert "a  sequential · believed: what a certificate or a test was computed with" in text
    assert "y0 = (p0 + p32) + p33" in text
    assert "y0 = p0 + (p32 + p33)" in text


def test_explain_shows_the_sum_that_rounds():
    (row,) = [line for line in explain(triple()).splitlines() if "s1  p2 + p3" in line]
    assert row.split() == ["s1", "p2", "+", "p3", "16777217", "16777216", "0x1p+24", "−0.5", "ulp"]


def test_an_aligned_step_is_one_sum_of_all_its_addends():
    """A chain loses 2^-13 in 2048; a step of sixteen products that keeps 25 bits loses nothing.  Both end in float16."""
    row = row_of(20, {0: 2048.0, 1: 2.0**-13, 2: -2048.0, 17: 2.0**-14})
    hows = ("chain", Arithmetic(FLOAT16, accumulator=FLOAT32)), ("core", tensor_core(20))
    found = divergence(
        dense_relu((Dense((row,)),)), (1.0,) * 20, views(*hows), Predicate("gap", 0, 0, Fraction(1, 2**20)), fmt=FLOAT16
    )
    text = explain(found)
    assert "y0 = (p0 + p1 + p2) + p17" in text
    assert "y0 = ((p0 + p1) + p2) + p17" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["s1", "p0", "+", "p1", "+", "p2", "0.0001220703125", "0.0001220703125", "0x1p-13", "exact"] in rows
    assert "nothing is added" not in text


@pytest.mark.parametrize("name", BY_HAND)
def test_partial_sums_end_in_the_predicted_logits(name):
    found = BY_HAND[name]()
    for view in found.views:
        values = layer_values(found, view)
        if not view.interval:
            assert tuple(map(number, values[-1].sums)) == view.logits
        for output in range(found.network.widths[-1]):
            neuron = neuron_of(found, view, 0, output, values)
            if neuron.how.format is not None:
                assert number(summed(neuron).result) == number(values[-1].sums[output])
    sides = [layer_values(found, view) for view in found.views[:2]]
    layer, output = parting(found, *sides)
    assert number(sides[0][layer].sums[output]) != number(sides[1][layer].sums[output])


def library_rows(text):
    return [line.split() for line in text.splitlines() if line.startswith("  numpy")]


def test_a_variant_is_listed_only_at_the_batches_where_it_gave_this():
    """matmul gave 1 at batch 1 and 0 at batch 4, dot 1 at both: a row for both variants would say that matmul gave 1 at 4."""
    found = triple()
    seen = [
        observed(found, (1.0,), batch=1),
        observed(found, (0.0,), batch=4),
        observed(found, (1.0,), batch=1, variant="dot"),
        observed(found, (1.0,), batch=4, variant="dot"),
    ]
    rows = library_rows(report(replace(found, observations=tuple(seen))))
    assert {(row[2], *row[3:5]) for row in rows} >= {("matmul", "1", "1"), ("matmul", "4", "0"), ("dot", "1,", "4")}


def test_what_was_confirmed_is_said_and_by_whom():
    found = replace(triple(), observations=(observed(triple(), (0.0,)),))
    assert "numpy shows it (its one outcome departs" in " ".join(report(found).replace("│", " ").split())
    assert rendered(replay_story(found)).endswith("confirmed by numpy")


def with_environment(observations):
    a, b, *silent = triple().views
    views = (a, replace(b, environment="numpy:dot"), *silent)
    return replace(triple(), views=views, observations=observations)


def test_an_environment_that_disobeys_is_not_called_confirmed():
    found = with_environment((observed(triple(), (1.0,), view="b"),))
    assert "did not give the logits that were predicted" in " ".join(report(found).split())
    assert "confirmed by no library: the environment of view b" in rendered(replay_story(found))


def test_an_environment_that_was_not_run_is_said_to_be_just_that():
    found = with_environment((Observation("numpy", view="b", not_run="not installed"),))
    text = report(found)
    assert "could not be run here" in text
    assert "did not give" not in text
    assert "not run: not installed" in text


@settings(max_examples=examples(60))
@given(any_divergence())
def test_listings_and_json_of_any_divergence(found):
    assert rendered(replay_story(found))
    data = json.loads(json.dumps(result_json(result(found))))
    assert data["views"] == to_json(found)["views"]


def test_the_json_of_a_result_is_the_divergence_and_the_search():
    data = json.loads(json.dumps(result_json(result(replace(triple(), observations=(observed(triple(), (0.0,)),))))))
    assert (data["verdict"], data["measure"], data["confirmed_by"]) == ("found", "0x1p+0", ["numpy"])
    assert data["seconds"] == {"solve": 0.5, "total": 1.25}


@pytest.mark.parametrize("verdict", [Verdict.IMPOSSIBLE, Verdict.UNKNOWN])
def test_what_was_not_found(verdict):
    proof = Proof("no such weights exist", "refutation", {}) if verdict is Verdict.IMPOSSIBLE else None
    nothing = result(verdict=verdict, proof=proof, reason="the orders are equal")
    text = report(nothing)
    assert verdict.value.upper() in text
    assert "the orders are equal" in text
    assert result_json(nothing)["views"] is None


def test_a_check_of_a_divergence_counts_its_claims():
    outcome = check(triple())
    assert rendered(check_story(outcome)).endswith(f"confirmed: {len(outcome.findings)} of {len(outcome.findings)} claims hold")
    assert set(check_json(triple(), outcome)) == {"confirmed", "findings", "not_checked", "measured"}
    broken = check(replace(twin(), measure=Fraction(5)))
    assert "FAILS the measure is right" in rendered(check_story(broken))
