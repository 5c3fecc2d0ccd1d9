"""The arguments of every subcommand, and how their texts become values."""

from __future__ import annotations

import argparse
import textwrap

from fpsynth.cli.codes import TEXT
from fpsynth.cli.divergence_arguments import COMMANDS as DIVERGENCES
from fpsynth.cli.divergence_arguments import add_maximise, add_output
from fpsynth.cli.network_arguments import compare
from fpsynth.cli.parser import Parser
from fpsynth.errors import InputError
from fpsynth.version import __version__

KNOWN = "numpy,torch,tensorflow,onnxruntime,jax on a CPU, torch,tensorflow,jax,cupy on a GPU"
"""The libraries of a run where none are named."""
_COLUMNS = 80
"""Of a help text."""
BATCHES = "1,4,64, on a GPU also 1024"


def integers(text: str, what: str) -> tuple[int, ...]:
    """Read whole numbers with commas between them.  Raises InputError that names ``what`` for anything else."""
    parts = text.split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() and len(part) < 10 for part in parts):
        raise InputError(f"{what} {text!r} must be whole numbers with commas between them, for example 1,2")
    return tuple(int(part) for part in parts)


def libraries(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The libraries named one by one or with commas between them; where none are, all that know the device."""
    if arguments.library:
        return tuple(name.strip() for text in arguments.library for name in text.split(","))
    from fpsynth.libraries.registry import names_for

    return names_for(arguments.device)


def batches(arguments: argparse.Namespace) -> tuple[int, ...]:
    """The batch sizes; where none are given, those worth trying on the device."""
    if arguments.batch is not None:
        return integers(arguments.batch, "the batch sizes")
    from fpsynth.libraries.runs import batches_for

    return batches_for(arguments.device)


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option --device."""
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu or cuda (default %(default)s)")


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--library", action="append", metavar="NAMES", help=f"libraries, with commas between them (default {KNOWN})"
    )
    parser.add_argument("--batch", metavar="SIZES", help=f"batch sizes (default {BATCHES})")
    add_device(parser)


def build_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="fpsynth",
        description=textwrap.fill(
            "Synthesise networks and inputs on which a statement about real numbers is wrong in floating point.", _COLUMNS
        ),
        epilog=TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fpsynth {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        filled = textwrap.fill(text, _COLUMNS)  # the formatter leaves it as it is, for the sake of the exit codes
        return commands.add_parser(
            name, help=text, description=filled, epilog=TEXT, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    _tie(command("tie", "find a network and two points: certified alike, classified differently because logits tie"))
    about = "run a network in several environments, and say which classes change, and which could"
    for name, (add_arguments, text) in {**DIVERGENCES, "compare": (compare, about)}.items():
        add_arguments(command(name, text))
    _certify(command("certify", "count the images of a data set that a certifier certifies"))
    _environments(command("environments", "list what is installed here and what it can run"))
    _check(command("check", "compute every claim of a witness file again, exactly, without a solver"))
    _replay(command("replay", "run a witness file in real libraries"))
    _explain(command("explain", "tell the computation of a witness file step by step"))
    return parser


def _tie(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--dtype",
        default="float32",
        help="float16, bfloat16, float32, float64, tf32, float8_e4m3fn or float8_e5m2 (default %(default)s)",
    )
    add("--shape", metavar="N,...,M", help="inputs, hidden widths (ReLU), outputs (default 1,2)")
    add("--order", default="sequential", help="of sums: sequential, reverse, pairwise or strided:K (default %(default)s)")
    add("--rounding", default="RNE", help="RNE, RNA, RTP, RTN or RTZ (default %(default)s)")
    add(
        "--weights",
        metavar="LO:HI",
        help="range of the weights, ends included (default 0.1:1; scaled by 2^26 for float64)",
    )
    add("--inputs", metavar="LO:HI", help="range of the inputs, ends included (default 0.1:1)")
    add_maximise(parser, "ratio, radius, distance or margin")
    add("--min-ratio", default="1", metavar="R", help="least ratio of certified radius and distance (default above 1)")
    add("--prove", action="store_true", help="spend the time that is left on a proof that nothing is larger")
    add(
        "--certifier",
        default="lipschitz-exact",
        help="lipschitz-exact (the verified certifier's own arithmetic) or lipschitz (ball arithmetic)",
    )
    add("--solver", default="auto", help="auto, z3, bitwuzla, cvc5 or sampling (default %(default)s: a race of all)")
    add("--seed", type=int, default=0, help="of everything random (default %(default)s)")
    add(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="for the search; a replay takes as long as it needs (default %(default)g)",
    )
    add("--jobs", type=int, metavar="N", help="solver processes at a time (default: one per processor)")
    add(
        "--count",
        type=int,
        default=1,
        metavar="N",
        help="so many different witnesses, which vary in inputs, depth, outputs, signs and classes as far as --shape, --weights"
        " and --inputs do not fix them (no biases: the verified certifier knows none); with --out they are written as a corpus",
    )
    add(
        "--out",
        metavar="FOLDER",
        help="write the witness, network.onnx, VNN-LIB, counterexample into this new folder (or NAME.json: the witness alone)",
    )
    add("--no-replay", action="store_true", help="do not run the libraries")
    _add_replay(parser)
    add_output(parser)


def _certify(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--network",
        required=True,
        metavar="FILE",
        help="an ONNX, .keras or .npz file, or the verified certifier's text.  In an .npz file: what fpsynth wrote, layers as"
        " torch names them, or weights W0, W1, ..., each (inputs, outputs) as in x @ W0, and, where there are any, biases b0,"
        " b1, ..., each (outputs,); ReLU in between.  torch stores (outputs, inputs): save weight.T",
    )
    add(
        "--images",
        required=True,
        metavar="FILE.npz",
        help="images (count, ...), uint8 (divided by 255) or floats (as they are), and labels (count,)",
    )
    add("--eps", required=True, metavar="RADIUS", help="L2 radius")
    add("--certifier", default="lipschitz", help="lipschitz, lipschitz-exact or lipschitz-sound (default %(default)s)")
    add("--gram", type=int, default=11, metavar="N", help="Gram iterations for each spectral norm (default %(default)s)")
    add("--dtype", default="float32", help="format in which the logits are computed (default %(default)s)")
    add("--limit", type=int, metavar="N", help="only the first N images")
    add(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="for all of it; what is not done by then is unknown, exit code 3 (default: no limit)",
    )
    add_output(parser)


def _environments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--library", action="append", metavar="NAMES", help=f"libraries (default {KNOWN})")
    add_device(parser)
    add_output(parser)


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE|FOLDER", help=f"witness file, {_FOLDER}")
    _add_limit(parser)
    add_output(parser)


def _replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE|FOLDER", help=f"witness file, {_FOLDER}")
    _add_replay(parser)
    parser.add_argument("--out", metavar="FILE", help="write the witness with these replays")
    _add_limit(parser)
    add_output(parser)


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="witness file")
    _add_limit(parser)
    add_output(parser)


_FOLDER = "or a folder with witness files in it or below it, such as a corpus: the exit code is then the largest of theirs"


def _add_limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="for each file; when it is over the answer is unknown, exit code 3 (default %(default)g)",
    )
