"""The question precision: two formats that are to disagree."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar

from fpsynth.errors import InputError
from fpsynth.predicates import SEARCHED
from fpsynth.synthesis.requests.fields import Option, asked
from fpsynth.synthesis.requests.order import OrderRequest


@dataclass(frozen=True)
class PrecisionRequest(OrderRequest):
    """Two formats that are to disagree, sums being taken in one order; the numbers are those that both formats hold."""

    question: ClassVar[str] = "precision"
    about: ClassVar[str] = "find a network on which two formats disagree"
    predicates: ClassVar[tuple[str, ...]] = SEARCHED

    a: str = asked("float32", Option("the reference (default %(default)s)", "FORMAT", record=False))
    b: str = asked("float64", Option("what departs from it (default %(default)s)", "FORMAT", record=False))
    _: KW_ONLY
    order: str = asked("sequential", Option("of the sums (default %(default)s)", record=False))
    silent: Sequence[str] = field(default=(), init=False)
    only_in: str | None = field(default=None, init=False)
    outputs: int | None = field(default=None, init=False)
    box: str | None = field(default=None, init=False)
    threshold: str | None = field(default=None, init=False)
    network: str | os.PathLike[str] | None = field(default=None, init=False)
    images: str | os.PathLike[str] | None = field(default=None, init=False)
    dtype: str = "float32"
    """Without a meaning: whatever is given, the numbers are those of ``a`` and ``b``."""

    def __post_init__(self) -> None:
        from fpsynth.formats import format_named
        from fpsynth.synthesis.flips.question import common_format
        from fpsynth.synthesis.sides import is_environment

        a, b = format_named(self.a), format_named(self.b)
        if a == b:
            raise InputError(f"both sides are {a}: choose two formats")
        if is_environment(self.order) or self.order.endswith(".json") or "format=" in self.order:
            raise InputError(f"the order {self.order[:40]!r} must be a family or a tree: the formats are those of a and b")
        object.__setattr__(self, "dtype", common_format(a, b).name)
        super().__post_init__()

    @property
    def sides(self) -> tuple[str, ...]:
        """The order in each of the formats."""
        from fpsynth.formats import format_named

        return tuple(f"{self.order},format={format_named(name)}" for name in (self.a, self.b))
