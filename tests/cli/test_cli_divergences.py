"""The commands about arithmetics, each once for real; bad input in one line; what they write can be read again."""

import json
import xml.etree.ElementTree as ET

import pytest
from command_line import fpsynth, refused

from fpsynth.cli.main import main

QUICK = ["--library", "numpy", "--batch", "1,4", "--vectors", "300"]
QUIET = ["--no-replay", "--vectors", "300"]
SUMS_OF_HALVES = ["--dtype", "float16", "--terms", "72", "--inputs", "16:99", "--predicate", "gap", "--gap", "2"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ["order", "--a", "pairwise", "--b", "sequential", "--terms", "8", *QUICK],
            0,
            ["FOUND", "sequential", "pairwise", "What is wrong"],
        ),
        (["precision", *QUICK], 0, ["FOUND", "float64"]),
        (["relu", "--a", "real", "--b", "numpy:matmul:batch=4", "--terms", "8", *QUICK], 0, ["FOUND", "numpy:matmul:batch=4"]),
        (["interval", "--terms", "8", *QUICK], 0, ["FOUND", "interval"]),
        (["interval", "--a", "pairwise", "--b", "pairwise", "--no-replay"], 0, ["IMPOSSIBLE"]),
        (["order", "--terms", "1", "--no-replay"], 0, ["IMPOSSIBLE", "the same expression"]),
        (["order", "--gap", "1", "--no-replay"], 0, ["IMPOSSIBLE", "never more than"]),
        (["order", "--gap", "0.000001", "--timeout", "0.3", "--no-replay"], 3, ["UNKNOWN"]),
        (["order", "--b", "numpy:matmul", "--timeout", "0.01", *QUIET], 3, ["UNKNOWN", "before every side was revealed"]),
        (
            ["interval", "--a", "pairwise", "--b", "numpy:matmul:outputs=5,output=2,batch=4", *QUICK],
            0,
            ["FOUND", "8,5", "y2 ="],
        ),
        (["order", "--a", "reverse", "--b", "numpy:sum", *QUICK], 0, ["FOUND", "all weights are 1"]),
        (
            ["order", "--a", "numpy:sum", "--b", "pairwise,accumulator=float32", *SUMS_OF_HALVES, *QUIET[:1]],
            0,
            ["IMPOSSIBLE", "multiple of 2^-6"],
        ),
        (["order", "--a", "pairwise", "--b", "[[[[0,1],2],3],[[4,5],[6,7]]]", "--no-replay"], 0, ["FOUND"]),
        (["twin", "numpy:matmul:batch=4,outputs=3", "--terms", "8", *QUIET], 3, ["UNKNOWN", "no two positions"]),
        (["reveal", "numpy:sum", "--terms", "8", "--vectors", "300"], 0, ["numpy:sum", "explains 300/300"]),
    ],
)
def test_each_command_reports_and_ends_with_its_code(arguments, code, words, capsys):
    assert main(arguments) == code
    text = capsys.readouterr().out
    for word in words:
        assert word in text


def test_json_is_one_object_and_out_is_read_by_check_replay_and_explain(tmp_path, capsys):
    out = str(tmp_path / "flip.json")
    assert main(["order", "--b", "numpy:matmul:batch=4", "--terms", "64", "--json", "--out", out, *QUICK]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["verdict"], data["question"], data["out"]) == ("found", "order", out)
    assert len(data["reveals"]) == 1
    assert main(["check", out]) == 0
    assert "holds" in capsys.readouterr().out
    again = str(tmp_path / "again.json")
    assert main(["replay", out, "--library", "numpy", "--batch", "4", "--out", again]) == 0
    capsys.readouterr()
    assert main(["explain", again]) == 0
    assert "sequential" in capsys.readouterr().out


def test_a_folder_holds_the_witness_the_network_and_the_point(tmp_path, capsys):
    folder = tmp_path / "flip"
    assert main(["order", "--terms", "8", "--no-replay", "--out", str(folder)]) == 0
    capsys.readouterr()
    assert sorted(path.name for path in folder.iterdir()) == ["network.onnx", "point.txt", "witness.json"]
    assert len((folder / "point.txt").read_text().splitlines()) == 8
    assert main(["order", "--terms", "8", "--no-replay", "--out", str(folder)]) == 2
    assert "exists" in capsys.readouterr().err


