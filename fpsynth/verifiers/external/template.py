"""Any verifier with a command line: words with {onnx}, {vnnlib}, {timeout} and {results} in them, and a regular expression."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from fpsynth.errors import InputError
from fpsynth.files import read_limited
from fpsynth.verifiers.external.base import Command, Said, Tool, ToolQuestion, unread
from fpsynth.verifiers.external.outputs import WORDS, counterexample, meaning, undecided
from fpsynth.verifiers.external.writing import Dialect
from fpsynth.workers.commands import Ended

ANSWER = r"(?im)^\W*(?:result\W+|verdict\W+)?(" + "|".join(map(re.escape, WORDS)) + r")\b"
"""What finds the verdict where nobody says otherwise: a line that begins with one, perhaps after ``result:``."""
_SEARCHED = 1 << 20
_HOLES = ("onnx", "vnnlib", "timeout", "results", "folder")


class TemplateTool(Tool):
    """A command with holes.  No shell reads it."""

    def __init__(self, command: str, answer: str = ANSWER, name: str = "", dialect: Dialect | None = None) -> None:
        """``answer``: its first group, or the one called ``verdict``, is the verdict in the words of ``outputs.WORDS``.

        It is searched for in the standard output, then in the standard error, and before both in the file {results} where the
        command names one.  Counterexamples are found where they are printed as VNN-LIB has it.  Raises InputError for a
        command without {onnx} or {vnnlib}, one that cannot be split, and what is no regular expression with a group.
        """
        try:
            self.words = tuple(shlex.split(command))
        except ValueError as error:
            raise InputError(f"the command cannot be split into words: {error}") from None
        for hole in ("onnx", "vnnlib"):
            if not any(f"{{{hole}}}" in word for word in self.words):
                raise InputError(
                    f"the command must say where the files go: {{onnx}} and {{vnnlib}}, but there is no {{{hole}}}"
                )
        try:
            self.answer = re.compile(answer)
        except re.error as error:
            raise InputError(f"the answer is no regular expression: {error}") from None
        if not self.answer.groups:
            raise InputError("the regular expression of the answer needs a group around the verdict: (sat|unsat|unknown)")
        self.name = name or Path(self.words[0]).name
        self.dialect = dialect or self.dialect

    def version(self) -> str:
        """Not known."""
        return ""

    def command(self, question: ToolQuestion, folder: Path) -> Command:
        """See ``Tool``."""
        values = {
            "onnx": str(question.onnx),
            "vnnlib": str(question.vnnlib),
            "timeout": str(question.whole_seconds),
            "results": str(folder / "results.txt"),
            "folder": str(folder),
        }
        hole = re.compile(r"\{(" + "|".join(_HOLES) + r")\}")
        words = tuple(hole.sub(lambda match: values[match[1]], word) for word in self.words)
        return Command(words, folder=Path.cwd())  # the words of a user name files from there

    def said(self, ended: Ended, question: ToolQuestion, folder: Path) -> Said:
        """See ``__init__``."""
        results = folder / "results.txt"
        texts = [read_limited(results, 1 << 28)] if results.is_file() else []
        for text in (*texts, ended.output, ended.log):
            match = self.answer.search(text[:_SEARCHED])
            if match is not None:
                return self._meant(match, text)
        return unread(ended)

    def _meant(self, match: re.Match[str], text: str) -> Said:
        word = match["verdict"] if "verdict" in self.answer.groupindex else match[1]
        verdict = meaning(word or "")
        if verdict is None:
            raise InputError(f"{(word or '')[:40]!r} is no verdict; these are: {', '.join(WORDS)}")
        if verdict == "sat":
            return counterexample(text[match.end() :])
        return Said(verdict) if verdict == "unsat" else undecided(word)
