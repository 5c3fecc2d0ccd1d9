"""What a statement rests on: reveals, how much of their libraries they explain, and what may be said of the libraries then.

A reveal is a hypothesis that was checked on hostile vectors.  A proof about revealed arithmetics is a proof about them, and is
said to be one; and where a reveal leaves a single vector unexplained, nothing is proved of its library at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from fpsynth.revealing.result import PositionClass, Reveal
from fpsynth.synthesis.verdicts import Proof, Verdict
from fpsynth.witness.data import View
from fpsynth.wording import counted

ENOUGH = 1000
"""Hostile vectors that each arithmetic must have been checked on before anything is called impossible because of it."""
_DOUBTS = 3
"""Doubts that a reason names."""
REVEALED = "in the revealed arithmetics"


@dataclass(frozen=True)
class Ground:
    """A reveal that a view comes from, and the positions of the kernel's output that are read of it."""

    view: str
    """The view's name; empty where it is no view's alone."""
    reveal: Reveal
    row: int
    outputs: tuple[int, ...]
    everywhere: bool = False
    """Whether all rows are read."""

    @cached_property
    def classes(self) -> tuple[PositionClass, ...]:
        """The classes of the positions that are read, each once."""
        if self.everywhere:
            return self.reveal.classes
        return tuple(dict.fromkeys(self.reveal.at(self.row, output) for output in self.outputs))

    @property
    def environment(self) -> str:
        """The environment as a text."""
        return str(self.reveal.kernel.environment)

    @property
    def counts(self) -> str:
        """How many vectors each class explains, such as ``9978/10000``."""
        return ", ".join(f"{cls.check.explained}/{cls.check.total}" for cls in self.classes)

    @property
    def explained(self) -> bool:
        """Whether every vector that was tried is explained, however few they are."""
        return self.reveal.repeats in ("", "same") and all(cls.check.perfect for cls in self.classes)

    @property
    def doubt(self) -> str:
        """Why nothing can be proved of the library, in words; empty where the reveal explains everything that was tried."""
        unexplained = [cls.check for cls in self.classes if not cls.check.perfect]
        few = min(cls.check.total for cls in self.classes)
        if self.reveal.repeats not in ("", "same"):
            return f"{self.environment} has no one arithmetic: {self.reveal.repeats}"
        if unexplained:
            told = ", ".join(f"{check.explained} of {check.total}" for check in unexplained)
            return f"the arithmetic revealed for {self.environment} explains {told} hostile vectors"
        if few < ENOUGH:
            return f"the arithmetic revealed for {self.environment} was checked on {few} vectors only, and not on {ENOUGH}"
        if not self.reveal.repeats:
            return f"whether the results of {self.environment} change between repeats was not tried"
        return ""

    def __str__(self) -> str:
        where = "" if self.everywhere else f", row {self.row}"
        return f"{self.environment}{where}: explains {self.counts}"


def grounds_of(views: Iterable[View], reveals: dict[str, Reveal], outputs: Sequence[int]) -> tuple[Ground, ...]:
    """The grounds of the views whose labels have a reveal, of which ``outputs`` are read."""
    return tuple(Ground(view.name, reveals[view.label], view.row, tuple(outputs)) for view in views if view.label in reveals)


def doubts(grounds: Iterable[Ground]) -> tuple[str, ...]:
    """What the reveals leave open, each once."""
    return tuple(dict.fromkeys(ground.doubt for ground in grounds if ground.doubt))


def left_out(grounds: Iterable[Ground]) -> tuple[str, ...]:
    """What a view says of outputs that nobody reads and that were not looked at, in words, each once."""
    told = []
    for ground in grounds:
        others = sum(not ground.reveal.at(ground.row, output).check.total for output in range(ground.reveal.kernel.outputs))
        if others:
            what = counted(others, "output that is not read is", "outputs that are not read are")
            told.append(f"in which order {what} summed in {ground.environment} was not looked at")
    return tuple(dict.fromkeys(told))


def _few(told: Sequence[str]) -> list[str]:
    """The first of many doubts, and how many more there are."""
    more = len(told) - _DOUBTS
    return [*told[:_DOUBTS], f"{more} more reveals leave something open"] if more > 1 else list(told)


def weighed(
    verdict: Verdict, reason: str, proof: Proof | None, grounds: Sequence[Ground], difference: str = ""
) -> tuple[Verdict, str, Proof | None]:
    """What may be said of libraries: the verdict, the reason and the proof of a statement about revealed arithmetics.

    Without reveals they are what they were.  A proof is one in the revealed arithmetics; where a reveal leaves a doubt, or two
    libraries were seen to differ (``difference`` says on what), it proves nothing of the libraries and becomes a reason.
    """
    if not grounds:
        return verdict, reason, proof
    open_ = [*_few(doubts(grounds)), *([difference] if difference else [])]
    if proof is None:
        return verdict, reason if verdict is Verdict.FOUND else "; ".join([reason, *open_]), None
    statement = f"{REVEALED} {proof.statement}"
    if not open_:
        return verdict, statement if reason == proof.statement else reason, replace(proof, statement=statement)
    if verdict is Verdict.FOUND:
        return verdict, reason, None
    return Verdict.UNKNOWN, f"{statement}; but {'; '.join(open_)}", None
