"""The arguments of the subcommands about real verifiers."""

from __future__ import annotations

import argparse

from fpsynth.cli.printing_arguments import add_output


def add_verifiers(parser: argparse.ArgumentParser) -> None:
    """Those of ``verifiers``."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="install NAME",
        help="install the verifier NAME, in an environment of its own, from the package index of pip (default: list all)",
    )
    parser.add_argument("--python", metavar="PYTHON", help="the interpreter that it is for (default: that of fpsynth)")
    parser.add_argument(
        "--torch-index",
        metavar="URL",
        help="where builds of torch without CUDA are, asked beside pip's own indexes (default: PyTorch's; none: pip's own)",
    )
    parser.add_argument("--again", action="store_true", help="install it anew where it is installed already")
    add_output(parser)
