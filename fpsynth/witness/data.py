"""Witnesses: a network, points, views of it there, claims, and the predicate by which the views disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import Deployment
from fpsynth.verifiers.claims import Claim

POINT = "point"
"""The name of a witness's only point."""
CERTIFIED, COUNTEREXAMPLE = "certified", "counterexample"
"""The names of a tie's points."""


@dataclass(frozen=True)
class Point:
    """A named input of the network, one number per input, row-major."""

    name: str
    numbers: tuple[float, ...]


def only_point(numbers: Sequence[float]) -> tuple[Point, ...]:
    """The points of a witness that has one."""
    return (Point(POINT, tuple(numbers)),)


@dataclass(frozen=True)
class View:
    """One way to evaluate the network at a point, and what comes out."""

    name: str
    """a, b, or silent1, silent2, ...: unique in a witness."""
    label: str
    """What the user called it, such as ``sequential``, ``real`` or ``torch:linear:batch=4``."""
    role: str
    """``reference`` (a: what is believed), ``deployed`` (b: what departs from it), ``silent`` (must not depart)."""
    deployment: Deployment
    environment: str = ""
    """The environment that the deployment was revealed from (see libraries/naming.py); empty for an arithmetic as such."""
    point: str = POINT
    """The name of the point that it is evaluated at."""
    network: Network | None = None
    """The network as the environment computes it, where that replaces layers by others; None: as it stands in the witness."""
    row: int = 0
    """The row of the batch."""
    permutation: tuple[int, ...] = ()
    """Of the last layer: its output j computes neuron permutation[j] of the network; empty: neuron j."""
    logits: tuple[Fraction, ...] = ()
    """Predicted by the exact interpreter, one per neuron of the network, permutation undone."""
    interval: tuple[tuple[Fraction, Fraction], ...] = ()
    """Where the view is interval arithmetic: lower and upper end of every output."""
    widening: str = ""
    """Of interval arithmetic: empty for outward rounding, ``elina`` for ELINA's."""
    measured: bool = False
    """The logits are what the environment gave when it was run: its revealed arithmetic, the deployment, gives others."""


def tie_views(deployment: Deployment, label: str | None = None) -> tuple[View, View]:
    """The views of a tie: the same deployment at the certified point, b, and at the counterexample, a."""
    label = str(deployment) if label is None else label
    return (
        View("b", label, "reference", deployment, point=CERTIFIED),
        View("a", label, "deployed", deployment, point=COUNTEREXAMPLE),
    )


@dataclass(frozen=True)
class Sampled:
    """What was sampled of an input-dependent detector's inputs: it departs inside the box, and outside it does not."""

    inside: int
    inside_fires: int
    outside: int
    outside_fires: int
    seed: int
    how: str
    """How the points were drawn, in words."""


