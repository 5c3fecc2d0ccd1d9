"""What the documents say can be done: commands that parse, links that lead somewhere, a picture drawn from a witness."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from pathlib import Path

import pytest
from goldens.documents import COMMANDS, DOCUMENTS, commands_in
from profiles import slow

from fpsynth.cli.arguments import build_parser
from fpsynth.cli.main import main
from fpsynth.networks.keras_layers import LAYERS as KERAS_LAYERS
from fpsynth.networks.layers import LAYERS
from fpsynth.networks.onnx.operators import OPERATORS as ONNX_OPERATORS
from fpsynth.verifiers.base import NAMES as CERTIFIERS

ROOT = Path(__file__).parents[1]


def test_there_are_commands():
    assert len(COMMANDS) > 15


@pytest.mark.parametrize(("document", "command"), COMMANDS, ids=lambda value: value.name if isinstance(value, Path) else value)
def test_commands_parse(document, command):
    build_parser().parse_args(shlex.split(command))


@pytest.mark.parametrize("command", [command for _, command in COMMANDS if command.startswith("tree ")])
def test_trees_are_drawn(command, capsys):
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        if not target.startswith("https://"):
            assert (document.parent / target.split("#")[0]).exists(), target


@pytest.mark.parametrize(
    "word",
    ["hexadecimal float", "absorption", "closed form", "encoding", "IBP", "Lipschitz bound", "operation", "exact radius"]
    + [f"`{name}`" for name in (*CERTIFIERS, "C")],
)
def test_words_of_the_reports_are_defined(word):
    rows = (ROOT / "docs" / "words.md").read_text().splitlines()
    assert any(word in row.split("|")[1] for row in rows if row.startswith("| "))


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_the_picture_is_drawn_from_the_witness_that_tie_finds():
    drawn = runpy.run_path(str(ROOT / "docs" / "draw_tie.py"))["drawn"]
    assert drawn() == (ROOT / "docs" / "tie.svg").read_text()


def test_the_table_of_layers_is_that_of_the_code():
    table = runpy.run_path(str(ROOT / "docs" / "layers_table.py"))
    page = (ROOT / "docs" / "networks.md").read_text("utf-8")
    assert table["written"](page) == page, "python docs/layers_table.py writes it anew"
    for layer in LAYERS.values():
        assert set(layer.names.onnx) <= set(ONNX_OPERATORS), layer.kind
        assert set(layer.names.keras) <= set(KERAS_LAYERS), layer.kind


def test_the_check_that_is_shown_is_what_check_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "ties.md").read_text("utf-8")
    (shown,) = re.findall(r"```text\n\$ python -m fpsynth (check .*?)```", text, re.DOTALL)
    command, _, printed = shown.partition("\n")
    monkeypatch.chdir(ROOT)
    assert main([*shlex.split(command), "--width", "96"]) == 0
    said = capsys.readouterr().out.splitlines()
    first, last = (part.splitlines() for part in printed.split("...\n"))
    assert said[: len(first)] == first
    assert said[-len(last) :] == last


@slow
def test_the_page_about_verifiers_can_be_typed_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "verifiers.md").read_text("utf-8")
    verdicts = []
    for language, block in re.findall(r"```(sh|python)\n(.*?)```", text, re.DOTALL):
        if language == "python":
            exec(block, {})
            continue
        for command in commands_in(f"```sh\n{block}```"):
            if "maraboupy" not in command:  # which is installed from a package index
                assert main([*shlex.split(command), "--json"]) in (0, 3), command
                verdicts += [json.loads(capsys.readouterr().out).get("verdict", "")]
    told = ["unsat", "unsat", "unsat", "", "unsat", "unknown", "sat", "unsat", "sat"]
    assert verdicts[0] == ""  # what was made
    assert verdicts[1:] == told, "on this processor libraries may add in other orders than the page says"
