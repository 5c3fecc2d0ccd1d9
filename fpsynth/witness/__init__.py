"""Witnesses: the data, and the JSON files that hold them."""

from fpsynth.witness.data import Observation, Point, Provenance, Sampled, View, Witness, tie_views
from fpsynth.witness.file import from_json, load, save, to_json

__all__ = [
    "Observation",
    "Point",
    "Provenance",
    "Sampled",
    "View",
    "Witness",
    "from_json",
    "load",
    "save",
    "tie_views",
    "to_json",
]
