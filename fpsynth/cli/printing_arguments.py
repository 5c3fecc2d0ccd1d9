"""The arguments about what is printed and where it is written: those that Python has no use for."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from fpsynth.report.renderers.style import MAX_WIDTH, MIN_WIDTH

Add = Callable[[argparse.ArgumentParser], None]


def out(metavar: str, text: str) -> Add:
    """What adds the option --out."""

    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--out", metavar=metavar, help=text)

    return add


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
