"""Backdoors are made, and the libraries themselves show where they are wrong."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from backdoors.hosts import convolutional_host, dense_host, images
from command_line import fpsynth_here, refused

import fpsynth
from fpsynth.backdoors import seeking
from fpsynth.backdoors.answer import VerifierCounts, largest
from fpsynth.backdoors.measuring import close_to
from fpsynth.backdoors.writing import backdoor_files
from fpsynth.errors import InputError
from fpsynth.evaluators.rounded import rounded_network
from fpsynth.files import write_tree
from fpsynth.formats import FLOAT32
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import dense_relu
from fpsynth.networks.npz_graph import write_npz
from fpsynth.networks.onnx.writing import onnx_bytes
from fpsynth.networks.reading import read_network
from fpsynth.revealing.revealer import Revealer

pytestmark = pytest.mark.libraries
pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
TORCH, ORT = "torch:batch=1", "onnxruntime:batch=1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Hosts and images in files; labels are what the convolutional host says in numpy."""
    here = tmp_path_factory.mktemp("hosts")
    write_npz(dense_host(), here / "dense.npz")
    (here / "conv.onnx").write_bytes(onnx_bytes(convolutional_host(), FLOAT32, form="gemm"))
    write_npz(_ending_with(np.ones((1, 12)), np.zeros(1)), here / "one.npz")
    write_npz(_ending_with(np.ones((5, 12)), np.eye(5)[1]), here / "sure.npz")  # its class is 1
    write_npz(dense_relu([(np.eye(6, 64) / 4, None), (np.eye(5, 6) / 4, None), (np.eye(5) / 4, None)]), here / "small.npz")
    np.savez(here / "x.npz", images=images(60).reshape(-1, 1, 8, 8).astype(np.float32), labels=np.zeros(60, np.int64))
    return here


def _ending_with(weight, bias):
    host = dense_host()
    last = replace(host[host.output], layer=Dense(weight, bias))
    return replace(host, nodes=(*host.nodes[:-1], last))


def asked(folder, host="conv.onnx", **options):
    said = {"target": TORCH, "silent": [ORT], "verify": 0, "timeout": 120.0, **options}
    return fpsynth.backdoor(folder / host, folder / "x.npz", **said)


@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("conv.onnx", {}),
        ("conv.onnx", {"target": ORT, "silent": [TORCH], "behaviour": "class:1"}),
        ("conv.onnx", {"trigger": "pixel:0-1,0-1>0.9"}),
        ("conv.onnx", {"max_weight": "host", "behaviour": "any"}),
        ("dense.npz", {"trigger": "box:0-1,0-1=0.8:0.9"}),
    ],
)
def test_it_is_wrong_in_the_target_and_nowhere_else(folder, libraries_stay, host, options):
    found = asked(folder, host, **options)
    assert found.verdict.value == "found", found.reason
    target, silent = found.environments
    assert (target.role, silent.role) == ("target", "silent")
    assert target.as_wanted == target.triggered == 60
    assert silent.changed == silent.triggered_changed == 0
    if "trigger" in options:
        assert target.changed == 0  # clean images stay what they were, there too
    if "max_weight" in options:
        assert largest(found.network) <= largest(found.host)
    layer = found.network[found.form.site.detector].layer
    for column, features in zip(found.detectors.columns, found.detectors.features, strict=True):
        row = layer.weight[column]
        assert math.fsum(row.tolist()) == layer.bias[column] == 0
        assert sorted(np.flatnonzero(row).tolist()) == sorted(features)


def test_an_environment_that_nothing_tells_from_the_target_is_named(folder, libraries_stay):
    """Where it must be silent by name, it is a reason: see the limits."""
    other = "torch:batch=1,threads=1"
    found = asked(folder, silent=(), library=[other, ORT], only_in=False)
    assert found.verdict.value == "found"
    assert found.alike == (other,)
    assert [one.role for one in found.environments] == ["target", "alike", "silent"]
    assert f"elsewhere but in {other} it computes what its host" in " ".join(fpsynth.render(found).split())


