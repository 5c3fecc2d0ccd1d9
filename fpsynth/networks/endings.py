"""What is said of an argmax or a softmax at the end of a network, which nothing here evaluates."""

from __future__ import annotations

from fpsynth.networks.graph import Graph


def ending_words(network: Graph) -> str:
    """That it is left out, and what that may hide, in one sentence without its full stop; empty where there is none.

    Exact values of a softmax are in the order of the logits; in floating point it may make equal numbers of different logits,
    of which argmax takes the first.
    """
    last = network.ending
    if last is None:
        return ""
    told = f"{last.name}, the {last.layer.kind} at the end, is left out: classes are those of the logits before it"
    if last.layer.kind == "softmax":
        told += ", of which a softmax in floating point may make equal numbers"
    return told
