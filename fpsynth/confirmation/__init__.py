"""Confirmation: what libraries do with a witness in a replay, and whether that confirms it."""

from fpsynth.confirmation.replay import replay

__all__ = ["replay"]
