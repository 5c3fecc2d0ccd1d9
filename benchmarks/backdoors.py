"""Backdoors of a real network: every ordered pair of its deployments here, each deployment alone, and every kind of backdoor.

python -m benchmarks.backdoors [--images N] [--network NAME] [--batch SIZES] [--threads NUMBERS] [--kinds-only] [--kind K]
                               [--seed S] [--targets-only] [--data FOLDER] [--work FILE] [--out FOLDER]

prints tables and writes backdoors.json and backdoors.txt; of formats and variables as targets alone backdoor_targets.json and
backdoor_targets.txt.  Deployments are told apart by what 4 sets of detectors give in each
row of a batch at the final shape; a pair is one target and one silent environment, each of one class.  What is
in FILE already is not made again.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, Kept, aligned, conditions, keep, machine
from benchmarks.given_networks import DATA, NETWORKS, images
from fpsynth.backdoors.answer import Backdoor
from fpsynth.backdoors.judging import judged, shown
from fpsynth.backdoors.search import backdoor
from fpsynth.backdoors.seeking import Goal
from fpsynth.backdoors.workshop import HOST, MakerSettings, Workshop
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.naming import parse_formatted_environment, parse_network_environment
from fpsynth.libraries.registry import NAMES, library_named
from fpsynth.networks.network import Network
from fpsynth.revealing.revealer import Revealer

_SETS = 4
Place = tuple[Environment, int]
"""An environment, and a row of its batches."""

KINDS: dict[str, tuple[MakerSettings, str]] = {
    "constants, shift": (MakerSettings(), "shift"),
    "small weights": (MakerSettings(limit=HOST), "any"),
    "small weights, copies": (MakerSettings(limit=HOST, copies=True), "any"),
    "pixel pattern": (MakerSettings(trigger="pixel"), "shift"),
    "pixel pattern, small weights": (MakerSettings(trigger="pixel", limit=HOST), "any"),
    "box": (MakerSettings(trigger="box"), "shift"),
    "natural feature": (MakerSettings(trigger="natural"), "shift"),
    "in place, dead on images": (MakerSettings(inplace="images"), "any"),
    "in place, dead on images, pixel patterns": (MakerSettings(trigger="pixel", inplace="images"), "any"),
    "in place, proved to be dead": (MakerSettings(inplace="proved"), "any"),
    "survives changes of 1e-6": (MakerSettings(survive=1e-6), "shift"),
    "survives changes of 1e-5": (MakerSettings(survive=1e-5), "shift"),
    "stored in float16": (MakerSettings(storage=FLOAT16), "shift"),
    "stored in float16, pixel pattern": (MakerSettings(trigger="pixel", storage=FLOAT16), "shift"),
    "natural feature, small weights, copies": (MakerSettings(trigger="natural", limit=HOST, copies=True), "any"),
}
"""How backdoors are made, and what they do, by what is told of them."""

TARGETS: dict[str, tuple[str, str]] = {
    "float32, not float64": ("torch:batch=1", "torch:batch=1,dtype=float64"),
    "float64, not float32": ("torch:batch=1,dtype=float64", "torch:batch=1"),
    "bfloat16, not float32": ("torch:batch=1,dtype=bfloat16", "torch:batch=1"),
    "float32, not bfloat16": ("torch:batch=1", "torch:batch=1,dtype=bfloat16"),
    "float16, not float32": ("torch:batch=1,dtype=float16", "torch:batch=1"),
    "float32, not float16": ("torch:batch=1", "torch:batch=1,dtype=float16"),
    "MKL_CBWR": ("torch:batch=1,MKL_CBWR=COMPATIBLE", "torch:batch=1"),
    "MKL_CBWR unset": ("torch:batch=1", "torch:batch=1,MKL_CBWR=COMPATIBLE"),
    "MKL_ENABLE_INSTRUCTIONS": ("torch:batch=10,MKL_ENABLE_INSTRUCTIONS=AVX2", "torch:batch=10"),
    "ATEN_CPU_CAPABILITY": ("torch:batch=1,ATEN_CPU_CAPABILITY=default", "torch:batch=1"),
    "ONEDNN_MAX_CPU_ISA, torch": ("torch:batch=10,ONEDNN_MAX_CPU_ISA=AVX2", "torch:batch=10"),
    "ONEDNN_MAX_CPU_ISA, tensorflow": ("tensorflow:batch=10,ONEDNN_MAX_CPU_ISA=AVX2", "tensorflow:batch=10"),
    "TF_ENABLE_ONEDNN_OPTS": ("tensorflow:batch=1,TF_ENABLE_ONEDNN_OPTS=0", "tensorflow:batch=1"),
    "OPENBLAS_CORETYPE": ("numpy:batch=1,OPENBLAS_CORETYPE=Nehalem", "numpy:batch=1"),
    "OPENBLAS_CORETYPE, batch 10": ("numpy:batch=10,OPENBLAS_CORETYPE=Haswell", "numpy:batch=10"),
    "NPY_DISABLE_CPU_FEATURES": ("numpy:batch=1,NPY_DISABLE_CPU_FEATURES=AVX2", "numpy:batch=1"),
    "XLA_FLAGS": ("jax:batch=10,XLA_FLAGS=--xla_cpu_max_isa=AVX2", "jax:batch=10"),
}
"""Formats and variables as targets: where it is to misbehave, and where it must not."""
_IN_FLOAT16 = 256.0
"""The largest weight of what runs in float16, which has no numbers for what else a switch needs."""


def main() -> None:
    """Make, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backdoors", description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--network", default="wk17a_mnist")
    parser.add_argument("--batch", default="1,10,64")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--kinds-only", action="store_true")
    parser.add_argument("--targets-only", action="store_true", help="formats and variables, and nothing else")
    parser.add_argument("--kind", default="", help="only kinds whose name has this in it")
    parser.add_argument("--verify", type=int, default=4, help="images that verifiers are shown of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for each search")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--work", type=Path, default=Path("backdoors.jsonl"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    said = parser.parse_args()
    try:
        host = NETWORKS[said.network](said.data)
        points, labels = images(said.data, said.images)
    except InputError as error:
        sys.exit(f"{error}")
    about = conditions(("numpy", "torch", "tensorflow", "onnxruntime", "jax"))
    with Revealer() as revealer:
        shop = Workshop(host, points, labels, FLOAT32, revealer, MakerSettings(seed=said.seed), progress)
        if said.targets_only:
            targets = target_rows(shop, Kept(said.work), said)
            text = target_report(targets, machine(about))
            print(text)
            about_all = {"conditions": about, "network": said.network, "images": said.images}
            keep(said.out, "backdoor_targets", {**about_all, "targets": targets}, text)
            return
        listed = environments(said.batch, said.threads)
        classes = classes_of(shop, listed)
        kept = Kept(said.work)
        pairs = [] if said.kinds_only else pair_rows(shop, classes, kept, said.timeout)
        alone = [] if said.kinds_only else alone_rows(shop, classes, kept, said.timeout)
        kinds = kind_rows(shop, classes, kept, said)
    text = report(classes, pairs, alone, kinds, machine(about))
    print(text)
    rows = {
        "classes": [[name(place) for place in one] for one in classes],
        "pairs": pairs,
        "alone": alone,
        "kinds": kinds,
    }
    keep(said.out, "backdoors", {"conditions": about, "network": said.network, "images": said.images, **rows}, text)


