"""Jobs on this machine: so many processes, each with one job at a time; one that is lost is replaced, its job done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from fpsynth.aliases import Json
from fpsynth.errors import InputError
from fpsynth.scoring.job import BenchRun, Key, lost, run_from
from fpsynth.scratch import remove_abandoned
from fpsynth.workers.kept import ended, started
from fpsynth.workers.messages import Message
from fpsynth.workers.process import NoAnswer, Worker, heard

TRIES = 2
"""How often a job is begun whose process is lost."""
BESIDE = 400.0
"""Seconds that a job may take beyond its verifier's time limit: to start, to end what hangs, and to judge."""
_TICK = 1.0
_WORKER = "fpsynth.scoring.job"

Told = Callable[[BenchRun], None]


@dataclass
class _Busy:
    """A job in a process."""

    key: Key
    request: Json
    tries: int
    end: float
    worker: Worker = field(repr=False)


def run_here(jobs: Iterable[tuple[Key, Json]], count: int, told: Told) -> None:
    """Do all jobs, ``count`` at a time; ``told`` hears of each that is done, in the order in which they end.

    Whatever ends this ends all processes, but those without a job that are kept for the next question (``processes_kept``).
    Raises InputError where no job can be done here.
    """
    waiting: Iterator[tuple[Key, Json, int]] = ((key, request, 1) for key, request in jobs)
    again: list[tuple[Key, Json, int]] = []
    idle, busy = [_worker() for _ in range(count)], list[_Busy]()
    try:
        while True:
            while idle and (job := again.pop() if again else next(waiting, None)) is not None:
                busy.append(_begun(idle.pop(), *job))
            if not busy:
                return
            for one, said in _ended(busy):
                busy.remove(one)
                idle.append(_settled(one, said, again, told))
    finally:
        for worker in (*idle, *(one.worker for one in busy)):
            ended(worker)
        remove_abandoned()  # what those had that were killed with their jobs


def _worker() -> Worker:
    return started(_WORKER, holds=_WORKER)


def _begun(worker: Worker, key: Key, request: Json, tries: int) -> _Busy:
    worker.send(request)
    end = time.monotonic() + request["limits"]["timeout"] + BESIDE
    return _Busy(key, request, tries, end, worker)


def _ended(busy: list[_Busy]) -> Iterator[tuple[_Busy, Message | NoAnswer | None]]:
    """Those that have answered, were lost, or take too long (None)."""
    workers = {id(one.worker): one for one in busy}
    for worker, said in heard([one.worker for one in busy], _TICK):
        yield workers.pop(id(worker)), said
    for one in workers.values():
        if time.monotonic() > one.end:
            yield one, None


def _settled(one: _Busy, said: Message | NoAnswer | None, again: list[tuple[Key, Json, int]], told: Told) -> Worker:
    """Tell of a job that is done, or have it done again; a process for the next one."""
    if isinstance(said, dict) and "failed" in said:
        raise InputError(f"jobs cannot be done here: {said['failed']}")
    if isinstance(said, dict):
        told(run_from(said))
        return one.worker
    one.worker.kill()
    if one.tries < TRIES:
        again.append((one.key, one.request, one.tries + 1))
    else:
        told(lost(one.key, f"its process was lost {one.tries} times: {said or 'it took too long'}"))
    return _worker()
