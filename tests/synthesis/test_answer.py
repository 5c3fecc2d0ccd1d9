"""Answers: found with a solution, impossible with a proof of the very question, unknown with a reason."""

from dataclasses import replace
from fractions import Fraction

import pytest
from profiles import slow
from rendered import report
from tie_questions import E4P4, E5P3, best, question

from fpsynth import api
from fpsynth.evaluators.recheck import failures
from fpsynth.formats import FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64
from fpsynth.rounding import Rounding
from fpsynth.solvers.engines import ENGINES, engines_named
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.ties.answer import _optimal, answer
from fpsynth.synthesis.ties.certification import Certification
from fpsynth.synthesis.ties.question import build
from fpsynth.synthesis.ties.run import Wanted, run_tie
from fpsynth.synthesis.ties.search import objective_bounds
from fpsynth.synthesis.verdicts import Proof, Verdict

ALL = tuple(ENGINES.values())


def settings(seconds=30.0, engines=ALL, **changes):
    return Settings(engines, seconds=seconds, jobs=2, **changes)


def accept(assignment):
    return ""


def certified(asked):
    return Certification(asked, "lipschitz-exact").judge


def test_the_default_question_is_answered_at_the_largest_ratio():
    asked = question(FLOAT32)
    said = answer(asked, settings(), certified(asked))
    assert said.verdict is Verdict.FOUND
    assert failures(build(asked), said.found.assignment) == []
    assert objective_bounds(asked, said.found.assignment, "ratio") == (2**24, 2**24)


@pytest.mark.parametrize("objective", ["ratio", "radius", "distance", "margin"])
def test_a_proved_optimum_of_a_small_format_is_that_of_looking_at_everything(objective):
    asked = question(FLOAT8_E5M2, objective=objective)
    said = answer(asked, settings(), certified(asked), prove=True)
    assert said.verdict is Verdict.FOUND
    assert said.upper_bound == best(asked)
    assert said.proof.method == "exhaustive"
    assert said.reason == said.proof.statement


def test_a_bound_that_a_failed_step_leaves_makes_nothing_optimal():
    asked = question(FLOAT8_E5M2, objective="distance")
    said = answer(asked, settings(), certified(asked), prove=True)
    assert said.optimal
    beyond = Proof("no distance of so much or more", "refutation", {})
    assert not _optimal(asked, replace(said, proof=beyond, upper_bound=said.upper_bound * Fraction(5, 4)))
    assert _optimal(asked, replace(said, proof=beyond))
    assert not _optimal(asked, replace(said, proof=None))


@slow  # the statement of the next one, where it is proved
def test_what_is_proved_by_frobenius_norms_is_no_bound_of_what_a_witness_says():
    """Its ratio is by spectral norms: another tie of the same domain has 19.692."""
    asked = question(FLOAT8_E5M2, "1.5:1.75", "1:1.75", shape=(2, 2, 2))
    said = answer(asked, settings(60.0), accept, prove=True)
    assert said.verdict is Verdict.FOUND
    assert (said.optimal, said.upper_bound) == (False, None)
    if said.proof is not None:
        assert "ratio above 19.634303714497946" in said.proof.statement
        assert "where Frobenius norms bound" in said.proof.statement


def test_what_is_proved_of_several_arithmetics_or_with_a_hidden_layer_makes_nothing_optimal():
    """A witness's ratio is that of the first arithmetic, and by spectral norms."""
    asked = question(FLOAT8_E5M2, objective="distance")
    said = answer(asked, settings(), certified(asked), prove=True)
    assert _optimal(asked, said)
    two = replace(asked, deployments=(*asked.deployments, Deployment(Arithmetic(FLOAT8_E5M2, fused=True))))
    assert not _optimal(two, said)
    assert not _optimal(replace(asked, shape=(2, 2, 2)), said)


@slow
def test_a_tie_with_a_hidden_layer_is_not_accused_by_its_own_optimum():
    found = api.tie(
        "float8_e5m2",
        shape=(2, 2, 2),
        weights="1:1.25",
        inputs="1:1.75",
        prove=True,
        certifier="lipschitz",
        timeout=60,
        replay=False,
    )
    (witness,) = found.witnesses
    assert check(witness).confirmed
    assert "largest possible" not in report(found)


