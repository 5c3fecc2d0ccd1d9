"""What a tie's file says of its replays: whether it follows from the logits that it says the libraries computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from fractions import Fraction

from fpsynth.evaluators.networks import argmax
from fpsynth.formats import FORMATS
from fpsynth.rounding import from_float, representable
from fpsynth.synthesis.checking.findings import Finding
from fpsynth.witness import Replay, Witness
from fpsynth.wording import counted

Logits = Sequence[float]
LIBRARY_FORMATS = ("float16", "bfloat16", "float32", "float64")
"""Formats in which a library's logits are numbers of the format that it was asked for."""
_NEAR = Fraction(1, 10**9)
"""Ball arithmetic may round otherwise in another version: nothing is said of radii that are so near to the distance."""
_SHOWN = 3


def replay_findings(
    witness: Witness, predicted: tuple[Logits, Logits], supremum: Callable[[Logits], Fraction], squared: Fraction
) -> Iterator[Finding]:
    """Findings about the replays of a tie; the libraries are not run again.

    ``predicted``: the logits at the certified point and at the counterexample in the file's own arithmetic.  ``supremum``
    gives the certifier's largest radius for logits at the certified point; ``squared`` is the squared distance of the points.
    """
    if not witness.replays:
        return
    faults = {k: list(_faults(replay, witness, predicted, supremum, squared)) for k, replay in enumerate(witness.replays)}
    runs = [((r.library, r.variant, r.device, r.batch), r.rows) for r in witness.replays]
    for k in repeated(runs):
        faults[k].append("a row of this run has a record already")
    lines = [f"replays[{k}]: {fault}" for k, those in faults.items() for fault in those]
    yield Finding("what the file says of its replays follows from their logits", not lines, told(lines, len(runs), "replay"))


def repeated(runs: Iterable[tuple[Hashable, Sequence[int]]]) -> list[int]:
    """Positions of records (a run, its rows) with a row that an earlier record of the same run has, or with one twice."""
    seen: dict[Hashable, set[int]] = {}
    found = []
    for position, (run, rows) in enumerate(runs):
        before = seen.setdefault(run, set())
        if not before.isdisjoint(rows) or len(set(rows)) < len(rows):
            found.append(position)
        before.update(rows)
    return found


def told(faults: Sequence[str], records: int, what: str) -> str:
    """The first few faults in a line, or how many records have none; ``what`` is one of them."""
    if not faults:
        return counted(records, what)
    return "; ".join(faults[:_SHOWN]) + (f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else "")


def foreign(logits: Logits, format_name: str) -> str:
    """The first finite number that is none of a library's format, as text; empty where there is none."""
    if format_name not in LIBRARY_FORMATS:
        return ""
    fmt = FORMATS[format_name]
    return next((v.hex() for v in logits if math.isfinite(v) and not representable(from_float(v), fmt)), "")


def _faults(
    replay: Replay,
    witness: Witness,
    predicted: tuple[Logits, Logits],
    supremum: Callable[[Logits], Fraction],
    squared: Fraction,
) -> Iterator[str]:
    at, other = replay.logits_certified, replay.logits_counterexample
    if replay.not_run and (at or other or replay.confirmed):
        yield "it was not run, and yet something came of it"
    if any(row >= replay.batch for row in replay.rows):
        yield f"a row is not in a batch of {replay.batch}"
    number = foreign((*at, *other), witness.format.name)
    if number:
        yield f"{number} is no {witness.format}"
    yield from _class_faults("at the certified point", at, replay.class_certified)
    yield from _class_faults("at the counterexample", other, replay.class_counterexample)
    yield from _verdict_faults(replay, supremum, squared)
    agrees = replay.environment.get("agrees_with_prediction")
    if agrees in ("yes", "no") and at and other and (agrees == "yes") != (_bits(at, other) == _bits(*predicted)):
        yield f"agrees_with_prediction is {agrees}, but the logits are{'' if agrees == 'no' else ' not'} the predicted ones"


def _class_faults(where: str, logits: Logits, said: int | None) -> Iterator[str]:
    """A class is that of a largest logit; which one where several are, the library decides, as of NaN."""
    if said is None or not logits or any(map(math.isnan, logits)):
        return
    if logits[said] != max(logits):
        yield f"class {said} {where}, where its logit is not the largest"


def _verdict_faults(replay: Replay, supremum: Callable[[Logits], Fraction], squared: Fraction) -> Iterator[str]:
    """Whether ``certificate_accepted`` and ``confirmed`` are what the logits and the classes beside them make of it."""
    at, classes = replay.logits_certified, (replay.class_certified, replay.class_counterexample)
    accepted: bool | None = None
    if at:
        accepted = False
        if all(map(math.isfinite, at)):
            most = supremum(at)
            accepted = most > 0 and most**2 > squared
            if abs(most**2 - squared) <= _NEAR * squared:
                accepted = replay.certificate_accepted
        if replay.certificate_accepted not in (None, accepted):
            yield f"the certifier {'accepts' if accepted else 'does not accept'} these logits"
    if not replay.confirmed:
        if accepted and None not in classes and classes[0] == argmax(at) and classes[0] != classes[1]:
            yield "it is not said to be confirmed, but it is"
        return
    if classes[0] is not None and classes[0] == classes[1]:
        yield "it is confirmed, but the classes are the same"
    if accepted is False or replay.certificate_accepted is False:
        yield "it is confirmed, but the certificate is not accepted"
    if at and classes[0] is not None and not any(map(math.isnan, at)) and classes[0] != argmax(at):
        yield "it is confirmed, but the class at the certified point is not that of the largest logit"


def _bits(*logits: Logits) -> list[str]:
    """A key that tells zeros apart and lets NaN equal itself."""
    return [v.hex() for row in logits for v in row]
