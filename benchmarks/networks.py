"""Times of whole layers under sum programs, each way beside numpy's own float32 product of matrices; and of ``compare``.

python -m benchmarks.networks [--runs N] [--images N] [--ways compiled,arrays,general] [--threads N] [--no-compare]
    [--out FOLDER]

prints a table and writes networks.json and networks.txt.  What is timed is compared: all ways must give the same bits.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import comparing
from benchmarks.common import RESULTS, aligned, conditions, keep, machine, short, spread
from fpsynth.errors import InputError
from fpsynth.evaluators.layer_groups import FloatArray, Integers, LayerSums
from fpsynth.evaluators.layer_ways import Way
from fpsynth.evaluators.layers import layer_sums
from fpsynth.formats import FLOAT32
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.wording import counted

KINDS = {"fused": Arithmetic(FLOAT32, fused=True), "unfused": Arithmetic(FLOAT32)}
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
"""Variables that numpy's product obeys.  Left to itself OpenBLAS may start more threads than there are cores: its product of
small matrices then takes a hundred times as long, and everything beside it looks fast."""
GENERAL_MOST = 500_000
"""Multiply-adds for which the general way is timed at most: it takes hundreds of nanoseconds for each."""


@dataclass(frozen=True)
class Shape:
    """One layer on so many rows of inputs."""

    rows: int
    positions: int
    channels: int
    terms: int

    @property
    def work(self) -> int:
        """Multiply-adds."""
        return self.rows * self.positions * self.channels * self.terms

    def __str__(self) -> str:
        return f"{self.rows} x {self.positions} x {self.channels}, {self.terms} terms"


SHAPES = (Shape(1, 49, 32, 256), Shape(64, 49, 32, 64), Shape(64, 1, 100, 784), Shape(1, 1, 100, 1568))
"""A convolution of one image and of a batch, a dense layer of a batch and of one image."""


def sliding(shape: Shape) -> Integers:
    """Taps of windows that overlap by half."""
    return (np.arange(shape.positions)[:, None] * (shape.terms // 2) + np.arange(shape.terms)).astype(np.int32)


def case(shape: Shape, kind: str) -> tuple[LayerSums, FloatArray]:
    """A layer of that shape with normal weights, and inputs."""
    rng = np.random.default_rng(shape.terms)
    gather = sliding(shape)
    weights = rng.standard_normal((shape.channels, shape.terms)).astype(np.float32)
    inputs = rng.standard_normal((shape.rows, int(gather.max()) + 1)).astype(np.float32)
    bias = rng.standard_normal(shape.channels).astype(np.float32)
    return LayerSums(gather, weights, bias, (program_of(KINDS[kind], shape.terms, True),)), inputs


def seconds(run: Callable[[], Any], runs: int) -> list[float]:
    """Wall times of something that has been run before."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return taken


def measure(shape: Shape, kind: str, ways: Sequence[Way], runs: int) -> dict[str, Any]:
    """Nanoseconds for each multiply-add, of numpy's product first."""
    layer, inputs = case(shape, kind)
    patches = inputs[:, layer.gather].reshape(-1, shape.terms)
    entry: dict[str, Any] = {"shape": str(shape), "kind": kind, "work": shape.work, "ns": {}, "not_run": {}}
    patches @ layer.weights.T
    entry["ns"]["numpy @"] = _per_work(seconds(lambda: patches @ layer.weights.T, runs), shape)
    outputs = set()
    for way in ways:
        if way is Way.GENERAL and shape.work > GENERAL_MOST:
            entry["not_run"][way.value] = "too slow"
            continue
        result = layer_sums(layer, inputs, ways=[way])
        if result.ways != (way,):
            entry["not_run"][way.value] = result.refused[0]
            continue
        outputs.add(digest(result.outputs))
        entry["ns"][way.value] = _per_work(seconds(lambda way=way: layer_sums(layer, inputs, ways=[way]), runs), shape)
        print(f"{shape} {kind} {way.value}: {entry['ns'][way.value]['min']:.3g} ns", file=sys.stderr, flush=True)
    _require_one(outputs, f"{shape}, {kind}")
    return entry


def _per_work(taken: Sequence[float], shape: Shape) -> dict[str, float]:
    return spread([one / shape.work * 1e9 for one in taken])


def digest(outputs: NDArray[Any]) -> str:
    """Of the bits."""
    return hashlib.sha256(np.ascontiguousarray(outputs).tobytes()).hexdigest()


def _require_one(outputs: set[str], what: str) -> None:
    if len(outputs) > 1:
        raise RuntimeError(f"{what}: the ways do not give the same bits")


def convolution(channels: int, side: int) -> Integers:
    """Taps of windows of 4 x 4 at every second place of padded images, (channel, row, column) from left to right."""
    image = np.full((channels, side + 2, side + 2), -1, np.int32)
    image[:, 1:-1, 1:-1] = np.arange(channels * side * side, dtype=np.int32).reshape(channels, side, side)
    places = [(y, x) for y in range(0, side, 2) for x in range(0, side, 2)]
    return np.array([image[:, y : y + 4, x : x + 4].reshape(-1) for y, x in places], np.int32)


def network() -> list[LayerSums]:
    """A convolutional network for images of 28 x 28: two convolutions and two dense layers, fused chains, random weights."""
    rng = np.random.default_rng(0)
    layers = []
    dense = [np.arange(terms, dtype=np.int32)[None] for terms in (1568, 100)]
    for gather, channels in zip((convolution(1, 28), convolution(16, 14), *dense), (16, 32, 100, 10), strict=True):
        terms = gather.shape[1]
        weights = (rng.standard_normal((channels, terms)) / np.sqrt(terms)).astype(np.float32)
        bias = rng.standard_normal(channels).astype(np.float32) / 8
        layers.append(LayerSums(gather, weights, bias, (program_of(KINDS["fused"], terms, True),)))
    return layers


