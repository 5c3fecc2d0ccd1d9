"""What a search for one backdoor is after, what it has learnt, and what it makes and measures on the way."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from fpsynth.backdoors.answer import Measured, largest
from fpsynth.backdoors.embedding import Detectors, embedded
from fpsynth.backdoors.inplace import InplaceForm, embedded_in_place
from fpsynth.backdoors.measuring import RunPlace, objection
from fpsynth.backdoors.probing import WantedFiring
from fpsynth.backdoors.proving import Shape
from fpsynth.backdoors.rows import RowFormats
from fpsynth.backdoors.steady import Steady
from fpsynth.backdoors.storage import LARGE, loaded, stored, unstorable
from fpsynth.backdoors.switching import Behaviour, SwitchStrength
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.backdoors.workshop import Workshop
from fpsynth.errors import InputError
from fpsynth.evaluators.rounded import rounded_network
from fpsynth.formats import Format, format_named
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.network import Network
from fpsynth.wording import counted
from fpsynth.workers.deadlines import require_time

MOST_DETECTORS = 3
_FIRST_PROBES, PROBES = 800, 1600
"""How many rows are tried of the first form, and of each further one."""
_PATIENT_PROBES = 6400
"""In place: rows of all forms that are tried before environments are called alike, as each form has few detectors."""
SHAPES = 4
"""At how many numbers of terms environments must be alike before that is a reason to give up: other shapes, other orders.
Impossible is said only if the proof holds for every shape that was tried until then, other numbers of rows included."""
_MOST_FAILED = 12
"""Networks of all forms that may fail to show it."""
Made = tuple[WidenedForm | InplaceForm, Detectors, Network]


@dataclass(frozen=True)
class Goal:
    """What one backdoor is to do."""

    target: Environment
    silent: tuple[Environment, ...]
    unnamed: frozenset[Environment] = frozenset()
    """Of the silent ones, those that nobody has named: one that cannot run the host is left out."""
    strict: bool = True
    """Whether an environment that nothing tells from the target is a reason to fail; else it is left out, and named."""
    row: int | None = None
    """The only row of the target's batches in which it is to misbehave; None: all."""
    behaviour: str = "shift"
    timeout: float = 300.0
    """Seconds for all of it."""


