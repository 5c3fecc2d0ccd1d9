"""The race: engines, encodings and seeds in separate processes; the first answer that passes the exact re-check wins."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple

from fpsynth.encoders import TRANSLATOR
from fpsynth.errors import ContradictionError
from fpsynth.evaluators.recheck import failures
from fpsynth.libraries.machine import cores
from fpsynth.problems import Assignment, Problem, problem_to_json
from fpsynth.rounding import from_float
from fpsynth.solvers.base import NOT_ENCODED
from fpsynth.solvers.engines import code_of, independent
from fpsynth.workers.deadlines import OutOfTimeError
from fpsynth.workers.memory import peak_memory
from fpsynth.workers.messages import Message
from fpsynth.workers.pool import Pool
from fpsynth.workers.process import Cause, NoAnswer, Worker, heard

WORKER = "fpsynth.solvers.worker"
DEFAULT_MEMORY = 1 << 30
"""Limit on the address space of one worker, in bytes."""
_GRACE = 0.5
"""Seconds that an engine may overrun its own limit (it starts counting late, and looks at the clock only so often)."""
_REST = 60.0
"""Seconds that a process without a task is kept."""
_VARIABLES = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""One heap for all threads: each further one, such as that of z3's clock, takes 64 MiB of the address space and keeps them."""
_MAX_SKIPPED = 1000
"""So many tasks in a row that can say nothing new mean that an endless supply of tasks has run dry."""


class _Key(NamedTuple):
    """What tasks must share to be given to one process, one after the other."""

    module: str
    engine: str
    memory: int | None


def _start(key: _Key) -> Worker:
    return Worker(key.module, memory=key.memory, variables=_VARIABLES, rest=_REST)


_WORKERS: Pool[_Key] = Pool(_start, most=cores(), rest=_REST)
"""Processes whose engine has answered to the end, and is as good as new: the next race takes them."""


@dataclass(frozen=True)
class Task:
    """One runner of a race."""

    engine: str
    encoding: str
    seed: int
    problem: Problem
    complete: bool = True
    """Whether an ``unsat`` of it speaks for the question as a whole, and not only for a part of it."""
    seconds: float | None = None
    """Its own time limit; None: until the race ends."""

    def __str__(self) -> str:
        return f"{self.engine} ({self.encoding}, seed {self.seed}) on {self.problem.name}"


@dataclass(frozen=True)
class Attempt:
    """What became of a task."""

    engine: str
    encoding: str
    seed: int
    problem: str
    """Name of the task's problem."""
    complete: bool
    status: str
    """``sat`` (re-checked), ``unsat``, ``unknown``, or ``stopped`` when the race ended or made it pointless."""
    reason: str
    seconds: float
    """Wall time, the start of the process included where there was none to take."""
    memory: int | None
    """Largest resident size of its process in bytes; None where it is not known."""
    encode_seconds: float = 0.0
    solve_seconds: float = 0.0


@dataclass(frozen=True)
class Race:
    """The result of a race; ``assignment`` (re-checked), ``winner`` and ``winner_problem`` come with ``sat`` only."""

    status: str
    assignment: Assignment | None
    winner: Attempt | None
    winner_problem: Problem | None
    attempts: tuple[Attempt, ...]
    """In the order in which they ended."""
    reason: str
    """Why ``unknown``, or who says ``unsat``."""

    @property
    def refutations(self) -> tuple[Attempt, ...]:
        """The attempts that say that the question as a whole has no solution."""
        return tuple(attempt for attempt in self.attempts if attempt.complete and attempt.status == "unsat")


class SolverContradictionError(ContradictionError):
    """One engine said ``unsat`` of a question that another one solved: the former has a bug.

    ``race`` holds the result, which is ``sat``: its assignment passed the exact re-check.
    """

    def __init__(self, race: Race) -> None:
        liars = ", ".join(f"{a.engine} ({a.encoding}, seed {a.seed})" for a in race.refutations)
        assert race.winner is not None
        super().__init__(
            f"SOLVER BUG: {liars} answered unsat on {race.refutations[0].problem}, but {race.winner.engine} "
            f"({race.winner.encoding}, seed {race.winner.seed}) found a solution and the exact re-check confirms it"
        )
        self.race = race


