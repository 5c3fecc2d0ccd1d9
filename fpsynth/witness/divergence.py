"""Divergences: a network and a point on which two ways to evaluate it disagree, and what libraries made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import Deployment
from fpsynth.witness.data import Provenance


@dataclass(frozen=True)
class View:
    """One way to evaluate the network at the point, and what comes out."""

    name: str
    """a, b, or silent1, silent2, ...: unique in a divergence."""
    label: str
    """What the user called it, such as ``sequential``, ``real`` or ``torch:linear:batch=4``."""
    role: str
    """``reference`` (a: what is believed), ``deployed`` (b: what departs from it), ``silent`` (must not depart)."""
    deployment: Deployment
    environment: str = ""
    """The environment that the deployment was revealed from (see libraries/naming.py); empty for an arithmetic as such."""
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
    """What one run of a library made of the point, in the rows of a batch that got the same logits; or why it was not run."""

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
    """Of the network's neurons, permutation undone."""
    departs: bool = False
    """The predicate holds between the reference's predicted logits and these."""
    agrees_with: tuple[str, ...] = ()
    """Names of the views whose predicted logits are these."""
    not_run: str = ""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Divergence:
    """A network and a point on which the deployed view departs from the reference, as a predicate says.

    All numbers of the network and the point are of ``format``, which the formats of all views contain.
    """

    question: str
    """order, precision, relu, interval, twin, position, ..."""
    format: Format
    network: Network
    point: tuple[float, ...]
    predicate: Predicate
    views: tuple[View, ...]
    """The reference, the deployed one, then the silent ones."""
    real: tuple[Fraction, ...] = ()
    """The logits in exact arithmetic."""
    measure: Fraction = Fraction(0)
    """How far the two views are apart (see ``Predicate.measure``)."""
    box: tuple[tuple[float, float], ...] = ()
    """Of an input-dependent detector: for every input the range in which it departs; empty otherwise."""
    sampled: Sampled | None = None
    construction: str = ""
    """Of a published or otherwise known detector: its name."""
    optimum: str = ""
    """What is proved about the measure: empty if nothing."""
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

    def reproduced(self, view: View) -> bool:
        """Whether the environment of a view gave the predicted logits, in the row it is about (true for one without)."""
        if not view.environment:
            return True
        return any(o.view == view.name and view.row in o.rows and view.name in o.agrees_with for o in self.observations)

    @property
    def confirmed_by(self) -> tuple[str, ...]:
        """Libraries in which a run departs from the reference, each once; none while a named environment disobeys.

        Where the deployed view is an environment, only its own library confirms; and where it has a format, only runs in it:
        a run in the reference's format may depart for another reason.
        """
        if not all(self.reproduced(view) for view in self.views):
            return ()
        named = self.deployed.environment.partition(":")[0]
        fmt = self.deployed.deployment.default.format
        runs = [
            o
            for o in self.observations
            if o.departs
            and (not named or o.view == self.deployed.name)
            and (fmt is None or o.environment.get("dtype", fmt.name) == fmt.name)
        ]
        return tuple(dict.fromkeys(o.library for o in runs))
