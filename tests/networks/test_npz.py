"""Claims of npz.py: networks and images are read as they were written, and no bad file gets further than one clear line."""

import io
import zipfile

import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.networks import npz_archive
from fpsynth.networks.npz import load_images, load_network

W0 = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
W1 = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, -0.5]])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.npz"


def write_raw(path, members):
    """An archive with members of any bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def npy(array, **kwargs):
    buffer = io.BytesIO()
    np.save(buffer, array, **kwargs)
    return buffer.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_columns_become_outputs(path, save):
    save(path, W0=W0, W1=W1, b1=np.array([0.25, -1.0]), lipschitz=np.zeros((2, 2)))
    network = load_network(path)
    assert network.widths == (2, 3, 2)
    assert network.dense_layers[0].weight.tolist() == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    assert network.dense_layers[0].bias is None
    assert network.dense_layers[1].bias.tolist() == [0.25, -1.0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint16, ">f8"])
def test_any_plain_number_is_read_exactly(path, dtype):
    np.savez(path, W0=W0.astype(dtype))
    assert (load_network(path).dense_layers[0].weight.T == W0).all()
    assert load_network(path).dense_layers[0].weight.dtype == np.float64


def test_arrays_in_column_order_are_read_alike(path):
    np.savez(path, W0=np.asfortranarray(W0))
    assert (load_network(path).dense_layers[0].weight.T == W0).all()


def test_ten_layers_are_in_numerical_order(path):
    np.savez(path, **{f"W{k}": np.full((1, 1), float(k)) for k in range(12)})
    assert [layer.weight[0][0] for layer in load_network(path).dense_layers] == list(range(12))


BAD_NETWORKS = {
    "no W0": ({"weights": W0}, "no array called W0"),
    "gap": ({"W0": W0, "W2": W1}, "without gaps"),
    "starts at one": ({"W1": W0}, "without gaps"),
    "bias of nothing": ({"W0": W0, "b1": np.zeros(3)}, "b1 belongs to no layer"),
    "one dimension": ({"W0": np.zeros(3)}, "two dimensions"),
    "three dimensions": ({"W0": np.zeros((2, 2, 2))}, "two dimensions"),
    "empty": ({"W0": np.zeros((0, 3))}, "two dimensions"),
    "mismatch": ({"W0": W0, "W1": W0}, "W0 has 3 outputs but W1 has 2 inputs"),
    "bias mismatch": ({"W0": W0, "b0": np.zeros(2)}, r"b0 must have shape \(3,\)"),
    "NaN": ({"W0": np.array([[np.nan]])}, "not finite"),
    "infinite bias": ({"W0": W0, "b0": np.array([0, np.inf, 0])}, "not finite"),
    "complex": ({"W0": W0.astype(complex)}, "plain numbers"),
    "text": ({"W0": np.array([["a"]])}, "plain numbers"),
    "booleans": ({"W0": np.array([[True]])}, "plain numbers"),
    "records": ({"W0": np.zeros((1, 1), dtype=[("a", "f8")])}, "plain numbers"),
    "large integers": ({"W0": np.array([[2**60]])}, "beyond 2"),
    "an integer too many": ({"W0": np.array([[2**53 + 1]])}, "beyond 2"),
    "a negative integer too many": ({"W0": np.array([[-(2**53) - 1]])}, "beyond 2"),
    "an unsigned integer too many": ({"W0": np.array([[2**64 - 1]], np.uint64)}, "beyond 2"),
    "long double": ({"W0": np.zeros((1, 1), np.longdouble)}, "wider than float64"),
}


@pytest.mark.parametrize("case", BAD_NETWORKS)
def test_bad_networks_are_refused_in_one_line(path, case):
    arrays, reason = BAD_NETWORKS[case]
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=reason) as caught:
        load_network(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


class Bomb:
    """Unpickling it would raise something else than InputError."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def test_pickles_are_never_executed(path):
    np.savez(path, W0=np.array([[Bomb()]], dtype=object))
    with pytest.raises(InputError, match="plain numbers"):
        load_network(path)
    np.savez(path, images=np.array([[Bomb()]], dtype=object), labels=np.array([0]))
    with pytest.raises(InputError, match="plain numbers"):
        load_images(path)


