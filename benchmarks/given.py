"""Real networks that are given: inputs that two environments put into different classes, and ties that a certificate contains.

python -m benchmarks.given [--seeds N] [--limit SECONDS] [--network NAMES] [--data FOLDER] [--out FOLDER]

prints tables and writes given.json and given.txt.  Each environment is revealed once; the searches, from the first 500 test
images, are timed by seed.  Every witness is computed again by the exact interpreter, and run in the libraries.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, aligned, conditions, keep, machine, shown, spread
from benchmarks.given_networks import DATA, NETWORKS, images
from fpsynth.confirmation import replay
from fpsynth.errors import InputError
from fpsynth.evaluators.rounded import rounded_network
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Network
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.given.order import GivenOrder
from fpsynth.synthesis.given.order import searched as order_searched
from fpsynth.synthesis.given.tie import GivenTie
from fpsynth.synthesis.given.tie import searched as tie_searched
from fpsynth.synthesis.given.views import Given, GivenView, given_view
from fpsynth.synthesis.settings import Clock
from fpsynth.synthesis.ties.certification import Prepared
from fpsynth.witness import Witness

IMAGES = 500
PAIRS = (
    ("torch:batch=1", "onnxruntime:batch=1"),
    ("torch:batch=1", "torch:batch=64"),
    ("real", "torch:batch=1"),
    ("torch:batch=1", "tensorflow:function:batch=1"),
)
"""Environments, or exact arithmetic, that are to disagree."""
TIE_IN = "torch:batch=1"
CERTIFIER = "lipschitz"


@dataclass(frozen=True)
class Searches:
    """A network, its views by what they are called, and the seeds."""

    name: str
    network: Network
    given: Given
    views: dict[str, GivenView]
    seeds: range
    limit: float


def main() -> None:
    """Search all networks, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.given", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each search")
    parser.add_argument("--network", default=",".join(NETWORKS))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    said = conditions(("numpy", "numba", "torch", "onnxruntime", "tensorflow", "python-flint"))
    rows: list[dict[str, Any]] = []
    for name in arguments.network.split(","):
        try:
            rows += searches_of(name, arguments.data, range(arguments.seeds), arguments.limit)
        except InputError as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
    text = "\n".join([*_order_table(rows), "", *_tie_table(rows), "", machine(said)]) + "\n"
    print(text)
    keep(arguments.out, "given", {"conditions": said, "searches": rows}, text)


def searches_of(name: str, data: Path, seeds: range, limit: float) -> list[dict[str, Any]]:
    """All searches of one network.  Raises InputError where it is not there."""
    read = NETWORKS[name](data)
    network, _ = rounded_network(read.logits, FLOAT32)
    points, _ = images(data, IMAGES)
    rows = []
    with Revealer() as revealer:
        given = Given(network, FLOAT32, revealer, progress=lambda text: print(f"{name}: {text}", file=sys.stderr))
        views = dict(_views(name, given))
        work = Searches(name, network, given, views, seeds, limit)
        rows += [_orders(work, a, b, points) for a, b in PAIRS if a in views and b in views]
        if TIE_IN in views and views[TIE_IN].view.network is None:
            rows.append(_ties(work, points))
    return rows


def _views(name: str, given: Given) -> Iterator[tuple[str, GivenView]]:
    """The sides that can be had of a network: of one with batch normalisations no order, and no exact arithmetic."""
    for side in dict.fromkeys(side for pair in PAIRS for side in pair):
        try:
            yield side, given_view(given, side, "a", "reference")
        except InputError as error:
            print(f"{name}: without {side}, {error}", file=sys.stderr)


def _orders(work: Searches, a: str, b: str, points: Any) -> dict[str, Any]:
    """An input that a and b put into different classes, by each seed."""
    views = [_as(work.views[a], "a", "reference"), _as(work.views[b], "b", "deployed")]
    asked = GivenOrder(work.network, FLOAT32, (a, b), points)
    runs = []
    for seed in work.seeds:
        clock = Clock(work.limit)
        found = order_searched(asked, views, replace(work.given, seed=seed), clock)
        runs.append(_run(work, f"{a} against {b}, seed {seed}", clock.spent, found.tried, found.witness))
    return {"network": work.name, "question": "order", "a": a, "b": b, **_counted(runs)}


def _ties(work: Searches, points: Any) -> dict[str, Any]:
    """A tie within the certified radius, by each seed."""
    tools, asked, runs = Prepared(work.network, FLOAT32), GivenTie(TIE_IN, points, CERTIFIER), []
    clock = Clock(work.limit)
    tools(CERTIFIER)
    prepared = clock.spent
    for seed in work.seeds:
        clock, own = Clock(work.limit), Given(work.network, FLOAT32, work.given.revealer, seed=seed)
        tried, witness, _ = tie_searched(asked, own, work.views[TIE_IN], tools, clock)
        runs.append(_run(work, f"tie in {TIE_IN}, seed {seed}", clock.spent, tried, witness))
    ratios = [run["ratio"] for run in runs if run["found"]]
    told = {"ratio": spread(ratios) if ratios else None, "seconds_prepared": prepared}
    return {"network": work.name, "question": "tie", "a": TIE_IN, "b": CERTIFIER, **_counted(runs), **told}


def _as(view: GivenView, name: str, role: str) -> GivenView:
    return replace(view, view=replace(view.view, name=name, role=role))


def _run(work: Searches, what: str, seconds: float, tried: int, witness: Witness | None) -> dict[str, Any]:
    """What one search found: checked exactly, and run in the libraries."""
    confirmed: tuple[str, ...] = ()
    if witness is not None:
        if any(not finding.holds for finding in check(witness).findings):
            raise AssertionError(f"{work.name}, {what}: a witness that does not hold")
        libraries = ["torch"] if witness.two_points else []
        confirmed = replay(witness, libraries=libraries, batches=(1,)).confirmed_by
    told = f"found, confirmed by {', '.join(confirmed) or 'none'}" if witness else "not found"
    print(f"{work.name}: {what}: {told}, {seconds:.1f} s", file=sys.stderr)
    return {
        "found": witness is not None,
        "confirmed_by": list(confirmed),
        "seconds": seconds,
        "tried": tried,
        "ratio": None if witness is None else witness.ratio,
    }


def _counted(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "runs": list(runs),
        "found": sum(run["found"] for run in runs),
        "confirmed": sum(bool(run["confirmed_by"]) for run in runs),
        "of": len(runs),
        "seconds": spread([run["seconds"] for run in runs]),
        "tried": spread([run["tried"] for run in runs]),
    }


def _order_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    heads = ["network", "believed", "departs", "found", "confirmed", "seconds", "points tried"]
    lines = [[*_of(row), shown(row["seconds"]), shown(row["tried"])] for row in rows if row["question"] == "order"]
    return ["An input that is put into another class:", *aligned([heads, *lines])]


def _tie_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    heads = ["network", "computed in", "certified by", "found", "confirmed", "seconds", "pairs asked about", "ratio"]
    lines = [
        [*_of(row), shown(row["seconds"]), shown(row["tried"]), shown(row["ratio"]) if row["ratio"] else "-"]
        for row in rows
        if row["question"] == "tie"
    ]
    return ["Two points within the certified radius, in different classes:", *aligned([heads, *lines])]


def _of(row: dict[str, Any]) -> list[str]:
    return [row["network"], row["a"], row["b"], f"{row['found']} of {row['of']}", f"{row['confirmed']} of {row['of']}"]


if __name__ == "__main__":
    main()
