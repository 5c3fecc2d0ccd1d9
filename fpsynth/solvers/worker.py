"""The process in which one engine answers one problem after the other, for the race."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from fpsynth.problems import problem_from_json
from fpsynth.solvers.base import NOT_ENCODED, Engine, EngineAnswer, Status
from fpsynth.solvers.engines import ENGINES
from fpsynth.workers.memory import address_space, forget_peak, peak_memory
from fpsynth.workers.messages import Message

_GROWTH = 48 << 20
"""Bytes of address space that an engine may have kept, since it was imported, where it is to answer another problem."""


def handler(engines: Mapping[str, Engine] = ENGINES) -> Callable[[Message], Message]:
    """Return the function that answers requests {problem, engine, encoding, seed, seconds, memory} with the ``engines``.

    The answer is {status, assignment: {name: hexadecimal float} or null, reason, encode_seconds, solve_seconds, memory:
    peak in bytes or null, again: whether the process is as good as a new one}.  An engine that raises has answered
    ``unknown``, with the error as its reason.  All requests to a process must name the same engine.
    """
    imported: int | None = None
    """Address space once the engine was there."""

    def handle(request: Message) -> Message:
        nonlocal imported
        measured = forget_peak()
        if imported is None:
            measured = True
            if request["engine"] in engines:
                engines[request["engine"]].load()
            imported = address_space()
        answer = _answer(engines, request)
        decided = answer.status is not Status.UNKNOWN or answer.reason.startswith(NOT_ENCODED)
        size = address_space()
        return {
            "status": answer.status.value,
            "assignment": answer.assignment and {name: float(v).hex() for name, v in answer.assignment.items()},
            "reason": answer.reason,
            "encode_seconds": answer.encode_seconds,
            "solve_seconds": answer.solve_seconds,
            "memory": peak_memory(os.getpid()) if measured else None,
            # one that gave up was interrupted at a limit, in whatever state
            "again": decided and size is not None and imported is not None and size - imported <= _GROWTH,
        }

    return handle


def _answer(engines: Mapping[str, Engine], request: Message) -> EngineAnswer:
    try:
        problem, engine = problem_from_json(request["problem"]), engines[request["engine"]]
        return engine.solve(problem, request["encoding"], request["seed"], request["seconds"], request["memory"])
    except MemoryError:
        raise  # ends the process
    except Exception as error:  # whatever an engine throws must reach the race as a reason
        return EngineAnswer(Status.UNKNOWN, reason=" ".join(f"{type(error).__name__}: {error}".split()))
