"""What a reveal found: the arithmetic of every position of a kernel's output, and how well it explains the results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Kernel
from fpsynth.rounding import Rounding
from fpsynth.sums import facts
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.building import program_told
from fpsynth.sums.facts import exact_operands
from fpsynth.sums.program import Program, StepKind
from fpsynth.wording import counted

Read = tuple[tuple[int, int], ...]
"""Positions, rows and outputs, whose arithmetics are wanted; empty: all."""


@dataclass(frozen=True)
class Unexplained:
    """The first vector whose result the revealed arithmetic does not predict."""

    inputs: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float | None
    library: float
    """What the library returned."""
    predicted: float


@dataclass(frozen=True)
class Check:
    """How many hostile random vectors the arithmetic explains, bit for bit."""

    explained: int
    total: int
    first: Unexplained | None = None

    @property
    def perfect(self) -> bool:
        """Whether it explains all of them."""
        return self.explained == self.total > 0

    def __str__(self) -> str:
        return f"explains {self.explained}/{self.total}"


@dataclass(frozen=True)
class PositionClass:
    """Positions of the output that share one arithmetic; or those that were not looked at, checked on no vector at all."""

    arithmetic: Arithmetic
    """Of those that were not looked at, what stands in its place."""
    positions: tuple[tuple[int, int], ...]
    """Pairs (row, output)."""
    check: Check


def aligned_groups(how: Arithmetic, terms: int) -> dict[int, int]:
    """How many steps add so many unrounded products in one aligned sum; empty where none does.

    The sum is one of ``terms`` products, and of a bias where the arithmetic says where that is added.
    """
    return _sizes(step[1] for step in exact_operands(program_told(how, terms)) if step[0].kind is StepKind.ALIGNED)


def _sizes(products: Iterable[int]) -> dict[int, int]:
    return dict(sorted(Counter(products).items(), reverse=True))


def steps_in_words(how: Arithmetic, terms: int) -> str:
    """What steps do that the tree and the fused leaves do not tell at first sight; empty where there are none.

    Of aligned ones how many products each adds, the bits kept beside the accumulator's, cut and rounding; else the pairs of
    products of which the earlier one is fused onto the later one.
    """
    if how.format is None:
        return ""
    program = program_told(how, terms)
    return _aligned_in_words(program) or _pairs_in_words(program)


def _pairs_in_words(program: Program) -> str:
    pairs = facts.pairs_reversed(program)
    if not pairs:
        return ""
    first, second = pairs[0]
    others = f", and so on in {len(pairs)} pairs" if len(pairs) > 1 else ""
    return f"product {second} is rounded by itself, and product {first} is fused onto it{others}"


def pairs_reversed(how: Arithmetic, terms: int) -> list[tuple[int, int]]:
    """The pairs of products of which the later one is rounded and the earlier one is fused onto it."""
    return facts.pairs_reversed(program_told(how, terms))


def _aligned_in_words(program: Program) -> str:
    """The steps that align, in groups that do so alike."""
    kinds: dict[tuple[Alignment, Format], list[int]] = {}
    for step, products, _ in exact_operands(program):
        if step.alignment is not None:
            kinds.setdefault((step.alignment, step.rounds[0].format), []).append(products)
    return "; ".join(_alike_in_words(align, wide, _sizes(sizes)) for (align, wide), sizes in kinds.items())


def _alike_in_words(align: Alignment, wide: Format, groups: dict[int, int]) -> str:
    sizes = ", ".join(f"{count} of {counted(size, 'product')}" for size, count in groups.items())
    extra = align.extra_bits(wide)
    bits = f"{counted(extra, 'extra bit')}" if extra >= 0 else f"{counted(-extra, 'bit')} fewer than {wide} has"
    cut, into = _WORDS[align.cut], _WORDS[align.rounding]
    least = "" if align.least_exponent is None else f", exponents from {align.least_exponent}"
    return f"aligned steps: {sizes}; {bits}, cut {cut}, rounded {into} into {wide}{least}"


_WORDS = {
    Rounding.RNE: "to nearest even",
    Rounding.RNA: "to nearest, ties away from zero",
    Rounding.RTZ: "toward zero",
    Rounding.RTP: "upward",
    Rounding.RTN: "downward",
}


@dataclass(frozen=True)
class Reveal:
    """The arithmetic of a kernel."""

    kernel: Kernel
    classes: tuple[PositionClass, ...]
    """They cover every (row, output): the largest class first, and last what was not looked at."""
    version: str
    """Of the library."""
    facts: dict[str, str] = field(default_factory=dict)
    """CPU, builds, kernels, threads, settings."""
    repeats: str = ""
    """``same`` if the results do not change between repeats, else what changed; empty if it was not tried."""
    alignment: str = ""
    """Whether the results depend on the address of the operands in memory, in words; empty if it was not tried."""
    threads: str = ""
    """Whether the results depend on the number of threads, in words; empty if it was not tried."""
    tree_calls: int = 0
    """Calls of the library that found the trees."""
    calls: int = 0
    """All calls of the library."""
    seconds: float = 0.0
    """Wall time, without importing the library."""
    notes: tuple[str, ...] = ()
    """Whatever is not explained or was not tried, and why."""
    revealed: str = ""
    """When, in ISO 8601 with its distance from UTC; empty where that was not written down."""
    cached: bool = field(default=False, compare=False)
    """Whether it was read from the cache on disk instead of being asked of the library now."""

    @property
    def explained(self) -> bool:
        """Whether every class explains every vector it was checked on, and the results do not change between repeats."""
        return self.repeats in ("", "same") and all(cls.check.perfect for cls in self.classes)

    @property
    def whole(self) -> bool:
        """Whether all positions were looked at."""
        return all(cls.check.total for cls in self.classes)

    def at(self, row: int, output: int) -> PositionClass:
        """The class of a position.  Raises InputError for a position outside the kernel's output."""
        if (row, output) not in self._places:
            raise InputError(f"{self.kernel.environment} has no row {row}, output {output}")
        return self._places[row, output]

    @cached_property
    def _places(self) -> dict[tuple[int, int], PositionClass]:
        """Kernels have up to a hundred thousand positions, each of which is asked for."""
        return {place: cls for cls in reversed(self.classes) for place in cls.positions}

    def deployment(self, row: int = 0) -> Deployment:
        """How a one-layer network is evaluated in a row of the batch.

        Raises InputError where the results change between repeats, so that no arithmetic stands for them, and for a row that
        is not in the batch.
        """
        if self.repeats not in ("", "same"):
            raise InputError(f"{self.kernel.environment} has no one arithmetic: {self.repeats}")
        found = [self.at(row, output).arithmetic for output in range(self.kernel.outputs)]
        default = Counter(found).most_common(1)[0][0]
        return Deployment(default, tuple(((0, j), how) for j, how in enumerate(found) if how != default))
