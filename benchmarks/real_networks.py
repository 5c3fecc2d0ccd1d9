"""Real networks in the libraries of this machine: how many logits of all test images our arrays give bit for bit.

python -m benchmarks.real_networks [--network NAMES] [--library NAMES] [--images N] [--data FOLDER] [--out FOLDER] [--again]

For each network and environment every layer is revealed, all images are run in the library and by our arrays in the arithmetic
that was revealed, and sampled neurons of every layer by the exact interpreter.  real_networks.json and real_networks.txt are
written after each of them; what they hold already is not measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, conditions, keep
from benchmarks.given_networks import DATA, IMAGES, NETWORKS, Labels, Points, images
from benchmarks.real_networks_table import text
from fpsynth.errors import InputError
from fpsynth.evaluators.networks import node_output
from fpsynth.evaluators.rounded import rounded_network
from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.libraries.registry import library_named
from fpsynth.networks.graph import INPUT
from fpsynth.networks.layers.structure import Rearrangement
from fpsynth.networks.network import Network
from fpsynth.revealing.layer_runs import predicted, up_to
from fpsynth.revealing.network_json import network_from_kept
from fpsynth.revealing.revealer import Revealer
from fpsynth.sums.arithmetic import Deployment

ENVIRONMENTS = (
    *("numpy", "torch", "onnxruntime", "onnxruntime:optimize=off"),
    *("tensorflow", "tensorflow:function", "jax", "jax:eager"),
)
BATCHES = (1, 64)
PACKAGES = ("numpy", "numba", *sorted({name.partition(":")[0] for name in ENVIRONMENTS if name != "numpy"}))
VECTORS, LIKE, NEURONS, DIFFERENT = 1000, 256, 4, 64
"""Hostile vectors that check a kernel; images among the inputs of reveals; neurons of a layer that the exact interpreter
evaluates; images at most on which the first layer that differs is looked for."""


@dataclass(frozen=True)
class Revealed:
    """A network as a library computes it."""

    given: Network
    where: Environment
    computed: Network
    deployments: dict[tuple[int, ...], Deployment]
    """By rows of a batch, which points fill in turn."""
    reveal: dict[str, Any]

    def own(self, points: Points, name: str = "") -> Points:
        """What our arrays give at a node, the output where none is named: (points, outputs)."""
        part = up_to(self.computed, name or self.computed.output)
        return predicted(part, points, {rows: restricted(one, self.computed, part) for rows, one in self.deployments.items()})


def restricted(deployment: Deployment, whole: Network, part: Network) -> Deployment:
    """The deployment of a network's part, whose layers that add have other numbers."""
    number = {old: part.sums.index(name) for old, name in enumerate(whole.sums) if name in part.sums}
    layers = tuple((number[old], one) for old, one in deployment.layers if old in number)
    exceptions = tuple(((number[old], k), one) for (old, k), one in deployment.exceptions if old in number)
    return Deployment(deployment.default, exceptions, layers)


def revealed(revealer: Revealer, network: Network, where: Environment, points: Points, seed: int) -> Revealed:
    """Raises InputError where the library cannot run the network."""
    answer = revealer.network(network, FLOAT32, where, inputs=points[:LIKE], vectors=VECTORS, seed=seed)
    found = network_from_kept(answer["kept"], network.logits, where, FLOAT32)
    return Revealed(network.logits, where, found.network, found.deployments, answer["reveal"])


