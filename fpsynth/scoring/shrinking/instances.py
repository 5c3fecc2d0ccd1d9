"""The smallest instance on which a verifier is wrong in the way it was, its truth proved again at every step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from fpsynth.aliases import Json, PathLike
from fpsynth.corpus.instances.data import ANY, REAL, RUNTIME, SAT, UNSAT, Corpus, Instance
from fpsynth.corpus.instances.layout import MANIFEST
from fpsynth.corpus.instances.reading import read_corpus
from fpsynth.corpus.instances.storing import write_corpus
from fpsynth.corpus.labels.environments import Environments
from fpsynth.corpus.labels.labelling import asked_of, told_of
from fpsynth.errors import ContradictionError, InputError
from fpsynth.files import shown
from fpsynth.scoring.asking import AskedVerifier
from fpsynth.scoring.job import BenchRun, Limits, done
from fpsynth.scoring.judging import FALSE_IN_FLOAT, FALSE_OVER_REALS, FALSE_SAT, RIGHT, UNKNOWN, WRONG, held_against
from fpsynth.scoring.shrinking import boxes, numbers, structure
from fpsynth.scoring.shrinking.search import Pass, shrunk
from fpsynth.scoring.shrinking.size import Candidate, candidate_of, size_json, size_of
from fpsynth.scoring.software import SEQUENTIAL, labelled_for, without_program
from fpsynth.scoring.table import JobTable
from fpsynth.scratch import remove_abandoned
from fpsynth.version import __version__
from fpsynth.wording import counted
from fpsynth.workers.deadlines import OutOfTimeError, require_time, time_left, within
from fpsynth.workers.kept import processes_kept

ASKED = "asked.sqlite"
"""In the folder of a shrinking: what was asked, and what came of it."""
RESULT = "instance"
"""The folder with the result, a corpus of one."""
PASSES: tuple[Pass[Candidate], ...] = (
    structure.inputs,
    structure.layers,
    structure.outputs,
    structure.neurons,
    numbers.zeros,
    numbers.property_numbers,
    numbers.parameters,
    boxes.smaller,
    numbers.shifts,
    numbers.powers,
    boxes.ends,
)
"""What removes most comes first."""


@dataclass(frozen=True)
class ShrinkRequest:
    """What is shrunk, by whom it is judged, and how long."""

    instance: PathLike
    """CORPUS/CATEGORY/NAME."""
    out: PathLike
    seed: int = 0
    restarts: int = 2
    budget: float = 600.0
    """Seconds for all of it."""
    limits: Limits = field(default_factory=lambda: Limits(60.0, 8 << 30))
    """Of the verifier, each time."""
    progress: Callable[[str], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Raises InputError for what makes no sense."""
        if not 0 <= self.restarts <= 1000:
            raise InputError(f"the number of restarts must be from 0 to 1000, not {self.restarts}")
        for seconds, what in ((self.budget, "the time limit"), (self.limits.timeout, "the time limit of the verifier")):
            if not 0 < seconds <= 1e7:
                raise InputError(f"{what} must be above 0 s, and at most 1e7 s, not {seconds:g}")


@dataclass(frozen=True)
class ShrunkInstance:
    """What came of it."""

    verifier: AskedVerifier
    before: Instance
    after: Instance
    column: str
    """In which way the verifier is wrong, of both."""
    still_wrong: bool
    """Whether it was when it was asked about the result once more."""
    says: BenchRun
    """What it said then."""
    considered: int
    complete: bool
    """Whether nothing simpler was found in the end; else the time was over."""

    def to_json(self) -> Json:
        """As data."""
        return {
            "verifier": self.verifier.to_json(),
            "instance": self.before.name,
            "wrong": self.column,
            "before": size_json(self.before.network.logits, self.before.box),
            "after": size_json(self.after.network.logits, self.after.box),
            "still_wrong": self.still_wrong,
            "says": {"verdict": self.says.verdict, "reason": self.says.reason},
            "labels": {label.semantics: label.verdict for label in self.after.labels},
            "considered": self.considered,
            "complete": self.complete,
        }


_LEAST = 0.1
"""Seconds that a verifier gets, however little time is left."""


