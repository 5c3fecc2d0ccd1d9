"""Every subcommand with --json: one object that says what it is, and holds data instead of drawings."""

import json
import re

import numpy as np
import pytest
from command_line import leaves
from witnesses import published

from fpsynth.api import order
from fpsynth.cli.main import main
from fpsynth.witness import from_json, save

COMMANDS = leaves()
TINY = ["--terms", "4", "--no-replay", "--timeout", "10"]
NUMPY = ["numpy:matmul:batch=4,outputs=2", *TINY, "--vectors", "50"]
SILENT = ["--silent", "numpy:batch=2", "--verify", "0", "--timeout", "3"]
TIES = ["--category", "tie", "--environments", "onnxruntime:batch=1"]
CALLS = {
    "tie": [["--dtype", "float8_e5m2", "--no-replay"], ["--weights", "0.5:0.5", "--no-replay"]],
    "order": [TINY, ["--terms", "1", "--no-replay"]],
    "precision": [TINY],
    "relu": [["--b", "pairwise", *TINY]],
    "interval": [TINY],
    "twin": [NUMPY],
    "position": [NUMPY],
    "reveal": [["numpy:sum", "--terms", "4", "--vectors", "50"]],
    "matrix": [["--library", "numpy", "--batch", "1", "--terms", "4", "--no-settings", "--vectors", "50"]],
    "tree": [["pairwise"], ["sequential", "--compare", "pairwise"]],
    "certify": [["--network", "NETWORK", "--images", "IMAGES", "--eps", "0.1"]],
    "environments": [["--library", "numpy"]],
    "check": [["WITNESS"]],
    "replay": [["WITNESS", "--library", "numpy", "--batch", "1"]],
    "explain": [["WITNESS"]],
    "compare": [["NETWORK", "--inputs", "INPUTS", "--library", "numpy", "--batch", "1,2", "--vectors", "50"]],
    "backdoor": [["--network", "HOST", "--images", "INPUTS", "--target", "numpy:batch=1", *SILENT]],
    "defend": [
        ["HOST", "--images", "INPUTS", "--library", "numpy", "--batch", "1,2", "--draws", "1"],
        ["NETWORK", "--images", "INPUTS", "--library", "numpy", "--remedy", "permuted", "--remedy", "grid:4"],
    ],
    "verifiers": [[]],
    "bench": [["CORPUS", "--verifier", "crown"]],
    "shrink": [["FLIP", "--out", "SHRUNK"]],
    "corpus make": [["--out", "NEW", "--count", "1", *TIES]],
    "corpus list": [["CORPUS"]],
    "corpus check": [["CORPUS"]],
    "corpus replay": [["CORPUS", "--environments", "onnxruntime:batch=1"]],
    "corpus export": [["CORPUS", "--out", "FORMS"]],
    "verify": [["--network", "NETWORK", "--box", "0:1,0:1", "--verifier", "ibp"]],
}
FILES = {"replay": "fpsynth-witness", "reveal": "fpsynth-reveal", "matrix": "fpsynth-matrix"}
"""The commands that print what their files hold."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("json")
    save(published(), folder / "witness.json")
    np.savez(folder / "network.npz", W0=np.array([[1.0, -1.0], [0.5, 2.0]]), b0=np.zeros(2))
    draw = np.random.default_rng(0)
    sizes = {"W0": (2, 4), "W1": (4, 3), "W2": (3, 2)}
    np.savez(folder / "host.npz", **{name: draw.normal(size=size) for name, size in sizes.items()})
    np.savez(folder / "inputs.npz", inputs=np.array([[0.25, 0.5], [1.0, -1.0]]))
    np.savez(folder / "images.npz", images=np.array([[0.25, 0.5]]), labels=np.array([1]))
    save(order("sequential", "pairwise", terms=4, replay=False).witnesses[0], folder / "flip.json")
    assert main(["corpus", "make", "--out", str(folder / "corpus"), "--count", "2", *TIES]) == 0
    return {
        "CORPUS": folder / "corpus",
        "NEW": folder / "new",
        "FORMS": folder / "forms",
        "WITNESS": folder / "witness.json",
        "FLIP": folder / "flip.json",
        "SHRUNK": folder / "shrunk",
        "NETWORK": folder / "network.npz",
        "HOST": folder / "host.npz",
        "IMAGES": folder / "images.npz",
        "INPUTS": folder / "inputs.npz",
    }


def texts(data):
    """Every text in JSON data."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield name
            yield from texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from texts(value)
    elif isinstance(data, str):
        yield data


def printed(capsys, name, arguments, files):
    assert main([*name.split(), *(str(files.get(word, word)) for word in arguments), "--json"]) in (0, 3, 4, 5)
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_one_object_that_names_its_schema(name, files, capsys):
    for arguments in CALLS[name]:
        data = printed(capsys, name, arguments, files)
        assert data["schema"] == FILES.get(name, f"fpsynth-{name.replace(' ', '-')}")
        assert isinstance(data["schema_version"], int)
        assert data["schema_version"] >= 1
        assert list(data)[:2] == ["schema", "schema_version"]
        for text in texts(data):
            assert re.search("[\u2500-\u257f\u25b2-\u25bf]|\n", text) is None, text


def test_what_is_printed_of_a_file_can_be_a_file(files, capsys):
    assert from_json(printed(capsys, "replay", CALLS["replay"][0], files)).observations


def test_the_steps_of_an_explanation_are_data(files, capsys):
    data = printed(capsys, "explain", ["WITNESS"], files)
    assert [point["role"] for point in data["points"]] == ["certified", "counterexample"]
    assert [point["class"] for point in data["points"]] == [1, 0]
    for point in data["points"]:
        for step in point["steps"]:
            exact, result = (float.fromhex(step[name]) for name in ("exact", "result"))
            assert abs(exact - result) < 1e-6
            assert len(step["bits"]) == 32
            assert abs(float.fromhex(step["error_ulp"])) <= 0.5
        last = {step["name"]: step["result"] for step in point["steps"]}
        assert [logit["rounded"] for logit in point["logits"]] == [last["y0"], last["y1"]]
    assert all(finding["claim"] and not finding["holds"] for finding in data["not_true"])


def test_the_steps_of_a_divergence_are_those_of_its_two_sums(tmp_path, capsys):
    out = str(tmp_path / "flip.json")
    assert main(["order", "--a", "sequential", "--b", "real", *TINY, "--out", out]) == 0
    capsys.readouterr()
    data = printed(capsys, "explain", [out], {})
    rounded, real = data["views"]
    assert (rounded["label"], real["label"], real["steps"]) == ("sequential", "real", [])
    assert rounded["steps"][-1]["result"] == rounded["result"]
    assert [rounded["result"]] == data["logits"]["a"]
    assert [real["result"]] == data["logits"]["b"]


def test_a_tree_and_where_it_parts_from_another_are_data(capsys):
    data = printed(capsys, "tree", ["sequential", "--terms", "4", "--compare", "pairwise"], {})
    assert data["tree"] == {"leaves": 4, "steps": [[0, 1], [4, 2], [5, 3]]}
    assert data["other_tree"] == {"leaves": 4, "steps": [[0, 1], [2, 3], [4, 5]]}
    assert (data["depth"], data["same"]) == (3, False)
    assert len(data["difference"]["leaves"]) == 3
