"""What ``import fpsynth`` offers: one function per subcommand, dataclasses in return; and files in and out."""

from fpsynth.api.backdoors import backdoor
from fpsynth.api.defences import defend
from fpsynth.api.files import load, save, tree, write_corpus, write_folder, write_witnesses
from fpsynth.api.libraries import environments, matrix, reveal
from fpsynth.api.networks import compare, reveal_network
from fpsynth.api.ties import certify, tie
from fpsynth.api.verifying import verify
from fpsynth.api.witnesses import check, explain, render, replay
from fpsynth.scoring.offered import bench, shrink
from fpsynth.synthesis import table
from fpsynth.synthesis.table import *  # noqa: F403  (every question of that table)
from fpsynth.workers.kept import processes_kept

__all__ = [
    "backdoor",
    "bench",
    "certify",
    "check",
    "compare",
    "defend",
    "environments",
    "explain",
    "load",
    "matrix",
    "processes_kept",
    "render",
    "replay",
    "reveal",
    "reveal_network",
    "save",
    "shrink",
    "tie",
    "tree",
    "verify",
    "write_corpus",
    "write_folder",
    "write_witnesses",
]
__all__ += table.__all__
