"""Writes murray_tie.json, the solution printed in Murray, "Breaking a Verified Certifier", as a witness file.

python -m benchmarks.published.murray_tie
"""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from fpsynth.evaluators.networks import network_logits
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.ties.certification import claims
from fpsynth.verifiers.radii import lipschitz_ratio, nearest_sqrt, squared_distance
from fpsynth.version import __version__
from fpsynth.witness import Point, Provenance, Witness, save, tie_views
from fpsynth.witness.prediction import with_prediction

PATH = Path(__file__).with_suffix(".json")
WEIGHTS = ((0.9890594482421875,), (0.989059507846832275390625,))
CERTIFIED = (0.19721232354640960693359375,)
COUNTEREXAMPLE = (0.157976210117340087890625,)
RADIUS = Fraction("0.2471875")
"""The radius that the certifier was shown to accept: 6.3 times the distance of the points."""
NOTES = (
    'weights, inputs and radius as printed in Murray, "Breaking a Verified Certifier", where Z3 found them',
    "distance, ratio and certificates computed by fpsynth",
)


def witness() -> Witness:
    """Return the published solution with the claims of fpsynth's certifiers about it."""
    network, deployment = dense_relu((Dense(WEIGHTS),)), Deployment(Arithmetic(FLOAT32))
    logits = network_logits(network, CERTIFIED, FLOAT32, deployment)
    squared = squared_distance(CERTIFIED, COUNTEREXAMPLE)
    said = claims(network, CERTIFIED, logits, squared, FLOAT32, "lipschitz-exact", RADIUS)
    if said.rejection:
        raise AssertionError(f"the published solution is no witness: {said.rejection}")
    points = Point("certified", CERTIFIED), Point("counterexample", COUNTEREXAMPLE)
    sides = zip(tie_views(deployment), points, strict=True)
    views = tuple(with_prediction(network, point.numbers, view) for view, point in sides)
    predicate = Predicate("argmax")
    return Witness(
        question="tie",
        format=FLOAT32,
        network=network,
        points=points,
        predicate=predicate,
        views=views,
        claims=(said.claim, *said.others),
        control=said.sound,
        measure=predicate.measure(views[0].logits, views[1].logits),
        objective="ratio",
        distance=nearest_sqrt(squared),
        ratio=lipschitz_ratio(network, logits, squared, said.claim.reach)[0],
        provenance=Provenance(
            engine="published",
            encoding="",
            seed=0,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions={"fpsynth": __version__, "python": platform.python_version()},
            seconds_solve=0.0,
            seconds_total=0.0,
            notes=NOTES,
        ),
    )


if __name__ == "__main__":
    save(witness(), PATH)
    print(PATH.name)
