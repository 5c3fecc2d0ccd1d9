"""What ``import fpsynth`` offers: one function per subcommand, dataclasses in return."""

from fpsynth.api.divergences import interval, order, position, precision, relu, twin
from fpsynth.api.libraries import environments, matrix, reveal
from fpsynth.api.ties import certify, tie
from fpsynth.api.witnesses import check, explain, replay

__all__ = [
    "certify",
    "check",
    "environments",
    "explain",
    "interval",
    "matrix",
    "order",
    "position",
    "precision",
    "relu",
    "replay",
    "reveal",
    "tie",
    "twin",
]
