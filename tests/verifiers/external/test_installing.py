"""An environment appears whole or not at all, and what stands in the way is one line."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import fpsynth
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.verifiers.external import installing
from fpsynth.verifiers.external.installing import MARK, home, install, installed, require_installed
from fpsynth.verifiers.external.tools import TOOLS, Package

NAME = "stand-in-verifier"
PACKAGE = Package(NAME, "1.2", ())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for verifiers, a table with a tool, and an index that has nothing but its wheel."""
    return place_in(tmp_path, monkeypatch)


def place_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that ``place`` says, in a folder."""
    wheels = folder / "wheels"
    wheels.mkdir(exist_ok=True)
    wheel(wheels)
    monkeypatch.setenv("FPSYNTH_VERIFIERS", str(folder / "verifiers"))
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setitem(TOOLS, NAME, PACKAGE)
    return folder / "verifiers"


@dataclass(frozen=True)
class First:
    """A tool that was installed as users do it."""

    folder: Path
    found: installing.Installed
    lines: list[str]
    """What was told meanwhile."""

    @property
    def quickly(self) -> str:
        """An interpreter whose virtual environments are copies of the first one, as it was when pip had not yet been asked."""
        return str(self.folder / "python")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> First:
    """The one installation that makes its own virtual environment, which takes seconds."""
    folder, lines = tmp_path_factory.mktemp("first"), list[str]()

    def told(line: str) -> None:
        lines.append(line)
        if line == f"{NAME}: installing {PACKAGE.requirement}":
            (temporary,) = (folder / "verifiers").glob(".*.tmp")
            shutil.copytree(temporary, folder / "empty", symlinks=True)

    with pytest.MonkeyPatch.context() as patch:
        place_in(folder, patch)
        found = install(NAME, progress=told)
    # called as python -m venv FOLDER; with the times of files, by which Python knows what it has compiled
    (folder / "python").write_text(f'#!/bin/sh\nexec cp -RPp {shlex.quote(str(folder / "empty"))} "$3"\n')
    (folder / "python").chmod(0o755)
    return First(folder, found, lines)


def wheel(folder: Path, version: str = "1.2") -> None:
    """A distribution with one module."""
    info = f"stand_in_verifier-{version}.dist-info"
    with zipfile.ZipFile(folder / f"stand_in_verifier-{version}-py3-none-any.whl", "w") as file:
        file.writestr("stand_in_verifier.py", f"ANSWER = 'version {version}'\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")


def imported(found: installing.Installed) -> str:
    argv = [str(found.python), "-I", "-c", "import stand_in_verifier; print(stand_in_verifier.ANSWER)"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.usefixtures("place")
def test_what_is_not_installed_says_how_to_install_it() -> None:
    assert installed(NAME) is None
    with pytest.raises(MissingPackageError, match=f"{NAME} is not installed: fpsynth verifiers install {NAME}"):
        require_installed(NAME)


def test_a_tool_is_installed_used_and_not_installed_twice(first: First, monkeypatch: pytest.MonkeyPatch) -> None:
    place, found = place_in(first.folder, monkeypatch), first.found
    assert (found.version, found.packages[NAME], found.folder) == ("1.2", "1.2", place / NAME)
    assert imported(found) == "version 1.2"
    assert f"{NAME}: making a virtual environment" in first.lines
    assert os.listdir(place) == [NAME]
    written = (place / NAME / MARK).stat().st_mtime_ns
    assert install(NAME) == found
    assert (place / NAME / MARK).stat().st_mtime_ns == written


def test_another_version_takes_the_place_of_the_first(first: First, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir()
    shutil.copytree(first.found.folder, place / NAME, symlinks=True)
    assert installed(NAME) is not None
    wheel(place.parent / "wheels", "1.3")
    monkeypatch.setitem(TOOLS, NAME, Package(NAME, "1.3", ()))
    assert imported(install(NAME, python=first.quickly)) == "version 1.3"
    assert os.listdir(place) == [NAME]


def test_a_package_that_cannot_be_had_is_one_line_and_leaves_nothing(
    first: First, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOOLS, NAME, Package(NAME, "9.9", ()))
    with pytest.raises(MissingPackageError, match=f"{NAME}==9.9 cannot be had: No matching distribution found") as caught:
        install(NAME, python=first.quickly)
    assert "\n" not in str(caught.value)
    assert os.listdir(place) == []
    assert installed(NAME) is None


def test_needs_that_cannot_be_had_are_one_line(first: First, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOOLS, NAME, Package(NAME, "1.2", ("no-such-package-anywhere==1",)))
    with pytest.raises(MissingPackageError, match="as what it needs cannot be had: No matching distribution"):
        install(NAME, python=first.quickly)
    assert os.listdir(place) == []


def test_an_interpreter_that_is_not_there_is_one_line(place: Path) -> None:
    with pytest.raises(MissingPackageError, match="as the virtual environment cannot be had: cannot start it"):
        install(NAME, python="/nonexistent/python")
    assert os.listdir(place) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_installation_does_not_count(place: Path, how: signal.Signals) -> None:
    code = "from fpsynth.verifiers.external import installing, tools\n"
    code += f"tools.TOOLS[{NAME!r}] = tools.Package({NAME!r}, '1.2', ())\ninstalling.install({NAME!r})"
    env = {**os.environ, "PYTHONPATH": str(Path(fpsynth.__file__).parent.parent)}
    process = subprocess.Popen([sys.executable, "-c", code], env=env, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not list(place.glob(".*.tmp/bin")) and time.monotonic() < end:
        time.sleep(0.02)
    assert list(place.glob(".*.tmp/bin"))
    process.send_signal(how)
    process.wait(60)
    assert installed(NAME) is None
    left = [name for name in os.listdir(place) if not name.startswith(".")]
    assert left == []
    assert how is signal.SIGKILL or os.listdir(place) == []


def test_what_was_left_long_ago_is_removed(place: Path) -> None:
    old, new = place / f".{NAME}.1.tmp", place / f".{NAME}.2.tmp"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    with pytest.raises(MissingPackageError):
        install(NAME, python="/nonexistent/python")
    assert os.listdir(place) == [new.name]


@pytest.mark.parametrize(
    "mark", ["", "[]", "{}", '{"schema": "fpsynth-verifier", "schema_version": 1, "packages": 3, "needs": []}']
)
def test_a_folder_without_a_whole_mark_is_not_installed(place: Path, mark: str) -> None:
    (place / NAME / "bin").mkdir(parents=True)
    (place / NAME / "bin" / "python").touch()
    (place / NAME / MARK).write_text(mark)
    assert installed(NAME) is None


def test_the_folder_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FPSYNTH_VERIFIERS", raising=False)
    monkeypatch.setenv("FPSYNTH_CACHE", str(tmp_path))
    assert home() == tmp_path / "verifiers"
    monkeypatch.setenv("FPSYNTH_CACHE", "off")
    with pytest.raises(InputError, match="name one in FPSYNTH_VERIFIERS"):
        home()
    assert installed("maraboupy") is None


def test_names_that_are_not_in_the_table_are_refused() -> None:
    with pytest.raises(InputError, match=r"did you mean maraboupy\?"):
        install("marabou")
    with pytest.raises(InputError, match="unknown verifier to install"):
        require_installed("../evil")


def test_every_version_is_pinned() -> None:
    for package in TOOLS.values():
        assert all(need.count("==") == 1 for need in (package.requirement, *package.needs))
        assert package.about
