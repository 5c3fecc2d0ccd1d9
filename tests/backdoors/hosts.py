"""Small made-up hosts, with random weights of two decimals' bits, and images for them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from fpsynth.networks.layers import AveragePooling, Convolution, Dense, Flatten, ReLU
from fpsynth.networks.network import Network, Node, dense_relu


def _numbers(generator: np.random.Generator, *shape: int) -> np.ndarray:
    return generator.normal(0, 0.5, shape).astype(np.float32).astype(np.float64)


def dense_host(seed: int = 1) -> Network:
    """64 inputs, three hidden layers, five classes."""
    generator = np.random.default_rng(seed)
    sizes = (64, 40, 24, 12, 5)
    return dense_relu([Dense(_numbers(generator, b, a), _numbers(generator, b)) for a, b in itertools.pairwise(sizes)])


def convolutional_host(seed: int = 2, *, pool: bool = False) -> Network:
    """Images of 8 x 8, two convolutions, two dense layers; ``pool``: one dense layer behind an average pooling."""
    generator = np.random.default_rng(seed)
    conv = Node("conv", Convolution(_numbers(generator, 4, 1, 3, 3), _numbers(generator, 4), (1,), ((1, 1), (1, 1))))
    deep = Node("deep", Convolution(_numbers(generator, 6, 4, 2, 2), _numbers(generator, 6), (2,)), ("relu0",))
    nodes = [conv, Node("relu0", ReLU(), ("conv",)), deep, Node("relu1", ReLU(), ("deep",))]
    if pool:
        nodes += [Node("pool", AveragePooling((2, 2), (2, 2)), ("relu1",)), Node("flat", Flatten(), ("pool",))]
        nodes += [Node("out", Dense(_numbers(generator, 5, 24), _numbers(generator, 5)), ("flat",))]
    else:
        nodes += [Node("flat", Flatten(), ("relu1",)), Node("fc", Dense(_numbers(generator, 12, 96)), ("flat",))]
        nodes += [Node("relu2", ReLU(), ("fc",)), Node("out", Dense(_numbers(generator, 5, 12)), ("relu2",))]
    return Network(tuple(nodes), (1, 8, 8), "out")


def images(count: int, seed: int = 3) -> np.ndarray:
    """(count, 64) between 0 and 0.7, as float32 has them."""
    return np.random.default_rng(seed).uniform(0, 0.7, (count, 64)).astype(np.float32).astype(np.float64)


def with_dead(host: Network, units: dict[str, list[int]]) -> Network:
    """The host with units that are below 0 for all inputs of at least 0: their weights are negative, and so is their bias."""
    nodes = []
    for node in host.nodes:
        layer = node.layer
        if node.name in units:
            assert isinstance(layer, Dense | Convolution)
            weight = layer.weight.copy()
            bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.copy()
            weight[units[node.name]] = -np.abs(weight[units[node.name]])
            bias[units[node.name]] = -0.5
            layer = replace(layer, weight=weight, bias=bias)
        nodes.append(replace(node, layer=layer))
    return replace(host, nodes=tuple(nodes))