@dataclass
class StillWrong:
    """The problem: the verifier's answer falls into the column it fell into, and the labels that say so are proved."""

    verifier: AskedVerifier
    template: Instance
    limits: Limits
    table: JobTable
    environments: Environments
    seed: int
    column: str = ""
    before: Mapping[str, str] = field(default_factory=dict)
    """The verdicts of what is shrunk, by semantics."""
    known: dict[str, BenchRun] = field(default_factory=dict)
    """By the digest of a candidate."""

    def size(self, candidate: Candidate) -> tuple[object, ...]:
        """See ``search.ShrinkProblem``."""
        try:
            return size_of(candidate)
        except InputError:  # a box without a float32 is no candidate
            return (float("inf"),)

    def holds(self, candidate: Candidate) -> bool:
        """See ``search.ShrinkProblem``; what was asked before, in this run or a former one, is not asked again."""
        digest = candidate.digest
        if digest not in self.known:
            run = self._asked(candidate, digest)
            self.table.add(run)
            self.known[digest] = run
        return self.known[digest].column == self.column

    def _asked(self, candidate: Candidate, digest: str) -> BenchRun:
        instance = self.labelled(candidate)
        if instance is None or not _may_be(instance, self.column, self.verifier.semantics, self.before):
            return _unproved(digest, self.verifier.name, self.seed)
        verdict = SAT if self.column == FALSE_SAT else UNSAT
        return self.answered(instance, digest, verdict)

    def answered(self, instance: Instance, digest: str, verdict: str = "") -> BenchRun:
        """What the verifier says, in no more than the time that is left; ``verdict``: see ``done``.

        What the end of all time has cut off, or a limit that was shorter for it, is no answer: raises OutOfTimeError.
        """
        limits = replace(self.limits, timeout=max(time_left(self.limits.timeout), _LEAST))
        run = replace(done(instance, self.verifier, self.seed, limits, verdict), instance=digest)
        require_time()
        if limits != self.limits and run.verdict == UNKNOWN:
            raise OutOfTimeError
        return run

    def labelled(self, candidate: Candidate) -> Instance | None:
        """The candidate with every label that can be proved; None where it is no instance."""
        if not numbers.held(candidate.network):
            return None
        try:
            asked = asked_of(candidate.network, candidate.box, candidate.unsafe, candidate.points)
            _, told = told_of(asked, self.environments)
        except (InputError, ContradictionError):  # a network that a library does not run, say, or a fault that is not this one
            return None
        made = replace(
            self.template,
            network=candidate.network,
            box=candidate.box,
            unsafe=candidate.unsafe,
            labels=told.labels,
            least=told.least,
            attained=told.attained,
            densities=told.densities,
            attacks=(),
        )
        try:
            return labelled_for(self.verifier.semantics, made)
        except InputError:  # what is true of its program is not known
            return None


def _may_be(instance: Instance, column: str, semantics: str, before: Mapping[str, str]) -> bool:
    """Whether the labels are such that an answer can fall into the column: else nobody needs to be asked.

    ``before``: the verdicts at the start.  A false ``sat`` is shrunk on instances of the same verdicts: what was false on a
    robust one is to be so on a robust one.
    """
    verdicts = _verdicts(instance, semantics)
    if column == FALSE_OVER_REALS:
        return verdicts.get(REAL) == SAT
    if column == FALSE_IN_FLOAT:
        return SAT in verdicts.values() and verdicts.get(REAL, UNSAT) == UNSAT and (bool(semantics) or REAL in verdicts)
    return verdicts == before


def _verdicts(instance: Instance, semantics: str) -> dict[str, str]:
    """Semantics to verdict, of the labels that answers are held against and that are made here."""
    labels = held_against(instance, semantics)
    return {label.semantics: label.verdict for label in labels if label.semantics in (REAL, RUNTIME, semantics)}


def _unproved(digest: str, verifier: str, seed: int) -> BenchRun:
    reason = "its truth is not proved, or such that the verifier cannot be wrong in this way"
    return BenchRun(digest, verifier, seed, "unknown", UNKNOWN, reason, 0, 0.0, None)


def instance_at(path: PathLike) -> Instance:
    """The instance of a folder CORPUS/CATEGORY/NAME.  Raises InputError where there is none."""
    place = Path(os.path.abspath(path))
    root = place.parent.parent
    if not (root / MANIFEST).is_file():
        raise InputError(f"{shown(path)} is no instance: name CORPUS/CATEGORY/NAME, a folder of a corpus that make has written")
    found = read_corpus(root).named(place.name)
    if found is None or found.category != place.parent.name:
        raise InputError(f"{shown(root)} has no instance {place.parent.name}/{place.name}")
    return found


