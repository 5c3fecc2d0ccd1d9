"""Whole networks: environments that name no operation, networks as messages, and the graph that onnxruntime really runs."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.libraries.machine import KERNEL_VARIABLES
from fpsynth.libraries.naming import parse_environment, parse_network_environment, parse_placed
from fpsynth.libraries.sending import (
    network_from_message,
    network_message,
)
from fpsynth.networks.layers import AveragePooling, Clip, Convolution, Dense, Flatten, Pad, ReLU
from fpsynth.networks.network import Network, Node


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever chooses kernels in the shell that runs the tests."""
    for name in KERNEL_VARIABLES:
        monkeypatch.delenv(name, raising=False)


TEXTS = [
    ("torch", "torch:batch=1", "linear"),
    ("torch:batch=2,CUBLAS_WORKSPACE_CONFIG=:16:8", "torch:batch=2,CUBLAS_WORKSPACE_CONFIG=:16:8", "linear"),
    ("onnxruntime:batch=64,threads=2", "onnxruntime:batch=64,threads=2", "gemm"),
    ("onnxruntime:optimize=extended", "onnxruntime:batch=1,optimize=extended", "gemm"),
    ("tensorflow:batch=1,TF_ENABLE_ONEDNN_OPTS=0", "tensorflow:batch=1,TF_ENABLE_ONEDNN_OPTS=0", "keras"),
    ("torch:matmul:batch=3", "torch:matmul:batch=3", "matmul"),
]


@pytest.mark.parametrize(("text", "printed", "operation"), TEXTS)
def test_environments_of_whole_networks(text: str, printed: str, operation: str) -> None:
    environment = parse_network_environment(text)
    assert (str(environment), environment.operation) == (printed, operation)
    assert parse_network_environment(printed) == environment


ONE_NAME = {
    "torch:batch=1": ["torch", "torch:", "torch:batch=1", "torch:linear", "torch:linear:batch=1,row=0", "torch:compile=off"],
    "torch:batch=1,threads=2": ["torch:threads=2,batch=1", "torch:batch=1,threads=2", "torch:linear:threads=2"],
    "torch:matmul:batch=1": ["torch:matmul", "torch:matmul:batch=1", "torch:matmul:deterministic=off,batch=1"],
    "numpy:batch=4": ["numpy:batch=4", "numpy:matmul:batch=4"],
    "onnxruntime:batch=1": ["onnxruntime", "onnxruntime:optimize=all", "onnxruntime:gemm:optimize=all,batch=1"],
    "onnxruntime:batch=1,optimize=off": ["onnxruntime:optimize=off,batch=1", "onnxruntime:gemm:optimize=off"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in ONE_NAME.items() for text in texts])
def test_one_environment_of_a_whole_network_has_one_name_however_it_is_written(name: str, text: str) -> None:
    assert str(parse_network_environment(text)) == name
    assert parse_network_environment(text) == parse_network_environment(name)
    assert str(parse_placed(name)) == name
    assert parse_placed(name) == parse_network_environment(name)


def test_a_switch_that_says_the_default_stays_where_something_else_may_have_changed_that() -> None:
    variable = "tensorflow:TF_DETERMINISTIC_OPS=1,deterministic=off"
    assert "deterministic=off" in str(parse_network_environment(variable))
    assert "tf32=off" in str(parse_network_environment("torch:device=cuda,tf32=off"))


VARIABLES = {
    "TF_ENABLE_ONEDNN_OPTS": "tensorflow:xla=off",
    "TF_DETERMINISTIC_OPS": "tensorflow:deterministic=off",
    "NVIDIA_TF32_OVERRIDE": "torch:compile=off",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "torch:deterministic=off",
    "XLA_FLAGS": "jax:precision=default",
    "JAX_DEFAULT_MATMUL_PRECISION": "jax:precision=default",
}


@pytest.mark.parametrize(("variable", "text"), VARIABLES.items())
def test_it_stays_where_a_variable_of_the_process_may_have_changed_the_default(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    library, said = text.split(":")
    name, default = str(parse_network_environment(library)), str(parse_network_environment(text))
    assert said not in default
    assert default == name  # two spellings of one environment
    monkeypatch.setenv(variable, "1")
    kept = parse_network_environment(text)
    assert said in str(kept)
    assert said in ",".join("=".join(pair) for pair in kept.process.switches)
    assert parse_network_environment(str(kept)) == kept
    assert str(parse_network_environment(library)) == name
    monkeypatch.delenv(variable)
    assert parse_placed(str(kept)) == kept  # a file says what was run, wherever it is read


def test_a_number_of_threads_changes_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "1")
    assert str(parse_network_environment("torch:compile=off")) == "torch:batch=1"


