"""Networks that cannot be used: every command that reads one says why in one line, and ends with 2."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fpsynth.cli.main import main

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402  (after the check that it is there)

WEIGHT = np.arange(12, dtype=np.float32).reshape(4, 3) - 5
LAST = np.array([[1, -1], [2, 0.5], [0.25, 3]], np.float32)
LARGE = 10**9


def tensor(array: np.ndarray, name: str) -> TensorProto:
    """An initialiser."""
    return numpy_helper.from_array(array, name)


def info(name: str, *shape: int | str) -> object:
    """A value of float32 and its shape."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


DENSE = [
    helper.make_node("MatMul", ["X", "W"], ["h"]),
    helper.make_node("Relu", ["h"], ["r"]),
    helper.make_node("MatMul", ["r", "V"], ["Y"]),
]
BOTH = [tensor(WEIGHT, "W"), tensor(LAST, "V")]


def model(nodes: list[object], tensors: list[TensorProto], inputs: list[object] | None = None) -> bytes:
    """A model, which no checker has seen."""
    graph = helper.make_graph(nodes, "g", inputs or [info("X", "N", 4)], [info("Y", "N", 2)], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


def claimed(*shape: int) -> TensorProto:
    """An initialiser that says to be of a shape, and holds 16 bytes."""
    return TensorProto(name="W", data_type=TensorProto.FLOAT, dims=shape, raw_data=bytes(16))


def outside(location: str) -> TensorProto:
    """An initialiser in another file."""
    result = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=(4, 3), data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "48")):
        entry = result.external_data.add()
        entry.key, entry.value = key, value
    return result


def changed(place: tuple[int, int], number: float) -> np.ndarray:
    """The weights with another number."""
    result = WEIGHT.copy()
    result[place] = number
    return result


def node(kind: str, inputs: list[str], output: str, **more: object) -> object:
    """One node."""
    return helper.make_node(kind, inputs, [output], **more)


MODELS: dict[str, tuple[bytes, str]] = {
    "cycle": (model([node("Add", ["X", "b"], "a"), node("Relu", ["a"], "b"), node("Relu", ["b"], "Y")], []), "has a cycle"),
    "tensor missing": (model(DENSE, BOTH[:1]), "reads 'V', which nothing computes"),
    "large input": (model([node("MatMul", ["X", "W"], "Y")], [], [info("X", "N", LARGE)]), "are more than"),
    "large weight": (model([node("MatMul", ["X", "W"], "Y")], [claimed(LARGE, LARGE)]), "'W' "),
    "large padding": (model([node("Pad", ["X", "p"], "Y")], [tensor(np.array([0, LARGE, 0, LARGE]), "p")]), "are more than"),
    "weight elsewhere": (model(DENSE, [outside("../secret.bin"), BOTH[1]]), "'../secret.bin', which is not in its folder"),
    "weight on a link": (model(DENSE, [outside("link.bin"), BOTH[1]]), "'link.bin', which is not in its folder"),
    "nan": (model(DENSE, [tensor(changed((1, 1), np.nan), "W"), BOTH[1]]), "holds infinities or NaN"),
    "infinity": (model(DENSE, [tensor(changed((1, 1), np.inf), "W"), BOTH[1]]), "holds infinities or NaN"),
    "no such layer": (model([node("Magic", ["X"], "Y", domain="else")], []), "(else.Magic): no layer of fpsynth is that"),
    "two inputs": (model([node("Add", ["X", "Z"], "Y")], [], [info("X", "N", 4), info("Z", "N", 4)]), "has the inputs X, Z"),
    "open axis": (model([node("Flatten", ["X"], "Y")], [], [info("X", "N", 4, "H")]), "is open (H): only the batch may be"),
    "quantised": (
        model(
            [node("QuantizeLinear", ["X", "s", "z"], "q"), node("DequantizeLinear", ["q", "s", "z"], "Y")],
            [tensor(np.float32(0.5), "s"), tensor(np.int8(0), "z")],
        ),
        "the network is quantised",
    ),
    "cut off": (model(DENSE, BOTH)[:-20], "is not an ONNX file, or is cut off or damaged"),
    "empty": (b"", "is an empty file"),
}


def numpy_header(*shape: int) -> bytes:
    """What begins an array of float32."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def bomb(path: Path) -> None:
    """200 MB of zeros, packed into 200 kB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("W0.npy", "w") as member:
        member.write(numpy_header(5000, 10000))
        for _ in range(200):
            member.write(bytes(1_000_000))


def lie(path: Path) -> None:
    """64 bytes that say that they are 4 EB."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("W0.npy", numpy_header(LARGE, LARGE) + bytes(64))


ARCHIVES: dict[str, tuple[Callable[[Path], object], str]] = {
    "bomb": (bomb, "the arrays need more than 128 MiB in float64"),
    "lie": (lie, "W0 is said to have shape (1000000000, 1000000000) but has another size"),
    "objects": (lambda path: np.savez(path, W0=WEIGHT.astype(object)), "W0 does not hold plain numbers"),
    "nan": (lambda path: np.savez(path, W0=changed((0, 0), np.nan)), "W0 holds numbers that are not finite"),
    "folder": (lambda path: path.mkdir(), "it is a folder"),
    "missing": (lambda path: None, "No such file or directory"),
}


def refused(path: Path, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that reads a network refuses this file."""
    points = path.with_name("points.npz")
    np.savez(points, images=np.eye(4, dtype=np.float32), labels=np.array([0, 1, 0, 1]))
    for arguments in (
        ["compare", path, "--inputs", points, "--library", "numpy"],
        ["reveal", "numpy", "--network", path],
        ["order", "--network", path, "--points", points, "--no-replay"],
        ["certify", "--network", path, "--images", points, "--eps", "0.1"],
    ):
        assert main([*map(str, arguments)]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith(f"fpsynth {arguments[0]}: error: ")
        assert told.err.count("\n") == 1
        assert path.name in told.err
        assert reason in told.err


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_cannot_be_used(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(WEIGHT.tobytes())
    os.symlink(tmp_path / "secret.bin", folder / "link.bin")
    content, reason = MODELS[name]
    (folder / "net.onnx").write_bytes(content)
    refused(folder / "net.onnx", reason, capsys)


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_cannot_be_used(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, reason = ARCHIVES[name]
    make(tmp_path / "net.npz")
    refused(tmp_path / "net.npz", reason, capsys)
