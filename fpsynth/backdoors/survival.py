"""Does a backdoor survive random relative changes of all weights?  Each draw is run in the libraries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fpsynth.backdoors.answer import Measured, Survival
from fpsynth.backdoors.measuring import HostRuns, RunPlace
from fpsynth.backdoors.remedies import noisy
from fpsynth.backdoors.switching import Behaviour
from fpsynth.networks.network import Network
from fpsynth.wording import counted

DRAWS, MOST_IMAGES = 5, 200
"""How often weights are changed, and how many images are run each time."""
_SPARED = 100
"""Of so many images one may keep its class in the target: changes of weights move what lies between two classes."""


def survival(
    bench: HostRuns, network: Network, places: Sequence[RunPlace], behaviour: Behaviour, relative: float, seed: int
) -> Survival:
    """Change all weights and biases by up to ``relative``, ``DRAWS`` times, and run each network in all places."""
    count, lost = min(MOST_IMAGES, len(bench.images)), []
    for draw in range(DRAWS):
        changed = noisy(network, bench.dtype, relative, np.random.default_rng([seed, draw]))
        bench.progress(f"running {counted(count, 'image')} with changed weights: draw {draw + 1} of {DRAWS}")
        number = max(count, *(min(len(bench.images), place.where.batch) for place in places))
        found = (bench.measured(changed, place, behaviour, number) for place in places)
        lost += [reason for reason in [next(otherwise(found, bool(bench.trigger.units)), "")] if reason]
    return Survival(relative, DRAWS, DRAWS - len(lost), count, tuple(lost))


def otherwise(found: Iterator[Measured], bound: bool) -> Iterator[str]:
    """What is not as it was, place by place."""
    for one in found:
        if one.role == "target" and one.triggered - one.as_wanted > one.triggered / _SPARED:
            yield f"in {one.name} {one.triggered - one.as_wanted} of {one.triggered} images do not get the class asked for"
        if one.role == "silent" and one.triggered_changed:
            yield f"in {one.name} {one.triggered_changed} of {one.triggered} images with the trigger change their class"
        if (one.role == "silent" or (one.role == "target" and bound)) and one.changed > one.close:
            yield f"in {one.name} {one.changed - one.close} of {one.images} images change their class"
