"""Wide layers are evaluated as arrays, or in integers, and give what the graph of every neuron gives."""

import numpy as np
import pytest
from divergences import divergence, views

from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate
from fpsynth.report import partial_sums
from fpsynth.report.partial_sums import layer_values
from fpsynth.sums.arithmetic import REAL, Arithmetic

HOWS = {
    "real": REAL,
    "pairwise": Arithmetic(FLOAT32, order=parse_order("pairwise")),
    "accumulated, flushed": Arithmetic(FLOAT16, accumulator=FLOAT32, flush=True, fused=True),
}


def layer(rows, columns):
    draw = np.random.default_rng(rows)
    weight = draw.integers(-64, 64, (rows, columns)) * 2.0 ** draw.integers(-9, 3, (rows, columns))
    return Dense(tuple(map(tuple, weight.tolist())), tuple((draw.integers(-64, 64, rows) / 64).tolist()))


@pytest.mark.parametrize("name", HOWS)
def test_a_wide_layer_gives_what_the_graph_gives(name, monkeypatch):
    network = dense_relu((layer(8, 9), layer(3, 8)))
    shown = views(("a", REAL), ("b", HOWS[name]))
    found = divergence(network, (0.125,) * 9, shown, Predicate("sign"), fmt=FLOAT16)
    slow = layer_values(found, found.deployed)
    monkeypatch.setattr(partial_sums, "MAX_GRAPH", 10)
    fast = layer_values(found, found.deployed)
    assert repr(fast) == repr(slow)
    assert len(fast) == 2
