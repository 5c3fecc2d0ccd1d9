"""What remedies do to a suspect network: what each leaves wrong in each environment, and a verdict on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Json
from fpsynth.backdoors.heuristics import ComparedLayer
from fpsynth.formats import Format
from fpsynth.networks.cancellation import Cancellation
from fpsynth.networks.network import Network

SILENCES, ON, LEAVES, MOVES, WEAKENS = "silences", "switches on everywhere", "leaves", "moves", "weakens"
NOTHING, NOT_RUN = "nothing to stop", "not run"
MEANINGS = {
    SILENCES: "no environment is wrong any more",
    ON: "every environment is wrong, also those that were right",
    LEAVES: "the environments that were wrong still are, and no others",
    MOVES: "environments are wrong that were right",
    WEAKENS: "fewer environments are wrong, or fewer images in them",
    NOTHING: "no environment was wrong before or is after",
    NOT_RUN: "it cannot be applied, or no environment that was wrong runs what it makes",
}
Masks = Mapping[str, NDArray[np.bool_]]
"""By the environment, which images get another class than they should."""


@dataclass(frozen=True)
class InEnvironment:
    """A network in one environment."""

    name: str
    not_run: str = ""
    correct: int | None = None
    """Images whose class is their label; None without labels."""
    wrong: int = 0
    """Images whose class is not that of the reference, those apart that the reference puts close to both."""
    folded: bool = False
    """Whether the library has undone a grid: activations do not lie on it."""
    seconds: float = 0.0
    """To run all images."""

    def to_json(self) -> Json:
        """As data."""
        return {
            "name": self.name,
            "not_run": self.not_run,
            "correct": self.correct,
            "wrong": self.wrong,
            "folded": self.folded,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Suspect:
    """A network as it is, or as a remedy has left it, in all environments."""

    environments: tuple[InEnvironment, ...]
    parted: int
    """Images whose class depends on the environment: that is what a backdoor shows as."""

    @property
    def ran(self) -> tuple[InEnvironment, ...]:
        """Those environments in which it ran."""
        return tuple(one for one in self.environments if not one.not_run)

    @property
    def seconds(self) -> float:
        """To run all images in all environments."""
        return sum(one.seconds for one in self.ran)

    def to_json(self) -> Json:
        """As data."""
        return {"parted": self.parted, "environments": [one.to_json() for one in self.environments]}


@dataclass(frozen=True)
class Draw:
    """One network that a remedy has made."""

    verdict: str
    """One of MEANINGS."""
    after: Suspect
    real_change: float
    """The largest change of a logit over the images, in float64: what it does to the real function."""
    computed_change: float
    """The largest change of a logit in the environments, at images that are right there before and after; NaN where none is."""
    network: Network | None = field(default=None, repr=False, compare=False)
    dtype: Format | None = None

    def to_json(self) -> Json:
        """As data."""
        computed = None if np.isnan(self.computed_change) else self.computed_change
        return {
            "verdict": self.verdict,
            **self.after.to_json(),
            "real_change": self.real_change,
            "computed_change": computed,
            "parameters": None if self.network is None else self.network.parameter_count,
        }


@dataclass(frozen=True)
class Tried:
    """A remedy, and what came of it."""

    name: str
    about: str
    draws: tuple[Draw, ...]
    reason: str = ""
    """Why it was not applied."""
    cost: float | None = None
    """Seconds that the networks that it makes take, in those of the suspect in the same environments."""

    @property
    def counts(self) -> dict[str, int]:
        """How many draws have each verdict, the commonest first."""
        return dict(Counter(one.verdict for one in self.draws).most_common())

    @property
    def not_run(self) -> tuple[str, ...]:
        """Environments that did not run what it has made, in some draw: what it does there is not known."""
        return tuple(dict.fromkeys(one.name for draw in self.draws for one in draw.after.environments if one.not_run))

    @property
    def verdict(self) -> str:
        """That of all draws where they agree, else each with its number."""
        if not self.draws:
            return NOT_RUN
        counts = self.counts
        if len(counts) == 1:
            return next(iter(counts))
        return ", ".join(f"{verdict} {count} of {len(self.draws)}" for verdict, count in counts.items())

    def to_json(self) -> Json:
        """As data."""
        return {
            "name": self.name,
            "about": self.about,
            "verdict": self.verdict,
            "verdicts": self.counts,
            "reason": self.reason,
            "not_run": list(self.not_run),
            "cost": self.cost,
            "draws": [one.to_json() for one in self.draws],
        }


@dataclass(frozen=True)
class Defence:
    """The answer."""

    network: Network
    dtype: Format
    images: int
    labelled: bool
    reference: str
    """Whose classes are right, in words."""
    settled: int
    """Images of which that is certain: all where there is a host, else those whose class float64 proves."""
    before: Suspect
    tried: tuple[Tried, ...]
    cancellations: tuple[Cancellation, ...]
    compared: tuple[ComparedLayer, ...] = ()
    """Layer by layer, where there is a host."""
    files: tuple[str, ...] = ()
    """Of the network, the images, and the host where there is one."""

    @property
    def silencing(self) -> tuple[str, ...]:
        """The remedies that silence in every draw."""
        return tuple(one.name for one in self.tried if one.verdict == SILENCES)

    @property
    def waking(self) -> tuple[str, ...]:
        """The remedies that in some draw make every environment wrong, also those that were right."""
        return tuple(one.name for one in self.tried if ON in one.counts)

    @property
    def verdict(self) -> str:
        """``stopped`` by some remedy, ``open`` where none silences it, ``nothing to stop``, or ``unknown`` if too few ran."""
        if len(self.before.ran) < 2:
            return "unknown"
        if not any(one.wrong for one in self.before.ran):
            return NOTHING
        return "stopped" if self.silencing else "open"

    def to_json(self) -> Json:
        """As data."""
        return {
            "verdict": self.verdict,
            "silencing": list(self.silencing),
            "waking": list(self.waking),
            "dtype": self.dtype.name,
            "images": self.images,
            "labelled": self.labelled,
            "reference": self.reference,
            "settled": self.settled,
            "network": self.network.digest.hex(),
            "files": list(self.files),
            "before": self.before.to_json(),
            "remedies": [one.to_json() for one in self.tried],
            "cancellations": [one.to_json() for one in self.cancellations],
            "heuristics": [one.to_json() for one in self.compared],
        }


def judged(before: Masks, after: Masks) -> str:
    """The verdict on a remedy from the images that are wrong in each environment before and after.

    Only environments count that ran both, and of images those that were wrong anywhere before, all where none was.  It
    silences nothing that it did not run: each environment that was wrong must be one of these.
    """
    names = [name for name in after if name in before]
    if not names:
        return NOT_RUN
    seen = np.any([before[name] for name in before], axis=0)
    some = seen if seen.any() else np.ones_like(seen)
    parts = {name: (before[name][some].mean(), after[name][some].mean()) for name in names}
    was = {name for name, (part, _) in parts.items() if part > 0}
    now = {name for name, (_, part) in parts.items() if part > 0}
    if not now:
        if all(name in names or not before[name].any() for name in before):
            return SILENCES if seen.any() else NOTHING
        return WEAKENS if was else NOT_RUN
    if now == was:
        return WEAKENS if all(parts[name][1] < parts[name][0] / 2 for name in now) else LEAVES
    if all(parts[name][1] > 1 / 2 for name in names):
        return ON
    return WEAKENS if now < was else MOVES


def parted(classes: Sequence[NDArray[np.intp]]) -> int:
    """Images whose class is not the same in all environments."""
    return int(np.any([one != classes[0] for one in classes], axis=0).sum()) if classes else 0