def test_a_ratio_above_the_maximum_is_impossible_in_float16_with_its_proof():
    said = answer(question(FLOAT16, min_ratio=2049), settings(), accept)
    assert said.verdict is Verdict.IMPOSSIBLE
    assert said.proof.method == "exhaustive"
    assert "of ratio 2049 or more" in said.proof.statement
    assert said.proof.details["weight_pairs"] > 6000
    assert len(said.proof.engines) >= 1  # an engine seconds what our own enumeration says


def test_an_enumeration_that_no_engine_confirms_is_not_called_impossible():
    said = answer(question(FLOAT8_E5M2, min_ratio=9), settings(10.0, (ENGINES["sampling"],)), accept, prove=True)
    assert said.verdict is Verdict.UNKNOWN
    assert said.proof is None
    assert "no engine confirmed" in said.reason


def test_and_in_float32_by_the_theorem_that_two_engines_prove():
    pytest.importorskip("bitwuzla")
    pytest.importorskip("cvc5")
    said = answer(question(FLOAT32, min_ratio=2**24 + 1, mode=Rounding.RTZ), settings(), accept)
    assert said.verdict is Verdict.IMPOSSIBLE
    assert said.upper_bound == 2**24
    assert said.proof.method == "ratio-bound"
    assert len({run.engine for run in said.proof.engines}) == 2
    assert "float32 sequential RTZ" in said.proof.statement
    assert str(2**24) in said.proof.statement


@slow
def test_a_ratio_that_only_upward_rounding_allows_is_found_there():
    # 2**11 was once held to be the bound in every mode
    said = answer(question(FLOAT16, min_ratio=3000, mode=Rounding.RTP), settings(), accept)
    assert said.verdict is Verdict.FOUND


@slow  # that an enumeration ends without one is shown above
def test_and_none_beyond_that():
    assert answer(question(FLOAT16, min_ratio=3073, mode=Rounding.RTP), settings(), accept).verdict is Verdict.IMPOSSIBLE


@pytest.mark.parametrize("shape", [(1, 2), (3, 2), (2, 3, 2)])
@pytest.mark.parametrize("ranges", [("0.5:0.5", "0.1:1"), ("0.1:1", "0.5:0.5")], ids=str)
def test_a_contradictory_domain_is_impossible_at_once(shape, ranges):
    said = answer(question(FLOAT64, *ranges, shape=shape), settings(), accept)
    assert said.verdict is Verdict.IMPOSSIBLE
    assert said.proof.method == "contradictory domain"
    assert said.attempts == []


def test_impossible_by_two_engines_speaks_of_the_demanded_ratio():
    pytest.importorskip("bitwuzla")
    pytest.importorskip("cvc5")
    asked = question(E4P4, "1.25:1.5", "1.5:1.75", shape=(1, 3), min_ratio=17)  # there are ties, of ratio 16
    assert best(replace(asked, shape=(1, 2), min_ratio=Fraction(1))) == 16
    said = answer(asked, settings(), accept)
    assert said.verdict is Verdict.IMPOSSIBLE
    assert said.proof.method == "refutation"
    assert "of ratio 17 or more" in said.proof.statement
    assert "e4p4 sequential" in said.proof.statement


def test_impossible_with_hidden_layers_says_that_it_is_relative_to_frobenius_norms():
    pytest.importorskip("bitwuzla")
    pytest.importorskip("cvc5")
    asked = question(E5P3, "1:1.5", "1:1.5", shape=(1, 1, 2), min_ratio=100)
    said = answer(asked, settings(), accept)
    assert said.verdict is Verdict.IMPOSSIBLE
    assert "Frobenius norms" in said.proof.statement
    assert "shape 1,1,2" in said.proof.statement


def _at_once():
    asked = question(E4P4, "1.25:1.5", "1.5:1.75")
    return replace(asked, deployments=(*asked.deployments, Deployment(Arithmetic(E4P4, rounding=Rounding.RTZ))))