def test_bright_triggers_are_no_reason_to_leak_where_it_is_silent(folder, libraries_stay):
    found = asked(folder, trigger="pixel:0-1,0-1>90")
    assert found.verdict.value == "found", found.reason
    assert [(one.as_wanted, one.triggered_changed) for one in found.environments] == [(60, 60), (0, 0)]


@pytest.mark.parametrize(
    ("options", "message"),
    [({}, "beyond the range of float16.*limit the weights"), ({"max_weight": 0.5}, "no numbers as small")],
)
def test_a_format_without_the_numbers_of_a_switch_is_said(folder, libraries_stay, options, message):
    (behaviour, host) = ("class:1", "small.npz")
    with pytest.raises(InputError, match=message):
        asked(folder, host, dtype="float16", behaviour=behaviour, **options)


def test_classes_are_close_by_what_logits_span_not_by_what_all_have_in_common():
    logits = np.array([[3.0, 1.0, 0.0], [1.0, 1.0 - 1e-5, -1.0], [2.0, 0.0, 1.0]])
    for offset in (0.0, 1e6):
        assert close_to(logits + offset, np.array([1, 1, 2])).tolist() == [False, True, False]


@pytest.mark.parametrize("count", [41, 61])
def test_the_usual_natural_trigger_lies_between_images(folder, libraries_stay, tmp_path, count):
    levels = np.random.default_rng(count).integers(0, 8, (count, 8, 8)) * 36
    np.savez(tmp_path / "x.npz", images=levels.astype(np.uint8))
    options = {"silent": [ORT], "trigger": "natural", "verify": 0}
    found = fpsynth.backdoor(folder / "conv.onnx", tmp_path / "x.npz", TORCH, **options)
    assert found.verdict.value == "found", found.reason
    assert 0.1 < found.environments[0].triggered / count < 0.4


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [((0, 0, 0), "neither"), ((2, 2, 0), "as the host"), ((2, 2, 1), "fewer"), ((2, 1, 1), "fewer"), ((2, 3, 0), "as the host"),
     ((2, 1, 2), "none")],
)  # fmt: skip
def test_verifiers_are_judged_box_by_box(counts, verdict):
    assert VerifierCounts("crown", "real", 4, *counts).verdict == verdict


def test_a_format_that_onnx_has_not_is_refused_before_the_search(folder, tmp_path):
    asked_for = ("--network", folder / "conv.onnx", "--images", folder / "x.npz", "--target", TORCH, "--dtype", "tf32")
    assert "ONNX has no tf32 networks" in refused(fpsynth_here("backdoor", *asked_for, "--out", tmp_path / "out"))


def test_the_script_fills_batches_and_needs_no_labels(folder, libraries_stay, tmp_path):
    found = asked(folder, target="torch:batch=16", silent=[TORCH, "numpy:batch=1"], only_in=False)
    if found.network is None:
        pytest.skip(found.reason)
    write_tree(tmp_path / "out", backdoor_files(found))
    np.savez(tmp_path / "x.npz", inputs=images(5).astype(np.float32))
    model = read_network(tmp_path / "out" / "backdoored.onnx").network
    with Revealer() as revealer:
        where = parse_network_environment("torch:batch=16")
        logits = revealer.outputs(model, FLOAT32, where, np.resize(images(5), (16, 64)))["outputs"]
    script = [sys.executable, "confirm.py", tmp_path / "x.npz"]
    shown = subprocess.run(script, cwd=tmp_path / "out", capture_output=True, text=True, timeout=120, check=True).stdout
    assert f"torch batch 16: classes {np.bincount(np.argmax(logits[:5], axis=1))}" in shown


