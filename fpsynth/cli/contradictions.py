"""Options that make no sense together: refused before anything is started."""

from __future__ import annotations

from argparse import Namespace

from fpsynth.cli.given_files import require_given_files
from fpsynth.errors import InputError


def require_sense(arguments: Namespace) -> None:
    """Raise InputError for options of which one makes another pointless."""
    require_given_files(arguments)
    if getattr(arguments, "no_replay", False):
        _require_no_replay(arguments)
    if getattr(arguments, "prove", False) and arguments.count > 1:
        raise InputError("--prove is about the largest witness, and --count asks for several: leave one of them out")
    if arguments.subcommand == "tree" and arguments.compare is not None and arguments.form is not None:
        raise InputError("--form is how a tree is drawn, and --compare draws none: leave one of them out")
    if arguments.subcommand == "tree" and arguments.json and arguments.form is not None and arguments.out is None:
        raise InputError("--json prints the tree as data, and --form draws it: leave one of them out")


def _require_no_replay(arguments: Namespace) -> None:
    """Refuse what says where a replay is to be, if there is to be none."""
    looked_for = getattr(arguments, "environment", "") is None  # of a question that looks for one itself
    given = {
        "--library": arguments.library and not looked_for,  # else these are where to look
        "--batch": arguments.batch is not None,
        "--device": arguments.device != "cpu" and not looked_for,
    }
    for name in (name for name, there in given.items() if there):
        raise InputError(f"{name} is about the replay, and --no-replay leaves it out: leave one of them out")
