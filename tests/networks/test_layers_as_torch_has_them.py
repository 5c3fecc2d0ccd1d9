"""Every layer type computes what torch computes: equal numbers where all are small integers, in float64 and exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from graphs import arrays, convolution, pooling
from graphs import small_integers_at_once as small_integers
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples

from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.evaluators.real import exact_logits
from fpsynth.networks.layers import (
    Add,
    AddConstant,
    Argmax,
    AveragePooling,
    BatchNormalisation,
    Clip,
    Concat,
    Convolution,
    Dense,
    DivideConstant,
    Flatten,
    GlobalAveragePooling,
    Layer,
    LeakyReLU,
    MaxPooling,
    MultiplyConstant,
    Pad,
    ReLU,
    Reshape,
    Shape,
    Softmax,
    SubtractConstant,
    Transpose,
)
from fpsynth.networks.network import INPUT, Network, Node

torch = pytest.importorskip("torch")

Tensor = Any
BATCH = 3


def alone(layer: Layer, shape: Shape, inputs: int = 1) -> Network:
    """A network of that layer; its further inputs are twice, three times... the input."""
    others = [Node(f"times{k}", MultiplyConstant([float(k)])) for k in range(2, inputs + 1)]
    return Network((*others, Node("it", layer, (INPUT, *(node.name for node in others)))), shape, "it")


def same(layer: Layer, shape: Shape, theirs: Callable[[Tensor], Tensor], points: Any, inputs: int = 1) -> None:
    """The layer on a batch of points of small integers, and torch's function, give the same numbers."""
    network = alone(layer, shape, inputs)
    wanted = theirs(torch.tensor(points)).to(torch.float64)
    assert tuple(wanted.shape) == (BATCH, *network.output_shape)
    assert np.array_equal(float64_outputs(network, points), wanted.numpy())
    if not layer.ending:
        exact = [exact_logits(network, point.reshape(-1).tolist()) for point in points]
        assert [[float(v) for v in values] for values in exact] == wanted.reshape(BATCH, -1).tolist()


def batch(data: st.DataObject, *shape: int) -> Any:
    return arrays(data.draw, small_integers, BATCH, *shape)


SIGNAL_OR_IMAGE = st.sampled_from([(2, 6), (4, 5), (1, 4, 4), (4, 3, 5), (6, 5, 5)])


@given(st.data(), st.sampled_from([(4,), (2, 3), (2, 2, 5)]))
def test_dense(data: st.DataObject, shape: Shape) -> None:
    weight, bias = arrays(data.draw, small_integers, 3, shape[-1]), arrays(data.draw, small_integers, 3)
    linear, x = torch.nn.functional.linear, batch(data, *shape)
    same(Dense(weight, bias), shape, lambda t: linear(t, torch.tensor(weight), torch.tensor(bias)), x)
    same(Dense(weight), shape, lambda t: linear(t, torch.tensor(weight)), x)


