"""The published tie, asked as mixed-integer programs: the objective and the tolerance decide what is said of it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from milp_asked import TIE, TIE_BOX, TIED, asked, both, needs
from witnesses import W1, W2

from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import Network, dense_relu
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.verifiers import Box, verifier
from fpsynth.verifiers.milp import solving
from fpsynth.verifiers.milp.encoding import encoded
from fpsynth.verifiers.milp.questions import questioned
from fpsynth.verifiers.milp.settings import MilpSettings
from fpsynth.verifiers.relaxations.crown import analysed
from fpsynth.verifiers.relaxations.prepared import prepared
from fpsynth.verifiers.relaxations.reasoning import REAL as EXACT
from fpsynth.verifiers.relaxations.region import inputs_of


def tie_verdict(name: str, network: Network = TIE) -> str:
    return verifier(name, Deployment(REAL)).verify(network, TIE_BOX, TIED).verdict


@needs["highs"]
def test_whether_the_tie_is_feasible_is_a_matter_of_tolerance_for_highs() -> None:
    claim = verifier("milp:feasibility,tolerance=1e-7", Deployment(REAL)).verify(TIE, TIE_BOX, TIED)
    assert claim.verdict == "unknown"
    assert claim.reason == (
        "the solver's point does not violate the property exactly: highs says feasible at a tolerance of 1e-07"
    )
    assert tie_verdict("milp:feasibility,tolerance=1e-9") == "unsat"


@needs["scip"]
def test_scip_divides_before_it_compares_with_its_tolerance() -> None:
    assert tie_verdict("milp:scip,feasibility,tolerance=1e-6") == "unsat"
    assert tie_verdict("milp:scip,feasibility,tolerance=1e-9") == "unsat"


@both
@pytest.mark.parametrize("tolerance", [1e-6, 1e-7, 1e-9])
def test_the_least_margin_of_the_tie_is_above_zero_whatever_the_tolerance(solver: str, tolerance: float) -> None:
    solution = asked(TIE, TIE_BOX, TIED, MilpSettings(solver, "worst margin", tolerance))
    exact = (Fraction(W2) - Fraction(W1)) * Fraction(0.1579)
    assert solution.status == "optimal"
    assert 9.41e-9 < float(exact) < 9.42e-9
    assert abs(solution.value - float(exact)) < 1e-13
    assert tie_verdict(f"milp:{solver},tolerance={tolerance}") == "unsat"
    claim = verifier(f"milp:{solver},tolerance={tolerance},margin=1e-8", Deployment(REAL)).verify(TIE, TIE_BOX, TIED)
    assert claim.verdict == "unknown"
    assert claim.reason.startswith("the worst margin is not above 1e-08: ")
    assert claim.reason.endswith("with a worst margin of 9.41157e-09")


@both
@pytest.mark.parametrize("objective", ["worst-margin", "feasibility", "closest"])
def test_with_a_larger_last_layer_every_one_certifies(solver: str, objective: str) -> None:
    larger = dense_relu([Dense([[W1 * 2**7], [W2 * 2**7]])])
    assert tie_verdict(f"milp:{solver},{objective}", larger) == "unsat"


@needs["highs"]
def test_with_room_for_what_float32_rounds_the_tie_is_not_excluded() -> None:
    claim = verifier("milp", Deployment(Arithmetic(FLOAT32))).verify(TIE, Box((0.15625,), (0.25,)), TIED)
    assert claim.verdict != "unsat"


@needs["scip"]
@pytest.mark.parametrize(("tolerance", "status"), [(1e-6, "optimal"), (1e-7, "optimal"), (1e-9, "infeasible")])
def test_with_bounds_of_the_logits_scip_too_goes_by_its_tolerance(tolerance: float, status: str) -> None:
    """What CROWN knows of them adds nothing over the reals, and yet turns what the solver says."""
    known, inputs = prepared(TIE, EXACT), inputs_of(TIE_BOX, EXACT)
    analysis = analysed(known, inputs)
    program, ends = encoded(known, inputs, analysis), analysis.output(known)
    for logit, low, high in zip(program.outputs.tolist(), ends.lower.tolist(), ends.upper.tolist(), strict=True):
        program.building.lower[logit], program.building.upper[logit] = low, high
    settings = MilpSettings("scip", "feasibility", tolerance)
    model = questioned(program, TIED.rows(2)[0], np.zeros(1), np.zeros(1), settings, ball=True)
    assert solving.solved(model, "scip", tolerance).status == status
