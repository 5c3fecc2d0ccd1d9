"""The process that runs one engine on one problem, for the race."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from fpsynth.problems import problem_from_json
from fpsynth.processes import Message, serve
from fpsynth.solvers.base import Answer, Engine, Status


def handler(engines: Mapping[str, Engine]) -> Callable[[Message], Message]:
    """Return the function that answers requests {problem, engine, encoding, seed, seconds, memory} with the ``engines``.

    The answer is {status, assignment: {name: hexadecimal float} or null, reason, encode_seconds, solve_seconds, memory:
    peak in bytes}.  An engine that raises has answered ``unknown``, with the error as its reason.
    """

    def handle(request: Message) -> Message:
        try:
            problem = problem_from_json(request["problem"])
            engine = engines[request["engine"]]
            answer = engine.solve(problem, request["encoding"], request["seed"], request["seconds"], request["memory"])
        except MemoryError:
            answer = Answer(Status.UNKNOWN, reason="out of memory")
        except Exception as error:  # whatever an engine throws must reach the race as a reason
            answer = Answer(Status.UNKNOWN, reason=" ".join(f"{type(error).__name__}: {error}".split()))
        return {
            "status": answer.status.value,
            "assignment": answer.assignment and {name: float(v).hex() for name, v in answer.assignment.items()},
            "reason": answer.reason,
            "encode_seconds": answer.encode_seconds,
            "solve_seconds": answer.solve_seconds,
            "memory": _peak_memory(),
        }

    return handle


def _peak_memory() -> int | None:
    """The largest resident size of this process so far, in bytes; None where the system does not say (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    from fpsynth.solvers.engines import ENGINES

    serve(handler(ENGINES))
