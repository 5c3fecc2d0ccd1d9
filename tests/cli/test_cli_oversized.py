"""Small files and networks that take hours: one line that says how much and what to do, exit code 2, within seconds."""

import json
import re

import numpy as np
import onnx
import pytest
from command_line import fpsynth_here, refused
from onnx import TensorProto, helper
from oversized import HOSTILE

from fpsynth.networks.npz_graph import write_npz
from fpsynth.networks.reading import read_network
from fpsynth.witness import from_json


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("a convolution", ["check"]),
        ("exact arithmetic", ["explain"]),
        ("maxima of large windows", ["explain", "--json"]),
        ("many views", ["check", "--json"]),
    ],
)
def test_a_file_is_refused(tmp_path, name, command):
    path = tmp_path / "witness.json"
    path.write_text(json.dumps(HOSTILE[name]()))
    line = refused(fpsynth_here(*command[:1], path, *command[1:], "--timeout", "40"))
    assert re.search(r"takes some [0-9.e+]+ (s|h|GiB of memory) \([0-9]+ numbers added, selected or moved\)", line)
    assert re.search(r"give more time \(timeout [0-9]+\)|only a smaller network", line)


def test_a_replay_of_a_tie_that_does_not_say_its_logits_is_refused(tmp_path):
    data = HOSTILE["a convolution"]()
    points = [{"name": name, "numbers": [number]} for name, number in (("one", "0x1p+0"), ("other", "0x1.8p+0"))]
    views = [{**view, "point": point["name"], "logits": []} for view, point in zip(data["views"], points, strict=True)]
    (tmp_path / "tie.json").write_text(json.dumps({**data, "question": "tie", "points": points, "views": views}))
    line = refused(fpsynth_here("replay", tmp_path / "tie.json", "--library", "numpy", "--batch", 1, "--timeout", 40))
    assert "evaluating the views that do not say their logits takes some" in line


def test_a_comparison_of_such_a_network_is_refused(tmp_path):
    write_npz(from_json(HOSTILE["averages of large windows"]()).network, tmp_path / "net.npz")
    np.savez(tmp_path / "inputs.npz", inputs=np.ones((1, 1, 1, 1)))
    line = refused(fpsynth_here("compare", tmp_path / "net.npz", "--inputs", tmp_path / "inputs.npz", "--library", "numpy"))
    assert "evaluating the network at one input takes some" in line


def test_a_comparison_of_an_onnx_model_of_a_few_hundred_bytes_is_refused(tmp_path):
    pads = helper.make_tensor("pads", TensorProto.INT64, [8], [0, 0, 0, 0, 0, 0, 8000, 8000])
    nodes = [helper.make_node("Pad", ["x", "pads"], ["p"])]
    nodes.append(helper.make_node("MaxPool", ["p"], ["m"], kernel_shape=[500, 500]))
    nodes.append(helper.make_node("Flatten", ["m"], ["y"]))
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in (("x", [1] * 4), ("y", [1, None]))]
    model = helper.make_model(helper.make_graph(nodes, "g", shapes[:1], shapes[1:], [pads]))
    model.ir_version = 8
    model.opset_import[0].version = 13
    onnx.save(model, tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").stat().st_size < 1000
    assert read_network(tmp_path / "net.onnx").network.work > 10**13
    np.savez(tmp_path / "inputs.npz", inputs=np.ones((1, 1, 1, 1)))
    refused(fpsynth_here("compare", tmp_path / "net.onnx", "--inputs", tmp_path / "inputs.npz", "--library", "numpy"))
