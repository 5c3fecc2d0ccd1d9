"""A worker: a module that answers in a process of its own, with limits, killed with its children however this process ends."""

from __future__ import annotations

import atexit
import contextlib
import enum
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from types import TracebackType

from fpsynth.workers.deadlines import require_time, time_left
from fpsynth.workers.messages import DamagedMessageError, Incoming, Message, packed
from fpsynth.workers.serving import MEMORY, PARENT, REST


class Cause(enum.Enum):
    """Why there is no answer."""

    CRASHED = "it ended by itself, with an error that nobody has caught"
    KILLED = "a signal ended it: from outside, for want of memory, or after a fault in native code"
    MEMORY = "its memory ran out"
    TIME = "the time for it is over; the worker still works on it, and must be killed"


class NoAnswer(RuntimeError):
    """A worker gives no answer; ``cause`` says why, and the message how, with the end of its log."""

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class Worker:
    """A running worker.  Use it as a context manager, or call ``kill``: either way nothing of it is left behind."""

    def __init__(
        self,
        module: str,
        *,
        memory: int | None = None,
        variables: Mapping[str, str] | None = None,
        rest: float | None = None,
    ) -> None:
        """Start a process that answers with ``module.handler()`` (see ``serving``).

        ``memory`` limits its address space in bytes; ``variables`` are added to its environment; ``rest``: seconds without a
        request after which it ends by itself (None: never).
        """
        self.name, self.sent, self.rests = module, 0, rest is not None
        self.origin: object = None
        """What it was started with, for ``kept``."""
        self._unanswered = 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed in kill)
        limits = {name: str(value) for name, value in ((MEMORY, memory), (REST, rest)) if value}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "fpsynth.workers.serving", module],  # -P: nothing of the current folder is imported
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **_import_path(), PARENT: str(os.getpid()), **limits, **(variables or {})},
            start_new_session=True,  # its own process group: Ctrl-C reaches only us, and kill() reaches all of it
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        for stream in (self._stdin, self._stdout):
            os.set_blocking(stream.fileno(), False)
        self._incoming = Incoming(self._stdout.fileno())
        self._outgoing: list[bytes | memoryview] = []
        _running.add(self)

    @property
    def alive(self) -> bool:
        """Whether it runs, and is this process's own (not that of a parent that has forked)."""
        return self in _running and self.process.poll() is None

    @property
    def idle(self) -> bool:
        """Whether every request has been answered to the end."""
        return self._unanswered == 0

    def send(self, request: Message) -> None:
        """Send a request, in the background as far as it is large; a worker that has died is noticed by who waits for it.

        Several may be sent: they are answered one after the other.  Raises TypeError and ValueError as ``packed`` does.
        """
        self._outgoing += packed(request)
        self.sent += 1
        self._unanswered += 1
        self._write()
        self._outgoing = [bytes(piece) for piece in self._outgoing]  # the arrays are the caller's, who may change them

    def _write(self) -> None:
        """Write what the pipe takes."""
        try:
            while self._outgoing:
                piece = memoryview(self._outgoing[0])
                written = os.write(self._stdin.fileno(), piece) if piece else 0
                self._outgoing[:1] = [piece[written:]] if written < len(piece) else []
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._outgoing.clear()

    def poll(self) -> Message | None:
        """Return the next message if one is there (look at ``idle`` for whether more will come).  Raises NoAnswer."""
        self._write()
        try:
            while (arrived := self._incoming.read()) is not None:
                self._unanswered -= arrived.last
                if arrived.content is not None:
                    return arrived.content
        except EOFError:
            raise self._death(self.process.wait()) from None
        except DamagedMessageError as error:
            raise NoAnswer(Cause.CRASHED, f"{self.name}: {error}") from None
        return None

    def _death(self, status: int) -> NoAnswer:
        log = self.log_tail()
        cause = Cause.MEMORY if "MemoryError" in log else Cause.KILLED if status < 0 else Cause.CRASHED
        return NoAnswer(cause, f"{self.name} ended with status {status}: {log}")

    def receive(self, seconds: float = math.inf) -> Message:
        """Wait for the next message, so long or what is left of the time that ``deadlines`` gives.

        Raises NoAnswer, and OutOfTimeError where it is that time which is over.
        """
        end = time.monotonic() + time_left(seconds)
        while (message := self.poll()) is None:
            remaining = end - time.monotonic()
            if remaining <= 0:
                require_time()
                raise NoAnswer(Cause.TIME, f"no answer within {seconds:g} s")
            ready([self], remaining)
        return message

    def log_tail(self, characters: int = 300) -> str:
        """The end of what the worker wrote on its standard error, as one line."""
        # by position: the worker writes through the same file offset, which must stay where it is
        start = max(0, os.fstat(self._log.fileno()).st_size - 4 * characters)
        text = os.pread(self._log.fileno(), 4 * characters, start).decode(errors="replace")
        return " ".join(text.split())[-characters:]

    def kill(self) -> None:
        """Kill the worker and every process of its group, and wait for it."""
        if self not in _running:
            return
        _running.discard(self)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self._stdin, self._stdout, self._log):
            stream.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()


_running: set[Worker] = set()


def resting() -> list[Worker]:
    """Those of this process that have nothing to do, and end by themselves before long."""
    return [worker for worker in list(_running) if worker.rests and worker.idle]


def kill_all(but: Collection[Worker] = ()) -> None:
    """Kill every worker of this process, ``but`` those: for the end of the program, however it comes."""
    for worker in list(_running):
        if worker not in but:
            worker.kill()


atexit.register(kill_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_running.clear)  # a copy of this process must not end, or talk to, what is not its own


def ready(workers: Collection[Worker], seconds: float = math.inf) -> list[Worker]:
    """Wait until a worker can be read or written to, or has ended, ``seconds`` at most; return those."""
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker._stdout, selectors.EVENT_READ, worker)
            if worker._outgoing:
                selector.register(worker._stdin, selectors.EVENT_WRITE, worker)
        events = selector.select(None if seconds == math.inf else max(seconds, 0))
    return list(dict.fromkeys(key.data for key, _ in events))


def heard(workers: Collection[Worker], seconds: float = math.inf) -> list[tuple[Worker, Message | NoAnswer]]:
    """Wait as ``ready`` does; return a message of each worker that has one, or why none will come from it any more."""
    return [(worker, said) for worker in ready(workers, seconds) if (said := _said(worker)) is not None]


def _said(worker: Worker) -> Message | NoAnswer | None:
    try:
        return worker.poll()
    except NoAnswer as lost:
        return lost


def _import_path() -> dict[str, str]:
    """Let the worker import the very fpsynth that started it, and nothing of the current folder, wherever it was started.

    An empty part of PYTHONPATH stands for that folder, and is there by itself where a shell adds to a variable that is unset.
    """
    here = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {"PYTHONPATH": os.pathsep.join([here, *(part for part in inherited if part not in ("", os.curdir))])}
