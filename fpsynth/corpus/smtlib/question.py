"""Question: a problem of known status, and the benchmark files that state it in one encoding or another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, partial

from fpsynth.encoders import Script, encode
from fpsynth.problems import Problem
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.ties.question import Bound, TieQuestion, build


class Evidence(Enum):
    """How the status of a question is known."""

    MODEL = "model"
    """sat: a solution, which passes the exact re-check."""
    ENUMERATION = "enumeration"
    """unsat: every assignment was evaluated."""
    MONOTONE_ENUMERATION = "monotone enumeration"
    """unsat: every one-input tie was, apart from pairs of weights that the monotonicity of rounding excludes."""
    THEOREM = "theorem"
    """unsat: the question contradicts the theorem that another benchmark's unsat proves."""
    REFUTATION = "refutation"
    """unsat: two different engines say so."""


@dataclass(frozen=True)
class Question:
    """What is asked, its status, and how that is known."""

    family: str
    name: str
    about: str
    """What is asked, in words, for the header."""
    status: str
    """sat or unsat."""
    known_by: Evidence
    state: Callable[[], Problem]
    quick: tuple[str, ...] = ()
    """The encodings in which every solver that reads them answers within a few seconds."""
    hard: tuple[str, ...] = ()
    """The other encodings that are written."""
    tie: TieQuestion | None = None
    """The tie question behind the problem, for those that are one."""
    bounds: tuple[Bound, ...] = ()
    """The further demands on it."""
    theorem: str = ""
    """For Evidence.THEOREM: key of the question whose unsat proves it."""

    @property
    def key(self) -> str:
        """Family and name."""
        return f"{self.family}/{self.name}"

    @cached_property
    def problem(self) -> Problem:
        """The problem."""
        return self.state()

    def benchmarks(self) -> tuple[SmtFile, ...]:
        """The files that state it."""
        return tuple(SmtFile(self, encoding) for encoding in ("fp", "significands") if encoding in (*self.quick, *self.hard))


@dataclass(frozen=True)
class SmtFile:
    """One file: a question in one encoding."""

    question: Question
    encoding: str

    @property
    def file(self) -> str:
        """Path within the collection."""
        return f"{self.question.key}.{self.encoding}.smt2"

    @property
    def quick(self) -> bool:
        """Whether every solver that reads it answers within a few seconds."""
        return self.encoding in self.question.quick

    @cached_property
    def script(self) -> Script:
        """The problem in this encoding, without a header."""
        return encode(self.question.problem, self.encoding)


@dataclass(frozen=True)
class Demands:
    """A tie question, further demands on it, and bounds of their own for some unknowns."""

    tie: TieQuestion
    bounds: tuple[Bound, ...] = ()
    narrowed: Mapping[str, Interval] | None = None


def tie_question(
    family: str,
    name: str,
    about: str,
    known_by: Evidence,
    demands: Demands,
    *,
    quick: tuple[str, ...] = (),
    hard: tuple[str, ...] = (),
    theorem: str = "",
) -> Question:
    """A question about a certified tie: sat where a model is known, unsat otherwise."""
    tie, bounds, narrowed = demands.tie, demands.bounds, demands.narrowed
    status = "sat" if known_by is Evidence.MODEL else "unsat"
    state = partial(build, tie, bounds, narrowed, name)
    return Question(family, name, about, status, known_by, state, quick, hard, None if narrowed else tie, bounds, theorem)
