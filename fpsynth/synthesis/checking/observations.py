"""What a file says of the runs of libraries: whether it follows from the logits that they are said to have computed."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from fractions import Fraction

from fpsynth.evaluators.networks import argmax
from fpsynth.formats import FORMATS
from fpsynth.rounding import from_float, representable
from fpsynth.synthesis.checking.claims import Balls
from fpsynth.synthesis.checking.findings import Finding, Findings, NotChecked
from fpsynth.witness.data import Observation, Witness
from fpsynth.witness.prediction import judged
from fpsynth.wording import counted

Logits = Sequence[float]
LIBRARY_FORMATS = ("float16", "bfloat16", "float32", "float64")
"""Formats in which a library's logits are numbers of the format that it was asked for."""
_NEAR = Fraction(1, 10**9)
"""Ball arithmetic may round otherwise in another version: nothing is said of radii that are so near to the distance."""
_SHOWN = 3


def observation_findings(witness: Witness, balls: Balls | None) -> Findings:
    """Findings about the runs of a witness; the libraries are not run again.  ``balls``: of a witness of two points."""
    seen = witness.observations
    if not seen:
        return
    if balls is None:
        told_of = [judged(witness.predicate, witness.views, run.logits) for run in seen if run.logits]
        said = [(run.departs, run.agrees_with) for run in seen if run.logits]
        yield Finding("the verdicts on the libraries' logits are right", told_of == said, counted(len(said), "run"))
        faults = [f"observations[{k}]: {fault}" for k, run in enumerate(seen) for fault in _faults(run)]
        claim, what, field = "the records of runs do not contradict each other", "run", "observations"
    else:
        faults = [f"replays[{k}]: {fault}" for k, run in enumerate(seen) for fault in _two_point_faults(run, witness, balls)]
        claim, what, field = "what the file says of its replays follows from their logits", "replay", "replays"
    for k in _repeated((_run(run), run.rows) for run in seen):
        faults.append(f"{field}[{k}]: a row of this run has a record already")
    yield Finding(claim, not faults, _told(sorted(faults, key=_place), len(seen), what))


def unchecked_runs(witness: Witness) -> Iterator[NotChecked]:
    """What only running the libraries again can check."""
    if witness.observations:
        what = "replays" if witness.two_points else "runs"
        reason = "only running the libraries again can check them (fpsynth replay)"
        yield NotChecked(f"the libraries, logits and rows of the {what}", reason)


def _place(fault: str) -> int:
    return int(fault[fault.index("[") + 1 : fault.index("]")])


def _repeated(runs: Iterable[tuple[Hashable, Sequence[int]]]) -> list[int]:
    """Positions of records (a run, its rows) with a row that an earlier record of the same run has, or with one twice."""
    seen: dict[Hashable, set[int]] = {}
    found = []
    for position, (run, rows) in enumerate(runs):
        before = seen.setdefault(run, set())
        if not before.isdisjoint(rows) or len(set(rows)) < len(rows):
            found.append(position)
        before.update(rows)
    return found


def _told(faults: Sequence[str], records: int, what: str) -> str:
    """The first few faults in a line, or how many records have none; ``what`` is one of them."""
    if not faults:
        return counted(records, what)
    return "; ".join(faults[:_SHOWN]) + (f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else "")


def _foreign(logits: Logits, format_name: str) -> str:
    """The first finite number that is none of a library's format, as text; empty where there is none."""
    if format_name not in LIBRARY_FORMATS:
        return ""
    fmt = FORMATS[format_name]
    return next((v.hex() for v in logits if math.isfinite(v) and not representable(from_float(v), fmt)), "")


def _faults(seen: Observation) -> Iterator[str]:
    if seen.not_run and seen.logits:
        yield "it was not run, and yet it has logits"
    dtype = seen.environment.get("dtype", "")
    number = _foreign(seen.logits, dtype)
    if number:
        yield f"{number} is no {dtype}"
    yield from _class_faults("at the point", seen.logits, seen.class_index)
    if seen.accepted is not None or seen.reference_class is not None:
        yield "what it says of a ball, or of a second point, belongs to ties"


def _run(seen: Observation) -> Hashable:
    """What is the same of all records of one run."""
    chosen = (seen.threads, seen.settings, seen.switches, seen.layout, seen.permutation, seen.environment.get("dtype", ""))
    return (seen.library, seen.variant, seen.device, seen.batch, seen.view, *chosen)


def _two_point_faults(replay: Observation, witness: Witness, balls: Balls) -> Iterator[str]:
    at, other = replay.reference_logits, replay.logits
    if replay.not_run and (at or other or replay.departs):
        yield "it was not run, and yet something came of it"
    if any(row >= replay.batch for row in replay.rows):
        yield f"a row is not in a batch of {replay.batch}"
    number = _foreign((*at, *other), witness.format.name)
    if number:
        yield f"{number} is no {witness.format}"
    yield from _class_faults("at the certified point", at, replay.reference_class)
    yield from _class_faults("at the counterexample", other, replay.class_index)
    yield from _verdict_faults(replay, balls)
    agrees = replay.environment.get("agrees_with_prediction")
    if agrees in ("yes", "no") and at and other and (agrees == "yes") != (_bits(at, other) == _bits(balls.at, balls.other)):
        yield f"agrees_with_prediction is {agrees}, but the logits are{'' if agrees == 'no' else ' not'} the predicted ones"


def _class_faults(where: str, logits: Logits, said: int | None) -> Iterator[str]:
    """A class is that of a largest logit; which one where several are, the library decides, as of NaN."""
    if said is None or not logits or any(map(math.isnan, logits)):
        return
    if logits[said] != max(logits):
        yield f"class {said} {where}, where its logit is not the largest"


def _verdict_faults(replay: Observation, balls: Balls) -> Iterator[str]:
    """Whether ``certificate_accepted`` and ``confirmed`` are what the logits and the classes beside them make of it."""
    at, classes = replay.reference_logits, (replay.reference_class, replay.class_index)
    accepted: bool | None = None
    if at:
        accepted = False
        if all(map(math.isfinite, at)):
            most = balls.supremum(at)
            accepted = most > 0 and most**2 > balls.squared
            if abs(most**2 - balls.squared) <= _NEAR * balls.squared:
                accepted = replay.accepted
        if replay.accepted not in (None, accepted):
            yield f"the certifier {'accepts' if accepted else 'does not accept'} these logits"
    if not replay.departs:
        if accepted and None not in classes and classes[0] == argmax(at) and classes[0] != classes[1]:
            yield "it is not said to be confirmed, but it is"
        return
    if not (replay.not_run or (at and replay.logits)):
        yield "it is confirmed, but without the logits at both points"
    silent = None in classes and not _may_change(at, replay.logits)
    if silent or (classes[0] is not None and classes[0] == classes[1]):
        yield "it is confirmed, but the classes are the same"
    if accepted is False or replay.accepted is False:
        yield "it is confirmed, but the certificate is not accepted"
    if at and classes[0] is not None and not any(map(math.isnan, at)) and classes[0] != argmax(at):
        yield "it is confirmed, but the class at the certified point is not that of the largest logit"


def _may_change(at: Logits, other: Logits) -> bool:
    """Whether the class at the other point can be another one than that of the largest logit at the certified point.

    Which class a library gives several largest logits, or NaN, is its own matter.
    """
    if not (at and other):
        return True
    return any(k != argmax(at) for k, logit in enumerate(other) if math.isnan(logit) or not logit < max(other))


def _bits(*logits: Logits) -> list[str]:
    """A key that tells zeros apart and lets NaN equal itself."""
    return [v.hex() for row in logits for v in row]
