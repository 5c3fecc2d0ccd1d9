"""What every teller of a found witness says, in one order: what it is, its sections, how it was found, what is wrong."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from fpsynth.report.story import Frame, Part, Title
from fpsynth.report.text import clean
from fpsynth.synthesis.result import Result
from fpsynth.witness.data import Witness


@dataclass(frozen=True)
class Teller(ABC):
    """Tells of one witness.  Methods raise InputError where a file does not say what a report shows."""

    witness: Witness

    def parts(self, result: Result | None = None) -> tuple[Part, ...]:
        """The whole report on the witness; with the ``result`` whose first one it is also how it was found."""
        found = [] if result is None else self.search(result)
        title = Title(clean(self.heading), "witness" if result is None else "found")
        return (title, *self.sections(), *found, self.box())

    @property
    @abstractmethod
    def heading(self) -> str:
        """What it is about, in a few words."""

    @abstractmethod
    def sections(self) -> list[Part]:
        """The network, the views, what they compute, and what libraries did."""

    @abstractmethod
    def search(self, result: Result) -> list[Part]:
        """How the result was found, and what else was."""

    @abstractmethod
    def box(self) -> Frame:
        """What is wrong, in sentences."""
