"""What ``compare`` costs beside the libraries' own forward passes, and whether it does networks of ten million weights.

python -m benchmarks.comparing [images|large] [--images N]

prints one JSON object with seconds and the most memory that this process and any of a library's had; ``benchmarks.networks``
runs it in a process of its own for each.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.libraries.registry import library_named
from fpsynth.networks.layers import Convolution, Dense, Flatten, ReLU
from fpsynth.networks.network import Network, Node
from fpsynth.networks.npz import load_network
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.comparing.compared import compare
from fpsynth.synthesis.comparing.comparison import NetworkComparison

ENVIRONMENTS = ("torch:batch=64,threads=1", "onnxruntime:batch=64,threads=1", "jax:batch=64,threads=1")
LARGE = ("torch:batch=64,threads=1", "numpy:batch=64,threads=1")
WIDTHS = (784, 3000, 2600, 10)
"""Of the network of 10.2 million weights."""
_VECTORS = 1000


def convolutional() -> Network:
    """Two convolutions and two dense layers for images of 28 x 28, as ``benchmarks.networks`` times them: random weights."""
    rng = np.random.default_rng(0)

    def numbers(*shape: int) -> NDArray[np.float32]:
        terms = int(np.prod(shape[1:])) or 1
        return (rng.standard_normal(shape) / np.sqrt(terms)).astype(np.float32)

    nodes = (
        Node("conv1", Convolution(numbers(16, 1, 4, 4), numbers(16), stride=2, padding=1)),
        Node("relu1", ReLU(), ("conv1",)),
        Node("conv2", Convolution(numbers(32, 16, 4, 4), numbers(32), stride=2, padding=1), ("relu1",)),
        Node("relu2", ReLU(), ("conv2",)),
        Node("flat", Flatten(), ("relu2",)),
        Node("dense1", Dense(numbers(100, 1568), numbers(100)), ("flat",)),
        Node("relu3", ReLU(), ("dense1",)),
        Node("dense2", Dense(numbers(10, 100), numbers(10)), ("relu3",)),
    )
    return Network(nodes, (1, 28, 28), "dense2")


def large() -> Network:
    """Three dense layers of random weights, written as .npz and read back."""
    rng = np.random.default_rng(0)
    arrays = {}
    for k, (terms, outputs) in enumerate(itertools.pairwise(WIDTHS)):
        arrays[f"W{k}"] = (rng.standard_normal((terms, outputs)) / np.sqrt(terms)).astype(np.float32)
        arrays[f"b{k}"] = rng.standard_normal(outputs).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "large.npz"
        np.savez(file, **arrays)
        return load_network(file)


def through_onnx(network: Network) -> tuple[bool, float]:
    """Whether the network is the same once it was written as an ONNX model and read back, and the seconds that reading took."""
    from fpsynth.networks.onnx import import_onnx
    from fpsynth.networks.onnx.writing import onnx_bytes

    data = onnx_bytes(network, FLOAT32, form="gemm")
    started = time.perf_counter()
    again = import_onnx(data, "large.onnx").network
    taken = time.perf_counter() - started
    return [a.tolist() for a in again.arrays()] == [a.tolist() for a in network.arrays()], taken


def points(count: int) -> NDArray[np.float64]:
    """Pixels of random images, (images, 784)."""
    pixels = np.random.default_rng(1).integers(0, 256, (count, 784)).astype(np.float32) / np.float32(255)
    return pixels.astype(np.float64)


def installed(names: Sequence[str]) -> list[Environment]:
    """The environments whose library is here."""
    environments = [parse_network_environment(name) for name in names]
    return [where for where in environments if library_named(where.library).version()]


def compared(network: Network, count: int, names: Sequence[str]) -> dict[str, Any]:
    """Seconds of ``compare``, and of the libraries' own forward passes on the same inputs."""
    inputs, environments = points(count), installed(names)
    started = time.perf_counter()
    found = compare(network, FLOAT32, inputs, environments, vectors=_VECTORS)
    whole = time.perf_counter() - started
    with Revealer() as revealer:
        own = {str(where): revealer.outputs(network, FLOAT32, where, inputs)["seconds"] for where in environments}
    return {
        "inputs": count,
        "weights": network.parameter_count,
        "work": network.operations * count,
        "seconds": whole,
        "forward": own,
        "ratio": whole / sum(own.values()),
        **_told(found),
        **memory(),
    }


def _told(found: NetworkComparison) -> dict[str, Any]:
    environments = {
        one.name: {"reproduced": one.reproduced, "of": one.of, "not_run": one.not_run} for one in found.environments
    }
    reveal = {one.name: one.reveal["seconds"] for one in found.environments if one.reveal is not None}
    return {"environments": environments, "reveal": reveal, "verdict": found.verdict}


def memory() -> dict[str, int]:
    """MiB that this process, and the largest of its processes that have ended, had at most."""
    scale = 20 if sys.platform == "darwin" else 10
    sizes = {"peak_mib": resource.RUSAGE_SELF, "peak_of_a_library_mib": resource.RUSAGE_CHILDREN}
    return {name: resource.getrusage(who).ru_maxrss >> scale for name, who in sizes.items()}


def measured(what: str, count: int) -> dict[str, Any]:
    """The numbers of one of the two."""
    if what == "images":
        return compared(convolutional(), count, ENVIRONMENTS)
    started = time.perf_counter()
    network = large()
    reading = {"read_npz_seconds": time.perf_counter() - started}
    if library_named("onnxruntime").version():
        same, reading["read_onnx_seconds"] = through_onnx(network)
        if not same:
            raise RuntimeError("the network is another one once it was an ONNX model")
    return {**reading, **compared(network, count, LARGE)}


def text(entry: dict[str, Any]) -> list[str]:
    """One measurement in lines."""
    own = ", ".join(f"{name.removesuffix(',threads=1')} {taken:.3g} s" for name, taken in entry["forward"].items())
    reveals = ", ".join(f"{taken:.3g} s" for taken in entry["reveal"].values())
    logits = [one for one in entry["environments"].values() if not one["not_run"]]
    return [
        f"compare, {entry['inputs']} inputs through {entry['weights']} weights: {entry['seconds']:.3g} s, "
        f"{entry['ratio']:.3g} times the libraries' own forward passes ({own}); reveals {reveals}; "
        f"{sum(one['reproduced'] for one in logits)} of {sum(one['of'] for one in logits)} logits reproduced; "
        f"{entry['peak_mib']} MiB at most, {entry['peak_of_a_library_mib']} MiB in a library's process"
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparing", description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("images", "large"), default="images")
    parser.add_argument("--images", type=int, default=10_000, help="inputs (default 10000; of the large network 64 at most)")
    options = parser.parse_args(arguments)
    count = min(options.images, 64) if options.what == "large" else options.images
    print(json.dumps(measured(options.what, count), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
