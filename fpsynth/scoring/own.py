"""fpsynth's own verifiers as tools, in a process of their own: limits hold and crashes are theirs, as of any tool.

On Linux that is a copy of this process, which has imported all that they need: a new one takes half a second of a core for
that, ten times as long as most answers.  Elsewhere, where a copy may hang in what libraries of the system have started, it is
the command line.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from pathlib import Path

from fpsynth.errors import InputError
from fpsynth.synthesis.requests.verifying import VerifyRequest
from fpsynth.synthesis.verifying.run import verify_request
from fpsynth.verifiers.external.base import FAILED, TIME, Command, Said, Tool, ToolQuestion, unread
from fpsynth.verifiers.external.callables import Function
from fpsynth.version import __version__
from fpsynth.workers.commands import Ended
from fpsynth.workers.deadlines import OutOfTimeError
from fpsynth.workers.process import kill_all

COPIED = sys.platform == "linux"
"""Whether they are asked in copies of this process."""

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
        return _said(verdict, reason, point)


def own_function(tool: OwnTool) -> Function:
    """The same verifier as a function, to be asked in a copy of this process."""
    with contextlib.suppress(ImportError):  # a verifier that needs it says so
        importlib.import_module("scipy.sparse")

    def told(question: ToolQuestion) -> Said:
        try:
            found = verify_request(
                VerifyRequest(
                    question.onnx,
                    property=question.vnnlib,
                    verifier=tool.verifier,
                    arithmetic=tool.arithmetic,
                    seed=tool.seed,
                    timeout=float(question.seconds),
                )
            )
        except InputError as error:
            return Said("unknown", str(error), cause=FAILED)
        finally:
            kill_all()  # a copy ends without the end of a program
        return _said(found.verdict, found.reason, found.point)

    told.__name__ = tool.name
    return told


def _said(verdict: str, reason: str, point: tuple[float, ...]) -> Said:
    if verdict != "unknown":
        return Said(verdict, "", point if verdict == "sat" else ())
    return Said(verdict, reason, cause=TIME if str(OutOfTimeError()) in reason else "")


def _import_path() -> str:
    """This very fpsynth first, whatever the current folder holds."""
    here = str(Path(__file__).parents[2])
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join([here, *(part for part in inherited if part not in ("", os.curdir))])
