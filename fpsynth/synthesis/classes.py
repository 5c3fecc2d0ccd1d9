"""Networks that have classes: questions about a class that changes refuse those of one output, whose class never does."""

from __future__ import annotations

import math

from fpsynth.errors import InputError
from fpsynth.networks.network import Network

ADVICE = (
    "append a layer whose outputs are that one and 0, such as torch.nn.Linear(1, 2, bias=False) with the weights [[1], [0]]:"
    " it rounds nothing, and its class is 0 where the output is at least 0, and 1 below"
)


def require_classes(network: Network) -> None:
    """Raise InputError where a network has one output: its class, the number of its largest output, is always the same."""
    if math.prod(network.logits.output_shape) < 2:
        raise InputError(
            f"the network has one output, and a class is the largest of two or more; if its sign decides, {ADVICE}"
        )
