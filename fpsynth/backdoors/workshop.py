"""A host, images and a trigger: what every backdoor of that host needs, computed once and kept from one to the next."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats, Progress
from fpsynth.backdoors.answer import StoredHost, largest
from fpsynth.backdoors.chains import ChainSearch, terms_needed
from fpsynth.backdoors.dead import dead_units
from fpsynth.backdoors.embedding import rows_needed
from fpsynth.backdoors.inplace import InplaceForm, exchanged, reused, steepness
from fpsynth.backdoors.measuring import HostRuns
from fpsynth.backdoors.probing import ProbeTable, WantedFiring
from fpsynth.backdoors.rows import RowFormats, Sizes, sizes_between
from fpsynth.backdoors.sites import Site, site_in
from fpsynth.backdoors.steady import Steady, steady_channel
from fpsynth.backdoors.storage import LARGE
from fpsynth.backdoors.triggers import Trigger, trigger_named
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.backdoors.windows import paired_places, usual_places
from fpsynth.errors import InputError
from fpsynth.evaluators.rounded import rounded_network, rounded_points
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.network import Network
from fpsynth.revealing.revealer import Revealer
from fpsynth.workers.deadlines import OutOfTimeError

HOST = "host"
"""In place of a number: the host's own largest weight."""
_LARGE = 4.0
"""The large weights where no limit is given: the exponents of narrow formats hold the small ones, too."""
_LARGE_IN_PLACE = 2.0**16
"""The same in place, where one weight is all that amplifies what a detector gives."""
_CHANNELS, _FEATURES = 3, 16
"""How many channels a carrier layer gets, and for how many features at least."""
_MOST_EXCHANGED = 200
"""In place: how often channels that feed detectors are put elsewhere."""
_CHAIN_FACTORS = (1, 4, 10)
"""How many times as many terms a chain is given as would do if the target swallowed all of them: lanes swallow some."""
_MOST_TERMS = 40_000
_SHAPES = 5
"""How many numbers of channels are tried in turn."""
_STEADY_IMAGES = 1000


@dataclass(frozen=True)
class MakerSettings:
    """How backdoors of a host are made."""

    trigger: str = "always"
    limit: float | str | None = None
    """The largest weight, ``HOST``, or None for any."""
    copies: bool = False
    """Whether detectors are fed by copies of a channel of the host instead of by constants."""
    inplace: str | None = None
    """``dead.PROVED`` or ``dead.IMAGES``: everything lives in dead units of the host; None: in further units and layers."""
    layer: str | None = None
    """The dense layer that gets the detectors; None: the first that will do."""
    seed: int = 0
    storage: Format | None = None
    """A format that all numbers of the network must be in, so that it can be stored in it; None: that of the computation."""
    survive: float | None = None
    """Relative changes of all weights that are to leave the backdoor what it is; None: it need not."""


