"""Worker processes: Python modules run apart, with limits, spoken to in lines of JSON, killed with their children.

A worker module ends in ``serve(handler)``.  Nothing is pickled; what a library prints on its standard output goes to the log.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

Message = dict[str, Any]

_PARENT = "FPSYNTH_WORKER_PARENT"
"""The environment variable that tells a worker the process that started it."""


class Worker:
    """A running worker.  Use it as a context manager, or call ``kill``: either way nothing of it is left behind."""

    def __init__(
        self,
        module: str,
        args: Sequence[str] = (),
        *,
        memory: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start ``python -m module args``.  ``memory`` limits its address space in bytes; ``environment`` adds variables."""
        self.name = " ".join((module, *args))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed in kill)
        limits = {"FPSYNTH_WORKER_MEMORY": str(memory)} if memory else {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **_import_path(), _PARENT: str(os.getpid()), **limits, **(environment or {})},
            start_new_session=True,  # its own process group: Ctrl-C reaches only us, and kill() reaches all of it
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        os.set_blocking(self._stdout.fileno(), False)
        self._buffer = b""
        _running.add(self)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._stdout.fileno()

    def send(self, message: Message) -> None:
        """Send a request.  A worker that has died already is noticed by ``receive``."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(json.dumps(message).encode() + b"\n")
            self._stdin.flush()

    def poll(self) -> Message | None:
        """Return the next message if one is there.  Raises WorkerDied once there can be none any more."""
        ended = False
        while b"\n" not in self._buffer and not ended:
            chunk = self._stdout.read(1 << 20)
            if chunk is None:
                break
            ended = chunk == b""
            self._buffer += chunk
        if b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            message: Message = json.loads(line)
            return message
        if ended:
            code = self.process.wait()
            raise WorkerDied(f"{self.name} ended with status {code}: {self.log_tail()}")
        return None

    @property
    def has_line(self) -> bool:
        """Whether a whole message has been read already and waits for ``poll``."""
        return b"\n" in self._buffer

    def receive(self, timeout: float | None = None) -> Message | None:
        """Wait for the next message; None after ``timeout`` seconds.  Raises WorkerDied."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            message = self.poll()
            if message is not None:
                return message
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                return None
            ready([self], remaining)

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
        for stream in (self._stdout, self._log):
            stream.close()
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()


class WorkerDied(RuntimeError):
    """A worker ended without an answer; the message says how, and the end of its log."""


_running: set[Worker] = set()


def kill_all() -> None:
    """Kill every worker of this process: for the end of the program, however it comes."""
    for worker in list(_running):
        worker.kill()


def ready(workers: Collection[Worker], timeout: float | None) -> list[Worker]:
    """Wait until a worker has something to read or has ended, ``timeout`` seconds at most; return those."""
    waiting = [worker for worker in workers if worker.has_line]
    if waiting:  # several messages can arrive in one read: those that are left announce themselves to nobody
        return waiting
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker.fileno(), selectors.EVENT_READ, worker)
        return [key.data for key, _ in selector.select(timeout)]


def serve(handle: Callable[[Message], Iterator[Message] | Message]) -> None:
    """Run a worker: answer each line of standard input with the messages that ``handle`` returns or yields, until it ends.

    Whatever else writes to standard output (libraries do) lands in the log instead of between the messages.
    """
    _die_with_parent()
    _limit_memory()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        result = handle(json.loads(line))
        for message in [result] if isinstance(result, dict) else result:
            answers.write(json.dumps(message) + "\n")
            answers.flush()


def _import_path() -> dict[str, str]:
    """Let the worker import the very fpsynth that started it, from whatever folder it was started."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    inherited = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": here + (os.pathsep + inherited if inherited else "")}


def _limit_memory() -> None:
    limit = os.environ.get("FPSYNTH_WORKER_MEMORY")
    if limit:
        import resource  # not on Windows, where no limit is set

        resource.setrlimit(resource.RLIMIT_AS, (int(limit), int(limit)))


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies (Linux); elsewhere watch for the change of parent."""
    parent = int(os.environ.get(_PARENT, os.getppid()))  # told by the parent: it may be gone before we ask
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
            if os.getppid() == parent:
                return
            os._exit(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
