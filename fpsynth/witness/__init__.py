"""Witnesses of ties and divergences: the data, and the JSON files that hold them."""

from fpsynth.witness.data import Certificate, Provenance, Replay, Witness
from fpsynth.witness.divergence import Divergence, Observation, Sampled, View
from fpsynth.witness.file import from_json, load, save, to_json

__all__ = [
    "Certificate",
    "Divergence",
    "Observation",
    "Provenance",
    "Replay",
    "Sampled",
    "View",
    "Witness",
    "from_json",
    "load",
    "save",
    "to_json",
]
