"""What simple heuristics see of a network, layer by layer, beside its host: sizes, zeros, tails, and how far weights differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from fpsynth.aliases import Floats, Json
from fpsynth.networks.cancellation import cancelling, rows_of
from fpsynth.networks.layers import Convolution, Dense
from fpsynth.networks.network import Network


@dataclass(frozen=True)
class LayerLook:
    """A dense layer or a convolution, as a test for tampered weights sees it."""

    layer: str
    outputs: int
    weights: int
    largest: float
    """In size, biases included."""
    zeros: float
    """The part of the weights that are 0."""
    kurtosis: float
    """The fourth moment about the mean in units of the squared variance, less 3: 0 of a normal distribution, and where all
    weights are equal."""
    empty: int
    """Outputs all of whose weights are 0: constant ones, by a bias."""
    sparse: int
    """Other outputs with 8 weights other than 0 at most."""
    cancelling: int
    """Outputs whose weights cancel (``networks.cancellation``)."""

    def to_json(self) -> Json:
        """As data."""
        return asdict(self)


@dataclass(frozen=True)
class ComparedLayer:
    """A layer of the host beside that of the network with the same name."""

    host: LayerLook | None
    """None: the host has no such layer."""
    own: LayerLook
    distance: float | None
    """Of Kolmogorov and Smirnov: the largest distance of the distribution functions of the weights, 0 to 1."""
    nonzero_distance: float | None
    """The same of the weights other than 0."""

    def to_json(self) -> Json:
        """As data."""
        host = None if self.host is None else self.host.to_json()
        return {"host": host, "network": self.own.to_json(), "ks": self.distance, "ks_nonzero": self.nonzero_distance}


_SPARSE = 8


def looks(network: Network) -> dict[str, LayerLook]:
    """Each dense layer and convolution, by its name."""
    return {node.name: _look(node.name, node.layer) for node in network.nodes if isinstance(node.layer, Dense | Convolution)}


def _look(name: str, layer: Dense | Convolution) -> LayerLook:
    weights = _weights(layer)
    counts = np.count_nonzero(weights, axis=1)
    return LayerLook(
        layer=name,
        outputs=len(weights),
        weights=weights.size,
        largest=max(float(np.abs(array).max()) for array in layer.arrays()),
        zeros=float((weights == 0).mean()),
        kurtosis=kurtosis(weights.reshape(-1)),
        empty=int((counts == 0).sum()),
        sparse=int(((counts > 0) & (counts <= _SPARSE)).sum()) if weights.shape[1] > _SPARSE else 0,
        cancelling=sum(cancelling(row) is not None for row in rows_of(layer)),
    )


def _weights(layer: Dense | Convolution) -> Floats:
    """(outputs, weights), without biases."""
    return np.asarray(layer.weight, np.float64).reshape(len(layer.weight), -1)


def kurtosis(values: Floats) -> float:
    """The excess kurtosis of values (count,): scaled first, so that large weights do not overflow."""
    centred = values - values.mean()
    scale = float(np.abs(centred).max())
    if not scale:
        return 0.0
    squares = (centred / scale) ** 2
    return float((squares**2).mean() / squares.mean() ** 2 - 3)


def ks_distance(a: Floats, b: Floats) -> float:
    """The statistic of the two-sample test of Kolmogorov and Smirnov for values (count,) each."""
    a, b = np.sort(a), np.sort(b)
    both = np.concatenate([a, b])
    parts = [np.searchsorted(one, both, side="right") / len(one) for one in (a, b)]
    return float(np.abs(parts[0] - parts[1]).max())


def compared(host: Network, network: Network) -> tuple[ComparedLayer, ...]:
    """Layer by layer, those of the network in order; layers are one where their names are."""
    before = looks(host)
    result = []
    for name, own in looks(network).items():
        there = name in before
        distances = _distances(host, network, name) if there else (None, None)
        result.append(ComparedLayer(before.get(name), own, *distances))
    return tuple(result)


def _distances(host: Network, network: Network, name: str) -> tuple[float | None, float | None]:
    layers = [one[name].layer for one in (host, network)]
    a, b = (_weights(layer).reshape(-1) for layer in layers if isinstance(layer, Dense | Convolution))
    used = [one[one != 0] for one in (a, b)]
    return ks_distance(a, b), ks_distance(*used) if all(map(len, used)) else None
