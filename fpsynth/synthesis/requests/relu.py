"""The question relu: a pre-activation that is to be below zero here and above zero there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, ClassVar

from fpsynth.synthesis.requests import shared
from fpsynth.synthesis.requests.fields import asked
from fpsynth.synthesis.requests.order import OrderRequest
from fpsynth.synthesis.requests.reading import Number

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class ReluRequest(OrderRequest):
    """A pre-activation that is to be below zero here and above zero there."""

    question: ClassVar[str] = "relu"
    about: ClassVar[str] = "find a pre-activation that is negative in one arithmetic and positive in another"
    predicates: ClassVar[tuple[str, ...]] = ("relu",)

    a: str = asked("real", shared.side(f"where it is below zero: {shared.SIDES} (default %(default)s)"))
    b: str = asked("tensorflow:matmul", shared.side("where it is above zero (default %(default)s)"))
    _: KW_ONLY
    terms: int = asked(8, shared.FEWER_TERMS)
    silent: Sequence[str] = field(default=(), init=False)
    only_in: str | None = field(default=None, init=False)
    outputs: int | None = field(default=None, init=False)
    predicate: str | None = field(default="relu", init=False)
    gap: Number | None = field(default=None, init=False)
    maximise: str | bool | None = field(default=True, init=False)
    camouflage: bool = field(default=False, init=False)
    max_weight: Number | None = field(default=None, init=False)
    box: str | None = field(default=None, init=False)
    threshold: str | None = field(default=None, init=False)
    network: str | os.PathLike[str] | None = field(default=None, init=False)
    images: str | os.PathLike[str] | None = field(default=None, init=False)
