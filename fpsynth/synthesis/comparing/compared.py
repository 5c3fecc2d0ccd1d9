"""Run a network in several environments on the same inputs, and compare what comes out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.cancelling import cancelling_at
from fpsynth.evaluators.rounding_bounds import rounding_bounds
from fpsynth.evaluators.work import array_work, batch_work, require_within
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.endings import ending_words
from fpsynth.networks.layers import BatchNormalisation
from fpsynth.networks.network import Network
from fpsynth.revealing.network_json import network_from_kept
from fpsynth.revealing.revealer import Revealer
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.classes import require_classes
from fpsynth.synthesis.comparing.comparison import EnvironmentPair, NetworkComparison, Ran
from fpsynth.synthesis.comparing.parting import partings
from fpsynth.synthesis.options import Progress
from fpsynth.wording import counted

ONE_INPUT, ALL_INPUTS = 60.0, 7200.0
"""Seconds that evaluating one input may be estimated at, and all inputs in all environments: a comparison has no time limit."""


def compare(
    network: Network,
    dtype: Format,
    inputs: Floats,
    environments: Sequence[Environment],
    *,
    labels: NDArray[np.int64] | None = None,
    vectors: int = 1000,
    seed: int = 0,
    progress: Progress = lambda text: None,
) -> NetworkComparison:
    """Run ``network`` on ``inputs`` (inputs, numbers), both rounded into ``dtype``, in every environment.

    Raises InputError for a network of one output, which has no classes, for inputs of another size than the network's, and for
    numbers of either beyond the format's range; and BeyondReachError, before anything is run, where that would take hours, or
    more memory than there is.
    """
    from fpsynth.evaluators.rounded import rounded_network, rounded_points, rounded_points_words

    require_classes(network)
    require_comparable(network, dtype, len(inputs), len(environments))
    size = int(np.prod(network.input_shape))
    if inputs.ndim != 2 or inputs.shape[1] != size or not len(inputs):
        raise InputError(f"the network has {size} inputs, but the points are of shape {inputs.shape}")
    points = rounded_points(inputs, dtype)
    network, rounded = rounded_network(network, dtype)
    normalised = any(isinstance(node.layer, BatchNormalisation) for node in network.nodes)
    shaped = points.reshape(len(points), *network.input_shape)
    free = None if normalised else rounding_bounds(network, shaped, dtype)
    ran = []
    with Revealer() as revealer:
        for number, where in enumerate(environments, 1):
            if number > 1 and where.process != environments[number - 2].process:
                revealer.close()  # one library in memory at a time
            progress(f"{where} ({number} of {len(environments)}): revealing and running")
            ran.append(_ran(revealer, network, dtype, points, where, labels, vectors, seed))
    if free is not None:
        ran = [one if one.logits is None else replace(one, exact_distance=_distance(one.logits, free)) for one in ran]
    there = [one for one in ran if one.logits is not None]
    pairs = tuple(_pair(a, b) for a, b in itertools.combinations(there, 2))
    found = NetworkComparison(
        network=network,
        dtype=dtype,
        inputs=len(points),
        environments=tuple(ran),
        pairs=pairs,
        could_change=len(points) if free is None else int(free.may_change().sum()),
        any_order=float("inf") if free is None else float(free.computed.max()),
        bounded=free is not None,
        points=points,
        rounded=rounded,
        rounded_inputs=int((inputs != points).sum()),
        notes=tuple(filter(None, (ending_words(network), rounded_points_words(inputs, points, dtype)))),
        labels=labels,
        cancellations=cancelling_at(network, shaped),
    )
    if not found.changed:
        return found
    progress("finding the layer and the neuron where environments part")
    return replace(found, partings=partings(found))


def require_comparable(network: Network, dtype: Format, inputs: int, environments: int) -> None:
    """Raise BeyondReachError where so many inputs in so many environments take far longer than anybody waits."""
    one = array_work(network, Deployment(Arithmetic(dtype)))
    require_within("evaluating the network at one input", one, ONE_INPUT, ": only a smaller network can be compared")
    what = f"evaluating the network at {counted(inputs, 'input')} in {counted(environments, 'environment')}"
    # for each environment in the arithmetic that is revealed and with bounds; and once with bounds for any order
    everything = batch_work(network, inputs).times(2 * environments + 1)
    require_within(what, everything, ALL_INPUTS, ": compare at fewer inputs, or in fewer environments (library)")


def _distance(logits: Floats, free: Any) -> float:
    """How far logits are from their exact values at most."""
    return float((np.abs(logits - free.values) + free.exact).max())


def _ran(
    revealer: Revealer,
    network: Network,
    dtype: Format,
    points: Floats,
    where: Environment,
    labels: NDArray[np.int64] | None,
    vectors: int,
    seed: int,
) -> Ran:
    try:
        answer = revealer.network(network, dtype, where, inputs=points, vectors=vectors, seed=seed)
    except InputError as error:
        return Ran(str(where), not_run=str(error))
    logits = np.asarray(answer["logits"])
    correct = None if labels is None else int((logits.argmax(axis=1) == labels).sum())
    return Ran(
        name=str(where),
        logits=logits,
        reproduced=answer["reproduced"],
        of=logits.size,
        bounds=np.asarray(answer["bounds"]),
        correct=correct,
        reveal=answer["reveal"],
        found=network_from_kept(answer["kept"], network.logits, where, dtype),
    )


def _pair(a: Ran, b: Ran) -> EnvironmentPair:
    assert a.logits is not None
    assert b.logits is not None
    changed = np.flatnonzero(a.classes != b.classes)
    with np.errstate(invalid="ignore"):
        difference = np.abs(a.logits - b.logits)
    same = a.logits == b.logits
    return EnvironmentPair(
        a.name, b.name, tuple(changed.tolist()), float(np.where(same, 0.0, difference).max()), int(same.sum())
    )
