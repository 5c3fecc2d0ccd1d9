"""The process that runs one engine on one benchmark file, so that it can be timed and stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from fpsynth.corpus.smtlib.header import benchmark_text
from fpsynth.corpus.smtlib.manifest import sha256
from fpsynth.corpus.smtlib.table import benchmarks
from fpsynth.evaluators.recheck import failures
from fpsynth.solvers.base import ScriptEngine
from fpsynth.solvers.engines import ENGINES
from fpsynth.workers.messages import Message
from fpsynth.workers.serving import Handler


def answer(request: Message) -> Iterator[Message]:
    """Answer {file, sha256, engine, seed}: {ready, reason}, then {status, reason, seconds, model: {name: hex} or null}.

    ``seconds`` is the wall time of parsing and solving the text of the file.  The engine gets no time limit, as some solvers
    choose their algorithms by it: whoever asks kills this process.  A model that fails the exact re-check makes the answer
    ``unknown``.
    """
    (benchmark,) = (b for b in benchmarks() if b.file == request["file"])
    engine = ENGINES[request["engine"]]
    assert isinstance(engine, ScriptEngine)
    if sha256(benchmark) != request["sha256"]:
        yield {"ready": False, "reason": "the encoder has changed: this process builds another text"}
        return
    script = replace(benchmark.script, text=benchmark_text(benchmark))
    yield {"ready": True, "reason": ""}
    start = time.monotonic()
    outcome = engine.run(script, request["seed"], None, None)
    spent = time.monotonic() - start
    status, reason, model = outcome.status.value, outcome.reason, None
    if outcome.model is not None:
        assignment = script.decode(outcome.model)
        model = {name: float(value).hex() for name, value in assignment.items()}
        wrong = failures(benchmark.question.problem, assignment)
        if wrong:
            status, reason = "unknown", f"its model fails the exact re-check: {wrong[0]}"
    yield {"status": status, "reason": reason, "seconds": spent, "model": model}


def handler() -> Handler:
    """What the process answers with (see ``workers.serving``)."""
    return answer
