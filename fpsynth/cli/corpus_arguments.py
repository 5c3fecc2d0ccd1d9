"""The arguments of ``corpus``: one subcommand for each thing that is done with a folder of instances."""

from __future__ import annotations

import argparse
import textwrap

from fpsynth.cli.codes import TEXT
from fpsynth.cli.parser import Parser
from fpsynth.cli.printing_arguments import add_output
from fpsynth.corpus.semantics import ENVIRONMENTS

_COLUMNS = 80


def add_corpus(parser: argparse.ArgumentParser) -> None:
    """Those of ``corpus``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=Parser)

    def action(name: str, text: str) -> argparse.ArgumentParser:
        filled = textwrap.fill(text, _COLUMNS)
        return actions.add_parser(
            name, help=text, description=filled, epilog=TEXT, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    _make(action("make", "make instances on which verifiers are wrong, and controls, in a new folder"))
    _listed(action("list", "list the instances of a folder, and what is true of them"))
    _list(action("check", "prove every label of a folder again, count again, and read every file with other readers"))
    _replay(action("replay", "run every witness of a folder in the libraries of this machine"))
    _export(action("export", "write the instances of a folder in other forms: C programs, tellings, scripts"))


def _make(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, metavar="FOLDER", help="a new folder")
    parser.add_argument("--count", type=int, default=300, metavar="N", help="how many, controls included (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of all draws (default %(default)s)")
    parser.add_argument(
        "--category",
        action="append",
        metavar="NAME",
        help="such as rare, blind or order; may be given several times (default all)",
    )
    parser.add_argument(
        "--environments",
        metavar="NAMES",
        help=f"what instances are labelled for, with commas between them (default {','.join(ENVIRONMENTS)})",
    )
    parser.add_argument("--max-weight", metavar="W", help="no weight or bias is larger in magnitude")
    add_output(parser)


def _listed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--category", action="append", metavar="NAME", help="only this one; may be given several times")
    _list(parser)


def _list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="what corpus make has written")
    add_output(parser)


def _replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="what corpus make has written")
    parser.add_argument(
        "--environments", metavar="NAMES", help="where, with commas between them (default all that instances are labelled for)"
    )
    add_output(parser)


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="what corpus make has written")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="a new folder")
    parser.add_argument(
        "--form",
        action="append",
        metavar="FORM",
        help="c (SV-COMP), why, reproduce or generate; may be given several times (default all)",
    )
    add_output(parser)
