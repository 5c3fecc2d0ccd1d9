"""Which remedy stops which kind of backdoor: published constructions and fpsynth's own, in one host, by the libraries.

python -m benchmarks.defences [--host NAME] [--images N] [--draws N] [--kind NAMES] [--remedy NAMES] [--library NAMES]
                              [--batch SIZES] [--target ENV] [--timeout SECONDS] [--data FOLDER] [--out FOLDER]

prints a table and writes defences.json and defences.txt; a kind that stands in defences.json of the same host, images, draws,
target, remedies and environments is taken from there.  ``--host small`` is a dense network of
16-20-20-12-4 with random weights; others are those of ``given_networks``, with the first MNIST test images.  Images are those
with the trigger.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, aligned, conditions, keep, machine
from benchmarks.given_networks import DATA, NETWORKS
from benchmarks.given_networks import images as given_images
from fpsynth.aliases import Floats
from fpsynth.backdoors.defending import Defender
from fpsynth.backdoors.heuristics import compared
from fpsynth.backdoors.remedies import DEFAULT, remedies_named
from fpsynth.backdoors.search import backdoor
from fpsynth.backdoors.seeking import Goal
from fpsynth.backdoors.triggers import Trigger
from fpsynth.backdoors.workshop import HOST, MakerSettings, Workshop
from fpsynth.errors import InputError
from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.networks.cancellation import cancellations
from fpsynth.networks.network import Network, dense_relu
from fpsynth.revealing.revealer import Revealer

OURS: Mapping[str, tuple[MakerSettings, str]] = {
    "always": (MakerSettings(), "shift"),
    "always host": (MakerSettings(limit=HOST), "any"),
    "always big": (MakerSettings(limit=2.0**32), "any"),
    "pixel": (MakerSettings("pixel"), "shift"),
    "pixel big": (MakerSettings("pixel", limit=2.0**32), "any"),
    "pixel host": (MakerSettings("pixel", limit=HOST), "any"),
    "natural": (MakerSettings("natural"), "shift"),
    "copies": (MakerSettings(copies=True), "shift"),
    "copies host": (MakerSettings(limit=HOST, copies=True), "any"),
}
"""Settings and behaviour of each kind; weights that are limited lead to one class."""
PUBLISHED = ("Precision-same", "Precision-wider", "Order1", "Order2", "Order3", "ICLR2021")
_MODULE = "fpsynth.backdoors.published"
_SMALL = (16, 20, 20, 12, 4)


@dataclass(frozen=True)
class Case:
    """A backdoored network, and the images on which it is to show."""

    network: Network
    images: Floats
    labels: Any


@dataclass
class Measuring:
    """The host and what every kind is measured with."""

    host: Network
    images: Floats
    labels: Any
    environments: list[Environment]
    target: Environment
    revealer: Revealer
    arguments: argparse.Namespace

    def case(self, kind: str) -> Case:
        """Make one kind.  Raises InputError where it cannot be made."""
        network, trigger = self._published(kind) if kind in PUBLISHED else self._ours(kind)
        with_trigger = trigger.painted(self.images)
        chosen = trigger.there(with_trigger) if trigger.units else np.ones(len(self.images), bool)
        if not chosen.any():
            raise InputError(f"{kind}: no image has the trigger")
        return Case(network, with_trigger[chosen], self.labels[chosen])

    def _published(self, kind: str) -> tuple[Network, Trigger]:
        try:
            module = importlib.import_module(_MODULE)
        except ImportError:
            raise InputError(f"{kind}: {_MODULE} is not there") from None
        made = module.published(kind, self.host, FLOAT32)
        return made.network, made.trigger

    def _ours(self, kind: str) -> tuple[Network, Trigger]:
        settings, behaviour = OURS[kind]
        shop = Workshop(self.host, self.images, self.labels, FLOAT32, self.revealer, settings)
        silent = tuple(one for one in self.environments if one != self.target)
        goal = Goal(self.target, silent, strict=False, behaviour=behaviour, timeout=self.arguments.timeout)
        found = backdoor(shop, goal)
        if found.network is None:
            raise InputError(f"{kind}: {found.reason or 'nothing was found'}")
        return found.network, shop.trigger

    def row(self, kind: str) -> dict[str, Any]:
        """What remedies do to one kind, and what weights say of it."""
        started = time.perf_counter()
        case = self.case(kind)
        made = time.perf_counter() - started
        defender = Defender(case.network, FLOAT32, case.images, case.labels, self.environments, self.revealer, self.host)
        found = defender.defended(remedies_named(self.arguments.remedy.split(",")), self.arguments.draws)
        looks = compared(self.host, case.network)
        return {
            "kind": kind,
            "images": len(case.images),
            "wrong": {one.name: one.wrong for one in found.before.ran},
            "largest": max(one.own.largest for one in looks),
            "host_largest": max(one.host.largest for one in looks if one.host is not None),
            "cancelling": len(cancellations(case.network)),
            "empty": sum(one.own.empty for one in looks),
            "ks": max((one.nonzero_distance or 0.0 for one in looks), default=0.0),
            "remedies": {one.name: one.to_json() for one in found.tried},
            "seconds": {"made": made, "measured": time.perf_counter() - started - made},
        }


def small_host() -> tuple[Network, Floats, Any]:
    """A dense network with random weights, 60 inputs, and its own classes as labels."""
    draw = np.random.default_rng(12)
    layers = [(1.5 * draw.normal(size=(b, a)) / np.sqrt(a / 4), draw.normal(0, 0.1, b)) for a, b in pairwise(_SMALL)]
    host = dense_relu([(weight.astype(np.float32), bias.astype(np.float32)) for weight, bias in layers])
    inputs = draw.random((60, _SMALL[0])).astype(np.float32).astype(np.float64)
    return host, inputs, float64_outputs(host, inputs).argmax(axis=1)


def main() -> None:
    """Make, defend, print and write."""
    arguments = _arguments()
    host, inputs, labels = _host(arguments)
    libraries, sizes = arguments.library.split(","), arguments.batch.split(",")
    environments = [parse_network_environment(f"{name}:batch={size}") for name in libraries for size in sizes]
    target = parse_network_environment(arguments.target)
    said = conditions(("numpy", *libraries))
    asked = {name: getattr(arguments, name) for name in ("host", "images", "draws", "remedy", "library", "batch", "target")}
    rows = _kept(arguments.out, asked)
    with Revealer() as revealer:
        measuring = Measuring(host, inputs, labels, environments, target, revealer, arguments)
        for kind in arguments.kind.split(","):
            if kind in rows:
                continue
            try:
                rows[kind] = measuring.row(kind)
            except InputError as error:
                print(f"{kind}: left out, {error}", file=sys.stderr)
                continue
            print(" | ".join(_cells(rows[kind], arguments.remedy.split(","))), file=sys.stderr)
            _write(arguments, asked, said, rows)
    print(_write(arguments, asked, said, rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.defences", description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="small", help=f"small, {', '.join(NETWORKS)}")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--kind", default=",".join([*PUBLISHED, *OURS]))
    parser.add_argument("--remedy", default=",".join(DEFAULT))
    parser.add_argument("--library", default="torch,numpy,onnxruntime")
    parser.add_argument("--batch", default="1,10")
    parser.add_argument("--target", default="torch:batch=1", help="where fpsynth's own are to fire")
    parser.add_argument("--timeout", type=float, default=120.0, help="for the search of each of fpsynth's own")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def _host(arguments: argparse.Namespace) -> tuple[Network, Floats, Any]:
    if arguments.host == "small":
        host, inputs, labels = small_host()
        return host, inputs[: arguments.images], labels[: arguments.images]
    points, labels = given_images(arguments.data, arguments.images)
    return NETWORKS[arguments.host](arguments.data), points, labels


def _kept(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Rows of an earlier run that asked the same."""
    try:
        kept = json.loads((folder / "defences.json").read_text())
    except (OSError, ValueError):
        return {}
    return {row["kind"]: row for row in kept["rows"]} if kept.get("asked") == asked else {}


