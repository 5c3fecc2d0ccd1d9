"""The entry point: parses the arguments, runs a subcommand, turns its outcome into an exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from fpsynth.cli.arguments import build_parser
from fpsynth.cli.codes import CONTRADICTION, CRASHED, DONE, INTERRUPTED, WRONG_INPUT
from fpsynth.cli.console import Console
from fpsynth.errors import ContradictionError, InputError, printable_report
from fpsynth.processes import kill_all


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: that of the process) and return the exit code."""
    arguments = build_parser().parse_args(argv)
    console = Console(arguments.verbose)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        from fpsynth.cli.devices import require_devices

        require_devices(arguments)
        from fpsynth.cli.commands import COMMANDS

        code, report = COMMANDS[arguments.command](arguments, console)
        console.clear()
        _print(report)
        return code
    except InputError as error:
        console.clear()
        print(f"fpsynth {arguments.command}: error: {error}", file=sys.stderr)
        return WRONG_INPUT
    except ContradictionError as error:
        console.clear()
        print(f"fpsynth {arguments.command}: {error}", file=sys.stderr)
        return CONTRADICTION
    except KeyboardInterrupt:
        console.clear()
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has gone: nothing is left to say, not even by the interpreter on its way out
        _discard_output()
        return DONE
    except OSError as error:
        _discard_output()
        print(f"fpsynth {arguments.command}: error: {error.strerror or error}", file=sys.stderr)
        return WRONG_INPUT
    except Exception as error:  # Python would exit with 1, which says something else here
        console.clear()
        traceback.print_exc()
        what = f"{type(error).__name__}: {error}"
        print(f"fpsynth {arguments.command}: internal error, please report it with the lines above: {what}", file=sys.stderr)
        return CRASHED
    finally:
        kill_all()


def _print(report: str | dict[str, Any]) -> None:
    if isinstance(report, str):
        sys.stdout.write(printable_report(report if report.endswith("\n") else report + "\n"))
    else:
        json.dump(report, sys.stdout, indent=1, allow_nan=False)
        sys.stdout.write("\n")
    sys.stdout.flush()


def _discard_output() -> None:
    """Send what is still buffered nowhere: writing it once more at exit would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """End like Ctrl-C, so that no process is left behind."""
    raise KeyboardInterrupt
