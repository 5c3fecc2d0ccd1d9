"""The named families of orders: rules that give a tree for any number of terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fpsynth.orders.tree import Builder


@dataclass(frozen=True)
class Family:
    """How the trees of a family are built."""

    build: Callable[[Builder, int], object]
    """Adds every leaf of the builder up; the second argument is the family's parameter (0 where it takes none)."""
    parameter: str = ""
    """What the number after the colon is called; empty where there is none."""
    least: int = 1
    """The smallest parameter."""


def _sequential(build: Builder, parameter: int) -> None:
    build.chain(range(build.leaves))


def _reverse(build: Builder, parameter: int) -> None:
    build.chain(range(build.leaves)[::-1])


def _pairwise(build: Builder, parameter: int) -> None:
    build.halves(range(build.leaves))


def _strided(build: Builder, parameter: int) -> None:
    """K lanes as in a vectorised loop: lane l sums the terms l, l+K, l+2K, ...; then the lanes are added in sequence."""
    lanes = [build.chain(range(lane, build.leaves, parameter)) for lane in range(min(parameter, build.leaves))]
    build.chain(lanes)


FAMILIES: dict[str, Family] = {
    "sequential": Family(_sequential),
    "reverse": Family(_reverse),
    "pairwise": Family(_pairwise),
    "strided": Family(_strided, "LANES"),
}
"""Every family by name."""
