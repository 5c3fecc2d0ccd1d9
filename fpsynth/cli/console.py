"""The console: what goes to standard error while a command runs, and how standard output may look."""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from fpsynth.cli.streams import say
from fpsynth.report.renderers.style import MIN_WIDTH, Style, fitted
from fpsynth.wording import printable

if TYPE_CHECKING:
    from fpsynth.report.telling import Subject

_EVENT = re.compile(r": (?:sat|unsat|unknown|stopped) after [0-9.]+ s")
"""What a race says of an attempt that has ended."""
_TERMINAL, _PIPE = 100, 80
"""Columns of a report where nobody says how many: at most so many on a terminal, and in a pipe without COLUMNS."""


class Verbatim(str):
    """Output that other programs read: it is printed as it is, however long its lines."""


TICK = 0.5
"""Seconds between two updates of the live line."""
PATIENCE = 30.0
"""Seconds without a line after which a pipe is told what is going on."""


class Console:
    """A live line of progress on a terminal, at most a line in half a minute in a pipe; with ``verbose`` a line per event.

    A thread keeps the elapsed time up to date while a step is silent.  Call ``close`` when the command is done.
    """

    def __init__(self, verbose: bool = False, columns: int | None = None) -> None:
        self.verbose = verbose
        self.columns = columns
        self.live = sys.stderr.isatty() and not verbose and os.environ.get("TERM") != "dumb"
        self.started = self._said = time.monotonic()
        self._text, self._event, self._since = "", "", self.started
        self._shown = False
        self._usable = True
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ticker: threading.Thread | None = None

    def progress(self, text: str) -> None:
        """Say what is going on, from now on until something else is said."""
        with self._lock:
            if event := _EVENT.search(text):  # what came of one attempt: the step goes on
                self._event = text.partition(" ")[0] + event[0]
            else:
                if not _same_step(text, self._text):
                    self._since = time.monotonic()
                self._text, self._event = text, ""
            if self.verbose:
                self._line(text)
            elif self.live:
                self._show()
        if self._ticker is None:
            self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
            self._ticker.start()

    def count(self, text: str, done: int, total: int) -> None:
        """Say how far a long computation is."""
        if not self.verbose or done in (0, total):
            self.progress(f"{text}: {done} of {total}")

    def clear(self) -> None:
        """Take the live line away."""
        with self._lock:
            self._clear()

    def close(self) -> None:
        """Take the live line away and end the thread."""
        self._ended.set()
        if self._ticker is not None:
            self._ticker.join(timeout=1)  # it may be waiting for a terminal that is stopped
        self.clear()

    def _tick(self) -> None:
        while self._usable and not self._ended.wait(TICK):
            with self._lock:
                if self._ended.is_set():
                    return
                if self.live:
                    self._show()
                elif time.monotonic() - self._said >= PATIENCE:
                    self._line(self._now())

    def _now(self) -> str:
        """The elapsed time, what is going on, and for how long if that is not the same."""
        now = time.monotonic()
        took = now - self._since
        alone = took < 10 or self._since - self.started < 1
        step = self._text + ("" if alone else f" ({took:.0f} s)")
        return f"{now - self.started:5.1f} s  {step}" + (f" · {self._event}" if self._event and self._text else self._event)

    def _line(self, text: str) -> None:
        self._said = time.monotonic()
        self._usable = self._usable and say(printable(text))

    def _show(self) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._usable = self._usable and say(f"\r\x1b[K{printable(self._now())[:width]}", end="")
        self._shown = True

    def _clear(self) -> None:
        if self._shown:
            say("\r\x1b[K", end="")
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
        return self.columns or max(MIN_WIDTH, min(_TERMINAL, shutil.get_terminal_size((_PIPE, 24)).columns))

    def style(self) -> Style:
        """How a report looks here."""
        return Style(self.unicode(), self.colour(), self.width())

    def told(self, subject: Subject) -> str:
        """The report on what a function of ``fpsynth.api`` has returned, as it looks here."""
        from fpsynth.report.telling import rendered, story

        return rendered(story(subject), "text", self.style()).rstrip("\n")

    def fitted(self, report: str | dict[str, Any]) -> str | dict[str, Any]:
        """The report with no line wider than ``width``; objects and ``Verbatim`` text as they are."""
        if not isinstance(report, str) or isinstance(report, Verbatim):
            return report
        width = self.width()
        return "\n".join(part for line in report.split("\n") for part in fitted(line, width))


def _same_step(a: str, b: str) -> bool:
    """Whether two texts tell of one step: they differ in how far it is."""
    return a.rpartition(":")[0] == b.rpartition(":")[0] if " of " in a else a == b
