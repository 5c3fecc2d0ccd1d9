"""Two views of a given network that take the same sums: answered at once, with the reason; libraries are run for it."""

import time
from dataclasses import dataclass

import numpy as np
import pytest
from drawn_networks import convolutional, drawn
from rendered import report

from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import dense_relu
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.given import alike
from fpsynth.synthesis.given.order import GivenOrder, order_of_network
from fpsynth.synthesis.given.views import Given
from fpsynth.synthesis.verdicts import Verdict

TIMEOUT = 300.0
AT_ONCE = 60.0
"""Seconds on a busy machine: far below the time limit, which a search would use up."""


DENSE = dense_relu((Dense(drawn(12, 8), drawn(12)), Dense(drawn(3, 12))))
CONVOLUTIONAL = convolutional(2)


@pytest.fixture(scope="module")
def revealer():
    with Revealer() as made:
        yield made


def asked_of(network, sides, revealer, *, points=None, seconds=TIMEOUT, **options):
    """The result, which has to come at once where the time limit is the usual one."""
    points = drawn(40, int(np.prod(network.input_shape)), seed=6) if points is None else points
    started = time.monotonic()
    result = order_of_network(
        GivenOrder(network, FLOAT32, sides, points), Given(network, FLOAT32, revealer, **options), seconds, {}, None
    )
    assert time.monotonic() - started < AT_ONCE
    return result


@pytest.mark.parametrize("network", [DENSE, CONVOLUTIONAL], ids=["dense", "convolutional"])
@pytest.mark.parametrize(
    "sides", [("sequential", "sequential"), ("real", "real"), ("sequential", "lanes:1"), ("blocked:1024", "sequential")]
)
def test_orders_that_are_one_are_answered_at_once(revealer, network, sides):
    result = asked_of(network, sides, revealer)
    assert result.verdict is Verdict.IMPOSSIBLE
    layers = len(network.sums)
    assert result.reason == f"both views evaluate the same expressions: {sides[0]} and {sides[1]}, {layers} layers of sums"
    assert (result.proof.statement, result.proof.method) == (result.reason, "structural")
    assert "both views evaluate the same expressions" in " ".join(report(result).split())


def test_sums_that_are_too_long_to_compare_as_expressions_are_the_same_only_where_their_arithmetics_are(revealer, monkeypatch):
    monkeypatch.setattr(alike, "MAX_TERMS", 11)
    assert asked_of(DENSE, ("pairwise", "pairwise"), revealer).verdict is Verdict.IMPOSSIBLE
    searched = asked_of(DENSE, ("sequential", "lanes:1"), revealer, seconds=1.0)
    assert searched.verdict is Verdict.UNKNOWN
    assert "were tried" in searched.reason


def test_a_silent_view_that_is_the_deployed_one_is_answered_at_once(revealer):
    result = asked_of(DENSE, ("real", "sequential", "pairwise", "sequential"), revealer)
    assert result.verdict is Verdict.IMPOSSIBLE
    assert result.reason.startswith("sequential, which must be silent, evaluates the same expressions as sequential")
    assert result.proof.details["view"] == "silent2"


def test_a_silent_view_that_is_the_reference_proves_nothing(revealer):
    assert asked_of(DENSE, ("sequential", "pairwise", "sequential"), revealer, seconds=30.0).verdict is Verdict.FOUND


@pytest.mark.parametrize("sides", [("sequential", "sequential,fused"), ("sequential", "reverse"), ("sequential", "pairwise")])
def test_orders_that_differ_in_one_layer_are_searched(revealer, sides):
    assert asked_of(CONVOLUTIONAL, sides, revealer, seconds=30.0).verdict is Verdict.FOUND


def test_orders_that_are_one_in_the_first_layer_alone_are_searched(revealer):
    network = dense_relu((Dense(drawn(12, 2), drawn(12)), Dense(drawn(3, 12))))
    assert asked_of(network, ("sequential", "pairwise"), revealer, seconds=30.0).verdict is Verdict.FOUND
    alone = dense_relu((Dense(drawn(3, 2)),))
    assert asked_of(alone, ("sequential", "pairwise"), revealer).verdict is Verdict.IMPOSSIBLE


