"""Run a command of somebody else's: within limits, told line by line, and nothing of it left when it is over."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fpsynth.aliases import PathLike
from fpsynth.errors import WorkerLostError
from fpsynth.workers.deadlines import OutOfTimeError, time_left
from fpsynth.workers.process import Cause, NoAnswer, Worker
from fpsynth.workers.serving import PARENT

PATIENCE = 20.0
"""Seconds that whoever keeps a command may take to start it and to end it, beyond the command's own time."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int | None
    """Its exit status, negative for the signal that killed it; None where it could not be started."""
    cause: str
    """Which limit it reached: "time", "memory", or none (empty)."""
    output: str
    """Of its standard output, the first 4 MiB and the last 64 KiB."""
    log: str
    """The same of its standard error, or why it could not be started."""
    seconds: float
    memory: int | None
    """The most bytes that it and all that it started held at one time; None where the system does not say."""
    left: int
    """Processes that it had started, that lived on when it had ended, and that were killed then."""

    @property
    def tail(self) -> str:
        """The end of what it has said, as one line: of its standard error, else of its standard output."""
        return " ".join((self.log.strip() or self.output.strip()).split())[-300:]


class Keeper(Worker):
    """A worker that is asked to tidy up before it is killed."""

    def kill(self) -> None:
        """End the command and whatever comes from it, then the worker."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(Exception):
                self.process.wait(PATIENCE)
        super().kill()


def run_command(
    argv: Sequence[PathLike],
    *,
    seconds: float,
    memory: int | None = None,
    folder: PathLike = ".",
    variables: Mapping[str, str | None] | None = None,
    told: Callable[[str], None] | None = None,
) -> Ended:
    """Run ``argv`` in ``folder`` until it ends, ``seconds`` are over or its processes hold more than ``memory`` bytes together.

    ``variables`` are added to its environment, or taken out of it where they are None; it reads nothing, and no shell is in
    between.  ``told`` hears of lines that it prints.  Whatever it has started is dead when this returns, or raises, and soon
    after this process has died, however that comes (on Linux; elsewhere what is of its process group).  Raises WorkerLostError
    where whoever keeps it is lost, and OutOfTimeError where the time that ``deadlines`` gives is over before the command ends.
    """
    own = {name: os.environ.get(name) for name in ("PYTHONPATH", PARENT)}  # whoever keeps it has others there
    request = {
        "argv": [os.fspath(word) for word in argv],
        "folder": os.fspath(folder),
        "variables": {**own, **(variables or {})},
        "seconds": time_left(seconds),
        "memory": memory,
        "told": told is not None,
    }
    with Keeper("fpsynth.workers.keeping") as keeper:
        keeper.send(request)
        try:
            while "line" in (message := keeper.receive(seconds + PATIENCE)):
                if told is not None:
                    told(message["line"])
        except OutOfTimeError:
            raise
        except NoAnswer as lost:
            how = "did not end in time" if lost.cause is Cause.TIME else str(lost)
            raise WorkerLostError(f"the process that keeps {os.path.basename(argv[0])} {how}") from None
    return Ended(**message)
