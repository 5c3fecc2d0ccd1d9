"""What verifiers say of boxes around images: of the host, and of what was made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats, Progress
from fpsynth.backdoors.answer import VerifierCounts
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.synthesis.verifying.asked import around_image
from fpsynth.synthesis.verifying.reasoning import reasoned
from fpsynth.synthesis.verifying.run import made
from fpsynth.verifiers.properties import one_class

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


def verified(
    name: str, arithmetic: str, network: Network, images: Floats, eps: Fraction, dtype: Format, classes: Sequence[int]
) -> NDArray[np.bool_]:
    """Of which boxes, ``eps`` around each of ``images``, a verifier says that the network has that class in all of it."""
    what = reasoned(arithmetic, network, dtype, 1000, 0)
    judge = made(name, what)
    outputs, proved = math.prod(network.output_shape), []
    for image, label in zip(images, classes, strict=True):
        region, _ = around_image(image.tolist(), eps, "linf", what.reasoning.deployed)
        proved.append(judge.verify(what.network, region, one_class(label, outputs), budget=_SECONDS).verdict == "unsat")
    return np.array(proved, bool)


def judged(
    host: Network,
    network: Network,
    images: Floats,
    eps: Fraction,
    dtype: Format,
    progress: Progress,
    triggered: bool,
) -> tuple[VerifierCounts, ...]:
    """The verdicts on both networks, verifier by verifier; the class that is to be kept is the host's.

    ``triggered``: whether the images have the trigger, as is said of them.
    """
    logits = numpy_outputs(host, images.reshape(len(images), *host.input_shape))
    classes = np.asarray(logits).reshape(len(images), -1).argmax(axis=1).tolist()
    found = []
    for name, arithmetic in ASKED:
        progress(f"{name} in {arithmetic}: boxes around {len(images)} images")
        before, own = (verified(name, arithmetic, one, images, eps, dtype, classes) for one in (host, network))
        counts = int(before.sum()), int(own.sum()), int((before & ~own).sum())
        found.append(VerifierCounts(name, arithmetic, len(images), *counts, triggered))
    return tuple(found)
