"""Twins that no arithmetic tells apart: neurons with equal weights that a kernel was seen to give other outputs.

Where a reveal does not explain everything, positions of one arithmetic may differ all the same: the kernel itself is asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.predicates import Predicate
from fpsynth.revealing.result import Reveal
from fpsynth.sums.arithmetic import REAL, Deployment
from fpsynth.synthesis.contest import Runner
from fpsynth.synthesis.domain import UNIT
from fpsynth.synthesis.grounds import Ground
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.proofs import versions_used
from fpsynth.witness.data import Provenance, View, Witness, only_point
from fpsynth.witness.prediction import with_prediction

CALLS = 960
"""Points and weights that all neurons are given alike."""
CANDIDATES = 24
"""Of those that tell neurons apart, so many are run again as a layer of their own."""

Twins = tuple[tuple[float, ...], tuple[float, ...], int, int]
"""A point, the weights, and two neurons that gave different outputs for them."""


def measured_twin(found: Reveal, row: int, options: Options, run: Runner) -> Witness | None:
    """A divergence of two neurons with equal weights, as the kernel that ``run`` runs has it; None where none was seen."""
    ground = Ground("b", found, row, tuple(range(found.kernel.outputs)))
    for point, weights, first, second in _seen(ground, options, run):
        made = _divergence(ground, point, weights, first, second, options, run)
        if made is not None:
            return made
    return None


def _seen(ground: Ground, options: Options, run: Runner) -> Iterator[Twins]:
    """Vectors in the ranges that were asked for whose results differ between neurons."""
    import numpy as np

    from fpsynth.revealing.comparing import Vectors

    weights, inputs = options.interval("weights", UNIT), options.interval("inputs", UNIT)
    ends = [(float(interval.lower), float(interval.upper)) for interval in (weights, inputs)]
    kernel, count = ground.reveal.kernel, min(options.vectors_used, CALLS)
    vectors = Vectors(kernel.dtype.name, kernel.terms, 1, count, 1, options.seed, True, *ends)
    given, tried = run(ground, vectors), 0
    for call, outputs in zip(vectors, given, strict=True):
        others = np.flatnonzero(outputs != outputs[0])
        point, row = tuple(call.rows[0].tolist()), tuple(call.weights[0].tolist())
        within = all(weights.lower <= w <= weights.upper for w in row) and all(inputs.lower <= x <= inputs.upper for x in point)
        if len(others) and within and np.isfinite(outputs).all() and tried < CANDIDATES:
            tried += 1
            yield point, row, 0, int(others[0])


def _divergence(
    ground: Ground, point: tuple[float, ...], weights: tuple[float, ...], first: int, second: int, options: Options, run: Runner
) -> Witness | None:
    """The two neurons in a layer whose others have zero weights."""
    kernel = ground.reveal.kernel
    zero = (0.0,) * len(weights)
    rows = tuple(weights if output in (first, second) else zero for output in range(kernel.outputs))
    seen = tuple(float(logit) for logit in run(ground, [(point, rows)])[0])
    if not all(map(math.isfinite, seen)) or seen[first] == seen[second]:
        return None
    network, label = dense_relu([Dense(rows)]), str(kernel.environment)
    deployed = View("b", label, "deployed", ground.reveal.deployment(ground.row), label, row=ground.row)
    try:
        believed = with_prediction(network, point, View("a", "real", "reference", Deployment(REAL)))
        predicted = with_prediction(network, point, deployed)
    except InputError:
        return None
    logits, predicate = tuple(map(Fraction, seen)), Predicate("equal", first, second)
    if predicted.logits != logits:
        predicted = replace(deployed, logits=logits, measured=True)
    return Witness(
        question="twin",
        format=kernel.dtype,
        network=network,
        points=only_point(point),
        predicate=predicate,
        views=(believed, predicted),
        real=exact_logits(network, point),
        measure=predicate.measure(believed.logits, logits),
        provenance=Provenance(
            engine="comparison",
            encoding="hostile vectors, alike for all neurons",
            seed=options.seed,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=versions_used(),
            seconds_solve=0.0,
            seconds_total=0.0,
            notes=(f"what {label} gives was measured: the arithmetics revealed for it give something else here",)
            if predicted.measured
            else (),
        ),
    )
