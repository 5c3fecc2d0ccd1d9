"""The arguments of every subcommand: those of questions are read off the table, and what only terminals need is added."""

from __future__ import annotations

import argparse
import functools
import textwrap
from collections.abc import Mapping

from fpsynth.cli.asking import Add, add_arguments
from fpsynth.cli.bench_arguments import add_bench, add_shrink
from fpsynth.cli.codes import TEXT
from fpsynth.cli.corpus_arguments import add_corpus
from fpsynth.cli.parser import Parser
from fpsynth.cli.printing_arguments import add_output, out
from fpsynth.cli.verifier_arguments import add_verifiers
from fpsynth.synthesis.requests.fields import Request
from fpsynth.synthesis.requests.reading import batches_of, integers, libraries_of
from fpsynth.synthesis.requests.shared import KNOWN, SIZES
from fpsynth.synthesis.table import DIVERGENCES, QUESTIONS
from fpsynth.version import __version__

_COLUMNS = 80
"""Of a help text."""


def libraries(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The libraries of a replay, named one by one or with commas between them; where none are, all that know the device."""
    return libraries_of(arguments.library, arguments.device)


def batches(arguments: argparse.Namespace) -> tuple[int, ...]:
    """The batch sizes of a replay; where none are given, those worth trying on the device."""
    read = integers("the batch sizes")
    return batches_of(None if arguments.batch is None else read(arguments.batch), arguments.device)


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--library", action="append", metavar="NAMES", help=f"libraries, with commas between them (default {KNOWN})"
    )
    parser.add_argument("--batch", metavar="SIZES", help=f"batch sizes (default {SIZES})")
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu or cuda (default %(default)s)")


@functools.cache
def build_parser() -> Parser:
    """Return the parser of the whole command line: made once, and left as it is."""
    parser = Parser(
        prog="fpsynth",
        description=textwrap.fill(
            "Synthesise networks and inputs on which a statement about real numbers is wrong in floating point.", _COLUMNS
        ),
        epilog=TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fpsynth {__version__}")
    commands = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND", parser_class=Parser)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        filled = textwrap.fill(text, _COLUMNS)  # the formatter leaves it as it is, for the sake of the exit codes
        return commands.add_parser(
            name, help=text, description=filled, epilog=TEXT, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    for name, request in QUESTIONS.items():
        _question(command(name, request.about), request)
    _check(command("check", "compute every claim of witness files again, exactly, without a solver"))
    _replay(command("replay", "run witness files in real libraries"))
    _explain(command("explain", "tell the computation of witness files step by step"))
    add_verifiers(command("verifiers", "list the verifiers, fpsynth's own and real ones, and install real ones"))
    add_bench(command("bench", "run verifiers over a corpus: what each says, and whether that is right"))
    add_shrink(command("shrink", "find the smallest instance on which a verifier is still wrong, or the simplest witness"))
    add_corpus(command("corpus", "make, list and check folders of instances on which verifiers are wrong, with controls"))
    return parser


def _question(parser: argparse.ArgumentParser, request: type[Request]) -> None:
    """A question of the table."""
    add_arguments(parser, request, _BESIDE.get(request.question))
    if request.question in _AFTER:
        _AFTER[request.question](parser)
    add_output(parser)


def _network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--network",
        metavar="MODEL",
        help="reveal every layer of a network instead: LIBRARY[:OPTIONS] is then an environment",
    )


def _form(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--form", "--as", metavar="FORM", help="unicode, text, svg, fpcore or json (default unicode)")


_BESIDE: Mapping[str, Mapping[str, Add]] = {
    "tie": {
        "replay": out(
            "FOLDER",
            "write the witness, network.onnx, VNN-LIB, counterexample into this new folder (or NAME.json: the witness alone)",
        )
    },
    **{
        request.question: {
            "replay": out(
                "FOLDER",
                "write the witness, network.onnx and, of classes that differ, VNN-LIB into this new folder (or NAME.json: the"
                " witness alone)",
            )
        }
        for request in DIVERGENCES
    },
    "reveal": {"terms": _network},
    "tree": {"compare": _form},
}
"""What questions have on the command line alone, by the option that it is told of before."""
_AFTER: Mapping[str, Add] = {
    "reveal": out("FILE.json", "write what was found, to be used wherever an order is taken"),
    "tree": out("FILE", "write it there instead of printing it"),
    "matrix": out("NAME", "write NAME.json, NAME.txt and NAME.svg"),
    "backdoor": out("FOLDER", "write the network in every form, a witness, and instances for verifiers into this new folder"),
    "defend": out("FOLDER", "write the networks that the remedies make, and the answer, into this new folder"),
    "compare": out("FOLDER", "write a witness for each changed class there, which check, replay and explain take"),
}
"""What they have after all options."""


def _check(parser: argparse.ArgumentParser) -> None:
    _add_files(parser)
    _add_limit(parser)
    add_output(parser)


def _replay(parser: argparse.ArgumentParser) -> None:
    _add_files(parser)
    _add_replay(parser)
    parser.add_argument("--out", metavar="FILE", help="write the witness with these replays; of one witness file")
    _add_limit(parser)
    add_output(parser)


def _explain(parser: argparse.ArgumentParser) -> None:
    _add_files(parser)
    _add_limit(parser)
    add_output(parser)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE|FOLDER",
        help="witness files, and folders with witness files in them or below them, such as a corpus: of several the exit code"
        " is the largest of theirs",
    )


def _add_limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="for each file; when it is over the answer is unknown, exit code 3 (default %(default)g)",
    )
