"""What tests of mixed-integer programs share: solvers that are there, the published tie, and one question to a solver."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from witnesses import W1, W2

from fpsynth.networks.layers import Dense
from fpsynth.networks.network import Network, dense_relu
from fpsynth.packages import package_version
from fpsynth.verifiers import Ball, Box
from fpsynth.verifiers.milp import solving
from fpsynth.verifiers.milp.encoding import encoded
from fpsynth.verifiers.milp.model import Solution
from fpsynth.verifiers.milp.questions import questioned
from fpsynth.verifiers.milp.settings import MilpSettings
from fpsynth.verifiers.properties import Inequality, Property, one_class
from fpsynth.verifiers.relaxations.crown import analysed
from fpsynth.verifiers.relaxations.prepared import prepared
from fpsynth.verifiers.relaxations.reasoning import REAL as EXACT
from fpsynth.verifiers.relaxations.reasoning import Reasoning
from fpsynth.verifiers.relaxations.region import inputs_of

PACKAGES = {"highs": "highspy", "scip": "pyscipopt"}
needs = {
    solver: pytest.mark.skipif(
        package_version(package) is None or package_version("scipy") is None, reason=f"needs {package} and scipy"
    )
    for solver, package in PACKAGES.items()
}
SOLVERS = [pytest.param(solver, marks=mark) for solver, mark in needs.items()]
both = pytest.mark.parametrize("solver", SOLVERS)
TIE = dense_relu([Dense([[W1], [W2]])])
TIE_BOX = Box((0.1579,), (0.2364,))
TIED = one_class(1, 2)
"""Unsafe where output 0 is at least as large: Y_1 <= Y_0."""
SLACK = 1e-5
"""How far optima of these networks may be off at tolerances of 1e-9, and verdicts are not compared."""


def asked(
    network: Network, region: Box | Ball, conjunction: Property, settings: MilpSettings, reasoning: Reasoning = EXACT
) -> Solution:
    """What a solver says of one conjunction."""
    known, inputs = prepared(network, reasoning), inputs_of(region, reasoning)
    program = encoded(known, inputs, analysed(known, inputs))
    rows, bounds = conjunction.rows(known.outputs)
    centre = (inputs.box.lower + inputs.box.upper) / 2
    model = questioned(program, rows, np.array([float(b) for b in bounds]), centre, settings, ball=settings.solver == "scip")
    return solving.solved(model, settings.solver, settings.tolerance)


def inequality(coefficients: Sequence[float], bound: float = 0.0) -> Inequality:
    """sum of coefficient * output <= bound."""
    return Inequality(tuple((k, Fraction(c)) for k, c in enumerate(coefficients)), Fraction(bound))


def largest_side(conjunction: Sequence[Inequality], logits: Sequence[Fraction]) -> Fraction:
    """Of the left sides, each less its bound."""
    return max(sum((c * logits[k] for k, c in one.coefficients), -one.bound) for one in conjunction)
