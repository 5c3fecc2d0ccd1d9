"""Claims of comparing/compared.py and report/networks.py: verdicts, pairs, and what could change."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from rendered import rendered

from fpsynth.cli.main import main
from fpsynth.corpus.folder import folder_of
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, FLOAT64, TF32
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.networks.network import Network, dense_relu
from fpsynth.networks.npz_graph import write_npz
from fpsynth.report.renderers.style import Style
from fpsynth.report.stories.networks import comparison_json, comparison_story
from fpsynth.revealing.layers import ROWS_DIFFER
from fpsynth.revealing.network_result import NetworkReveal
from fpsynth.revealing.result import Check
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.comparing.compared import compare
from fpsynth.synthesis.comparing.comparison import EnvironmentPair, NetworkComparison, Ran
from fpsynth.synthesis.comparing.witnesses import _views, witnessed
from fpsynth.synthesis.given.alike import doubts_of
from fpsynth.synthesis.given.views import Given, GivenView
from fpsynth.witness import load
from fpsynth.witness.data import View

IDENTITY = dense_relu([(np.eye(2), None)])


def two(a: list[list[float]], b: list[list[float]]) -> NetworkComparison:
    """A comparison of two environments that gave these logits."""
    ran = [Ran(name, logits=np.array(logits), of=len(logits) * 2) for name, logits in (("a", a), ("b", b))]
    changed = tuple(np.flatnonzero(ran[0].classes != ran[1].classes).tolist())
    pair = EnvironmentPair("a", "b", changed, float(np.abs(np.array(a) - np.array(b)).max()), 0)
    return NetworkComparison(IDENTITY, FLOAT32, len(a), tuple(ran), (pair,), 1, 1e-6, True, np.zeros((len(a), 2)))


def test_one_changed_class_is_the_verdict() -> None:
    same, changes = two([[1.0, 0.0]], [[1.0, 0.5]]), two([[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [0.0, 1.0]])
    assert (same.verdict, changes.verdict) == ("same classes", "classes change")
    assert changes.changed == 1
    text = rendered(comparison_story(changes), Style(unicode=True, colour=False, width=80))
    assert text.startswith("CLASSES CHANGE: of 1 of 2 inputs in 2 environments")
    assert "1 – 2   1 change: inputs 0" in text
    assert comparison_json(changes)["pairs"][0]["class_changes"] == 1
    assert comparison_json(changes)["pairs"][0]["inputs"] == [0]


def test_logits_that_are_not_reproduced_are_said_with_the_first_layer_that_is_not_explained() -> None:
    found = two([[1.0, 0.0]], [[1.0, 0.5]])
    layers = [
        {"name": "first", "explained": 4, "of": 4, "notes": ["a note"]},
        {"name": "second", "explained": 3, "of": 4, "notes": [ROWS_DIFFER]},
    ]
    reveals = [
        {"layers": layers, "notes": ["of all"], "cached": False},
        {"layers": layers[:1], "notes": ["of all"], "cached": False},
    ]
    a, b = (replace(one, reveal=reveal, reproduced=1) for one, reveal in zip(found.environments, reveals, strict=True))
    text = " ".join(rendered(comparison_story(replace(found, environments=(a, b))), Style(width=80)).split())
    assert f"Not all logits of a are reproduced: second: {ROWS_DIFFER}." in text
    assert "Not all logits of b are reproduced: of all." in text
    all_of_them = replace(found, environments=(replace(a, reproduced=2), replace(b, reproduced=2)))
    assert "Not all" not in rendered(comparison_story(all_of_them), Style(width=80))


def test_the_bound_of_any_order_does_not_speak_of_environments_that_read_or_compute_other_numbers() -> None:
    found = two([[1.0, 0.0]], [[1.0, 0.5]])

    def revealed(how: Arithmetic, network: Network = IDENTITY) -> NetworkReveal:
        where = parse_network_environment("numpy:batch=1")
        return NetworkReveal(where, FLOAT32, network.logits, Deployment(how), (), Check(2, 2))

    plain = revealed(Arithmetic(FLOAT32, fused=True, flush=True))
    a, b = found.environments
    for other, spoken in (
        (revealed(Arithmetic(FLOAT32, accumulator=FLOAT64)), True),
        (revealed(Arithmetic(FLOAT32, operands=TF32)), False),
        (revealed(Arithmetic(FLOAT32, rounding=Rounding.RTZ)), False),
        (revealed(Arithmetic(FLOAT32), dense_relu([(2 * np.eye(2), None)])), False),
    ):
        told = replace(found, environments=(replace(a, found=plain), replace(b, found=other)))
        text = " ".join(rendered(comparison_story(told), Style(width=80)).split())
        assert told.otherwise == (() if spoken else ("b",))
        assert ("nothing is said of b, where other numbers are read" in text) != spoken


def test_a_witness_has_the_arithmetic_of_the_row_in_which_its_input_stood() -> None:
    where = parse_network_environment("numpy:batch=2")
    plain, other = Deployment(Arithmetic(FLOAT32)), Deployment(Arithmetic(FLOAT32, fused=True))
    rows = (((0,), plain), ((1,), other))
    found = NetworkReveal(where, FLOAT32, IDENTITY.logits, plain, (), Check(2, 2), rows)
    logits = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    ran = [Ran(str(where), logits=logits, of=6, found=found)] * 2
    for number, deployment in enumerate((plain, other, plain)):
        views = tuple(_views(IDENTITY.logits, tuple(logits[number]), number, ran))
        assert [(view.row, view.deployment) for view in views] == [(number % 2, deployment)] * 2
    grounds = [
        GivenView(View("a", str(where), "reference", plain, str(where)), IDENTITY.logits, one)
        for one in (found, replace(found, rows=()))
    ]
    given = Given(IDENTITY, FLOAT32, None, vectors=10_000)
    assert [any("rows of a batch" in doubt for doubt in doubts_of([view], given)) for view in grounds] == [True, False]


def test_a_table_of_many_changes_in_long_named_environments_has_one_row_for_each_pair() -> None:
    names = ["tensorflow:batch=1,TF_ENABLE_ONEDNN_OPTS=0", "onnxruntime:batch=64,threads=2", "torch:batch=64,threads=2"]
    ran = [Ran(name, logits=np.zeros((9999, 2)), of=19998) for name in names]
    pairs = [EnvironmentPair(a, b, tuple(range(9000, 9999)), 0.125, 19000) for a, b in combinations(names, 2)]
    found = NetworkComparison(IDENTITY, FLOAT32, 9999, tuple(ran), tuple(pairs), 1, 1e-6, True, np.zeros((9999, 2)))
    text = rendered(comparison_story(found), Style(width=80))
    rows = [line for line in text.splitlines() if "–" in line]
    assert [row.split("   ")[0].strip() for row in rows] == ["1 – 2", "1 – 3", "2 – 3"]
    assert all("999 change: inputs 9000" in row and "19000/19998" in row for row in rows)
    assert text.count("9004") == 3  # each names five
    assert text.splitlines()[2].split() == ["no.", "environment", "reproduced", "from", "exact"]


def test_environments_that_gave_the_same_logits_are_witnessed_once_under_the_first_of_them() -> None:
    given = {"a": [[1.0, 0.0], [0.0, 1.0]], "b": [[1.0, 2.0], [0.0, 1.0]], "c": [[1.0, 2.0], [0.0, 1.0]]}
    ran = [Ran(name, logits=np.array(logits), of=4) for name, logits in given.items()]
    ran.insert(0, Ran("missing", not_run="is not installed"))
    pairs = [EnvironmentPair(a, b, () if (a, b) == ("b", "c") else (0,), 2.0, 3) for a, b in combinations(given, 2)]
    found = NetworkComparison(IDENTITY, FLOAT32, 2, tuple(ran), tuple(pairs), 1, 1e-6, True, np.zeros((2, 2)))
    assert found.alike == {"a": ("a",), "b": ("b", "c")}
    assert [(pair.a, pair.b) for pair in found.distinct_pairs] == [("a", "b")]
    assert [(pair.a, pair.b, number) for pair, number in witnessed(found)] == [("a", "b", 0)]
    assert (found.changes, found.changed) == (1, 1)


def test_an_index_lists_equal_environments_in_one_entry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = ["--batch", "1,64", "--library", "numpy:batch=1,threads=1", "--vectors", "100", "--out", str(tmp_path / "out")]
    code = main([*nearly_tied(tmp_path), *again, "--json"])
    printed = json.loads(capsys.readouterr().out)
    equal = [pair for pair in printed["pairs"] if pair["equal_logits"] == 24 * 2]
    if code == 0 or [(pair["a"], pair["b"]) for pair in equal] != [("numpy:batch=1", "numpy:batch=1,threads=1")]:
        pytest.skip("numpy's BLAS does not compute the same at batch 1 in one thread, and something else at batch 64 here")
    entries = json.loads((tmp_path / "out" / "index.json").read_text())["witnesses"]
    assert {(entry["a"], *entry["also_a"], entry["b"]) for entry in entries} == {
        ("numpy:batch=1", "numpy:batch=1,threads=1", "numpy:batch=64")
    }
    assert len({entry["input"] for entry in entries}) == len(entries) == len(printed["witnesses"])


def test_fewer_than_two_environments_say_nothing() -> None:
    alone = compare(IDENTITY, FLOAT32, np.eye(2), [parse_network_environment("numpy:batch=1")], vectors=100)
    assert alone.verdict == "unknown"
    assert alone.environments[0].reproduced == 4


def test_numbers_of_another_format_are_rounded_and_counted() -> None:
    network = dense_relu([(np.array([[0.1, 0.2], [0.5, 0.25]]), None)])
    found = compare(network, FLOAT32, np.eye(2), [parse_network_environment("numpy:batch=1")], vectors=100)
    (ran,) = found.environments
    assert (ran.not_run, ran.reproduced, found.rounded) == ("", 4, 2)
    assert comparison_json(found)["rounded"] == 2
    assert ran.exact_distance < 1e-12  # from the network that was run: 0.1 is 1.5e-9 away from its float32
    text = rendered(comparison_story(found), Style(unicode=True, colour=False, width=100))
    assert "2 of the network's 4 numbers are not in float32 and are rounded into it: that network is compared." in text
    assert "rounded into it" not in rendered(
        comparison_story(two([[1.0, 0.0]], [[1.0, 0.5]])), Style(unicode=True, colour=False, width=80)
    )


def test_points_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match="the network has 2 inputs, but the points are of shape"):
        compare(IDENTITY, FLOAT32, np.zeros((3, 5)), [])


def test_points_beyond_the_range_of_the_format_are_refused() -> None:
    for number in (1e300, -3.5e38):
        with pytest.raises(InputError, match="the inputs have a number beyond the range of float32"):
            compare(IDENTITY, FLOAT32, np.array([[1.0, number]]), [])


def files(folder: Path, **arrays: np.ndarray) -> tuple[str, str]:
    """A network and its inputs."""
    rng = np.random.default_rng(0)
    network = dense_relu([(rng.standard_normal((4, 6)).astype(np.float32), None), (rng.standard_normal((2, 4)), None)])
    network = dense_relu([(np.float32(layer.weight), None) for layer in network.dense_layers])
    write_npz(network, folder / "net.npz")
    np.savez(folder / "x.npz", **arrays)
    return str(folder / "net.npz"), str(folder / "x.npz")


def test_the_command_prints_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(1).integers(0, 256, (9, 2, 3), dtype=np.uint8)
    network, inputs = files(tmp_path, images=images, labels=np.zeros(9, np.int64))
    code = main(["compare", network, "--inputs", inputs, "--library", "numpy", "--batch", "1,4", "--vectors", "100", "--json"])
    data = json.loads(capsys.readouterr().out)
    assert code == {"same classes": 0, "classes change": 5}[data["verdict"]]
    assert data["schema"] == "fpsynth-compare"
    assert [one["name"] for one in data["environments"]] == ["numpy:batch=1", "numpy:batch=4"]
    assert all(one["reproduced"] == one["of"] == 18 for one in data["environments"])
    assert set(data["pairs"][0]) >= {"a", "b", "class_changes"}
    assert data["inputs"] == 9
    assert data["could_change"] >= data["pairs"][0]["class_changes"]


def test_reveal_of_a_network_prints_its_layers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, _ = files(tmp_path, inputs=np.zeros((1, 6)))
    assert main(["reveal", "numpy", "--network", network, "--vectors", "100", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [layer["kind"] for layer in data["layers"]] == ["dense", "dense"]
    assert all(layer["explained"] == layer["of"] for layer in data["layers"])
    assert data["network"]["explained"] == data["network"]["of"]


def test_a_format_that_a_library_has_not_is_refused_in_the_name_of_that_library(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, _ = files(tmp_path, inputs=np.zeros((1, 6)))
    assert main(["reveal", "numpy", "--network", network, "--dtype", "tf32"]) == 2
    assert "numpy:batch=1: numpy has no dtype tf32; it has float16" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"pictures": np.zeros((1, 6))}, "no array called images or inputs"),
        ({"inputs": np.zeros((2, 5))}, "have the shape (5,) each, but the network's input is (6,)"),
        ({"inputs": np.full((2, 6), np.nan)}, "not finite"),
        ({"inputs": np.full((2, 6), 1e300)}, "the inputs have a number beyond the range of float32"),
        ({"inputs": np.zeros((2, 6), np.int64)}, "must be uint8 or floats"),
        ({"images": np.zeros((2, 6)), "labels": np.zeros(3, np.int64)}, "labels must be 2 integers"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arrays: dict[str, np.ndarray], why: str
) -> None:
    network, inputs = files(tmp_path, **arrays)
    assert main(["compare", network, "--inputs", inputs, "--library", "numpy"]) == 2
    told = capsys.readouterr()
    assert why in told.err
    assert told.err.count("\n") == 1
    assert not told.out


TERMS = 256
MANY = 40
"""Classes with which a network of so many terms lies in a file beside the witnesses."""


def nearly_tied(folder: Path, classes: int = 2) -> list[str]:
    """A comparison of classes with the same weights but for the last bits, so that the order of the sum decides."""
    rng = np.random.default_rng(3)
    row = rng.uniform(0.5, 1.0, TERMS).astype(np.float32)
    others = row + np.float32(2.0**-22) * rng.standard_normal((classes - 1, TERMS)).astype(np.float32)
    write_npz(dense_relu([(np.stack([row, *others]), None)]), folder / "net.npz")
    inputs = rng.uniform(0.0, 1.0, (24, TERMS)).astype(np.float32)
    np.savez(folder / "x.npz", inputs=inputs, labels=rng.integers(0, classes, 24))
    return ["compare", str(folder / "net.npz"), "--inputs", str(folder / "x.npz"), "--library", "numpy"]


def test_changed_classes_become_witnesses_that_check_replay_and_explain_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = nearly_tied(tmp_path)
    code = main([*asked, "--batch", "1,64", "--vectors", "100", "--out", str(tmp_path / "out"), "--json"])
    data = json.loads(capsys.readouterr().out)
    if code == 0:
        pytest.skip("numpy's BLAS gives the same at batch 1 and 64 here")
    assert code == 5
    assert data["witnesses"][0] == "000.json"
    assert len(data["witnesses"]) == min(100, data["pairs"][0]["class_changes"]) > 0
    file = str(tmp_path / "out" / "000.json")
    assert main(["check", file]) == 0
    assert main(["explain", file]) == 0
    assert "What is wrong" in capsys.readouterr().out
    assert main(["replay", file, "--library", "numpy", "--batch", "1"]) == 0
    assert main([*asked, "--out", str(tmp_path / "one.json")]) == 2
    assert "--out names a new folder" in capsys.readouterr().err


@pytest.mark.parametrize("classes", [2, MANY], ids=["inside", "beside"])
def test_an_index_says_what_each_witness_of_a_comparison_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], classes: int
) -> None:
    asked = [*nearly_tied(tmp_path, classes), "--batch", "1,64", "--vectors", "100", "--out", str(tmp_path / "out")]
    code = main([*asked, "--json"])
    printed = json.loads(capsys.readouterr().out)
    if code == 0:
        pytest.skip("numpy's BLAS gives the same at batch 1 and 64 here")
    index = json.loads((tmp_path / "out" / printed["index"]).read_text())
    assert (index["schema"], index["schema_version"], index["counted_from"]) == ("fpsynth-index", 2, 0)
    assert (index["network"], index["inputs"]) == (str(tmp_path / "net.npz"), str(tmp_path / "x.npz"))
    assert [entry["file"] for entry in index["witnesses"]] == printed["witnesses"]
    (pair,) = printed["pairs"]
    assert [entry["input"] for entry in index["witnesses"]] == pair["inputs"][:100]
    points, labels = np.load(tmp_path / "x.npz")["inputs"], np.load(tmp_path / "x.npz")["labels"]
    networks = set()
    for entry in index["witnesses"]:
        witness = load(tmp_path / "out" / entry["file"])
        assert (entry["a"], entry["b"]) == (pair["a"], pair["b"]) == ("numpy:batch=1", "numpy:batch=64")
        assert [(view.label, view.environment) for view in witness.views[:2]] == [(pair["a"],) * 2, (pair["b"],) * 2]
        assert witness.point == tuple(points[entry["input"]].tolist())
        logits = witness.reference.logits, witness.deployed.logits, witness.real
        assert [entry["class_a"], entry["class_b"], entry["class_real"]] == [own.index(max(own)) for own in logits]
        assert entry["class_a"] != entry["class_b"]
        assert entry["shown_by"] == [f"numpy {np.__version__}"]
        assert entry["label"] == labels[entry["input"]]
        assert not any(value == [] for value in entry.values())
        networks |= set(entry.get("networks", ()))
    there = {path.name for path in (tmp_path / "out").iterdir()}
    assert there == {"index.json", *printed["witnesses"], *networks}
    assert sorted(networks) == printed.get("beside", [])
    assert [name.partition(".network-")[0] for name in networks] == ([] if classes == 2 else ["witnesses"])
    assert folder_of(str(tmp_path / "out")).witnesses == tuple(str(tmp_path / "out" / name) for name in printed["witnesses"])


def test_the_report_of_a_comparison_says_that_there_is_an_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [*nearly_tied(tmp_path, MANY), "--vectors", "100", "--out", str(tmp_path / "out")]
    if main([*asked, "--batch", "1,64"]) == 0:
        pytest.skip("numpy's BLAS gives the same at batch 1 and 64 here")
    told = capsys.readouterr().out
    (network,) = (tmp_path / "out").glob("*.npz")
    assert f"{tmp_path / 'out'}" in told
    assert "and  index.json, which says of each its input, environments and classes" in told
    assert f"and  {network.name}" in told
    network.unlink()
    assert main(["check", str(tmp_path / "out" / "000.json")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{network.name} must lie beside the witness file" in line


def test_where_no_class_changes_there_is_neither_witness_nor_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, inputs = files(tmp_path, inputs=np.eye(6, dtype=np.float32))
    asked = ["compare", network, "--inputs", inputs, "--library", "numpy", "--batch", "1,4", "--vectors", "100"]
    assert main([*asked, "--out", str(tmp_path / "out")]) == 0
    assert "no witness: no class changes, and nothing is written" in capsys.readouterr().out
    assert main([*asked, "--out", str(tmp_path / "out"), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["out"], data["index"], data["witnesses"]) == (None, None, [])
    assert not (tmp_path / "out").exists()


def test_one_environment_that_is_written_in_several_ways_is_run_once_under_one_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, inputs = files(tmp_path, inputs=np.eye(6, dtype=np.float32))
    written = ["numpy", "numpy:matmul", "numpy:batch=1", "numpy:matmul:row=0,batch=1", "numpy:dot"]
    several = [part for text in written for part in ("--library", text)]
    assert main(["compare", network, "--inputs", inputs, *several, "--batch", "1", "--vectors", "100", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in data["environments"]] == ["numpy:batch=1", "numpy:dot:batch=1"]
    assert main(["reveal", "numpy:matmul:batch=1", "--network", network, "--vectors", "100", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["environment"] == "numpy:batch=1"


@pytest.mark.parametrize(
    "text",
    ["numpy,numpy:dot:batch=1,threads=1", "numpy, numpy:dot:batch=1,threads=1", "numpy:dot:batch=1,threads=1,numpy"],
)
def test_libraries_and_environments_share_a_text(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    network, inputs = files(tmp_path, inputs=np.eye(6, dtype=np.float32))
    assert main(["compare", network, "--images", inputs, "--library", text, "--batch", "1", "--vectors", "100", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in data["environments"]} == {"numpy:batch=1", "numpy:dot:batch=1,threads=1"}


def test_a_name_that_is_no_library_is_named_among_environments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, inputs = files(tmp_path, inputs=np.eye(6, dtype=np.float32))
    assert main(["compare", network, "--images", inputs, "--library", "numpy,nump,torch", "--batch", "1"]) == 2
    assert "'nump'" in capsys.readouterr().err