@dataclass
class Workshop:
    """Makes forms of a host, and tables of what detectors do in them.

    Raises InputError for hosts, images, layers and triggers that cannot be used, as soon as they are.
    """

    given: Network
    inputs: Floats
    """(images, inputs)."""
    labels: NDArray[np.int64] | None
    dtype: Format
    revealer: Revealer
    settings: MakerSettings = MakerSettings()
    progress: Progress = lambda text: None
    _tables: dict[tuple[object, ...], ProbeTable] = field(default_factory=dict)
    _steady: Steady | None = None

    @cached_property
    def host(self) -> Network:
        """In the format, and first in that of the storage, without an argmax or softmax at its end."""
        return rounded_network(self._stored_host[0], self.dtype)[0]

    @property
    def _stored_host(self) -> tuple[Network, int]:
        given, storage = self.given.logits, self.settings.storage
        return (given, 0) if storage is None else rounded_network(given, storage)

    def stored(self, target: Environment) -> StoredHost | None:
        """What storing makes of the host, not counted where the time is over; None where nothing is asked of that."""
        storage = self.settings.storage
        if storage is None:
            return None
        before, correct = rounded_network(self.given.logits, self.dtype)[0], None
        if self.labels is not None:
            with contextlib.suppress(OutOfTimeError):
                classes = self.bench.logits(before, target, self.images).argmax(axis=1)
                correct = int((classes == self.labels).sum())
        return StoredHost(storage.name, self._stored_host[1], len(self.images), correct)

    @cached_property
    def images(self) -> Floats:
        """In the format."""
        size = int(np.prod(self.host.input_shape))
        if self.inputs.ndim != 2 or self.inputs.shape[1] != size or not len(self.inputs):
            raise InputError(f"the host has {size} inputs, but the images are of shape {self.inputs.shape}")
        return rounded_points(self.inputs, self.dtype)

    @cached_property
    def site(self) -> Site:
        """Where detectors go."""
        return site_in(self.host, self.settings.layer)

    @cached_property
    def trigger(self) -> Trigger:
        """What backdoors are bound to, its numbers in the format."""
        places = usual_places(self.host) if self.settings.inplace is None else paired_places(self.site)
        numbers = self.settings.storage or self.dtype
        return trigger_named(self.settings.trigger, self.host.input_shape, self.images, numbers, places)

    @cached_property
    def bench(self) -> HostRuns:
        """Runs networks on the images."""
        return HostRuns(self.host, self.dtype, self.images, self.labels, self.trigger, self.revealer, self.progress)

    @cached_property
    def limit(self) -> float | None:
        """The largest weight: a number, or None for any."""
        limit = self.settings.limit
        if limit == HOST:
            return largest(self.host)
        return None if limit is None else float(limit)

    def sizes(self, steady: Steady | None, formats: RowFormats) -> Sizes:
        """Of detectors' weights.  Raises InputError where the formats do not have them, or copies cannot be told by them."""
        usual = LARGE if self.settings.storage is not None else _LARGE if self.settings.inplace is None else _LARGE_IN_PLACE
        limit = usual if self.limit is None else self.limit
        found = sizes_between(formats, limit, 1.0 if steady is None else steady.ratio)
        if found.further and steady is not None:
            raise InputError("copies of a channel tell orders apart, not formats: do without copies")
        return found

    def steady(self, where: Environment) -> Steady | None:
        """The channel that is copied; None where detectors are fed by constants."""
        if not self.settings.copies:
            return None
        if self._steady is None:
            some = np.concatenate([self.images[:_STEADY_IMAGES], self.trigger.painted(self.images[:_STEADY_IMAGES])])
            self._steady = steady_channel(self.site, self.dtype, where, some, self.revealer)
        return self._steady

    def forms(self, detectors: int, steady: Steady | None) -> Iterator[WidenedForm]:
        """Forms with rows for so many detectors: other numbers of new channels in turn, and so other shapes."""
        last = len(self.site.tail) == 1
        rows = rows_needed(self.site.dense(0).outputs, detectors, bool(self.trigger.units), last)
        positions = self.site.spread if steady is None else len(steady.positions)
        fewest = max(_CHANNELS, -(-_FEATURES // positions)) if positions > 1 else _FEATURES
        generator = np.random.default_rng([self.settings.seed, detectors])
        unit = 1.0 if self.limit is None else min(1.0, float(2.0 ** np.floor(np.log2(self.limit))))
        for further in itertools.cycle(range(_SHAPES)):
            count = fewest + further
            places = np.sort(generator.choice(self.site.channels + count, count, replace=False)).tolist()
            yield WidenedForm(self.site, tuple(places), rows, self.trigger, None if steady is None else steady.channel, unit)

    @cached_property
    def inplace_form(self) -> InplaceForm | str:
        """What the host's dead units can be made; where they are too few, what is missing."""
        assert self.settings.inplace is not None
        painted = None if self.trigger.paint is None else self.bench.painted
        dead = dead_units(self.site, self.settings.inplace, self.dtype, self.images, painted)
        units = reused(self.site, self.trigger, dead)
        if isinstance(units, str):
            return units
        gate = steepness(self.trigger, self.dtype)
        if self.limit is not None:
            gate = min(gate, self.sizes(None, RowFormats(self.dtype, self.dtype)).large)
        return InplaceForm(self.site, self.trigger, units, gate)

    def inplace_forms(self, first: InplaceForm) -> Iterator[InplaceForm]:
        """That one, and then those with its channels elsewhere."""
        generator = np.random.default_rng([self.settings.seed, len(first.places)])
        yield first
        for _ in range(_MOST_EXCHANGED):
            yield exchanged(first, generator)

    def chain_forms(self) -> Iterator[WidenedForm]:
        """Forms with as many constants as chains need that withstand the changes asked for: more and more."""
        assert self.settings.survive is not None
        rows = rows_needed(self.site.dense(0).outputs, 1, bool(self.trigger.units), len(self.site.tail) == 1)
        for number, factor in enumerate(_CHAIN_FACTORS):
            count = max(_CHANNELS, -(-factor * terms_needed(self.dtype, self.settings.survive) // self.site.spread))
            if count * self.site.spread > _MOST_TERMS:
                return
            generator = np.random.default_rng([self.settings.seed, number])
            places = np.sort(generator.choice(self.site.channels + count, count, replace=False)).tolist()
            yield WidenedForm(self.site, tuple(places), rows, self.trigger)

    def chain_search(self, form: WidenedForm, wanted: WantedFiring) -> ChainSearch:
        """The search for chains in a form."""

        def sums(rows: Floats, where: Environment) -> Floats:
            some = self.images[np.arange(where.batch) % len(self.images)]
            return np.asarray(self.revealer.outputs(form.up_to(rows), self.dtype, where, some)["outputs"])

        features = np.sort(form.features(form.places).reshape(-1))
        generator = np.random.default_rng([self.settings.seed, form.inputs])
        return ChainSearch(form.inputs, form.rows, features, wanted, sums, self.dtype, generator)

    def table(self, form: WidenedForm | InplaceForm, steady: Steady | None, formats: RowFormats | None = None) -> ProbeTable:
        """What detectors do in a form: one table for each; ``formats``: where it is run in others than its own."""
        sizes = self.sizes(steady, RowFormats(self.dtype, self.dtype) if formats is None else formats)
        key = form.places, form.rows, form.copied, sizes
        if key not in self._tables:
            if isinstance(form, InplaceForm):
                features, images = form.feeds, self._with_trigger
            else:
                features, images = form.features(form.places, None if steady is None else steady.positions), self.images
            self._tables[key] = ProbeTable(form, sizes, features, self.dtype, images[:64], self.revealer, self.settings.seed)
        return self._tables[key]

    @property
    def _with_trigger(self) -> Floats:
        """Images that have the trigger."""
        return self.bench.painted if self.trigger.paint else self.images[self.trigger.there(self.images)]
