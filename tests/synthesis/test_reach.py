"""Files that would take hours are refused before anything is evaluated; large networks that take seconds are not."""

import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from divergences import PAIRWISE, SEQUENTIAL, divergence, views
from oversized import HOSTILE, REAL, chain, largest, node, pad, witness
from oversized import SEQUENTIAL as ONE_BY_ONE

from fpsynth.confirmation.replay import replay
from fpsynth.errors import BeyondReachError, InputError
from fpsynth.evaluators.work import array_work, exact_work, interpreted_work, require_affordable
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.checking.reach import require_checkable
from fpsynth.synthesis.comparing.compared import require_comparable
from fpsynth.witness import from_json
from fpsynth.workers.deadlines import FILE_TIME, within

ADVICE = ("give more time (timeout", "only a smaller network", "longer than what is read")
SOON = 20.0
"""Seconds of the processor in which a file that takes hours is refused, whatever else the machine does."""


def wide(weights: int, seed: int = 0) -> Network:
    """Two dense layers of so many weights."""
    draw = np.random.default_rng(seed)
    width = max(2, int(weights**0.5))
    first = draw.integers(-64, 64, (width, max(2, weights // width))) / 64.0
    return dense_relu([Dense(first), Dense(draw.integers(-64, 64, (2, width)) / 64.0)])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_small_file_that_takes_hours_is_refused_at_once(name):
    data = HOSTILE[name]()
    assert len(json.dumps(data)) < 12_000
    started = time.process_time()
    with within(40.0), pytest.raises(InputError) as caught:
        check(from_json(data))
    assert time.process_time() - started < SOON
    message = str(caught.value)
    assert "\n" not in message
    assert any(advice in message for advice in ADVICE)


def test_what_is_too_long_for_one_time_limit_is_not_for_another():
    data = witness(chain(pad(0, 299), node("relu"), *largest(300)), REAL, ONE_BY_ONE)
    with within(0.5), pytest.raises(BeyondReachError, match=r"takes some .* s \([0-9]+ numbers .*timeout [0-9]+"):
        check(from_json(data))
    with within(600.0):
        assert {finding.claim for finding in check(from_json(data)).findings if not finding.holds}


@pytest.mark.parametrize("name", ["a convolution", "bits", "many views"])
def test_the_time_that_is_advised_is_enough_to_begin(name):
    held = from_json(HOSTILE[name]())
    with within(40.0), pytest.raises(BeyondReachError) as caught:
        require_checkable(held)
    (advised,) = re.findall(r"\(timeout ([0-9]+)\)", str(caught.value))
    assert float(advised) > FILE_TIME
    with within(float(advised) - 5.0):
        require_checkable(held)


def test_who_says_no_time_has_that_of_a_file():
    held = from_json(HOSTILE["bits"]())
    with pytest.raises(BeyondReachError, match=f"of the {FILE_TIME:.3g} s that are left"):
        require_checkable(held)


def test_logits_that_a_tie_does_not_say_are_not_computed_for_hours_either():
    data = HOSTILE["a convolution"]()
    points = [{"name": name, "numbers": [number]} for name, number in (("one", "0x1p+0"), ("other", "0x1.8p+0"))]
    kept = [{**view, "point": point["name"], "logits": []} for view, point in zip(data["views"], points, strict=True)]
    tie = from_json({**data, "question": "tie", "points": points, "views": kept})
    with within(40.0), pytest.raises(BeyondReachError, match="evaluating the views that do not say their logits takes some"):
        replay(tie, libraries=["numpy"], batches=[1])


def test_a_batch_for_which_no_library_has_the_memory_is_not_run():
    graph = from_json(witness(chain(pad(0, 2999), *largest(3000))))
    seen = replay(graph, libraries=["numpy"], batches=[64]).observations
    assert {one.not_run for one in seen} == {
        "a layer has 9000000 numbers for each of 64 rows, more than the 268435456 that are run at once"
    }


@pytest.mark.parametrize("real", [False, True], ids=["formats", "exact"])
def test_a_witness_on_a_network_of_100000_weights_is_checked_in_seconds(real):
    network = wide(100_000)
    point = tuple(float(k % 7 - 3) / 8 for k in range(network.widths[0]))
    found = divergence(network, point, views(("sequential", SEQUENTIAL), ("pairwise", PAIRWISE)), Predicate("argmax"))
    held = found if real else replace(found, real=())
    started = time.process_time()
    result = check(held)
    assert time.process_time() - started < 5.0
    assert "the measure is right" in {finding.claim for finding in result.findings if finding.holds}


def test_a_network_of_ten_million_weights_is_within_reach():
    network = wide(10_000_000)
    point = [0.5] * network.widths[0]
    require_affordable("exactly", exact_work(network, point).times(2))
    require_affordable("over arrays", array_work(network, Deployment(Arithmetic(FLOAT32))).times(8))
    require_comparable(network, FLOAT32, inputs=10_000, environments=6)
    with pytest.raises(BeyondReachError, match=r"takes some .* h "):
        require_affordable("number by number", interpreted_work(network))


def test_a_comparison_that_takes_days_is_refused_with_what_to_do():
    with pytest.raises(BeyondReachError, match=r"at 10000000 inputs in 6 environments takes .* h .*: compare at fewer"):
        require_comparable(wide(10_000_000), FLOAT32, inputs=10_000_000, environments=6)
    huge = from_json(HOSTILE["averages of large windows"]()).network
    with pytest.raises(BeyondReachError, match=r"at one input takes some .* GiB of memory .* only a smaller network"):
        require_comparable(huge, FLOAT32, inputs=1, environments=1)