def progress(text: str) -> None:
    """On standard error, over the line before."""
    print(f"\r\x1b[K{text[:100]}", end="", file=sys.stderr)


def environments(batches: str, threads: str) -> list[Environment]:
    """Every library that is installed, at these batch sizes and numbers of threads, where it can be told a number."""
    found = []
    for library, batch in itertools.product(NAMES, batches.split(",")):
        if library_named(library).version() is None:
            continue
        for count in threads.split(",") if library in ("torch", "onnxruntime") else [""]:
            where = parse_network_environment(f"{library}:batch={batch}" + (f",threads={count}" if count else ""))
            found.append(where)
    return found


def classes_of(shop: Workshop, listed: list[Environment]) -> list[list[Place]]:
    """Environments and rows whose sums are equal for all detectors of the first form, those of most members first."""
    form = next(shop.forms(1, None))
    table = shop.table(form, None)
    found: dict[bytes, list[Place]] = {}
    for where in listed:
        progress(f"probing {where}")
        try:
            sums = np.concatenate([table.results(number, where) for number in range(_SETS)], axis=1)
        except InputError as error:
            print(f"\nleft out: {error}", file=sys.stderr)
            continue
        for row, numbers in enumerate(sums):
            found.setdefault(numbers.tobytes(), []).append((where, row))
    return sorted(found.values(), key=len, reverse=True)


def whole(members: list[Place]) -> Environment | None:
    """An environment of a class of which all rows are in it; the smallest batch."""
    counts: dict[Environment, int] = {}
    for where, _ in members:
        counts[where] = counts.get(where, 0) + 1
    fitting = [where for where, count in counts.items() if count == where.batch]
    return min(fitting, key=lambda where: where.batch) if fitting else None


def name(place: Place) -> str:
    """An environment with its row."""
    where, row = place
    return str(replace(where, row=row))


