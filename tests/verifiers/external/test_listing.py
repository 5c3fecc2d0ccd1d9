"""The list names every verifier once, with what it reads; the command line prints it and refuses what makes no sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpsynth.cli.main import main
from fpsynth.verifiers.base import VERIFIERS
from fpsynth.verifiers.external.checkouts import CHECKOUTS, commit
from fpsynth.verifiers.external.listing import MISSING, listed, told
from fpsynth.verifiers.external.tools import TOOLS


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FPSYNTH_VERIFIERS", str(tmp_path / "none"))


def test_every_verifier_is_listed_once() -> None:
    names = [one.name for one in listed()]
    assert names == [*VERIFIERS, *TOOLS, *CHECKOUTS]
    assert all(one.version == MISSING and not one.installed for one in listed() if one.name in TOOLS)
    text = told(listed())
    assert all(f"  {name} " in text for name in names)


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verifiers", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["schema"], data["schema_version"]) == ("fpsynth-verifiers", 1)
    (marabou,) = (one for one in data["verifiers"] if one["name"] == "maraboupy")
    assert marabou == {
        "name": "maraboupy",
        "kind": "package",
        "installed": False,
        "version": MISSING,
        "reads": ["ONNX", "VNN-LIB 1.0"],
        "regions": ["boxes"],
        "about": TOOLS["maraboupy"].about,
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["instal", "x"], "'instal' is neither"),
        (["install"], "takes one NAME, not 0"),
        (["install", "a", "b"], "takes one NAME, not 2"),
        (["install", "marabou"], "did you mean maraboupy?"),
        (["--again"], "--again goes with verifiers install NAME"),
    ],
)
def test_what_makes_no_sense_is_one_line(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert main(["verifiers", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_the_commit_of_a_checkout(tmp_path: Path) -> None:
    assert commit(tmp_path) == ""
    (tmp_path / ".git" / "refs").mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/main\n")
    (tmp_path / ".git" / "refs" / "main").write_text("0123456789abcdef\n")
    assert commit(tmp_path) == "0123456789ab"
    (tmp_path / ".git" / "HEAD").write_text("ref: ../../secret\n")
    assert commit(tmp_path) == ""