@dataclass
class BackdoorSearch:
    """One search at work."""

    workshop: Workshop
    goal: Goal
    host_file: str = ""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Environments that cannot run the host, and why."""
    started: float = field(default_factory=time.monotonic)
    alike: list[Environment] = field(default_factory=list)
    rows_alike: list[int] = field(default_factory=list)
    """Rows of the target's batches that nothing tells from its row."""
    untold: tuple[list[int], list[Environment]] = ([], [])
    """Rows and environments that nothing told from the target where that was a reason to try another form."""
    told: set[tuple[Environment, int]] = field(default_factory=set)
    """In place: environments and rows that some detector of some form told from the target."""
    shapes_tried: dict[Shape, WidenedForm | InplaceForm] = field(default_factory=dict)
    """Shapes of all networks that detectors were tried for, each with a form of that shape."""
    untold_shapes: dict[Shape, Network | None] = field(default_factory=dict)
    """Those at which that was so, each with a network of that shape, if one can be made."""
    behaviour: Behaviour | None = None
    """None until the host was run."""
    failed: int = 0
    """Networks that were made, and did not do in the libraries what was asked for."""
    insistent: bool = False
    """Whether environments that seemed to be alike are told apart by a few rows at most: nothing is given up for that."""
    impossible: bool = False
    """Whether no network that can be made keeps to the limit."""
    probes: int = 0
    reason: str = ""

    @property
    def patient(self) -> bool:
        """Whether other places of what feeds detectors are tried before environments are called alike."""
        return self.insistent or (self.workshop.settings.inplace is not None and self.probes < _PATIENT_PROBES)

    @property
    def hopeless(self) -> bool:
        """Whether going on is of no use."""
        return self.impossible or (self.untold_often and not self.insistent) or self.failed >= _MOST_FAILED

    @property
    def untold_often(self) -> bool:
        """Whether nothing told environments from the target at so many numbers of terms that it is a reason to give up."""
        return len({terms for terms, _, _ in self.untold_shapes}) >= SHAPES

    def silent(self) -> tuple[Environment, ...]:
        """Environments that must stay silent: all but those that are alike."""
        return tuple(one for one in self.goal.silent if one not in self.alike)

    @property
    def formats(self) -> RowFormats:
        """In which formats the network is run: where it is to fire, and in which others."""
        own = self.workshop.dtype
        target, *others = (format_named(one.dtype) if one.dtype else own for one in (self.goal.target, *self.silent()))
        return RowFormats(own, target, tuple(dict.fromkeys(fmt for fmt in others if fmt != target)))

    def wanted(self) -> WantedFiring:
        """What detectors are to do, as far as it is known which places can be told apart."""
        other = () if self.goal.row is None else (r for r in range(self.goal.target.batch) if r != self.goal.row)
        return WantedFiring(self.goal.target, self.silent(), self.goal.row, tuple(r for r in other if r not in self.rows_alike))

    def places(self) -> list[RunPlace]:
        """Where networks are run, the target first."""
        target, rows = RunPlace(self.goal.target, "target", self.goal.row), self.wanted().other_rows
        others = [RunPlace(one, "alike" if one in self.alike else "silent") for one in self.goal.silent]
        own = [(row, "silent") for row in rows] + [(row, "alike") for row in self.rows_alike]
        return [target, *(RunPlace(self.goal.target, role, row) for row, role in sorted(own)), *others]

    def embed(self, form: WidenedForm | InplaceForm, detectors: Detectors, behaviour: Behaviour) -> Network | None:
        """The network, its numbers in the format; None where it cannot keep to the limit."""
        shop = self.workshop
        limit = None if shop.limit is None else detectors.sizes.large
        logit = shop.bench.largest_logit(self.goal.target)
        strength = SwitchStrength(max(logit, 1e-30), limit, math.inf if shop.settings.storage is None else LARGE)
        if isinstance(form, InplaceForm):
            network = embedded_in_place(form, detectors, behaviour, strength)
        else:
            network = embedded(form, detectors, behaviour, strength)
        if shop.limit is not None and largest(network) > shop.limit:
            self.reason = (
                f"the largest weight is {largest(network):.6g}, above {shop.limit:.6g}: choose another behaviour or trigger, or"
                " allow larger ones"
            )
            self.impossible = True
            return None
        try:
            for fmt in (self.formats.target, *self.formats.others):
                rounded_network(network, fmt)
            network = rounded_network(network, shop.dtype)[0]
        except InputError as error:
            raise InputError(f"{error}: limit the weights") from None
        return network if shop.settings.storage is None else self._stored(network, shop.settings.storage)

    def _stored(self, network: Network, storage: Format) -> Network | None:
        """The network as it was stored and read back; None where numbers are not in the format."""
        reason = unstorable(network, storage)
        if reason:
            self.reason, self.impossible = f"it cannot be stored in {storage}: {reason}", True
            return None
        return loaded(stored(network, storage))

    def measure(self, network: Network, behaviour: Behaviour, count: int) -> list[Measured]:
        """At some images in all environments; the target first, and no further where it does not fire there."""
        shop = self.workshop
        found: list[Measured] = []
        first = shop.bench.triggered(self.places()[0], len(shop.images)).argmax()
        for one in self.measurements(network, behaviour, max(count, 1 + int(first))):
            found.append(one)
            if objection(found, bound=bool(shop.trigger.units)):
                break
        return found

    def measurements(self, network: Network, behaviour: Behaviour, count: int, told: bool = False) -> Iterator[Measured]:
        """Environment by environment.  Raises OutOfTimeError."""
        shop = self.workshop
        for place in self.places():
            require_time()
            if told:
                shop.progress(f"running {counted(count, 'image')} in {place.name}")
            yield shop.bench.measured(network, place, behaviour, shop.bench.fewest(place.where, count))


def forms_in_turn(shop: Workshop, steady: Steady | None) -> Iterator[tuple[WidenedForm, int, int]]:
    """Forms with the number of detectors in them, and of sets to try: one detector first, then more, then at other places."""
    limited = shop.limit is not None or steady is not None
    counts = [1] if limited else list(range(1, MOST_DETECTORS + 1))
    streams = {count: shop.forms(count, steady) for count in counts}
    for turn in itertools.count():
        for count in counts:
            form = next(streams[count])
            yield form, count, -(-(PROBES if turn else _FIRST_PROBES) // form.rows)
