"""Checks, explanations and replays of files within limits of time and memory: in a process that is killed at its limit."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any

from fpsynth.api.worker import out_of_time
from fpsynth.errors import ContradictionError, InputError
from fpsynth.workers.deadlines import FILE_TIME
from fpsynth.workers.kept import ended, started
from fpsynth.workers.pool import Pool
from fpsynth.workers.process import Cause, NoAnswer

TIMEOUT = FILE_TIME
"""Seconds for one file, where nobody says how many."""
MEMORY = 8 << 30
"""Bytes of address space that a check or an explanation may take."""
MAX_TIMEOUT = 1e9

Answer = dict[str, Any]
"""holds, text, data, brief; or unknown: the reason why there is no answer."""


class Bounded:
    """Answers about witness files, each within ``timeout`` seconds.  Use it as a context manager."""

    def __init__(self, timeout: float = TIMEOUT, memory: int | None = MEMORY) -> None:
        """``memory``: None where libraries run, which reserve more than they use.  Raises InputError for no time at all."""
        if not 0 < timeout <= MAX_TIMEOUT or math.isnan(timeout):
            raise InputError(f"the time limit must be above 0 and at most {MAX_TIMEOUT:g} seconds")
        self.timeout = timeout
        self._workers: Pool[str] = Pool(lambda module: started(module, holds=None, memory=memory), end=ended)

    def ask(self, do: str, file: str, **options: Any) -> Answer:
        """Return the answer about one file, or {"unknown": reason} where a limit is over.

        Raises InputError and ContradictionError with what the process says.
        """
        try:
            answer = self._workers.ask(
                "fpsynth.api.worker", {"do": do, "file": file, "timeout": self.timeout, **options}, self.timeout
            )
        except NoAnswer as lost:
            match lost.cause:
                case Cause.CRASHED:
                    raise RuntimeError(str(lost)) from None
                case Cause.TIME:
                    return {"unknown": out_of_time(self.timeout)}
                case Cause.MEMORY:
                    return {"unknown": "memory ran out"}
            return {"unknown": f"memory ran out, or the process that was to {do} the file was ended from outside"}
        if "wrong" in answer:
            raise InputError(answer["wrong"])
        if "contradiction" in answer:
            raise ContradictionError(answer["contradiction"])
        return answer

    def close(self) -> None:
        """End the process."""
        self._workers.close()

    def __enter__(self) -> Bounded:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
