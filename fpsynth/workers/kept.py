"""Idle workers kept from one question to the next, while a ``with processes_kept():`` block lasts."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from fpsynth.workers.process import Worker

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
    thread: int
    """Where a thread has ended, the kernel ends the workers that it has started."""


_kept: list[tuple[_Origin, Worker]] = []
"""The longest ago first."""
_limits: list[int] = []
"""How many may be kept, of each block that has begun: the innermost one counts."""


@contextmanager
def processes_kept(most: int = MOST) -> Iterator[None]:
    """Keep the processes of libraries that a question has started, for the next one.

    Importing a library takes seconds, and so does a first call: who asks many questions in a row saves them.  A process is
    used again only where a new one would be started with the same settings and environment variables, and never after a
    failure; what it has revealed it does not reveal again.  At most ``most`` wait at a time, and the one that was used longest
    ago goes first; each holds its memory, that of a GPU too.  They end with the outermost block, or with this process, however
    it ends.
    """
    _limits.append(most)
    _drop(most)
    try:
        yield
    finally:
        _limits.pop()
        _drop(_limits[-1] if _limits else 0)


def started(module: str, *, holds: Hashable, memory: int | None = None, variables: Mapping[str, str] | None = None) -> Worker:
    """A worker that runs ``module``: a kept one where that is all the same, else a new one.  Give it to ``ended`` at the end.

    ``holds``: what the first request is to have it hold, such as a library with its settings; a worker that was ``sent``
    something before holds it already.
    """
    origin = _origin(module, memory, variables or {}, holds)
    for entry in reversed(_kept):
        if entry[0] == origin:
            _kept.remove(entry)
            if entry[1].alive:
                return entry[1]
            entry[1].kill()
    worker = Worker(module, memory=memory, variables=variables)
    worker.origin = origin
    return worker


def ended(worker: Worker) -> None:
    """Keep a worker of ``started`` for the next question, where workers are kept and it waits for a request; else kill it."""
    if _limits and isinstance(worker.origin, _Origin) and worker.alive and worker.idle:
        _kept.append((worker.origin, worker))
        _drop(_limits[-1])
    else:
        worker.kill()


def _drop(most: int) -> None:
    """End those beyond so many."""
    while len(_kept) > most:
        _kept.pop(0)[1].kill()


def _origin(module: str, memory: int | None, variables: Mapping[str, str], holds: Hashable) -> _Origin:
    environment = frozenset((name, value) for name, value in os.environ.items() if name not in _OF_THE_CALLER)
    return _Origin(module, memory, frozenset(variables.items()), holds, environment, threading.get_ident())
