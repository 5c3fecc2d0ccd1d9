"""Which layers and outputs a deployment computes in another arithmetic than its own: what "with 2 exceptions" counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from fpsynth.networks.network import Network, stacked
from fpsynth.report.stories.verdicts import ranges
from fpsynth.report.text import clean, listed
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.wording import noun

MAX_SHOWN = 6
"""Arithmetics that are listed, and layers of each."""
_WORDS = 200
"""Characters of an arithmetic."""


def other_arithmetics(network: Network, deployment: Deployment) -> list[str]:
    """A line for each arithmetic that is not the usual one: the layers that have it, by their names, or their outputs."""
    places: defaultdict[Arithmetic, list[str]] = defaultdict(list)
    for where, arithmetic in _places(network, deployment):
        places[arithmetic].append(where)
    first: dict[str, Arithmetic] = {}
    told = []
    for arithmetic in (deployment.default, *places):
        words = clean(str(arithmetic), _WORDS)
        if first.setdefault(words, arithmetic) != arithmetic:
            words = words.replace("a tree of", "another tree of")
        told.append(words)
    lines = [f"but {_named(names)}: {words}" for names, words in zip(places.values(), told[1:], strict=True)]
    more = len(lines) - MAX_SHOWN
    return [*lines[:MAX_SHOWN], *([f"and {more} more; the witness file has them all"] if more > 0 else [])]


def _places(network: Network, deployment: Deployment) -> Iterator[tuple[str, Arithmetic]]:
    """Layers, then outputs of a layer, each with its arithmetic."""
    for layer, arithmetic in deployment.layers:
        yield _called(network, layer), arithmetic
    outputs: defaultdict[tuple[int, Arithmetic], list[int]] = defaultdict(list)
    for (layer, output), arithmetic in deployment.exceptions:
        outputs[layer, arithmetic].append(output)
    for (layer, arithmetic), numbers in outputs.items():
        yield f"{noun(len(numbers), 'output')} {clean(ranges(numbers), 60)} of {_called(network, layer)}", arithmetic


def _called(network: Network, layer: int) -> str:
    """A layer that adds by its name; of a stack of dense layers by its number, from 0, as everywhere in its report."""
    return f"layer {layer}" if stacked(network) else clean(network.sums[layer], 30)


def _named(names: list[str]) -> str:
    more = len(names) - MAX_SHOWN
    return listed(names) if more <= 0 else ", ".join(names[:MAX_SHOWN]) + f" and {more} more"