@pytest.mark.parametrize("text", ["torch:linear:batch=4,outputs=3,output=1", "torch:sum:batch=1", "numpy:dot:row=0"])
def test_the_environment_of_a_view_of_one_layer_keeps_its_operation(text: str) -> None:
    assert parse_placed(text) == parse_environment(text)
    assert not parse_placed(text).whole


@pytest.mark.parametrize("text", ["torch", "pairwise", "frob:batch=1", "torch:frob:batch=1"])
def test_what_is_no_environment_of_a_view(text: str) -> None:
    with pytest.raises(InputError):
        parse_placed(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "torch:sum",
            "sum computes a single layer: for a whole network, convolutions and all, name torch alone, or a way to run it, "
            "torch:linear or torch:matmul",
        ),
        ("torch:outputs=2", "outputs and output are of one layer"),
        ("torch:linear:output=0", "outputs and output are of one layer"),
        ("torch:frob", "torch has no operation 'frob'"),
        ("torch:batch=0", "batch of an environment is a whole number from 1"),
        ("onnxruntime:optimize=much", "onnxruntime has no optimize='much'; choose from optimize=all|extended|basic|off"),
    ],
)
def test_what_is_no_environment_of_a_whole_network(text: str, reason: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_network_environment(text)
    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize("text", ["torch", "torch:batch=1", "torch:CUBLAS_WORKSPACE_CONFIG=:16:8"])
def test_one_layer_needs_an_operation(text: str) -> None:
    with pytest.raises(InputError, match="names no operation, and one layer needs one: choose torch:OPERATION from linear, "):
        parse_environment(text)


def small(dtype: type = np.float64) -> Network:
    """A network with parameters that are there and that are not, and attributes of every kind."""
    draw = np.random.default_rng(3)
    nodes = (
        Node("pad", Pad(((0, 0), (1, 0), (0, 1)), -0.0)),
        Node("conv", Convolution(draw.standard_normal((4, 1, 2, 2)).astype(dtype), None, 1, 1, groups=2), ("pad",)),
        Node("relu", ReLU(), ("conv",)),
        Node("pool", AveragePooling((2, 2), ceil=True, count_padding=False), ("relu",)),
        Node("clip", Clip(lower=0.1), ("pool",)),
        Node("flat", Flatten(), ("clip",)),
        Node("head", Dense(draw.standard_normal((2, 36)).astype(dtype), np.array([0.1, -0.0], dtype)), ("flat",)),
    )
    return Network(nodes, (2, 4, 4), "head")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_networks_come_out_of_messages_as_they_went_in(dtype: type) -> None:
    network = small(dtype)
    again = network_from_message(network_message(network))
    assert again == network
    assert again["conv"].layer.weight.dtype == dtype  # type: ignore[attr-defined]


OPTIMISED = """
import sys
sys.path.insert(0, sys.argv[1])
import json, onnx
from test_whole_networks import small
from fpsynth.formats import FLOAT32
from fpsynth.libraries.registry import library_named
import numpy as np
library = library_named("onnxruntime")
library.start("cpu", 1, {"optimize": sys.argv[2]})
network = small(np.float32)
graphs = {level: onnx.load_from_string(library.optimised(network, FLOAT32, level)).graph for level in ("off", "extended")}
point = [[k / 8 - 2 for k in range(32)]]
print(json.dumps({
    "level": library.describe("cpu")["graph_optimization"],
    "nodes": {level: [node.op_type for node in graph.node] for level, graph in graphs.items()},
    "logits": library.run(network, point, FLOAT32, "gemm").logits,
}))
"""


@pytest.mark.parametrize(("level", "name"), [("all", "ORT_ENABLE_ALL"), ("off", "ORT_DISABLE_ALL")])
def test_the_graph_that_onnxruntime_runs(level: str, name: str) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    done = subprocess.run(
        [sys.executable, "-c", OPTIMISED, str(__file__).rpartition("/")[0], level], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["level"] == name
    assert found["nodes"]["off"][:3] == ["Pad", "Conv", "Relu"]
    assert "Relu" not in found["nodes"]["extended"]  # it is part of the convolution
    assert "FusedConv" in found["nodes"]["extended"]
    assert len(found["logits"][0]) == 2
