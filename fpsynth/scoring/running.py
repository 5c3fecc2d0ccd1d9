"""bench: every verifier on every instance, seed by seed; what is done is kept, and a later run goes on from it."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from fpsynth.aliases import Json, PathLike
from fpsynth.corpus.instances.data import Instance
from fpsynth.corpus.instances.layout import MANIFEST, MAX_MANIFEST
from fpsynth.corpus.instances.reading import read_corpus
from fpsynth.errors import InputError
from fpsynth.files import read_bytes_limited, shown
from fpsynth.scoring.asking import AskedVerifier, asked_for
from fpsynth.scoring.cluster import run_there
from fpsynth.scoring.job import BenchRun, Key, Limits, done, request_of
from fpsynth.scoring.local import run_here
from fpsynth.scoring.scoreboard import Scoreboard
from fpsynth.scoring.table import JobTable
from fpsynth.scratch import remove_abandoned
from fpsynth.verifiers.external import StandardTool, TemplateTool
from fpsynth.verifiers.external.callables import Function
from fpsynth.verifiers.external.running_onnx import runtime_version
from fpsynth.version import __version__
from fpsynth.workers.deadlines import require_time

TABLE = "runs.sqlite"
"""In the folder of a bench."""
MEMORY_GIB = 8.0
MAX_SEEDS, MAX_JOBS = 1000, 1024


@dataclass(frozen=True)
class BenchRequest:
    """What is asked of whom."""

    corpus: PathLike
    """A folder that ``corpus make`` has written."""
    verifiers: Sequence[str | Function]
    """See ``asking.FORMS``."""
    arithmetics: Sequence[str] = ("real",)
    """Of fpsynth's own ones that name none themselves."""
    out: PathLike | None = None
    """The folder that keeps what is done; None: nothing is kept."""
    categories: Sequence[str] = ()
    """Only these; empty: all."""
    seeds: int = 1
    """Runs of verifiers that may draw at random."""
    timeout: float = 60.0
    """Seconds that a verifier has for an instance."""
    memory: float = MEMORY_GIB
    """GiB that all processes of a verifier may hold together."""
    jobs: int = 1
    """At a time, on this machine."""
    dask: str | None = None
    """The address of a scheduler, in place of this machine."""
    progress: Callable[[str], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Raises InputError for what makes no sense."""
        for value, most, what in ((self.seeds, MAX_SEEDS, "seeds"), (self.jobs, MAX_JOBS, "jobs")):
            if not 1 <= value <= most:
                raise InputError(f"the number of {what} must be from 1 to {most}, not {value}")
        if not 0 < self.timeout <= 1e6:
            raise InputError(f"a verifier needs a time limit above 0 s, and at most 1e6 s, not {self.timeout:g}")
        if not 0.01 <= self.memory <= 1e5:
            raise InputError(f"the memory limit must be from 0.01 to 100000 GiB, not {self.memory:g}")

    @property
    def limits(self) -> Limits:
        """Of each run."""
        return Limits(self.timeout, int(self.memory * (1 << 30)))


def bench(request: BenchRequest) -> Scoreboard:
    """Ask every verifier about every instance, and judge what they say.

    Raises InputError for a corpus or a table that cannot be used, and for verifiers that nobody knows; MissingPackageError for
    those that are not installed, and without onnxruntime, which judges; OutOfTimeError where the time that ``deadlines`` gives
    is over.
    """
    runtime_version()
    remove_abandoned()
    verifiers = asked_for(request.verifiers, request.arithmetics)
    if request.dask is not None and any(one.kind == "function" for one in verifiers):
        raise InputError("a function cannot be sent to a cluster: name it as FILE.py:FUNCTION")
    _require_programs(verifiers if request.dask is None else ())
    corpus = read_corpus(request.corpus)
    if request.out is not None and os.path.exists(request.out) and os.path.samefile(request.out, request.corpus):
        raise InputError(f"{shown(request.out)} is the corpus itself: name another folder for what the bench writes")
    instances = corpus.chosen(request.categories)
    digest = hashlib.sha256(read_bytes_limited(os.path.join(request.corpus, MANIFEST), MAX_MANIFEST)).hexdigest()
    settings: Json = {
        "corpus": digest,
        "time_limit": request.timeout,
        "memory_limit": request.memory,
        "version_of_fpsynth": __version__,
    }
    with JobTable(_place(request.out), settings, verifiers) as table:
        _Bench(request, instances, verifiers, table).go_on()
        wanted = {(one.name, who.name, seed) for one in instances for who in verifiers for seed in seeds_of(who, request.seeds)}
        runs = tuple(run for run in table.runs() if run.key in wanted)
    return Scoreboard(os.fspath(request.corpus), digest, instances, verifiers, runs, request.limits)


def _require_programs(verifiers: Sequence[AskedVerifier]) -> None:
    """Raise InputError for a command whose program is not here: else each of its runs would be an error."""
    for one in verifiers:
        tool = one.tool() if one.kind in ("command", "standard") else None
        if isinstance(tool, TemplateTool | StandardTool) and shutil.which(tool.words[0]) is None:
            raise InputError(f"there is no program {shown(tool.words[0])} for {one.name}, or it may not be run")


def _place(out: PathLike | None) -> str | None:
    if out is None:
        return None
    try:
        os.makedirs(out, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {os.fspath(out)}: {error.strerror or error}") from None
    return os.path.join(out, TABLE)


def seeds_of(asked: AskedVerifier, seeds: int) -> range:
    """Of which seeds a verifier is run: of the first alone where it draws nothing."""
    return range(seeds if asked.draws else 1)


@dataclass
class _Bench:
    """What is left to do, and how long that may take."""

    request: BenchRequest
    instances: tuple[Instance, ...]
    verifiers: tuple[AskedVerifier, ...]
    table: JobTable
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Of each verifier, of all runs that are done."""
    left: Counter[str] = field(default_factory=Counter)
    """Of each verifier, how many runs are not done."""
    now: Counter[str] = field(default_factory=Counter)
    """Of each, how many were done since this began."""

    def go_on(self) -> None:
        """Do what is not done: seed by seed, so that an early look at the table is one at all instances."""
        finished = self.table.keys()
        for run in self.table.runs():
            self.seconds.setdefault(run.verifier, []).append(run.seconds)
        jobs = list(self._jobs())
        waiting = [job for job in jobs if _key(job) not in finished]
        self.total, self.begun = len(jobs), time.monotonic()
        self.left = Counter(asked.name for _, asked, _ in waiting)
        self._told()
        for job in waiting:
            if job[1].kind == "function":  # they live in this process, and are forked from it
                run = done(*job, self.request.limits)
                require_time()  # what the end of all time has cut off is no answer
                self._done(run)
        others = [job for job in waiting if job[1].kind != "function"]
        requests = ((_key(job), request_of(*job, self.request.limits)) for job in others)
        if self.request.dask is not None:
            run_there(requests, self.request.dask, self._done)
        elif others:
            run_here(requests, min(self.request.jobs, len(others)), self._done)

    def _jobs(self) -> Iterator[tuple[Instance, AskedVerifier, int]]:
        for seed in range(self.request.seeds):
            for instance in self.instances:
                yield from ((instance, asked, seed) for asked in self.verifiers if seed in seeds_of(asked, self.request.seeds))

    def _done(self, run: BenchRun) -> None:
        self.table.add(run)
        self.left[run.verifier] -= 1
        self.now[run.verifier] += 1
        self.seconds.setdefault(run.verifier, []).append(run.seconds)
        self._told()
        require_time()

    def _told(self) -> None:
        if self.request.progress is not None:
            left = self.left.total()
            about = f", about {_words(self._estimate())} left" if left and self.seconds else ""
            self.request.progress(f"runs: {self.total - left} of {self.total}{about}")

    def _estimate(self) -> float:
        """Seconds: of each verifier what it took on average, of new ones what the others do; as fast as it went until now."""
        means = {name: sum(taken) / len(taken) for name, taken in self.seconds.items()}
        usual = sum(means.values()) / len(means)
        ahead, behind = (sum(count * means.get(name, usual) for name, count in of.items()) for of in (self.left, self.now))
        return ahead * (time.monotonic() - self.begun) / behind if behind else ahead / self.request.jobs


def _key(job: tuple[Instance, AskedVerifier, int]) -> Key:
    return job[0].name, job[1].name, job[2]


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