def test_a_reveal_file_can_stand_for_a_side(tmp_path, capsys):
    path, wanted = str(tmp_path / "numpy.json"), ["--terms", "64", "--outputs", "2"]
    assert main(["reveal", "numpy:matmul", *wanted, "--batch", "1,4", "--vectors", "300", "--out", path]) == 0
    capsys.readouterr()
    assert main(["order", "--b", path, *wanted, "--no-replay"]) == 2
    assert "has 2 reveals" in capsys.readouterr().err
    one = str(tmp_path / "one.json")
    assert main(["reveal", "numpy:matmul", "--terms", "64", "--batch", "4", "--vectors", "300", "--out", one]) == 0
    assert main(["order", "--a", "pairwise", "--b", one, "--terms", "64", *QUICK]) == 0
    assert "numpy:matmul:batch=4" in capsys.readouterr().out
    assert main(["tree", one, "--compare", one]) == 0
    assert "the same tree of 64 terms" in capsys.readouterr().out
    assert main(["tree", path]) == 2
    assert "different orders" in capsys.readouterr().err


def test_the_matrix_is_written_as_text_picture_and_json(tmp_path, capsys):
    stem = tmp_path / "matrix"
    arguments = ["matrix", "--terms", "16", "--batch", "1,4", "--library", "numpy", "--no-settings", "--vectors", "300"]
    assert main([*arguments, "--out", str(stem)]) == 0
    assert "1 of 1 pair confirmed in" in capsys.readouterr().out
    data = json.loads(stem.with_suffix(".json").read_text())
    assert data["pairs"] == data["confirmed"] == len(data["cells"]) > 0
    ET.parse(stem.with_suffix(".svg"))
    assert "1 of 1 pair confirmed in" in stem.with_suffix(".txt").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["numpy", "--terms", "16"], "15"),
        (["[[0,1],[2,3]]", "--as", "text"], "[[0,1],[2,3]]"),
        (["pairwise", "--terms", "4", "--as", "json"], '"leaves": 4'),
        (["strided:4", "--as", "fpcore"], "(FPCore"),
        (["reverse", "--as", "svg"], "<svg"),
        (["sequential", "--compare", "pairwise", "--terms", "64"], "different trees of 64 terms"),
        (["sequential", "--compare", "strided:1"], "the same tree of 8 terms"),
        (["[[0,1],2]", "--compare", "sequential"], "the same tree of 3 terms"),
        (["reverse", "--compare", "sequential"], "of the terms 0, 6 and 7, reverse computes 0+(6+7),"),
        (["sequential", "--terms", "1", "--compare", "reverse"], "the same tree of 1 term:"),
    ],
)
def test_orders_are_printed_and_compared(arguments, words, capsys):
    assert main(["tree", *arguments]) == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["order", "--a", "[[0,1],[1,2]]", "--terms", "3"], "leaf 1 of the order is repeated"),
        (["order", "--a", "[0,2]", "--terms", "2"], "leaf"),
        (["order", "--a", "[[0,1],2]", "--terms", "4"], "a tree of 3 leaves, but the sum has 4 terms"),
        (["order", "--a", "zigzag"], "unknown order 'zigzag'"),
        (["order", "--b", "torch:foo"], "torch has no operation 'foo'"),
        (["order", "--b", "numpy:matmul:color=red"], "is no option of an environment"),
        (["order", "--b", "numpy:matmul:row=1"], "row 1 is not in a batch of 1"),
        (["order", "--a", "numpy:matmul:outputs=2", "--b", "numpy:dot:outputs=3"], "must have the same outputs=N"),
        (["order", "--terms", "0"], "from 1 to 4096, not 0"),
        (["order", "--terms", "5000"], "from 1 to 4096, not 5000"),
        (["order", "--outputs", "0"], "the number of outputs must be from 1"),
        (["order", "--predicate", "gap"], "needs one"),
        (["order", "--gap", "0"], "a gap must be above 0"),
        (["order", "--weights", "1:0"], "is reversed"),
        (["order", "--max-weight", "0"], "must be above 0"),
        (["order", "--box", "0:1", "--threshold", "0>1"], "choose one of"),
        (["order", "--threshold", "0"], "must have the form FEATURE>VALUE"),
        (["order", "--a", "nowhere.json"], "cannot read nowhere.json"),
        (["order", "--dtype", "float31"], "unknown dtype 'float31'"),
        (["order", "--library", "caffe"], "unknown library 'caffe'"),
        (["order", "--device", "cuda"], "no GPU"),
        (["order", "--timeout", "-1"], "the time limit must be above 0"),
        (["order", "--out", "nowhere/x.json"], "there is no such folder"),
        (["precision", "--a", "float32", "--b", "float32"], "choose two formats"),
        (["precision", "--order", "torch:linear"], "must be a family or a tree"),
        (["order", "--a", ""], "unknown order ''"),
        (["order", "--outputs", "3", "--a", "numpy:matmul:outputs=2"], "must have the same outputs=N"),
        (["order", "--predicate", "relu", "--max-weight", "0.5"], "not relu"),
        (["order", "--max-weight", "1e-30"], "amplify nothing"),
        (["order", "--threshold", "0>9", "--inputs", "0:1"], "is outside the inputs' range 0:1"),
        (["order", "--box", "0:2", "--inputs", "0:1"], "reaches beyond the inputs"),
        (["order", "--box", "0:0.5", "--maximise"], "cannot be maximised"),
        (["reveal", "numpy:matmul:threads=1", "--threads", "2"], "say the number of threads once"),
        (["matrix", "--vectors", "0"], "vectors from 1 to"),
        (["matrix", "--out", ""], "--out needs a name"),
        (["tree", "pairwise", "--out", "nowhere/tree.svg"], "there is no such folder"),
        (["interval", "--a", "real"], "real arithmetic has none"),
        (["interval", "--a", "real", "--b", "onnxruntime:gemm"], "real arithmetic has none"),
        (["order", "--a", "numpy:vdot", "--b", "numpy:sum", "--weights", "0.5:1"], "numpy:sum has no weights"),
        (["order", "--a", "numpy:vdot", "--b", "numpy:sum", "--predicate", "argmax"], "a class needs at least 2"),
        (["position", "numpy:matmul:outputs=3", "--kind", "row"], "say batch=N"),
        (["interval", "--widening", "wide"], "unknown widening 'wide'"),
        (["twin", "numpy:matmul"], "outputs=N"),
        (["position", "--kind", "colour"], "unknown kind 'colour'"),
        (["reveal", "numpy:matmul", "--dtype", "tf32"], "numpy has no dtype tf32"),
        (["reveal", "numpy:conv2d"], "numpy has no operation 'conv2d'"),
        (["reveal", "numpy:vdot", "--batch", "4"], "vdot takes one pair of vectors"),
        (["reveal", "numpy:sum", "--terms", "0"], "terms and outputs must be from 1"),
        (["reveal", "numpy:sum", "--out", "reveal.txt"], "ends in .json"),
        (["matrix", "--library", "caffe"], "unknown library 'caffe'"),
        (["tree", "pairwise", "--as", "png"], "unknown form 'png'"),
        (["tree", "[[0,1],2]", "--compare", "[[0,1],[2,3]]"], "leaves"),
    ],
)
def test_bad_input_gives_one_line_and_nothing_is_written(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if arguments == ["order", "--device", "cuda"]:
        from fpsynth.libraries.machine import has_gpu

        if has_gpu():
            pytest.skip("there is a GPU")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_exists_is_overwritten(tmp_path, capsys):
    (tmp_path / "mine.json").write_text("mine")
    (tmp_path / "tree.svg").write_text("mine")
    assert main(["matrix", "--out", str(tmp_path / "mine")]) == 2
    assert main(["tree", "pairwise", "--as", "svg", "--out", str(tmp_path / "tree.svg")]) == 2
    assert "it exists" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"mine.json": "mine", "tree.svg": "mine"}


