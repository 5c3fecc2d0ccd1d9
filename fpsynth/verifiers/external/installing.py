"""Install verifiers: each in a virtual environment of its own, which appears whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fpsynth.aliases import Progress
from fpsynth.errors import InputError, MissingPackageError, unknown_name
from fpsynth.files import read_limited, shown, write_atomically
from fpsynth.revealing.cache import cache_folder
from fpsynth.verifiers.external.tools import TOOLS, Package
from fpsynth.workers.commands import Ended, run_command

VARIABLE = "FPSYNTH_VERIFIERS"
"""Names the folder in which verifiers are installed."""
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where torch's builds without CUDA are; what pip is configured for is asked as well, and answers where this is not reached."""
SECONDS = 3600.0
"""That a step of an installation may take."""
MARK, SCHEMA, VERSION = "fpsynth-verifier.json", "fpsynth-verifier", 1
"""The file in a finished environment that says what it is."""
_STALE = 86_400
"""Seconds after which what an interrupted installation has left is removed by the next one."""
_OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")
"""Variables that would lead a foreign Python to packages that are not its own."""
CLEAN: dict[str, str | None] = {**dict.fromkeys(_OURS), "PYTHONNOUSERSITE": "1"}
"""The environment of a foreign Python, as ``run_command`` takes it."""


@dataclass(frozen=True)
class Installed:
    """A finished environment."""

    folder: Path
    version: str
    packages: dict[str, str]
    """Every distribution in it, with its version."""
    needs: tuple[str, ...] = ()
    """The requirements that it was made from."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def home() -> Path:
    """Where verifiers are: what FPSYNTH_VERIFIERS names, else a folder of the user's cache.

    Raises InputError where there is neither.
    """
    named = os.environ.get(VARIABLE, "")
    if named:
        return Path(named).absolute()
    cache = cache_folder()
    if cache is None:
        raise InputError(f"there is no folder for verifiers: name one in {VARIABLE}")
    return cache / "verifiers"


def package_named(name: str) -> Package:
    """The entry of the table.  Raises InputError for a name that it has not."""
    if name not in TOOLS:
        raise unknown_name("verifier to install", name, TOOLS)
    return TOOLS[name]


def installed(name: str) -> Installed | None:
    """The environment of a tool; None where it is not installed, or only in part, or where there is no folder for it."""
    try:
        folder = home() / name
        data = json.loads(read_limited(folder / MARK, 1 << 20))
    except (InputError, ValueError):
        return None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or data.get("schema_version") != VERSION:
        return None
    packages, needs = data.get("packages"), data.get("needs")
    if not isinstance(packages, dict) or not isinstance(needs, list):
        return None
    found = Installed(folder, str(data.get("version")), {k: str(v) for k, v in packages.items()}, tuple(map(str, needs)))
    return found if found.python.exists() else None


def require_installed(name: str) -> Installed:
    """The environment of a tool.  Raises MissingPackageError, which says how to install it, where there is none."""
    package_named(name)
    found = installed(name)
    if found is None:
        raise MissingPackageError(f"{name} is not installed: fpsynth verifiers install {name}")
    return found


def install(
    name: str,
    *,
    progress: Progress | None = None,
    python: str = "",
    torch_index: str = TORCH_INDEX,
    again: bool = False,
) -> Installed:
    """Install a tool where it is not yet there as the table has it; return its environment.

    ``python``: the interpreter that it is made for, this one by default.  ``torch_index``: an index asked for torch beside
    those that pip is configured for; empty: none.  ``again``: also where it is there.  Raises InputError for a name that is
    not in the table, and MissingPackageError, one line, where a package cannot be had.
    """
    package = package_named(name)
    there = installed(name)
    if there is not None and (there.version, there.needs) == (package.version, package.needs) and not again:
        return there
    target = home() / name
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_stale(target.parent)
    temporary = target.with_name(f".{name}.{secrets.token_hex(6)}.tmp")
    try:
        _build(package, temporary, python or sys.executable, torch_index, progress or _silent)
        _place(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return require_installed(name)


def _silent(text: str) -> None:
    """No progress."""


def _build(package: Package, folder: Path, python: str, torch_index: str, progress: Progress) -> None:
    step = _Step(package.name, progress)
    step.run([python, "-m", "venv", os.fspath(folder)], "making a virtual environment", "the virtual environment")
    made = Installed(folder, package.version, {})
    pip = [os.fspath(made.python), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    extra = (
        ["--extra-index-url", torch_index] if torch_index and any(need.startswith("torch=") for need in package.needs) else []
    )
    if package.needs:
        step.run([*pip, "install", *extra, *package.needs], f"installing {', '.join(package.needs)}", "what it needs")
    step.run([*pip, "install", "--no-deps", package.requirement], f"installing {package.requirement}", package.requirement)
    listed = step.run([*pip, "list", "--format=json"], "listing what is there", "the list of packages")
    packages = {one["name"]: one["version"] for one in json.loads(listed.output)}
    mark = {
        "schema": SCHEMA,
        "schema_version": VERSION,
        "name": package.name,
        "version": package.version,
        "needs": package.needs,
        "packages": packages,
    }
    write_atomically(folder / MARK, json.dumps(mark, indent=1) + "\n")


@dataclass(frozen=True)
class _Step:
    """Runs the commands of one installation."""

    name: str
    progress: Callable[[str], None]

    def run(self, argv: Sequence[str], doing: str, what: str) -> Ended:
        """Run one of them.  Raises MissingPackageError where it fails."""
        self.progress(f"{self.name}: {doing}")
        ended = run_command(argv, seconds=SECONDS, variables=CLEAN, told=lambda line: self._told(doing, line))
        if ended.status != 0:
            reason = "it took too long" if ended.cause else _complaint(ended)
            raise MissingPackageError(f"{self.name} cannot be installed, as {what} cannot be had: {reason}")
        return ended

    def _told(self, doing: str, line: str) -> None:
        if not line.startswith("WARNING"):
            self.progress(f"{self.name}: {doing.partition(' ')[0]}: {line[:120]}")


def _complaint(ended: Ended) -> str:
    """The last error that pip names, else the end of what it said."""
    lines = [line.strip() for line in f"{ended.output}\n{ended.log}".splitlines()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors[-1] if errors else ended.tail)[:300]


def _place(temporary: Path, target: Path) -> None:
    """Give a finished environment its name; one that has the name already makes room.

    Python finds its environment from where the interpreter lies, and nothing but the interpreter is ever run: so it may move.
    """
    old = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        if target.exists():
            os.replace(target, old)
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(f"cannot write {shown(target)}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _remove_stale(folder: Path) -> None:
    for left in folder.glob(".*.tmp"):
        if time.time() - left.lstat().st_mtime > _STALE:
            shutil.rmtree(left, ignore_errors=True)
