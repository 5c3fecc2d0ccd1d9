"""What libraries make of a witness's points, in every variant at every batch size and in the environments of its views."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.evaluators.networks import argmax
from fpsynth.evaluators.work import batch_refusal, logits_work, require_affordable, total
from fpsynth.formats import Format
from fpsynth.libraries.base import Outputs
from fpsynth.libraries.kernels import Environment, Process
from fpsynth.libraries.naming import parse_placed
from fpsynth.libraries.pool import CallResult, LibraryCall, LibraryPool, PoolMember, pool_for, require_device
from fpsynth.libraries.registry import NAMES, library_named, names_for
from fpsynth.verifiers.base import certifier
from fpsynth.witness.data import Observation, View, Witness
from fpsynth.witness.prediction import arranged, judged, undone, with_prediction

Judge = Callable[[Sequence[float]], bool]
"""Given the logits at the certified point: does the verifier accept a ball that holds the other point?"""


@dataclass(frozen=True)
class _Run:
    """One call of a library."""

    process: Process
    variant: str
    batch: int
    dtype: Format
    view: View | None = None
    """The view whose environment it is; None for a run of the general sweep."""
    layout: str = ""
    """Of the operands; empty for the variant's own."""

    @property
    def permutation(self) -> tuple[int, ...]:
        return self.view.permutation if self.view else ()


def replay(
    witness: Witness,
    *,
    libraries: Sequence[str] = NAMES,
    batches: Sequence[int] = (1, 4, 64),
    device: str = "cpu",
    timeout: float = 120.0,
    pool: LibraryPool | None = None,
) -> Witness:
    """Run a witness's network at its points in libraries; return it with what came out, an observation per set of equal rows.

    First the general sweep: every variant of ``libraries`` at each of ``batches`` on ``device``, or of those of ``pool``, which
    run already; all rows of a batch filled with the same point, in the format of the deployed view and in that of the reference
    where it is another one.  Then, for each view that names an environment, a run in that very environment (whether or not its
    library is among ``libraries``) with the view's permutation.  ``environment["dtype"]`` is the format of the run.  What could
    not be run is listed with its reason, once per variant or library where all its runs have the same one; so is a view's
    environment on a GPU where there is none.  ``timeout``: seconds that a library may take to get ready and answer.

    Raises InputError for batch sizes below 1, unknown libraries and devices, a ``device`` that is not there, environments that
    cannot be read, and a witness of two points in real arithmetic, which no library computes.
    """
    if not batches or any(batch < 1 for batch in batches):
        raise InputError("batch sizes must be at least 1")
    if witness.two_points and witness.deployment.default.format is None:
        raise InputError("a deployment in real arithmetic cannot be replayed")
    device = device if pool is None else pool.device
    require_device(device)
    names = names_for(device, libraries) if pool is None else tuple(pool.members)
    sizes = tuple(dict.fromkeys(batches))
    sweep = [
        _Run(Process(name, device), variant, batch, dtype)
        for name in dict.fromkeys(names)
        for dtype in sweep_formats(witness)
        for variant in library_named(name).variants
        for batch in sizes
    ]
    placed = [_placed(witness, view) for view in witness.views if view.environment]
    request = _Request(predicted(witness), judge(witness))
    seen: dict[_Run, tuple[Observation, ...]] = {}
    if pool is not None:
        seen |= request.observed(pool, sweep)
    for runs, own in _pools([*([] if pool else sweep), *placed], timeout):
        with own:
            seen |= request.observed(own, runs)
    found = [record for run in sweep for record in seen[run]]
    return replace(request.witness, observations=(*_merged(found), *(record for run in placed for record in seen[run])))