def test_what_could_not_be_written_is_said(tmp_path, capsys):
    out = str(tmp_path / "e5m2")
    assert main(["order", "--dtype", "float8_e5m2", "--no-replay", "--out", out]) == 0
    assert "left out: network.onnx" in capsys.readouterr().out


def test_an_order_that_was_written_as_json_can_stand_for_a_side(tmp_path, capsys):
    path = str(tmp_path / "order.json")
    assert main(["tree", "pairwise", "--terms", "8", "--as", "json", "--out", path]) == 0
    assert main(["order", "--b", path, "--no-replay"]) == 0
    assert "FOUND" in capsys.readouterr().out


def test_positions_without_a_flip_are_not_said_to_be_summed_alike(capsys):
    pytest.importorskip("torch")
    positive = ["--weights", "0.1:1", "--inputs", "0.1:1"]  # no sum is below zero, however it is taken
    code = main(["twin", "torch:linear:batch=1,outputs=10", "--terms", "64", *positive, *QUIET])
    text = capsys.readouterr().out
    if "no two positions" in text:
        pytest.skip("torch sums all positions alike on this processor")
    assert code == 3
    assert "no weights and input were found" in " ".join(text.split())


def test_a_library_that_is_not_installed_is_said(monkeypatch, capsys):
    from fpsynth.libraries.numpy import Numpy

    monkeypatch.setattr(Numpy, "version", lambda self: None)
    assert main(["order", "--b", "numpy:matmul", "--no-replay"]) == 2
    assert "numpy is not installed" in capsys.readouterr().err


def test_the_process_itself_refuses_with_one_line():
    assert "unknown order" in refused(fpsynth("order", "--a", "zigzag"))
