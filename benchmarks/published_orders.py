"""In which order an environment adds up a detector's row, as far as a few probes tell: where its ends and its bias meet.

A large weight at one place and its negative at another, ones elsewhere: what is left over are the ones that were added after
both had met, by the method of FPRev ("Revealing floating-point accumulation orders", ATC 2025).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.backdoors.published import Published
from fpsynth.formats import FLOAT32, Format
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import Network
from fpsynth.revealing.revealer import Revealer

_LARGE = {FLOAT32: 2.0**60}
_LARGER = 2.0**120


def detected(revealer: Revealer, made: Published, dtype: Format, where: Environment, points: Floats) -> dict[str, Any]:
    """The different values that the detector has in an environment at the points, which are whole batches; in what part of them
    it fires, and in which rows of a batch."""
    outputs = revealer.outputs(made.detecting, dtype, where, points)["outputs"]
    values = outputs[:, made.column]
    on = made.gate.on[0] * np.maximum(values, 0.0) + made.gate.on[1] > 0
    rows = np.unique(np.flatnonzero(on) % where.batch)
    return {"detector": sorted(set(values.tolist())), "fired": float(on.mean()), "rows": rows.tolist()}


def order_words(revealer: Revealer, made: Published, dtype: Format, where: Environment, points: Floats) -> str:
    """Where the first constant meets the second, the last, and the bias; points: as many as a batch has."""
    ones = made.form.features(made.form.places).reshape(-1)
    count, large = len(ones), _LARGE.get(dtype, _LARGER)
    beside, across, bias = (
        _left(revealer, _probed(made, ones, large, place), dtype, where, points, made.column) for place in (1, count - 1, None)
    )
    met = f"the first meets the second after {_others(count - 2, beside)} others, the last after {_others(count - 2, across)}"
    return f"of {count} ones in its row {met}, and the bias after {_others(count - 1, bias)}"


def _others(most: int, left: list[float]) -> str:
    """How many of the others had been swallowed; several where the rows of a batch differ."""
    return " or ".join(f"{most - value:g}" for value in left)


def _left(revealer: Revealer, network: Network, dtype: Format, where: Environment, points: Floats, column: int) -> list[float]:
    outputs = revealer.outputs(network, dtype, where, points)["outputs"]
    return sorted(set(outputs[:, column].tolist()))


def _probed(made: Published, ones: np.ndarray[tuple[int], np.dtype[np.intp]], large: float, place: int | None) -> Network:
    """The network up to the detectors with a probe instead of the detector: +large first, -large at a place or as the bias."""
    network = made.detecting
    layer = network[network.output].layer
    assert isinstance(layer, Dense)
    assert layer.bias is not None
    weight, bias = layer.weight.copy(), layer.bias.copy()
    row = np.zeros(weight.shape[1])
    row[ones] = 1.0
    row[ones[0]] = large
    bias[made.column] = 0.0
    if place is None:
        bias[made.column] = -large
    else:
        row[ones[place]] = -large
    weight[made.column] = row
    nodes = tuple(replace(n, layer=Dense(weight, bias)) if n.name == network.output else n for n in network.nodes)
    return Network(nodes, network.input_shape, network.output)
