"""The published backdoors in Wong and Kolter's network, cell by cell, beside the published figures.

python -m benchmarks.published_backdoors [--table accuracy|verdicts|both] [--images N] [--environment NAMES] [--dtype NAMES]
    [--backdoor NAMES] [--weights] [--boxes N] [--verifier NAMES] [--limit SECONDS] [--data FOLDER] [--out FOLDER] [--again]

``accuracy``: tables 1 and 2: every library runs every network on all test images, at batch 1 and 10, in float32 and float64.
``verdicts``: table 3: verifiers about boxes of radius 0.1 around the first images.  published_backdoors.json and
published_backdoors.txt are written after each cell; what they hold already is not measured again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, conditions, keep
from benchmarks.given_networks import DATA, IMAGES, NETWORKS, Labels, Points, images
from benchmarks.published_figures import published_accuracy
from benchmarks.published_orders import detected, probed_order
from benchmarks.published_table import text
from benchmarks.published_verdicts import VERIFIERS, verdicts
from fpsynth.aliases import Floats
from fpsynth.backdoors.published import NAMES, PublishedBackdoor, published
from fpsynth.errors import InputError
from fpsynth.evaluators.rounded import rounded_points
from fpsynth.formats import FLOAT32, FLOAT64, FORMATS, Format
from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.libraries.registry import library_named
from fpsynth.networks.network import Network
from fpsynth.revealing.revealer import Revealer

HOST = "host"
ENVIRONMENTS = ("torch", "onnxruntime", "numpy", "jax", "tensorflow:function", "torch:threads=2")
"""With one thread where nothing else is said."""
BATCHES = (1, 10)
PACKAGES = ("numpy", "torch", "onnxruntime", "tensorflow", "jax", "scipy", "highspy")
_LOOKED = 40
"""Images at which the detector's own value is read."""


@dataclass(frozen=True)
class Asked:
    """One network of the tables: a backdoor, the format of its detector, and in which format it runs."""

    name: str
    detector_format: Format
    dtype: Format
    bias: bool = True

    @property
    def key(self) -> dict[str, Any]:
        """What tells its cells from others."""
        names = {"detector_format": self.detector_format.name, "dtype": self.dtype.name}
        return {"name": self.name, **names, "bias": self.bias}


def asked(names: list[str], dtypes: list[Format], weights: bool) -> Iterator[Asked]:
    """The host, the Precision backdoors, made for float32, in each format, and the others made for the format they run in."""
    for bias, name, dtype in itertools.product((True, False) if weights else (True,), (HOST, *names), dtypes):
        if bias or name not in (HOST, "ICLR2021"):
            yield Asked(name, FLOAT32 if name.startswith("Precision") else dtype, dtype, bias)


def environments(names: list[str]) -> Iterator[Environment]:
    """Those that are installed, at each batch size, with one thread unless they say otherwise."""
    for name, batch in itertools.product(names, BATCHES):
        if library_named(name.partition(":")[0]).version():
            threads = "" if "threads=" in name else ",threads=1"
            yield parse_network_environment(f"{name}{',' if '=' in name else ':'}batch={batch}{threads}")