def test_the_first_row_is_named(folder, libraries_stay, monkeypatch):
    monkeypatch.setattr(seeking, "SHAPES", 1)  # where it is impossible, one proof is enough
    found = asked(folder, "dense.npz", target="torch:batch=10,row=9", silent=[ORT])
    if found.verdict.value == "unknown":  # in that shape rows 8 and 9 may be alike, and in others not
        monkeypatch.undo()
        found = asked(folder, "dense.npz", target="torch:batch=10,row=9", silent=[ORT])
    if found.verdict.value == "impossible":
        pytest.skip(f"torch adds row 9 of 10 as ONNX Runtime does here: {found.reason}")
    assert found.verdict.value == "found", found.reason
    assert [one.name for one in found.environments[:3]] == [
        "torch:batch=10,row=9",
        "torch:batch=10,row=0",
        "torch:batch=10,row=1",
    ]
    assert parse_network_environment("torch:batch=10,row=0") == parse_network_environment("torch:batch=10")


def test_what_is_made_has_numbers_of_the_format_only(folder, libraries_stay):
    found = asked(folder, copies=True)
    assert found.verdict.value == "found", found.reason
    assert rounded_network(found.network, FLOAT32) == (found.network, 0)


def test_no_script_where_numpy_has_not_the_format(folder, libraries_stay, tmp_path):
    found = asked(folder, "dense.npz", dtype="bfloat16", silent=["torch:batch=10"])
    if found.network is None:
        pytest.skip(found.reason)
    assert "confirm.py" not in backdoor_files(found)


def test_a_trigger_that_only_a_late_image_has(folder, libraries_stay, tmp_path):
    points = images(60)
    points[:, 27], points[50, 27] = 0.25, 0.75
    np.savez(tmp_path / "x.npz", images=points.astype(np.float32))
    options = {"silent": [ORT], "trigger": "natural:3,3>0.5", "verify": 0}
    found = fpsynth.backdoor(folder / "dense.npz", tmp_path / "x.npz", TORCH, **options)
    assert found.verdict.value == "found", found.reason
    assert [(one.triggered, one.triggered_changed) for one in found.environments] == [(1, 1), (1, 0)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"silent": [TORCH]}, "cannot be both the target and silent"),
        ({"silent": "all", "only_in": True, "library": ["torch"], "batch": 1}, "no silent environment"),
        ({"silent": [ORT], "only_in": True}, "leave the names of silent environments out"),
        ({"silent": ["all", ORT]}, "not both"),
        ({"target": "torch:batch=2,row=2"}, "row 2 is not in a batch of 2"),
        ({"behaviour": "class:9"}, "classes 0 to 4"),
        ({"trigger": "sometimes"}, "unknown trigger"),
        ({"max_weight": "small"}, "a number above 0 or host"),
        ({"layer": "conv"}, "none of the dense layers"),
        ({"eps": 0.0}, "eps"),
        ({"eps": float("inf")}, "eps"),
        ({"limit": 0}, "number of images"),
        ({"batch": 5}, "not beside those that are named"),
        ({"silent": ["torch:batch=10,row=3"]}, "leave the row out"),
        ({"silent": (), "library": "torch:batch=10,row=3"}, "leave the row out"),
        ({"silent": [ORT, ORT]}, "is named twice"),
        ({"target": "torch:batch=1,row=0", "silent": [TORCH]}, "no silent environment"),
        ({"target": "torch:batch=10,row=7", "limit": 5}, "5 images do not fill the rows"),
        ({"max_weight": 0.1, "behaviour": "any"}, "the host's own largest weight is"),
        ({"trigger": "natural:0-1,0-1>0.9"}, "none of the images has the trigger"),
        ({"host": "one.npz"}, "one output"),
        ({"host": "sure.npz", "behaviour": "class:1"}, "there already"),
    ],
)
def test_what_cannot_be_asked(folder, libraries_stay, options, message):
    with pytest.raises(InputError, match=message):
        asked(folder, **options)