def predicted(witness: Witness) -> Witness:
    """The witness with the logits that its views predict, where a file (of version 1) does not say them.

    Raises InputError where a view has none, and BeyondReachError where that would take far too long.
    """
    if not witness.two_points or all(view.logits for view in witness.views):
        return witness
    missing = [view for view in witness.views if not view.logits]
    works = (logits_work(view.network or witness.network, witness.at(view), view.deployment) for view in missing)
    require_affordable("evaluating the views that do not say their logits", total(works))
    known = (view if view.logits else with_prediction(witness.network, witness.at(view), view) for view in witness.views)
    reference, deployed, *others = known
    measure = witness.predicate.measure(reference.logits, deployed.logits)
    return replace(witness, views=(reference, deployed, *others), measure=measure)


def judge(witness: Witness) -> Judge | None:
    """Whether the refuted claim's verifier accepts a ball that holds the other point, given logits at the certified one.

    None where nothing is claimed of a ball.
    """
    if not witness.two_points or not witness.claims:
        return None
    tool = certifier(witness.claim.verifier, witness.network)
    squared = sum((Fraction(x) - Fraction(y)) ** 2 for x, y in zip(witness.certified, witness.point, strict=True))

    def accepts(logits: Sequence[float]) -> bool:
        supremum = tool.supremum(witness.certified, logits)
        return supremum > 0 and supremum**2 > squared

    return accepts


def sweep_formats(witness: Witness) -> tuple[Format, ...]:
    """The formats in which libraries run the network: the deployed view's, and the reference's where it is another one.

    A view in exact arithmetic has none; where neither has one, it is the network's own.
    """
    wanted = [view.deployment.default.format for view in (witness.deployed, witness.reference)]
    formats = tuple(dict.fromkeys(fmt for fmt in wanted if fmt is not None)) or (witness.format,)
    known = tuple(fmt for fmt in formats if any(fmt.name in library_named(name).dtypes for name in NAMES))
    return known or formats[:1]  # where no library has it, each says so


def _placed(witness: Witness, view: View) -> _Run:
    """The run in the environment of a view."""
    environment = _environment(view)
    dtype = view.deployment.default.format or witness.format
    return _Run(environment.process, environment.operation, environment.batch, dtype, view, environment.layout)


def _environment(view: View) -> Environment:
    try:
        return parse_placed(view.environment)
    except InputError as error:
        raise InputError(f"view {view.name}: {error}") from None


def _pools(runs: Sequence[_Run], timeout: float) -> Iterator[tuple[list[_Run], LibraryPool]]:
    """Runs whose processes are alike, and a pool of these."""
    alike: dict[tuple[object, ...], list[_Run]] = {}
    for run in runs:
        alike.setdefault(run.process[1:], []).append(run)
    for members in alike.values():
        yield members, pool_for(members[0].process, [run.process.library for run in members], timeout=timeout)


