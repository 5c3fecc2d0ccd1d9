"""Workers kept for the next request: by a key, which says all that two requests must share to be answered by one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, TypeVar

from fpsynth.workers.messages import Message
from fpsynth.workers.process import Worker

K = TypeVar("K", bound=Hashable)


class Pool(Generic[K]):
    """Idle workers by their keys.  Use it as a context manager, or call ``close``: they end with it, or with this process.

    A worker that has died, or whose request was cut off, is never handed out again.
    """

    def __init__(
        self,
        start: Callable[[K], Worker],
        *,
        end: Callable[[Worker], None] = Worker.kill,
        most: int | None = None,
        rest: float | None = None,
    ) -> None:
        """``start`` starts the worker for a key, and ``end`` ends it where the pool is closed.

        At most ``most`` are kept idle; ``rest``: seconds, the same as theirs.
        """
        self._start, self._end, self._most, self._rest = start, end, most, rest
        self._idle: list[tuple[object, Worker, float]] = []
        """Key, worker, and when it was given back: the longest ago first."""

    def __iter__(self) -> Iterator[Worker]:
        return iter([worker for _, worker, _ in self._idle])

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, key: K) -> Worker:
        """The worker given back last for the key, or a new one."""
        self._drop_spent()
        for entry in reversed(self._idle):
            if entry[0] == _own(key):
                self._idle.remove(entry)
                return entry[1]
        return self._start(key)

    def give_back(self, key: K, worker: Worker) -> None:
        """Keep a worker for the next request; kill it where it still works on one."""
        if not (worker.idle and worker.alive):
            worker.kill()
            return
        self._idle.append((_own(key), worker, time.monotonic()))
        self._drop_spent()
        if self._most is not None and len(self._idle) > self._most:
            self._idle.pop(0)[1].kill()

    @contextmanager
    def borrowed(self, key: K) -> Iterator[Worker]:
        """Take a worker, and give it back whatever happens."""
        worker = self.take(key)
        try:
            yield worker
        finally:
            self.give_back(key, worker)

    def ask(self, key: K, request: Message, seconds: float) -> Message:
        """The answer to a request, in one message.  Raises NoAnswer and OutOfTimeError, as ``Worker.receive`` does."""
        with self.borrowed(key) as worker:
            worker.send(request)
            return worker.receive(seconds)

    def close(self) -> None:
        """End the idle workers."""
        while self._idle:
            self._end(self._idle.pop()[1])

    def __enter__(self) -> Pool[K]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _drop_spent(self) -> None:
        """Forget those that have ended, and those that may be about to: half of their rest is over."""
        now = time.monotonic()
        for entry in list(self._idle):
            _, worker, since = entry
            if not worker.alive or (self._rest is not None and now - since > self._rest / 2):
                self._idle.remove(entry)
                worker.kill()


def _own(key: Hashable) -> object:
    """A key with the thread that asks: where a thread has ended, the kernel ends the workers that it has started."""
    return key, threading.get_ident()
