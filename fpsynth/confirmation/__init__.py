"""Confirmation: what libraries do with a tie or a divergence in a replay, and whether that confirms it."""

from fpsynth.confirmation.divergences import replay_divergence
from fpsynth.confirmation.ties import predict, replay

__all__ = ["predict", "replay", "replay_divergence"]
