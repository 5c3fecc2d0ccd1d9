"""Interval bound propagation as a verifier of boxes: in real arithmetic, the unsound model, or in a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.evaluators.enclosing import enclosed_logits
from fpsynth.networks.network import Network
from fpsynth.sums.arithmetic import Deployment
from fpsynth.verifiers.asked import box_in, in_time, require_held
from fpsynth.verifiers.claims import Box, Claim, Region
from fpsynth.verifiers.intervals import finite_bounds, network_intervals, widening_named
from fpsynth.verifiers.properties import Property
from fpsynth.version import __version__

MAX_OPERATIONS = 1 << 18
"""Numbers that a network adds, selects or moves, every rounding followed: half a minute and two thirds of a gigabyte."""

Bounds = tuple[tuple[Fraction, Fraction], ...]


@dataclass(frozen=True)
class IntervalVerifier:
    """Interval arithmetic as a ``base.Verifier`` of boxes.

    Under a deployment in formats each end is rounded outward where the deployment rounds, in its order, so that the bounds
    hold for all that it computes; under REAL they are exact rationals and hold for exact values only.
    """

    name: str
    deployment: Deployment
    """What the bounds are of; networks and boxes are of the format of its default arithmetic."""
    widening: str = ""
    """A name of ``intervals.WIDENINGS``: what sums and products are widened by beside that."""

    def __post_init__(self) -> None:
        if widening_named(self.widening) and self.widening and self.deployment.default.format is None:
            raise InputError(f"{self.name} widens by units of a format, which real arithmetic has not; use intervals")

    @property
    def reasons_in(self) -> Deployment:
        """The deployment."""
        return self.deployment

    def verify(self, network: Network, region: Region, unsafe: Property | None = None, *, budget: float | None = None) -> Claim:
        """See ``base.Verifier``.  ``unsat`` where the bounds of the outputs exclude what is unsafe; never ``sat``.

        Without a property: where one logit's lower end is above all others' upper ends.  A network with one output has no
        classes: its bounds are given, its verdict is ``unknown``.
        """
        box = box_in(network, region, self.name)
        fmt = self.deployment.default.format
        if fmt is not None:
            require_held(network, box, fmt)
            if network.work > MAX_OPERATIONS:
                raise InputError(
                    f"{self.name} follows every rounding: {network.work} numbers added, selected or moved are more than"
                    f" {MAX_OPERATIONS}; use real arithmetic, or a smaller network"
                )
        return in_time(self.name, box, budget, lambda: self._claim(network, box, unsafe))

    def _claim(self, network: Network, box: Box, unsafe: Property | None) -> Claim:
        bounds = self.bounds(network, box)
        won, reason = _won(bounds) if unsafe is None or not bounds else _excluded(bounds, unsafe)
        return Claim(
            self.name, box, "unsat" if won else "unknown", versions={"fpsynth": __version__}, bounds=bounds, reason=reason
        )

    def bounds(self, network: Network, box: Box) -> Bounds:
        """A lower and an upper end of each output, row-major; empty where one of them is infinite or NaN."""
        ends = list(zip(box.lower, box.upper, strict=True))
        fmt = self.deployment.default.format
        if fmt is None:
            return enclosed_logits(network, ends)
        return finite_bounds(network_intervals(network, ends, fmt, self.deployment, self.widening)) or ()


def _won(bounds: Sequence[tuple[Fraction, Fraction]]) -> tuple[bool, str]:
    """Whether one output is above all others whatever they are within their bounds; and why not."""
    if not bounds:
        return False, "an end of an interval is infinite or NaN"
    if len(bounds) == 1:
        return False, "a network with one output has no classes"
    top = max(range(len(bounds)), key=lambda k: bounds[k][0])
    other = max((k for k in range(len(bounds)) if k != top), key=lambda k: bounds[k][1])
    if bounds[top][0] > bounds[other][1]:
        return True, ""
    return False, f"the intervals of outputs {min(top, other)} and {max(top, other)} overlap"


def _excluded(bounds: Bounds, unsafe: Property) -> tuple[bool, str]:
    """Whether no outputs within their bounds are unsafe; and why not."""
    unsafe.require(len(bounds))
    for conjunction in unsafe.unsafe:
        if not any(one.beyond(one.least(bounds)) for one in conjunction):
            return False, "outputs within the bounds are unsafe"
    return True, ""
