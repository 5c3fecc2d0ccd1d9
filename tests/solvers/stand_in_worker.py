"""A worker process with engines that misbehave, for the tests of the race."""

import os
import time

from fpsynth.problems import Problem
from fpsynth.rounding import from_float
from fpsynth.solvers import worker
from fpsynth.solvers.base import NOT_ENCODED, EngineAnswer, Status
from fpsynth.solvers.engines import ENGINES
from fpsynth.workers.serving import Handler


class StandIn:
    """An engine that does what its name says."""

    encodings = ("fp",)

    def __init__(self, name: str) -> None:
        self.name = name

    def available(self) -> str:
        return "1"

    def load(self) -> None:
        pass

    def solve(self, problem: Problem, encoding: str, seed: int, seconds: float | None, memory: int | None) -> EngineAnswer:
        match self.name:
            case "liar":
                return EngineAnswer(Status.SAT, {v.name: from_float(1.0) for v in problem.variables})
            case "refuter" | "denier":
                return EngineAnswer(Status.UNSAT)
            case "hesitant":
                return EngineAnswer(Status.UNKNOWN, reason=f"seed {seed} did not help")
            case "wordless":
                return EngineAnswer(Status.UNKNOWN, reason=f"{NOT_ENCODED}there are no words for it")
            case "crasher":
                os.abort()
            case "thrower":
                raise ArithmeticError("a bug")
            case "glutton":
                hoard = []
                while True:
                    hoard.append(bytearray(1 << 24))
            case "hoarder":
                self.hoard = bytearray(1 << 26)
                return EngineAnswer(Status.UNSAT)
            case "eater":
                if seed == 0:
                    bytearray(1 << 28)
                return EngineAnswer(Status.UNSAT)
            case "late refuter":
                time.sleep(0.7)
                return EngineAnswer(Status.UNSAT)
        time.sleep(60)
        raise AssertionError


NAMES = ("liar", "refuter", "denier", "hesitant", "wordless", "crasher", "thrower", "glutton", "hoarder", "eater")
SLOW = ("late refuter", "sleeper")


def handler() -> Handler:
    return worker.handler({**ENGINES, **{name: StandIn(name) for name in (*NAMES, *SLOW)}})
