"""Real verifiers behind one protocol: a question of files, a command within limits, an answer that says how it came about.

To add a tool, subclass ``Tool``: what it is called with, and what its output says.  ``run`` does the rest.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from fpsynth.aliases import PathLike, Progress
from fpsynth.errors import InputError, WorkerLostError
from fpsynth.files import opened
from fpsynth.scratch import scratch
from fpsynth.verifiers.claims import VERDICTS
from fpsynth.verifiers.external.writing import PLAIN, Dialect
from fpsynth.verifiers.properties import ExactBox, Property
from fpsynth.verifiers.vnnlib import VnnlibQuery, load_vnnlib
from fpsynth.wording import printable
from fpsynth.workers.commands import Ended, run_command

GRACE = 10.0
"""Seconds beyond its time limit that a tool may take to start, to stop by itself and to say so."""
MEMORY = 8 << 30
"""Bytes that all processes of a tool may hold together, where nobody says otherwise."""
MAX_FILE = 1 << 30
TIME, TOO_MUCH, FAILED = "time", "memory", "failed"
"""Why there is no verdict, where it is not that the tool cannot tell: a limit was reached, or it crashed, or printed what
nobody understands, or does not take the question."""


@dataclass(frozen=True)
class ToolQuestion:
    """What a tool is asked: does a point of the box reach the unsafe outputs?"""

    onnx: Path
    vnnlib: Path
    seconds: float

    @property
    def whole_seconds(self) -> int:
        """The time limit as command lines take it: the standard's tools read no fractions."""
        return max(1, math.ceil(self.seconds))

    @cached_property
    def query(self) -> VnnlibQuery:
        """What the property file says.  Raises InputError where it is not read."""
        return load_vnnlib(self.vnnlib)

    @property
    def only(self) -> tuple[ExactBox, Property]:
        """The box and its property, for tools that take no file of several.  Raises InputError where there are not just one."""
        if len(self.query.boxes) != 1:
            raise InputError(f"the property has {len(self.query.boxes)} boxes, and this tool takes one")
        return self.query.boxes[0]


@dataclass(frozen=True)
class Command:
    """How a tool is started."""

    argv: tuple[str, ...]
    variables: Mapping[str, str | None] = field(default_factory=dict)
    folder: Path | None = None
    """Where; None: in the folder that is the tool's alone."""


@dataclass(frozen=True)
class Said:
    """What a tool says."""

    verdict: str
    """One of ``claims.VERDICTS``."""
    reason: str = ""
    """Why the verdict is unknown, in one line."""
    point: tuple[float, ...] = ()
    """Of ``sat``: the inputs that it names, row-major; empty where it names none."""
    outputs: tuple[float, ...] = ()
    """What it says that the network makes of them."""
    cause: str = ""
    """Of ``unknown``: TIME, TOO_MUCH, FAILED, or empty where the tool itself says that it cannot tell."""
    exact: tuple[Fraction, ...] = ()
    """``point`` as it is printed, before it is made of floats: the decimal 0.1 is no float64.  Empty: only floats are known."""

    @property
    def named(self) -> tuple[float, ...] | tuple[Fraction, ...]:
        """The point that it names, as exactly as it is known."""
        return self.exact or self.point


@dataclass(frozen=True)
class ToolAnswer(Said):
    """What a tool says, and how that came about."""

    tool: str = ""
    version: str = ""
    """Empty where the tool does not say."""
    seconds: float = 0.0
    memory: int | None = None
    """The most bytes that its processes held together; None where the system does not say."""
    left: int = 0
    """Processes that it left behind, and that were killed."""
    log: str = ""
    """The end of what it printed, as one line."""


class Tool(ABC):
    """A verifier that is somebody else's program."""

    name: str
    reads: tuple[str, ...] = ("ONNX", "VNN-LIB 1.0")
    """Formats, in words."""
    dialect: Dialect = PLAIN
    """How properties are written for it."""

    @abstractmethod
    def version(self) -> str:
        """Its version, found without running it where that is possible; empty where it is not known."""

    @abstractmethod
    def command(self, question: ToolQuestion, folder: Path) -> Command:
        """What to run; ``folder`` is empty and the tool's alone, and what the tool needs may be written there.

        Raises InputError for a question that the tool does not take, and MissingPackageError where it is not there.
        """

    @abstractmethod
    def said(self, ended: Ended, question: ToolQuestion, folder: Path) -> Said:
        """What it says, once it has ended by itself within its limits."""


