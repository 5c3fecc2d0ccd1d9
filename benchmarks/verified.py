"""How many images each verifier verifies on real networks, over the reals, as unsound tools compute, and practically sound.

python -m benchmarks.verified [--images N] [--limit SECONDS] [--network NAMES] [--verifier NAMES] [--arithmetic NAMES]
                              [--data FOLDER] [--work FILE] [--out FOLDER]

prints a table and writes verified.json and verified.txt, with all rows that the file --work holds: what is done stands there,
so that the same command goes on after whatever has ended it, and another one adds to it.  The first images of MNIST's test set,
at the radii of the networks' authors; each image has so many seconds.  An image counts as verified where its predicted class is
kept in all of the region.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, Kept, aligned, conditions, keep, machine
from benchmarks.given_networks import DATA, NETWORKS, images
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Network
from fpsynth.networks.rewrites import fold_batch_normalisation
from fpsynth.synthesis.verifying.asked import around_image
from fpsynth.synthesis.verifying.reasoning import Reasoned, reasoned
from fpsynth.synthesis.verifying.run import made
from fpsynth.verifiers.properties import one_class

RADII = {
    "wk17a_mnist": ("linf", "0.1"),
    "relu_stable_mnist": ("linf", "0.1"),
    "gloro_mnist_8x128": ("l2", "0.3"),
    "trained_cnn": ("linf", "0.01"),
}
VERIFIERS = ("ibp", "zonotope", "crown", "alpha-crown", "bab", "milp", "lipschitz")
ARITHMETICS = ("real", "float32", "sound:any")
VECTORS = 1000
"""On which an environment's own order is held against it."""


def main() -> None:
    """Verify, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verified", description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each image")
    parser.add_argument("--network", default=",".join(NETWORKS))
    parser.add_argument("--verifier", default=",".join(VERIFIERS))
    parser.add_argument("--arithmetic", default=",".join(ARITHMETICS))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--work", type=Path, default=Path("verified.jsonl"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    said = conditions(("numpy", "scipy", "highspy"))
    kept = Kept(arguments.work)
    for name in arguments.network.split(","):
        try:
            network = fold_batch_normalisation(NETWORKS[name](arguments.data), FLOAT32)
            points, _ = images(arguments.data, arguments.images)
        except (InputError, MissingPackageError) as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
            continue
        for arithmetic in arguments.arithmetic.split(","):
            wanted = [one for one in arguments.verifier.split(",") if asked_for(one, name, arithmetic)]
            what = cache(partial(reasoned, arithmetic, network, FLOAT32, VECTORS, 0))
            for verifier in wanted:
                key = f"{name} {verifier} {arithmetic} {arguments.images} {arguments.limit:g}"
                make = partial(measured, name, verifier, arithmetic, what, points, limit=arguments.limit)
                print(" ".join(row_text(kept.get(key, make))), file=sys.stderr)
    rows = sorted(kept.rows.values(), key=place)
    header = [
        "network",
        "region",
        "arithmetic",
        "verifier",
        "verified",
        "refuted",
        "unknown",
        "s per image",
        "at most",
        "limit s",
    ]
    text = "\n".join([*aligned([header, *map(row_text, rows)]), "", machine(said)]) + "\n"
    print(text)
    keep(arguments.out, "verified", {"conditions": said, "rows": rows}, text)


def measured(
    name: str, verifier: str, arithmetic: str, known: Callable[[], Reasoned], points: Any, *, limit: float
) -> dict[str, Any]:
    """The verdicts on all images, and how long each took."""
    what = known()
    norm, radius = RADII[name]
    verdicts, seconds = [], []
    for point in points:
        label = predicted(what.network, point)
        region, _ = around_image(point.tolist(), Fraction(radius), norm, what.reasoning.deployed)
        unsafe = one_class(label, int(np.prod(what.network.output_shape)))
        started = time.perf_counter()
        claim = made(verifier, what).verify(what.network, region, unsafe, budget=limit)
        seconds.append(time.perf_counter() - started)
        verdicts.append(claim.verdict)
    return {
        "network": name,
        "norm": norm,
        "radius": radius,
        "arithmetic": arithmetic,
        "verifier": verifier,
        "images": len(points),
        "limit": limit,
        "verdicts": verdicts,
        "seconds": seconds,
    }


def asked_for(verifier: str, name: str, arithmetic: str) -> bool:
    """Whether a verifier has anything to say there: Lipschitz bounds are of balls, and of real numbers."""
    return verifier != "lipschitz" or (RADII[name][0] == "l2" and arithmetic == "real")


def predicted(network: Network, point: Any) -> int:
    """The class that numpy computes in float64."""
    return int(np.argmax(numpy_outputs(network, point.reshape(1, *network.input_shape)).reshape(-1)))


def row_text(row: dict[str, Any]) -> list[str]:
    """A row of the table."""
    counts = [str(row["verdicts"].count(verdict)) for verdict in ("unsat", "sat", "unknown")]
    median, most = statistics.median(row["seconds"]), max(row["seconds"])
    counts[0] += f"/{row['images']}"
    return [
        row["network"],
        f"{row['norm']} {row['radius']}",
        row["arithmetic"],
        row["verifier"],
        *counts,
        f"{median:.3g}",
        f"{most:.3g}",
        f"{row['limit']:g}",
    ]


def place(row: dict[str, Any]) -> tuple[int, int, str, int]:
    """Where a row stands in the table: by network, then arithmetic, then verifier."""
    name, arithmetic = row["network"], row["arithmetic"]
    order = (*ARITHMETICS, arithmetic).index(arithmetic)
    return list(RADII).index(name), order, arithmetic, VERIFIERS.index(row["verifier"])


if __name__ == "__main__":
    main()
