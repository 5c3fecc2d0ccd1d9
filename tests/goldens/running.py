"""The command line, run in this process in a folder of its own: exit code, JSON and messages."""

from __future__ import annotations

import contextlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldens.normal import normal, normal_text

from fpsynth.cli.main import main

Json = Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    output: str
    messages: str

    def golden(self, folder: str = "") -> Json:
        """Exit code and normalised JSON; where nothing was printed, the last message."""
        if self.output:
            return {"code": self.code, "output": normal(json.loads(self.output), folder)}
        lines = self.messages.splitlines()
        return {"code": self.code, "message": normal_text(lines[-1], folder) if lines else ""}


def run(arguments: list[str], folder: Path | None = None) -> Ran:
    """Run ``fpsynth`` with these arguments and ``--json``, in ``folder`` if one is given."""
    output, messages = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder or os.curdir),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(messages),
    ):
        try:
            code = main([*arguments, "--json"])
        except SystemExit as ended:  # what argparse refuses
            code = int(ended.code or 0)
    return Ran(code, output.getvalue(), messages.getvalue())
