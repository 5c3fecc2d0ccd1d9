"""Mixed-integer programming as a verifier of balls and boxes: a model of the verifiers that rest on such solvers.

Nothing is proved.  HiGHS and SCIP compute in floating point, call a row kept that is off by a tolerance, leave small entries
out and add and divide rows before they begin: ``unsat`` means that a solver says so.  A margin above what its tolerances can
move makes that likelier, not certain: how far an error travels through a network nothing bounds here.  What ``sat`` says is
certain: the solver's point is evaluated without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.packages import package_version
from fpsynth.sums.arithmetic import Deployment
from fpsynth.verifiers.asked import ball_in, box_in, in_time
from fpsynth.verifiers.claims import Ball, Claim, Region
from fpsynth.verifiers.milp.encoding import Encoded, encoded
from fpsynth.verifiers.milp.model import Solution
from fpsynth.verifiers.milp.questions import questioned
from fpsynth.verifiers.milp.settings import NAME, SOLVERS, MilpSettings, settings_named
from fpsynth.verifiers.milp.solving import solved
from fpsynth.verifiers.properties import Inequality, Property, one_class
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier, class_at, exact_ends, of_two_classes, prepared_for
from fpsynth.verifiers.relaxations.asked import BoundQuestion, Outcome, middle
from fpsynth.verifiers.relaxations.branching import below
from fpsynth.verifiers.relaxations.crown import Analysis, analysed, least_rows
from fpsynth.verifiers.relaxations.ends import Ends
from fpsynth.verifiers.relaxations.formats import require_read
from fpsynth.verifiers.relaxations.reasoning import Reasoning
from fpsynth.verifiers.relaxations.region import inputs_of
from fpsynth.version import __version__
from fpsynth.workers.deadlines import OutOfTimeError, require_time

INSIDE = 1 - 1e-12
"""What a point outside a ball is pulled to, of its radius."""
Conjunction = tuple[Inequality, ...]
CLEAR = 1e4
"""Tolerances by which CROWN excludes a conjunction of which no solver is asked.  What it excludes by less is the solver's,
whose objective and tolerance then decide.  (Tjeng, Xiao and Tedrake leave out classes that intervals exclude.)"""


@dataclass(frozen=True)
class MilpVerifier:
    """A mixed-integer program per conjunction as a ``base.Verifier``.

    ``solver``, ``objective``, ``tolerance`` and ``margin`` decide what it says: see ``settings.MilpSettings``.  ``unsat`` where
    the solver says of every conjunction that it cannot hold (feasibility, closest), or that its worst margin, by the bound
    that the solver has, is above ``margin``.  Strict inequalities are asked about as those that are not.

    Only conjunctions that CROWN does not exclude clearly are the solver's.
    Big-M bounds are CROWN's, in ``reasoning``: of exact values with all that float64 rounds on top, or of what runs with what
    that rounds as room in every row.  A ball is given to SCIP as it is, to HiGHS as the box around it.
    """

    reasoning: Reasoning
    solver: str = "highs"
    objective: str = "worst margin"
    tolerance: float = 1e-7
    margin: float = 0.0
    name: str = field(default=NAME)

    def __post_init__(self) -> None:
        _ = self.settings  # which refuses what is not accepted

    @cached_property
    def settings(self) -> MilpSettings:
        """What it asks."""
        return MilpSettings(self.solver, self.objective, self.tolerance, self.margin)

    @property
    def reasons_in(self) -> Deployment | Format:
        """As of any verifier by relaxation."""
        return RelaxationVerifier(self.name, self.reasoning).reasons_in

    def verify(self, network: Network, region: Region, unsafe: Property | None = None, *, budget: float | None = None) -> Claim:
        """See ``base.Verifier``.  The solver's process is killed where the budget is over."""
        region = (ball_in if isinstance(region, Ball) else box_in)(network, region, self.name)
        require_read(network, region, self.reasoning)
        return in_time(self.name, region, budget, lambda: self._claim(network, region, unsafe))

    def _claim(self, network: Network, region: Region, unsafe: Property | None) -> Claim:
        require_time()
        SOLVERS[self.solver].module()
        known, inputs = prepared_for(network, self.reasoning), inputs_of(region, self.reasoning)
        analysis = analysed(known, inputs)
        outputs = analysis.output(known)
        label = None
        if unsafe is None:
            if known.outputs < 2:
                return self._said(region, ("unknown", (), "a network with one output has no classes"), outputs)
            label = class_at(known, inputs)
            unsafe = one_class(label, known.outputs)
        unsafe.require(known.outputs)
        if not all(np.isfinite(end).all() for ends in analysis.found.values() for end in (ends.lower, ends.upper)):
            return self._said(region, ("unknown", (), "an end of an interval is infinite or NaN"), outputs)
        asked = BoundQuestion(network, known, region, inputs, unsafe)
        open_ones = self._open_ones(asked, analysis)
        if not open_ones:
            return self._said(region, ("unsat", (), ""), outputs)
        outcome = self._outcome(asked, open_ones, encoded(known, inputs, analysis))
        return self._said(region, outcome if label is None else of_two_classes(asked, label, outcome), outputs)

    def _open_ones(self, asked: BoundQuestion, analysis: Analysis) -> list[Conjunction]:
        """Those that CROWN does not exclude clearly."""
        least = below(asked, least_rows(asked.known, asked.inputs, analysis, asked.rows()), analysis.output(asked.known))
        room = max(self.margin, CLEAR * self.tolerance)
        clear = {
            one
            for one, value in zip(asked.unsafe.inequalities, least.tolist(), strict=True)
            if one.excluded_by(value) and value - one.near_bound > room
        }
        return [conjunction for conjunction in asked.unsafe.unsafe if not clear.intersection(conjunction)]

    def _said(self, region: Region, outcome: Outcome, outputs: Ends) -> Claim:
        verdict, point, reason = outcome
        packages = ("numpy", "scipy", SOLVERS[self.solver].package)
        versions = {"fpsynth": __version__, **{name: package_version(name) or "" for name in packages}}
        return Claim(self.name, region, verdict, None, versions, exact_ends(outputs), point, reason)

    def _outcome(self, asked: BoundQuestion, conjunctions: Sequence[Conjunction], program: Encoded) -> Outcome:
        """One conjunction after the other, up to the first that a point makes true."""
        open_ones: list[Outcome] = []
        for conjunction in conjunctions:
            require_time()
            outcome = self._decided(asked, program, conjunction)
            if outcome[0] == "sat":
                return outcome
            if outcome[0] == "unknown":
                open_ones.append(outcome)
        return open_ones[0] if open_ones else ("unsat", (), "")

    def _decided(self, asked: BoundQuestion, program: Encoded, conjunction: Conjunction) -> Outcome:
        if not conjunction:  # all outputs are unsafe
            point = asked.violation([middle(asked.inputs)])
            return ("sat", point, "") if point else ("unknown", (), "the middle of the region cannot be read")
        one = Property((conjunction,))
        rows, _ = one.rows(asked.known.outputs)
        numbers = np.array([inequality.near_bound for inequality in one.inequalities])
        model = questioned(program, rows, numbers, middle(asked.inputs), self.settings, ball=SOLVERS[self.solver].quadratic)
        solution = solved(model, self.solver, self.tolerance)
        if self._excluded(solution):
            return "unsat", (), ""
        if solution.point is not None and (point := asked.violation(self._points(asked, program, solution.point))):
            return "sat", point, ""
        if solution.status == "time":
            raise OutOfTimeError
        return "unknown", (), self._open(solution)

    def _excluded(self, solution: Solution) -> bool:
        """Whether the solver says that the conjunction cannot hold."""
        if solution.status == "infeasible":
            return True
        return self.objective == "worst margin" and solution.bound > self.margin

    def _points(self, asked: BoundQuestion, program: Encoded, solved: Floats) -> list[Floats]:
        """The solver's inputs, cut to the region."""
        inputs = asked.inputs
        point = np.clip(solved[program.inputs], inputs.box.lower, inputs.box.upper)
        if inputs.centre is None:
            return [point]
        away = point - inputs.centre
        distance = float(np.sqrt((away**2).sum()))
        nearer = min(1.0, INSIDE * inputs.radius / distance) if distance else 1.0
        return [point, inputs.centre + nearer * away]

    def _open(self, solution: Solution) -> str:
        """Why nothing is said."""
        if solution.status == "unclear":
            return f"{self.solver} gives no answer: {solution.words}"
        optimal = "optimal" if self.objective == "worst margin" else "feasible"
        words = optimal if solution.status == "optimal" else solution.words
        says = f"{self.solver} says {words} at a tolerance of {self.tolerance:g}"
        if solution.point is None:
            return f"{says}, and no point"
        if self.objective == "worst margin":
            says += f", with a worst margin of {solution.value:.6g}"
            if solution.value > 0 and solution.bound <= self.margin:
                return f"the worst margin is not above {self.margin:g}: {says}"
        return f"the solver's point does not violate the property exactly: {says}"


def milp_verifier(name: str, reasoning: Reasoning) -> MilpVerifier:
    """The verifier of a name such as milp:scip,tolerance=1e-9.  Raises InputError."""
    found = settings_named(name)
    return MilpVerifier(reasoning, found.solver, found.objective, found.tolerance, found.margin, name)
