"""Any verifier with the command line of VNN-LIB 2.0 (chapter 5): S verify QUERY --network N=MODEL --timeout T."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from fpsynth.errors import InputError, WorkerLostError
from fpsynth.files import read_limited
from fpsynth.verifiers.external.base import Command, Said, Tool, ToolQuestion, unread
from fpsynth.verifiers.external.driven import DRIVERS
from fpsynth.verifiers.external.installing import CLEAN, require_installed
from fpsynth.verifiers.external.outputs import stated
from fpsynth.verifiers.external.tools import TOOLS
from fpsynth.verifiers.external.writing import Dialect
from fpsynth.workers.commands import Ended, run_command

_NETWORK = re.compile(r"\(\s*declare-network\s+([^\s()]+)")
ASKING = 60.0
"""Seconds that a tool may take to say its version or what it supports."""


class StandardTool(Tool):
    """A tool that is started by some words, to which the standard's are added."""

    reads: tuple[str, ...] = ("ONNX", "VNN-LIB 2.0")

    def __init__(self, words: Sequence[str], name: str = "", element: str = "real") -> None:
        """``element``: the element type that queries written for it are of."""
        if not words:
            raise InputError("a verifier needs a command")
        self.words, self.name = tuple(words), name or Path(words[0]).name
        self.dialect = Dialect("2.0", element=element)

    def version(self) -> str:
        """What it answers to --version."""
        return _first_line(self._asked("--version"))

    def supports(self, capability: str) -> tuple[str, ...]:
        """What it says that it supports, such as of ``onnx-element-types``: a line each; empty where it does not say."""
        ended = self._asked("supports", f"--{capability}")
        return tuple(line.strip() for line in ended.output.splitlines() if line.strip()) if ended.status == 0 else ()

    def _asked(self, *words: str) -> Ended:
        try:
            return run_command([*self.words, *words], seconds=ASKING, variables=self._variables())
        except WorkerLostError as lost:
            return Ended(None, "", "", str(lost), 0.0, None, 0)

    def _variables(self) -> dict[str, str | None]:
        return {}

    def command(self, question: ToolQuestion, folder: Path) -> Command:
        """See ``Tool``."""
        declared = _NETWORK.search(read_limited(question.vnnlib, 1 << 26))
        network = f"{declared[1] if declared else 'N'}={question.onnx}"
        words = ("verify", str(question.vnnlib), "--network", network, "--timeout", str(question.whole_seconds))
        return Command((*self.words, *words), self._variables(), Path.cwd())  # the user's words name files from there

    def said(self, ended: Ended, question: ToolQuestion, folder: Path) -> Said:
        """The verdict is the first line of its standard output."""
        return stated(ended.output) or unread(ended)


class InstalledStandardTool(StandardTool):
    """One that ``fpsynth verifiers install`` has installed."""

    def __init__(self, name: str) -> None:
        package = TOOLS[name]
        self.found = require_installed(name)
        super().__init__((str(self.found.python), "-I", str(DRIVERS / "entry.py"), package.entry), name)
        self.reads = package.reads

    def version(self) -> str:
        """As its environment has it."""
        return self.found.version

    def _variables(self) -> dict[str, str | None]:
        return CLEAN


def _first_line(ended: Ended) -> str:
    lines = [line.strip() for line in ended.output.splitlines() if line.strip()] if ended.status == 0 else []
    return lines[0][:80] if lines else ""
