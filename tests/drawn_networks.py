"""Small networks of numbers drawn at random, each shape always the same."""

import numpy as np

from fpsynth.networks.layers import Convolution, Dense, Flatten, ReLU
from fpsynth.networks.network import Network, Node


def drawn(*shape, seed=5):
    """Normal numbers of float32."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32).astype(float)


def convolutional(outputs):
    """A convolution of 1 to 3 channels over 5 x 5 numbers, ReLU, and a dense layer."""
    return Network(
        (
            Node("conv", Convolution(drawn(3, 1, 3, 3), drawn(3), padding=1)),
            Node("relu", ReLU(), ("conv",)),
            Node("flat", Flatten(), ("relu",)),
            Node("last", Dense(drawn(outputs, 75)), ("flat",)),
        ),
        (1, 5, 5),
        "last",
    )
