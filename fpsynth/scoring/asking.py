"""Verifiers of every kind by one text each: fpsynth's own, installed ones, checkouts, commands, scripts, Python functions."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fpsynth.aliases import Json, PathLike
from fpsynth.errors import InputError, unknown_name
from fpsynth.files import read_bytes_limited, shown
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.scoring.own import COPIED, OwnTool, own_function
from fpsynth.scoring.software import SEQUENTIAL, SOFTWARE, SoftwareTool
from fpsynth.synthesis.requests.verifying import ARITHMETICS
from fpsynth.synthesis.verifying.reasoning import PLAIN
from fpsynth.verifiers.base import VERIFIERS, entry
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.external import (
    CompetitionTool,
    StandardTool,
    TemplateTool,
    Tool,
    ToolAnswer,
    ask_function,
    run,
    tool_named,
)
from fpsynth.verifiers.external.base import Command, Said, ToolQuestion
from fpsynth.verifiers.external.callables import Function
from fpsynth.verifiers.external.checkouts import CHECKOUTS
from fpsynth.verifiers.external.tools import TOOLS
from fpsynth.workers.commands import Ended

SEED = "FPSYNTH_SEED"
"""The variable that tells a tool which of several runs it is."""
FORMS = (
    "a name that fpsynth verifiers lists, for fpsynth's own NAME@ARITHMETIC; NAME=FOLDER for checkouts; esbmc or cbmc, which"
    " are asked about C, and NAME=PROGRAM where not on the path; a command with {onnx} and {vnnlib}, of which {seed} is the"
    " number of the run; run_instance.sh of the VNN competition; standard:COMMAND for VNN-LIB 2.0's; FILE.py:FUNCTION; LABEL="
    " before any of them names it"
)
"""What a text may be."""
_LABEL = re.compile(r"([A-Za-z][\w.@+-]{0,60})=(.+)", re.DOTALL)
_FUNCTION = re.compile(r"(.+\.py):([A-Za-z_]\w*)")
_SETTLED = ("maraboupy", "abstractnn", "bound-propagation", "auto-lirpa")
"""Real verifiers that draw nothing at random: one run says all."""
MAX_BYTES = 1 << 24


@dataclass(frozen=True)
class AskedVerifier:
    """A verifier on the bench."""

    name: str
    """Unique there."""
    kind: str
    """own, installed, checkout, software, command, competition, standard, file or function."""
    what: str
    """Its name, its words, or where it lies."""
    more: str = ""
    """Of own ones the arithmetic, of checkouts the folder, of software the program, of files the function."""
    version: str = ""
    """As it says itself, of a file the digest; empty where that is not known."""
    function: Function | None = field(default=None, compare=False)
    """Of functions."""

    @property
    def draws(self) -> bool:
        """Whether two runs may differ, for all that is known of it."""
        return self.kind not in ("own", "software") and self.what not in _SETTLED

    @property
    def semantics(self) -> str:
        """The semantics that its verdicts are about, by the name that labels have; empty: the reals and what runs."""
        if self.kind == "software":
            return SEQUENTIAL
        if self.kind != "own" or not self.more.startswith("sound:"):
            return ""
        name = self.more.removeprefix("sound:")
        return "float32:any" if name == "any" else str(parse_network_environment(name))

    def to_json(self) -> Json:
        """All but a function."""
        return {name: value for name, value in asdict(replace(self, function=None)).items() if name != "function"}

    def ask(self, onnx: PathLike, vnnlib: PathLike, seed: int, timeout: float, memory: int | None) -> ToolAnswer:
        """Ask it.  Raises InputError as ``external.run`` does."""
        if self.kind in ("file", "function"):
            function = _seeded(self.function or loaded(self.what, self.more), seed)
            return ask_function(function, onnx, vnnlib, timeout=timeout, memory=memory)
        if self.kind == "own" and COPIED and threading.active_count() == 1:  # a copy has the locks of threads that it has not
            function = own_function(OwnTool(self.what, self.more, seed))
            return ask_function(function, onnx, vnnlib, timeout=timeout, memory=memory)
        return run(Seeded(self.tool(seed), seed), onnx, vnnlib, timeout=timeout, memory=memory)

    def tool(self, seed: int = 0) -> Tool:
        """The tool that it is.  Raises InputError, and MissingPackageError for what is not installed."""
        return _TOOLS[self.kind](self, seed)


def _seeded(function: Function, seed: int) -> Function:
    """A function that is told which run it is, in the process that is forked for it: several may run beside each other."""

    @functools.wraps(function)
    def told(question: ToolQuestion) -> str | tuple[str, Sequence[float]] | Said:
        os.environ[SEED] = str(seed)
        return function(question)

    return told


class Seeded(Tool):
    """A tool that is told which run it is."""

    def __init__(self, tool: Tool, seed: int) -> None:
        self.tool, self.seed = tool, seed
        self.name, self.reads, self.dialect = tool.name, tool.reads, tool.dialect

    def version(self) -> str:
        """See ``Tool``."""
        return self.tool.version()

    def command(self, question: ToolQuestion, folder: Path) -> Command:
        """See ``Tool``."""
        command = self.tool.command(question, folder)
        return replace(command, variables={**command.variables, SEED: str(self.seed)})

    def said(self, ended: Ended, question: ToolQuestion, folder: Path) -> Said:
        """See ``Tool``."""
        return self.tool.said(ended, question, folder)


_TOOLS: Mapping[str, Callable[[AskedVerifier, int], Tool]] = {
    "own": lambda asked, seed: OwnTool(asked.what, asked.more, seed),
    "installed": lambda asked, _: tool_named(asked.what),
    "checkout": lambda asked, _: tool_named(asked.what, asked.more),
    "software": lambda asked, _: SoftwareTool(asked.what, asked.more),
    "command": lambda asked, seed: TemplateTool(asked.what.replace("{seed}", str(seed)), name=asked.name),
    "competition": lambda asked, _: CompetitionTool(asked.what),
    "standard": lambda asked, _: StandardTool(asked.what.split()),
}


def asked_from(data: Mapping[str, Any]) -> AskedVerifier:
    """What ``Asked.to_json`` wrote."""
    name, kind, what, more, version = (str(data[field]) for field in ("name", "kind", "what", "more", "version"))
    return AskedVerifier(name, kind, what, more, version)


def asked_for(texts: Sequence[str | Function], arithmetics: Sequence[str] = ("real",)) -> tuple[AskedVerifier, ...]:
    """The verifiers that the texts name (see FORMS), of fpsynth's own one for each arithmetic where the text names none.

    Functions are taken as they are.  Raises InputError where a text names nothing, two have one name, or a verifier takes no
    boxes; MissingPackageError where one is not installed.
    """
    found = [one for text in texts for one in _named(text, arithmetics)]
    if not found:
        raise InputError("name at least one verifier")
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two verifiers are called {name}: put LABEL= before one of them")
    return tuple(found)


def _named(text: str | Function, arithmetics: Sequence[str]) -> list[AskedVerifier]:
    if not isinstance(text, str):
        return [AskedVerifier(getattr(text, "__name__", "function"), "function", "", function=text)]
    label, what = "", text.strip()
    match = _LABEL.fullmatch(what)
    if match and "{onnx}" not in match[1]:
        label, what = match[1], match[2].strip()
    found = _of_kind(label, what, arithmetics)
    return [replace(one, name=f"{label}@{one.more}" if len(found) > 1 else label) if label else one for one in found]


def _of_kind(label: str, what: str, arithmetics: Sequence[str]) -> list[AskedVerifier]:
    if label in CHECKOUTS:
        return [_versioned(AskedVerifier(label, "checkout", label, what))]
    if label in SOFTWARE and what not in SOFTWARE:
        return [_versioned(AskedVerifier(label, "software", label, os.path.abspath(what)))]
    if what in SOFTWARE:
        return [_versioned(AskedVerifier(what, "software", what))]
    if "{onnx}" in what:
        name = Path(what.split()[0]).name
        return [_versioned(AskedVerifier(name, "command", what))]
    if what.endswith(".sh"):
        path = os.path.abspath(what)
        return [_versioned(AskedVerifier(Path(path).parent.name or Path(path).name, "competition", path))]
    if what.startswith("standard:"):
        words = what.removeprefix("standard:").strip()
        return [_versioned(AskedVerifier(Path((words or " ").split(" ")[0]).name, "standard", words))]
    if match := _FUNCTION.fullmatch(what):
        path = os.path.abspath(match[1])
        loaded(path, match[2])
        return [
            AskedVerifier(match[2], "file", path, match[2], hashlib.sha256(read_bytes_limited(path, MAX_BYTES)).hexdigest())
        ]
    if what in TOOLS or what in CHECKOUTS:
        return [_versioned(AskedVerifier(what, "installed", what))]
    name, at, arithmetic = what.partition("@")
    _require_own(name)
    return [_own(name, one) for one in ((arithmetic,) if at else arithmetics)]


def _require_own(name: str) -> None:
    """Raise InputError, which says what each form needs, for what is none of fpsynth's own verifiers either."""
    if name.endswith(".py") and " " not in name:
        raise InputError(f"which function of {shown(name)} is the verifier? FILE.py:FUNCTION names it")
    if "/" in name or " " in name:
        raise InputError(f"{shown(name)} is no verifier: a command needs {{onnx}} and {{vnnlib}} where its files stand")
    try:
        entry(name)
    except InputError:
        if name.partition(":")[0] in VERIFIERS:  # a variant that there is not: it says so itself
            raise
        raise unknown_name("verifier", name, (*VERIFIERS, *TOOLS, *CHECKOUTS)) from None


