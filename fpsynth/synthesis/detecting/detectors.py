"""The published detectors of an arithmetic: one linear neuron fed all ones, whose result tells how its sum was taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, Format, power_of_two
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.rounding import from_fraction, representable
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.witness.data import View
from fpsynth.witness.prediction import predicted_logits


@dataclass(frozen=True)
class Detector:
    """A neuron whose result is ``default_value`` where its summands are added from left to right, and another one elsewhere."""

    name: str
    format: Format
    summands: tuple[float, ...]
    """In their default order."""
    bias: bool
    """Whether the last summand is the neuron's bias; else it is a weight like all others."""
    adversarial: str
    """When the detector fires: ``nonzero`` or ``zero``."""

    @property
    def network(self) -> Network:
        """The neuron: one layer, one output."""
        if self.bias:
            return dense_relu([Dense([self.summands[:-1]], self.summands[-1:])])
        return dense_relu([Dense([self.summands])])

    @property
    def point(self) -> tuple[float, ...]:
        """The input that belongs to it: all ones."""
        return (1.0,) * self.network.widths[0]

    @property
    def real_value(self) -> Fraction:
        """The sum in exact arithmetic."""
        return sum(map(Fraction, self.summands), Fraction(0))

    @property
    def default_value(self) -> Fraction:
        """The sum from left to right, a bias last, in the detector's own format."""
        return self.value(Deployment(Arithmetic(self.format)))

    def value(self, deployment: Deployment) -> Fraction:
        """The sum as a deployment computes it.

        Raises InputError where it overflows, where the deployment's format does not hold the summands, and where its order
        has another number of terms.
        """
        fmt = deployment.at(0, 0).format
        if fmt is not None and not _held(map(Fraction, self.summands), fmt):
            raise InputError(f"{fmt} does not hold the summands of {self.name} for {self.format}")
        (value,) = predicted_logits(self.network, self.point, View("b", self.name, "deployed", deployment))
        return value

    def fires(self, value: Fraction) -> bool:
        """Whether a result is one at which the adversarial behaviour begins."""
        return (value != 0) == (self.adversarial == "nonzero")


NAMES = ("Precision", "Order1", "Order2", "Order3")


def detector(name: str, fmt: Format = FLOAT32, *, bias: bool = True) -> Detector:
    """A detector of Szasz, Banhelyi and Jelasity, "No Soundness in the Real World", ICML 2025, for any format.

    With omega = 2**p, from which on 1 is lost, its summands in their default order are

    * Precision: omega, 1, -omega: 0 in the format, 1 in every wider one;
    * Order1: 15 times [4 x omega/4, 1, 4 x -omega/4]: 0 from left to right, though the sum is 15;
    * Order2: 512 x 2/512, omega, -omega: 2, and 0 where omega comes before the small ones;
    * Order3: 512 x 1, omega, -omega: 512, and 0 where omega comes before all but one of the others.

    The bias, which most arithmetics add last, is the last summand; that of Order1, which its authors give as 0, an additional
    one.  Without ``bias`` all summands are weights, and the order of the sum applies to all of them.

    Raises InputError for an unknown name, and where the format is so narrow that the detector fires in its own default order
    (bfloat16 and Order2) or does not hold the summands.
    """
    omega, small = power_of_two(fmt.precision), Fraction(2, 512)
    match name:
        case "Precision":
            summands = [omega, Fraction(1), -omega]
        case "Order1":
            summands = 15 * [*4 * [omega / 4], Fraction(1), *4 * [-omega / 4]] + [Fraction(0)] * bias
        case "Order2":
            summands = [*512 * [small], omega, -omega]
        case "Order3":
            summands = [*512 * [Fraction(1)], omega, -omega]
        case _:
            raise InputError(f"unknown detector {name[:40]!r}; choose from {', '.join(NAMES)}")
    if not _held(summands, fmt):
        raise InputError(f"{name} does not exist in {fmt}, which does not hold its summands")
    adversarial = "nonzero" if name in ("Precision", "Order1") else "zero"
    found = Detector(name, fmt, tuple(map(float, summands)), bias, adversarial)
    if found.fires(found.default_value):
        raise InputError(f"{name} does not exist in {fmt}: it fires in its own default order already")
    return found


def _held(numbers: Iterable[Fraction], fmt: Format) -> bool:
    return all(representable(from_fraction(number), fmt) for number in numbers)


def fires_in(detector: Detector, deployment: Deployment) -> bool:
    """Whether the detector fires in a deployment, by the exact interpreter.  Raises InputError as ``Detector.value``."""
    return detector.fires(detector.value(deployment))


def with_omega_at(detector: Detector, position: int) -> Detector:
    """The detector with its largest summand moved to a position; the others, the bias among them, keep their order.

    Raises InputError for a position that is not among the weights.
    """
    if not 0 <= position < detector.network.widths[0]:
        raise InputError(f"{detector.name} has {detector.network.widths[0]} weights, counted from 0")
    largest = max(range(len(detector.summands)), key=detector.summands.__getitem__)
    others = [*detector.summands[:largest], *detector.summands[largest + 1 :]]
    return replace(detector, summands=(*others[:position], detector.summands[largest], *others[position:]))