@settings(max_examples=examples(400))
@given(st.data(), SIGNAL_OR_IMAGE)
def test_convolution(data: st.DataObject, shape: Shape) -> None:
    layer = convolution(data.draw, shape, small_integers)
    function = torch.nn.functional.conv1d if len(shape) == 2 else torch.nn.functional.conv2d
    weight, bias = torch.tensor(layer.weight), None if layer.bias is None else torch.tensor(layer.bias)

    def theirs(t: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(t, [side for pair in reversed(layer.padding) for side in pair])
        return function(padded, weight, bias, layer.stride, 0, layer.dilation, layer.groups)

    same(layer, shape, theirs, batch(data, *shape))


def symmetric(data: st.DataObject, shape: Shape) -> dict[str, Any]:
    """Pooling as torch has it: as much padding before as after, at most half the kernel."""
    windows = pooling(data.draw, shape)
    half = tuple(min(min(pair), k // 2) for pair, k in zip(windows["padding"], windows["kernel"], strict=True))
    return {**windows, "padding": half}


@settings(max_examples=examples(400))
@given(st.data(), SIGNAL_OR_IMAGE)
def test_max_pooling(data: st.DataObject, shape: Shape) -> None:
    given_ = symmetric(data, shape)
    function = torch.nn.functional.max_pool1d if len(shape) == 2 else torch.nn.functional.max_pool2d
    args = given_["kernel"], given_["stride"], given_["padding"]
    same(MaxPooling(**given_), shape, lambda t: function(t, *args, ceil_mode=given_["ceil"]), batch(data, *shape))


@settings(max_examples=examples(400))
@given(st.data(), SIGNAL_OR_IMAGE, st.booleans())
def test_average_pooling(data: st.DataObject, shape: Shape, counted: bool) -> None:
    given_ = symmetric(data, shape)
    function = torch.nn.functional.avg_pool1d if len(shape) == 2 else torch.nn.functional.avg_pool2d
    layer, points = AveragePooling(**given_, count_padding=counted), 720720.0 * batch(data, *shape)  # which all counts divide
    args = given_["kernel"], given_["stride"], given_["padding"], given_["ceil"], counted
    same(layer, shape, lambda t: function(t, *args), points)


@given(st.data(), st.sampled_from([(2, 4), (3, 2, 4)]))
def test_global_average_pooling(data: st.DataObject, shape: Shape) -> None:
    axes, points = tuple(range(2, len(shape) + 1)), batch(data, *shape)
    same(GlobalAveragePooling(), shape, lambda t: t.mean(axes, keepdim=True), points)
    same(GlobalAveragePooling(keep_axes=False), shape, lambda t: t.mean(axes), points)


@given(st.data(), st.sampled_from([(3,), (2, 4), (2, 2, 3)]))
def test_batch_normalisation_by_rational_roots(data: st.DataObject, shape: Shape) -> None:
    mean, scale, shift = (arrays(data.draw, small_integers, shape[0]) for _ in range(3))
    variance = np.array([data.draw(st.sampled_from([0.1875, 0.9375, 3.9375, 15.9375])) for _ in range(shape[0])])
    layer, points = BatchNormalisation(mean, variance, scale, shift, 0.0625), batch(data, *shape)
    parts = map(torch.tensor, (mean, variance, scale, shift))
    mean_, variance_, scale_, shift_ = parts
    norm = torch.nn.functional.batch_norm
    same(layer, shape, lambda t: norm(t, mean_, variance_, scale_, shift_, eps=0.0625), points)


def test_batch_normalisation_by_irrational_roots_is_near_what_torch_computes() -> None:
    draw = np.random.default_rng(2)
    parts = mean, variance, scale, shift = (
        draw.normal(size=3),
        draw.uniform(0.1, 4, 3),
        draw.normal(size=3),
        draw.normal(size=3),
    )
    network, points = alone(BatchNormalisation(*parts), (3, 5)), draw.normal(size=(BATCH, 3, 5))
    wanted = torch.nn.functional.batch_norm(torch.tensor(points), *map(torch.tensor, (mean, variance, scale, shift)), eps=1e-5)
    # about ten roundings of numbers below 2**6 in each
    assert np.abs(float64_outputs(network, points) - wanted.numpy()).max() < 20 * 2.0**-53 * 2**6


@given(st.data(), st.sampled_from([(3,), (2, 4), (2, 2, 3)]), st.integers(2, 4))
def test_add(data: st.DataObject, shape: Shape, inputs: int) -> None:
    same(Add(), shape, lambda t: t * sum(range(1, inputs + 1)), batch(data, *shape), inputs)


@given(st.data(), st.sampled_from([((3,), (3,)), ((2, 4), (2, 1)), ((2, 2, 3), (1,)), ((2, 2, 3), (2, 1, 3))]))
def test_constants(data: st.DataObject, both: tuple[Shape, Shape]) -> None:
    shape, spread = both
    value, points = arrays(data.draw, small_integers, *spread), batch(data, *shape)
    constant = torch.tensor(value)
    same(AddConstant(value), shape, lambda t: t + constant, points)
    same(SubtractConstant(value), shape, lambda t: t - constant, points)
    same(SubtractConstant(value, turned=True), shape, lambda t: constant - t, points)
    same(MultiplyConstant(value), shape, lambda t: t * constant, points)
    divisor = 2.0**value
    same(DivideConstant(divisor), shape, lambda t: t / torch.tensor(divisor), points)


@given(st.data(), st.sampled_from([(3,), (2, 4), (2, 2, 3)]))
def test_selections_number_by_number(data: st.DataObject, shape: Shape) -> None:
    points = batch(data, *shape)
    same(ReLU(), shape, torch.relu, points)
    same(LeakyReLU(0.25), shape, lambda t: torch.nn.functional.leaky_relu(t, 0.25), points)
    same(Clip(-1.0, 0.5), shape, lambda t: t.clamp(-1, 0.5), points)
    same(Clip(upper=1.0), shape, lambda t: t.clamp(max=1), points)
    same(Clip(lower=0.0, upper=6.0), shape, torch.nn.functional.relu6, 4 * points)


@given(st.data(), st.sampled_from([(4,), (2, 3)]))
def test_the_ends_of_classifiers(data: st.DataObject, shape: Shape) -> None:
    points = batch(data, *shape)
    first = torch.tensor(np.argmax(points, axis=-1))  # torch promises no particular one of several largest
    assert torch.equal(torch.tensor(points).gather(-1, first[..., None])[..., 0], torch.tensor(points).amax(-1))
    same(Argmax(), shape, lambda t: first, points)
    ours, theirs = float64_outputs(alone(Softmax(), shape), points), torch.softmax(torch.tensor(points), -1).numpy()
    assert np.allclose(ours, theirs, rtol=2.0**-49, atol=0)


@given(st.data(), st.sampled_from([(3,), (2, 4), (2, 2, 3)]))
def test_views(data: st.DataObject, shape: Shape) -> None:
    points, size = batch(data, *shape), math.prod(shape)
    same(Flatten(), shape, lambda t: t.flatten(1), points)
    same(Reshape((size, 1)), shape, lambda t: t.reshape(BATCH, size, 1), points)
    same(Reshape((-1, shape[0])), shape, lambda t: t.reshape(BATCH, -1, shape[0]), points)
    axes = data.draw(st.permutations(range(len(shape))))
    same(Transpose(tuple(axes)), shape, lambda t: t.permute(0, *(1 + axis for axis in axes)), points)
    padding = tuple((data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))) for _ in shape)
    flat = [side for pair in reversed(padding) for side in pair]
    same(Pad(padding, -1.5), shape, lambda t: torch.nn.functional.pad(t, flat, value=-1.5), points)
    for axis in range(len(shape)):
        same(Concat(axis), shape, lambda t, axis=axis: torch.cat([t, 2 * t], axis + 1), points, 2)


def test_exact_averages_are_rational() -> None:
    network = alone(GlobalAveragePooling(keep_axes=False), (1, 3))
    assert exact_logits(network, (1.0, 0.0, 0.0)) == (Fraction(1, 3),)


def test_grouped_convolutions_do_not_mix_channels() -> None:
    network = alone(Convolution(np.ones((2, 1, 1)), groups=2), (2, 1))
    assert float64_outputs(network, np.array([[1.0], [10.0]])).tolist() == [[1.0], [10.0]]