def _own(name: str, arithmetic: str) -> AskedVerifier:
    if Box not in entry(name).regions:
        raise InputError(f"{name} takes no boxes, which is what instances ask about")
    if arithmetic not in PLAIN and arithmetic != "sound:any":
        kind, _, where = arithmetic.partition(":")
        if kind != "sound" or not where:
            raise InputError(f"unknown arithmetic {arithmetic[:40]!r}: choose {ARITHMETICS}")
        parse_network_environment(where)
    return _versioned(AskedVerifier(f"{name}@{arithmetic}", "own", name, arithmetic))


def _versioned(asked: AskedVerifier) -> AskedVerifier:
    """With what the tool says of itself; whatever cannot be asked is refused here."""
    return replace(asked, version=asked.tool().version())


def loaded(path: PathLike, name: str) -> Function:
    """A function in a file of Python, which is run: it is the user's own.  Raises InputError where there is none."""
    if not os.path.isfile(path):
        raise InputError(f"there is no file {shown(path)}")
    try:
        spec = importlib.util.spec_from_file_location("fpsynth_verifier", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        function: Function = getattr(module, name)
    except Exception as error:  # whatever a stranger's file throws
        raise InputError(f"{shown(path)} gives no function {name}: {type(error).__name__}: {error}") from None
    if not callable(function):
        raise InputError(f"{name} in {shown(path)} is no function")
    return function
