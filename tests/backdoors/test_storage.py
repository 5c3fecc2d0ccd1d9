"""Networks are stored in float16 and read back without changing a bit, and the libraries run what was read."""

import io
from dataclasses import replace

import numpy as np
import pytest
from backdoors.hosts import convolutional_host, dense_host, images
from command_line import fpsynth_here
from profiles import slow

import fpsynth
from fpsynth.backdoors.storage import loaded, stored, unstorable
from fpsynth.evaluators.rounded import rounded_network
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.networks.layers import Dense
from fpsynth.networks.onnx.writing import onnx_bytes
from fpsynth.networks.reading import read_network


@pytest.mark.parametrize("host", [convolutional_host(), dense_host()])
def test_what_float16_has_comes_back_bit_for_bit(host):
    assert "numbers are not in float16" in unstorable(host, FLOAT16)
    narrow = rounded_network(host, FLOAT16)[0]
    assert unstorable(narrow, FLOAT16) == ""
    data = stored(narrow, FLOAT16)
    assert loaded(data) == narrow
    kinds = {array.dtype for array in np.load(io.BytesIO(data)).values() if array.dtype != np.uint8}
    assert kinds == {np.dtype(np.float16)}
    assert loaded(stored(host, FLOAT16)) != host


def test_numbers_beyond_float16_are_named():
    host = dense_host()
    last = replace(host[host.output], layer=Dense(np.full((5, 12), 1e6), np.zeros(5)))
    assert "beyond the range of float16" in unstorable(replace(host, nodes=(*host.nodes[:-1], last)), FLOAT16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("storage")
    (here / "conv.onnx").write_bytes(onnx_bytes(convolutional_host(), FLOAT32, form="gemm"))
    np.savez(here / "x.npz", images=images(60).reshape(-1, 1, 8, 8).astype(np.float32), labels=np.zeros(60, np.int64))
    return here


@pytest.mark.libraries
@pytest.mark.parametrize("options", [{}, {"trigger": "pixel:0-1,0-1>0.9"}, {"trigger": "natural"}, {"behaviour": "class:1"}])
def test_the_libraries_run_what_was_stored(folder, libraries_stay, options):
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    said = {"target": "torch:batch=1", "silent": ["onnxruntime:batch=1"], "verify": 0, "storage": "float16", **options}
    found = fpsynth.backdoor(folder / "conv.onnx", folder / "x.npz", **said)
    assert found.verdict.value == "found", found.reason
    target, silent = found.environments
    assert target.as_wanted == target.triggered > 0
    assert silent.triggered_changed == 0
    assert unstorable(found.network, FLOAT16) == ""
    assert found.host == rounded_network(convolutional_host(), FLOAT16)[0]
    assert found.storage.changed == rounded_network(convolutional_host(), FLOAT16)[1] > 0
    assert found.to_json()["storage"]["host_accuracy_before"] == found.storage.correct / 60


@slow  # that it is run as it is stored is tried above
@pytest.mark.libraries
def test_the_folder_holds_it_in_float16(folder, libraries_stay, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    out = tmp_path / "out"
    asked = ("--network", folder / "conv.onnx", "--images", folder / "x.npz", "--target", "torch:batch=1")
    more = ("--silent", "onnxruntime:batch=1", "--storage", "float16", "--verify", 0, "--out", out)
    done = fpsynth_here("backdoor", *asked, *more)
    assert done.returncode == 0, done.stderr
    assert "All of its numbers are in float16" in done.stdout
    narrow, wide = (read_network(out / name).network for name in ("backdoored.float16.npz", "backdoored.onnx"))
    assert [a.tolist() for a in narrow.arrays()] == [a.tolist() for a in wide.arrays()]
    assert (out / "backdoored.float16.npz").stat().st_size < (out / "backdoored.npz").stat().st_size / 2


@pytest.mark.libraries
def test_weights_that_float16_has_not_are_a_reason(folder, libraries_stay):
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    said = {
        "target": "torch:batch=1",
        "silent": ["onnxruntime:batch=1"],
        "verify": 0,
        "storage": "float16",
        "max_weight": 2.0**20,
    }
    told = fpsynth.backdoor(folder / "conv.onnx", folder / "x.npz", behaviour="any", **said)
    assert told.verdict.value == "unknown"
    assert "cannot be stored in float16" in told.reason