def _write(arguments: argparse.Namespace, asked: dict[str, Any], said: dict[str, Any], rows: dict[str, Any]) -> str:
    """The table, which is kept with the rows."""
    names = arguments.remedy.split(",")
    header = ["kind", "fires in", *names, "largest", "cancelling"]
    table = aligned([header, *(_cells(rows[kind], names) for kind in rows)])
    host = next((row["host_largest"] for row in rows.values()), 0.0)
    notes = [
        f"host {asked['host']}, {asked['images']} images, {asked['draws']} draws of each random remedy; right is the host in"
        f" float64; its largest weight is {host:.4g}",
        "fires in: environments in which most images are wrong; cancelling: neurons that the lint for exact cancellation names",
        f"environments: {asked['library']} at batch {asked['batch']}; target of fpsynth's own: {asked['target']}",
        *_not_run(rows, names),
        "off: no environment is wrong any more; ON: all are; moves: some that were right are; leaves, weakens: as they say;"
        " -: none was or is wrong; of draws that differ with their numbers",
    ]
    text = "\n".join([*table, "", *notes, machine(said)]) + "\n"
    keep(arguments.out, "defences", {"conditions": said, "asked": asked, "rows": list(rows.values())}, text)
    return text


def _not_run(rows: dict[str, Any], names: list[str]) -> list[str]:
    """A line for each remedy that some environment does not run."""
    lines = []
    for name in names:
        draws = [draw for row in rows.values() for draw in row["remedies"][name]["draws"]]
        absent = {one["name"] for draw in draws for one in draw["environments"] if one["not_run"]}
        if absent:
            lines.append(f"{name} is not run by {', '.join(sorted(absent))}")
    return lines


def _cells(row: dict[str, Any], names: list[str]) -> list[str]:
    fires = [name.replace(":batch=", " ") for name, wrong in row["wrong"].items() if wrong > row["images"] / 2]
    verdicts = [_short(row["remedies"][name]) for name in names]
    return [row["kind"], ", ".join(fires) or "none", *verdicts, f"{row['largest']:.4g}", str(row["cancelling"])]


_SHORT = {
    "silences": "off",
    "switches on everywhere": "ON",
    "leaves": "leaves",
    "moves": "moves",
    "weakens": "weakens",
    "nothing to stop": "-",
    "not run": "not run",
}


def _short(tried: dict[str, Any]) -> str:
    """The verdict in a table, with numbers of draws where they do not agree."""
    counts = tried["verdicts"]
    if len(counts) < 2:
        return _SHORT[next(iter(counts), "not run")]
    return " ".join(f"{short} {counts[verdict]}" for verdict, short in _SHORT.items() if verdict in counts)


if __name__ == "__main__":
    main()