def measure(
    revealer: Revealer, network: Network, where: Environment, points: Points, labels: Labels, seed: int
) -> dict[str, Any]:
    """One cell of the table."""
    started = time.monotonic()
    one = revealed(revealer, network, where, points, seed)
    revealing = time.monotonic() - started
    run = revealer.outputs(network, FLOAT32, where, points)
    started = time.monotonic()
    own, logits = one.own(points), run["outputs"]
    arrays = time.monotonic() - started
    same = bits(own) == bits(logits)
    started = time.monotonic()
    exact = exact_neurons(one, points, seed)
    seconds = {"reveal": revealing, "library": run["seconds"], "arrays": arrays, "exact": time.monotonic() - started}
    return {
        "version": one.reveal["version"],
        "layers": [kept(layer) for layer in one.reveal["layers"]],
        "rewrites": [entry["name"] for entry in one.reveal["rewrites"]],
        "notes": one.reveal["notes"],
        "whole": one.reveal["network"],
        "logits": {"equal": int(same.sum()), "of": same.size},
        "images": {"equal": int(same.all(axis=1).sum()), "of": len(same)},
        "correct": int((logits.argmax(axis=1) == labels).sum()),
        "classes": int((logits.argmax(axis=1) == own.argmax(axis=1)).sum()),
        "largest_difference": float(np.abs(logits - own).max()),
        "first": None if same.all() else first_difference(revealer, one, points, np.flatnonzero(~same.all(axis=1))[:DIFFERENT]),
        "exact": exact,
        "seconds": {name: round(taken, 2) for name, taken in seconds.items()},
    }


def bits(numbers: Points) -> Any:
    """The bits of float32 numbers, so that zeros of either sign differ."""
    return numbers.astype(np.float32).view(np.uint32)