def test_impossible_in_two_arithmetics_at_once_says_so():
    pytest.importorskip("bitwuzla")
    pytest.importorskip("cvc5")
    said = answer(_at_once(), settings(), accept)
    assert said.verdict is Verdict.IMPOSSIBLE
    assert "in e4p4 sequential and e4p4 sequential RTZ" in said.proof.statement


@pytest.mark.parametrize("prove", [pytest.param(False, marks=slow), True])
def test_and_says_nothing_of_the_one_that_was_asked_for(prove):
    result = run_tie(_at_once(), settings(), Wanted("lipschitz-exact", prove=prove))
    assert result.verdict is Verdict.FOUND
    assert result.proof is None or "RTZ" not in result.proof.statement
    assert result.witnesses[0].ratio == 16


def test_two_deployments_that_agree_are_answered_in_both():
    asked = question(FLOAT16, shape=(2, 2), robust=True)
    said = answer(asked, settings(improvement=0.5), certified(asked))
    assert said.verdict is Verdict.FOUND
    for deployment in asked.deployments:
        assert failures(build(replace(asked, deployments=(deployment,))), said.found.assignment) == []


def test_what_is_too_hard_is_unknown_with_a_reason():
    asked = question(FLOAT32, "0.5:0.50001", min_ratio=2**24)
    said = answer(asked, settings(1.0, engines_named("z3")), accept)
    assert said.verdict is Verdict.UNKNOWN
    assert "time limit" in said.reason
    assert (said.found, said.proof) == (None, None)


def test_sampling_alone_never_proves_anything():
    said = answer(question(FLOAT32, min_ratio=2**25), settings(0.7, engines_named("sampling")), accept)
    assert said.verdict is Verdict.UNKNOWN
    assert said.proof is None
    assert "did not end in time" in said.reason


@slow  # that engines are counted is tried in tests/solvers/test_race.py
def test_one_engine_alone_proves_nothing_either():
    asked = question(E4P4, "1.25:1.5", "1.5:1.75", min_ratio=17)
    said = answer(asked, settings(2.5, engines_named("z3")), accept)
    assert said.verdict is Verdict.UNKNOWN
    assert "2 engines must agree" in said.reason


def test_solutions_that_the_certifier_rejects_are_no_answer():
    # its 16 decimals turn the Lipschitz bound 2**-112 into 1e-12 and more: nothing is certified
    asked = question(FLOAT64, "1e-18:2e-18")
    said = answer(asked, settings(1.2, engines_named("sampling")), certified(asked))
    assert said.verdict is Verdict.UNKNOWN
    assert said.reason.startswith("the certifier itself rejects what the query allows: its radius")
    assert sum(attempt.status == "sat" for attempt in said.attempts) > 1
    assert Certification(asked, "lipschitz").judge(answer(asked, settings(), accept).found.assignment) == ""


def test_a_rejected_optimum_of_the_enumeration_does_not_end_the_search():
    asked = question(FLOAT8_E4M3FN)
    seen = []

    def only_later(assignment):
        seen.append(assignment)
        return "" if len(seen) > 1 else "no"

    said = answer(asked, settings(10.0), only_later, prove=True)
    assert said.verdict is Verdict.FOUND
    assert said.upper_bound == best(asked)
    assert len(seen) > 1


def test_an_enumeration_that_runs_out_of_time_proves_nothing():
    said = answer(question(FLOAT16, min_ratio=2049), settings(0.2), accept)
    assert said.verdict is Verdict.UNKNOWN
    assert said.proof is None
    assert said.upper_bound is None


@pytest.mark.parametrize("engines", [ALL, ALL[:1]], ids=["enumerated", "raced"])
def test_a_larger_objective_is_looked_for_and_its_bound_is_never_contradicted(engines):
    asked = question(FLOAT8_E5M2, "0.1:1", "0.1:1", objective="radius")
    said = answer(asked, settings(10.0, engines, improvement=0.7), certified(asked))
    assert said.verdict is Verdict.FOUND
    assert objective_bounds(asked, said.found.assignment, "radius")[0] <= best(asked)
    assert said.upper_bound is None or said.upper_bound >= best(asked)
