"""Imported: a network that was read from another program, and what was done to it on the way."""

from __future__ import annotations

from dataclasses import dataclass

from fpsynth.formats import Format
from fpsynth.networks.network import Network


@dataclass(frozen=True)
class Imported:
    """A network that was read from a file or an object of another program."""

    network: Network
    format: Format
    """Of its numbers, as they were stored."""
    notes: tuple[str, ...] = ()
    """What was left out or read otherwise, without a change of bits."""