def logits(layers: Sequence[LayerSums], images: FloatArray, way: Way, threads: int) -> FloatArray:
    """What the network gives, with a ReLU between layers."""
    x = images
    for number, layer in enumerate(layers):
        result = layer_sums(layer, np.maximum(x, 0) if number else x, ways=[way], threads=threads)
        if result.ways != (way,):
            raise InputError(result.refused[0])
        x = np.ascontiguousarray(result.outputs.transpose(0, 2, 1)).reshape(len(images), -1)
    return x


def measure_network(images: int, ways: Sequence[Way], threads: int, runs: int) -> dict[str, Any]:
    """Seconds for so many images, and the most memory that the process has had until then."""
    layers = network()
    pixels = np.random.default_rng(1).integers(0, 256, (images, 784)).astype(np.float32) / np.float32(255)
    work = images * sum(layer.positions * layer.channels * layer.terms for layer in layers)
    entry: dict[str, Any] = {"images": images, "work": work, "threads": threads, "ways": {}, "not_run": {}}
    outputs = set()
    for way in ways:
        if way is Way.GENERAL:
            continue
        try:
            outputs.add(digest(logits(layers, pixels, way, threads)))
        except InputError as error:
            entry["not_run"][way.value] = str(error)
            continue
        taken = seconds(lambda way=way: logits(layers, pixels, way, threads), runs)
        entry["ways"][way.value] = {**spread(taken), "ns": min(taken) / work * 1e9, "peak_mib": peak_mib()}
        print(f"{images} images {way.value}: {min(taken):.3g} s", file=sys.stderr, flush=True)
    _require_one(outputs, f"{images} images")
    return entry


def peak_mib() -> int:
    """The most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak >> 20 if sys.platform == "darwin" else peak >> 10)


NOTES = """\
Least wall time of the runs, in nanoseconds for each multiply-add; in brackets: times what numpy's own product of the same
float32 matrices takes in the same run, whose order of additions nobody chose.  One thread for each of them; for the network
as many as are said.  Rows x positions x channels; chains from left to right and the bias last.  All ways gave the same bits."""


def text(results: dict[str, Any]) -> str:
    """The table as text."""
    names = [way.value for way in Way]
    rows = [["layer", "products", "numpy @", *names]]
    for entry in results["layers"]:
        product = entry["ns"]["numpy @"]["min"]
        cells = [_cell(entry, name, product) for name in names]
        rows.append([entry["shape"], entry["kind"], f"{product:.3g}", *cells])
    lines = [*aligned(rows), ""]
    whole = results["network"]
    for name, entry in whole["ways"].items():
        lines.append(
            f"{whole['images']} images of 28 x 28 through two convolutions and two dense layers, fused, {name}, "
            f"{counted(whole['threads'], 'thread')}: "
            f"{short(entry['min'])} s, {entry['ns']:.3g} ns for each multiply-add, {entry['peak_mib']} MiB at most"
        )
    lines += [f"{name}: {why}" for name, why in whole["not_run"].items()]
    for entry in results["compare"].values():
        lines += ["", *comparing.text(entry)]
    return "\n".join([*lines, "", NOTES, machine(results["conditions"]), ""])


def _cell(entry: dict[str, Any], name: str, product: float) -> str:
    if name not in entry["ns"]:
        return "-"
    least = entry["ns"][name]["min"]
    return f"{least:.3g} ({least / product:.3g})"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write.  Returns 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="of which the least is shown (default 5)")
    parser.add_argument("--images", type=int, default=10_000, help="through the network (default 10000)")
    parser.add_argument("--ways", default=",".join(way.value for way in Way), help="default all")
    parser.add_argument("--threads", type=int, default=2, help="for the network (default 2)")
    parser.add_argument("--compare", action=argparse.BooleanOptionalAction, default=True, help="time compare, too")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for networks.json and networks.txt")
    options = parser.parse_args(arguments)
    try:
        if min(options.runs, options.images, options.threads) < 1:
            raise InputError("there must be at least one run, one image and one thread")
        ways = _ways(options.ways)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):  # they are read when numpy is imported
        command = [sys.executable, "-m", "benchmarks.networks", *(sys.argv[1:] if arguments is None else arguments)]
        return subprocess.run(command, env=os.environ | ONE_THREAD, check=False).returncode
    said = {**conditions(("numpy", "numba")), "runs": options.runs, "threads_of_numpy": 1}
    results: dict[str, Any] = {"conditions": said}
    results["layers"] = [measure(shape, kind, ways, options.runs) for shape in SHAPES for kind in KINDS]
    results["network"] = measure_network(options.images, ways, options.threads, min(options.runs, 3))
    results["compare"] = {what: _compared(what, options.images) for what in (("images", "large") if options.compare else ())}
    table = text(results)
    print(table, end="")
    keep(options.out, "networks", results, table)
    return 0


def _compared(what: str, images: int) -> dict[str, Any]:
    """What ``benchmarks.comparing`` measures, in a process whose memory is its own."""
    print(f"compare: {what}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "benchmarks.comparing", what, "--images", str(images)]
    entry: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return entry


def _ways(names: str) -> list[Way]:
    """Raises InputError for what is no way."""
    named = {way.value: way for way in Way}
    unknown = [name for name in names.split(",") if name not in named]
    if unknown:
        raise InputError(f"there is no way {unknown[0][:60]!r}; there are {', '.join(named)}")
    return [named[name] for name in names.split(",")]


if __name__ == "__main__":
    raise SystemExit(main())
