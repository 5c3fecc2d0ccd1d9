"""The arguments of ``bench`` and ``shrink``."""

from __future__ import annotations

import argparse

from fpsynth.cli.printing_arguments import add_output

FORMS = ("csv", "json", "junit", "markdown", "text")


def add_bench(parser: argparse.ArgumentParser) -> None:
    """Those of ``bench``."""
    parser.add_argument("corpus", metavar="CORPUS", help="a folder that corpus make has written")
    _verifier(parser, "may be given several times", "append")
    parser.add_argument("--category", action="append", metavar="NAME", help="only this one; may be given several times")
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="keep what is done there, and the scoreboard in every form; the same command goes on from it after any end",
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="runs of verifiers that may draw at random (default %(default)s)"
    )
    _each(parser, "--timeout")
    _memory(parser)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="at a time, on this machine (default %(default)s)")
    parser.add_argument("--dask", metavar="ADDRESS", help="the scheduler of a cluster of Dask that does the jobs instead")
    parser.add_argument("--form", default="text", metavar="FORM", help=f"{', '.join(FORMS)} (default %(default)s)")
    add_output(parser)


def add_shrink(parser: argparse.ArgumentParser) -> None:
    """Those of ``shrink``."""
    parser.add_argument(
        "instance",
        metavar="INSTANCE",
        help="CORPUS/CATEGORY/NAME, on which the verifier is wrong; or a witness file: the simplest numbers that still diverge",
    )
    _verifier(parser, "needed but for witness files")
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="a folder for the result; the same command goes on from it after any end"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the restarts (default %(default)s)")
    parser.add_argument(
        "--timeout",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="for all of this run; the best so far is then the result (default %(default)g)",
    )
    _each(parser, "--each")
    parser.add_argument(
        "--restarts", type=int, default=2, metavar="N", help="searches from the start in another order (default %(default)s)"
    )
    _memory(parser)
    add_output(parser)


def _verifier(parser: argparse.ArgumentParser, more: str, action: str = "store") -> None:
    parser.add_argument(
        "--verifier",
        action=action,
        metavar="NAME",
        help=(
            "a name that fpsynth verifiers lists (fpsynth's own: NAME or NAME@ARITHMETIC); NAME=FOLDER for a checkout; esbmc or"
            " cbmc, which are asked about C, or NAME=PROGRAM; a command:"
            ' "mytool {onnx} {vnnlib} --timeout {timeout}", {seed} being the number of the run; a run_instance.sh;'
            f" standard:COMMAND for VNN-LIB 2.0's; FILE.py:FUNCTION; LABEL= before any of them names it; {more}"
        ),
    )
    parser.add_argument(
        "--arithmetic",
        action="append",
        metavar="ARITHMETIC",
        help="of fpsynth's own verifiers that name none: real, float32, float64, sound:any, sound:ENVIRONMENT (default real)",
    )


def _each(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        name,
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="that a verifier has for an instance (default %(default)g)",
    )


def _memory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--memory", type=float, default=8.0, metavar="GIB", help="that all its processes may hold (default %(default)g)"
    )
