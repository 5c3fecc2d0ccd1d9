"""Claims of sums.py: whole arrays of sums and whole networks have the bits of the exact interpreter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from strategies import networks, values
from sums import neurons, sum_arithmetics

from fpsynth.errors import InputError
from fpsynth.evaluators import sums
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.networks import network_logits
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64
from fpsynth.networks.network import Dense, dense_relu, with_numbers
from fpsynth.orders import parse_order
from fpsynth.rounding import from_float
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment


def bits(x: np.ndarray) -> bytes:
    return np.where(np.isnan(x), np.nan, x).tobytes()


@pytest.mark.parametrize("fused", [False, True])
def test_a_sum_is_what_numpy_computes_step_by_step(fused: bool) -> None:
    rng = np.random.default_rng(1)
    w, x = (rng.standard_normal((50, 6)).astype(np.float32) for _ in range(2))
    total = w[:, 0] * x[:, 0]
    for k in range(1, 6):
        product = w[:, k].astype(np.longdouble) * x[:, k]
        total = (total + product).astype(np.float32) if fused else total + w[:, k] * x[:, k]
    got = sum_of_products(Arithmetic(FLOAT32, fused=fused), w.astype(float), x.astype(float))
    assert got.astype(np.float32).tobytes() == total.tobytes()


@pytest.mark.parametrize("how", [Arithmetic(FLOAT32), Arithmetic(FLOAT16, FLOAT32, order=parse_order("pairwise"), fused=True)])
def test_shapes_broadcast_and_pieces_change_nothing(how: Arithmetic, monkeypatch: pytest.MonkeyPatch) -> None:
    case = neurons(how, 5, 42, True, seed=3)
    assert case.bias is not None
    w, x, b = case.weights[:6], case.inputs.reshape(7, 6, 5)[:, :1], case.bias[:6]
    whole = sum_of_products(how, w, x, b)
    assert whole.shape == (7, 6)
    by_one = [[sum_of_products(how, w[j], x[i, 0], np.asarray(b[j])) for j in range(6)] for i in range(7)]
    assert bits(np.array(by_one)) == bits(whole)
    monkeypatch.setattr(sums, "_PIECE", 15)
    assert bits(sum_of_products(how, w, x, b)) == bits(whole)
    assert sum_of_products(how, w, x[:0], b).shape == (0, 6)


@settings(max_examples=examples(60))
@given(st.data(), st.sampled_from([FLOAT16, BFLOAT16, FLOAT32, FLOAT64]))
def test_networks_of_many_arithmetics_have_the_bits_of_the_reference(data: st.DataObject, fmt: object) -> None:
    network = with_numbers(data.draw(networks(fmt)), float)  # type: ignore[arg-type]
    exceptions = tuple(
        ((index, j), data.draw(sum_arithmetics(fmt, layer.inputs, layer.bias is not None)))  # type: ignore[arg-type]
        for index, layer in enumerate(network.dense_layers)
        for j in range(layer.outputs)
        if data.draw(st.booleans())
    )
    deployment = Deployment(Arithmetic(fmt, fused=data.draw(st.booleans())), exceptions)  # type: ignore[arg-type]
    inputs = network.dense_layers[0].inputs
    points = [[float(data.draw(values(fmt))) for _ in range(inputs)] for _ in range(3)]  # type: ignore[arg-type]
    got = network_outputs(network, np.array(points), deployment)
    for row, point in zip(got.tolist(), points, strict=True):
        wanted = network_logits(network, point, fmt, deployment)  # type: ignore[arg-type]
        assert [from_float(v) for v in row] == [from_float(v) for v in wanted]


ONE = dense_relu((Dense(((1.0, 2.0),)),))


def test_layers_may_widen_and_points_of_any_shape_are_taken() -> None:
    third = float(np.float16(1 / 3))
    network = dense_relu((Dense(((third,),)), Dense(((third,),))))
    deployment = Deployment(Arithmetic(FLOAT32), (((0, 0), Arithmetic(FLOAT16)),))
    assert network_outputs(network, np.array([1.0]), deployment).tolist() == [float(np.float32(third) * np.float32(third))]
    with pytest.raises(InputError, match="an arithmetic in float16 got a number in float32"):
        network_outputs(network, np.array([1.0]), Deployment(Arithmetic(FLOAT16), (((0, 0), Arithmetic(FLOAT32)),)))
    assert (
        network_outputs(ONE, np.ones((3, 4, 2)), Deployment(Arithmetic(FLOAT32))).tolist() == np.full((3, 4, 1), 3.0).tolist()
    )


def test_what_cannot_be_evaluated_is_said() -> None:
    one = np.ones(3)
    with pytest.raises(InputError, match="exact arithmetic; use the exact interpreter"):
        sum_of_products(REAL, one, one)
    with pytest.raises(InputError, match="exact arithmetic"):
        network_outputs(ONE, np.ones(2), Deployment(REAL))
    with pytest.raises(InputError, match="got 3 and 2"):
        sum_of_products(Arithmetic(FLOAT32), one, np.ones(2))
    with pytest.raises(InputError, match="a tree of 2 leaves"):
        sum_of_products(Arithmetic(FLOAT32, order=parse_order("[0,1]")), one, one)
    with pytest.raises(InputError, match=r"2 inputs, but the points are of shape \(3,\)"):
        network_outputs(ONE, one, Deployment(Arithmetic(FLOAT32)))
    with pytest.raises(InputError, match="the points are not all numbers of float16"):
        network_outputs(ONE, np.array([0.1, 1.0]), Deployment(Arithmetic(FLOAT16)))
    with pytest.raises(InputError, match="the weights are not all numbers of float16"):
        network_outputs(ONE.map(lambda w: w + 0.1), np.ones(2), Deployment(Arithmetic(FLOAT16)))
