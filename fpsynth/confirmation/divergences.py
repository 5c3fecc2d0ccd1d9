"""Divergences: what libraries make of the point, in every variant at every batch size and in the environments of the views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Environment, Process
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.pool import Answer, Call, LibraryPool, Member, pool_for, require_device
from fpsynth.libraries.registry import NAMES, library_named, names_for
from fpsynth.witness.divergence import Divergence, Observation, View
from fpsynth.witness.prediction import arranged, judged, undone


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


def replay_divergence(
    divergence: Divergence,
    *,
    libraries: Sequence[str] = NAMES,
    batches: Sequence[int] = (1, 4, 64),
    device: str = "cpu",
    timeout: float = 120.0,
) -> tuple[Observation, ...]:
    """Run a divergence's network at its point in libraries; return what came out, an observation per set of equal rows.

    First the general sweep: every variant of ``libraries`` at each of ``batches`` on ``device``, all rows of the batch filled
    with the point, in the format of the deployed view and in that of the reference where it is another one; then, for each view
    that names an environment, a run in that very environment (whether or not its library is among ``libraries``) with the
    view's permutation.  ``environment["dtype"]`` is the format of the run.  What could not be run is listed with its reason,
    once per variant or library where all its runs have the same one; so is a view's environment on a GPU where there is none.
    ``timeout``: seconds that a library may take to get ready and answer.  Raises InputError for batch sizes below 1, unknown
    libraries and devices, a ``device`` that is not there, and environments that cannot be read.
    """
    if not batches or any(batch < 1 for batch in batches):
        raise InputError("batch sizes must be at least 1")
    require_device(device)
    sizes, names = tuple(dict.fromkeys(batches)), tuple(dict.fromkeys(names_for(device, libraries)))
    formats = sweep_formats(divergence)
    sweep = [
        _Run(Process(name, device), variant, batch, dtype)
        for name in names
        for dtype in formats
        for variant in library_named(name).variants
        for batch in sizes
    ]
    placed = [_placed(divergence, view) for view in divergence.views if view.environment]
    seen = dict(_observed(divergence, [*sweep, *placed], timeout))
    found = [record for run in sweep for record in seen[run]]
    return (*_merged(found, len(sizes)), *(record for run in placed for record in seen[run]))


def sweep_formats(divergence: Divergence) -> tuple[Format, ...]:
    """The formats in which libraries run the network: the deployed view's, and the reference's where it is another one.

    A view in exact arithmetic has none; where neither has one, it is the network's own.
    """
    wanted = [view.deployment.default.format for view in (divergence.deployed, divergence.reference)]
    formats = tuple(dict.fromkeys(fmt for fmt in wanted if fmt is not None)) or (divergence.format,)
    known = tuple(fmt for fmt in formats if any(fmt.name in library_named(name).dtypes for name in NAMES))
    return known or formats[:1]  # where no library has it, each says so


def _placed(divergence: Divergence, view: View) -> _Run:
    """The run in the environment of a view."""
    environment = _environment(view)
    dtype = view.deployment.default.format or divergence.format
    return _Run(environment.process, environment.operation, environment.batch, dtype, view, environment.layout)


def _environment(view: View) -> Environment:
    try:
        return parse_environment(view.environment)
    except InputError as error:
        raise InputError(f"view {view.name}: {error}") from None


def _observed(divergence: Divergence, runs: Sequence[_Run], timeout: float) -> Iterator[tuple[_Run, tuple[Observation, ...]]]:
    """Carry out runs, those of one process and network in one request."""
    shared: dict[tuple[object, ...], list[_Run]] = {}
    for run in runs:
        shared.setdefault(run.process[1:], []).append(run)
    for members in shared.values():
        process, names = members[0].process, [run.process.library for run in members]
        with pool_for(process, names, timeout=timeout) as pool:
            for dtype, permutation in dict.fromkeys((run.dtype, run.permutation) for run in members):
                own = [run for run in members if (run.dtype, run.permutation) == (dtype, permutation)]
                yield from _request(divergence, pool, own)


def _request(divergence: Divergence, pool: LibraryPool, runs: Sequence[_Run]) -> Iterator[tuple[_Run, tuple[Observation, ...]]]:
    """Runs of one network in one format."""
    calls: dict[str, list[Call]] = {}
    for run in runs:
        calls.setdefault(run.process.library, []).append(Call(run.variant, (0,) * run.batch, run.layout))
    network = arranged(divergence.network, runs[0].permutation)
    answers = {name: iter(given) for name, given in pool.run(network, runs[0].dtype, (divergence.point,), calls).items()}
    for run in runs:
        member, answer = pool.members[run.process.library], next(answers[run.process.library])
        yield run, tuple(_records(divergence, run, member, answer))


def _records(divergence: Divergence, run: _Run, member: Member, answer: Answer) -> Iterator[Observation]:
    """An observation for each set of rows with the same logits."""
    blank = Observation(
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
    if answer.outputs is None:
        yield replace(blank, not_run=answer.not_run)
        return
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, logits in enumerate(answer.outputs.logits):
        groups.setdefault(tuple(v.hex() for v in logits), []).append(row)  # tells zeros apart and lets NaN equal itself
    for rows in groups.values():
        logits = undone(answer.outputs.logits[rows[0]], run.permutation)
        departs, agrees = judged(divergence.predicate, divergence.views, logits)
        yield replace(blank, rows=tuple(rows), logits=logits, departs=departs, agrees_with=agrees)


def _merged(records: Sequence[Observation], sizes: int) -> Iterator[Observation]:
    """Records of what was not run: one for the library, or one per variant, where the reason is the same throughout."""
    libraries: dict[str, list[Observation]] = {}
    for record in records:
        libraries.setdefault(record.library, []).append(record)
    for of_library in libraries.values():
        if len(of_library) > 1 and len({r.not_run for r in of_library}) == 1 and of_library[0].not_run:
            yield replace(of_library[0], variant="", batch=0)
            continue
        variants: dict[tuple[str, str], list[Observation]] = {}
        for record in of_library:
            variants.setdefault((record.variant, record.environment["dtype"]), []).append(record)
        for own in variants.values():
            same = len(own) == sizes > 1 and own[0].not_run and len({r.not_run for r in own}) == 1
            yield from [replace(own[0], batch=0)] if same else own
