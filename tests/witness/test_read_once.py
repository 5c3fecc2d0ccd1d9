"""A file of a network is opened once: what is hashed, what it is taken for and what is parsed are the same bytes."""

import os
import resource
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from opens import watched
from test_networks_beside import large

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks.certifier_text import write_network
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.networks.npz_graph import write_npz
from fpsynth.networks.onnx import onnx_bytes, read_onnx
from fpsynth.networks.onnx.tensors import beside
from fpsynth.networks.reading import read_network
from fpsynth.witness import load, save

MODELS = Path(__file__).parents[1] / "networks" / "models"
SMALL = dense_relu([Dense(np.eye(3)), Dense(np.ones((2, 3)))])


def with_data_beside(folder: Path, network=SMALL) -> Path:
    """An ONNX model, and one file with the weights of all of its layers."""
    message = onnx.ModelProto.FromString(onnx_bytes(network, FLOAT32))
    onnx.save_model(message, folder / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    return folder / "net.onnx"


def written(folder: Path, kind: str) -> Path:
    """A file of a kind, alone in a folder but for what it needs."""
    path = folder / f"net.{kind}"
    match kind:
        case "npz":
            write_npz(SMALL, path)
        case "keras":
            shutil.copy(MODELS / "mlp.keras", path)
        case "txt":
            path.write_text(write_network(SMALL))
        case _:
            return with_data_beside(folder)
    return path


@pytest.mark.parametrize("kind", ["npz", "onnx", "keras", "txt"])
def test_each_file_of_a_network_is_opened_once(tmp_path, kind):
    path = written(tmp_path, kind)
    with watched(tmp_path) as opened:
        read_network(path)
    assert opened == {file.name: 1 for file in tmp_path.iterdir()}
    assert len(opened) == 1 + (kind == "onnx")


def test_weights_beside_an_onnx_model_are_those_of_one_file(tmp_path):
    """Whoever puts another file in the place of the first while the model is read does not get a mixture of the two."""
    path = with_data_beside(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with_data_beside(other, dense_relu([Dense(-np.eye(3)), Dense(-np.ones((2, 3)))]))

    def swap(file: Path, times: int) -> None:
        if times and file.name == "net.data":
            shutil.copy(other / "net.data", file)

    with watched(tmp_path, swap):
        assert read_onnx(path)[0] == SMALL


def test_the_network_beside_a_witness_is_the_one_whose_digest_was_compared(tmp_path):
    """Whoever swaps the file after its digest was computed changes nothing."""
    path = tmp_path / "witness.json"
    save(large(), path)
    (beside,) = set(tmp_path.iterdir()) - {path}
    write_npz(dense_relu((Dense(-large().network.dense_layers[0].weight),)), tmp_path / "other.npz")

    def swap(file: Path, times: int) -> None:
        if times and file == beside:
            shutil.copy(tmp_path / "other.npz", beside)

    with watched(tmp_path, swap) as opened:
        assert load(path) == large()
    assert (opened[path.name], opened[beside.name]) == (1, 1)


def test_a_watcher_sees_a_second_open(tmp_path):
    (tmp_path / "file").write_text("x")
    with watched(tmp_path) as opened:
        (tmp_path / "file").read_text()
        (tmp_path / "file").read_bytes()
    assert opened == {"file": 2}


def test_what_is_read_is_limited_as_before(tmp_path):
    (tmp_path / "large.onnx").write_bytes(b"\x08\x07\x12")
    with (tmp_path / "large.onnx").open("r+b") as file:
        file.truncate((1 << 28) + 1)
    with pytest.raises(InputError, match="larger than 268435456 bytes"):
        read_network(tmp_path / "large.onnx")


def test_a_model_with_a_file_for_each_tensor_keeps_few_of_them_open(tmp_path):
    network = dense_relu([Dense(np.eye(2))] * 100)
    message = onnx.ModelProto.FromString(onnx_bytes(network, FLOAT32))
    whole = {"save_as_external_data": True, "all_tensors_to_one_file": False, "size_threshold": 0}
    onnx.save_model(message, str(tmp_path / "net.onnx"), **whole)
    assert len(list(tmp_path.iterdir())) > 100
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    busy = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (busy + 80, limits[1]))
    try:
        assert read_network(tmp_path / "net.onnx").network == network
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_file_that_was_closed_must_be_the_same_when_it_is_opened_again(tmp_path):
    for number in range(70):
        (tmp_path / f"w{number}").write_bytes(b"once")
    with beside(tmp_path / "net.onnx") as read:
        assert {read(f"w{number}", 0, None) for number in range(70)} == {b"once"}
        assert read("w0", 0, None) == b"once"
        (tmp_path / "new").write_bytes(b"twice")
        (tmp_path / "new").replace(tmp_path / "w1")
        with pytest.raises(InputError, match="w1 was replaced while it was read"):
            read("w1", 0, None)
