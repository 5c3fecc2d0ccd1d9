"""A host, images and a trigger: what every backdoor of that host needs, computed once and kept from one to the next."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats, Progress
from fpsynth.backdoors.answer import largest
from fpsynth.backdoors.embedding import rows_needed
from fpsynth.backdoors.measuring import HostRuns
from fpsynth.backdoors.probing import ProbeTable
from fpsynth.backdoors.rows import RowFormats, Sizes, sizes_between
from fpsynth.backdoors.sites import Site, site_in
from fpsynth.backdoors.steady import Steady, steady_channel
from fpsynth.backdoors.triggers import Trigger, trigger_named
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.backdoors.windows import usual_places
from fpsynth.errors import InputError
from fpsynth.evaluators.rounded import rounded_network, rounded_points
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.network import Network
from fpsynth.revealing.revealer import Revealer

HOST = "host"
"""In place of a number: the host's own largest weight."""
_LARGE = 4.0
"""The large weights where no limit is given: the exponents of narrow formats hold the small ones, too."""
_CHANNELS, _FEATURES = 3, 16
"""How many channels a carrier layer gets, and for how many features at least."""
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
    layer: str | None = None
    """The dense layer that gets the detectors; None: the first that will do."""
    seed: int = 0


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
        """In the format, without an argmax or softmax at its end."""
        return rounded_network(self.given.logits, self.dtype)[0]

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
        return trigger_named(self.settings.trigger, self.host.input_shape, self.images, self.dtype, usual_places(self.host))

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
        limit = _LARGE if self.limit is None else self.limit
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

    def table(self, form: WidenedForm, steady: Steady | None, formats: RowFormats | None = None) -> ProbeTable:
        """What detectors do in a form: one table for each; ``formats``: where it is run in others than its own."""
        sizes = self.sizes(steady, RowFormats(self.dtype, self.dtype) if formats is None else formats)
        key = form.places, form.rows, form.copied, sizes
        if key not in self._tables:
            features = form.features(form.places, None if steady is None else steady.positions)
            self._tables[key] = ProbeTable(
                form, sizes, features, self.dtype, self.images[:64], self.revealer, self.settings.seed
            )
        return self._tables[key]
