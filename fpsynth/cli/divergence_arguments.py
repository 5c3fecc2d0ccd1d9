"""The arguments of the subcommands about arithmetics: tree, reveal, matrix, and the questions about two of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from fpsynth.report.style import MAX_WIDTH, MIN_WIDTH

Add = Callable[[argparse.ArgumentParser], None]

SIDE = (
    "an order, after which come ,fused ,rounded=1+3 (products not fused) ,flush or ,flush=unbounded ,accumulator=FORMAT "
    ",operands=tf32 ,operand_rounding=RTZ ,rounding=RTP, and for "
    "the aligned sums of tensor cores ,align=25 ,align_rounding=RNE ,align_cut=RTN; or real, a reveal file, or an environment "
    "such as torch:linear:batch=4, torch:linear:device=cuda or numpy:matmul:batch=4,layout=NN (calls and layouts: environments)"
)


def tree(parser: argparse.ArgumentParser) -> None:
    """Print or compare orders."""
    add = parser.add_argument
    add(
        "order",
        metavar="ORDER",
        help="a family such as strided:8, or one within another as in blocked:256-of-lanes:8, a list like [[0,1],2], a file",
    )
    add("--terms", type=int, metavar="N", help="of a family: terms of the sum (default 8)")
    add("--form", "--as", metavar="FORM", help="unicode, text, svg, fpcore or json (default unicode)")
    add("--compare", metavar="ORDER", help="say whether this other order is the same tree, and where they part")
    add("--out", metavar="FILE", help="write it there instead of printing it")
    add_output(parser)


def reveal(parser: argparse.ArgumentParser) -> None:
    """Reveal an arithmetic."""
    add = parser.add_argument
    add(
        "environment",
        metavar="LIBRARY:OPERATION[:OPTIONS]",
        help="such as torch:linear, numpy:dot:layout=NN, torch:linear:MKL_CBWR=COMPATIBLE or torch:linear:device=cuda,tf32=on",
    )
    add("--network", metavar="MODEL", help="reveal every layer of a network instead: LIBRARY[:OPTIONS] is then an environment")
    add("--terms", type=int, default=8, metavar="N", help="products in each sum, 1 to 65536 (default %(default)s)")
    add("--outputs", type=int, metavar="N", help="neurons of the layer (default 1)")
    add("--batch", metavar="SIZES", help="batch sizes, with commas between them (default 1)")
    add("--dtype", default="float32", help="format of operands and result (default %(default)s)")
    add("--bias", action="store_true", help="of a layer with biases")
    add("--threads", type=int, metavar="N", help="threads that the library may use")
    add("--vectors", type=int, default=10_000, metavar="N", help="hostile random vectors of the check (default %(default)s)")
    add("--seed", type=int, default=0, help="of those vectors (default %(default)s)")
    add("--out", metavar="FILE.json", help="write what was found, to be used wherever an order is taken")
    add_output(parser)


def matrix(parser: argparse.ArgumentParser) -> None:
    """All environments against each other."""
    add = parser.add_argument
    add("--terms", type=int, default=64, metavar="N", help="products in each sum (default %(default)s)")
    add("--outputs", type=int, default=2, metavar="N", help="neurons of the layer (default %(default)s)")
    add("--dtype", default="float32", help="(default %(default)s)")
    add("--batch", metavar="SIZES", help="batch sizes (default 1,4,64, on a GPU also 1024)")
    add("--library", action="append", metavar="NAMES", help="libraries, with commas between them (default all)")
    add("--device", default="cpu", metavar="DEVICE", help="cpu or cuda (default %(default)s)")
    add("--no-settings", action="store_true", help="leave out the variables and switches that choose other kernels")
    add("--vectors", type=int, default=10_000, metavar="N", help="hostile random vectors per arithmetic (default %(default)s)")
    add("--seed", type=int, default=0, help="(default %(default)s)")
    add(
        "--timeout",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="for the search of each detector; reveals and runs come on top (default %(default)g)",
    )
    add("--reveals", action="append", metavar="FILE.json", help="environments of a reveal file as further members")
    add("--out", metavar="NAME", help="write NAME.json, NAME.txt and NAME.svg")
    add_output(parser)


def order(parser: argparse.ArgumentParser) -> None:
    """Two orders or environments."""
    add = parser.add_argument
    add("--a", default="sequential", metavar="SIDE", help=f"the reference: {SIDE} (default %(default)s)")
    add(
        "--b",
        metavar="SIDE",
        help="what departs from it, such as groups:16,fused,align=25,accumulator=float32 (default pairwise)",
    )
    add("--silent", action="append", metavar="SIDE", help="what must not depart from it (may be repeated)")
    add(
        "--only-in",
        metavar="SIDE",
        help="the same as --b: it departs in this one from all of --a and --silent, and from --b if given",
    )
    _outputs(parser)
    _flip(parser)
    add("--box", metavar="LO:HI,...", help="a range per input: depart inside this box and nowhere else")
    add("--threshold", metavar="FEATURE>VALUE", help="depart where this input is at least (or, with <, at most) the value")
    _common(parser)


def precision(parser: argparse.ArgumentParser) -> None:
    """Two formats."""
    add = parser.add_argument
    add("--a", default="float32", metavar="FORMAT", help="the reference (default %(default)s)")
    add("--b", default="float64", metavar="FORMAT", help="what departs from it (default %(default)s)")
    add("--order", default="sequential", help="of the sums (default %(default)s)")
    _flip(parser)
    _common(parser, dtype=False)


def relu(parser: argparse.ArgumentParser) -> None:
    """Below zero here, above zero there."""
    add = parser.add_argument
    add("--a", default="real", metavar="SIDE", help=f"where it is below zero: {SIDE} (default %(default)s)")
    add("--b", default="tensorflow:matmul", metavar="SIDE", help="where it is above zero (default %(default)s)")
    add("--terms", type=int, default=8, metavar="N", help="inputs of the neuron (default %(default)s)")
    _common(parser)


_RADIUS = (
    "of the box around the point (default %(default)s: the point), rounded up to a number of the format; a box that is wider"
    " than the rounding errors of the sum, about terms * 2^-23 in float32, has an interval that holds practically every value,"
    " however many the inputs: the answer is then unknown, after all of the time"
)


def interval(parser: argparse.ArgumentParser) -> None:
    """Interval arithmetic."""
    add = parser.add_argument
    add("--a", default="sequential", metavar="SIDE", help=f"interval arithmetic in this order: {SIDE} (default %(default)s)")
    add("--b", default="pairwise", metavar="SIDE", help="the value in this order (default %(default)s)")
    add("--terms", type=int, default=8, metavar="N", help="inputs of the neuron (default %(default)s)")
    add("--widening", default="", metavar="NAME", help="elina: widen as ELINA does (default: round outward)")
    add("--radius", default="0", metavar="R", help=_RADIUS)
    add_maximise(parser, "excess: how far outside the value is")
    _common(parser)


def twin(parser: argparse.ArgumentParser) -> None:
    """Identical neurons."""
    _environment(parser)


def position(parser: argparse.ArgumentParser) -> None:
    """Permuted neurons, rows of a batch."""
    parser.add_argument(
        "--kind", default="permutation", help="permutation (of neurons) or row (of the batch) (default %(default)s)"
    )
    _environment(parser)


def _environment(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("environment", nargs="?", metavar="ENVIRONMENT", help="such as torch:linear:batch=1,outputs=10 (default: look for one)")
    add("--terms", type=int, default=64, metavar="N", help="inputs of the neurons (default %(default)s)")
    _common(parser)


def _outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--outputs", type=int, metavar="N", help="neurons of the layer (default 1, or 2 classes)")


def _flip(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--terms", type=int, default=8, metavar="N", help="inputs of the neuron, 1 to 4096 (default %(default)s)")
    add("--predicate", help="sign, argmax, gap or relu (default sign, with --gap gap)")
    add("--gap", metavar="G", help="differ by at least G")
    add_maximise(parser, "gap: how far apart the sides are")
    add("--camouflage", action="store_true", help="no zeros, no product that stands out more than needed")
    add("--max-weight", metavar="W", help="no weight or bias above W; further ReLU layers amplify the difference")


def _common(parser: argparse.ArgumentParser, dtype: bool = True) -> None:
    add = parser.add_argument
    if dtype:
        add("--dtype", default="float32", help="format of numbers and of arithmetics that name none (default %(default)s)")
    add("--weights", metavar="LO:HI", help="range of the weights, ends included (default -1:1)")
    add("--inputs", metavar="LO:HI", help="range of the inputs, ends included (default -1:1)")
    add("--solver", default="auto", help="auto, z3, bitwuzla, cvc5 or sampling (default %(default)s)")
    add("--seed", type=int, default=0, help="of everything random (default %(default)s)")
    add(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="for reveals and search together; the replay comes on top (default %(default)g)",
    )
    add("--jobs", type=int, metavar="N", help="solver processes at a time (default: one per processor)")
    add("--vectors", type=int, default=10_000, metavar="N", help="hostile vectors that check a reveal (default %(default)s)")
    add(
        "--out",
        metavar="FOLDER",
        help="write the witness and network.onnx into this new folder (or NAME.json: the witness alone)",
    )
    add("--no-replay", action="store_true", help="do not run the libraries")
    add("--library", action="append", metavar="NAMES", help="libraries of the replay, with commas between them (default all)")
    add("--batch", metavar="SIZES", help="batch sizes of the replay (default 1,4,64, on a GPU also 1024)")
    add("--device", default="cpu", metavar="DEVICE", help="cpu or cuda (default %(default)s)")
    add_output(parser)


def add_maximise(parser: argparse.ArgumentParser, objectives: str) -> None:
    """The option --maximise, which means the same everywhere: what is to be as large as can be found."""
    parser.add_argument(
        "--maximise",
        nargs="?",
        const=True,
        metavar="OBJECTIVE",
        help=f"look for a larger one, with a quarter of the time: {objectives} (default: the first)",
    )


def add_width(parser: argparse.ArgumentParser) -> None:
    """The option --width."""
    parser.add_argument(
        "--width",
        type=_columns,
        metavar="N",
        help="columns of the report (default: the terminal's, at most 100; in a pipe COLUMNS, else 80)",
    )


def _columns(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5 and MIN_WIDTH <= int(text) <= MAX_WIDTH):
        raise argparse.ArgumentTypeError(f"must be a whole number from {MIN_WIDTH} to {MAX_WIDTH}, not {text[:20]!r}")
    return int(text)


def add_output(parser: argparse.ArgumentParser) -> None:
    """The options about what is printed."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output instead of a report")
    parser.add_argument("--verbose", action="store_true", help="log every step on standard error")
    add_width(parser)


COMMANDS: dict[str, tuple[Add, str]] = {
    "order": (order, "find a network on which two orders, or two environments, disagree"),
    "precision": (precision, "find a network on which two formats disagree"),
    "relu": (relu, "find a pre-activation that is negative in one arithmetic and positive in another"),
    "interval": (
        interval,
        "find a value outside the interval that interval arithmetic (interval bound propagation, IBP) gives for it",
    ),
    "twin": (twin, "find two neurons with identical weights whose outputs differ"),
    "position": (position, "find a class that changes when neurons are permuted, or with the row of the batch"),
    "reveal": (reveal, "find out in which order and arithmetic a library sums, and check it on hostile vectors"),
    "matrix": (matrix, "reveal every environment here and find a detector for each pair of arithmetics"),
    "tree": (tree, "print an order as a tree, or compare two"),
}
