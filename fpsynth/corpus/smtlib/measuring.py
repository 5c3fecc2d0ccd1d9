"""Times of the solvers on the benchmark files: one process per run, several seeds, one run at a time."""

from __future__ import annotations

import fnmatch
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fpsynth.aliases import Progress
from fpsynth.corpus.smtlib.manifest import load_manifest, save_manifest, sha256
from fpsynth.corpus.smtlib.question import SmtFile
from fpsynth.corpus.smtlib.table import benchmarks
from fpsynth.libraries.machine import cores, cpu
from fpsynth.packages import package_version
from fpsynth.solvers.engines import solvers
from fpsynth.workers.messages import Message
from fpsynth.workers.process import Cause, NoAnswer, Worker

SOLVERS = {engine.name: engine.package for engine in sorted(solvers(), key=lambda engine: engine.name)}
"""Engine to the distribution that brings it."""
WORKER = "fpsynth.corpus.smtlib.worker"
MEMORY = 2 << 30
"""Bytes of address space for one solver."""
_START = 60.0
"""Seconds that a process may take to start: it imports fpsynth and builds the text."""
_REFUSALS = ("experimental", "not supported", "unsupported")


class CannotStart(RuntimeError):
    """A worker did not come as far as the solver: nothing can be said of the solver."""


def run_solver(benchmark: SmtFile, engine: str, seed: int, seconds: float) -> Message:
    """Run one engine on one file in a process of its own (see ``ask``)."""
    with Worker(WORKER, memory=MEMORY) as worker:
        return ask(worker, benchmark, engine, seed, seconds)


def ask(worker: Worker, benchmark: SmtFile, engine: str, seed: int, seconds: float) -> Message:
    """Have a worker run one engine on one file (see worker.answer for what it answers).

    One that dies or is late has answered ``unknown``, and the worker must be killed.  Raises CannotStart.
    """
    worker.send({"file": benchmark.file, "sha256": sha256(benchmark), "engine": engine, "seed": seed})
    try:
        started = worker.receive(_START)
    except NoAnswer as lost:
        why = "the worker does not start" if lost.cause is Cause.TIME else lost
        raise CannotStart(f"{benchmark.file}: {why}") from None
    if not started["ready"]:
        raise CannotStart(f"{benchmark.file}: {started['reason']}")
    try:
        return worker.receive(seconds)
    except NoAnswer as lost:
        reason = "time limit" if lost.cause is Cause.TIME else f"died: {lost}"
        return {"status": "unknown", "reason": reason, "seconds": None, "model": None}


def refused(message: Message) -> bool:
    """Whether the answer says that the solver does not read the file, rather than that it gave up."""
    return message["status"] == "unknown" and any(word in message["reason"].lower() for word in _REFUSALS)


def measure(folder: Path, pattern: str, missing: bool, seconds: float, seeds: Sequence[int], progress: Progress) -> list[str]:
    """Measure the files whose path matches ``pattern``, writing the manifest after each; return the wrong answers.

    ``missing``: leave out those that have times already.

    The files must be there as the generator writes them.  Raises CannotStart where a run says nothing about its solver.
    """
    wrong: list[str] = []
    for benchmark in benchmarks():
        known = load_manifest(folder)["files"][benchmark.file]["times"]
        if not fnmatch.fnmatch(benchmark.file, pattern) or (missing and known):
            continue
        times = {engine: _times(benchmark, engine, seconds, seeds, wrong) for engine in SOLVERS}
        manifest = load_manifest(folder)
        manifest["files"][benchmark.file]["times"] = times
        manifest["measured"] = conditions()
        save_manifest(folder, manifest)
        progress(f"{benchmark.file}: " + "; ".join(f"{engine} {summary(entry)}" for engine, entry in times.items()))
    return wrong


def conditions() -> dict[str, Any]:
    """Versions and machine, without its name and its paths."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": cpu()["cpu"],
        "cores": cores(),
        "os": platform.system(),
        "python": platform.python_version(),
        "versions": {package: package_version(package) for package in SOLVERS.values()},
        "memory_limit_bytes": MEMORY,
        "what": "seconds of wall time to parse and solve, without the start of the process, with the settings of "
        "fpsynth.solvers and no time limit; a process is killed at the limit, which then stands for its time in the median; "
        "when the median is beyond the limit for certain, the other seeds are not run",
    }


def _times(benchmark: SmtFile, engine: str, seconds: float, seeds: Sequence[int], wrong: list[str]) -> dict[str, Any]:
    runs: list[Message] = []
    late = 0
    for seed in seeds:
        message = run_solver(benchmark, engine, seed, seconds)
        if refused(message):
            return {"refused": message["reason"][:160]}
        if message["status"] not in (benchmark.question.status, "unknown"):
            wrong.append(f"{benchmark.file}: {engine} with seed {seed} says {message['status']}")
        runs.append(message)
        late += message["status"] == "unknown"
        if 2 * late > len(seeds):
            break
    solved = [run["seconds"] for run in runs if run["status"] == benchmark.question.status]
    padded = sorted([*solved, *([seconds] * (len(seeds) - len(solved)))])
    reasons = sorted({run["reason"][:160] for run in runs if run["status"] == "unknown"})
    return {
        "runs": len(runs),
        "solved": len(solved),
        "limit": seconds,
        "median": round(statistics.median(padded), 3),
        "min": round(padded[0], 3),
        "max": round(padded[-1], 3),
        **({"gave_up": reasons} if reasons else {}),
    }


def summary(entry: dict[str, Any]) -> str:
    """An entry of the manifest's times in a few words."""
    if "refused" in entry:
        return "does not read it"
    if entry["median"] >= entry["limit"]:
        return f"> {entry['limit']:g} s" if entry["gave_up"] == ["time limit"] else f"no answer ({'; '.join(entry['gave_up'])})"
    late = f", {entry['runs'] - entry['solved']} of {entry['runs']} > {entry['limit']:g} s"
    spread = f"{entry['median']:.2f} s ({entry['min']:.2f} to {entry['max']:.2f})"
    return spread + late if entry["solved"] < entry["runs"] else spread