def kept(layer: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a layer's reveal."""
    names = ("name", "kind", "arithmetic", "explained", "of", "first", "notes")
    return {**{name: layer[name] for name in names}, "arithmetics": len(layer["classes"])}


def first_difference(revealer: Revealer, one: Revealed, points: Points, rows: Any) -> dict[str, Any]:
    """The first layer that differs when the network ends there, on images whose logits do; a value of it; what was tried.

    Images stay where they stood in their batch: rows of a batch may have different arithmetics.
    """
    batch = one.where.batch
    beside = np.flatnonzero(np.isin(np.arange(len(points)) // batch, rows // batch))
    given, chosen = points[beside], np.searchsorted(beside, rows)
    for node in one.given.nodes:
        try:
            theirs = revealer.outputs(up_to(one.given, node.name), FLOAT32, one.where, given)["outputs"]
        except InputError:  # it cannot run what ends there
            continue
        mine = one.own(given, node.name)
        wrong = bits(mine[chosen]) != bits(theirs[chosen])
        if wrong.any():
            place, output = (int(place) for place in np.argwhere(wrong)[0])
            row = int(chosen[place])
            said = {"image": int(rows[place]), "output": output, "differing": int(wrong.sum()), "of": wrong.size}
            values = {"library": float(theirs[row, output]).hex(), "arrays": float(mine[row, output]).hex()}
            return {"layer": node.name, "kind": node.layer.kind, **said, **values, "tried": tried(one.reveal, node.name)}
    return {"layer": None, "tried": tried(one.reveal, "")}


def tried(reveal: dict[str, Any], name: str) -> list[str]:
    """The hypotheses about a layer; where it is explained alone, that all are computed one after the other."""
    layer = next((layer for layer in reveal["layers"] if layer["name"] == name), None)
    if layer is not None and layer["explained"] < layer["of"] and layer["notes"]:
        return list(layer["notes"])
    alone = "; ".join(f"{layer['name']} as {layer['arithmetic']}" for layer in reveal["layers"])
    return [f"each layer as it is computed alone, one after the other: {alone}"]


def exact_neurons(one: Revealed, points: Points, seed: int) -> dict[str, Any]:
    """Neurons of every layer that computes, at random images: by the exact interpreter and by arrays."""
    rng = np.random.default_rng(seed)
    layers = {}
    for node in one.computed.nodes:
        if isinstance(one.computed.structure(node.name), Rearrangement):
            continue
        rows = points[rng.integers(0, len(points), NEURONS)]
        given = np.concatenate([rows if name == INPUT else one.own(rows, name) for name in node.inputs], axis=1)
        arrays = one.own(rows, node.name)
        outputs = rng.integers(0, arrays.shape[1], NEURONS)
        pairs = [(arrays[k, output], exact(one, node.name, int(output), given[k], k)) for k, output in enumerate(outputs)]
        layers[node.name] = sum(bool(bits(np.array([a])) == bits(np.array([b]))) for a, b in pairs)
    return {"agree": sum(layers.values()), "of": NEURONS * len(layers), "by_layer": layers}


def exact(one: Revealed, name: str, output: int, given: Points, row: int) -> float:
    """One neuron by the exact interpreter, of the point that is the ``row``-th of those that are evaluated."""
    place = row % one.where.batch
    deployment = next(how for rows, how in one.deployments.items() if place in rows)
    return node_output(one.computed, name, output, given.tolist(), FLOAT32, deployment)


def environments(libraries: Sequence[str]) -> Iterator[Environment]:
    """Those of ENVIRONMENTS that are installed and whose names begin with one of the names, with one thread."""
    for name in ENVIRONMENTS:
        library = name.partition(":")[0]
        if any(name == wanted or library == wanted for wanted in libraries) and library_named(library).version():
            for batch in BATCHES:
                joint = "," if "=" in name else ":"
                yield parse_network_environment(f"{name}{joint}batch={batch},threads=1")


def measured(options: argparse.Namespace, results: dict[str, Any]) -> Iterator[None]:
    """Add the cells that are missing to the results, one at each step."""
    points, labels = images(options.data, options.images)
    for name in options.network:
        try:
            network, changed = rounded_network(NETWORKS[name](options.data), FLOAT32)
        except InputError as error:
            print(f"{name}: skipped: {error}", file=sys.stderr)
            continue
        about = {"network": name, "digest": network.digest.hex()[:16], "images_run": len(points)}
        facts = {"products": network.operations, "numbers": network.parameter_count, "rounded_into_float32": changed}
        with Revealer() as revealer:
            for where in environments(options.library):
                key = {**about, "environment": str(where), "library_version": library_named(where.library).version()}
                if any(all(cell.get(field) == value for field, value in key.items()) for cell in results["cells"]):
                    continue
                print(f"{name} in {where}", file=sys.stderr, flush=True)
                try:
                    found = measure(revealer, network, where, points, labels, options.seed)
                except InputError as error:
                    found = {"not_run": str(error)}
                results["cells"] = [c for c in results["cells"] if (c["network"], c["environment"]) != (name, str(where))]
                results["cells"].append({**key, **facts, **found})
                results["conditions"] = {**conditions(PACKAGES), "threads": 1}
                yield


def main(arguments: list[str] | None = None) -> int:
    """Measure what is missing, print the table and write both files.  Returns 2 for bad input, 0 where there is no data."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_networks", description=__doc__.splitlines()[0])
    parser.add_argument("--network", default=",".join(NETWORKS), help="default all: %(default)s")
    parser.add_argument("--library", default=",".join(ENVIRONMENTS), help="libraries, environments; default all: %(default)s")
    parser.add_argument("--images", type=int, default=10_000, help="default %(default)s, all there are")
    parser.add_argument("--seed", type=int, default=0, help="of hostile vectors and of sampled neurons")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the networks and the images (default %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for real_networks.json and real_networks.txt")
    parser.add_argument("--again", action="store_true", help="measure what was measured already, too")
    options = parser.parse_args(arguments)
    options.network, options.library = options.network.split(","), options.library.split(",")
    unknown = [name for name in options.network if name not in NETWORKS]
    if unknown or options.images < 1:
        print(f"error: no network {unknown[0][:60]!r}" if unknown else "error: there must be an image", file=sys.stderr)
        return 2
    if not (options.data / IMAGES).exists():
        print(f"skipped: {IMAGES} is not in {options.data}: say where with --data or FPSYNTH_DATA")
        return 0
    file = options.out / "real_networks.json"
    results: dict[str, Any] = {"conditions": {**conditions(PACKAGES), "threads": 1}, "cells": []}
    if file.exists() and not options.again:
        results = json.loads(file.read_text())
    for _ in measured(options, results):
        keep(options.out, "real_networks", results, text(results))
    print(text(results), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
