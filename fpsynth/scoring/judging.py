"""What an answer is worth on a labelled instance: the labels decide, and of ``sat`` the point that it names, run again.

Points are those of the VNN competition as its scoring scripts of 2026 count them (github.com/VNN-COMP/vnncomp2026_results,
SCORING/process_results.py and counterexamples.py): 10 for a correct sat or unsat, -150 for a wrong answer, which is a sat whose
counterexample is missing or does not replay in ONNX Runtime, and an unsat where a valid counterexample is known; 0 for unknown,
timeout and error.  A counterexample that replays no further than TOLERANCE outside the box is paid for as well, though it makes
no unsat wrong: so a false sat here may have 10 points there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fpsynth.aliases import PathLike
from fpsynth.corpus.instances.data import ANY, REAL, RUNTIME, SAT, UNSAT, Instance, Label
from fpsynth.corpus.labels.environments import Computed, computed_from
from fpsynth.corpus.labels.margins import violated
from fpsynth.corpus.labels.ordered import is_any
from fpsynth.errors import InputError
from fpsynth.verifiers.external.base import TIME, Said
from fpsynth.verifiers.external.judging import Evaluated, evaluate, why_false
from fpsynth.verifiers.properties import ExactBox

RIGHT, FALSE_SAT = "right", "false_sat"
FALSE_IN_FLOAT, FALSE_OVER_REALS = "false_unsat_float", "false_unsat_real"
UNKNOWN, TIMEOUT, ERROR = "unknown", "timeout", "error"
COLUMNS = (RIGHT, FALSE_SAT, FALSE_IN_FLOAT, FALSE_OVER_REALS, UNKNOWN, TIMEOUT, ERROR)
"""Of the scoreboard: each answer falls into one of them."""
WRONG = (FALSE_SAT, FALSE_IN_FLOAT, FALSE_OVER_REALS)
CORRECT_POINTS, WRONG_POINTS = 10, -150
TOLERANCE = Fraction(1e-4)
"""How far outside the box each input of a counterexample may lie in the competition, once it is a float32."""


@dataclass(frozen=True)
class JudgedAnswer:
    """The column that an answer falls into, and why."""

    column: str
    reason: str = ""
    """In one line."""
    points: int = 0
    """In the VNN competition."""


def judged(said: Said, instance: Instance, onnx: PathLike, semantics: str = "") -> JudgedAnswer:
    """What ``said`` is worth; ``onnx``: the instance's model as a file.

    ``semantics``: what the verdict is about, ANY or an environment; empty: verdicts of which nobody says that, held against
    exact arithmetic and against ONNX Runtime.  Raises InputError as ``external.judging.evaluate`` does.
    """
    if said.verdict == "unknown":
        column = TIMEOUT if said.cause == TIME else ERROR if said.cause else UNKNOWN
        return JudgedAnswer(column, said.reason)
    if said.verdict == "unsat":
        return _unsat(instance, semantics)
    if not said.point:
        return _bare(instance, semantics)
    if len(said.point) != len(instance.box.lower):
        return JudgedAnswer(FALSE_SAT, "its point has another length than the box", WRONG_POINTS)
    return _sat(instance, evaluate(instance.network, onnx, instance.box, instance.unsafe, said.named), semantics)


def _unsat(instance: Instance, semantics: str) -> JudgedAnswer:
    points = WRONG_POINTS if instance.verdict(RUNTIME) == SAT else CORRECT_POINTS
    labels = held_against(instance, semantics)
    against = next((label for label in labels if label.verdict == SAT), None)
    if against is not None:
        column = FALSE_OVER_REALS if against.semantics == REAL else FALSE_IN_FLOAT
        return JudgedAnswer(column, f"in {against.semantics} the witness is unsafe ({against.basis})", points)
    wanted = {semantics} if semantics else {REAL, RUNTIME}
    missing = sorted(wanted - {label.semantics for label in labels})
    if missing:
        return JudgedAnswer(
            UNKNOWN, f"unsat, and the corpus has no label of {' and '.join(missing)} to hold it against", points
        )
    return JudgedAnswer(RIGHT, "proved" if not semantics else f"proved in {semantics}", points)


def held_against(instance: Instance, semantics: str) -> Sequence[Label]:
    """The labels that an ``unsat`` contradicts where they are ``sat``, the reals first."""
    if not semantics:
        found = (instance.label(REAL), instance.label(RUNTIME))
        return [label for label in found if label is not None]
    if semantics == ANY:  # of every evaluation in float32: of those that are labelled, too
        return [label for label in instance.labels if label.semantics == ANY or _is_any(label, instance)]
    return [label for label in instance.labels if label.semantics == semantics]


def _is_any(label: Label, instance: Instance) -> bool:
    computed = _order(label, instance)
    return computed is not None and is_any(computed, instance.network.logits)


def _order(label: Label, instance: Instance) -> Computed | None:
    """The arithmetic of a label; None where it records none."""
    try:
        return None if label.computed is None else computed_from(label.computed, instance.network, label.semantics)
    except InputError:
        return None


def _bare(instance: Instance, semantics: str) -> JudgedAnswer:
    """``sat`` without a point: false where no label knows one, else it shows nothing."""
    labels = held_against(instance, semantics)
    if labels and all(label.verdict == UNSAT for label in labels):
        return JudgedAnswer(FALSE_SAT, "nothing in the box is unsafe, and it names no point", WRONG_POINTS)
    return JudgedAnswer(UNKNOWN, "sat, and it names no point: that shows nothing", WRONG_POINTS)


def _sat(instance: Instance, one: Evaluated, semantics: str) -> JudgedAnswer:
    points = CORRECT_POINTS if _replays(instance, one) else WRONG_POINTS
    if not semantics and one.violates:
        return JudgedAnswer(RIGHT, "its point is unsafe in exact arithmetic", points)
    if semantics in ("", ANY, RUNTIME) and one.violates_deployed:
        return JudgedAnswer(RIGHT, f"its point is unsafe in ONNX Runtime {one.version}", points)
    labels = held_against(instance, semantics) if semantics else []
    where = next((label.semantics for label in labels if _unsafe_in(label, instance, one)), "")
    if where:
        return JudgedAnswer(RIGHT, f"its point is unsafe in {where}", points)
    if semantics not in ("", ANY, RUNTIME) and one.in_box and not any(_order(label, instance) for label in labels):
        return JudgedAnswer(UNKNOWN, f"sat, and the corpus has no label of {semantics} to run its point by", points)
    if one.violates is None and not semantics:
        return JudgedAnswer(UNKNOWN, "the exact outputs at its point are irrational, and too near the border", points)
    return JudgedAnswer(FALSE_SAT, why_false(one), points)


def _replays(instance: Instance, one: Evaluated) -> bool:
    """Whether the competition accepts a point."""
    wider = ExactBox(
        tuple(low - TOLERANCE for low in instance.box.lower), tuple(high + TOLERANCE for high in instance.box.upper)
    )
    finite = all(map(math.isfinite, (*one.deployed, *one.outputs)))
    return finite and wider.contains(one.deployed) and instance.unsafe.violated(one.outputs)


def _unsafe_in(label: Label, instance: Instance, one: Evaluated) -> bool:
    computed = _order(label, instance) if one.deployed_in_box else None
    return computed is not None and bool(violated(instance.unsafe, computed.outputs(np.array([one.deployed])))[0])