@dataclass(frozen=True)
class Observation:
    """What one run of a library made of the points, in the rows of a batch that got the same logits; or why it was not run.

    It stands for the deployed view; and for the reference as well where that is evaluated at another point.
    """

    library: str
    version: str = ""
    variant: str = ""
    device: str = ""
    batch: int = 0
    rows: tuple[int, ...] = ()
    threads: int | None = None
    settings: tuple[tuple[str, str], ...] = ()
    """Variables that chose the kernels."""
    switches: tuple[tuple[str, str], ...] = ()
    """Switches of the library that were set."""
    layout: str = ""
    """Of the operands (see ``libraries.calls``); empty for the variant's own."""
    permutation: tuple[int, ...] = ()
    """As in ``View``: how the neurons of the last layer were arranged in this run."""
    view: str = ""
    """The name of the view whose environment this run is; empty for a run of the general sweep."""
    logits: tuple[float, ...] = ()
    """Of the network's neurons, permutation undone, at the deployed view's point."""
    reference_logits: tuple[float, ...] = ()
    """Likewise at the reference's point, where that is another one."""
    class_index: int | None = None
    """The class that the library itself gives the deployed view's point, where it was asked."""
    reference_class: int | None = None
    """Likewise of the reference's point, where that is another one."""
    accepted: bool | None = None
    """Whether the verifier accepts the refuted claim's region when it is given the logits that this library computed."""
    departs: bool = False
    """The predicate holds between the reference and these logits: where its point is another one, between the two classes of
    this run, and the claim is accepted; else between the reference's predicted logits and these."""
    agrees_with: tuple[str, ...] = ()
    """Names of the views whose predicted logits are these."""
    not_run: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    """CPU model and features, the format of the run: whatever else may decide the arithmetic."""


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
    """A network and points at which the deployed view departs from the reference, as a predicate says.

    All numbers of the network and the points are of ``format``, which the formats of all views contain.  A tie's reference and
    deployed view are the same arithmetic at two points: the certified one, whose claim says that the class is the same in a
    ball, and the counterexample in it.  The views of every other question are evaluated at one point.
    """

    question: str
    """tie, order, precision, relu, interval, twin, position, ..."""
    format: Format
    network: Network
    points: tuple[Point, ...]
    predicate: Predicate
    views: tuple[View, ...]
    """The reference, the deployed one, then the silent ones."""
    claims: tuple[Claim, ...] = ()
    """What verifiers say; the first is the one that is refuted."""
    control: Claim | None = None
    """What a verifier says that is sound in floating point (None where it knows no such format)."""
    real: tuple[Fraction, ...] = ()
    """The logits in exact arithmetic at the only point."""
    measure: Fraction = Fraction(0)
    """How far the two views are apart (see ``Predicate.measure``)."""
    distance: float | None = None
    """L2 distance of two points (the nearest float64)."""
    ratio: float | None = None
    """The certified radius divided by the distance (the nearest float64).

    That radius is the exact margin over the exact Lipschitz bound where the network has one layer and rounding costs the
    verifier no more than a thousandth of it, else the claim's supremum.
    """
    objective: str = ""
    """What was to be as large as possible: empty if nothing."""
    box: tuple[tuple[float, float], ...] = ()
    """Of an input-dependent detector: for every input the range in which it departs; empty otherwise."""
    sampled: Sampled | None = None
    construction: str = ""
    """Of a published or otherwise known detector: its name."""
    optimum: str = ""
    """What is proved about the measure or the objective: empty if nothing."""
    observations: tuple[Observation, ...] = ()
    provenance: Provenance | None = None
    max_weight: Fraction | None = None
    """What no weight or bias exceeds in size, where such a bound was asked for."""

    @property
    def reference(self) -> View:
        """What is believed."""
        return self.views[0]

    @property
    def deployed(self) -> View:
        """What departs from it."""
        return self.views[1]

    @property
    def silent(self) -> tuple[View, ...]:
        """What must not depart from it."""
        return self.views[2:]

    @property
    def deployment(self) -> Deployment:
        """That of the deployed view."""
        return self.deployed.deployment

    @property
    def claim(self) -> Claim:
        """The claim that is refuted.  Raises IndexError where there is none."""
        return self.claims[0]

    @property
    def two_points(self) -> bool:
        """Whether the reference is evaluated at another point than the deployed view."""
        return self.reference.point != self.deployed.point

    def at(self, view: View) -> tuple[float, ...]:
        """The numbers of a view's point."""
        return next(point.numbers for point in self.points if point.name == view.point)

    @property
    def point(self) -> tuple[float, ...]:
        """The deployed view's point: a tie's counterexample, the only point of other questions."""
        return self.at(self.deployed)

    @property
    def certified(self) -> tuple[float, ...]:
        """The reference's point: in a tie the one that the claim is about."""
        return self.at(self.reference)

    def reproduced(self, view: View) -> bool:
        """Whether the environment of a view gave the predicted logits, in the row it is about (true for one without)."""
        if not view.environment:
            return True
        return any(o.view == view.name and view.row in o.rows and view.name in o.agrees_with for o in self.observations)

    @property
    def confirmed_by(self) -> tuple[str, ...]:
        """Libraries in which a run departs from the reference, each once; none while a named environment disobeys.

        Where the deployed view is an environment, only its own library confirms; and where it has a format, only runs in it:
        a run in the reference's format may depart for another reason.  A run without logits confirms nothing.
        """
        if not all(self.reproduced(view) for view in self.views):
            return ()
        named = self.deployed.environment.partition(":")[0]
        fmt = self.deployed.deployment.default.format
        runs = [
            o
            for o in self.observations
            if o.departs
            and o.logits
            and (o.reference_logits or not self.two_points)
            and (not named or o.view == self.deployed.name)
            and (fmt is None or o.environment.get("dtype", fmt.name) == fmt.name)
        ]
        return tuple(dict.fromkeys(o.library for o in runs))
