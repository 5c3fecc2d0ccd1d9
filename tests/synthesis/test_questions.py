"""Requests become results: sides, engine, placing and conclusion put together, without any library."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from profiles import slowly

from fpsynth import api
from fpsynth.errors import InputError
from fpsynth.predicates import argmax
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.prediction import predicted_logits

QUIET = {"replay": False, "timeout": 20.0}


def only(result: Any) -> Any:
    assert result.verdict is Verdict.FOUND, result.reason
    (divergence,) = result.witnesses
    for view in divergence.views:
        if not view.interval:
            assert predicted_logits(divergence.network, divergence.point, view) == view.logits
    assert divergence.predicate.holds(divergence.reference.logits, divergence.deployed.logits, divergence.reference.interval)
    return divergence


@pytest.mark.parametrize("terms", [4, 8, 64, *slowly(4096)])
def test_two_orders_disagree_by_sign(terms: int) -> None:
    made = only(api.order(terms=terms, **QUIET))
    assert made.network.widths == (terms, 1)
    assert all(abs(w) <= 1 for w in made.network.entries())
    assert all(abs(x) <= 1 for x in made.point)


@pytest.mark.parametrize("outputs", [2, 5])
def test_two_orders_disagree_by_class(outputs: int) -> None:
    made = only(api.order(terms=8, outputs=outputs, predicate="argmax", **QUIET))
    assert made.network.widths == (8, outputs)
    assert argmax(made.reference.logits) != argmax(made.deployed.logits)


def test_silent_sides_do_not_depart() -> None:
    made = only(api.order("sequential", "pairwise", terms=8, silent=["reverse", "strided:4"], **QUIET))
    for view in made.silent:
        assert not made.predicate.fires(view.logits, made.reference.logits)


def test_bounded_weights_are_amplified() -> None:
    made = only(api.order(terms=8, max_weight=4, **QUIET))
    assert max(abs(w) for w in made.network.entries()) <= 4
    assert abs(made.reference.logits[0] - made.deployed.logits[0]) >= 1
    assert len(made.network.dense_layers) > 1
    classes = only(api.order(terms=8, max_weight=1, predicate="argmax", **QUIET))
    assert max(abs(w) for w in classes.network.entries()) <= 1
    assert argmax(classes.reference.logits) != argmax(classes.deployed.logits)


def test_a_detector_that_depends_on_the_input_says_what_was_sampled() -> None:
    made = only(api.order(terms=8, box="0.25:0.5,0.25:0.75", inputs="0:1", **QUIET))
    assert made.sampled is not None
    assert made.sampled.inside_fires == made.sampled.inside > 1000
    assert (made.sampled.outside_fires, made.sampled.outside > 1000) == (0, True)
    assert only(api.order(terms=8, threshold="0>0.5", inputs="0:1", **QUIET)).sampled is not None


@pytest.mark.parametrize(("a", "b"), [("float32", "float64"), ("float16", "bfloat16"), ("tf32", "float16")])
def test_two_formats_disagree(a: str, b: str) -> None:
    made = only(api.precision(a, b, **QUIET))
    assert [view.deployment.default.format.name for view in made.views] == [a, b]


def test_a_pre_activation_changes_its_sign() -> None:
    made = only(api.relu("real", "reverse", terms=6, **QUIET))
    assert made.reference.logits[0] < 0 < made.deployed.logits[0]
    assert made.real == made.reference.logits


def test_a_value_lies_outside_the_interval_of_another_order() -> None:
    made = only(api.interval(terms=8, **QUIET))
    ((lower, upper),) = made.reference.interval
    assert not lower <= made.deployed.logits[0] <= upper
    assert api.interval("pairwise", "pairwise", terms=8, **QUIET).verdict is Verdict.IMPOSSIBLE


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"a": "strided:1", "b": "sequential"}, "evaluate the same expression"),
        ({"terms": 2, "a": "sequential", "b": "reverse"}, "evaluate the same expression"),
        ({"terms": 1}, "evaluate the same expression"),
        ({"gap": 1}, "never more than"),
        ({"weights": "0.5:1", "inputs": "0.5:1"}, "has the same sign"),
        ({"silent": ["pairwise"]}, "which must be silent"),
    ],
)
def test_what_cannot_be_is_proved_at_once(options: dict[str, Any], said: str) -> None:
    result = api.order(**{"terms": 8, **options}, **QUIET)
    assert result.verdict is Verdict.IMPOSSIBLE
    assert result.proof is not None
    assert said in result.reason


def test_too_little_time_is_no_proof() -> None:
    result = api.order(terms=8, gap=Fraction(1, 10**6), replay=False, timeout=0.2)
    assert (result.verdict, result.proof) == (Verdict.UNKNOWN, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"predicate": "gap"}, "a gap goes with the predicate gap"),
        ({"predicate": "colour"}, "unknown predicate 'colour'"),
        ({"gap": -1}, "a gap must be above 0"),
        ({"gap": float("nan")}, "the gap must be a finite number"),
        ({"max_weight": 0}, "the largest weight must be above 0"),
        ({"box": "0:1", "threshold": "0>1"}, "choose one of box and threshold"),
        ({"box": "0:1", "camouflage": True}, "cannot be camouflaged"),
        ({"threshold": "first>1"}, "must have the form FEATURE>VALUE"),
        ({"terms": 0}, "the number of terms must be from 1 to 4096"),
        ({"terms": 4097}, "the number of terms must be from 1 to 4096"),
        ({"outputs": 1, "predicate": "argmax"}, "a class needs at least 2 outputs"),
        ({"outputs": 0}, "outputs"),
    ],
)
def test_contradictory_requests_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        api.order(**options, **QUIET)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["weights", "inputs"])
@pytest.mark.parametrize("predicate", ["sign", "argmax"])
def test_where_every_product_is_zero_nothing_departs(name: str, predicate: str) -> None:
    found = api.order(**{name: "0:0"}, predicate=predicate, replay=False, timeout=3)
    assert (found.verdict.value, found.proof.statement) == ("impossible", "every product is zero, and so is every sum")


def test_numbers_beyond_every_format_are_refused() -> None:
    with pytest.raises(InputError, match="the gap must be at most"):
        api.order(predicate="gap", gap="1e400", replay=False)
    with pytest.raises(InputError, match="the radius must be at most"):
        api.interval(radius="1e400", replay=False)


def test_formats_of_which_neither_holds_the_other_are_refused() -> None:
    with pytest.raises(InputError, match="no format's numbers are all of float8_e5m2 and of float8_e4m3fn"):
        api.precision("float8_e5m2", "float8_e4m3fn", terms=2, replay=False)


def test_sampled_points_outside_a_box_are_numbers() -> None:
    """Steps beyond the greatest number of a small format were NaN."""
    found = api.order("sequential", "real", dtype="float8_e5m2", box="0.3:0.9", replay=False, timeout=200)
    (divergence,) = found.witnesses
    assert divergence.sampled.outside_fires == 0
    assert divergence.sampled.inside_fires == divergence.sampled.inside


@pytest.mark.parametrize("bound", ["0.03", "1e-3"])
def test_networks_that_would_take_forever_to_evaluate_are_refused(bound: str) -> None:
    with pytest.raises(InputError, match="more than 50000: allow larger weights"):
        api.order(max_weight=bound, replay=False, timeout=5)


def test_roundings_into_a_narrower_accumulator_are_errors_too() -> None:
    """w = 1.0429..., x = 1.0429... gives 1.078125: 0.0096 from the product, though one rounding moves it by 0.0087 at most."""
    found = api.order(
        "real",
        "sequential,accumulator=bfloat16",
        terms=1,
        weights="1:1.05",
        inputs="1:1.05",
        predicate="gap",
        gap="0.009",
        replay=False,
        timeout=5,
    )
    assert found.verdict.value == "found"
