"""Channels of a host that are above 0 at every input that is looked at: copies of them can feed detectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.backdoors.sites import Site
from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.network import Network
from fpsynth.revealing.revealer import Revealer

_SAFE = 0.5
"""Of the least value that was seen, how much is counted on."""
_ALIKE = 8.0
"""How many times larger one position of a channel may be than another: the more, the smaller the small products must be."""


@dataclass(frozen=True)
class Steady:
    """A channel, and the positions at which it is never 0."""

    channel: int
    positions: tuple[int, ...]
    least: float
    """What it is worth there at least, at any input that was looked at, with room for others."""
    ratio: float
    """How many times larger one of these positions is than another, at most, at one input: with room for others, too."""


def steady_channel(site: Site, dtype: Format, where: Environment, images: Floats, revealer: Revealer) -> Steady:
    """The channel of the carrier layer that is largest where it is smallest, at two positions.

    Raises InputError where no channel is above 0 for all images.
    """
    before = Network(site.before, site.host.input_shape, site.before[-1].name)
    values = np.asarray(revealer.outputs(before, dtype, where, images)["outputs"])
    least = values.reshape(len(images), site.channels, -1).min(axis=0)
    most = values.reshape(len(images), site.channels, -1).max(axis=0)
    order = np.sort(least, axis=1)
    channel = int(order[:, -min(2, order.shape[1])].argmax())
    floor = float(order[channel, -min(2, order.shape[1])])
    if floor <= 0:
        raise InputError(f"no channel of {site.carrier} is above 0 for all images at two positions: do without copies")
    good = (least[channel] >= floor / _ALIKE) & (most[channel] <= _ALIKE * most[channel][least[channel] >= floor].min())
    positions = tuple(np.flatnonzero(good).tolist())
    there = values.reshape(len(images), site.channels, -1)[:, channel, list(positions)]
    ratio = float((there.max(axis=1) / there.min(axis=1)).max())
    return Steady(channel, positions, _SAFE * float(there.min()), ratio / _SAFE)