def shrink_instance(request: ShrinkRequest, verifier: AskedVerifier) -> ShrunkInstance:
    """Shrink an instance on which a verifier is wrong.

    Raises InputError where it is not wrong, or the folder is of something else.
    """
    instance = labelled_for(verifier.semantics, instance_at(request.instance))
    here = os.path.isdir(request.out)
    prepare(request.out)
    start = candidate_of(instance)
    settings: Json = {
        "instance": start.digest,
        "seed": request.seed,
        "time_limit": request.limits.timeout,
        "memory_limit": request.limits.memory,
        "version_of_fpsynth": __version__,
    }
    place = os.path.join(request.out, ASKED)
    new, wrong = not os.path.exists(place), False
    of_labels = verifier.semantics in ("", ANY, SEQUENTIAL)
    names = (RUNTIME,) if of_labels else tuple(dict.fromkeys((RUNTIME, verifier.semantics)))
    try:
        with processes_kept(), JobTable(place, settings, (verifier,)) as table, Environments(names) as environments:
            known = {run.instance: run for run in table.runs() if run.verifier == verifier.name}
            problem = StillWrong(verifier, _template(instance), request.limits, table, environments, request.seed, known=known)
            problem.before = _verdicts(instance, verifier.semantics)
            with within(request.budget):
                problem.column = _wrong(problem, start, instance)
                wrong = True
                result = shrunk(
                    problem, start, PASSES, seed=request.seed, restarts=request.restarts, told=_teller(request.progress)
                )
            return _checked(problem, instance, result.best, result.considered, result.complete, request)
    except InputError:
        if new and not wrong:
            _forget(request.out, place, here)
        raise


def _forget(out: PathLike, place: str, here: bool) -> None:
    """Take away the table of a shrinking that was refused, and the folder unless it was there: others may begin in it."""
    with suppress(OSError):
        for end in ("", "-wal", "-shm"):
            if os.path.exists(place + end):
                os.unlink(place + end)
        if not here:
            os.rmdir(out)


def prepare(out: PathLike) -> None:
    """Make the folder of a shrinking, and take away what a process that was killed has left among temporary files."""
    remove_abandoned()
    try:
        os.makedirs(out, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {shown(out)}: {error.strerror or error}") from None


def _template(instance: Instance) -> Instance:
    name = f"{instance.name[:70]}_shrunk"
    parameters: dict[str, int | str] = {"from": instance.name}
    about = f"Shrunk from {instance.name}, as long as a verifier was wrong in the same way."
    return replace(instance, name=name, about=about, parameters=parameters, control_of="", controls="")


def _wrong(problem: StillWrong, start: Candidate, instance: Instance) -> str:
    """In which way the verifier is wrong on what is to be shrunk."""
    run = problem.known.get(start.digest)
    if run is None:
        try:
            labelled = problem.labelled(start)
            if labelled is None:
                raise InputError(f"the labels of {instance.name} cannot be proved here")
            run = problem.answered(labelled, start.digest)
        except OutOfTimeError:
            raise InputError("the time is over before the verifier was asked once: give more (timeout)") from None
        problem.table.add(run)
        problem.known[start.digest] = run
    if run.column not in WRONG:
        told = "which is right" if run.column == RIGHT else f"which is not wrong ({run.reason or run.column})"
        raise InputError(f"{problem.verifier.name} says {run.verdict} of {instance.name}, {told}: there is nothing to shrink")
    return run.column


def _teller(progress: Callable[[str], None] | None) -> Callable[[Candidate, int], None]:
    def told(candidate: Candidate, considered: int) -> None:
        if progress is not None:
            size = size_json(candidate.network)
            shape = ", ".join(counted(int(size[name]), name[:-1]) for name in ("inputs", "layers", "neurons", "weights"))
            progress(f"shrinking, after {counted(considered, 'try', 'tries')}: now {shape}")

    return told


def _checked(
    problem: StillWrong, before: Instance, best: Candidate, considered: int, complete: bool, request: ShrinkRequest
) -> ShrunkInstance:
    """The result, labelled and asked about once more, whatever was kept of it; written as a corpus of one."""
    after = problem.labelled(best)
    assert after is not None
    says = done(after, problem.verifier, problem.seed, problem.limits)
    found = ShrunkInstance(
        problem.verifier, before, after, problem.column, says.column == problem.column, says, considered, complete
    )
    folder = os.path.join(request.out, RESULT)
    if os.path.isfile(os.path.join(folder, MANIFEST)):  # of a run before this one, with less time
        shutil.rmtree(folder)
    write_corpus(Corpus((without_program(after),), request.seed, dict(problem.environments.versions), __version__), folder)
    return found
