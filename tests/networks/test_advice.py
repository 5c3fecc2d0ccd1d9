"""What fpsynth advises for files of other programs works: the very words of each advice are run, and lead to the network."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from profiles import slow

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks.certifier_text import write_network
from fpsynth.networks.network import Network, dense_relu
from fpsynth.networks.npz import load_network
from fpsynth.networks.reading import read_network

STACK = dense_relu([([[1.0, -0.5, 2.0], [0.25, 3.0, 1.0]], [0.5, -1.0]), ([[2.0, 1.0], [1.0, 0.0]], None)])
BARE = dense_relu([([[1.0, -0.5, 2.0], [0.25, 3.0, 1.0]], None), ([[2.0, 1.0], [1.0, 0.0]], None)])
MODULE = (
    "import torch; input_shape = (3,); module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(),"
    " torch.nn.Linear(2, 2, bias=False))"
)


def run(code: str, folder: Path) -> None:
    """Run Python in a folder, in a process of its own."""
    path = os.pathsep.join((str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")))
    variables = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def run_here(code: str, folder: Path) -> None:
    """Run Python in a folder, in this process: torch is imported once."""
    with contextlib.chdir(folder):
        exec(code, {})


def advised(reason: InputError) -> str:
    """The code that an error advises to run."""
    shell = re.search(r'; write it as one: python -c "([^"]*)"$', str(reason))
    python = re.search(r"[;:] (?:.*: )?in Python, (.*)$", str(reason))
    found = shell or python
    assert found is not None, reason
    return found[1]


def refused(file: Path) -> InputError:
    """What is said of a file of HDF5, which is not read."""
    with pytest.raises(InputError, match="is an HDF5 file") as caught:
        read_network(file)
    return caught.value


def rewritten(folder: Path, name: str, prelude: str = "") -> Network:
    """What ``load_network``, which takes .npz files only, advises for a file is done; the network of the result."""
    with pytest.raises(InputError, match=r"what is needed is an \.npz file") as caught:
        load_network(folder / name)
    run_here(f"{prelude}\n{advised(caught.value)}", folder)
    return load_network(folder / "net.npz")


def test_a_model_of_onnx_and_a_text_of_the_certifier(tmp_path: Path) -> None:
    (tmp_path / "net.txt").write_text(write_network(BARE))
    assert rewritten(tmp_path, "net.txt") == BARE
    pytest.importorskip("onnx")
    from fpsynth.networks.onnx import onnx_bytes

    (tmp_path / "net.onnx").write_bytes(onnx_bytes(STACK, FLOAT32))
    assert rewritten(tmp_path, "net.onnx") == STACK


@pytest.mark.parametrize("form", ["new", "old"])
def test_a_file_of_torch(form: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    more = "_use_new_zipfile_serialization=False" if form == "old" else ""
    run_here(
        f"{MODULE}\ntorch.manual_seed(4); module[0].reset_parameters(); module[2].reset_parameters()\n"
        f"torch.save(module.state_dict(), 'net.pt', {more})\n"
        "import numpy; numpy.savez('w.npz', *[p.detach().numpy() for p in module.parameters()])",
        tmp_path,
    )
    network = rewritten(tmp_path, "net.pt", MODULE)
    with np.load(tmp_path / "w.npz") as saved:
        arrays = [saved[f"arr_{k}"] for k in range(3)]
    assert network.dense_layers == dense_relu([(arrays[0], arrays[1]), (arrays[2], None)]).dense_layers
    with pytest.raises(InputError) as caught:
        read_network(tmp_path / "net.pt")
    run_here(f"{MODULE}\n{advised(caught.value)}", tmp_path)
    assert read_network(tmp_path / "net.npz").network == network


def test_a_file_of_safetensors(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    run_here(f"{MODULE}\nimport safetensors.torch; safetensors.torch.save_model(module, 'net.safetensors')", tmp_path)
    with pytest.raises(InputError, match="is a file of safetensors") as caught:
        read_network(tmp_path / "net.safetensors")
    run_here(advised(caught.value), tmp_path)
    network = rewritten(tmp_path, "net.pt", MODULE)
    assert [layer.weight.shape for layer in network.dense_layers] == [(2, 3), (2, 2)]


@slow  # importing Keras takes seconds, in two processes
def test_files_of_keras(tmp_path: Path) -> None:
    if any(find_spec(name) is None for name in ("keras", "tensorflow")):
        pytest.skip("needs Keras and TensorFlow")  # which are imported in the other process only
    h5py = pytest.importorskip("h5py")
    make = "keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation='relu'), keras.layers.Dense(2)])"
    file = tmp_path / "net.h5"
    h5py.File(file, "w").close()
    advice = advised(refused(file))
    run(f"import keras; {make}.save('net.h5')\n{advice}", tmp_path)  # in one process: importing Keras takes seconds
    assert advised(refused(file)) == advice
    network = read_network(tmp_path / "net.keras").network
    assert [layer.weight.shape for layer in network.dense_layers] == [(2, 3), (2, 2)]
    assert rewritten(tmp_path, "net.keras") == network


def test_arrays_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "net.npy", np.eye(2))
    with pytest.raises(InputError, match=r"; save its layers with numpy.savez\('net.npz', W0=..., b0=..., W1=..., ...\)$"):
        read_network(tmp_path / "net.npy")
    np.savez(tmp_path / "net.npz", W0=np.eye(2), b0=np.ones(2), W1=np.ones((2, 1)))
    assert read_network(tmp_path / "net.npz").network == dense_relu([(np.eye(2), np.ones(2)), (np.ones((1, 2)), None)])
