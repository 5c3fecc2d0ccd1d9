"""The exact re-check of a witness: every claim of the file computed again, without a solver."""

from __future__ import annotations

import math
from collections.abc import Iterator

from fpsynth.errors import InputError
from fpsynth.synthesis.checking.box import box_findings
from fpsynth.synthesis.checking.claims import Balls
from fpsynth.synthesis.checking.findings import CheckResult, Finding, Findings, NotChecked, narrow_accumulators, origin, wording
from fpsynth.synthesis.checking.observations import observation_findings, unchecked_runs
from fpsynth.synthesis.checking.optimum import objective_findings, optimum_findings
from fpsynth.synthesis.checking.predictions import (
    Predictions,
    departures,
    exactly,
    listed,
    named,
    predictions,
    promises,
    real_logits,
)
from fpsynth.synthesis.checking.reach import require_checkable
from fpsynth.synthesis.checking.views import construction_findings, label_findings, network_findings, tie_findings
from fpsynth.synthesis.table import WITNESSED
from fpsynth.synthesis.ties.question import OBJECTIVES
from fpsynth.witness.data import Witness
from fpsynth.witness.kinds import misplaced
from fpsynth.witness.prediction import arithmetics

__all__ = ["CheckResult", "Finding", "NotChecked", "check"]


def check(witness: Witness) -> CheckResult:
    """Compute everything that a witness claims again, exactly, apart from what only libraries or solvers can say.

    What is not computed is listed with the reason (``CheckResult.not_checked``).  What a file does not say is not held against
    it.  Logits that were measured are taken as they stand, and nothing that rests on them is confirmed.  Raises InputError
    where a claim about a ball cannot be computed at all: an unknown verifier, a logit that is infinite or NaN; and
    BeyondReachError, before anything is evaluated, where that would take far longer than there is time (``reach.py``).
    """
    require_checkable(witness)
    found = predictions(witness)
    balls = _balls(witness, found) if witness.two_points else None
    real = real_logits(witness)
    outcome = [
        *_question(witness),
        *found.findings,
        *exactly(witness, real),
        *departures(witness, found),
        *promises(witness, real),
        *(_claims(balls) if balls else ()),
        *(observation_findings(witness, balls) if balls else ()),
        *network_findings(witness),
        *_words(witness, found, balls),
        *_measured(witness),
        *(() if balls else observation_findings(witness, None)),
        *(() if balls else unchecked_runs(witness)),
        *origin(witness.provenance),
    ]
    return CheckResult(
        findings=tuple(entry for entry in outcome if isinstance(entry, Finding)),
        radius_ratio=math.nan if balls is None else balls.radius_ratio,
        supremum_ratio=math.nan if balls is None else balls.ratio,
        not_checked=tuple(entry for entry in outcome if isinstance(entry, NotChecked)),
        measured=tuple(view.name for view in witness.views if view.measured or view.network not in (None, witness.network)),
    )


def _question(witness: Witness) -> Findings:
    if witness.two_points and witness.question != "tie":
        yield Finding("the question is that of a tie", False, f"it is {witness.question}")
    for name, reason in misplaced(witness):
        yield Finding("a witness holds only what belongs to its kind", False, f"{name} {reason}")
    asked = WITNESSED.get(witness.question)
    if not witness.two_points and (asked is None or witness.predicate.kind not in asked.predicates):
        claim = f"the question is one that is asked with the predicate {witness.predicate.kind}"
        yield Finding(claim, False, f"it is {witness.question}")


def _balls(witness: Witness, found: Predictions) -> Balls:
    """What is claimed of the ball around the reference's point, from the logits that the two views predict."""
    if not witness.claims:
        raise InputError("claims: a witness of two points refutes a claim, and there is none")
    at, other = (found.logits.get(view.name) for view in (witness.reference, witness.deployed))
    if at is None or other is None:
        raise InputError("a logit is infinite or NaN in the witness's own arithmetic: nothing can be certified")
    return Balls(witness, [float(v) for v in at], [float(v) for v in other])


def _claims(balls: Balls) -> Findings:
    yield from balls.claim()
    yield from balls.negative_control()
    yield from balls.certificates()
    yield from balls.numbers()


def _words(witness: Witness, found: Predictions, balls: Balls | None) -> Findings:
    """Labels, the objective, the box, the construction and what is said to be proved."""
    measure = witness.measure
    if balls is not None:
        yield from _description(witness)
        yield from tie_findings(witness)
        yield from objective_findings(witness.objective, OBJECTIVES)
        yield from optimum_findings(witness.optimum, balls.reached())
        yield from unchecked_runs(witness)
        yield from narrow_accumulators(arithmetics(witness.deployed))
        return
    for view in witness.views:
        yield from label_findings(witness, view)
    yield from narrow_accumulators(how for view in witness.views for how in arithmetics(view))
    if len(found.logits) == len(witness.views) and not any(view.measured for view in witness.views):
        yield from box_findings(witness)
    yield from construction_findings(witness)
    yield from optimum_findings(witness.optimum, {"measure": measure, "gap": measure, "difference": measure})


def _description(witness: Witness) -> Findings:
    """The labels of a tie's views: its arithmetic in words."""
    expected = str(witness.deployment)
    placed = [view for view in witness.views if view.environment and view.label == view.environment]
    for view in placed:
        yield from (entry for entry in label_findings(witness, view) if isinstance(entry, Finding))
    for label in dict.fromkeys(view.label for view in witness.views if view not in placed):
        former = expected.endswith("with 1 exception") and label == expected + "s"  # as 0.1.0 wrote it at first
        described = wording("the description of the arithmetic", expected if former else label, expected, witness.provenance)
        if described is not None:
            yield described


def _measured(witness: Witness) -> Iterator[NotChecked]:
    """Logits that no arithmetic gives which is known."""
    reason = "no arithmetic that is known gives them: only running it again can check them, and what follows (fpsynth replay)"
    for view in witness.views:
        if view.measured:
            yield NotChecked(f"the logits of {named(view)}, which were measured: {listed(view.logits)}", reason)