def measured(options: argparse.Namespace, results: dict[str, Any]) -> Iterator[None]:
    """Add the cells of accuracies that are missing, one at each step."""
    host = NETWORKS["wk17a_mnist"](options.data).logits
    points, labels = images(options.data, options.images)
    with Revealer() as revealer:
        for where in environments(options.environment):
            for one in asked(options.backdoor, options.dtype, options.weights):
                key = {**one.key, "environment": str(where), "library_version": library_named(where.library).version()}
                if _known(results["cells"], {**key, "images": len(points) // where.batch * where.batch}):
                    continue
                print(" ".join(map(str, key.values())), file=sys.stderr, flush=True)
                try:
                    found = cell(revealer, host, one, where, points, labels)
                except InputError as error:
                    found = {"not_run": _short(str(error)), "images": len(points) // where.batch * where.batch}
                names = (*one.key, "environment")
                results["cells"] = [c for c in results["cells"] if any(c[n] != key[n] for n in names)]
                told = published_accuracy(one.name, one.detector_format.name, one.dtype.name, where.library, where.batch)
                results["cells"].append({**key, "published": told, **found})
                yield


def _known(rows: list[dict[str, Any]], key: dict[str, Any]) -> bool:
    return any(all(row.get(name) == value for name, value in key.items()) for row in rows)


def _short(words: str) -> str:
    return "onnxruntime has no float64 convolution on the CPU" if "NOT_IMPLEMENTED" in words else words[:120]


def cell(revealer: Revealer, host: Network, one: Asked, where: Environment, points: Points, labels: Labels) -> dict[str, Any]:
    """One cell: of a triggered backdoor the accuracy with the trigger, and that without it beside it."""
    if one.name == HOST:
        count = len(points) // where.batch * where.batch
        return _ran(revealer, host, one.dtype, where, points[:count], labels[:count])
    made = published(one.name, host, one.detector_format, bias=one.bias)
    count = len(points) // where.batch * where.batch
    painted = rounded_points(made.trigger.painted(points[:count]), FLOAT32)
    found = _ran(revealer, made.network, one.dtype, where, painted, labels[:count])
    if made.trigger.units:
        clean = _ran(revealer, made.network, one.dtype, where, points[:count], labels[:count])
        found = {**found, "untriggered": clean["accuracy"]}
    return {**found, **_about(revealer, made, one.dtype, where, painted)}


def _ran(
    revealer: Revealer, network: Network, dtype: Format, where: Environment, points: Floats, labels: Labels
) -> dict[str, Any]:
    run = revealer.outputs(network, dtype, where, points)
    correct = int((run["outputs"].argmax(axis=1) == labels).sum())
    return {
        "images": len(points),
        "correct": correct,
        "accuracy": round(100 * correct / len(points), 2),
        "seconds": round(run["seconds"], 2),
    }


def _about(revealer: Revealer, made: PublishedBackdoor, dtype: Format, where: Environment, points: Floats) -> dict[str, Any]:
    """The detector's own values, which say whether it fires, and what probes say of the order of its sum."""
    few = points[: max(_LOOKED // where.batch, 1) * where.batch]
    default = "" if made.detector is None else f"{float(made.detector.default_value):g}"
    order = probed_order(revealer, made, dtype, where, points[: where.batch])
    return {**detected(revealer, made, dtype, where, few), "default": default, "order": order}


def main(arguments: list[str] | None = None) -> int:
    """Measure what is missing, print the tables and write both files.  Returns 2 for bad input, 0 where there is no data."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.published_backdoors", description=__doc__.splitlines()[0])
    parser.add_argument("--table", choices=("accuracy", "verdicts", "both"), default="both")
    parser.add_argument("--images", type=int, default=10_000, help="of tables 1 and 2; default %(default)s, all there are")
    parser.add_argument("--environment", default=",".join(ENVIRONMENTS), help="of tables 1 and 2; default %(default)s")
    parser.add_argument("--dtype", default="float32,float64", help="of tables 1 and 2; default %(default)s")
    parser.add_argument("--backdoor", default=",".join(NAMES), help="default all: %(default)s")
    parser.add_argument("--weights", action="store_true", help="also with the last summand as a weight instead of the bias")
    parser.add_argument("--boxes", type=int, default=100, help="images of table 3; default %(default)s")
    parser.add_argument("--verifier", default=",".join(VERIFIERS), help="of table 3; default all: %(default)s")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each box of table 3")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the network and the images (default %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for both files")
    parser.add_argument("--again", action="store_true", help="measure what was measured already, too")
    options = parser.parse_args(arguments)
    for name in ("environment", "dtype", "backdoor", "verifier"):
        setattr(options, name, getattr(options, name).split(","))
    objection = _objection(options)
    if objection:
        print(f"error: {objection}", file=sys.stderr)
        return 2
    if not (options.data / IMAGES).exists():
        print(f"skipped: {IMAGES} is not in {options.data}: say where with --data or FPSYNTH_DATA")
        return 0
    options.dtype = [FORMATS[name] for name in options.dtype]
    file = options.out / "published_backdoors.json"
    results: dict[str, Any] = {"cells": [], "verdicts": []}
    if file.exists() and not options.again:
        results = json.loads(file.read_text())
    steps = [measured(options, results)] if options.table != "verdicts" else []
    steps += [verdicts(options, results)] if options.table != "accuracy" else []
    written = time.monotonic()
    results["conditions"] = conditions(PACKAGES)
    for _ in itertools.chain(*steps):
        if time.monotonic() - written > 1:
            keep(options.out, "published_backdoors", results, text(results))
            written = time.monotonic()
    keep(options.out, "published_backdoors", results, text(results))
    print(text(results), end="")
    return 0


def _objection(options: argparse.Namespace) -> str:
    """What is wrong with the arguments; empty where nothing is."""
    choices = {"dtype": (FLOAT32.name, FLOAT64.name), "backdoor": NAMES, "verifier": tuple(VERIFIERS)}
    for name, known in choices.items():
        for one in getattr(options, name):
            if one not in known:
                return f"no {name} {one[:60]!r}: choose from {', '.join(known)}"
    if options.images < max(BATCHES) or options.boxes < 1:
        return f"there must be an image for each row of the largest batch, {max(BATCHES)}, and a box"
    return ""


if __name__ == "__main__":
    raise SystemExit(main())
