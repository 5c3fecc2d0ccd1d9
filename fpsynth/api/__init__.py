"""What ``import fpsynth`` offers: one function per subcommand, dataclasses in return; and files in and out."""

from fpsynth.api.divergences import interval, order, position, precision, relu, twin
from fpsynth.api.files import load, save, tree, write_corpus, write_folder, write_witnesses
from fpsynth.api.libraries import environments, matrix, reveal
from fpsynth.api.networks import compare, reveal_network
from fpsynth.api.ties import certify, tie
from fpsynth.api.witnesses import check, explain, render, replay

__all__ = [
    "certify",
    "check",
    "compare",
    "environments",
    "explain",
    "interval",
    "load",
    "matrix",
    "order",
    "position",
    "precision",
    "relu",
    "render",
    "replay",
    "reveal",
    "reveal_network",
    "save",
    "tie",
    "tree",
    "twin",
    "write_corpus",
    "write_folder",
    "write_witnesses",
]