def made(shop: Workshop, goal: Goal) -> tuple[dict[str, Any], Backdoor]:
    """One backdoor as a row."""
    started = time.monotonic()
    found = backdoor(shop, goal)
    data = found.to_json()
    names = (
        "verdict",
        "reason",
        "target",
        "alike",
        "environments",
        "detectors",
        "probes",
        "largest_weight",
        "seconds",
        "survival",
        "storage",
    )
    return {**{key: data[key] for key in names}, "wall": time.monotonic() - started}, found


def goal_of(members: list[Place], silent: tuple[Environment, ...], timeout: float) -> Goal:
    """A target in a class: all rows of an environment, or one row where no environment lies in it whole."""
    where = whole(members)
    if where is not None:
        return Goal(where, silent, timeout=timeout)
    where, row = members[0]
    return Goal(where, silent, strict=False, row=row, timeout=timeout)


def pair_rows(shop: Workshop, classes: list[list[Place]], kept: Kept, timeout: float) -> list[dict[str, Any]]:
    """Every ordered pair of classes of which the second holds a whole environment."""
    rows = []
    for a, b in itertools.permutations(classes, 2):
        silent = whole(b)
        if silent is None:
            continue
        goal = goal_of(a, (silent,), timeout)
        key = f"pair {name((goal.target, goal.row or 0))} not {silent}"
        rows.append(kept.get(key, lambda goal=goal: made(shop, goal)[0]))
        print(f"\n{key}: {rows[-1]['verdict']} {rows[-1]['seconds']:.1f} s", file=sys.stderr)
    return rows


def alone_rows(shop: Workshop, classes: list[list[Place]], kept: Kept, timeout: float) -> list[dict[str, Any]]:
    """Each class alone: silent in a whole environment of every other one."""
    rows = []
    for members in classes:
        others = (whole(other) for other in classes if other is not members)
        goal = goal_of(members, tuple(where for where in others if where is not None), timeout)
        key = f"only in {name((goal.target, goal.row or 0))}"
        rows.append(kept.get(key, lambda goal=goal: made(shop, goal)[0]))
        print(f"\n{key}: {rows[-1]['verdict']} {rows[-1]['seconds']:.1f} s {rows[-1]['reason']}", file=sys.stderr)
    return rows


def kind_rows(shop: Workshop, classes: list[list[Place]], kept: Kept, said: Any) -> list[dict[str, Any]]:
    """Every kind, for the first class that holds torch at batch 1, or an order that is a chain; silent in the others."""
    rows = []
    for kind, (settings, behaviour) in KINDS.items():
        if said.kind not in kind:
            continue
        usual = ("torch", 1) if settings.survive is None else ("tensorflow", 1)
        members = next((c for c in classes if any((where.library, where.batch) == usual for where, _ in c)), classes[0])
        others = (whole(other) for other in classes if other is not members)
        silent = tuple(where for where in others if where is not None)
        own = Workshop(
            shop.given, shop.inputs, shop.labels, FLOAT32, shop.revealer, replace(settings, seed=said.seed), progress
        )
        # where nothing tells an environment from the target at the shape of a kind, that is said of it
        goal = replace(goal_of(members, silent, said.timeout), behaviour=behaviour, strict=False)

        def make(own: Workshop = own, goal: Goal = goal) -> dict[str, Any]:
            row, found = made(own, goal)
            return {**row, "verifiers": [] if found.network is None else seen(own, found.network, said.verify)}

        rows.append({"kind": kind, **kept.get(f"kind {kind}", make)})
        print(f"\n{kind}: {rows[-1]['verdict']} {rows[-1]['reason']}", file=sys.stderr)
    return rows


def target_rows(shop: Workshop, kept: Kept, said: Any) -> list[dict[str, Any]]:
    """Formats and variables, where the library is installed: those whose sums are equal here are said to be."""
    rows = []
    for kind, (target, silent) in TARGETS.items():
        if library_named(target.partition(":")[0]).version() is None:
            continue
        where, other = (parse_formatted_environment(text, FLOAT32) for text in (target, silent))
        narrow = "float16" in (where.dtype, other.dtype)
        settings = MakerSettings(seed=said.seed, limit=_IN_FLOAT16 if narrow else None)
        own = Workshop(shop.given, shop.inputs, shop.labels, FLOAT32, shop.revealer, settings, progress)
        goal = Goal(where, (other,), behaviour="any" if narrow else "shift", timeout=said.timeout)

        def make(own: Workshop = own, goal: Goal = goal) -> dict[str, Any]:
            if not goal.target.dtype and not goal.silent[0].dtype and equal(own, goal):
                return {
                    "verdict": "equal",
                    "reason": f"all of {_SETS} sets of detectors give the same",
                    "target": str(goal.target),
                }
            row, found = made(own, goal)
            return {**row, "verifiers": [] if found.network is None else seen(own, found.network, said.verify)}

        rows.append({"kind": kind, "not": silent, **kept.get(f"target {kind}", make)})
        print(f"\n{kind}: {rows[-1]['verdict']} {rows[-1]['reason']}", file=sys.stderr)
    return rows


