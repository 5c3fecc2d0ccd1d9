"""The console: what goes to standard error while a command runs, and how standard output may look."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import Any

FEWEST, MOST = 60, 200
"""Columns that a report can be laid out in."""
_TERMINAL, _PIPE = 100, 80
"""Columns of a report where nobody says how many: at most so many on a terminal, and in a pipe without COLUMNS."""


class Verbatim(str):
    """Output that other programs read: it is printed as it is, however long its lines."""


class Console:
    """A live line of progress on a terminal, nothing in a pipe; with ``verbose`` a line per event, wherever it goes."""

    def __init__(self, verbose: bool = False, columns: int | None = None) -> None:
        self.verbose = verbose
        self.columns = columns
        self.live = sys.stderr.isatty() and not verbose and os.environ.get("TERM") != "dumb"
        self.started = time.monotonic()
        self._shown = False

    def progress(self, text: str) -> None:
        """Say what is going on."""
        if self.verbose:
            print(text, file=sys.stderr, flush=True)
        elif self.live:
            width = shutil.get_terminal_size().columns - 1
            line = f"{time.monotonic() - self.started:5.1f} s  {text}"[:width]
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
            self._shown = True

    def count(self, text: str, done: int, total: int) -> None:
        """Say how far a long computation is."""
        if not self.verbose or done in (0, total):
            self.progress(f"{text}: {done} of {total}")

    def clear(self) -> None:
        """Take the live line away."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False

    @staticmethod
    def unicode() -> bool:
        """Whether standard output can show box drawing."""
        return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")

    @staticmethod
    def colour() -> bool:
        """Whether standard output is a terminal that wants colours (see no-color.org)."""
        return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def width(self) -> int:
        """Columns for a report: those asked for; else those of the terminal or of COLUMNS, no more than are read with ease."""
        return self.columns or max(FEWEST, min(_TERMINAL, shutil.get_terminal_size((_PIPE, 24)).columns))

    def fitted(self, report: str | dict[str, Any]) -> str | dict[str, Any]:
        """The report with no line wider than ``width``; objects and ``Verbatim`` text as they are."""
        if not isinstance(report, str) or isinstance(report, Verbatim):
            return report
        from fpsynth.report.style import fitted

        width = self.width()
        return "\n".join(part for line in report.split("\n") for part in fitted(line, width))
