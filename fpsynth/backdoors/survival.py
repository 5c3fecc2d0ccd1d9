"""Does a backdoor survive random relative changes of all weights?  Each draw is run in the libraries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fpsynth.backdoors.answer import Measured, Survival
from fpsynth.backdoors.measuring import HostRuns, RunPlace, close_to
from fpsynth.backdoors.remedies import noisy
from fpsynth.backdoors.switching import Behaviour
from fpsynth.networks.network import Network
from fpsynth.wording import counted

DRAWS, MOST_IMAGES = 5, 200
"""How often weights are changed, and how many images are run each time: more only where batches or a late trigger need it."""
SPARED = 100
"""Of so many images one may keep its class in the target: changes of weights move what lies between two classes."""


def survival(
    bench: HostRuns, network: Network, places: Sequence[RunPlace], behaviour: Behaviour, relative: float, seed: int
) -> Survival:
    """Change all weights and biases by up to ``relative``, ``DRAWS`` times, and run each network in all places.

    The target is the first of ``places``.
    """
    least = max(MOST_IMAGES, _showing(bench, places[0], behaviour))
    count, lost = max(bench.fewest(place.where, least) for place in places), []
    for draw in range(DRAWS):
        changed = noisy(network, bench.dtype, relative, np.random.default_rng([seed, draw]))
        bench.progress(f"running {counted(count, 'image')} with changed weights: draw {draw + 1} of {DRAWS}")
        found = (bench.measured(changed, place, behaviour, count) for place in places)
        lost += [reason for reason in [next(otherwise(found, bool(bench.trigger.units)), "")] if reason]
    triggered = int(bench.triggered(places[0], count).sum())
    return Survival(relative, DRAWS, DRAWS - len(lost), count, triggered, tuple(lost))


def _showing(bench: HostRuns, target: RunPlace, behaviour: Behaviour) -> int:
    """How many images must be run so that one of them can show the backdoor; 0 where none can."""
    count = len(bench.images)
    host = bench.of_host(target.where, count, bool(bench.trigger.paint))
    wanted = behaviour.classes(host.argmax(axis=1), host.shape[1])
    shows = bench.triggered(target, count) & (wanted != host.argmax(axis=1)) & ~close_to(host, wanted)
    return 1 + int(shows.argmax()) if shows.any() else 0


def otherwise(found: Iterator[Measured], bound: bool) -> Iterator[str]:
    """What is not as it was, place by place."""
    for one in found:
        if one.role == "target":
            yield from _in_target(one)
        if one.role == "silent" and one.triggered_moved:
            yield f"in {one.name} {one.triggered_moved} of {one.triggered} images with the trigger change their class"
        if (one.role == "silent" or (one.role == "target" and bound)) and one.moved:
            yield f"in {one.name} {one.moved} of {one.images} images change their class"


def _in_target(one: Measured) -> Iterator[str]:
    """What is lost there: a network that no image shows to be wrong is not still wrong."""
    if not one.triggered:
        yield f"in {one.name} no image that was run has the trigger"
    elif SPARED * (one.triggered - one.as_wanted) > one.triggered:
        yield f"in {one.name} {one.triggered - one.as_wanted} of {one.triggered} images do not get the class asked for"
    elif not one.triggered_moved:
        yield f"in {one.name} no image with the trigger changes its class{', but close ones' if one.triggered_changed else ''}"
