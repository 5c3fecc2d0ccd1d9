"""alpha-beta-CROWN, nnenum and auto_LiRPA from a checkout that the user names: they are in no package index."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError, unknown_name
from fpsynth.files import read_limited, shown
from fpsynth.verifiers.external.base import Command, Said, Tool, ToolQuestion, unread
from fpsynth.verifiers.external.driven import DRIVERS, checkout_driver
from fpsynth.verifiers.external.installing import CLEAN
from fpsynth.verifiers.external.outputs import counterexample, stated
from fpsynth.workers.commands import Ended


class _Checkout(Tool):
    """A tool in a checkout, for a Python that has what it needs."""

    def __init__(self, name: str, checkout: Path, python: str) -> None:
        self.name, self.checkout, self.python = name, checkout, python

    def version(self) -> str:
        """The commit of the checkout, where it says so."""
        return commit(self.checkout)


class AlphaBetaCrown(_Checkout):
    """complete_verifier/abcrown.py, on the CPU."""

    def command(self, question: ToolQuestion, folder: Path) -> Command:
        """See ``Tool``."""
        script = self.checkout / "complete_verifier" / "abcrown.py"
        files = ("--onnx_path", str(question.onnx), "--vnnlib_path", str(question.vnnlib))
        results = ("--results_file", str(folder / "results.txt"), "--save_adv_example", "--cex_path", str(folder / "cex.txt"))
        config = folder / "config.yaml"  # without one it fails where it looks for its folder
        config.write_text("general:\n  device: cpu\n")
        words = ("--config", str(config), "--device", "cpu", "--timeout", str(question.whole_seconds))
        library = str(self.checkout / "auto_LiRPA")  # the submodule, where it was checked out; else an installed one
        return Command((self.python, str(script), *files, *words, *results), {**CLEAN, "PYTHONPATH": library})

    def said(self, ended: Ended, question: ToolQuestion, folder: Path) -> Said:
        """Its last line ``Result: ...``, and the file with its counterexample."""
        words = [line.split(":", 1)[1].strip() for line in ended.output.splitlines() if line.startswith("Result:")]
        known = stated(_PLAIN.get(words[-1], words[-1])) if words else None
        if known is None or known.verdict != "sat":
            return known or unread(ended)
        example = folder / "cex.txt"
        return counterexample(read_limited(example, 1 << 28)) if example.is_file() else Said("sat")


_PLAIN = {
    **dict.fromkeys(("safe", "verified", "safe-incomplete", "unsat"), "unsat"),
    **dict.fromkeys(("unsafe-pgd", "unsafe-bab", "unsafe", "falsified", "sat"), "sat"),
}
"""What alpha-beta-CROWN says when it is done."""


class Nnenum(_Checkout):
    """nnenum's main function, in a driver that keeps its counterexample."""

    def command(self, question: ToolQuestion, folder: Path) -> Command:
        """See ``Tool``."""
        files = (str(question.onnx), str(question.vnnlib), str(question.whole_seconds), str(folder / "results.txt"))
        variables = {**CLEAN, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        driver = DRIVERS / "nnenum_main.py"
        return Command((self.python, "-I", str(driver), str(self.checkout / "src"), *files), variables)

    def said(self, ended: Ended, question: ToolQuestion, folder: Path) -> Said:
        """The first line of its file of results, and the point behind it."""
        results = folder / "results.txt"
        return (stated(read_limited(results, 1 << 28)) if results.is_file() else None) or unread(ended)


CHECKOUTS: dict[str, tuple[str, Callable[[Path, str], Tool]]] = {
    "alpha-beta-crown": ("complete_verifier/abcrown.py", lambda path, python: AlphaBetaCrown("alpha-beta-crown", path, python)),
    "nnenum": ("src/nnenum/nnenum.py", lambda path, python: Nnenum("nnenum", path, python)),
    "auto-lirpa": ("auto_LiRPA/__init__.py", lambda path, python: checkout_driver("auto-lirpa", path, python)),
}
"""Name to a file that its checkout has, and what makes the tool."""


def from_checkout(name: str, checkout: PathLike, python: str = "") -> Tool:
    """A tool in a checkout.  ``python``: an interpreter that has what it needs, this one by default.

    Raises InputError for an unknown name, and for a folder that is no checkout of it.
    """
    if name not in CHECKOUTS:
        raise unknown_name("verifier of a checkout", name, CHECKOUTS)
    file, make = CHECKOUTS[name]
    path = Path(checkout).absolute()
    if not (path / file).is_file():
        raise InputError(f"{shown(checkout)} is no checkout of {name}: there is no {file} in it")
    return make(path, python or sys.executable)


def commit(checkout: Path) -> str:
    """The commit that a checkout is of, cut to 12 digits; empty where that is not known."""
    try:
        head = read_limited(checkout / ".git" / "HEAD", 1 << 12).strip()
        if head.startswith("ref: ") and ".." not in head:
            head = read_limited(os.path.join(checkout, ".git", head[5:]), 1 << 12).strip()
    except InputError:
        return ""
    return head[:12] if head.isalnum() else ""
