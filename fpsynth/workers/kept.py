"""Idle workers kept from one question to the next, while a ``with processes_kept():`` block lasts."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from fpsynth.workers.process import Worker, kill_all, resting

MOST = 6
"""Workers that are kept at a time: TensorFlow alone takes half a gigabyte."""
_OF_THE_CALLER = frozenset({"PYTEST_CURRENT_TEST"})
"""Variables that change from call to call, and that nothing in a worker reads."""


@dataclass(frozen=True)
class _Origin:
    """All that a worker has from its start: two of equal origin answer alike."""

    module: str
    memory: int | None
    variables: frozenset[tuple[str, str]]
    holds: Hashable
    environment: frozenset[tuple[str, str]]
    folder: object
    """Where the names of files begin, and of the parts of PYTHONPATH."""
    processors: frozenset[int]
    """Those that it may run on, by whose number libraries choose how many threads they take."""
    thread: threading.Thread
    """Where a thread has ended, the kernel ends the workers that it has started, and another may get its number."""


_kept: list[tuple[_Origin, Worker]] = []
"""The longest ago first."""
_limits: dict[object, int] = {}
"""How many may be kept, by the block that has begun, of any thread: the one that began last counts."""
_lock = threading.Lock()
"""Of both, which all threads share."""


@contextmanager
def processes_kept(most: int = MOST) -> Iterator[None]:
    """Keep the processes of libraries that a question has started, for the next one.

    Importing a library takes seconds, and so does a first call: who asks many questions in a row saves them.  A process is
    used again only where the same thread would start a new one with the same settings, environment variables, current folder
    and processors to run on, and never after a failure of the library; what it has revealed it does not reveal again.  At most
    ``most`` wait at a time, and the one that was used longest ago goes first; each holds its memory, that of a GPU too.  They
    end with the last block, or with this process, however it ends.
    """
    block = object()
    with _lock:
        _limits[block] = most
    _drop_spare()
    try:
        yield
    finally:
        with _lock:
            del _limits[block]
        _drop_spare()


def started(module: str, *, holds: Hashable, memory: int | None = None, variables: Mapping[str, str] | None = None) -> Worker:
    """A worker that runs ``module``: a kept one where that is all the same, else a new one.  Give it to ``ended`` at the end.

    ``holds``: what the first request is to have it hold, such as a library with its settings; a worker that was ``sent``
    something before holds it already.
    """
    origin = _origin(module, memory, variables or {}, holds)
    while (kept := _taken(origin)) is not None:
        if kept.alive:
            return kept
        kept.kill()
    worker = Worker(module, memory=memory, variables=variables)
    worker.origin = origin
    return worker


def ended(worker: Worker) -> None:
    """Keep a worker of ``started`` for the next question, where workers are kept and it waits for a request; else kill it."""
    if not (isinstance(worker.origin, _Origin) and worker.alive and worker.idle):
        worker.kill()
        return
    with _lock:
        _kept.append((worker.origin, worker))
    _drop_spare()


def spoilt(worker: Worker) -> None:
    """Have ``ended`` kill it: a library has failed in it, and may answer otherwise than in a new process."""
    worker.origin = None


def end_all() -> None:
    """Kill every worker of this process: for the end of a command, whose caller may keep some.

    Where something is kept, solvers without a question stay, too: they end by themselves.
    """
    with _lock:
        waiting, most = [worker for _, worker in _kept], _most()
    kill_all(but=[*waiting, *(resting() if most else ())])


def _taken(origin: _Origin) -> Worker | None:
    """The one of that origin that was used last, which is kept no longer."""
    with _lock:
        for entry in reversed(_kept):
            if entry[0] == origin:
                _kept.remove(entry)
                return entry[1]
    return None


def _most() -> int:
    """How many may be kept; ``_lock`` is held."""
    return list(_limits.values())[-1] if _limits else 0


def _drop_spare() -> None:
    """End those beyond as many as may be kept."""
    with _lock:
        spare = len(_kept) - _most()
        dropped = [_kept.pop(0) for _ in range(spare)]
    for _, worker in dropped:
        worker.kill()


def _origin(module: str, memory: int | None, variables: Mapping[str, str], holds: Hashable) -> _Origin:
    environment = frozenset((name, value) for name, value in os.environ.items() if name not in _OF_THE_CALLER)
    return _Origin(
        module,
        memory,
        frozenset(variables.items()),
        holds,
        environment,
        _folder(),
        frozenset(_processors()),
        threading.current_thread(),
    )


def _folder() -> object:
    """The current folder; where that is gone, nothing is equal to it."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return object()


def _processors() -> Collection[int]:
    """Those that a new process may run on; none where the system does not say."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
