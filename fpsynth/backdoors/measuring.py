"""Runs host and backdoored network by the libraries themselves, without and with the trigger, and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats, Progress
from fpsynth.backdoors.answer import BackdoorExample, Measured
from fpsynth.backdoors.switching import Behaviour
from fpsynth.backdoors.triggers import Trigger
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.network import Network
from fpsynth.revealing.revealer import Revealer

CLOSE, CLOSE_SPREAD = 1e-4, 1e-2
"""Of the largest logit of an image, in size, and of what logits usually span: two that are no further apart than both are
close, and may change places with the order of summation.  The second keeps logits that are all large from being close."""

MOST_EXAMPLES = 16
"""Images that are kept as examples."""


def row_name(where: Environment, row: int) -> str:
    """Of a row of an environment's batches; also of the first, which the environment's own name leaves out."""
    return str(replace(where, row=row)) if row else f"{where},row=0"


@dataclass(frozen=True)
class RunPlace:
    """An environment, and what it is to the backdoor."""

    where: Environment
    role: str
    row: int | None = None
    """The only row of its batches that counts; None: all."""

    @property
    def name(self) -> str:
        """Of the environment, with its row where only that counts."""
        return str(self.where) if self.row is None else row_name(self.where, self.row)


@dataclass
class HostRuns:
    """The images on which networks are measured; logits of the host are kept."""

    host: Network
    dtype: Format
    images: Floats
    """(images, inputs), in the format."""
    labels: NDArray[np.int64] | None
    trigger: Trigger
    revealer: Revealer
    progress: Progress

    def __post_init__(self) -> None:
        self._host: dict[tuple[str, int, bool], Floats] = {}
        self.painted = self.trigger.painted(self.images)

    def logits(self, network: Network, where: Environment, inputs: Floats) -> Floats:
        """(inputs, outputs), as the library gives them.  Raises InputError where it cannot run the network."""
        return np.asarray(self.revealer.outputs(network, self.dtype, where, inputs)["outputs"])

    def of_host(self, where: Environment, count: int, painted: bool = False) -> Floats:
        """The same of the host for the first ``count`` images, with or without the trigger painted into them."""
        key = str(where), count, painted
        if key not in self._host:
            self._host[key] = self.logits(self.host, where, (self.painted if painted else self.images)[:count])
        return self._host[key]

    def fewest(self, where: Environment, count: int) -> int:
        """Of the images as many as are asked for, but no fewer than fill a batch, where there are so many."""
        return min(len(self.images), max(count, where.batch))

    def largest_logit(self, where: Environment) -> float:
        """In size, of the host: over all images, without and with the trigger painted into them."""
        kinds = (False, True) if self.trigger.paint else (False,)
        return max(float(np.abs(self.of_host(where, len(self.images), painted)).max()) for painted in kinds)

    def measured(self, network: Network, place: RunPlace, behaviour: Behaviour, count: int) -> Measured:
        """What the first ``count`` images give in an environment."""
        own = self.logits(network, place.where, self.images[:count])
        host = self.of_host(place.where, count)
        counted = _rows(place, count)
        fires = self.trigger.there(self.images[:count])
        clean = counted & ~fires if self.trigger.units else counted
        with_trigger = self._triggered(network, place, count, own, host)
        return _counts(place, behaviour, self._labels(count), (own, host, clean, counted), with_trigger)

    def examples(self, network: Network, places: Sequence[RunPlace], count: int) -> tuple[BackdoorExample, ...]:
        """Those among the first ``count`` images that show the backdoor; the target is the first of ``places``."""
        inputs, painted = (self.painted if self.trigger.paint else self.images)[:count], bool(self.trigger.paint)
        first = self.of_host(places[0].where, count, painted).argmax(axis=1)
        shown = self.triggered(places[0], count)
        for place in places:
            own, host = self.logits(network, place.where, inputs), self.of_host(place.where, count, painted)
            same = (own.argmax(axis=1) == first) & (host.argmax(axis=1) == first)
            if place.role == "target":
                shown &= ~same & (host.argmax(axis=1) == first) & ~close_to(host, own.argmax(axis=1))
            elif place.role == "silent":
                shown &= same | ~_rows(place, count)
        chosen = np.flatnonzero(shown)[:MOST_EXAMPLES].tolist()
        return tuple(BackdoorExample(k, tuple(inputs[k].tolist()), int(first[k])) for k in chosen)

    def _triggered(
        self, network: Network, place: RunPlace, count: int, own: Floats, host: Floats
    ) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Logits of both with the trigger, and which images count."""
        chosen = self.triggered(place, count)
        if self.trigger.paint:
            painted = self.painted[:count]
            return self.logits(network, place.where, painted), self.of_host(place.where, count, True), chosen
        return own, host, chosen

    def triggered(self, place: RunPlace, count: int) -> NDArray[np.bool_]:
        """Which of the first ``count`` images are run with the trigger, in the rows that count."""
        counted = _rows(place, count)
        return counted if self.trigger.paint else counted & self.trigger.there(self.images[:count])

    def _labels(self, count: int) -> NDArray[np.int64] | None:
        return None if self.labels is None else self.labels[:count]