def equal(shop: Workshop, goal: Goal) -> bool:
    """Whether detectors of the first form give the same numbers in the target and in the silent environment."""
    table = shop.table(next(shop.forms(1, None)), None)
    return all((table.results(k, goal.target) == table.results(k, goal.silent[0])).all() for k in range(_SETS))


def seen(shop: Workshop, network: Network, count: int) -> list[dict[str, Any]]:
    """What verifiers say of images without the trigger, and of those with it."""
    return [
        one.to_json()
        for points, fires in shown(shop, count)
        for one in judged(shop.host, network, points, Fraction("0.1"), FLOAT32, progress, fires, shop.settings.copies)
    ]


def share(count: float | None) -> str:
    """A part of 1 in per cent."""
    return "-" if count is None else f"{100 * count:.2f}"


def report(classes: list[list[Place]], pairs: list[Any], alone: list[Any], kinds: list[Any], about: str) -> str:
    """The tables."""
    lines = [f"{len(classes)} classes of environments and rows:"]
    lines += [f"  {number}. {', '.join(members(one))}" for number, one in enumerate(classes, 1)]
    for title, rows in (("ordered pairs of classes", pairs), ("alone: silent in every other class", alone)):
        if rows:
            found = [row for row in rows if row["verdict"] == "found"]
            seconds = [row["seconds"] for row in found] or [0.0]
            lines += ["", f"{title}: {len(found)} of {len(rows)} found; seconds to find and embed: first {seconds[0]:.1f},"]
            lines[-1] += f" median {statistics.median(seconds):.1f}, most {max(seconds):.1f}"
            lines += [f"  not found: {row['key']}: {row['reason']}" for row in rows if row["verdict"] != "found"]
            lines += aligned(
                [["target", "host %", "there %", "elsewhere %", "changed elsewhere", "detectors"], *map(row_text, found)]
            )
    lines += [
        "",
        *aligned(
            [["kind", "verdict", "host %", "clean %", "triggered %", "elsewhere %", "largest", "verifiers fooled"]]
            + [kind_text(row) for row in kinds]
        ),
    ]
    return "\n".join([*lines, "", about]) + "\n"


def target_report(targets: list[Any], about: str) -> str:
    """The table of formats and variables."""
    header = ["kind", "verdict", "host %", "clean %", "triggered %", "elsewhere %", "largest", "target", "silent"]
    rows = [[*kind_text(row)[:7], row["target"], row["not"]] for row in targets]
    fooled = {name for row in targets for name in (kind_text(row)[7].split(", ") if row["verdict"] == "found" else ())}
    lines = [
        "Formats and variables as targets, silent in the other environment.  What runs in another format is the network",
        "rounded into it, and what counts is what the host, rounded likewise, does there; equal: all detectors that were",
        "tried give the same numbers in both on this machine.",
        "",
        *aligned([header, *rows]),
        "",
        f"verifiers that certify some of them as they do the host: {', '.join(sorted(fooled - {''}))}",
    ]
    return "\n".join([*lines, "", about]) + "\n"


def members(one: list[Place]) -> list[str]:
    """Environments of a class, with their rows where not all are in it."""
    rows: dict[Environment, list[int]] = {}
    for where, row in one:
        rows.setdefault(where, []).append(row)
    return [str(w) if len(r) == w.batch else f"{w} (rows {', '.join(map(str, r))})" for w, r in rows.items()]


def row_text(row: dict[str, Any]) -> list[str]:
    """A row of the table of pairs."""
    target, *others = row["environments"]
    silent = [one for one in others if one["role"] == "silent"]
    return [
        row["key"],
        share(target["host_accuracy"]),
        share(target["accuracy"]),
        share(min((one["accuracy"] for one in silent), default=None)),
        str(max((one["changed"] for one in silent), default=0)),
        str(len(row["detectors"]["rows"])),
    ]


def kind_text(row: dict[str, Any]) -> list[str]:
    """A row of the table of kinds."""
    if row["verdict"] != "found":
        return [row["kind"], row["verdict"], *["-"] * 5, row["reason"]]
    target, *others = row["environments"]
    silent = [one for one in others if one["role"] == "silent"]
    fooled = [one["name"] for one in row["verifiers"] if one["triggered"] and one["verdict"] == "as the host"]
    return [
        row["kind"],
        row["verdict"],
        share(target["host_accuracy"]),
        share(target["accuracy"]),
        share(target["triggered_accuracy"]),
        share(min((one["triggered_accuracy"] for one in silent if one["triggered_accuracy"] is not None), default=None)),
        f"{row['largest_weight']:.6g}",
        ", ".join(fooled),
    ]


if __name__ == "__main__":
    main()