def race(
    tasks: Iterable[Task],
    *,
    jobs: int | None = None,
    seconds: float | None = None,
    memory: int | None = DEFAULT_MEMORY,
    refutations: int = 2,
    progress: Callable[[str], None] | None = None,
    worker: str = WORKER,
) -> Race:
    """Run the tasks in their order, at most ``jobs`` at once (None: one per processor), until one has a solution.

    ``tasks`` may be endless: it is read only when a process is free.  A ``sat`` counts once its assignment passes the exact
    re-check against its task's problem; one that fails it becomes an ``unknown`` that names the engine.  The question is
    ``unsat`` once ``refutations`` engines of different code have said so on complete tasks, at least one of them without
    relying on z3's translation into bits (a mistake in it would mislead them all); an engine that has is not asked again, nor
    is another of its code.  Nor is anyone asked in an encoding that has refused the problem.  The race is ``unknown`` when
    ``seconds`` are over or the tasks are.  ``memory`` limits each process, in bytes; ``progress`` receives a line per ended
    attempt; ``worker`` names the module that the processes run.  However the race ends, none of them goes on with it; one that
    has answered may be kept idle for another race (see ``_WORKERS``), for a minute at most and no longer than this process
    lives.  Raises SolverContradictionError where a solution meets an ``unsat``.
    """
    with _Course(iter(tasks), jobs or cores(), seconds, memory, refutations, progress, worker) as course:
        result = course.run()
    if result.status == "sat" and result.refutations:
        raise SolverContradictionError(result)
    return result


@dataclass(frozen=True)
class _Runner:
    task: Task
    key: _Key
    started: float
    deadline: float | None
    """When its own time limit is over, the grace included."""


