"""Ties: what libraries do with a witness in a replay, and whether that confirms it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from fpsynth.errors import InputError
from fpsynth.evaluators.networks import argmax, network_logits
from fpsynth.libraries.pool import Answer, Call, LibraryPool, Member
from fpsynth.witness import Replay, Witness

Logits = tuple[float, ...]
Judge = Callable[[Sequence[float]], bool]
"""Given the logits at the certified point: does the certifier accept a radius that contains the other point?"""

_CERTIFIED, _COUNTEREXAMPLE = 0, 1  # positions of the two points in a request


def predict(witness: Witness) -> tuple[Logits, Logits]:
    """The logits at the certified point and at the counterexample in the witness's own deployment, by the exact interpreter.

    Raises InputError for a deployment in real arithmetic: no library computes that.
    """
    if witness.deployment.default.format is None:
        raise InputError("a deployment in real arithmetic cannot be replayed")
    network, dtype, how = witness.network, witness.format, witness.deployment
    certified = network_logits(network, witness.certified, dtype, how)
    return certified, network_logits(network, witness.counterexample, dtype, how)


def replay(witness: Witness, pool: LibraryPool, *, batches: Sequence[int] = (1, 4, 64), judge: Judge) -> tuple[Replay, ...]:
    """Run the witness in every library of the pool, every variant, every batch size.

    For each, one batch is filled with the certified point and one with the counterexample.  Rows in which both got the same
    logits make one record.  ``confirmed`` there means: the classes differ, the class at the certified point is that of the
    largest logit, and ``judge`` accepts those logits.  ``environment["agrees_with_prediction"]`` says whether the logits are,
    bit for bit, those of the witness's own deployment.  What could not be run is listed with its reason, once per variant
    where all batch sizes have the same one.  Raises InputError for a batch size below 1.
    """
    if not batches or any(batch < 1 for batch in batches):
        raise InputError("batch sizes must be at least 1")
    sizes = tuple(dict.fromkeys(batches))
    plan = {name: [(variant, batch) for variant in member.variants for batch in sizes] for name, member in pool.members.items()}
    calls = {
        name: [Call(variant, (point,) * batch) for variant, batch in pairs for point in (_CERTIFIED, _COUNTEREXAMPLE)]
        for name, pairs in plan.items()
    }
    expected = predict(witness)
    answers = pool.run(witness.network, witness.format, (witness.certified, witness.counterexample), calls)
    records: list[Replay] = []
    for name, pairs in plan.items():
        member, given = pool.members[name], answers[name]
        found = [
            record
            for (variant, batch), at, other in zip(pairs, given[::2], given[1::2], strict=True)
            for record in _records(member, pool.device, variant, batch, (at, other), expected, judge)
        ]
        records += _merged(found, len(sizes))
    return tuple(records)


def _records(
    member: Member,
    device: str,
    variant: str,
    batch: int,
    answers: tuple[Answer, Answer],
    expected: tuple[Logits, Logits],
    judge: Judge,
) -> Iterator[Replay]:
    """The records of one variant at one batch size: one for each set of rows with the same logits."""
    at, other = answers[0].outputs, answers[1].outputs
    if at is None or other is None:
        reason = answers[0].not_run or answers[1].not_run
        yield Replay(member.name, member.version or "", variant, device, batch, not_run=reason, environment=member.environment)
        return
    groups: dict[tuple[object, ...], list[int]] = {}
    for row in range(batch):
        key = (_bits(at.logits[row]), _bits(other.logits[row]), at.classes[row], other.classes[row])
        groups.setdefault(key, []).append(row)
    for rows in groups.values():
        row = rows[0]
        logits, others = at.logits[row], other.logits[row]
        accepted = all(map(math.isfinite, logits)) and judge(logits)
        agrees = (_bits(logits), _bits(others)) == (_bits(expected[0]), _bits(expected[1]))
        yield Replay(
            library=member.name,
            version=member.version or "",
            variant=variant,
            device=device,
            batch=batch,
            rows=tuple(rows),
            logits_certified=logits,
            logits_counterexample=others,
            class_certified=at.classes[row],
            class_counterexample=other.classes[row],
            certificate_accepted=accepted,
            confirmed=accepted and at.classes[row] == argmax(logits) and at.classes[row] != other.classes[row],
            environment={**member.environment, "agrees_with_prediction": "yes" if agrees else "no"},
        )


def _merged(records: list[Replay], sizes: int) -> list[Replay]:
    """Records of what was not run: one for the library, or one per variant, where the reason is the same throughout."""
    reasons = {record.not_run for record in records}
    if len(records) > 1 and len(reasons) == 1 and "" not in reasons:
        first = records[0]
        return [_unrun(first, "" if len({r.variant for r in records}) > 1 else first.variant)]
    kept: list[Replay] = []
    for variant in dict.fromkeys(record.variant for record in records):
        own = [record for record in records if record.variant == variant]
        same = len(own) == sizes > 1 and own[0].not_run and len({record.not_run for record in own}) == 1
        kept += [_unrun(own[0], variant)] if same else own
    return kept


def _unrun(record: Replay, variant: str) -> Replay:
    return Replay(
        record.library, record.version, variant, record.device, not_run=record.not_run, environment=record.environment
    )


def _bits(logits: Logits) -> tuple[str, ...]:
    """A key that tells zeros apart and lets NaN equal itself."""
    return tuple(v.hex() for v in logits)
