"""Witnesses: the data, and the JSON files that hold them."""

from fpsynth.witness.data import Certificate, Provenance, Replay, Witness
from fpsynth.witness.file import from_json, load, save, to_json

__all__ = ["Certificate", "Provenance", "Replay", "Witness", "from_json", "load", "save", "to_json"]
