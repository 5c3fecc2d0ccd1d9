"""A proof by engines names them with version, encoding, seed and time, in the report and the JSON of every question."""

from __future__ import annotations

import json

import pytest
from rendered import report

from fpsynth import api
from fpsynth.report.results import result_json
from fpsynth.report.stories.proofs import proof_json, proof_lines
from fpsynth.solvers.engines import ENGINES
from fpsynth.synthesis.proofs import versions_used
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.verdicts import Proof, Refutation, Verdict

RUNS = (Refutation("bitwuzla", "0.9.1", "significands", 3, 1.25), Refutation("z3", "", "fp", 0, 3.0))
PROOF = Proof("no such weights exist", "refutation", {"terms": 2}, RUNS)
SAID = "its negation is unsat: bitwuzla 0.9.1 (significands, seed 3, 1.25 s) and z3 (fp, seed 0, 3 s)"


def test_the_engines_of_a_refutation_are_named():
    assert proof_lines(PROOF) == ["no such weights exist", SAID]
    told = proof_json(PROOF)
    assert told is not None
    assert (told["statement"], told["method"], told["terms"]) == ("no such weights exist", "refutation", 2)
    first = {"engine": "bitwuzla", "version": "0.9.1", "encoding": "significands", "seed": 3, "seconds": 1.25}
    assert told["engines"][0] == first
    assert proof_json(None) is None


@pytest.mark.parametrize("question", ["order", "interval", "relu", "precision"])
def test_the_report_of_every_question_about_arithmetics_names_them(question):
    result = Result(question, Verdict.IMPOSSIBLE, (), PROOF.statement, PROOF, (), 0.5, 1.25, {})
    assert SAID in " ".join(report(result).split())
    assert result_json(result)["proof"] == proof_json(PROOF)


def test_a_tie_has_them_in_the_same_form():
    result = Result("tie", Verdict.IMPOSSIBLE, (), PROOF.statement, PROOF, (), 0.5, 1.25, {}, versions={"z3-solver": "4.16"})
    data = json.loads(json.dumps(result_json(result)))
    assert (data["proof"], data["versions"]) == (proof_json(PROOF), {"z3-solver": "4.16"})
    assert SAID in " ".join(report(result).split())


def test_what_engines_refute_says_who_they_are():
    for package in ("z3", "bitwuzla"):
        pytest.importorskip(package)
    tiny = {"dtype": "float8_e5m2", "terms": 3, "weights": "1:1.75", "inputs": "1:1"}
    result = api.order("sequential", "reverse", **tiny, predicate="gap", gap=2, replay=False)
    assert (result.verdict, result.proof.method) == (Verdict.IMPOSSIBLE, "refutation"), result.reason
    assert len({run.engine for run in result.proof.engines}) >= 2
    text = " ".join(report(result).split())
    for run in result.proof.engines:
        assert run.version == ENGINES[run.engine].available()
        assert run.version in result.versions.values()
        assert f"{run.engine} {run.version} ({run.encoding}, seed {run.seed}" in text
    assert json.loads(json.dumps(result_json(result)))["versions"] == result.versions


@pytest.mark.parametrize("ask", [api.order, api.interval, api.precision])
def test_the_provenance_of_every_question_records_what_was_used(ask):
    (found,) = ask(replay=False).witnesses
    assert {"fpsynth", "python", "numpy"} <= set(found.provenance.versions)


def test_libraries_that_ran_it_stand_in_the_provenance():
    result = api.interval(libraries=("numpy",), batches=(1,))
    (found,) = result.witnesses
    (version,) = {seen.version for seen in found.observations}
    assert found.provenance.versions["numpy"] == result.versions["numpy"] == version


def test_engines_of_our_own_have_no_package():
    assert set(versions_used(["sampling", "construction", "exhaustive"])) == {"fpsynth", "python", "numpy"}
