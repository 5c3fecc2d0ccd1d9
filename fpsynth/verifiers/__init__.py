"""Verifiers: has a network one class in all of a ball or a box?  Each says in which arithmetic it reasons."""

from fpsynth.verifiers.base import NAMES, VERIFIERS, Certifier, Verifier, certifier, verifier
from fpsynth.verifiers.claims import Ball, Box, Claim, Region

__all__ = ["NAMES", "VERIFIERS", "Ball", "Box", "Certifier", "Claim", "Region", "Verifier", "certifier", "verifier"]