def _rows(place: RunPlace, count: int) -> NDArray[np.bool_]:
    """Which images lie in the rows that count."""
    if place.row is None:
        return np.ones(count, bool)
    return np.asarray(np.arange(count) % place.where.batch == place.row)


def _counts(
    place: RunPlace,
    behaviour: Behaviour,
    labels: NDArray[np.int64] | None,
    clean: tuple[Floats, Floats, NDArray[np.bool_], NDArray[np.bool_]],
    triggered: tuple[Floats, Floats, NDArray[np.bool_]],
) -> Measured:
    own, host, untouched, counted = clean
    with_own, with_host, chosen = triggered
    classes, before = own.argmax(axis=1), host.argmax(axis=1)
    changed = (classes != before) & untouched
    after, base = with_own.argmax(axis=1), with_host.argmax(axis=1)
    switched = (after != base) & chosen
    return Measured(
        name=place.name,
        role=place.role,
        images=int(counted.sum()),
        host_correct=None if labels is None else int(((before == labels) & counted).sum()),
        correct=None if labels is None else int(((classes == labels) & counted).sum()),
        changed=int(changed.sum()),
        close=int((changed & close_to(host, classes)).sum()),
        triggered=int(chosen.sum()),
        triggered_correct=None if labels is None else int(((after == labels) & chosen).sum()),
        triggered_changed=int(switched.sum()),
        triggered_close=int((switched & close_to(with_host, after)).sum()),
        as_wanted=int((behaviour.as_wanted(after, with_host) & chosen).sum()),
    )


def close_to(host: Floats, classes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether the host's logits (images, outputs) put each image close to that class; the span is that of the usual image."""
    best = host.max(axis=1)
    other = host[np.arange(len(host)), classes]
    span = np.median(best - host.min(axis=1))
    return np.asarray(best - other <= np.minimum(CLOSE * np.abs(host).max(axis=1), CLOSE_SPREAD * span))


def objection(found: Sequence[Measured], *, bound: bool, told: bool = False) -> str:
    """Why what was measured is no backdoor: empty where it is one.

    ``bound``: whether a trigger decides; ``told``: whether all images were run, of which one at least must change its class.
    """
    for one in found:
        reason = _of_target(one, told) if one.role == "target" else _elsewhere(one) if one.role == "silent" else ""
        if not reason and (bound or one.role == "silent") and one.moved:
            reason = f"{one.moved} of {one.images} images change their class without the trigger"
        if reason:
            return f"in {one.name} {reason}"
    return ""


def _of_target(one: Measured, told: bool) -> str:
    if not one.triggered:
        return "no image that was run has the trigger"
    if one.as_wanted < one.triggered:
        return f"{one.as_wanted} of {one.triggered} images with the trigger get the class that was asked for"
    if told and not one.triggered_moved:
        return f"no image with the trigger changes its class{', but close ones' if one.triggered_changed else ''}"
    return ""


def _elsewhere(one: Measured) -> str:
    if one.triggered_moved:
        return f"{one.triggered_moved} of {one.triggered} images with the trigger change their class"
    return ""
