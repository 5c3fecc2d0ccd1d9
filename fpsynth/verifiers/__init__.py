"""Verifiers: for which radii around a point a network provably keeps its class; in real numbers, or in floating point."""

from fpsynth.verifiers.base import NAMES, Certifier, certifier

__all__ = ["NAMES", "Certifier", "certifier"]
