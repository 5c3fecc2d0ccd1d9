"""What can be looked at without a search: an order as a tree, and what is installed here."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field, replace
from typing import ClassVar

from fpsynth.synthesis.requests import shared
from fpsynth.synthesis.requests.fields import Option, Request, asked, needed
from fpsynth.synthesis.requests.reading import Libraries, libraries_of


@dataclass(frozen=True)
class TreeRequest(Request):
    """An order as a tree, and where another one parts from it."""

    question: ClassVar[str] = "tree"
    about: ClassVar[str] = "print an order as a tree, or compare two"

    order: str = field(
        metadata=needed(
            Option(
                "a family such as strided:8, or one within another as in blocked:256-of-lanes:8, a list like [[0,1],2], a file",
                "ORDER",
                positional=True,
            )
        )
    )
    _: KW_ONLY
    terms: int | None = asked(None, Option("of a family: terms of the sum (default 8)", "N", number=int))
    compare: str | None = asked(None, Option("say whether this other order is the same tree, and where they part", "ORDER"))


@dataclass(frozen=True)
class EnvironmentsRequest(Request):
    """What is installed here, and what it can run."""

    question: ClassVar[str] = "environments"
    about: ClassVar[str] = "list what is installed here and what it can run"

    library: Libraries = asked(None, replace(shared.LIBRARY, help=f"libraries (default {shared.KNOWN})"))
    _: KW_ONLY
    device: str = asked("cpu", shared.DEVICE)

    @property
    def libraries(self) -> tuple[str, ...]:
        """The libraries that are looked for."""
        return libraries_of(self.library, self.device)
