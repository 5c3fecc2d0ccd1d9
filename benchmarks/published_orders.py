"""In which order an environment adds up a detector's row, as far as a few probes tell: where its ends and its bias meet.

A large weight at one place and its negative at another, ones elsewhere: what is left over are the ones that were added after
both had met, by the method of FPRev ("Revealing floating-point accumulation orders", ATC 2025).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.backdoors.published import PublishedBackdoor
from fpsynth.formats import FLOAT32, Format
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import Network
from fpsynth.revealing.revealer import Revealer

_LARGE = {FLOAT32: 2.0**60}
_LARGER = 2.0**120


def detected(revealer: Revealer, made: PublishedBackdoor, dtype: Format, where: Environment, points: Floats) -> dict[str, Any]:
    """The different values that the detector has in an environment at the points, which are whole batches; in what part of them
    it fires, and in which rows of a batch."""
    outputs = revealer.outputs(made.detecting, dtype, where, points)["outputs"]
    values = outputs[:, made.column]
    on = made.gate.on[0] * np.maximum(values, 0.0) + made.gate.on[1] > 0
    rows = np.unique(np.flatnonzero(on) % where.batch)
    return {"detector": sorted(set(values.tolist())), "fired": float(on.mean()), "rows": rows.tolist()}


def probed_order(
    revealer: Revealer, made: PublishedBackdoor, dtype: Format, where: Environment, points: Floats
) -> dict[str, Any]:
    """How many other ones were added before the first constant met the second, the last, and the bias: of each the different
    numbers in the rows of a batch, which ``points`` are."""
    ones = made.form.features(made.form.places).reshape(-1)
    count, large = len(ones), _LARGE.get(dtype, _LARGER)
    found: dict[str, Any] = {"ones": count}
    for name, place, most in (("second", 1, count - 2), ("last", count - 1, count - 2), ("bias", None, count - 1)):
        left = _left(revealer, _probed(made, ones, large, place), dtype, where, points, made.column)
        found[name] = [int(most - value) for value in left]
    return found


def order_words(order: dict[str, Any]) -> str:
    """``probed_order`` in words."""
    count = order["ones"]
    chain = order["second"] == [0] and order["last"] == [count - 2]
    many = any(len(order[name]) > 1 for name in ("second", "last", "bias"))
    shape = "by row differently" if many else "at first from left to right" if chain else "in partial sums side by side"
    places = {(0,): "first", (count - 1,): "last"}
    bias = places.get(tuple(order["bias"]), "in between")
    second, last, end = (" or ".join(map(str, order[name])) for name in ("second", "last", "bias"))
    met = f"the first meets the second after {second} others, the last after {last}, and the bias after {end}"
    return f"its row is added {shape}, the bias {bias}: of {count} ones {met}"


def _left(revealer: Revealer, network: Network, dtype: Format, where: Environment, points: Floats, column: int) -> list[float]:
    outputs = revealer.outputs(network, dtype, where, points)["outputs"]
    return sorted(set(outputs[:, column].tolist()))


def _probed(
    made: PublishedBackdoor, ones: np.ndarray[tuple[int], np.dtype[np.intp]], large: float, place: int | None
) -> Network:
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
