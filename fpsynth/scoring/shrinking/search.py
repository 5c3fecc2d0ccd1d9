"""Greedy search for something simpler: passes propose, a total order and a re-check decide, restarts take other ways.

The habits are Hypothesis': simplicity is a total order, nothing is kept that is not simpler in it, nothing that was not checked
again, passes are repeated until none of them helps.  Everything follows from the start, the seed and the answers to the checks,
so that a search that was killed is gone through again with the answers that were kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Generic, Protocol, TypeVar

from fpsynth.workers.deadlines import OutOfTimeError, require_time

C = TypeVar("C")
D = TypeVar("D", contravariant=True)


class ShrinkProblem(Protocol[D]):
    """What is shrunk."""

    def size(self, candidate: D) -> tuple[object, ...]:
        """Where it stands in the total order: smaller is simpler.  Raises InputError for what is no candidate at all."""

    def holds(self, candidate: D) -> bool:
        """Whether it still shows what is to be shown, checked from the ground up."""


@dataclass
class Search(Generic[C]):
    """A descent from a candidate; passes propose by ``consider``."""

    problem: ShrinkProblem[C]
    current: C
    rng: Random
    told: Callable[[C, int], None] = lambda current, considered: None
    considered: int = 0
    """Candidates that were simpler and were checked."""
    _refused: set[tuple[object, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._size = self.problem.size(self.current)

    def consider(self, candidate: C | None) -> bool:
        """Whether the candidate is simpler and still holds: it is the current one from then on.  None is no candidate."""
        if candidate is None:
            return False
        require_time()
        size = self.problem.size(candidate)
        if not size < self._size or size in self._refused:
            return False
        self.considered += 1
        if not self.problem.holds(candidate):
            self._refused.add(size)
            return False
        self.current, self._size = candidate, size
        self.told(candidate, self.considered)
        return True

    @property
    def size(self) -> tuple[object, ...]:
        """Of the current one."""
        return self._size


Pass = Callable[[Search[C]], None]
"""Proposes candidates that are simpler than the current one, whatever that has become meanwhile."""


@dataclass(frozen=True)
class Shrunk(Generic[C]):
    """What came of it."""

    best: C
    considered: int
    complete: bool
    """Whether no pass helped any more in any restart; else the time was over."""


def shrunk(
    problem: ShrinkProblem[C],
    start: C,
    passes: Sequence[Pass[C]],
    *,
    seed: int,
    restarts: int,
    told: Callable[[C, int], None] = lambda current, considered: None,
) -> Shrunk[C]:
    """The simplest candidate that a descent and ``restarts`` more of them find, each with the passes in another order.

    Of the restarts every second one begins at the best so far.  ``start`` must hold.  Where the time that ``deadlines`` gives
    is over, the best so far is returned.
    """
    best, considered = start, 0
    for number in range(restarts + 1):
        rng = Random(f"{seed}/{number}")
        ordered = list(passes)
        if number:
            rng.shuffle(ordered)
        search = Search(problem, best if number % 2 else start, rng, told, considered)
        try:
            _descended(search, ordered)
            ended = True
        except OutOfTimeError:
            ended = False
        considered = search.considered
        best = min((best, search.current), key=problem.size)
        if not ended:
            return Shrunk(best, considered, False)
    return Shrunk(best, considered, True)


def _descended(search: Search[C], passes: Sequence[Pass[C]]) -> None:
    """Pass after pass, until none of them makes the current candidate simpler."""
    while True:
        before = search.size
        for one in passes:
            one(search)
        if search.size == before:
            return


def in_chunks(count: Callable[[], int], propose: Callable[[range], bool]) -> None:
    """Propose ranges of places: all, halves, quarters, at last each by itself; ``count``: how many there are by now.

    ``propose`` says whether its range was taken; what then stands at these places is proposed next where fewer are left.
    """
    length = count()
    while length >= 1:
        place = 0
        while place < count():
            before = count()
            taken = propose(range(place, min(place + length, before)))
            if not (taken and count() < before):
                place += length
        length //= 2
