"""A verifier that is a Python function, run in a copy of this process: within limits, and leaving nothing behind."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.scratch import scratch
from fpsynth.verifiers.external.base import FAILED, GRACE, MEMORY, Said, ToolAnswer, ToolQuestion, answered, crashed, stopped
from fpsynth.verifiers.external.driven import answer_in
from fpsynth.verifiers.external.outputs import meaning
from fpsynth.workers.commands import Ended
from fpsynth.workers.keeping import kept, tidy_death

Function = Callable[[ToolQuestion], "str | tuple[str, Sequence[float]] | Said"]
"""From the question to a verdict in the words of ``outputs.WORDS``, to a verdict and a point, or to all that it has to say."""


@dataclass
class _Forked:
    """A forked child, as ``keeping`` wants to see it."""

    pid: int
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None
    status: int | None = None

    def poll(self) -> int | None:
        return self._waited(os.WNOHANG)

    def wait(self) -> int:
        status = self._waited(0)
        assert status is not None
        return status

    def _waited(self, options: int) -> int | None:
        if self.status is None:
            process, status = os.waitpid(self.pid, options)
            self.status = os.waitstatus_to_exitcode(status) if process else None
        return self.status


def ask_function(
    function: Function, onnx: PathLike, vnnlib: PathLike, *, timeout: float = 60.0, memory: int | None = MEMORY
) -> ToolAnswer:
    """Ask a function about a network and a property; limits and answers are those of ``base.run``.

    It runs in a process that is forked from this one: what it changes is not changed here.  Raises InputError where the
    system cannot fork.
    """
    if not hasattr(os, "fork"):
        raise InputError("this system cannot fork: give a command instead of a function")
    name = getattr(function, "__name__", "function")
    question = ToolQuestion(Path(onnx).absolute(), Path(vnnlib).absolute(), timeout)
    with scratch() as folder:
        place = folder / "answer.json"
        ended = _kept(lambda: _call(function, question, place), timeout + GRACE, memory)
        return answered(name, "", _said(ended, place, timeout), ended)


def _said(ended: Ended, place: Path, seconds: float) -> Said:
    reason = stopped(ended, seconds) or crashed(ended)
    if reason or not place.is_file():
        return Said("unknown", reason or "it gave no answer", cause=ended.cause or FAILED)
    try:
        return answer_in(place.read_text())
    except InputError as error:
        return Said("unknown", str(error), cause=FAILED)


def _call(function: Function, question: ToolQuestion, place: Path) -> None:
    """In the process of the function: have it answer, and write that down."""
    answer = function(question)
    if not isinstance(answer, Said):
        word, point = (answer, ()) if isinstance(answer, str) else answer
        verdict = meaning(str(word))
        if verdict is None:
            raise ValueError(f"it returned {str(word)[:60]!r}, which is no verdict")
        answer = Said(verdict, f"it says {word}" if verdict == "unknown" else "", tuple(point))
    told: dict[str, object] = {"verdict": answer.verdict, "reason": answer.reason, "cause": answer.cause}
    numbers = {"point": answer.point, "outputs": answer.outputs}
    told["exact"] = [str(number) for number in answer.exact]
    place.write_text(json.dumps(told | {name: [float(x).hex() for x in some] for name, some in numbers.items()}))


def _kept(body: Callable[[], None], seconds: float, memory: int | None) -> Ended:
    """Run ``body`` in a child of a child of this process, which watches it."""
    parent, (reading, writing) = os.getpid(), os.pipe()
    keeper = os.fork()
    if keeper == 0:
        os.close(reading)
        _keep(body, seconds, memory, writing, parent)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as stream:
            text = stream.read()
    finally:
        os.waitpid(keeper, 0)
    return Ended(**json.loads(text)) if text else Ended(-9, "", "", "the process that keeps it was lost", 0.0, None, 0)


def _keep(body: Callable[[], None], seconds: float, memory: int | None, writing: int, parent: int) -> NoReturn:
    try:
        os.setsid()
        tidy_death()
        request = {"seconds": seconds, "memory": memory, "told": False}
        (result,) = kept(_forked(body), request, time.monotonic(), parent)
        with os.fdopen(writing, "wb") as stream:
            stream.write(json.dumps(result).encode())
    finally:
        os._exit(0)


def _forked(body: Callable[[], None]) -> _Forked:
    pipes = [os.pipe(), os.pipe()]
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _run(body, [writing for _, writing in pipes])
    for _, writing in pipes:
        os.close(writing)
    output, log = (os.fdopen(reading, "rb") for reading, _ in pipes)
    return _Forked(child, output, log)


def _run(body: Callable[[], None], streams: Sequence[int]) -> NoReturn:
    status = 1
    try:
        os.setsid()
        for number, stream in zip((1, 2), streams, strict=True):
            os.dup2(stream, number)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        body()
        status = 0
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
    finally:
        os._exit(status)
