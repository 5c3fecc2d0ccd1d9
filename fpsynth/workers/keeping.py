"""A worker that runs a command of somebody else's, with limits, and leaves no process of it behind, whatever it has started.

On Linux the worker adopts every process that the command leaves without a parent (PR_SET_CHILD_SUBREAPER), also of other
sessions, and ends all of them when the command ends, reaches a limit, or whoever asked is gone.  Elsewhere only the command's
own process group is killed, and its memory is limited by address space.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import IO, NoReturn, Protocol

from fpsynth.workers.messages import Message

TICK = 0.05
"""Seconds between two looks at the memory and the parent, and that helpers of a command that has ended have to end, too."""
_SOON = 0.005
"""Seconds between two looks at whether a command has ended that has closed its streams, as it does when it ends."""
HEAD, TAIL = 4 << 20, 1 << 16
"""Bytes that are kept of what a command prints: its beginning and its end."""
_DEATH_SIGNAL, _SUBREAPER = 1, 36  # prctl: PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER
_LINUX = sys.platform == "linux"


def handler() -> Callable[[Message], Iterator[Message]]:
    """Return what answers requests {argv, folder, variables, seconds, memory, told}; variables that are null are taken away.

    While the command runs, {line} is the newest line that it has printed, if ``told``.  At the end: {status: its exit status,
    negative for a signal, or null; cause: "", "time" or "memory"; output, log: the ends of its standard output and error;
    seconds; memory: peak of all its processes together in bytes or null; left: processes that outlived it and were killed}.
    A command that cannot be started has the status null and says why in ``log``.
    """
    tidy_death()
    return _answered


def _reason(error: OSError) -> str:
    """With the program's file, or the folder it was to run in: whichever is not there."""
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"


def _answered(request: Message) -> Iterator[Message]:
    started, parent = time.monotonic(), os.getppid()
    try:
        process = _started(request)
    except OSError as error:
        yield _result(None, "", started, log=f"cannot start it: {_reason(error)}")
        return
    yield from kept(process, request, started, parent)


def kept(process: StartedProcess, request: Message, started: float, parent: int) -> Iterator[Message]:
    """What ``handler`` answers of a child of this process that runs since ``started``, as long as ``parent`` is there."""
    try:
        watch = _Watch(process, request, parent)
        while watch.goes_on():
            line = watch.read()
            if line and request["told"]:
                yield {"line": line}
        yield _result(process.poll(), watch.cause, started, watch)
    finally:
        sweep(process.pid)


