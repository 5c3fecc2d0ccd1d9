"""The arguments of the subcommand about a whole network in several environments."""

from __future__ import annotations

import argparse

from fpsynth.cli.divergence_arguments import add_output


def compare(parser: argparse.ArgumentParser) -> None:
    """A network in several environments."""
    add = parser.add_argument
    add("network", metavar="MODEL", help="an ONNX, .keras or .npz file, or a network in the verified certifier's text")
    add(
        "--inputs",
        required=True,
        metavar="X.npz",
        help="images (uint8 is divided by 255) and perhaps labels, or inputs: arrays of shape (count, ...)",
    )
    add(
        "--library",
        action="append",
        metavar="NAMES",
        help="libraries, or environments such as onnxruntime:optimize=off (may be repeated; default all that are installed)",
    )
    add("--batch", default="1,64", metavar="SIZES", help="batch sizes (default %(default)s)")
    add(
        "--threads", metavar="NUMBERS", help="numbers of threads, with commas between them (default as many as a library takes)"
    )
    add("--dtype", default="float32", help="format of weights, inputs and results (default %(default)s)")
    add("--vectors", type=int, default=1000, metavar="N", help="hostile vectors that check each layer (default %(default)s)")
    add("--seed", type=int, default=0, help="of those vectors (default %(default)s)")
    add("--out", metavar="FOLDER", help="write a witness for each changed class there, which check, replay and explain take")
    add_output(parser)