def run(
    tool: Tool,
    onnx: PathLike,
    vnnlib: PathLike,
    *,
    timeout: float = 60.0,
    memory: int | None = MEMORY,
    log: Progress | None = None,
) -> ToolAnswer:
    """Ask a tool about a network and a property, as files.

    ``timeout``: seconds that it is told it has; a little later it is killed, with all that it started.  ``memory``: bytes.
    ``log`` hears of the lines that it prints.  Whatever the tool does, the answer says it: where it crashes, hangs, needs too
    much or prints what nobody understands, the verdict is unknown with that as the reason.  Raises InputError for files that
    are not there, and as ``Tool.command`` does.
    """
    for path in (onnx, vnnlib):
        with opened(path, MAX_FILE):
            pass
    if not timeout > 0:
        raise InputError(f"a verifier needs a time limit above 0 s, not {timeout:g}")
    question = ToolQuestion(Path(onnx).absolute(), Path(vnnlib).absolute(), timeout)
    with scratch() as folder:
        version, command = tool.version(), tool.command(question, folder)
        try:
            ended = run_command(
                command.argv,
                seconds=timeout + GRACE,
                memory=memory,
                folder=command.folder or folder,
                variables=command.variables,
                told=log,
            )
        except WorkerLostError as lost:
            return ToolAnswer("unknown", str(lost), cause=FAILED, tool=tool.name, version=version)
        return answered(tool.name, version, _said(tool, ended, question, folder), ended)


def answered(tool: str, version: str, said: Said, ended: Ended) -> ToolAnswer:
    """An answer of what was said and of how the command ended."""
    return ToolAnswer(
        said.verdict,
        said.reason,
        said.point,
        said.outputs,
        said.cause,
        said.exact,
        tool=tool,
        version=version,
        seconds=ended.seconds,
        memory=ended.memory,
        left=ended.left,
        log=printable(ended.tail),
    )


def _said(tool: Tool, ended: Ended, question: ToolQuestion, folder: Path) -> Said:
    reason = stopped(ended, question.seconds)
    if reason:
        return Said("unknown", reason, cause=ended.cause or FAILED)
    try:
        said = tool.said(ended, question, folder)
    except InputError as error:
        return Said("unknown", f"its answer is not understood: {error}", cause=FAILED)
    if said.verdict == "unknown" and not said.reason:
        crash = crashed(ended)
        return Said("unknown", crash or "it does not say why", cause=FAILED if crash else "")
    assert said.verdict in VERDICTS
    return said


def stopped(ended: Ended, seconds: float) -> str:
    """Why a command gave no answer, where it was stopped or never started; empty where it ended by itself."""
    if ended.cause == "time":
        return f"no answer within {seconds:g} s: it was killed"
    if ended.cause == "memory":
        return f"it took more memory than it may ({(ended.memory or 0) >> 20} MiB): it was killed"
    if ended.status is None:
        return printable(ended.log[:200])
    if ended.status < 0:
        return f"signal {-ended.status} ended it: {_last(ended) or 'it printed nothing'}"
    return ""


def crashed(ended: Ended) -> str:
    """What can be said of a command that has ended with an error; empty where its status is 0."""
    if ended.status == 0:
        return ""
    if "MemoryError" in ended.log or "bad_alloc" in ended.log:
        return f"its memory ran out: {_last(ended)}"
    return f"it ended with status {ended.status}: {_last(ended) or 'it printed nothing'}"


def _last(ended: Ended) -> str:
    """The last line that it printed, on its standard error if there is one: of a traceback, the error."""
    lines = [line.strip() for line in (ended.log.strip() or ended.output.strip()).splitlines()]
    return printable(lines[-1][-200:]) if lines else ""


def unread(ended: Ended) -> Said:
    """For a tool that has ended without an answer that anybody understands."""
    return Said("unknown", crashed(ended) or f"no verdict in what it printed: {_last(ended) or 'nothing'}", cause=FAILED)
