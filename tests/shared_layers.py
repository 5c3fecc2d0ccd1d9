"""Networks that use one layer object several times, points, and what the networks give there, computed by hand."""

from __future__ import annotations

import numpy as np

from fpsynth.networks.network import Dense, Network, dense_relu

MIXING = Dense(((0.5, -1.0), (-0.5, 2.0)))
BIASED = Dense(((1.0, -2.0), (-1.0, 0.5)), (-0.25, 0.5))
NETWORKS = [
    dense_relu((MIXING, MIXING)),
    dense_relu((MIXING, MIXING, MIXING)),
    dense_relu((BIASED, MIXING, BIASED)),
    dense_relu((MIXING, BIASED, BIASED)),
]
POINTS = [(1.0, 1.0), (-1.0, 0.25), (0.5, 0.75), (-2.0, -1.0)]


def by_hand(network: Network, point: tuple[float, ...]) -> tuple[float, ...]:
    """Few small binary fractions: nothing is rounded anywhere."""
    values = np.array(point)
    for index, layer in enumerate(network.dense_layers):
        values = np.array(layer.weight) @ values + (0.0 if layer.bias is None else np.array(layer.bias))
        if index < len(network.dense_layers) - 1:
            values = np.maximum(values, 0.0)
    return tuple(values.tolist())
