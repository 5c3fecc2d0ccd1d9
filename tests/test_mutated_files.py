"""Damaged archives, models and texts give a value or one printable line: never a crash, a warning or two lines."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from mutations import check, mutated_bytes, mutated_text

from fpsynth.networks.certifier_text import read_network, read_query, read_records, write_network, write_query, write_records
from fpsynth.networks.foreign import recognised
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.networks.npz import load_images, load_network
from fpsynth.networks.onnx import network_from_onnx, onnx_bytes

NETWORK = dense_relu((Dense(((1.0, -2.5), (0.5, 3.0)), (0.25, -1.0)), Dense(((1.0, 2.0), (-1.0, 0.0)))))
ARRAYS = {"W0": np.eye(2), "b0": np.ones(2, np.float32), "W1": np.array([[3, -1], [2, 5]], np.int8)}
IMAGES = {"images": np.arange(12, dtype=np.uint8).reshape(2, 2, 3), "labels": np.array([1, 0])}


def saved(save, arrays):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def check_archives(kind, tmp_path, make):
    """Read every archive that ``make`` makes of a source of chance, as a network, as images, and for what it is."""

    def written(draw):
        path.write_bytes(make(draw))
        return path

    path = tmp_path / "file"
    check(kind, written, load_network, load_images, recognised)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("arrays", [ARRAYS, IMAGES], ids=["network", "images"])
def test_damaged_archives(save, arrays, tmp_path):
    whole = saved(save, arrays)
    check_archives("archive", tmp_path, lambda draw: mutated_bytes(whole, draw))


@pytest.mark.parametrize("name", ["W0", "images"])
def test_damaged_headers_in_whole_archives(name, tmp_path):
    def make(draw):
        members = {}
        for other, array in (ARRAYS if name == "W0" else IMAGES).items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            members[other] = buffer.getvalue()
        start, data = members[name][:10], members[name][10:]
        length = int.from_bytes(start[8:], "little")
        text = mutated_text(data[:length].decode().rstrip(), draw).encode("utf-8", "surrogatepass")
        members[name] = start[:8] + len(text).to_bytes(2, "little") + text + data[length:]
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
            for other, content in members.items():
                archive.writestr(f"{other}.npy", content)
        return file.getvalue()

    check_archives(f"header of {name}", tmp_path, make)


def test_damaged_texts_of_the_certifier():
    network = dense_relu(tuple(Dense(layer.weight) for layer in NETWORK.dense_layers))
    text = write_network(network)
    check("network", lambda draw: mutated_text(text, draw), read_network)
    query = write_query((1.5, -0.25), float(network.dense_layers[0].weight[0, 0]))
    check("query", lambda draw: mutated_text(query, draw), read_query)
    bounds = [[float(network.dense_layers[0].weight[0, 0])] * 2] * 2
    records = write_records(bounds, 11, [((0.5, 1.0), bounds[0][0], True)])
    check("records", lambda draw: mutated_text(records, draw), read_records)


@pytest.mark.parametrize("form", ["gemm", "matmul"])
def test_damaged_onnx_models(form):
    pytest.importorskip("onnx")
    from fpsynth.formats import FLOAT32

    whole = onnx_bytes(NETWORK, FLOAT32, form=form)
    check("onnx", lambda draw: mutated_bytes(whole, draw), network_from_onnx)
