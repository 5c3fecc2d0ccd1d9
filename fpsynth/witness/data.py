"""Witnesses: a network, two points, what a certifier claims of them and what libraries did with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.sums.arithmetic import Deployment


@dataclass(frozen=True)
class Certificate:
    """What one certifier says of the certified point."""

    certifier: str
    accepted: bool
    """Whether it accepts ``radius``."""
    radius: Fraction
    """The radius it was asked about (L2): a decimal number, at least the distance of the two points."""
    supremum: Fraction
    """It accepts exactly the radii below this one (0 where it accepts none)."""


@dataclass(frozen=True)
class Replay:
    """What one environment did with the two points, in some rows of a batch; or why it was not run."""

    library: str
    version: str = ""
    variant: str = ""
    """Which way of running the network, such as keras or matmul."""
    device: str = ""
    batch: int = 0
    rows: tuple[int, ...] = ()
    """The rows of the batch that this record speaks of: those with the same logits."""
    logits_certified: tuple[float, ...] = ()
    logits_counterexample: tuple[float, ...] = ()
    class_certified: int | None = None
    class_counterexample: int | None = None
    certificate_accepted: bool | None = None
    """Whether the certifier accepts the radius when it is given the logits that this library computed."""
    confirmed: bool = False
    """The classes differ and the certifier, given this library's logits, accepts a radius that contains the other point."""
    not_run: str = ""
    """Why the environment was not run; empty if it was."""
    environment: dict[str, str] = field(default_factory=dict)
    """CPU model and features, threads, flags: whatever else may decide the arithmetic."""


@dataclass(frozen=True)
class Provenance:
    """How a witness came to be."""

    engine: str
    encoding: str
    seed: int
    created: str
    """UTC time, ISO 8601."""
    versions: dict[str, str]
    """Package name to version, fpsynth and Python among them."""
    seconds_solve: float
    seconds_total: float
    notes: tuple[str, ...] = ()
    """Whatever was approximated, fixed at random, sampled or improved afterwards."""


@dataclass(frozen=True)
class Witness:
    """A certified point, and a point within the certified radius that has another class when it is computed.

    ``certified`` and ``counterexample`` have one number per input; all numbers are of ``format``.
    """

    question: str
    format: Format
    network: Network
    certified: tuple[float, ...]
    counterexample: tuple[float, ...]
    deployment: Deployment
    """The arithmetic in which the class changes, as predicted."""
    certificate: Certificate
    """The claim that the witness refutes."""
    other_certificates: tuple[Certificate, ...] = ()
    sound_certificate: Certificate | None = None
    """What the floating-point-sound certifier says (None where it knows no such format)."""
    distance: float = 0.0
    """L2 distance of the two points (the nearest float64)."""
    ratio: float = 0.0
    """The certified radius divided by the distance (the nearest float64).

    That radius is the exact margin over the exact Lipschitz bound where the network has one layer and rounding costs the
    certifier no more than a thousandth of it, else ``certificate.supremum``.
    """
    objective: str = "ratio"
    optimum: str = ""
    """What is proved about the objective: empty if nothing."""
    replays: tuple[Replay, ...] = ()
    provenance: Provenance | None = None
    description: str = field(default="", compare=False, repr=False)
    """The arithmetic in the words of the file that this was read from; empty where it has none."""
    unsaid: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """Which of ``distance`` and ``ratio`` that file does not say."""

    @property
    def confirmed_by(self) -> tuple[str, ...]:
        """Names of the libraries that confirm the witness, each once."""
        return tuple(dict.fromkeys(r.library for r in self.replays if r.confirmed))
