"""The protocol of verifiers, and every verifier by its name: to add one, write its file and its line in VERIFIERS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fpsynth.errors import InputError, unknown_name
from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.sums.arithmetic import Deployment
from fpsynth.verifiers.claims import Ball, Box, Claim, Region
from fpsynth.verifiers.interval_verifier import IntervalVerifier
from fpsynth.verifiers.lipschitz import Certifier, LipschitzVerifier, Prepare
from fpsynth.verifiers.lipschitz_exact import exact_certifier
from fpsynth.verifiers.lipschitz_graph import network_certifier
from fpsynth.verifiers.lipschitz_sound import sound_certifier
from fpsynth.verifiers.margins import Progress, no_progress
from fpsynth.verifiers.milp.settings import NAME as MILP
from fpsynth.verifiers.milp.settings import SOLVERS, settings_named
from fpsynth.verifiers.milp.verifier import milp_verifier
from fpsynth.verifiers.properties import Property
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier, reasoning_of
from fpsynth.verifiers.relaxations.deciding import DECISIONS
from fpsynth.verifiers.relaxations.reasoning import Reasoning

__all__ = ["NAMES", "VERIFIERS", "Certifier", "Entry", "Verifier", "certifier", "entry", "verifier"]


class Verifier(Protocol):
    """Says whether a network has one class in all of a region, in the arithmetic that it reasons in."""

    @property
    def name(self) -> str:
        """What ``entry`` knows it by: the name that claims carry."""

    @property
    def reasons_in(self) -> Deployment | Format:
        """What a claim is of: the network under this deployment (real arithmetic is one), or under any in this format.

        Of which deployments in a format, the verifier's own text says.
        """

    def verify(self, network: Network, region: Region, unsafe: Property | None = None, *, budget: float | None = None) -> Claim:
        """What it claims of ``network`` in ``region``: whether there are outputs that ``unsafe`` calls so.

        None: unsafe are outputs of which not the same one is above all others in all of the region, whichever that is.

        Accepted: networks and regions of the kinds that its entry in VERIFIERS names, with as many finite numbers as the
        network has inputs, a box's lower ends at most its upper ones and a radius of at least 0; where it reasons in a format,
        all numbers of the network and of the region are of that format.  The points spoken of are those that what it reasons
        in can read: all real ones, or all of the format.

        Returned: a Claim with this very region.  ``unsat``: it has proved that no such point is unsafe; for None, that one
        logit is above all others at every one, whatever argmax makes of ties.  ``sat``: it knows a point that is unsafe, or of
        another class, and gives it where it can.  ``unknown``: neither, as for a region that is too large, where numbers
        overflow, or where ``budget``, seconds (None: no limit), is over; the claim's
        ``reason`` says which.  The time is looked at between steps, so that a long one may take longer.  ``supremum`` and
        ``bounds`` are given where the verifier has them.  Equal questions have equal claims.

        Raised: InputError, one line, for what is not accepted (such as a property where only one class can be asked for),
        before anything is computed or where it is met; MissingPackageError where a package is needed that is not installed.
        Nothing else; a claim that turns out to be false is a bug of the verifier, or the reason why it is called unsound.
        """


@dataclass(frozen=True)
class Entry:
    """A verifier in the table: how it is made, and what it needs."""

    make: Callable[[Deployment], Verifier]
    """From a deployment: in which logits at a centre are computed, or bounds of a box."""
    regions: tuple[type[Ball] | type[Box], ...]
    networks: str
    """Which it takes, in words."""
    packages: tuple[str, ...] = ()
    """What must be installed, as pip calls it."""
    prepare: Prepare | None = None
    """Of verifiers of balls that judge from given logits: what depends on the network alone."""
    reasoned: Callable[[Reasoning], Verifier] | None = None
    """Of verifiers that rest on bounds by relaxation: how one is made that reasons in this."""
    caution: str = ""
    """Why not even its own model proves what it says, in one sentence; empty where it does."""


def _lipschitz(name: str, networks: str, prepare: Prepare, *packages: str, sound: bool = False) -> Entry:
    """The entry of a Lipschitz certifier."""
    return Entry(lambda deployment: LipschitzVerifier(name, deployment, prepare, sound), (Ball,), networks, packages, prepare)


def _intervals(name: str, widening: str) -> Entry:
    """The entry of interval arithmetic with a widening."""
    return Entry(lambda deployment: IntervalVerifier(name, deployment, widening), (Box,), "graphs of layers")


def _sound(network: Network, fmt: Format | None, gram: int, progress: Progress) -> Certifier:
    if fmt is None:
        raise InputError("lipschitz-sound needs the format that the network is deployed in")
    return sound_certifier(network, fmt, gram, progress)


def _relaxation(name: str) -> Entry:
    """The entry of a way to bound logits."""

    def reasoned(reasoning: Reasoning) -> Verifier:
        return RelaxationVerifier(name, reasoning)

    return Entry(lambda d: reasoned(reasoning_of(d)), (Box, Ball), "graphs of layers", ("scipy",), reasoned=reasoned)


def _milp(name: str) -> Entry:
    """The entry of a mixed-integer verifier, with what its name says of it.  Raises InputError."""
    found = settings_named(name)
    caution = f"unsat is what {found.solver} says, in floating point with a tolerance of {found.tolerance:g}, and not a proof"

    def reasoned(reasoning: Reasoning) -> Verifier:
        return milp_verifier(name, reasoning)

    packages = (SOLVERS[found.solver].package, "scipy")
    return Entry(
        lambda d: reasoned(reasoning_of(d)), (Box, Ball), "graphs of layers", packages, reasoned=reasoned, caution=caution
    )


_STACKS = "stacks of dense layers with ReLU"

VERIFIERS: dict[str, Entry] = {
    "lipschitz": _lipschitz(
        "lipschitz", "graphs of layers", lambda n, _, gram, told: network_certifier(n, gram, told), "python-flint"
    ),
    "lipschitz-exact": _lipschitz(
        "lipschitz-exact", f"{_STACKS}, without biases", lambda n, _, gram, told: exact_certifier(n, gram, told)
    ),
    "lipschitz-sound": _lipschitz("lipschitz-sound", _STACKS, _sound, "python-flint", sound=True),
    "intervals": _intervals("intervals", ""),
    "intervals-elina": _intervals("intervals-elina", "elina"),
    "intervals-elina-sums": _intervals("intervals-elina-sums", "elina-sums"),
    **{name: _relaxation(name) for name in DECISIONS},
    MILP: _milp(MILP),
}
"""Every verifier: bounds of Lipschitz constants in rigorous ball arithmetic, in the verified certifier's own arithmetic, and
with allowance for rounding; interval arithmetic rounded outward, as the library ELINA widens it, and as it is often quoted;
bounds of logits by relaxation in arrays; mixed-integer programs, of which ``milp:`` names variants (``milp.settings``)."""

NAMES = tuple(name for name, entry in VERIFIERS.items() if entry.prepare is not None)
"""Every Lipschitz certifier."""


def entry(name: str) -> Entry:
    """What is called ``name``: a line of the table, or a variant of milp.  Raises InputError for an unknown name."""
    if name.startswith(f"{MILP}:"):
        return _milp(name)
    if name not in VERIFIERS:
        raise unknown_name("verifier", name, VERIFIERS)
    return VERIFIERS[name]


def verifier(name: str, deployment: Deployment) -> Verifier:
    """The verifier called ``name``; see ``Entry.make`` for the deployment.

    Raises InputError for an unknown name and for a deployment that the verifier has no use for.
    """
    return entry(name).make(deployment)


def certifier(
    name: str,
    network: Network,
    *,
    gram: int = 11,
    format: Format | None = None,
    progress: Progress | None = None,
) -> Certifier:
    """Prepare the certifier called ``name`` for a network: all that depends on the network alone is computed here.

    ``gram`` is the number of Gram iterations for each spectral norm; ``format`` is needed by ``lipschitz-sound`` only: the
    one the network is deployed in.  Raises InputError for an unknown name, a missing format, and a network that the
    certifier cannot read; MissingPackageError where python-flint is needed and absent.
    """
    prepare = VERIFIERS[name].prepare if name in NAMES else None
    if prepare is None:
        raise unknown_name("certifier", name, NAMES)
    return prepare(network, format, gram, progress or no_progress)
