"""Any verifier with VNN-COMP's script: run_instance.sh v1 CATEGORY ONNX VNNLIB RESULTS TIMEOUT."""

from __future__ import annotations

import os
from pathlib import Path

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.files import read_limited, shown
from fpsynth.verifiers.external.base import Command, Said, Tool, ToolQuestion, unread
from fpsynth.verifiers.external.outputs import stated
from fpsynth.workers.commands import Ended

_RESULTS = "results.txt"


class CompetitionTool(Tool):
    """A tool as it takes part in the competition: a script that writes its results into a file."""

    def __init__(self, script: PathLike, category: str = "test", name: str = "") -> None:
        """Raises InputError where ``script`` is not there, or cannot be run."""
        self.script, self.category = Path(script).absolute(), category
        if not self.script.is_file() or not os.access(self.script, os.X_OK):
            raise InputError(f"{shown(script)} is no script that can be run: name a run_instance.sh, and make it executable")
        self.name = name or self.script.parent.name or self.script.name

    def version(self) -> str:
        """Not known: the script does not say."""
        return ""

    def command(self, question: ToolQuestion, folder: Path) -> Command:
        """See ``Tool``."""
        files = (str(question.onnx), str(question.vnnlib), str(folder / _RESULTS))
        return Command((str(self.script), "v1", self.category, *files, str(question.whole_seconds)))

    def said(self, ended: Ended, question: ToolQuestion, folder: Path) -> Said:
        """The verdict is the first line of the file of results; what follows is the counterexample."""
        results = folder / _RESULTS
        if not results.is_file():
            return unread(ended)
        return stated(read_limited(results, 1 << 28)) or unread(ended)
