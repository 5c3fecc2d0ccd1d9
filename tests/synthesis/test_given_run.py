"""Libraries that are run where their reveals do not answer for them: at what a search finds, and in the row that is told of."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from drawn_networks import drawn

from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import dense_relu
from fpsynth.orders import parse_order
from fpsynth.revealing.revealer import Revealer
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.given.order import GivenOrder, order_of_network
from fpsynth.synthesis.given.tie import GivenTie, tie_of_network
from fpsynth.synthesis.given.views import Given
from fpsynth.synthesis.verdicts import Verdict

NETWORK = dense_relu((Dense(drawn(12, 8), drawn(12)), Dense(drawn(3, 12))))
POINTS = drawn(40, 8, seed=6)
SIDES = ("numpy:batch=1", "reverse")


@dataclass
class Library:
    """A library that may be revealed otherwise than it runs: ``runs`` makes what it gives of where it is, points, outputs."""

    revealer: Revealer
    runs: Callable[[Any, Any, Any], Any] = lambda where, points, outputs: outputs
    missed: int = 1
    """Logits of whole runs that its reveal does not explain."""
    calls: list[Any] = field(default_factory=list)

    def network(self, *arguments, **options):
        """With a reveal that is not perfect."""
        answer = copy.deepcopy(self.revealer.network(*arguments, **options))
        answer["kept"]["reveal"]["network"]["explained"] -= self.missed
        return answer

    def outputs(self, network, dtype, where, points):
        """What it gives where it is run."""
        told = self.revealer.outputs(network, dtype, where, points)
        self.calls.append(points)
        return {**told, "outputs": self.runs(where, points, np.array(told["outputs"]))}


@pytest.fixture(scope="module")
def revealer():
    with Revealer() as made:
        yield made


def reversed_order(where, points, outputs):
    """It takes its sums as the other side does."""
    how = Arithmetic(FLOAT32, order=parse_order("reverse"))
    return network_outputs(NETWORK, np.asarray(points), Deployment(how)).reshape(len(points), -1)


def refusing(where, points, outputs):
    raise InputError("numpy:batch=1: out of order")


def ordered(library, sides=SIDES, seconds=60.0):
    asked = GivenOrder(NETWORK, FLOAT32, sides, POINTS)
    return order_of_network(asked, Given(NETWORK, FLOAT32, library), seconds, {}, None)


def tied(library, seconds=60.0):
    return tie_of_network(GivenTie("numpy:batch=1", POINTS), Given(NETWORK, FLOAT32, library), seconds, {}, None)


# --- reveals that do not explain everything ----------------------------------------------------------------------------------


def test_what_is_found_in_a_reveal_that_does_not_explain_everything_is_run(revealer):
    library = Library(revealer)
    result = ordered(library)
    assert result.verdict is Verdict.FOUND
    assert result.reason == "numpy:batch=1 run directly on this input, since what was revealed does not explain everything"
    (witness,) = result.witnesses
    assert [points.tolist() for points in library.calls] == [[list(witness.point)]]
    assert not any(view.measured for view in witness.views)


def test_a_reveal_that_explains_everything_answers_for_its_library(revealer):
    library = Library(revealer, missed=0)
    result = ordered(library)
    assert (result.verdict, result.reason, library.calls) == (Verdict.FOUND, "", [])


def test_what_no_run_bears_out_is_not_found(revealer):
    library = Library(revealer, reversed_order)
    result = ordered(library, seconds=2.0)
    assert (result.verdict, result.witnesses) == (Verdict.UNKNOWN, ())
    assert (
        "would in the revealed arithmetics, which do not explain everything of numpy:batch=1, and do not when" in result.reason
    )
    assert library.calls


def test_other_logits_of_other_classes_are_a_witness_that_says_it_was_measured(revealer):
    result = ordered(Library(revealer, lambda where, points, outputs: 2 * outputs))
    assert result.verdict is Verdict.FOUND
    (witness,) = result.witnesses
    assert [view.measured for view in witness.views] == [True, False]
    assert not [finding for finding in check(witness).findings if not finding.holds]


def test_a_logit_that_is_infinite_bears_nothing_out(revealer):
    result = ordered(Library(revealer, lambda where, points, outputs: np.full_like(outputs, np.inf)), seconds=2.0)
    assert (result.verdict, result.witnesses) == (Verdict.UNKNOWN, ())


@pytest.mark.parametrize("ask", [ordered, tied])
def test_a_library_that_is_not_run_bears_nothing_out(revealer, ask):
    result = ask(Library(revealer, refusing))
    assert (result.verdict, result.witnesses) == (Verdict.UNKNOWN, ())
    assert result.reason.endswith("what was found could not be run: numpy:batch=1: out of order")


def test_a_tie_in_a_reveal_that_does_not_explain_everything_is_run_at_both_points(revealer):
    library = Library(revealer)
    result = tied(library)
    assert result.verdict is Verdict.FOUND
    (witness,) = result.witnesses
    assert result.reason == "numpy:batch=1 run directly on both points, since what was revealed does not explain everything"
    assert library.calls[-1].tolist() == [list(witness.certified), list(witness.point)]


def test_a_tie_that_no_run_bears_out_is_not_found(revealer):
    result = tied(Library(revealer, lambda where, points, outputs: 2 * outputs), seconds=2.0)
    assert (result.verdict, result.witnesses) == (Verdict.UNKNOWN, ())
    assert "run directly, numpy:batch=1 gives other logits than were revealed for it" in result.reason


# --- rows of a batch ---------------------------------------------------------------------------------------------------------


def last_row(where, points, outputs):
    """Of one thread, in the last row of a batch of three, another class."""
    if where.threads == 1:
        outputs[2::3] = np.roll(outputs[2::3], 1, axis=1)
    return outputs


def of_rows(revealer, deployed, reference="numpy:batch=3"):
    return ordered(Library(revealer, last_row, missed=0), (reference, deployed))


def test_what_was_seen_to_differ_is_told_of_the_row_in_which_it_was_seen(revealer):
    result = of_rows(revealer, "numpy:batch=3,threads=1")
    assert result.verdict is Verdict.FOUND
    (witness,) = result.witnesses
    assert witness.point == tuple(POINTS[2].tolist())
    assert [view.row for view in witness.views] == [2, 2]
    assert [view.label for view in witness.views] == ["numpy:batch=3,row=2", "numpy:batch=3,threads=1,row=2"]
    assert [view.measured for view in witness.views] == [False, True]
    assert not [finding for finding in check(witness).findings if not finding.holds]


def test_a_row_that_was_asked_for_is_the_only_one_that_counts(revealer):
    first = of_rows(revealer, "numpy:batch=3,threads=1,row=0")
    assert (first.verdict, first.witnesses) == (Verdict.UNKNOWN, ())
    assert "gives something else than was revealed for it" in first.reason
    last = of_rows(revealer, "numpy:batch=3,threads=1,row=2", "numpy:batch=3,row=1")
    assert last.verdict is Verdict.FOUND
    assert [view.row for view in last.witnesses[0].views] == [1, 2]
