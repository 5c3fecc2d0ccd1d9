"""What is refused, or done, says what to do next: which commands there are, what to name instead, where the files are."""

from __future__ import annotations

import json

import pytest
from divergences import triple

from fpsynth.cli.commands import COMMANDS
from fpsynth.cli.main import main
from fpsynth.witness import save

SMALL = ["--terms", "4", "--batch", "1", "--library", "numpy", "--no-settings", "--vectors", "50"]


def refusal(capsys, *arguments):
    """The line with which arguments are refused; nothing else is printed."""
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def test_no_command_at_all_lists_the_commands_and_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as end:
        main([])
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    lines = err.splitlines()
    assert lines[-1] == "fpsynth: error: no COMMAND is given (see fpsynth --help)"
    assert {line.split()[0] for line in lines if line.startswith("    ") and line[4] != " "} >= set(COMMANDS)


@pytest.mark.parametrize("command", [["tie"], ["order"], ["reveal", "numpy:matmul"], ["matrix"], ["tree", "pairwise"]], ids=str)
def test_a_file_that_exists_is_left_alone_and_another_name_asked_for(command, tmp_path, capsys):
    file = tmp_path / "mine.json"
    file.write_text("mine")
    out = tmp_path / "mine" if command == ["matrix"] else file
    assert "mine.json: it exists: choose another name, or remove it first" in refusal(capsys, *command, "--out", out)
    assert file.read_text() == "mine"


def test_a_folder_that_is_not_empty_is_left_alone_and_another_name_asked_for(tmp_path, capsys):
    (tmp_path / "mine").write_text("mine")
    line = refusal(capsys, "tie", "--out", tmp_path)
    assert "the folder exists and is not empty: choose another name, or empty it" in line


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tree torch:linear:batch=4", "fpsynth reveal torch:linear:batch=4 --out NAME.json, and then name that file"),
        ("tree pairwise --compare numpy:matmul", "fpsynth reveal numpy:matmul --out NAME.json, and then name that file"),
        ("tree jax", "jax is a library, not an order: what is revealed or compared is an environment, such as jax:"),
        ("order --b torch", "torch is a library, not an order: what is revealed or compared is an environment, such as torch:"),
        ("tree /some/folder", "unknown order '/some/folder'"),
    ],
)
def test_an_environment_is_no_order_until_it_is_revealed(line, words, capsys):
    assert words in refusal(capsys, *line.split())


def test_the_way_from_an_environment_to_its_tree(tmp_path, capsys):
    """As the refusal says it."""
    file = str(tmp_path / "revealed.json")
    assert main(["reveal", "numpy:sum", "--vectors", "50", "--out", file]) == 0
    assert f"written:{file}" in "".join(capsys.readouterr().out.split())
    assert main(["tree", file]) == 0


def test_numpy_is_an_order_as_well(capsys):
    assert main(["tree", "numpy"]) == 0


def test_matrix_says_what_it_has_written(tmp_path, capsys):
    stem = str(tmp_path / "m")
    assert main(["matrix", *SMALL, "--out", stem]) in (0, 4)
    last = capsys.readouterr().out.rstrip("\n").split("\n\n")[-1]
    assert "".join(last.split()) == f"written:{stem}.json,{stem}.txt,{stem}.svg"
    assert {path.name for path in tmp_path.iterdir()} == {"m.json", "m.txt", "m.svg"}
    assert "written" not in (tmp_path / "m.txt").read_text()


def test_replay_says_what_it_has_written(tmp_path, capsys):
    save(triple(), tmp_path / "order.json")
    options = ["--library", "numpy", "--batch", "1"]
    for out, more in (("a.json", []), ("b.json", ["--json"])):
        main(["replay", str(tmp_path / "order.json"), *options, "--out", str(tmp_path / out), *more])
        printed = capsys.readouterr().out
        assert (tmp_path / out).exists()
        if more:
            assert json.loads(printed)["schema"] == "fpsynth-witness"
        else:
            assert "".join(printed.split()).endswith(f"written:{tmp_path / out}")
