"""A network with its numbers rounded into a format: what a library that computes in this format is given."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import Format
from fpsynth.networks.layers import Layer
from fpsynth.networks.network import Network
from fpsynth.wording import counted, noun


def rounded_network(network: Network, fmt: Format) -> tuple[Network, int]:
    """The network with every parameter rounded to nearest into ``fmt``, and how many of them that changed.

    It is the same object where none changes.  Raises InputError, naming the node, where one is beyond the format's range.
    """
    layers: dict[int, tuple[Layer, int]] = {}
    for node in network.nodes:  # nodes may share a layer, and go on doing so
        if id(node.layer) not in layers:
            layers[id(node.layer)] = _rounded(node.name, node.layer, fmt)
    changed = sum(layers[id(node.layer)][1] for node in network.nodes)
    if not changed:
        return network, 0
    return replace(network, nodes=tuple(replace(node, layer=layers[id(node.layer)][0]) for node in network.nodes)), changed


def rounded_points(points: NDArray[np.float64], fmt: Format) -> NDArray[np.float64]:
    """Points (points, numbers) rounded to nearest into ``fmt``.  Raises InputError where one is beyond the format's range."""
    result = round_array(points, fmt)
    if not np.isfinite(result).all():
        raise InputError(f"the inputs have a number beyond the range of {fmt}")
    return result


def rounded_points_words(before: NDArray[np.float64], after: NDArray[np.float64], fmt: Format) -> str:
    """What ``rounded_points`` changed, in words; empty where nothing."""
    changed = int((before != after).sum())
    if not changed:
        return ""
    verb = noun(changed, "is", "are")
    return f"{changed} of the inputs' {counted(before.size, 'number')} {verb} not in {fmt} and {verb} rounded into it"


def rounded_words(changed: int, network: Network, fmt: Format) -> str:
    """What ``rounded_network`` changed, in words."""
    numbers, verb = counted(network.parameter_count, "number"), noun(changed, "is", "are")
    return f"{changed} of the network's {numbers} {verb} not in {fmt} and {verb} rounded into it"


def _constants(name: str, layer: Layer, fmt: Format) -> Iterator[tuple[str, float]]:
    """Slopes, bounds and fills that are no numbers of the format, rounded; an epsilon, part of a factor, need not be one."""
    for one in fields(layer):
        value = getattr(layer, one.name)
        if one.name in (*layer.parameters, "epsilon") or not isinstance(value, float):
            continue
        number = float(round_array(np.array(value), fmt))
        if not math.isfinite(number) and math.isfinite(value):
            raise InputError(f"{name}: its {one.name} is beyond the range of {fmt}")
        if number != value:
            yield one.name, number


def _rounded(name: str, layer: Layer, fmt: Format) -> tuple[Layer, int]:
    new: dict[str, Any] = dict(_constants(name, layer, fmt))
    changed = len(new)
    for parameter in layer.parameters:
        array = getattr(layer, parameter)
        if array is None:
            continue
        numbers = array.astype(np.float64)
        new[parameter] = round_array(numbers, fmt)
        if not np.isfinite(new[parameter]).all():
            raise InputError(f"{name}: a number of its {parameter} is beyond the range of {fmt}")
        changed += int((new[parameter] != numbers).sum())
    return (replace(layer, **new), changed) if changed else (layer, 0)