def header(shape, descr="<f8"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (header((10**6, 10**6)), "another size"),
        (header((10**30, 10**30)), "another size"),
        (header((2, 2)) + b"\0" * 31, "another size"),
        (header((2, 2)) + b"\0" * 33, "another size"),
        (header((-1, -4)) + b"\0" * 32, "another size"),
        (b"", "cannot be read"),
        (b"\x93NUMPY\x01\x00", "cannot be read"),
        (b"\x93NUMPY\x07\x00" + b"\0" * 100, "cannot be read"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"{'descr': '<f8',", "cannot be read"),
        (b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').getcwd()       ", "cannot be read"),
        (b"not an array at all", "cannot be read"),
    ],
)
def test_lying_headers_are_refused_before_anything_is_loaded(path, data, reason):
    write_raw(path, {"W0.npy": data})
    with pytest.raises(InputError, match=reason):
        load_network(path)


def test_the_limit_is_on_all_arrays_together(path, monkeypatch):
    np.savez(path, W0=np.zeros((10, 10)), W1=np.zeros((10, 10)))
    monkeypatch.setattr(npz_archive, "MAX_BYTES", 1600)
    assert load_network(path).widths == (10, 10, 10)
    monkeypatch.setattr(npz_archive, "MAX_BYTES", 1599)
    with pytest.raises(InputError, match="need more than"):
        load_network(path)


def test_truncated_and_foreign_files_are_refused(path, tmp_path):
    np.savez_compressed(path, W0=np.random.default_rng(0).normal(size=(20, 20)))
    whole = path.read_bytes()
    for end in range(0, len(whole), 97):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError):
            load_network(path)
    for k in range(120, len(whole) - 200, 131):  # flipped bits in the data
        path.write_bytes(whole[:k] + bytes([whole[k] ^ 0x55]) + whole[k + 1 :])
        with pytest.raises(InputError):
            load_network(path)
    path.write_bytes(b"neither an archive nor anything else")
    with pytest.raises(InputError, match=r"cannot be read as an \.npz"):
        load_network(path)
    path.write_bytes(npy(W0))
    with pytest.raises(InputError, match=r"is a single array of NumPy \(\.npy\); what is needed is an \.npz file"):
        load_network(path)
    with pytest.raises(InputError, match="No such file"):
        load_network(tmp_path / "absent.npz")
    with pytest.raises(InputError, match="it is a folder"):
        load_network(tmp_path)


def test_images_are_flattened(path):
    np.savez(path, images=np.arange(24, dtype=np.uint8).reshape(2, 3, 4), labels=np.array([3, 9], np.uint8))
    images = load_images(path)
    assert images.pixels.shape == (2, 12)
    assert images.pixels.dtype == np.uint8
    assert images.pixels[1].tolist() == list(range(12, 24))
    assert images.labels.tolist() == [3, 9]
    np.savez(path, images=np.array([[0.5, 0.25]], np.float32), labels=np.array([0]))
    assert load_images(path).pixels.tolist() == [[0.5, 0.25]]


PIXELS = np.zeros((2, 4), np.uint8)
BAD_IMAGES = {
    "no images": ({"labels": np.array([0])}, "no array called images"),
    "no labels": ({"images": PIXELS}, "no array called labels"),
    "integers": ({"images": PIXELS.astype(np.int32), "labels": np.array([0, 1])}, "uint8 or floats"),
    "one dimension": ({"images": np.zeros(2, np.uint8), "labels": np.array([0, 1])}, r"shape \(count"),
    "none": ({"images": np.zeros((0, 4), np.uint8), "labels": np.zeros(0, int)}, r"shape \(count"),
    "NaN": ({"images": np.array([[np.nan]]), "labels": np.array([0])}, "not finite"),
    "too few labels": ({"images": PIXELS, "labels": np.array([0])}, "2 integers"),
    "floating labels": ({"images": PIXELS, "labels": np.array([0.0, 1.0])}, "2 integers"),
    "negative labels": ({"images": PIXELS, "labels": np.array([0, -1])}, "2 integers"),
    "one-hot labels": ({"images": PIXELS, "labels": np.eye(2, dtype=int)}, "2 integers"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images_are_refused_in_one_line(path, case):
    arrays, reason = BAD_IMAGES[case]
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=reason):
        load_images(path)
