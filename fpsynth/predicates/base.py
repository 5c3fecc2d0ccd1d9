"""What a predicate has to say of itself: the contract of every row in the table of predicates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Protocol

from fpsynth.expressions import Expression

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Truths = NDArray[np.bool_]

Logits = Sequence[Fraction]
"""The exact values of a network's outputs, one per output."""
Bounds = Sequence[tuple[Fraction, Fraction]]
"""An interval for every output."""


class Parameters(Protocol):
    """What a predicate is asked with: the outputs that it is about and how far apart they are to be."""

    @property
    def output(self) -> int:
        """The output that is looked at."""

    @property
    def other(self) -> int:
        """The output that it is held against, where that is one of the same evaluation."""

    @property
    def bound(self) -> Fraction:
        """How far apart the two are at least, where that is asked for."""


@dataclass(frozen=True)
class Telling:
    """What the words about a predicate are made of: two views of one network and what they gave."""

    names: tuple[str, str]
    """Of the two views, unlike each other."""
    a: Logits
    b: Logits
    text: Callable[[Fraction], str]
    """Writes a number."""
    bounds: Bounds = ()
    """The intervals of a."""
    widening: str = ""
    """As what the intervals were widened, if at all."""
    measure: Fraction = Fraction(0)
    """How far apart the two are said to be."""
    real: Logits = ()
    """The logits over the reals."""
    rearranged: bool = False
    """Whether the outputs of one of the views are other neurons."""

    def of_a(self, output: int) -> str:
        """What a gives for an output."""
        return self.text(self.a[output])

    def of_b(self, output: int) -> str:
        """What b gives for an output."""
        return self.text(self.b[output])

    def agreeing(self, believed: bool) -> str:
        """Which view has what the reals have: the believed one, a, or else b, which departs from it."""
        x, y = self.names
        if believed:
            return f"{x}; {y} departs from the reals"
        return f"{y}, so that the departing side is the one that agrees with the reals, and {x} does not"


class Relation(ABC):
    """One way in which evaluations a (the reference) and b (deployed) of a network can differ.

    ``p`` is what is asked for.  In arrays a and b are of shape (outputs, ...), finite, and what is said is said of each of the
    rest: as far as float64 can tell, so that ``holds`` has the last word.
    """

    name: ClassVar[str]
    about_classes: ClassVar[bool] = False
    """It reads all outputs, and nothing of them but the class."""
    needs_interval: ClassVar[bool] = False
    """It reads the intervals of a instead of its logits."""
    bounded: ClassVar[bool] = False
    """Its bound is above 0, and it holds only where ``output`` differs by at least as much; all others have no bound.

    It is found where sums are large, all others where sums nearly cancel.
    """
    of_pair: ClassVar[bool] = False
    """It holds two outputs of one evaluation against each other: ``output`` and ``other``."""
    reads_signs: ClassVar[bool] = False
    """It cannot hold where ``output`` has the same sign in both: below zero, zero or above it."""
    opposite_signs: ClassVar[bool] = False
    """It holds only where ``output`` is below zero in one of the two and above it in the other."""
    amplified: ClassVar[bool] = False
    """Whether further layers can make it larger."""

    def outputs(self, p: Parameters, count: int) -> tuple[int, ...]:
        """Which of so many outputs it reads."""
        return (p.output,)

    def refusal(self, p: Parameters) -> str:
        """What is wrong with what it is asked with, if anything."""
        return ""

    @abstractmethod
    def holds(self, p: Parameters, a: Logits, b: Logits, bounds: Bounds) -> bool:
        """Whether a and b differ in this way, exactly; ``bounds``: the intervals of a."""

    def measure(self, p: Parameters, a: Logits, b: Logits, bounds: Bounds) -> Fraction:
        """How far a and b are apart in the terms of the predicate, exactly, at least 0."""
        return abs(a[p.output] - b[p.output])

    @abstractmethod
    def holds_each(self, p: Parameters, a: Floats, b: Floats, slack: float) -> Truths:
        """``holds`` in arrays; ``slack``: the share of the bound that may be missing, since float64 rounds.

        Of intervals, a holds the ends: its shape is (outputs, 2, ...).
        """

    def measure_each(self, p: Parameters, a: Floats, b: Floats) -> Floats:
        """``measure`` in arrays; infinite or NaN where that overflows."""
        return abs(each(a, p.output) - each(b, p.output))

    @abstractmethod
    def told(self, p: Parameters, t: Telling) -> str:
        """That it holds, in a sentence."""

    def over_reals(self, p: Parameters, t: Telling) -> str:
        """Which of the two views agrees with the reals, in a sentence; empty where neither can."""
        return ""

    def held_against(self, a: str, b: str) -> str:
        """What is compared, where the logits of both are written down."""
        return f"{a} against {b}"


class Searched(Relation):
    """One that is searched for in a layer of its own: of two outputs where it is about classes, else of one.

    It cannot hold between evaluations that are equal: that is what proofs that there is none go back to.
    """

    @abstractmethod
    def strict_each(self, p: Parameters, a: Floats, b: Floats) -> Truths:
        """In arrays, where it holds: whether nothing hangs on a zero."""

    @abstractmethod
    def expression(self, p: Parameters, a: Sequence[Expression], b: Sequence[Expression]) -> Expression:
        """``holds`` as an expression over the finite logits of such a layer."""

    def wanted(self, p: Parameters) -> str:
        """What is searched for, in a few words."""
        return f"a flip by {self.name}"


def each(numbers: Floats, *places: int) -> Floats:
    """The numbers of one output in arrays, or of one end of its interval."""
    of_one: Floats = numbers[places]
    return of_one


def argmax(logits: Logits) -> int:
    """The class: the lowest index of the largest logit."""
    return max(range(len(logits)), key=lambda k: (logits[k], -k))
