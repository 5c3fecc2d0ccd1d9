"""Small networks as exporters and hands write them in many operator sets: read exactly, or refused with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.networks.network import Network
from fpsynth.networks.onnx import import_onnx, network_from_onnx, read_onnx

onnx = pytest.importorskip("onnx")
h: Any = onnx.helper
G = h.make_node
W = np.array([[1, 2], [3, 4]], "f4")
B = np.array([5, 6], "f4")
Sizes = tuple[int | str, ...]


def model(
    nodes: list[Any],
    shape: Sizes = ("b", 2),
    out: Sizes | None = None,
    opset: int = 13,
    ir: int = 8,
    listed: bool = False,
    code: int = 1,
    **tensors: Any,
) -> bytes:
    inits = [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in tensors.items()]
    inputs = [h.make_tensor_value_info("X", code, list(shape))]
    if listed:
        inputs += [h.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in inits]
    graph = h.make_graph(nodes, "g", inputs, [h.make_tensor_value_info("Y", 1, list(out or ("b", 2)))], inits)
    data: bytes = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=ir).SerializeToString()
    return data


def const(name: str, value: Any) -> Any:
    return G("Constant", [], [name], value=onnx.numpy_helper.from_array(np.asarray(value), name))


GEMM = [G("Gemm", ["X", "W", "B"], ["Y"], transB=1)]
FORMS: dict[str, bytes] = {
    "Gemm as torch writes it": model(GEMM, W=W, B=B),
    "Gemm, weights not turned": model([G("Gemm", ["X", "W", "B"], ["Y"])], W=W, B=B),
    "Gemm, bias of (1, 2)": model([G("Gemm", ["X", "W", "B"], ["Y"])], W=W, B=B[None]),
    "Gemm, scalar bias": model([G("Gemm", ["X", "W", "B"], ["Y"])], W=W, B=np.float32(5)),
    "weights in Constant nodes": model(
        [const("W", W), const("B", B), G("MatMul", ["X", "W"], ["p"]), G("Add", ["p", "B"], ["Y"])]
    ),
    "bias first": model([G("MatMul", ["X", "W"], ["p"]), G("Add", ["B", "p"], ["Y"])], W=W, B=B),
    "points as columns": model([G("MatMul", ["W", "X"], ["Y"])], (2, 1), (2, 1), W=W),
    "points as columns, bias": model(
        [G("MatMul", ["W", "X"], ["p"]), G("Add", ["p", "B"], ["Y"])], (2, 1), (2, 1), W=W, B=B[:, None]
    ),
    "ACAS": model(
        [G("Sub", ["X", "m"], ["s"]), G("Flatten", ["s"], ["f"]), G("MatMul", ["f", "W"], ["p"]), G("Add", ["p", "B"], ["Y"])],
        (1, 1, 1, 2),
        W=W,
        B=B,
        m=np.ones((1, 1, 1, 2), "f4"),
    ),
    "Flatten, Gemm": model([G("Flatten", ["X"], ["f"]), G("Gemm", ["f", "W", "B"], ["Y"], transB=1)], W=W, B=B),
    "Identity of a weight": model([G("Identity", ["V"], ["W"]), *GEMM], V=W, B=B),
    "Transpose of a weight": model([G("Transpose", ["W"], ["V"], perm=[1, 0]), G("MatMul", ["X", "V"], ["Y"])], W=W),
    "opset 6": model([G("Gemm", ["X", "W", "B"], ["Y"], transB=1, broadcast=1)], W=W, B=B, opset=6, ir=3, listed=True),
    "opset 7": model([G("MatMul", ["X", "W"], ["p"]), G("Add", ["p", "B"], ["Y"])], W=W, B=B, opset=7, ir=3, listed=True),
    "weights among the inputs": model(GEMM, W=W, B=B, opset=9, ir=3, listed=True),
    "opset 10": model(
        [G("Gemm", ["X", "W", "B"], ["d"]), G("Clip", ["d"], ["Y"], min=-1.0, max=4.0)], W=W, B=B, opset=10, ir=5
    ),
    "opset 11": model(
        [G("Clip", ["X", "", "one"], ["c"]), G("MatMul", ["c", "W"], ["Y"])], W=W, one=np.float32(1), opset=11, ir=6
    ),
    "opset 12": model([G("MatMul", ["X", "W"], ["p"]), G("Dropout", ["p"], ["Y"])], W=W, opset=12, ir=7),
    "opset 15": model(
        [G("Unsqueeze", ["X", "a"], ["u"]), G("Squeeze", ["u", "a"], ["v"]), G("MatMul", ["v", "W"], ["Y"])],
        W=W,
        a=[1],
        opset=15,
    ),
    "opset 18": model(
        [G("Pad", ["X", "p"], ["q"], mode="constant"), G("MatMul", ["q", "V"], ["Y"])],
        p=[0, 1, 0, 0],
        V=np.ones((3, 2), "f4"),
        opset=18,
    ),
    "opset 23": model(GEMM, W=W, B=B, opset=23, ir=11),
    "Relu last": model([G("Gemm", ["X", "W", "B"], ["p"], transB=1), G("Relu", ["p"], ["Y"])], W=W, B=B),
    "residual": model([G("MatMul", ["X", "W"], ["p"]), G("Relu", ["p"], ["r"]), G("Add", ["r", "X"], ["Y"])], W=W),
    "shape arithmetic": model(
        [
            G("Shape", ["X"], ["s"]),
            G("Gather", ["s", "z"], ["n"], axis=0),
            G("Unsqueeze", ["n"], ["u"], axes=[0]),
            G("Concat", ["u", "m"], ["t"], axis=0),
            G("Reshape", ["X", "t"], ["f"]),
            G("MatMul", ["f", "W"], ["Y"]),
        ],
        ("b", 1, 2),
        opset=11,
        ir=6,
        z=np.array(0),
        m=np.array([-1]),
        W=W,
    ),
    "a batch of 4": model(
        [G("Reshape", ["X", "t"], ["f"]), *[G("Gemm", ["f", "W", "B"], ["Y"])]], (4, 1, 2), (4, 2), W=W, B=B, t=[4, 2]
    ),
    "Max and Min": model([G("Max", ["X", "a"], ["c"]), G("Min", ["c", "b"], ["Y"])], a=np.float32(-1), b=np.float32(2)),
    "scaled and moved": model(
        [G("Mul", ["c", "X"], ["m"]), G("Div", ["m", "d"], ["q"]), G("Sub", ["o", "q"], ["Y"])],
        c=B,
        d=np.array([[2, 4]], "f4"),
        o=W[0],
    ),
    "Sum of three": model([G("Relu", ["X"], ["r"]), G("Sum", ["X", "r", "X"], ["Y"])]),
    "NHWC": model(
        [
            G("Transpose", ["X"], ["t"], perm=[0, 3, 1, 2]),
            G("Conv", ["t", "K"], ["c"], auto_pad="SAME_UPPER", strides=[2, 1]),
            G("Transpose", ["c"], ["Y"], perm=[0, 2, 3, 1]),
        ],
        ("b", 3, 4, 2),
        ("b", 2, 4, 3),
        K=np.arange(36, dtype="f4").reshape(3, 2, 2, 3),
    ),
    "ReduceMean over axes in the middle": model([G("ReduceMean", ["X"], ["Y"], axes=[1, 2], keepdims=0)], ("b", 2, 4, 2)),
    "columns in the middle": model([G("MatMul", ["W", "X"], ["Y"])], ("b", 2, 3), ("b", 2, 3), W=W),
    "uint8 input": model([G("Cast", ["X"], ["f"], to=1), *[G("MatMul", ["f", "W"], ["Y"])]], code=2, W=W),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_what_onnxruntime_runs(form: str) -> None:
    """Small integers: exact in float32, whatever the order."""
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    network, _ = network_from_onnx(FORMS[form])
    if form == "opset 6":  # whose Gemm ONNX Runtime has no longer
        assert network == network_from_onnx(FORMS["Gemm as torch writes it"])[0]
        return
    session = runtime.InferenceSession(FORMS[form], options, providers=["CPUExecutionProvider"])
    (given,) = [i for i in session.get_inputs() if i.name == "X"]
    batch = 3 if isinstance(given.shape[0], str) else given.shape[0]
    dtype = np.uint8 if given.type == "tensor(uint8)" else np.float32
    points = np.random.default_rng(1).integers(0 if dtype is np.uint8 else -8, 9, (batch, *given.shape[1:])).astype(dtype)
    (result,) = session.run(["Y"], {"X": points})
    values = float64_outputs(network, points.astype(np.float64).reshape(-1, *network.input_shape))
    assert np.array_equal(values.reshape(result.shape), result)


@pytest.mark.parametrize(
    "form", ["ACAS", "points as columns", "points as columns, bias", "Flatten, Gemm", "Identity of a weight"]
)
def test_axes_of_size_1_do_not_hide_a_stack(form: str) -> None:
    network = network_from_onnx(FORMS[form])[0]
    assert network.input_shape == (2,)
    assert [node.layer.kind for node in network.nodes if node.layer.kind != "subtract constant"] == ["dense"]


BIG = [10**9, 10**9]
REFUSED: dict[str, tuple[bytes, str]] = {
    "cycle": (
        model([G("Add", ["X", "Y"], ["p"]), G("Relu", ["p"], ["Y"])]),
        "node 'p' reads its own result|node 'Y' reads its own",
    ),
    "missing tensor": (model([G("Add", ["X", "q"], ["Y"], "plus")]), "the node 'plus' reads 'q', which nothing computes"),
    "huge reshape": (model([G("Reshape", ["X", "s"], ["Y"])], s=BIG), "'Y' .Reshape.: .*are more than|cannot become"),
    "huge input": (model([G("Relu", ["X"], ["Y"])], (1, *BIG)), "1000000000 x 1000000000 are more than"),
    "huge pad": (model([G("Pad", ["X", "p"], ["Y"])], p=[0, 10**9, 0, 10**9]), "are more than"),
    "huge fill": (model([G("ConstantOfShape", ["s"], ["c"]), G("Add", ["X", "c"], ["Y"])], s=BIG), "or too large"),
    "NaN": (model([G("MatMul", ["X", "W"], ["Y"])], W=W * np.float32("nan")), "'W' holds infinities or NaN"),
    "sigmoid": (model([G("Sigmoid", ["X"], ["Y"], "sig")]), "the node 'sig' .Sigmoid.: no layer of fpsynth computes that"),
    "quantised": (model([G("DequantizeLinear", ["X", "s"], ["Y"])], s=np.float32(1)), "quantised: export it before"),
    "int8 weights": (
        model([G("MatMul", ["X", "W"], ["Y"])], W=W.astype("i1")),
        "its weight holds integers: export the network before",
    ),
    "open axis": (model([G("Relu", ["X"], ["Y"])], ("b", 3, "width")), "axis 2 of its input 'X' is open .width."),
    "a row of any length": (model([G("Relu", ["X"], ["Y"])], ("n",)), "axis 0 of its input 'X' is open"),
    "alpha": (model([G("Gemm", ["X", "W"], ["Y"], alpha=0.5)], W=W), "alpha = 0.5, which libraries round in ways of their own"),
    "beta": (model([G("Gemm", ["X", "W", "B"], ["Y"], beta=0.5)], W=W, B=B), "beta = 0.5"),
    "weights from weights": (
        model([G("Mul", ["W", "V"], ["U"]), G("MatMul", ["X", "U"], ["Y"])], W=W, V=W),
        "fold constants before",
    ),
    "rounded weights": (
        model([G("Cast", ["W"], ["V"], to=10), G("MatMul", ["X", "V"], ["Y"])], W=W / 3),
        "it rounds weights to float16",
    ),
    "rounded values": (model([G("Cast", ["X"], ["Y"], to=10)]), "it rounds values to float16"),
    "softmax in the middle": (model([G("Softmax", ["X"], ["s"]), G("Relu", ["s"], ["Y"])]), "softmax stands only at the end"),
    "product of values": (model([G("Mul", ["X", "X"], ["Y"])]), "only sums .Add. are read"),
    "constants spread": (model([G("Add", ["X", "V"], ["Y"])], (1, 2), V=W), "does not spread over 1 x 2"),
    "mean over the batch": (model([G("ReduceMean", ["X"], ["Y"], axes=[0])]), "not over all but one"),
    "batch as channels": (
        model([G("Conv", ["X", "K"], ["Y"])], (4, 2, 5), (4, 1, 1), K=np.ones((1, 2, 5), "f4") * np.inf),
        "NaN",
    ),
    "3-D convolution": (
        model([G("Conv", ["X", "K"], ["Y"])], (1, 1, 2, 2, 2), K=np.ones((1, 1, 1, 1, 1), "f4")),
        "along 3 axes",
    ),
    "training": (
        model([G("BatchNormalization", ["X", *"ABCD"], ["Y"], training_mode=1)], opset=15, **dict.fromkeys("ABCD", B)),
        "training mode",
    ),
    "an attribute of the future": (model([G("Relu", ["X"], ["Y"], leak=0.5)]), "it has the attribute leak, which is not read"),
    "another domain": (model([G("FusedMatMul", ["X", "X"], ["Y"], domain="com.microsoft")]), "com.microsoft.FusedMatMul"),
    "a loop": (model([G("If", ["X"], ["Y"])]), "no layer of fpsynth is that; read are Add, "),
    "nothing": (model([G("Identity", ["X"], ["Y"])]), "the output is the input"),
    "constant output": (model([const("Y", W)]), "does not depend on its input"),
    "old": (model(GEMM, W=W, B=B, opset=5), "operator set 5; read are 6 to"),
    "many axes": (model([G("Unsqueeze", ["X", "a"], ["Y"])], a=[*range(2, 40)]), "which axes it adds, or too many"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_bad_network_is_one_line(what: str) -> None:
    data, reason = REFUSED[what]
    with pytest.raises(InputError, match=reason) as caught:
        network_from_onnx(data, "bad.onnx")
    assert str(caught.value).startswith("bad.onnx: ")
    assert str(caught.value).isprintable()


def several(inputs: int, outputs: int) -> bytes:
    ends = [[h.make_tensor_value_info(f"{e}{k}", 1, ["b", 2]) for k in range(n)] for e, n in (("X", inputs), ("Y", outputs))]
    nodes = [G("Relu" if k else "LeakyRelu", [f"X{k % inputs}"], [f"Y{k}"]) for k in range(outputs)]
    data: bytes = h.make_model(h.make_graph(nodes, "g", *ends), opset_imports=[h.make_opsetid("", 13)]).SerializeToString()
    return data


def test_several_inputs_and_outputs() -> None:
    with pytest.raises(InputError, match="it has the inputs X0, X1; a network has one"):
        network_from_onnx(several(2, 1))
    with pytest.raises(InputError, match="it has the outputs Y0, Y1: choose one by its name"):
        network_from_onnx(several(1, 2))
    with pytest.raises(InputError, match="it has no output 'Y2'; it has Y0, Y1"):
        network_from_onnx(several(1, 2), output="Y2")
    kinds = [import_onnx(several(1, 2), output=name).network.nodes[-1].layer.kind for name in ("Y0", "Y1")]
    assert kinds == ["leaky relu", "relu"]


# weights in a file beside the model


def saved_beside(folder: Path, location: str = "weights.bin", **entries: str) -> Path:
    message = onnx.ModelProto.FromString(model(GEMM, W=W, B=B))
    (tensor,) = [t for t in message.graph.initializer if t.name == "W"]
    (folder / "weights.bin").write_bytes(b"\0" * 8 + W.tobytes())
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    for key, value in {"location": location, "offset": "8", "length": "16", **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    path = folder / "model.onnx"
    path.write_bytes(message.SerializeToString())
    return path


def weight_of(network: Network) -> Any:
    return network.dense_layers[0].weight


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    assert np.array_equal(weight_of(read_onnx(saved_beside(tmp_path))[0]), W)


def test_a_file_that_torch_writes_beside_a_model_is_named_where_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read_onnx(saved_beside(tmp_path, "cnn.onnx.data"))
    assert str(refused.value).endswith(
        "its weights are kept in cnn.onnx.data, which is not beside model.onnx: put both into one folder (torch's dynamo"
        " exporter writes NAME.onnx.data beside NAME.onnx), or export it in one file, as torch.onnx.export(...,"
        " external_data=False) does"
    )


def test_weights_elsewhere_are_not(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "weights.bin").write_bytes(b"\0" * 100)
    (inside / "link.bin").symlink_to(tmp_path / "weights.bin")
    for location in ("../weights.bin", str(tmp_path / "weights.bin"), "link.bin", "", "a\0b", "."):
        with pytest.raises(InputError, match="not in its folder"):
            read_onnx(saved_beside(inside, location))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"length": "17"}, "17 bytes from 8 in another file"),
        ({"offset": "-8"}, "from -8 in another file"),
        ({"offset": "16"}, "has 8 bytes where its shape"),
        ({"offset": "9" * 19}, "bytes where its shape|cannot read"),
        ({"location": "missing.bin"}, "its weights are kept in missing.bin, which is not beside model.onnx: put both"),
    ],
)
def test_sizes_beside_the_model_are_checked(tmp_path: Path, entries: dict[str, str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_onnx(saved_beside(tmp_path, **entries))
    with pytest.raises(InputError, match="read the model by its path"):
        network_from_onnx(saved_beside(tmp_path, **entries).read_bytes())
