"""The entry point: parses the arguments, runs a subcommand, turns its outcome into an exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from fpsynth.cli.arguments import build_parser
from fpsynth.cli.codes import CONTRADICTION, CRASHED, INTERRUPTED, UNKNOWN, WRONG_INPUT
from fpsynth.cli.console import Console
from fpsynth.cli.outcomes import Outcome, labelled
from fpsynth.cli.shadows import blame
from fpsynth.cli.streams import discard, open_closed, put, say
from fpsynth.errors import ContradictionError, InputError, WorkerLostError
from fpsynth.wording import printable, printable_report
from fpsynth.workers.deadlines import OutOfTimeError
from fpsynth.workers.kept import end_all


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: that of the process) and return the exit code.

    Raises SystemExit where the arguments ask for help or cannot be read.
    """
    name, console = "fpsynth", None
    try:
        open_closed()
        arguments = build_parser().parse_args(argv)
        name = f"fpsynth {arguments.subcommand}"
        signal.signal(signal.SIGTERM, terminate)
        console = Console(arguments.verbose, arguments.width)
        code, report = _run(arguments, console)
        console.close()
        return _printed(console.fitted(report), code, name, arguments)
    except BaseException as error:
        if console is not None:
            console.close()
        return _failed(error, name)
    finally:
        end_all()


def _run(arguments: Namespace, console: Console) -> Outcome:
    from fpsynth.cli.contradictions import require_sense
    from fpsynth.cli.devices import require_devices

    require_devices(arguments)
    require_sense(arguments)
    from fpsynth.cli.commands import COMMANDS

    code, report = COMMANDS[arguments.subcommand](arguments, console)
    return code, report if isinstance(report, str) else labelled(_full_name(arguments), report)


def _full_name(arguments: Namespace) -> str:
    """The subcommand, and what it is to do where it does several things."""
    return "-".join(filter(None, [arguments.subcommand, getattr(arguments, "action", "")]))


def _printed(report: str | dict[str, Any], code: int, name: str, arguments: Namespace) -> int:
    """Print the report; return ``code``, or what says that it could not be printed."""
    text = printable_report(report) if isinstance(report, str) else json.dumps(report, indent=1, allow_nan=False)
    try:
        put(text if text.endswith("\n") else text + "\n")
    except BrokenPipeError:
        # the reader of our output has gone: nothing is left to say, not even by the interpreter on its way out
        discard(sys.stdout)
        return code
    except OSError as error:
        discard(sys.stdout)
        written = _written(arguments)
        kept = f"; what --out asked for is written: {written}" if written else ""
        say(printable(f"{name}: error: cannot write to standard output: {error.strerror or error}{kept}"))
        return WRONG_INPUT
    return code


def _written(arguments: Namespace) -> str:
    """What --out named, if it is there: before the command ran it was not, or was an empty folder, or it would be refused."""
    out = getattr(arguments, "out", None)
    there = [out + ending for ending in ("", ".json") if os.path.lexists(out + ending)] if out else []
    return next((path for path in there if not os.path.isdir(path) or os.listdir(path)), "")


def _failed(error: BaseException, name: str) -> int:
    """Say in one line what went wrong, and return the exit code for it."""
    match error:
        case SystemExit():
            raise error
        case KeyboardInterrupt():
            say(printable(": ".join(["interrupted", *map(str, error.args)])))
            return INTERRUPTED
        case WorkerLostError():
            say(printable(f"{name}: unknown: {error}"))
            return UNKNOWN
        case InputError():
            say(printable(f"{name}: error: {error}"))
            return WRONG_INPUT
        case ContradictionError():
            say(printable(f"{name}: {error}"))
            return CONTRADICTION
        case OutOfTimeError():
            say(f"{name}: unknown: {error}")
            return UNKNOWN
        case MemoryError():
            say(f"{name}: unknown: memory ran out")
            return UNKNOWN
        case Exception() if reason := blame(error):
            say(printable(f"{name}: error: {reason}"))
            return WRONG_INPUT
        case ImportError() if _package(error) == "numpy":
            say(printable(f"{name}: error: {_without_numpy(error)}"))
            return WRONG_INPUT
        case OSError():
            say(printable(f"{name}: error: {error.strerror or error}"))
            return WRONG_INPUT
    # Python would exit with 1, which says something else here
    say("".join(traceback.format_exception(error)), end="")
    what = f"{type(error).__name__}: {error}"
    say(printable(f"{name}: internal error, please report it with the lines above: {what}"))
    return CRASHED


def _package(error: ImportError) -> str:
    """The package that could not be imported."""
    return (error.name or "").partition(".")[0]


def _without_numpy(error: ImportError) -> str:
    """What to do where numpy is missing or broken: the one package that fpsynth cannot do without."""
    from fpsynth.packages import how_to_install

    if isinstance(error, ModuleNotFoundError):
        return f"numpy is not installed: {how_to_install('numpy')}"
    return f"numpy cannot be imported ({str(error).strip().splitlines()[0]}): {how_to_install('numpy')}"


def terminate(number: int, frame: FrameType | None) -> NoReturn:
    """End like Ctrl-C, so that no process is left behind; only once, as a second one would end the process as it cleans up."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
