"""--width, COLUMNS and pipes: every report that is printed fits; what other programs read is left as it is."""

from __future__ import annotations

import json

import pytest
from command_line import leaves
from divergences import classes, triple
from profiles import SLOW
from witnesses import published

from fpsynth.cli.arguments import build_parser
from fpsynth.cli.main import main
from fpsynth.report.renderers.folding import cells
from fpsynth.witness import save

SEARCHES = ("tie", "order", "reveal")
OTHER_FILES = ("order.json", "classes.json")
FILES = {"tie.json": published, "order.json": triple, "classes.json": classes}
COMMANDS = [
    *([command, name] for command in ("check", "explain") for name in FILES),
    ["replay", "tie.json", "--library", "numpy", "--batch", "1,4"],
    ["replay", "classes.json", "--library", "numpy", "--batch", "1"],
    ["environments", "--library", "numpy"],
    ["tie", "--dtype", "bfloat16", "--no-replay"],
    ["tie", "--shape", "1,5", "--no-replay", "--count", "2", "--maximise", "ratio", "--timeout", "2"],
    ["order", "--terms", "300", "--no-replay"],
    ["order", "--terms", "2", "--no-replay"],
    ["tree", "blocked:256+bias:1", "--terms", "784"],
    ["tree", "strided:8", "--terms", "784", "--compare", "strided:8/[[[0,1],[4,5]],[[2,3],[6,7]]]"],
    ["reveal", "numpy:sum", "--terms", "9", "--vectors", "20"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("a_folder_with_a_name_that_is_long_enough_to_be_broken_somewhere")
    for name, make in FILES.items():
        save(make(), place / name)
    return place


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_is_printed_fits_at_every_width(folder, command, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("COLUMNS", raising=False)
    widths = {80: []} if command[0] in SEARCHES else {80: ["--width", "80"], 120: ["--width", "120"]}
    if command[-1] in OTHER_FILES and not SLOW:  # of each kind of report one is looked at in both widths
        widths.pop(120)
    for width, option in widths.items():
        main([*command, *option])
        text = capsys.readouterr().out
        assert len(text.splitlines()) > (0 if "--compare" in command else 3)
        for line in text.splitlines():
            assert cells(line) <= width, line
            assert not line.rstrip(" │|").endswith(("≈", "~")), line


def printed(capsys, *command):
    assert main(list(command)) == 0
    return capsys.readouterr().out


def test_a_pipe_has_80_columns_or_those_of_the_environment(capsys, monkeypatch):
    widest = {}
    for columns in ("", "60", "90", "500"):
        monkeypatch.setenv("COLUMNS", columns)
        text = printed(capsys, "tie", "--no-replay")
        widest[columns] = max(cells(line) for line in text.splitlines())
    assert widest == {"": 80, "60": 60, "90": 90, "500": 100}
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(cells, printed(capsys, "tie", "--no-replay", "--width", "140").splitlines())) == 140


def test_what_other_programs_read_is_not_folded(capsys):
    assert json.loads(printed(capsys, "tree", "strided:64", "--terms", "300", "--as", "json"))["leaves"] == 300
    for form in ("text", "svg", "fpcore"):
        assert max(map(len, printed(capsys, "tree", "strided:8", "--terms", "100", "--as", form).splitlines())) > 100
    assert json.loads(printed(capsys, "tie", "--no-replay", "--json", "--width", "60"))["verdict"] == "found"


def test_every_subcommand_has_a_width():
    assert all("--width N" in parser.format_help() for parser in leaves().values())


def test_every_help_fits_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    parser = build_parser()
    (commands,) = (action for action in parser._actions if action.dest == "subcommand")
    for each in (parser, *commands.choices.values(), *leaves(parser).values()):
        for line in each.format_help().splitlines():
            assert cells(line) <= 80, line


@pytest.mark.parametrize("width", ["59", "201", "-80", "8e1", "", "9" * 300])
def test_a_width_that_no_report_has_is_refused_in_one_line(width, capsys):
    with pytest.raises(SystemExit) as end:
        main(["tie", "--width=" + width])
    assert end.value.code == 2
    out, said = capsys.readouterr()
    assert out == ""
    assert "must be a whole number from 60 to 200" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", ["tie", "order", "interval"])
@pytest.mark.parametrize("name", ["o.vnnlib", "net.onnx", "list.CSV"])
def test_a_folder_that_is_called_like_a_file_is_refused(tmp_path, capsys, command, name):
    assert main([command, "--no-replay", "--out", str(tmp_path / name)]) == 2
    assert "looks like a file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", ["float8_e5m2", "float8_e4m3fn", "tf32"])
def test_a_corpus_without_instances_is_refused_before_anything_is_looked_for(tmp_path, capsys, dtype):
    assert main(["tie", "--dtype", dtype, "--count", "3", "--no-replay", "--out", str(tmp_path / "F")]) == 2
    said = capsys.readouterr().err
    assert f"a corpus of {dtype} would have no instance: ONNX has no {dtype} networks" in said
    assert list(tmp_path.iterdir()) == []


def test_networks_have_batch_size_one_wherever_they_are_written(tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    assert main(["tie", "--no-replay", "--out", str(tmp_path / "tie")]) == 0
    assert main(["order", "--no-replay", "--out", str(tmp_path / "order")]) == 0
    capsys.readouterr()
    for name in ("tie", "order"):
        graph = onnx.load(str(tmp_path / name / "network.onnx")).graph
        assert [end.type.tensor_type.shape.dim[0].dim_value for end in (*graph.input, *graph.output)] == [1, 1]
