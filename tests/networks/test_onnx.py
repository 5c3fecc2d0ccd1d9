"""ONNX files: what is written is read back bit for bit and run by others; nothing else is believed."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fpsynth.errors import InputError, MissingPackageError
from fpsynth.formats import BFLOAT16, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.networks.onnx import FORMS, network_from_onnx, onnx_bytes, read_onnx
from fpsynth.rounding import from_bits

onnx = pytest.importorskip("onnx")
helper: Any = onnx.helper

DTYPES = (FLOAT16, BFLOAT16, FLOAT32, FLOAT64)
TINY = dense_relu((Dense(((1.0, -2.0), (0.5, 3.0))),))


def any_network(dtype: Format, *shape: int, biased: bool) -> Network:
    """Bit patterns drawn at random: subnormals, zeros of both signs and huge numbers among them."""
    draw = random.Random(f"{dtype}{shape}{biased}")

    def number() -> float:
        return float(from_bits(draw.randint(0, dtype.max_finite_bits) | draw.getrandbits(1) << dtype.bits - 1, dtype))

    return dense_relu(
        tuple(
            Dense(
                tuple(tuple(number() for _ in range(inputs)) for _ in range(outputs)),
                tuple(number() for _ in range(outputs)) if biased else None,
            )
            for inputs, outputs in itertools.pairwise(shape)
        )
    )


def bits(network: Network) -> list[str]:
    return [entry.hex() for entry in network.entries()]


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("shape", [(1, 2), (3, 1), (4, 3, 5, 2)])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_written_networks_are_read_back(dtype: Format, form: str, shape: tuple[int, ...], biased: bool) -> None:
    network = any_network(dtype, *shape, biased=biased)
    data = onnx_bytes(network, dtype, form=form)
    onnx.checker.check_model(onnx.ModelProto.FromString(data), full_check=True)
    read, found = network_from_onnx(data)
    assert found is dtype
    assert read.widths == shape
    assert bits(read) == bits(network)
    assert all((layer.bias is not None) == biased for layer in read.dense_layers)


def test_the_bytes_depend_on_nothing_else(tmp_path: Path) -> None:
    network = any_network(FLOAT32, 4, 3, 2, biased=True)
    code = (
        "import sys; from fpsynth.formats import FLOAT32; from fpsynth.networks.onnx import onnx_bytes, read_onnx\n"
        "sys.stdout.buffer.write(onnx_bytes(read_onnx(sys.argv[1])[0], FLOAT32, form='gemm', batch=1))"
    )
    data = onnx_bytes(network, FLOAT32, form="gemm", batch=1)
    (tmp_path / "network.onnx").write_bytes(data)
    here = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": here}
    command = [sys.executable, "-c", code, str(tmp_path / "network.onnx")]
    again = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert again.stdout == data


@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize("form", FORMS)
def test_onnxruntime_runs_them(form: str, batch: int | None) -> None:
    runtime = pytest.importorskip("onnxruntime")
    import numpy as np

    network = dense_relu((Dense(((1.0, -2.0), (0.5, 3.0)), (1.0, -1.0)), Dense(((1.0, 2.0), (-1.0, 0.0)))))
    data = onnx_bytes(network, FLOAT32, form=form, batch=batch)
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["batch" if batch is None else batch, 2]
    (out,) = session.run(["Y"], {"X": np.array([[1.0, 1.0]] * (batch or 2), dtype=np.float32)})
    assert out.tolist() == [[0.0 + 2 * 2.5, 0.0]] * (batch or 2)


@pytest.mark.parametrize("dtype", [TF32, FLOAT8_E5M2], ids=str)
def test_formats_that_onnx_cannot_run_are_refused(dtype: Format) -> None:
    with pytest.raises(InputError, match=f"no {dtype.name} networks; choose from float32"):
        onnx_bytes(TINY, dtype)


@pytest.mark.parametrize(
    ("dtype", "number"),
    [(FLOAT16, 1 + 2.0**-11), (BFLOAT16, 1 + 2.0**-8), (FLOAT32, 0.1), (FLOAT16, 1e6), (FLOAT32, float("nan"))],
    ids=str,
)
def test_numbers_are_never_rounded(dtype: Format, number: float) -> None:
    with pytest.raises(InputError, match="not finite"):
        onnx_bytes(dense_relu((Dense(((number,),)),)), dtype)


def test_unknown_form() -> None:
    with pytest.raises(InputError, match="choose from gemm, matmul"):
        onnx_bytes(TINY, FLOAT32, form="conv")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"pip install -e '\.\[onnx\]' in the checkout"):
        network_from_onnx(b"")


# foreign files


def model(nodes: list[Any], tensors: list[Any], opset: int = 13, element: int = 1, inputs: int = 2) -> bytes:
    ends = [helper.make_tensor_value_info(name, element, ["n", size]) for name, size in (("X", inputs), ("Y", 2))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
    data: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]).SerializeToString()
    return data


def weight(
    name: str = "W", dims: tuple[int, ...] = (2, 2), numbers: tuple[float, ...] = (1.0, 0.5, -2.0, 3.0), code: int = 1
) -> Any:
    return helper.make_tensor(name, code, dims, numbers)


def node(kind: str, *inputs: str, to: str = "Y", **attributes: Any) -> Any:
    return helper.make_node(kind, list(inputs), [to], **attributes)


@pytest.mark.parametrize("code", [1, 10, 11, 16])
def test_numbers_kept_in_lists(code: int) -> None:
    """As other writers keep them: not as raw bytes, 16-bit formats as patterns among integers."""
    network, dtype = network_from_onnx(model([node("MatMul", "X", "W")], [weight(code=code)], element=code))
    assert network.dense_layers == TINY.dense_layers
    assert dtype is {1: FLOAT32, 10: FLOAT16, 11: FLOAT64, 16: BFLOAT16}[code]


def test_a_bias_may_stand_on_the_left_and_have_two_dimensions() -> None:
    nodes = [node("MatMul", "X", "W", to="p"), node("Add", "b", "p")]
    network, _ = network_from_onnx(model(nodes, [weight(), weight("b", (1, 2), (5.0, 6.0))]))
    assert network.dense_layers[0].bias.tolist() == [5.0, 6.0]


def external() -> Any:
    tensor = weight()
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    return tensor


def oversized() -> Any:
    tensor = onnx.TensorProto(name="W", data_type=1, raw_data=b"\0" * 16)
    tensor.dims.extend([1 << 40, 1 << 40])
    return tensor


def truncated() -> Any:
    return onnx.TensorProto(name="W", data_type=1, dims=[2, 2], raw_data=b"\0" * 15)


MATMUL = node("MatMul", "X", "W")
BAD: dict[str, tuple[bytes, str]] = {
    "no ONNX file": (b"\xff\xfe not onnx", "not an ONNX file"),
    "empty": (b"", "no standard operator set"),
    "cut off": (onnx_bytes(TINY, FLOAT32)[:-9], "not an ONNX file"),
    "other node": (
        model([node("MatMul", "X", "W", to="p"), node("Sigmoid", "p")], [weight()]),
        "Sigmoid.: no layer of fpsynth computes that",
    ),
    "old operators": (model([MATMUL], [weight()], opset=5), "operator set 5; read are 6 to"),
    "unfinished": (model([node("MatMul", "X", "W", to="p")], [weight()]), "nothing computes"),
    "nothing": (model([], []), "nothing computes"),
    "scaled": (model([node("Gemm", "X", "W", alpha=2.0)], [weight()]), "multiplies by alpha = 2"),
    "transposed input": (model([node("Gemm", "X", "W", transA=1)], [weight()]), "has 2 inputs, but 1 come in"),
    "no weights": (model([MATMUL], []), "reads .W., which nothing computes"),
    "elsewhere": (model([MATMUL], [external()]), "its weights are kept in ..etc.passwd., which is not in its folder"),
    "integers": (model([MATMUL], [helper.make_tensor("W", 7, (2, 2), [1, 2, 3, 4])]), "its weight holds integers"),
    "too few numbers": (model([MATMUL], [oversized()]), "has 16 bytes where its shape .1099511627776, 1099511627776. needs"),
    "half a number": (model([MATMUL], [truncated()]), "15 bytes where its shape"),
    "NaN": (model([MATMUL], [weight(numbers=(1.0, float("nan"), 1.0, 1.0))]), "infinities or NaN"),
    "mixed types": (
        model([node("MatMul", "X", "W", to="p"), node("Add", "p", "b")], [weight(), weight("b", (2,), (1.0, 2.0), 11)]),
        "more than one type",
    ),
    "bias too long": (
        model([node("MatMul", "X", "W", to="p"), node("Add", "p", "b")], [weight(), weight("b", (4,))]),
        "constant of 4 does not spread over",
    ),
    "a vector": (model([MATMUL], [weight(dims=(4,))]), "no matrix"),
    "input too wide": (model([MATMUL], [weight()], inputs=3), "has 2 inputs, but 3 come in"),
    "input of another type": (model([MATMUL], [weight()], element=11), "more than one type .float32, float64."),
    "two weights of one name": (model([MATMUL], [weight(), weight()]), "two weights or outputs have one name"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_files_are_one_line(what: str, tmp_path: Path) -> None:
    data, message = BAD[what]
    path = tmp_path / "bad.onnx"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_onnx(path)
    assert "\n" not in str(caught.value)
    assert "bad.onnx" in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="nowhere"):
        read_onnx(tmp_path / "nowhere.onnx")
    monkeypatch.setattr("fpsynth.networks.onnx.reading.MAX_BYTES", 10)
    (tmp_path / "large.onnx").write_bytes(onnx_bytes(TINY, FLOAT32))
    with pytest.raises(InputError, match="larger than 10 bytes"):
        read_onnx(tmp_path / "large.onnx")
    with pytest.raises(InputError, match="larger than 10 bytes"):
        network_from_onnx(onnx_bytes(TINY, FLOAT32))


def test_an_operator_with_line_breaks_in_its_name_is_one_line() -> None:
    model = onnx.ModelProto.FromString(onnx_bytes(TINY, FLOAT32))
    model.graph.node[0].op_type = "Mat\r\nMul\x1b[2J"
    with pytest.raises(InputError) as caught:
        network_from_onnx(model.SerializeToString())
    assert "(Mat\\r\\nMul\\x1b[2J): no layer" in str(caught.value)
    assert str(caught.value).isprintable()