def _started(request: Message) -> subprocess.Popen[bytes]:
    variables = {**os.environ, **request["variables"]}
    return subprocess.Popen(
        request["argv"],
        cwd=request["folder"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={name: value for name, value in variables.items() if value is not None},
        start_new_session=True,
        preexec_fn=lambda: _prepare(request["memory"]),
    )


def _prepare(memory: int | None) -> None:
    """In the command's process, before it becomes the command."""
    if _LINUX:
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("900")  # where the machine runs out of memory, it is the command that goes
    elif memory:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


class StartedProcess(Protocol):
    """A child process, as subprocess.Popen has it."""

    pid: int
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None

    def poll(self) -> int | None:
        """Its status, if it has ended."""

    def wait(self) -> int:
        """Its status, once it has ended."""


@dataclass
class _Watch:
    """A running command, what it has printed so far, and why it must end."""

    process: StartedProcess
    request: Message
    parent: int
    output: _Kept = field(default_factory=lambda: _Kept())
    log: _Kept = field(default_factory=lambda: _Kept())
    cause: str = ""
    peak: int = 0
    left: int = 0
    _ended: float = 0.0
    _begun: float = field(default_factory=time.monotonic)
    _looked: float = 0.0

    def __post_init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        for stream, kept in ((self.process.stdout, self.output), (self.process.stderr, self.log)):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            self.selector.register(stream, selectors.EVENT_READ, kept)

    def goes_on(self) -> bool:
        """Whether there is something to wait for; whoever does not, is killed."""
        now = time.monotonic()
        if self.process.poll() is not None:
            return self._ends(now)
        if now - self._looked < TICK:
            return True
        self._looked = now
        if os.getppid() != self.parent:
            raise SystemExit(1)
        used = resident(self.process.pid)
        self.peak = max(self.peak, used)
        limit, seconds = self.request["memory"], self.request["seconds"]
        if limit and used > limit:
            self.cause = "memory"
        elif seconds is not None and now - self._begun > seconds:
            self.cause = "time"
        if self.cause:
            sweep(self.process.pid)
            self.process.wait()
        return True

    def _ends(self, now: float) -> bool:
        """Whether there is something to wait for although the command has ended: helpers that are about to end, too, output."""
        self._ended = self._ended or now
        if now - self._ended < TICK and living():
            return True
        self.left = max(self.left, sweep(self.process.pid))
        return bool(self.selector.get_map()) and now - self._ended < 1

    def read(self) -> str:
        """Take in what is there; return the newest line."""
        line = ""
        for key, _ in self.selector.select(TICK if self.selector.get_map() else _SOON):
            stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
            data = os.read(stream.fileno(), 1 << 16)
            if not data:
                self.selector.unregister(stream)
            line = key.data.add(data) or line
        return line


@dataclass
class _Kept:
    """The beginning and the end of a stream of bytes."""

    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    lost: bool = False

    def add(self, data: bytes) -> str:
        """Keep it; return its last line."""
        room = HEAD - len(self.head)
        self.head += data[:room]
        self.tail += data[room:] if room < len(data) else b""
        if len(self.tail) > 2 * TAIL:
            del self.tail[:-TAIL]
            self.lost = True
        lines = data.decode(errors="replace").replace("\r", "\n").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def text(self) -> str:
        """What was kept."""
        parts = [self.head, b"\n...\n" if self.lost else b"", self.tail]
        return b"".join(parts).decode(errors="replace")


def _result(status: int | None, cause: str, started: float, watch: _Watch | None = None, log: str = "") -> Message:
    return {
        "status": status,
        "cause": cause,
        "output": watch.output.text() if watch else "",
        "log": watch.log.text() if watch else log,
        "seconds": time.monotonic() - started,
        "memory": watch.peak if watch and _LINUX else None,
        "left": watch.left if watch else 0,
    }


def tidy_death() -> None:
    """Adopt orphans, and end them where this process is told to end, as it is when its parent has died."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sweep(0)
        os._exit(1)

    signal.signal(signal.SIGTERM, end)
    if _LINUX:
        parent = os.getppid()
        library = ctypes.CDLL(None)
        library.prctl(_SUBREAPER, 1, 0, 0, 0)
        library.prctl(_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)  # not SIGKILL, as other workers: there is something to do
        if os.getppid() != parent or parent == 1:
            os._exit(1)


def sweep(group: int, seconds: float = 5.0) -> int:
    """Kill every descendant of this process (elsewhere than on Linux: ``group``), wait for them, return how many there were."""
    if not _LINUX:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        return 0
    end, seen = time.monotonic() + seconds, set[int]()
    while left := living():
        seen |= set(left)
        for process in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        if time.monotonic() > end:
            break
        time.sleep(0.002)
    _reap(group)
    return len(seen)


def _reap(command: int) -> None:
    """Bury the orphans; the command itself is its Popen's to wait for."""
    for process, parent in parents().items() if _any_child() else ():
        if parent == os.getpid() and process != command:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)


def parents() -> dict[int, int]:
    """Every process of the machine, and which one is its parent."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError, IndexError), open(f"/proc/{name}/stat") as file:
                found[int(name)] = int(file.read().rpartition(")")[2].split()[1])
    return found


def descendants() -> list[int]:
    """All processes that come from this one."""
    born: dict[int, list[int]] = {}
    for process, parent in parents().items():
        born.setdefault(parent, []).append(process)
    found, new = list[int](), born.get(os.getpid(), [])
    while new:
        found += new
        new = [child for process in new for child in born.get(process, [])]
    return found


def living() -> list[int]:
    """Those of them that have not ended (elsewhere than on Linux: none is known)."""
    return [process for process in descendants() if not _zombie(process)] if _LINUX and _any_child() else []


def _any_child() -> bool:
    """Whether this process has children, which the kernel says at once: without one it has no descendants that it adopts.

    To look for descendants takes milliseconds, as there are hundreds of processes on a machine or thousands.
    """
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _status(process: int) -> dict[str, str]:
    try:
        with open(f"/proc/{process}/status") as file:
            return dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return {}


def _zombie(process: int) -> bool:
    return _status(process).get("State", "Z").strip().startswith("Z")


def resident(command: int) -> int:
    """Bytes of memory that belong to this process's descendants alone: what they share with files is not counted."""
    total = 0
    for process in descendants() if _LINUX else []:
        status = _status(process)
        total += sum(int(status[name].split()[0]) << 10 for name in ("RssAnon", "RssShmem") if name in status)
    return total