@pytest.mark.parametrize("network", [DENSE, CONVOLUTIONAL], ids=["dense", "convolutional"])
def test_one_environment_under_two_spellings_is_answered_at_once_and_was_run(revealer, network):
    result = asked_of(network, ("numpy", "numpy:matmul:batch=1"), revealer)
    assert result.verdict is Verdict.IMPOSSIBLE, result.reason
    assert result.reason.startswith("in the revealed arithmetics both views evaluate the same expressions: numpy:batch=1 and")
    assert "run directly on 1000 inputs, they give just that" in result.reason
    assert result.proof.statement == result.reason
    assert "matmul" not in result.reason


def test_of_libraries_nothing_is_proved_by_few_vectors(revealer):
    result = asked_of(DENSE, ("numpy", "numpy"), revealer, vectors=100)
    assert (result.verdict, result.proof) == (Verdict.UNKNOWN, None)
    assert result.reason.endswith("; but each layer was checked on 100 vectors only, and not on 1000")


@dataclass
class Departing:
    """A library that is revealed as it is, and gives other numbers where it is run: at each call as ``changes`` says."""

    revealer: Revealer
    changes: list
    calls: int = 0

    def network(self, *arguments, **options):
        """As it is."""
        return self.revealer.network(*arguments, **options)

    def outputs(self, *arguments):
        """Not as it is."""
        told = self.revealer.outputs(*arguments)
        change = self.changes[self.calls]
        self.calls += 1
        return {**told, "outputs": change(np.array(told["outputs"]))}


def unchanged(outputs):
    return outputs


def other_class(outputs):
    """Of the first point."""
    outputs[0] = np.roll(outputs[0], 1)
    return outputs


def last_bit(outputs):
    outputs[-1, 0] = np.nextafter(np.float32(outputs[-1, 0]), np.float32(np.inf))
    return outputs


def infinite(outputs):
    outputs[0, 1] = np.inf
    return outputs


ONCE = [unchanged, unchanged, other_class, other_class]
"""What is run twice of either side; a point at which they differ is run once more."""


def test_a_library_that_departs_from_its_reveal_when_it_is_run_proves_nothing(revealer):
    result = asked_of(DENSE, ("numpy", "numpy"), Departing(revealer, [last_bit] * 4))
    assert (result.verdict, result.proof) == (Verdict.UNKNOWN, None)
    assert "run directly on 1000 inputs, numpy:batch=1 gives something else than was revealed for it on 1" in result.reason


def test_a_library_that_changes_its_mind_proves_nothing(revealer):
    result = asked_of(DENSE, ("numpy", "numpy"), Departing(revealer, [unchanged, last_bit, unchanged, unchanged]))
    assert (result.verdict, result.proof) == (Verdict.UNKNOWN, None)
    assert "numpy:batch=1 has no one arithmetic: 1 of 1000 inputs gave other results when repeated" in result.reason


def test_a_class_that_was_seen_to_differ_is_a_witness_that_says_it_was_measured(revealer):
    result = asked_of(DENSE, ("numpy", "numpy"), Departing(revealer, [*ONCE, unchanged, other_class]))
    assert result.verdict is Verdict.FOUND
    (witness,) = result.witnesses
    assert [view.measured for view in witness.views] == [False, True]
    assert witness.point == tuple(drawn(40, 8, seed=6)[0].tolist())
    assert witness.provenance.engine == "comparison"
    assert not [finding for finding in check(witness).findings if not finding.holds]


def test_a_class_that_is_not_seen_to_differ_again_is_no_witness(revealer):
    result = asked_of(DENSE, ("numpy", "numpy"), Departing(revealer, [*ONCE, unchanged, unchanged]))
    assert (result.verdict, result.witnesses) == (Verdict.UNKNOWN, ())
    assert "gives something else than was revealed" in result.reason


def test_a_logit_that_is_no_number_makes_no_witness(revealer):
    result = asked_of(
        DENSE, ("numpy", "numpy"), Departing(revealer, [unchanged, unchanged, infinite, infinite, unchanged, infinite])
    )
    assert result.verdict is Verdict.UNKNOWN
    assert "gives something else than was revealed" in result.reason
