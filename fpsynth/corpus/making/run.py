"""make: hand jobs to processes, take what comes of them in the order of the jobs, and stop at the number that is wanted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from fpsynth.aliases import Json
from fpsynth.corpus.instances.data import Corpus, Instance
from fpsynth.corpus.making.kept import Done, KeptInstances, done_from
from fpsynth.corpus.making.wanted import Job, WantedCorpus, in_order, jobs
from fpsynth.errors import ContradictionError, InputError, WorkerLostError
from fpsynth.version import __version__
from fpsynth.workers.kept import ended, started
from fpsynth.workers.process import NoAnswer, Worker, heard

MAX_WORKERS = 4
USUAL = 2
"""Instances that most jobs make, one and its control: no more processes import libraries than there are such jobs."""
_WORKER = "fpsynth.corpus.making.worker"
Told = Callable[[str, int, int], None]


def silent(text: str, done: int, total: int) -> None:
    """Say nothing."""


def make(wanted: WantedCorpus, told: Told = silent, kept: KeptInstances | None = None, workers: int | None = None) -> Corpus:
    """A corpus of ``wanted.count`` instances, controls among them; the same for every number of ``workers``.

    ``told``: how far it is; ``kept``: where jobs that are done are kept.  Raises InputError where the families have not so
    many, and as the libraries do; ContradictionError where a library gives other numbers than its revealed order;
    WorkerLostError where a process was killed.
    """
    instances: list[Instance] = []
    versions: dict[str, str] = {}
    missed = 0
    with ExitStack() as stack:
        run = _Run(wanted, kept or KeptInstances(None), stack, workers or min(_cores(), -(-wanted.count // USUAL)))
        for job, done in run.in_order():
            instances += done.instances
            versions |= done.versions
            told(job.family.name, min(len(instances), wanted.count), wanted.count)
            missed = 0 if done.instances else missed + 1
            if missed == len(wanted.families):
                raise InputError(f"no family has an instance with these limits, in these environments: {done.reason}")
            if len(instances) >= wanted.count:
                break
    return Corpus(in_order(instances[: wanted.count], wanted), wanted.seed, dict(sorted(versions.items())), __version__)


def _cores() -> int:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MAX_WORKERS, available)


@dataclass
class _Run:
    """Jobs that are under way, or done and waiting for their turn."""

    wanted: WantedCorpus
    kept: KeptInstances
    stack: ExitStack
    limit: int
    """Of processes."""
    workers: dict[Worker, Job | None] = field(default_factory=dict)
    ready: dict[tuple[str, int], Done] = field(default_factory=dict)

    def in_order(self) -> Iterator[tuple[Job, Done]]:
        """Every job with what came of it, one after the other, without end."""
        waiting, coming = list[Job](), jobs(self.wanted)
        while True:
            while len(waiting) < 2 * self.limit:
                waiting.append(next(coming))
                self._begin(waiting[-1])
            first = waiting[0]
            if _key(first) in self.ready:  # before more is begun: with this one there may be enough
                yield waiting.pop(0), self.ready.pop(_key(first))
            else:
                self._hand_out(waiting)
                self._listen()

    def _begin(self, job: Job) -> None:
        done = self.kept.kept_of(job)
        if done is not None:
            self.ready[_key(job)] = done

    def _hand_out(self, waiting: list[Job]) -> None:
        """Give the next jobs to processes that have none, of which more are started as long as there may be."""
        busy = {_key(job) for job in self.workers.values() if job is not None}
        for job in waiting:
            if _key(job) in self.ready or _key(job) in busy:
                continue
            worker = self._free()
            if worker is None:
                return
            worker.send({"family": job.family.name, "number": job.number, "wanted": self.wanted.to_json()})
            self.workers[worker] = job

    def _free(self) -> Worker | None:
        for worker, job in self.workers.items():
            if job is None:
                return worker
        if len(self.workers) == self.limit:
            return None
        worker = started(_WORKER, holds=_WORKER)
        self.stack.callback(ended, worker)
        self.workers[worker] = None
        return worker

    def _listen(self) -> None:
        """Wait for what comes of some job."""
        for worker, said in heard(list(self.workers)):
            job = self.workers[worker]
            if isinstance(said, NoAnswer):
                raise WorkerLostError(f"the process that was to make {_name(job)} gave no answer: {said}")
            assert job is not None
            self.workers[worker] = None
            self.ready[_key(job)] = self._taken(job, said)

    def _taken(self, job: Job, said: Json) -> Done:
        if "contradiction" in said:
            raise ContradictionError(said["contradiction"])
        if "wrong" in said:
            raise InputError(said["wrong"])
        self.kept.keep(job, said)
        return done_from(said)


def _key(job: Job) -> tuple[str, int]:
    return job.family.name, job.number


def _name(job: Job | None) -> str:
    return "an instance" if job is None else f"{job.family.name} {job.number}"
