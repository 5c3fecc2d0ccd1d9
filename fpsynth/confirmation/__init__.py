"""Confirmation: what libraries do with a witness in a replay, and whether that confirms it."""

from fpsynth.confirmation.replay import replay
from fpsynth.confirmation.replayed import Replayed

__all__ = ["Replayed", "replay"]