@dataclass(frozen=True)
class _Request:
    """A witness whose views have their logits, and how computed ones are judged."""

    witness: Witness
    accepts: Judge | None

    def observed(self, pool: LibraryPool, runs: Sequence[_Run]) -> dict[_Run, tuple[Observation, ...]]:
        """Carry out runs, those of one network and format in one request."""
        refused = {run: batch_refusal(self.witness.network, run.batch) for run in runs}
        seen: dict[_Run, tuple[Observation, ...]] = {
            run: (replace(self._blank(run, pool.members[run.process.library]), not_run=reason),)
            for run, reason in refused.items()
            if reason
        }
        affordable = [run for run in runs if not refused[run]]
        for dtype, permutation in dict.fromkeys((run.dtype, run.permutation) for run in affordable):
            seen |= self._asked(pool, [run for run in affordable if (run.dtype, run.permutation) == (dtype, permutation)])
        return seen

    def _asked(self, pool: LibraryPool, runs: Sequence[_Run]) -> dict[_Run, tuple[Observation, ...]]:
        """Runs of one network in one format: a call for each point."""
        points = [point.numbers for point in self.witness.points]
        calls: dict[str, list[LibraryCall]] = {}
        for run in runs:
            for place in range(len(points)):
                calls.setdefault(run.process.library, []).append(LibraryCall(run.variant, (place,) * run.batch, run.layout))
        network = arranged(self.witness.network, runs[0].permutation)
        given = {name: iter(answers) for name, answers in pool.run(network, runs[0].dtype, points, calls).items()}
        seen = {}
        for run in runs:
            answers = {point.name: next(given[run.process.library]) for point in self.witness.points}
            seen[run] = tuple(self._records(run, pool.members[run.process.library], answers))
        return seen

    def _records(self, run: _Run, member: PoolMember, answers: Mapping[str, CallResult]) -> Iterator[Observation]:
        """An observation for each set of rows with the same logits and classes."""
        blank = self._blank(run, member)
        reasons = [answer.not_run for answer in answers.values() if answer.outputs is None]
        if reasons:
            yield replace(blank, not_run=reasons[0])
            return
        outputs = {name: answer.outputs for name, answer in answers.items() if answer.outputs is not None}
        groups: dict[tuple[object, ...], list[int]] = {}
        for row in range(run.batch):
            # hexadecimal text tells zeros apart and lets NaN equal itself
            key = tuple((*(v.hex() for v in of.logits[row]), of.classes[row]) for of in outputs.values())
            groups.setdefault(key, []).append(row)
        for rows in groups.values():
            yield self._judged(replace(blank, rows=tuple(rows)), outputs, rows[0])

    def _blank(self, run: _Run, member: PoolMember) -> Observation:
        """What is known of a run before it is made."""
        return Observation(
            library=member.name,
            version=member.version or "",
            variant=run.variant,
            device=run.process.device,
            batch=run.batch,
            threads=run.process.threads,
            settings=run.process.settings,
            switches=run.process.switches,
            layout=run.layout,
            permutation=run.permutation,
            view=run.view.name if run.view else "",
            environment={**member.environment, "dtype": run.dtype.name},
        )

    def _judged(self, seen: Observation, outputs: Mapping[str, Outputs], row: int) -> Observation:
        """The observation with the logits of a row, and what follows from them."""
        witness = self.witness
        at = outputs[witness.deployed.point]
        logits = undone(at.logits[row], seen.permutation)
        if not witness.two_points:
            departs, agrees = judged(witness.predicate, witness.views, logits)
            return replace(seen, logits=logits, departs=departs, agrees_with=agrees)
        there = outputs[witness.reference.point]
        believed = undone(there.logits[row], seen.permutation)
        _, agrees = judged(witness.predicate, witness.views, logits, believed)
        accepted = self.accepts is not None and all(map(math.isfinite, believed)) and self.accepts(believed)
        of_point, of_reference = at.classes[row], there.classes[row]
        return replace(
            seen,
            logits=logits,
            reference_logits=believed,
            class_index=of_point,
            reference_class=of_reference,
            accepted=accepted,
            departs=accepted and of_reference == argmax(believed) and of_reference != of_point,
            agrees_with=agrees,
        )


def _merged(records: Sequence[Observation]) -> Iterator[Observation]:
    """Records of what was not run: one for the library, or one per variant, where the reason is the same throughout."""
    libraries: dict[str, list[Observation]] = {}
    for record in records:
        libraries.setdefault(record.library, []).append(record)
    for of_library in libraries.values():
        if len(of_library) > 1 and _alike(of_library):
            one = len({record.variant for record in of_library}) == 1
            yield replace(of_library[0], variant=of_library[0].variant if one else "", batch=0)
            continue
        variants: dict[tuple[str, str], list[Observation]] = {}
        for record in of_library:
            variants.setdefault((record.variant, record.environment["dtype"]), []).append(record)
        for own in variants.values():
            yield from [replace(own[0], batch=0)] if len(own) > 1 and _alike(own) else own


def _alike(records: Sequence[Observation]) -> bool:
    """Whether none was run, all for the same reason."""
    return bool(records[0].not_run) and len({record.not_run for record in records}) == 1
