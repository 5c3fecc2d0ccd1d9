"""Claims of onnx_optimised.py: the network that onnxruntime really runs comes from its own graph, and what changed is named."""

from __future__ import annotations

import numpy as np
import pytest

from fpsynth.formats import FLOAT32
from fpsynth.libraries import onnx_optimised
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.onnxruntime import OnnxRuntime
from fpsynth.networks.graph import Node
from fpsynth.networks.layers import Add, AddConstant, BatchNormalisation, Convolution, Dense, Flatten, MaxPooling, ReLU
from fpsynth.networks.network import Network
from fpsynth.networks.rewrites import Rewritten

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
RNG = np.random.default_rng(1)


def numbers(*shape: int) -> np.ndarray:
    return (RNG.standard_normal(shape) / 2).astype(np.float32)


def residual(channels: int, size: int = 3) -> Network:
    """Convolution, normalisation, ReLU, pooling; a convolution around which its input is added; a dense layer."""
    nodes = (
        Node("conv1", Convolution(numbers(channels, 2, 3, 3), numbers(channels), padding=1)),
        Node("norm", BatchNormalisation(*(np.abs(numbers(channels)) + 1 for _ in range(4))), ("conv1",)),
        Node("relu", ReLU(), ("norm",)),
        Node("pool", MaxPooling((2, 2)), ("relu",)),
        Node("conv2", Convolution(numbers(channels, channels, size, size), numbers(channels), padding=size // 2), ("pool",)),
        Node("add", Add(), ("conv2", "pool")),
        Node("flat", Flatten(), ("add",)),
        Node("dense", Dense(numbers(2, 4 * channels), numbers(2)), ("flat",)),
    )
    return Network(nodes, (2, 4, 4), "dense")


def rewritten(network: Network, level: str = "") -> Rewritten:
    library = OnnxRuntime()
    library.start("cpu", None, {"optimize": level} if level else {})
    return library.rewritten(network, FLOAT32, "gemm")


def test_off_is_the_network_itself() -> None:
    network = residual(4)
    assert rewritten(network, "off") == Rewritten(network)


@pytest.mark.parametrize("level", ["", "extended", "basic"])
def test_a_normalisation_is_folded_into_the_weights_that_onnxruntime_computes(level: str) -> None:
    import onnx

    network = residual(4)
    found = rewritten(network, level)
    assert [node.name for node in found.network.nodes] == ["norm", "relu", "pool", "conv2", "add", "flat", "dense"]
    assert [str(one) for one in found.rewrites] == ["norm: ONNX Runtime's optimised graph: conv1 and norm are one convolution"]
    assert found.notes == ()
    library = OnnxRuntime()
    library.start("cpu", None, {})
    graph = onnx.load_from_string(library.optimised(network, FLOAT32, "basic")).graph
    own = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layer = found.network["norm"].layer
    assert isinstance(layer, Convolution)
    assert (layer.weight == own[graph.node[0].input[1]]).all()
    assert (layer.bias == own[graph.node[0].input[2]]).all()
    for name in ("relu", "pool", "conv2", "add", "flat", "dense"):
        assert found.network[name].layer == network[name].layer


def test_a_network_that_is_not_changed_is_the_same_network() -> None:
    nodes = (
        Node("conv", Convolution(numbers(4, 2, 3, 3), None)),
        Node("flat", Flatten(), ("conv",)),
        Node("dense", Dense(numbers(2, 16), None), ("flat",)),
    )
    network = Network(nodes, (2, 4, 4), "dense")
    assert rewritten(network) == Rewritten(network)


def exact(network: Network, points: np.ndarray) -> np.ndarray:
    """Its outputs in float64, which show what is added to what, though not in which order."""
    from fpsynth.evaluators.deployed import network_outputs
    from fpsynth.formats import FLOAT64
    from fpsynth.sums.arithmetic import Arithmetic, Deployment

    return network_outputs(network, points, Deployment(Arithmetic(FLOAT64)))


@pytest.mark.parametrize(("channels", "size", "block", "parts"), [(16, 3, 16, 1), (16, 3, 8, 2), (16, 1, 8, 1), (6, 3, 8, 6)])
def test_a_convolution_that_begins_with_a_residual_adds_block_after_block(
    channels: int, size: int, block: int, parts: int
) -> None:
    given = residual(channels, size)
    network = Network((*given.nodes[:1], Node("pool", MaxPooling((2, 2)), ("conv1",)), *given.nodes[4:]), (2, 4, 4), "dense")
    found = onnx_optimised._begun_with_other(network, "conv2", network["add"], block)
    steps = [node.name for node in found.nodes if node.name.startswith("add")]
    assert steps == [*(f"add.{k}" for k in range(1, 2 * parts + 1)), "add"]
    assert isinstance(found["add"].layer, AddConstant)
    weights = [found[f"add.{k}"].layer.weight for k in range(1, 2 * parts, 2)]
    assert (sum(weights) == network["conv2"].layer.weight).all()
    points = RNG.standard_normal((5, 2, 4, 4))
    assert np.allclose(exact(found, points), exact(network, points), rtol=1e-12, atol=1e-12)


def test_too_many_blocks_are_named_instead() -> None:
    found = rewritten(residual(16 * 9))
    if not OnnxRuntime._block(started(), "all"):
        pytest.skip("no blocks of channels on this processor")
    assert [one.node for one in found.rewrites] == ["norm"]
    assert len(found.notes) == 1
    assert "the sum of conv2 begins with the other number" in found.notes[0]
    assert "which is not modelled" in found.notes[0]


def started() -> OnnxRuntime:
    library = OnnxRuntime()
    library.start("cpu", None, {})
    return library


def test_a_graph_that_is_not_read_is_said() -> None:
    """Another version may leave operators that no layer is: then the network itself stands, with a note."""
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in "XY"]
    graph = helper.make_graph([helper.make_node("Sin", ["X"], ["Y"], name="sine")], "network", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])

    class Newer(OnnxRuntime):
        def optimised(self, *arguments: object) -> bytes:
            return bytes(model.SerializeToString())

    library = Newer()
    library.start("cpu", None, {})
    network = residual(4)
    found = library.rewritten(network, FLOAT32, "gemm")
    assert found.network == network
    assert found.rewrites == ()
    assert len(found.notes) == 1
    assert "the network that is really run is not known" in found.notes[0]
    assert "Sin" in found.notes[0]


def test_operands_elsewhere_in_memory_take_no_session_of_their_own_but_weights_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = OnnxRuntime()
    library.load("cpu")
    kernel = Kernel(parse_environment("onnxruntime:gemm:batch=2,outputs=3"), FLOAT32, 5, 3, True)
    runs = [library.operation(kernel, offset) for offset in (None, 16)]
    made: list[bytes] = []
    session = library._session

    def counted(model: bytes, *options: object) -> object:
        made.append(model)
        return session(model, *options)

    monkeypatch.setattr(library, "_session", counted)
    rows, weights, bias = numbers(2, 5), numbers(3, 5), numbers(3)
    results = [run(rows, weights, bias) for run in runs]
    assert len(made) == 1
    assert np.allclose(results, [rows @ weights.T + bias] * 2)
    assert np.array_equal(runs[0](rows, 2 * weights, 2 * bias), 2 * results[0])
    assert len(made) == 2
