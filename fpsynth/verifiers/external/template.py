"""Any verifier with a command line: words with {onnx}, {vnnlib}, {timeout} and {results} in them, and a regular expression."""

from __future__ import annotations

import difflib
import re
import shlex
from pathlib import Path

from fpsynth.errors import InputError
from fpsynth.files import read_limited
from fpsynth.verifiers.external.base import Command, Said, Tool, ToolQuestion, unread
from fpsynth.verifiers.external.outputs import WORDS, counterexample, meaning, undecided
from fpsynth.verifiers.external.writing import Dialect
from fpsynth.workers.commands import Ended

_WORD = "(" + "|".join(map(re.escape, WORDS)) + ")"
_GAP = r"[ \t]{0,8}"
_SECONDS = rf"[,;]?{_GAP}\(?{_GAP}(?:in|after|took|time:?)?{_GAP}\d[\d.e+-]{{0,30}}{_GAP}(?:s|ms|sec|secs|seconds?)\b"
_ALONE = rf"(?=[^\S\n]*(?:[.!*=#\"'\])}}>~-]+[^\S\n]*)?$|{_SECONDS}|{_GAP}\({_GAP}\(?{_GAP}[XY]_\d)"
"""What may follow a verdict: the end of its line, how long it took, or its point.  ``unsat cores are off`` is none."""
_STATED = re.compile(
    rf"(?im)^[^\w\n]*(?:\w+[^\S\n]+){{0,3}}(?:result|verdict)(?:\W+is\b)?\W+{_WORD}(?:{_ALONE}|(?=[\"']{_GAP}[,}}]))"
)
_BARE = re.compile(rf"(?im)^[^\w\n]*{_WORD}{_ALONE}")
_SEARCHED = 1 << 20
_HOLES = ("onnx", "vnnlib", "timeout", "results", "folder")


class TemplateTool(Tool):
    """A command with holes.  No shell reads it."""

    def __init__(self, command: str, answer: str = "", name: str = "", dialect: Dialect | None = None) -> None:
        """``answer``: its first group, or the one called ``verdict``, is the verdict in the words of ``outputs.WORDS``.

        Where it is empty, the verdict is a line that says one after ``result:`` or ``verdict:``, or one that is nothing but a
        verdict; where such lines contradict each other, none is believed.

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
        for hole in sorted({hole for word in self.words for hole in re.findall(r"\{([a-z_]{1,20})\}", word)} - {*_HOLES}):
            for near in difflib.get_close_matches(hole, _HOLES, n=1):  # others are the user's own: awk's {print}
                raise InputError(f"nothing is put in place of {{{hole}}}: did you mean {{{near}}}?")
        try:
            self.answer = re.compile(answer) if answer else None
        except re.error as error:
            raise InputError(f"the answer is no regular expression: {error}") from None
        if self.answer is not None and not self.answer.groups:
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
            match = _default(text[:_SEARCHED]) if self.answer is None else self.answer.search(text[:_SEARCHED])
            if match is not None:
                return self._meant(match, text)
        return unread(ended)

    def _meant(self, match: re.Match[str], text: str) -> Said:
        word = match["verdict"] if "verdict" in match.re.groupindex else match[1]
        verdict = meaning(word or "")
        if verdict is None:
            raise InputError(f"{(word or '')[:40]!r} is no verdict; these are: {', '.join(WORDS)}")
        if verdict == "sat":
            return counterexample(text[match.end() :])
        return Said(verdict) if verdict == "unsat" else undecided(word)


def _default(text: str) -> re.Match[str] | None:
    """The line with the verdict, those that call it a result before others.

    Raises InputError where two contradict each other.
    """
    found = list(_STATED.finditer(text)) or list(_BARE.finditer(text))
    words = {meaning(match[1]): match[1] for match in found}
    if len(words) > 1:
        raise InputError(f"it says {' and '.join(words.values())}")
    return found[0] if found else None
