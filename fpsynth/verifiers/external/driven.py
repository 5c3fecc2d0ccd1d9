"""Verifiers that are Python packages: a short script in drivers/ asks them, run by the Python of their own environment."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

from fpsynth.errors import InputError
from fpsynth.files import read_limited
from fpsynth.networks.certifier_text import decimal
from fpsynth.verifiers.claims import VERDICTS
from fpsynth.verifiers.external.base import FAILED, TIME, TOO_MUCH, Command, Said, Tool, ToolQuestion, unread
from fpsynth.verifiers.external.installing import CLEAN, require_installed
from fpsynth.verifiers.external.outputs import undecided
from fpsynth.verifiers.external.tools import TOOLS
from fpsynth.verifiers.external.writing import NESTED, PLAIN, written
from fpsynth.verifiers.properties import Inequality
from fpsynth.workers.commands import Ended

DRIVERS = Path(__file__).with_name("drivers")
_TOLD_NUMBERS = ("abstractnn", "bound-propagation", "auto-lirpa")
_JOB, _ANSWER = "job.json", "answer.json"
_CAUSES = (TIME, TOO_MUCH, FAILED)


class DrivenTool(Tool):
    """A tool asked by a driver: ``driver.py JOB ANSWER``, both files of JSON.

    JOB: {onnx, vnnlib: paths; seconds; outputs: how many; lower, upper: exact decimals; unsafe: conjunctions of {terms:
    [[output, factor]], bound, strict}, exact as p/q; options}.  ANSWER: {verdict, reason, point, outputs}, numbers as
    hexadecimal floats, the cause where the reason does not tell it, and ``exact``, the point as p/q, where floats do not
    hold it.  What the tool prints goes where it likes.
    """

    def __init__(self, name: str, python: str, version: str, options: dict[str, Any] | None = None) -> None:
        self.name, self.python, self._version, self.options = name, python, version, options or {}
        self.dialect = NESTED if name == "pynever" else PLAIN  # the only form that its parser takes

    def version(self) -> str:
        """As its environment has it."""
        return self._version

    def command(self, question: ToolQuestion, folder: Path) -> Command:
        """See ``Tool``."""
        box, unsafe = question.only
        job = {
            "onnx": str(question.onnx),
            "vnnlib": str(self._property(question, folder)),
            "seconds": question.seconds,
            "lower": [decimal(end) for end in box.lower],
            "upper": [decimal(end) for end in box.upper],
            "unsafe": [[_inequality(one) for one in conjunction] for conjunction in unsafe.unsafe],
            "outputs": question.query.outputs,
            "options": self.options,
        }
        (folder / _JOB).write_text(json.dumps(job))
        driver = DRIVERS / f"{self.name.replace('-', '_')}.py"
        return Command((self.python, "-I", str(driver), str(folder / _JOB), str(folder / _ANSWER)), CLEAN)

    def _property(self, question: ToolQuestion, folder: Path) -> Path:
        """The property as its parser reads it; those that are told numbers need none."""
        if self.name in _TOLD_NUMBERS:
            return question.vnnlib
        place = folder / "property.vnnlib"
        sizes = (question.query.inputs,), (question.query.outputs,)
        place.write_text(written(*question.only, *sizes, self.dialect))
        return place

    def said(self, ended: Ended, question: ToolQuestion, folder: Path) -> Said:
        """What the driver has written."""
        if not (folder / _ANSWER).is_file():
            return unread(ended)
        return answer_in(read_limited(folder / _ANSWER, 1 << 28))


def installed_tool(name: str, options: dict[str, Any] | None = None) -> DrivenTool:
    """The driven tool in its environment; ``options`` are its driver's.

    Raises MissingPackageError where it is not installed.
    """
    found = require_installed(name)
    tool = DrivenTool(name, str(found.python), found.version, options)
    tool.reads = TOOLS[name].reads
    return tool


def checkout_driver(name: str, checkout: Path, python: str = "") -> DrivenTool:
    """A driven tool whose package lies in a checkout, for a Python that has all it needs."""
    return DrivenTool(name, python or sys.executable, "", {"checkout": str(checkout)})


def _inequality(one: Inequality) -> dict[str, Any]:
    return {"terms": [[k, str(factor)] for k, factor in one.coefficients], "bound": str(one.bound), "strict": one.strict}


def answer_in(text: str) -> Said:
    """What an ANSWER says.  Raises InputError for anything else."""
    try:
        data = json.loads(text)
        point, outputs = (tuple(map(float.fromhex, data.get(name) or ())) for name in ("point", "outputs"))
        exact = tuple(map(Fraction, data.get("exact") or ()))
        if data["verdict"] not in VERDICTS:
            raise ValueError(data["verdict"])
        reason = str(data.get("reason") or "")[:300]
        cause = data["cause"] if data.get("cause") in _CAUSES else undecided(reason.removeprefix("it says ")).cause
        return Said(data["verdict"], reason, point, outputs, cause if data["verdict"] == "unknown" else "", exact)
    except (ValueError, KeyError, ZeroDivisionError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"no answer of a driver: {type(error).__name__}: {error}") from None
