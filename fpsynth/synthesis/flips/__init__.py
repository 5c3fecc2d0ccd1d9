"""Flips: networks of one layer on which two arithmetics disagree, searched for any number of terms."""

from fpsynth.synthesis.flips.answer import find_flip
from fpsynth.synthesis.flips.question import FlipQuestion, FlipResult

__all__ = ["FlipQuestion", "FlipResult", "find_flip"]
