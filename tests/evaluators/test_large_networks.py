"""Networks that the exact interpreter would take minutes for: evaluated as arrays, bit for bit what it gives."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from divergences import divergence, views

from fpsynth.evaluators import networks
from fpsynth.evaluators.networks import MAX_GRAPH, graph_logits, network_logits
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.verifiers.base import certifier
from fpsynth.verifiers.bounds import norm_upper
from fpsynth.witness.file import parse, text

WIDE = 200
SOME = slice(3, WIDE, 40)
"""Rows that the graph evaluates: it takes a third of a millisecond for each weight."""
HOWS = {
    "sequential": Arithmetic(FLOAT32),
    "pairwise, fused, upward": Arithmetic(FLOAT32, rounding=Rounding.RTP, fused=True, order=parse_order("pairwise")),
    "strided, flushed": Arithmetic(FLOAT16, flush=True, order=parse_order("strided:8")),
    "accumulated, bias first": Arithmetic(BFLOAT16, accumulator=FLOAT32, bias_first=True),
    "float64": Arithmetic(FLOAT64, order=parse_order("blocked:64")),
}


def layer(rows, columns, seed):
    draw = np.random.default_rng(seed)
    weight = draw.integers(-128, 128, (rows, columns)) * 2.0 ** draw.integers(-9, 3, (rows, columns))
    return Dense(tuple(map(tuple, weight.tolist())), tuple((draw.integers(-128, 128, rows) / 64).tolist()))


POINT = tuple((np.random.default_rng(5).integers(-128, 128, WIDE) / 128).tolist())


@pytest.mark.parametrize("name", HOWS)
def test_a_layer_of_200_times_200_is_what_the_graph_gives(name):
    how, whole = HOWS[name], layer(WIDE, WIDE, 1)
    some = dense_relu((Dense(whole.weight[SOME], whole.bias[SOME]),))
    assert WIDE * WIDE > MAX_GRAPH > some.dense_layers[0].weight.size
    fast = network_logits(dense_relu((whole,)), POINT, how.format, Deployment(how))
    slow = graph_logits(some, POINT, how.format, Deployment(how))
    assert [v.hex() for v in fast[SOME]] == [v.hex() for v in slow]


def test_hidden_layers_and_exceptions_are_what_the_graph_gives(monkeypatch):
    network = dense_relu((layer(12, WIDE, 2), layer(12, 12, 3), layer(4, 12, 4)))
    deployment = Deployment(HOWS["sequential"], (((0, 3), HOWS["pairwise, fused, upward"]), ((2, 1), HOWS["sequential"])))
    slow = graph_logits(network, POINT, FLOAT32, deployment)
    monkeypatch.setattr(networks, "MAX_GRAPH", 100)
    assert [v.hex() for v in network_logits(network, POINT, FLOAT32, deployment)] == [v.hex() for v in slow]


def test_a_witness_of_100_times_100_weights_is_read_and_checked_whole():
    network = dense_relu((layer(100, 100, 1),))
    shown = views(("sequential", HOWS["sequential"]), ("pairwise", Arithmetic(FLOAT32, order=parse_order("pairwise"))))
    loose = divergence(network, POINT[:100], shown, Predicate("gap", 0, bound=1))
    gaps = [abs(a - b) for a, b in zip(loose.reference.logits, loose.deployed.logits, strict=True)]
    k = max(range(100), key=gaps.__getitem__)
    assert gaps[k] > 0
    found = divergence(network, POINT[:100], shown, Predicate("gap", k, bound=gaps[k]))
    assert check(parse(text(found))).confirmed
    wrong = replace(found.deployed, logits=(found.deployed.logits[0] + 1, *found.deployed.logits[1:]))
    assert not check(replace(found, views=(found.reference, wrong))).confirmed


def test_the_bounds_of_a_thousand_classes_cost_one_row_and_are_exact():
    network = dense_relu((Dense(layer(1000, 20, 7).weight),))
    logits = tuple(np.arange(1000.0))
    point = (1.0,) * 20
    for name in ("lipschitz", "lipschitz-exact", "lipschitz-sound"):
        tool = certifier(name, network, format=FLOAT32)
        assert tool.supremum(point, logits) > 0 or name == "lipschitz-sound"
        assert len(tool.bounds._known) == 1
    rows = network.dense_layers[0].weight.tolist()
    ball = certifier("lipschitz", network)
    for p, q in ((999, 0), (0, 999), (5, 6)):
        expected = norm_upper(Fraction(b) - Fraction(a) for a, b in zip(rows[p], rows[q], strict=True))
        assert ball.bounds[p][q] == ball.bounds[q][p] == expected
    assert ball.bounds[3][3] == 0
    assert len(ball.bounds) == 1000
    assert list(ball.bounds[-1:]) == [ball.bounds[999]]


@pytest.mark.parametrize("products", [BFLOAT16, FLOAT32])
def test_products_that_the_accumulator_does_not_hold_are_rounded_into_it_in_both_evaluators(products):
    """65504 is 65536 in bfloat16, which float16 does not hold: the sum overflows, as arrays and as a graph."""
    how = Arithmetic(FLOAT16, products=products)
    network = dense_relu((Dense(((65504.0, -64.0) + (0.0,) * MAX_GRAPH,)),))
    point = [1.0, 1.0] + [0.0] * MAX_GRAPH
    given = network, point, FLOAT16, Deployment(how)
    assert network_logits(*given) == graph_logits(*given) == ((float("inf"),) if products is BFLOAT16 else (65440.0,))
