"""fpsynth's own verifiers as tools: asked by the command line, so that limits hold and crashes are theirs, as of any tool."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from fpsynth.errors import InputError
from fpsynth.verifiers.external.base import TIME, Command, Said, Tool, ToolQuestion, unread
from fpsynth.version import __version__
from fpsynth.workers.commands import Ended
from fpsynth.workers.deadlines import OutOfTimeError

_ANSWERED = (0, 3)
"""Exit codes with a verdict: done, and unknown."""


class OwnTool(Tool):
    """A verifier of the table, reasoning in an arithmetic."""

    def __init__(self, verifier: str, arithmetic: str, seed: int = 0) -> None:
        """``seed``: of the vectors on which an arithmetic is revealed."""
        self.verifier, self.arithmetic, self.seed = verifier, arithmetic, seed
        self.name = f"{verifier}@{arithmetic}"

    def version(self) -> str:
        """That of fpsynth."""
        return __version__

    def command(self, question: ToolQuestion, folder: Path) -> Command:
        """See ``Tool``."""
        files = ("--network", str(question.onnx), "--property", str(question.vnnlib))
        words = ("--verifier", self.verifier, "--arithmetic", self.arithmetic, "--seed", str(self.seed))
        limits = ("--timeout", repr(float(question.seconds)), "--json")
        argv = (sys.executable, "-P", "-m", "fpsynth", "verify", *files, *words, *limits)
        return Command(argv, {"PYTHONPATH": _import_path()})

    def said(self, ended: Ended, question: ToolQuestion, folder: Path) -> Said:
        """What its JSON says."""
        if ended.status not in _ANSWERED or not ended.output.strip():
            return unread(ended)
        try:
            data = json.loads(ended.output)
            point = tuple(map(float.fromhex, data["point"]))
            verdict, reason = str(data["verdict"]), str(data["reason"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{type(error).__name__}: {error}") from None
        if verdict != "unknown":
            return Said(verdict, "", point if verdict == "sat" else ())
        return Said(verdict, reason, cause=TIME if str(OutOfTimeError()) in reason else "")


def _import_path() -> str:
    """This very fpsynth first, whatever the current folder holds."""
    here = str(Path(__file__).parents[2])
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join([here, *(part for part in inherited if part not in ("", os.curdir))])
