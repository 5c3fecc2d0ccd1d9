"""Chains multiply by exactly the factor that was asked for, within the bound, and in as few layers as can be."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT16, FLOAT32, power_of_two
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Order, Tree, fixed_order
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.detecting.stacking import (
    Reading,
    Sketch,
    any_width,
    extended,
    power_at_least,
    power_at_most,
    shifted,
    stage,
)


@given(st.fractions(min_value=Fraction(1, 10**9), max_value=10**9))
def test_powers_around_a_number(number: Fraction) -> None:
    below, above = power_at_most(number), power_at_least(number)
    assert below <= number <= above
    assert 2 * below > number > above / 2
    assert below in (above, above / 2)


@given(st.integers(-60, 60), st.integers(-3, 6), st.integers(0, 4), st.booleans())
def test_a_chain_multiplies_exactly_within_the_bound(exponent: int, weight: int, width: int, copies: bool) -> None:
    by, factor = stage(power_of_two(weight), 1 << width), power_of_two(exponent)
    if by.weight * by.width <= 1 and factor > by.most(1):
        with pytest.raises(InputError, match="amplify nothing"):
            by.layers(factor)
        return
    layers = by.layers(factor)
    assert by.most(layers) >= factor
    assert layers == 1 or by.most(layers - 1) < factor
    more = copies and by.weight * by.width >= 1  # one layer more than needed, which must be able to carry the value on
    factors = by.factors(factor, layers + more)
    assert prod(factors) == factor
    sketch = Sketch(1)
    last = sketch.chain(0, Reading({0: Fraction(1)}), factors, by.width)
    sketch.add(len(factors) - 1, last.row)
    network = sketch.network(FLOAT32)
    assert exact_logits(network, (3.0,)) == (3 * factor,)
    assert max(map(abs, network.entries())) <= by.weight


def test_layers_too_weak_to_carry_a_value_on_are_refused() -> None:
    with pytest.raises(InputError, match=r"layers of width 1 with weights up to 0\.5 amplify nothing: widen them"):
        stage(Fraction(1, 2), 1).factors(Fraction(1, 2), 2)


@pytest.mark.parametrize(("bound", "width"), [(Fraction(4), 1), (Fraction(5, 2), 1), (Fraction(1), 2), (Fraction(1, 3), 8)])
def test_the_least_width_that_gains(bound: Fraction, width: int) -> None:
    by = stage(bound, None)
    assert by.width == width
    assert by.weight <= bound < 2 * by.weight
    assert by.weight * by.width > 1


def test_a_layer_without_biases_has_none() -> None:
    sketch = Sketch(2)
    sketch.add(0, {1: Fraction(1)})
    sketch.add(1, {0: Fraction(2)}, Fraction(1))
    assert sketch.network(FLOAT32) == dense_relu((Dense(((0.0, 1.0),)), Dense(((2.0,),), (1.0,))))
    del sketch.layers[1]
    assert sketch.network(FLOAT32, last_bias=True).dense_layers[0].bias.tolist() == [0.0]


def test_a_number_that_the_format_lacks_is_refused() -> None:
    sketch = Sketch(1)
    sketch.add(0, {0: Fraction(2**16)})
    with pytest.raises(InputError, match="float16 does not hold 65536"):
        sketch.network(FLOAT16)


def test_deployments_of_deeper_networks() -> None:
    fixed = Arithmetic(FLOAT32, order=fixed_order(Tree(2, ((0, 1),))), fused=True, rounded=(1,), bias_leaf=True)
    free = Arithmetic(FLOAT32, fused=True)
    lanes = Arithmetic(FLOAT32, order=Order("strided", 4))
    assert any_width(fixed) == free
    assert any_width(lanes) == lanes
    assert any_width(REAL) == REAL
    deployment = Deployment(fixed, (((0, 1), lanes),))
    moved = shifted(deployment, 3, 2)
    assert [moved.at(*place) for place in ((0, 0), (0, 1), (3, 0), (3, 1), (4, 0))] == [free, free, fixed, lanes, free]
    behind = extended(deployment, dense_relu((Dense(((1.0,), (1.0,))),)))
    assert [behind.at(*place) for place in ((0, 0), (0, 1), (1, 0), (1, 1))] == [fixed, lanes, free, free]
