"""Files of other programs are recognised by their bytes, whatever they are called; their weights' layouts and names too."""

from __future__ import annotations

import itertools
import json
import pickle
import random
import struct
import zipfile

import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.networks.foreign import recognised
from fpsynth.networks.layouts import named_otherwise, turned
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.networks.npz import load_images, load_network
from fpsynth.networks.onnx import onnx_bytes


def safetensors(**arrays):
    header, data = {}, b""
    for name, array in arrays.items():
        raw = array.tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def zipped(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return path.read_bytes()


def npy(path):
    np.save(path, np.eye(2))
    return path.read_bytes()


def made(kind, path):
    """The bytes of a file of this kind."""
    match kind:
        case "HDF5":
            return b"\x89HDF\r\n\x1a\n" + bytes(100)
        case "safetensors":
            return safetensors(weight=np.eye(2, dtype=np.float32))
        case "Keras":
            return zipped(path, "metadata.json", "config.json", "model.weights.h5")
        case "torch":
            return zipped(path, "archive/data.pkl", "archive/data/0", "archive/version")
        case ".npy":
            return npy(path.with_suffix(".npy"))
        case "VNN-LIB":
            return b"; a property\n; of something\n\n(declare-const X_0 Real)\n"
        case "TensorFlow Lite":
            return b"\x1c\0\0\0TFL3" + bytes(100)
        case "gzip":
            return b"\x1f\x8b\x08" + bytes(50)
        case "certifier":
            return b"[[1.0,-2.5],[0.5,3.0]],[[1.0],[2.0]]\n"
        case _:
            return pickle.dumps([np.eye(2)], int(kind[-1]))


KINDS = ["HDF5", "safetensors", "Keras", "torch", ".npy", "VNN-LIB", "TensorFlow Lite", "gzip", "certifier"]
KINDS += [f"pickle {protocol}" for protocol in range(6)]


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_recognised_by_their_bytes(kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(made(kind, path))
    found = recognised(path)
    assert found is not None
    assert kind.partition(" ")[0] in found.name


def test_an_onnx_model_is_recognised(tmp_path):
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    from fpsynth.formats import FLOAT32

    (tmp_path / "file").write_bytes(onnx_bytes(dense_relu((Dense(((1.0, 2.0),)),)), FLOAT32))
    assert "ONNX" in recognised(tmp_path / "file").name


def test_files_that_torch_writes_are_recognised(tmp_path):
    # imports torch in this process, which takes seconds: its archives have records that those of zipfile do not have
    torch = pytest.importorskip("torch", reason="torch is not installed")
    layer = torch.nn.Linear(3, 2)
    for name, new in (("new", True), ("old", False)):
        torch.save(layer.state_dict(), tmp_path / name, _use_new_zipfile_serialization=new)
        assert "a torch file" in recognised(tmp_path / name).name
        with pytest.raises(InputError, match=r"is a torch file .*; what is needed is an \.npz file.*network_from_torch\("):
            load_network(tmp_path / name)


def test_the_ending_of_a_name_counts_only_where_the_bytes_say_nothing(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"\xff" * 10)
    assert "named like an ONNX model" in recognised(tmp_path / "a.onnx").name
    (tmp_path / "b.onnx").write_text('{"schema": "fpsynth-witness"}')
    assert recognised(tmp_path / "b.onnx") is None
    (tmp_path / "c.onnx").write_bytes(b"")
    assert recognised(tmp_path / "c.onnx").name == "an empty file"
    for data in (b"something", b"{}", b"[1, 2]", b"[[1, 2], [3, 4]]"):
        (tmp_path / "file").write_bytes(data)
        assert recognised(tmp_path / "file") is None
    assert recognised(tmp_path) is None
    assert recognised(tmp_path / "absent") is None
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert "SavedModel" in recognised(tmp_path).name
    with pytest.raises(InputError, match="is a SavedModel folder of TensorFlow; what is needed is an"):
        load_network(tmp_path)


@pytest.mark.parametrize("load", [load_network, load_images])
@pytest.mark.parametrize("kind", KINDS)
def test_reading_such_a_file_says_what_it_is(load, kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(made(kind, path))
    with pytest.raises(InputError, match=r"what is needed is an \.npz file of NumPy with") as caught:
        load(path)
    assert len(str(caught.value)) < 500


def fits(shapes, biases, inputs, layers):
    chain = [(b, a) if k in layers else (a, b) for k, (a, b) in enumerate(shapes)]
    joined = all(a[1] == b[0] for a, b in itertools.pairwise(chain))
    return joined and inputs in (None, chain[0][0]) and all(b in (None, c[1]) for b, c in zip(biases, chain, strict=True))


def test_the_fewest_transposed_weights_are_found():
    draw = random.Random(0)
    found = 0
    for _ in range(600):
        count = draw.randint(1, 4)
        shapes = [(draw.randint(1, 3), draw.randint(1, 3)) for _ in range(count)]
        biases = [draw.choice([None, draw.randint(1, 3)]) for _ in range(count)]
        inputs = draw.choice([None, draw.randint(1, 3)])
        ways = [
            set(layers)
            for size in range(count + 1)
            for layers in itertools.combinations(range(count), size)
            if fits(shapes, biases, inputs, layers) and all(shapes[k][0] != shapes[k][1] for k in layers)
        ]
        answer = turned(shapes, biases, inputs)
        if not ways:
            assert answer is None
            continue
        fewest = [way for way in ways if len(way) == len(ways[0])]
        assert set(answer[0]) in fewest
        assert answer[1] == (len(fewest) > 1)
        found += bool(answer[0])
    assert found > 50


def refused(tmp_path, **arrays):
    np.savez(tmp_path / "net.npz", **arrays)
    with pytest.raises(InputError) as caught:
        load_network(tmp_path / "net.npz")
    return str(caught.value)


def test_transposed_weights_are_named(tmp_path):
    w0, w1, w2 = np.zeros((3, 5)), np.zeros((4, 3)), np.zeros((4, 4))
    said = refused(tmp_path, W0=w0, W1=w1, W2=w2)
    assert "W0 has 5 outputs but W1 has 4 inputs; all fits once W0, W1 are transposed" in said
    assert "x @ W needs (inputs, outputs)): save W0=W0.T, W1=W1.T (W2 is square" in said
    assert "all fits once W0 is transposed" in refused(tmp_path, W0=w0, b0=np.zeros(3))
    assert "W0 is transposed, for example" in refused(tmp_path, W0=w0, W1=w0)
    assert "all fits" not in refused(tmp_path, W0=w0, W1=np.zeros((7, 8)))


def test_names_of_other_programs_are_recognised(tmp_path):
    eye, ones = np.eye(2, dtype=np.float32), np.ones(2)
    assert "it has fc1.weight, fc1.bias, as torch names them: save each weight transposed" in refused(
        tmp_path, **{"fc1.weight": eye, "fc1.bias": ones}
    )
    assert "as Keras names them: save each kernel as it is" in named_otherwise(["dense/kernel:0", "dense/bias:0"])
    np.savez(tmp_path / "unnamed.npz", eye, ones)
    with pytest.raises(InputError, match="it has arr_0, arr_1, arrays saved without names"):
        load_network(tmp_path / "unnamed.npz")
    assert "as an image file does" in refused(tmp_path, images=eye, labels=ones)
    assert "it has A, B, C, D, ..." in refused(tmp_path, **dict.fromkeys("ABCDE", eye))
