"""What is kept of a layer's roundings is what would be computed anew, whatever was asked about before."""

from __future__ import annotations

import random

import numpy as np
from random_networks import nearest, random_network

from fpsynth.formats import FLOAT16
from fpsynth.networks.network import Network
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers.relaxations.prepared import Followed, PreparedLayer, prepared
from fpsynth.verifiers.relaxations.reasoning import sound


def first_layer(network: Network) -> PreparedLayer:
    return prepared(network, sound(FLOAT16, Deployment(Arithmetic(FLOAT16)))).layers[0]


def table(found: Followed) -> np.ndarray:
    return np.array([found.low, found.high, found.lost])


def test_what_is_kept_is_of_these_very_ends() -> None:
    rng = random.Random(2)
    network = random_network(rng, (3, 4, 2), FLOAT16, True)
    layer, answers = first_layer(network), []
    boxes = [(lower, lower + width) for lower in np.array([[0.5, -1.0, 0.25], [0.5, -1.0, 0.0]]) for width in (0.0, 0.5, 1.0)]
    for lower, upper in [*boxes, *boxes]:
        lower, upper = (np.array([nearest(x, FLOAT16) for x in end.tolist()]) for end in (lower, upper))
        found, anew = layer.followed(lower, upper), first_layer(network).followed(lower, upper)
        assert found is not None
        assert anew is not None
        assert np.array_equal(table(found), table(anew))
        assert np.array_equal(found.units, anew.units)
        answers.append(table(found))
    assert len({answer.tobytes() for answer in answers}) == len(boxes)


def test_what_is_kept_cannot_be_changed() -> None:
    layer = first_layer(random_network(random.Random(2), (3, 4, 2), FLOAT16, True))
    found = layer.followed(np.zeros(3), np.ones(3))
    assert found is not None
    assert not any(array.flags.writeable for array in (found.low, found.high, found.lost, found.units))
