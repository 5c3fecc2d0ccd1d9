"""What verifiers say of boxes around images: of the host, and of what was made of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from fpsynth.aliases import Floats, Progress
from fpsynth.backdoors.answer import MERGED, VerifierCounts
from fpsynth.backdoors.merging import merged
from fpsynth.backdoors.workshop import Workshop
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.synthesis.verifying.asked import around_image
from fpsynth.synthesis.verifying.reasoning import reasoned
from fpsynth.synthesis.verifying.run import made
from fpsynth.verifiers.properties import one_class
from fpsynth.workers.deadlines import OutOfTimeError, require_time, time_left

ASKED = (
    ("crown", "real"),
    ("alpha-crown", "real"),
    ("crown", "float32"),
    ("crown", "float64"),
    ("crown", "sound:any"),
)
"""Verifiers and arithmetics: a reference, models of tools that allow for no rounding, and one that allows for any order."""
_SECONDS = 30.0
"""For each box."""

Certifies = Callable[[Sequence[float], int], bool]
"""Whether a verifier says that a network has a class in all of the box around an image."""


def certifying(name: str, arithmetic: str, network: Network, eps: Fraction, dtype: Format) -> Certifies:
    """A verifier of boxes of half-width ``eps``.  It raises OutOfTimeError where the time is over before it has decided."""
    what = reasoned(arithmetic, network, dtype, 1000, 0)
    judge, outputs = made("crown" if name == MERGED else name, what), math.prod(network.output_shape)

    def certifies(image: Sequence[float], label: int) -> bool:
        require_time()
        region, _ = around_image(image, eps, "linf", what.reasoning.deployed)
        claim = judge.verify(what.network, region, one_class(label, outputs), budget=time_left(_SECONDS))
        if claim.verdict == "unknown":
            require_time()  # it may be unknown because of that
        return claim.verdict == "unsat"

    return certifies


def shown(shop: Workshop, count: int) -> list[tuple[Floats, bool]]:
    """The images that verifiers are shown: as they are, and with the trigger where there is one."""
    clean = shop.images[:count]
    if not shop.trigger.units:
        return [(clean, True)]
    if shop.trigger.paint:
        return [(clean, False), (shop.bench.painted[:count], True)]
    inside = shop.trigger.there(shop.images)
    return [(some[:count], fires) for some, fires in ((shop.images[~inside], False), (shop.images[inside], True)) if len(some)]


def judged(
    host: Network,
    network: Network,
    images: Floats,
    eps: Fraction,
    dtype: Format,
    progress: Progress,
    triggered: bool,
    copies: bool = False,
) -> tuple[VerifierCounts, ...]:
    """The verdicts on both networks, verifier by verifier; the class that is to be kept is the host's.

    ``triggered``: whether the images have the trigger, as is said of them; ``copies``: whether detectors are fed by copies of
    a channel, so that neurons of equal weights are worth taking for one.  Boxes that ``deadlines`` leave no time for are
    counted as not run.
    """
    logits = numpy_outputs(host, images.reshape(len(images), *host.input_shape))
    classes = np.asarray(logits).reshape(len(images), -1).argmax(axis=1).tolist()
    found = []
    rows = [(name, arithmetic, host, network) for name, arithmetic in ASKED]
    if copies:
        rows.append((MERGED, "real", merged(host), merged(network)))
    for name, arithmetic, *both in rows:
        pairs: list[tuple[bool, bool]] = []
        try:
            before, after = (certifying(name, arithmetic, one, eps, dtype) for one in both)
            for number, (image, label) in enumerate(zip(images, classes, strict=True), 1):
                progress(f"{name} in {arithmetic}: box {number} of {len(images)}")
                pairs.append((before(image.tolist(), label), after(image.tolist(), label)))
        except OutOfTimeError:
            pass
        counts = sum(a for a, _ in pairs), sum(b for _, b in pairs), sum(a and not b for a, b in pairs)
        found.append(VerifierCounts(name, arithmetic, len(images), *counts, triggered, len(images) - len(pairs)))
    return tuple(found)
