"""read_network tells the format of a file from its contents, and what to do with those that it does not read."""

from __future__ import annotations

import io
import random
import re
from pathlib import Path

import numpy as np
import pytest
from mutations import check, mutated_bytes

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64
from fpsynth.networks.certifier_text import write_network
from fpsynth.networks.network import Network, dense_relu
from fpsynth.networks.npz_graph import write_npz
from fpsynth.networks.reading import read_network

MODELS = Path(__file__).parent / "models"
STACK = dense_relu([([[1.0, -0.5], [0.25, 3.0]], None), ([[2.0, 1.0]], None)])


@pytest.mark.parametrize("name", ["npz", "txt", "onnx"])
def test_the_contents_decide_not_the_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "network"
    if name == "npz":
        write_npz(STACK, path)
    elif name == "txt":
        path.write_text(write_network(STACK))
    else:
        pytest.importorskip("onnx")
        from fpsynth.networks.onnx import onnx_bytes

        path.write_bytes(onnx_bytes(STACK, FLOAT16))
    read = read_network(path)
    assert read.network == STACK
    assert read.format is (FLOAT16 if name == "onnx" else FLOAT32)


def test_numbers_that_need_float64(tmp_path: Path) -> None:
    write_npz(dense_relu([([[0.1]], None)]), tmp_path / "net.npz")
    assert read_network(tmp_path / "net.npz").format is FLOAT64
    (tmp_path / "net.txt").write_text("[[0.1]]")
    with pytest.raises(InputError, match=r"net.txt: a weight of it, 0\.1, is no float64"):
        read_network(tmp_path / "net.txt")


def test_a_keras_file() -> None:
    pytest.importorskip("h5py")
    assert isinstance(read_network(MODELS / "mlp.keras").network, Network)


def test_one_of_several_outputs(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    read = read_network(MODELS / "sklearn_classifier.onnx", output="probabilities")
    assert read.network.nodes[-1].layer.kind in ("softmax", "dense")
    write_npz(STACK, tmp_path / "net.npz")
    with pytest.raises(InputError, match="only ONNX models have outputs to choose from"):
        read_network(tmp_path / "net.npz", output="x")


def test_a_torch_file_needs_its_module(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"weight": torch.zeros(1, 1)}, tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"net.pt is a torch file .*network_from_torch\(module\.eval\(\), input_shape, state="):
        read_network(tmp_path / "net.pt")


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.eye(2))
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        (b"\x80\x04.", "is a pickle, which fpsynth never opens"),
        (b"(declare-const X_0 Real)", "is a VNN-LIB property"),
        (npy(), r"is a single array of NumPy \(.npy\); what is needed is an ONNX model, a Keras model .*; save its layers"),
        (b"\x1f\x8b\x08" + bytes(50), r"is a file compressed by gzip; .*; unpack it first"),
        (b"hello", "is nothing that fpsynth recognises; what is needed is an ONNX model, a Keras model"),
        (b"[[[nan,1],[2,3]]]", "is nothing that fpsynth recognises; what is needed is an ONNX model, a Keras model"),
        (b"", "is an empty file; what is needed is an ONNX model, a Keras model .*; write it again"),
    ],
)
def test_other_files_are_told_what_they_are(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(InputError, match=reason):
        read_network(tmp_path / "file")


@pytest.mark.parametrize("name", ["net.onnx", "net.keras", "net.npz", "net.txt", "net"])
def test_an_empty_file_is_said_to_be_empty_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=f"{re.escape(name)} is an empty file; what is needed is"):
        read_network(tmp_path / name)


@pytest.mark.parametrize("name", ["net", "net.onnx", "net.txt"])
def test_a_file_that_is_not_there_is_said_to_be_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^cannot read .*: No such file or directory$"):
        read_network(tmp_path / name)


def test_a_model_that_is_cut_off_is_said_to_be(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    whole = (MODELS / "torch_script_mlp.onnx").read_bytes()
    (tmp_path / "net.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"net\.onnx is not an ONNX file, or is cut off or damaged$"):
        read_network(tmp_path / "net.onnx")


@pytest.mark.parametrize("name", ["torch_script_mlp.onnx", "mlp.keras"])
def test_damaged_files(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("h5py")
    whole = (MODELS / name).read_bytes()

    def make(draw: random.Random) -> Path:
        (tmp_path / name).write_bytes(mutated_bytes(whole, draw))
        return tmp_path / name

    check(name, make, read_network)


def test_an_image_file_is_no_network(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", images=np.zeros((1, 2)), labels=np.zeros(1, int))
    with pytest.raises(InputError, match="as an image file does"):
        read_network(tmp_path / "images.npz")
