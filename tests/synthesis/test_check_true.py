"""What fpsynth finds is confirmed by its own check, claim by claim, whatever was asked; from the file, as others read it."""

import pytest
from divergences import BY_HAND
from witnesses import published

import fpsynth
from fpsynth.synthesis.checking.check import check
from fpsynth.witness import from_json, to_json

QUIET = {"replay": False, "timeout": 20.0}
SHORT = {"maximise": "ratio", "timeout": 6.0}
"""A quarter of the time may go into a larger ratio."""
PLAYED = {"replay": True, "libraries": ["numpy"], "batches": [1], "timeout": 20.0}
TIES = {
    "float32": {"dtype": "float32", **PLAYED},
    "float8_e5m2, proved": {"dtype": "float8_e5m2", "prove": True, **QUIET},
    "float8_e4m3fn, radius": {"dtype": "float8_e4m3fn", "maximise": "radius", **QUIET},
    "float16, hidden layer": {"dtype": "float16", "shape": (2, 3, 2), "solver": "sampling", **PLAYED, **SHORT},
    "upward": {"dtype": "float8_e5m2", "rounding": "RTP", **QUIET},
    "pairwise": {"dtype": "bfloat16", "shape": (3, 2), "order": "pairwise", "solver": "sampling", **QUIET, **SHORT},
}
ORDERS = {
    "sign": {"a": "sequential", "b": "pairwise", **PLAYED},
    "tree, fused": {"a": "[[0,1],[2,3]]", "b": "reverse,fused", "terms": 4, **QUIET},
    "real": {"a": "real", "b": "sequential", **QUIET},
    "accumulated": {"a": "sequential,accumulator=float32", "b": "sequential", "dtype": "float16", **QUIET},
    "aligned": {
        "a": "groups:4,fused,align=25,accumulator=float32",
        "b": "sequential,fused,accumulator=float32",
        "dtype": "float16",
        **QUIET,
    },
    "classes": {"a": "sequential", "b": "strided:4", "predicate": "argmax", **QUIET},
    "silent": {"a": "sequential", "b": "pairwise", "silent": ["strided:4", "real"], **QUIET},
    "camouflage": {"a": "sequential", "b": "pairwise", "camouflage": True, **QUIET},
    "bounded": {"a": "sequential", "b": "pairwise", "gap": 1, "max_weight": 4, "dtype": "float16", **QUIET},
    "bounded classes": {"a": "reverse", "b": "pairwise", "predicate": "argmax", "max_weight": 16, **QUIET},
    "box": {"a": "sequential", "b": "pairwise", "box": "0.25:0.5,-0.5:0.75", "gap": 1, "inputs": "-1:1", **QUIET},
    "box at an end": {"a": "sequential", "b": "pairwise", "box": "0:1,0:0.5", "gap": 1, "inputs": "-1:1", **QUIET},
    "threshold": {"a": "reverse", "b": "pairwise", "threshold": "1>0.5", "gap": 1, "inputs": "-1:1", **QUIET},
}
OTHERS = {
    "precision": lambda: fpsynth.precision("float32", "float64", **QUIET),
    "precision of tf32": lambda: fpsynth.precision("bfloat16", "float32", order="pairwise", **QUIET),
    "relu": lambda: fpsynth.relu("real", "pairwise", **QUIET),
    "interval": lambda: fpsynth.interval("sequential", "pairwise", **QUIET),
}


def confirmed(witness):
    result = check(from_json(to_json(witness)))
    assert [finding for finding in result.findings if not finding.holds] == []
    return result


@pytest.mark.parametrize("asked", TIES)
def test_a_tie_that_is_found_is_confirmed(asked):
    confirmed(fpsynth.tie(**TIES[asked]).witnesses[0])


@pytest.mark.parametrize("asked", ORDERS)
def test_a_difference_of_orders_that_is_found_is_confirmed(asked):
    confirmed(fpsynth.order(**ORDERS[asked]).witnesses[0])


@pytest.mark.parametrize("asked", OTHERS)
def test_any_other_divergence_that_is_found_is_confirmed(asked):
    confirmed(OTHERS[asked]().witnesses[0])


@pytest.mark.parametrize("name", BY_HAND)
def test_divergences_made_by_hand_are_confirmed(name):
    confirmed(BY_HAND[name]())


def test_the_published_tie_is_not_confirmed_as_long_as_a_replay_in_it_is_made_up():
    # the record says that NumPy confirmed it with logits that are not those of its classes: see tests/witnesses.py
    assert not check(published()).confirmed
