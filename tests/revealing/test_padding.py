"""At a place of a convolution where taps lie in a padding the sum of the other taps is revealed, whatever it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from given_programs import arithmetic, rounded_before_bias
from hypothesis import given
from hypothesis import strategies as st
from simulated import layer, random_tree, revealed
from strategies import arithmetics, trees

from fpsynth.alignment import Alignment
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import BFLOAT16, FLOAT32, FLOAT64
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.layer_shapes import layer_shape
from fpsynth.networks.layers import Convolution
from fpsynth.orders import fixed_order, parse_order
from fpsynth.revealing.checking import same_numbers
from fpsynth.revealing.file import reveal_from_json, reveal_to_json
from fpsynth.revealing.padding import over_all, taps_inside
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.arithmetic import Arithmetic

CORNER, EDGE = 15, 14
"""Places of a 4 x 4 image at its lower edge: of nine taps four and six lie in it."""


def convolution(fmt, position, bias):
    """The kernel of a padded convolution at a place."""
    shape = layer_shape(Convolution(np.zeros((2, 1, 3, 3)), np.zeros(2) if bias else None, padding=1), (1, 4, 4))
    return Kernel(Environment("torch", "linear", batch=3, outputs=2), fmt, 9, 2, bias, shape, position)


def reads_the_input_alone(compute, inside):
    """The operation of a layer: what rows hold in the padding does not reach the sums, which read zeros there."""

    def padded(rows, weights, bias):
        seen = np.zeros_like(rows)
        seen[:, list(inside)] = rows[:, list(inside)]
        return compute(seen, weights, bias)

    return padded


tree = fixed_order(random_tree(np.random.default_rng(1), 9))
CASES = {
    "in sequence, fused": Arithmetic(FLOAT32, fused=True),
    "bias first": Arithmetic(FLOAT32, fused=True, bias_first=True),
    "two lanes": Arithmetic(FLOAT32, order=parse_order("strided:2"), fused=True),
    "any tree": Arithmetic(FLOAT64, order=tree),
    "any tree, fused": Arithmetic(FLOAT32, order=tree, fused=True),
    "some products rounded": Arithmetic(FLOAT32, order=parse_order("strided:2"), fused=True, rounded=(0, 1, 4)),
    "bias in the tree": Arithmetic(FLOAT32, order=fixed_order(random_tree(np.random.default_rng(2), 10)), bias_leaf=True),
    "flushed, wide": Arithmetic(BFLOAT16, FLOAT32, order=parse_order("pairwise"), flush=Flush.ROUNDED),
    "aligned": Arithmetic(
        BFLOAT16, FLOAT32, fused=True, order=parse_order("groups:4"), alignment=Alignment(24, rounding=Rounding.RTZ)
    ),
    "one program": arithmetic(rounded_before_bias(9)),
}


@pytest.mark.parametrize("position", [EDGE, CORNER])
@pytest.mark.parametrize("case", CASES)
def test_what_adds_the_taps_in_the_input_is_found(case, position):
    how = CASES[case]
    bias = how.bias_leaf or how.bias_first or how.given is not None
    what = convolution(how.format, position, bias)
    inside = taps_inside(what)
    assert inside == ((0, 1, 3, 4) if position == CORNER else (0, 1, 2, 3, 4, 5))
    reveal = revealed(reads_the_input_alone(layer(what, lambda row, output: how), inside), what)
    assert reveal.explained, (reveal.notes, [str(one.check) for one in reveal.classes])
    assert reveal_from_json(reveal_to_json(reveal)) == reveal
    (one,) = reveal.classes
    generator = np.random.default_rng(0)
    inputs, weights, biases = (generator.standard_normal(shape) for shape in ((500, 9), (500, 9), 500))
    inputs[:, [leaf for leaf in range(9) if leaf not in inside]] = 0.0
    numbers = [np.asarray(array, np.float32).view(np.uint32) & 0xFFFF0000 for array in (inputs, weights, biases)]
    x, w, b = (array.view(np.float32).astype(np.float64) for array in numbers)  # of bfloat16, which every format here has
    expected, own = (sum_of_products(way, w, x, b if bias else None) for way in (how, one.arithmetic))
    assert same_numbers(own, expected).all()
    if case in ("in sequence, fused", "bias first"):
        assert one.arithmetic == how


def test_what_is_not_explained_is_told_with_all_taps():
    """A kernel that now and then is wrong in its last bit: the vector that shows it fits the layer."""
    how = Arithmetic(FLOAT32)
    what = convolution(FLOAT32, EDGE, bias=False)
    inside = taps_inside(what)
    right = reads_the_input_alone(layer(what, lambda row, output: how), inside)

    def wrong(rows, weights, bias):
        results = right(rows, weights, bias)
        return np.where(rows[:, :1] > 2, np.nextafter(results, np.float32(np.inf)), results)

    reveal = revealed(wrong, what)
    assert not reveal.explained
    first = next(one.check.first for one in reveal.classes if one.check.first is not None)
    assert (len(first.inputs), len(first.weights)) == (9, 9)
    assert not any(value for leaf, value in enumerate(first.inputs) if leaf not in inside)
    assert first.inputs[0] > 2


@given(st.data())
def test_an_arithmetic_of_some_terms_is_one_of_all_of_them(data):
    terms = data.draw(st.integers(2, 12))
    inside = tuple(sorted(data.draw(st.sets(st.integers(0, terms - 1), min_size=1, max_size=terms - 1))))
    bias = data.draw(st.booleans())
    how = data.draw(arithmetics(FLOAT32))
    if data.draw(st.booleans()):
        order = fixed_order(data.draw(trees(len(inside), data.draw(st.integers(2, 4)))))
        rounded = tuple(sorted(data.draw(st.sets(st.integers(0, len(inside) - 1)))))
        how = replace(how, order=order, bias_first=False, rounded=rounded)
    found = over_all(how, inside, terms, bias)
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    scale = np.exp2(generator.integers(-70, 20, (40, terms)))
    x, w = (generator.standard_normal((40, terms)).astype(np.float32).astype(np.float64) for _ in range(2))
    w = (w * scale).astype(np.float32).astype(np.float64)
    x[:, [leaf for leaf in range(terms) if leaf not in inside]] = 0.0
    b = generator.standard_normal(40).astype(np.float32).astype(np.float64) if bias else None
    with np.errstate(all="ignore"):
        expected = sum_of_products(how, w[:, list(inside)], x[:, list(inside)], b)
        assert same_numbers(sum_of_products(found, w, x, b), expected).all()