@dataclass
class _Course:
    """The state of a race: who is running, and what has ended."""

    tasks: Iterator[Task]
    jobs: int
    seconds: float | None
    memory: int | None
    needed: int
    progress: Callable[[str], None] | None
    module: str
    running: dict[Worker, _Runner] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    refused: list[tuple[str, Problem]] = field(default_factory=list)
    """Encodings, and the problems that they cannot express."""
    winner: tuple[Attempt, Problem, Assignment] | None = None

    def __enter__(self) -> _Course:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self.running:
            worker.kill()

    def run(self) -> Race:
        """Race to the end, or to that of the time which ``deadlines`` gives."""
        try:
            return self._run(None if self.seconds is None else time.monotonic() + self.seconds)
        except OutOfTimeError as over:  # while a task was made, or a solution was checked
            return self._result(str(over))

    def _run(self, end: float | None) -> Race:
        while self._fill(end):
            for worker, said in heard(self.running, self._patience(end)):
                self._hear(worker, said)
            if self.winner or self._refuted():
                return self._result()
            if end is not None and time.monotonic() >= end:
                return self._result("the time limit is over")  # of this race, which may be a share of what the user set
            self._stop_hopeless()
        return self._result("every attempt ended without an answer")

    def _fill(self, end: float | None) -> bool:
        """Start tasks while there is room; false when nothing runs any more and nothing is left to start."""
        while len(self.running) < self.jobs and (task := self._next()):
            now = time.monotonic()
            key = _Key(self.module, task.engine, self.memory)
            worker = _WORKERS.take(key)
            self.running[worker] = _Runner(task, key, now, None if task.seconds is None else now + task.seconds + _GRACE)
            limits = [limit for limit in (task.seconds, None if end is None else end - now) if limit is not None]
            worker.send(
                {
                    "problem": problem_to_json(task.problem),
                    "engine": task.engine,
                    "encoding": task.encoding,
                    "seed": task.seed,
                    "seconds": min(limits, default=None),
                    "memory": self.memory,
                }
            )
        return bool(self.running)

    def _next(self) -> Task | None:
        """The next task that can say something new."""
        refuters = self._settled()
        for _ in range(_MAX_SKIPPED):
            task = next(self.tasks, None)
            if task is None or not ((task.complete and code_of(task.engine) in refuters) or self._unencodable(task)):
                return task
        return None

    def _unencodable(self, task: Task) -> bool:
        """Whether the encoding has refused this problem already: it does so for every engine and seed."""
        # the problem itself: several may have one name
        return any(encoding == task.encoding and problem is task.problem for encoding, problem in self.refused)

    def _patience(self, end: float | None) -> float:
        """Seconds until something must be stopped; infinitely many: never."""
        deadlines = [d for d in (end, *(r.deadline for r in self.running.values())) if d is not None]
        return min(deadlines, default=math.inf) - time.monotonic()

    def _hear(self, worker: Worker, said: Message | NoAnswer) -> None:
        """Take what a worker has to say, and let it go."""
        task = self.running[worker].task
        if isinstance(said, NoAnswer):
            out = said.cause is Cause.MEMORY
            self._retire(worker, "unknown", "out of memory" if out else f"{task.engine} died (out of memory?): {said}")
        else:
            self._answered(worker, task, said)

    def _answered(self, worker: Worker, task: Task, message: Message) -> None:
        status, reason = message["status"], message["reason"]
        assignment: Assignment | None = None
        if status == "sat":
            assignment = {name: from_float(float.fromhex(text)) for name, text in message["assignment"].items()}
            wrong = failures(task.problem, assignment)
            if wrong:
                status, reason = "unknown", f"{task.engine}'s solution fails the exact re-check: {'; '.join(wrong[:3])}"
                message["again"] = False
        attempt = self._retire(worker, status, reason, message)
        if status == "sat" and assignment is not None and self.winner is None:
            self.winner = attempt, task.problem, assignment

    def _stop_hopeless(self) -> None:
        """Stop the runners whose time is over, and those of an engine that has refuted the question already."""
        now, refuters = time.monotonic(), self._settled()
        for worker, runner in list(self.running.items()):
            if runner.deadline is not None and now >= runner.deadline:
                self._retire(worker, "unknown", f"its time limit of {runner.task.seconds:g} s is over")
            elif runner.task.complete and (refuter := refuters.get(code_of(runner.task.engine))):
                self._retire(worker, "stopped", f"{refuter} has refuted the question already")

    def _retire(self, worker: Worker, status: str, reason: str, message: Message | None = None) -> Attempt:
        """Let a worker go, killed unless it has answered and can do so again, and write down what became of its task."""
        said = message or {"memory": peak_memory(worker.process.pid), "again": False}
        runner = self.running[worker]
        task, started = runner.task, runner.started
        if not said["again"]:
            worker.kill()
        _WORKERS.give_back(runner.key, worker)
        attempt = Attempt(
            engine=task.engine,
            encoding=task.encoding,
            seed=task.seed,
            problem=task.problem.name,
            complete=task.complete,
            status=status,
            reason=reason,
            seconds=time.monotonic() - started,
            memory=said["memory"],
            encode_seconds=said.get("encode_seconds", 0.0),
            solve_seconds=said.get("solve_seconds", 0.0),
        )
        del self.running[worker]
        self.attempts.append(attempt)
        if reason.startswith(NOT_ENCODED):
            self.refused.append((task.encoding, task.problem))
        if self.progress:
            self.progress(f"{task}: {status} after {attempt.seconds:.2f} s" + (f" ({reason})" if reason else ""))
        return attempt

    def _refuters(self) -> list[str]:
        """The engines that have said ``unsat`` on a complete task, the first first."""
        return list(dict.fromkeys(a.engine for a in self.attempts if a.complete and a.status == "unsat"))

    def _refuted(self) -> bool:
        """Whether enough engines say ``unsat``, and not all of them of what one solver made of the floating-point terms."""
        refutations = [a for a in self.attempts if a.complete and a.status == "unsat"]
        return independent(self._refuters()) >= self.needed and (self.needed < 2 or not all(map(_bits_by_z3, refutations)))

    def _settled(self) -> dict[str, str]:
        """The code that need not be asked again, and the engine that ran it: its ``unsat`` does not rest on z3's bits."""
        refutations = [a for a in self.attempts if a.complete and a.status == "unsat"]
        return {code_of(a.engine): a.engine for a in refutations if not _bits_by_z3(a)}

    def _result(self, reason: str = "") -> Race:
        for worker in list(self.running):
            self._retire(worker, "stopped", reason or "the race was over")
        refuters, attempts = self._refuters(), tuple(self.attempts)
        if self.winner:
            winner, problem, assignment = self.winner
            return Race("sat", assignment, winner, problem, attempts, "")
        if self._refuted():
            return Race("unsat", None, None, None, attempts, f"{' and '.join(refuters)} answered unsat")
        if independent(refuters) >= self.needed:
            reason += (
                f"; {' and '.join(refuters)} answered unsat, but each of them of the bits that z3 made of the floating-point"
                " terms: that counts as one engine"
            )
        elif refuters:
            reason += f"; only {' and '.join(refuters)} answered unsat, and {self.needed} engines must agree"
        return Race("unknown", None, None, None, attempts, reason)


def _bits_by_z3(attempt: Attempt) -> bool:
    """Whether an answer rests on z3's translation of the IEEE-754 theory into bits, whichever engine then solved these."""
    return attempt.encoding == "bitblast" or (code_of(attempt.engine), attempt.encoding) == (TRANSLATOR, "fp")
