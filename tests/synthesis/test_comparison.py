"""Libraries are compared themselves: what departs from its own arithmetic is found, measured, and said to be just that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from rendered import explain, rendered, report
from revealing.simulated import kernel, layer

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.libraries.machine import cpu
from fpsynth.libraries.registry import library_named
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate
from fpsynth.report.stories.listings import check_story
from fpsynth.revealing.bench import KernelBench
from fpsynth.revealing.comparing import Vectors, results
from fpsynth.revealing.result import Check, PositionClass, Reveal, Unexplained
from fpsynth.revealing.vectors import Call
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.comparison import compare, departing, elsewhere
from fpsynth.synthesis.contest import Contest
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.grounds import Ground
from fpsynth.witness import Witness, from_json, to_json
from fpsynth.witness.data import View

SEQUENTIAL = Arithmetic(FLOAT32)
PAIRWISE = Arithmetic(FLOAT32, order=parse_order("pairwise"))
UNIT = Interval(Fraction(-1), Fraction(1))
TERMS = 6
How = Callable[[int, int], Arithmetic]


def ground(name: str, how: Arithmetic, batch: int = 2, outputs: int = 1, explained: int = 10000) -> Ground:
    """A reveal that says that torch sums in ``how``."""
    what = kernel(FLOAT32, TERMS, batch=batch, outputs=outputs)
    positions = tuple((row, output) for row in range(batch) for output in range(outputs))
    return Ground(name, Reveal(what, (PositionClass(how, positions, Check(explained, 10000)),), "1", repeats="same"), 0, (0,))


def view(name: str, how: Arithmetic, ground: Ground | None = None) -> View:
    role = "reference" if name == "a" else "deployed"
    label = ground.environment if ground else str(how)
    return View(name, label, role, Deployment(how), ground.environment if ground else "")


def contest(a: View, b: View, *grounds: Ground, predicate: Predicate | None = None, outputs: int = 1) -> Contest:
    read = tuple(range(outputs)) if predicate is not None and predicate.kind == "argmax" else (0,)
    grounds = tuple(replace(one, outputs=read) for one in grounds)
    predicate = predicate or Predicate("sign")
    return Contest("order", FLOAT32, TERMS, outputs, read, (a, b), grounds, UNIT, UNIT, predicate, vectors=1920)


def runner(**really: How):
    """Runs simulated kernels: what each view's library really does, by the view's name."""

    def run(one: Ground, asked):
        what = one.reveal.kernel
        bench = KernelBench(layer(what, really[one.view]), what)
        if isinstance(asked, Vectors):
            return results(bench, asked, range(what.environment.batch), one.outputs)
        calls = [Call(np.array([point]), np.array(weights), None) for point, weights in asked]
        return results(bench, calls, [one.row], range(what.outputs))

    return run


@pytest.fixture(scope="module")
def measured() -> Witness:
    """torch is said to sum from left to right, and sums in pairs."""
    told = ground("b", SEQUENTIAL, explained=9000)
    asked = contest(view("a", SEQUENTIAL), view("b", SEQUENTIAL, told), told)
    found = compare(asked, runner(b=lambda row, output: PAIRWISE))
    assert found.differing > 0
    assert found.divergence is not None
    return found.divergence


def test_a_library_that_departs_from_its_arithmetic_is_found_and_marked_as_measured(measured: Witness) -> None:
    reference, deployed = measured.views
    assert (reference.measured, deployed.measured) == (False, True)
    assert measured.predicate.holds(reference.logits, deployed.logits)
    assert all(abs(number) <= 1 for number in (*measured.network.entries(), *measured.point))
    assert measured.provenance is not None
    assert "was measured" in measured.provenance.notes[0]


def test_what_was_measured_is_written_and_read_and_not_confirmed_by_a_check(measured: Witness) -> None:
    assert from_json(json.loads(json.dumps(to_json(measured)))) == measured
    outcome = check(measured)
    assert all(finding.holds for finding in outcome.findings)
    assert (outcome.measured, outcome.confirmed) == (("b",), False)
    assert any("were measured" in entry.claim for entry in outcome.not_checked)
    assert "NOT confirmed" in rendered(check_story(outcome))
    assert "rests on what was measured in view b" in rendered(check_story(outcome))


def test_a_view_that_is_falsely_said_to_be_measured_is_caught(measured: Witness) -> None:
    a, b = measured.views
    lie = replace(measured, views=(a, replace(b, logits=a.logits)))
    assert not all(finding.holds for finding in check(lie).findings)
    data = to_json(measured)
    data["views"][1]["environment"] = ""
    data["views"][1]["label"] = "somewhere"
    with pytest.raises(InputError, match="measured: is said of a view without an environment"):
        from_json(data)


def test_reports_say_that_a_measurement_is_the_evidence(measured: Witness) -> None:
    text = " ".join(report(measured).replace("│", " ").split())
    assert "its numbers were measured: what was revealed does not give them" in text
    assert "its runs, not a prediction, are the evidence" in text
    assert "the arithmetic that was revealed for it does not" in " ".join(explain(measured).split())


def test_libraries_with_equal_results_do_not_differ() -> None:
    one, other = ground("a", PAIRWISE), ground("b", PAIRWISE, batch=5)
    asked = contest(view("a", PAIRWISE, one), view("b", PAIRWISE, other), one, other)
    found = compare(asked, runner(a=lambda row, output: PAIRWISE, b=lambda row, output: PAIRWISE))
    assert found.vectors == 1920
    assert (found.differing, found.first, found.divergence, departing(found)) == (0, None, None, "")


def test_what_the_arithmetics_predict_is_not_called_measured() -> None:
    one, other = ground("a", SEQUENTIAL), ground("b", PAIRWISE)
    asked = contest(view("a", SEQUENTIAL, one), view("b", PAIRWISE, other), one, other)
    found = compare(asked, runner(a=lambda row, output: SEQUENTIAL, b=lambda row, output: PAIRWISE)).divergence
    assert found is not None
    assert not any(view.measured for view in found.views)
    assert check(found).confirmed


def test_a_difference_that_the_arithmetics_predict_is_no_doubt_about_them() -> None:
    one, other = ground("a", SEQUENTIAL), ground("b", PAIRWISE)
    asked = contest(view("a", SEQUENTIAL, one), view("b", PAIRWISE, other), one, other)
    found = compare(asked, runner(a=lambda row, output: SEQUENTIAL, b=lambda row, output: PAIRWISE))
    assert found.differing > 0
    assert (found.unexplained, departing(found)) == (0, "")


def test_a_silent_library_is_run_as_well() -> None:
    told = [ground(name, SEQUENTIAL) for name in ("b", "silent1")]
    asked = contest(view("a", PAIRWISE), view("b", SEQUENTIAL, told[0]), *told)
    asked = replace(asked, views=(*asked.views, replace(view("b", SEQUENTIAL, told[1]), name="silent1", role="silent")))
    found = compare(asked, runner(b=lambda row, output: SEQUENTIAL, silent1=lambda row, output: PAIRWISE))
    assert found.unexplained > 0


def test_a_vector_that_a_reveal_does_not_explain_is_among_those_that_are_compared() -> None:
    """The only sum that this kernel takes otherwise is one that no hostile vector hits."""
    point, weights = (3.0, 5.0, 7.0, 11.0, 13.0, 17.0), (1.0,) * TERMS
    told = ground("b", SEQUENTIAL, explained=9999)
    (cls,) = told.reveal.classes
    check_ = replace(cls.check, first=Unexplained(point, weights, None, -1.0, 56.0))
    told = replace(told, reveal=replace(told.reveal, classes=(replace(cls, check=check_),)))
    what = told.reveal.kernel
    plain = layer(what, lambda row, output: SEQUENTIAL)

    def odd(rows, weights, bias):
        return np.where((rows == np.array(point, rows.dtype)).all(axis=1)[:, None], -1, plain(rows, weights, bias)).astype("f4")

    def run(one, asked):
        calls = asked if isinstance(asked, Vectors) else [Call(np.array([x]), np.array(w), None) for x, w in asked]
        return results(KernelBench(odd, what), calls, [0], [0])

    asked = replace(
        contest(view("a", SEQUENTIAL), view("b", SEQUENTIAL, told), told), inputs=Interval(Fraction(-20), Fraction(20))
    )
    found = compare(asked, run)
    assert (found.differing, found.unexplained) == (1, 1)
    assert found.divergence is not None
    assert found.divergence.point == point


def test_a_difference_that_is_no_answer_is_named() -> None:
    """No sum of six products below 1 is 100 off; that the library is another one is said all the same."""
    told = ground("b", SEQUENTIAL)
    gap = Predicate("gap", bound=Fraction(100))
    asked = contest(view("a", SEQUENTIAL), view("b", SEQUENTIAL, told), told, predicate=gap)
    found = compare(asked, runner(b=lambda row, output: PAIRWISE))
    assert found.divergence is None
    assert found.differing > 0
    assert found.first is not None
    assert (len(found.first.point), len(found.first.weights[0])) == (TERMS, TERMS)
    assert found.unexplained == found.differing  # the other side is the very arithmetic that was revealed
    assert f"run directly on {found.vectors} hostile vectors, the two give other results on {found.differing}" in departing(
        found
    )


def test_a_value_outside_the_interval_of_an_order_is_found_in_the_library() -> None:
    told = ground("b", SEQUENTIAL)
    asked = replace(
        contest(view("a", SEQUENTIAL), view("b", SEQUENTIAL, told), told, predicate=Predicate("outside")),
        question="interval",
        bounds=lambda network, point: _interval(network, point),
    )
    found = compare(asked, runner(b=lambda row, output: PAIRWISE)).divergence
    assert found is not None
    ((low, high),) = found.reference.interval
    assert not low <= found.deployed.logits[0] <= high
    assert found.deployed.measured


def _interval(network, point):
    from fpsynth.verifiers.intervals import finite_bounds, network_intervals

    return finite_bounds(network_intervals(network, tuple((x, x) for x in point), FLOAT32, Deployment(SEQUENTIAL), ""))


def test_real_arithmetic_is_no_library() -> None:
    told = ground("b", SEQUENTIAL)
    asked = contest(view("a", REAL), view("b", SEQUENTIAL, told), told)
    assert "is no library" in compare(asked, runner(b=lambda row, output: PAIRWISE)).not_made


def test_a_reveal_of_another_version_or_machine_is_not_run_here() -> None:
    told = ground("b", SEQUENTIAL)
    numpy = replace(told.reveal.kernel.environment, library="numpy", operation="matmul")
    here = replace(told.reveal, kernel=replace(told.reveal.kernel, environment=numpy), version=library_named("numpy").version())
    assert elsewhere(replace(told, reveal=replace(here, facts=cpu()))) == ""
    assert "is installed here" in elsewhere(replace(told, reveal=replace(here, version="0.1")))
    assert "another processor" in elsewhere(replace(told, reveal=replace(here, facts={"cpu": "abacus"})))
