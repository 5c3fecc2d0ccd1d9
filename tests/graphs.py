"""Hypothesis strategies for random networks of all layer types: directed acyclic graphs with shared results and layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fpsynth.networks.layers import (
    Add,
    AddConstant,
    AveragePooling,
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
    SubtractConstant,
    Transpose,
)
from fpsynth.networks.network import INPUT, Network, Node

MOST = 48
"""Numbers that an activation has."""

Draw = st.DrawFn
Numbers = st.SearchStrategy[float]

small_integers: Numbers = st.integers(-2, 2).map(float)
_SMALL = np.array([0.0, 1.0, -1.0, 2.0, -2.0])
small_integers_at_once: Numbers = st.sampled_from(_SMALL.tolist())
"""The same, of which ``arrays`` takes a whole array in one choice: hundreds of choices take longer than what is tested."""


def arrays(draw: Draw, numbers: Numbers, *shape: int) -> Any:
    """An array of the shape."""
    size = math.prod(shape)
    if numbers is small_integers_at_once:
        return _SMALL[np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8) % len(_SMALL)].reshape(shape)
    return np.array(draw(st.lists(numbers, min_size=size, max_size=size)), np.float64).reshape(shape)


def _dense(draw: Draw, shape: Shape, numbers: Numbers) -> Layer:
    outputs = draw(st.integers(1, 3))
    bias = arrays(draw, numbers, outputs) if draw(st.booleans()) else None
    return Dense(arrays(draw, numbers, outputs, shape[-1]), bias)


def geometry(draw: Draw, sizes: Sequence[int], *, dilated: bool) -> dict[str, Any]:
    """Kernel, stride, padding (narrower than the kernel) and dilation of windows that fit into the sizes."""
    kernel = tuple(draw(st.integers(1, min(3, size))) for size in sizes)
    padding = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in kernel)
    room = [size + sum(pair) for size, pair in zip(sizes, padding, strict=True)]
    dilation = tuple(
        draw(st.integers(1, (space - 1) // (k - 1) if k > 1 else 2)) if dilated else 1
        for k, space in zip(kernel, room, strict=True)
    )
    stride = tuple(draw(st.integers(1, 3)) for _ in sizes)
    return {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}


def convolution(draw: Draw, shape: Shape, numbers: Numbers) -> Convolution:
    """A convolution that reads the shape (channels, ...)."""
    channels, *sizes = shape
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    outputs = groups * draw(st.integers(1, 2))
    windows = geometry(draw, sizes, dilated=True)
    weight = arrays(draw, numbers, outputs, channels // groups, *windows.pop("kernel"))
    bias = arrays(draw, numbers, outputs) if draw(st.booleans()) else None
    return Convolution(weight, bias, groups=groups, **windows)


def pooling(draw: Draw, shape: Shape) -> dict[str, Any]:
    """What both poolings take, for the shape (channels, ...)."""
    windows = geometry(draw, shape[1:], dilated=False)
    del windows["dilation"]
    return {**windows, "ceil": draw(st.booleans())}


def _constant(draw: Draw, shape: Shape, numbers: Numbers) -> Any:
    """An array that spreads over the shape."""
    return arrays(draw, numbers, *(size if draw(st.booleans()) else 1 for size in shape))


def _pad(draw: Draw, shape: Shape, numbers: Numbers) -> Pad:
    return Pad(tuple((draw(st.integers(0, 1)), draw(st.integers(0, 1))) for _ in shape), draw(numbers))


def layer(draw: Draw, shape: Shape, numbers: Numbers, divisors: bool) -> Layer:
    """A layer of one input that reads the shape.  ``divisors``: whether averages and quotients may be anything but binary."""
    divisor = st.sampled_from([3.0, -5.0, 0.5, 1.0] if divisors else [2.0, -0.5, 1.0])
    makers: list[Callable[[], Layer]] = [
        lambda: _dense(draw, shape, numbers),
        lambda: AddConstant(_constant(draw, shape, numbers)),
        lambda: SubtractConstant(_constant(draw, shape, numbers), draw(st.booleans())),
        lambda: MultiplyConstant(_constant(draw, shape, numbers)),
        lambda: DivideConstant(_constant(draw, shape, divisor)),
        lambda: ReLU(),
        lambda: LeakyReLU(draw(st.sampled_from([0.0, 0.25, 1.0]))),
        lambda: Clip(draw(st.sampled_from([None, -1.0, 0.0])), draw(st.sampled_from([None, 0.5, 2.0]))),
        lambda: Flatten(),
        lambda: Reshape(draw(st.permutations(shape)) if draw(st.booleans()) else (-1, draw(st.sampled_from([1, shape[0]])))),
        lambda: Transpose(draw(st.permutations(range(len(shape))))),
        lambda: _pad(draw, shape, numbers),
    ]
    if len(shape) in (2, 3):
        makers += [
            lambda: convolution(draw, shape, numbers),
            lambda: MaxPooling(**pooling(draw, shape)),
        ]
        if divisors:
            makers += [
                lambda: AveragePooling(**pooling(draw, shape), count_padding=draw(st.booleans())),
                lambda: GlobalAveragePooling(draw(st.booleans())),
            ]
        else:
            makers.append(
                lambda: AveragePooling((2,) + (1,) * (len(shape) - 2), padding=((1, 1),) + ((0, 0),) * (len(shape) - 2))
            )
    return draw(st.sampled_from(makers))()


@st.composite
def shapes(draw: Draw) -> Shape:
    """Of one example: features, channels of a signal, or channels of an image."""
    return draw(st.sampled_from([(3,), (5,), (2, 4), (3, 5), (1, 3, 3), (2, 3, 4), (4, 2, 3)]))


@st.composite
def graphs(draw: Draw, numbers: Numbers = small_integers, *, most: int = 6, divisors: bool = False) -> Network:
    """A network of up to ``most`` layers, and what joins their loose ends; its parameters are ``numbers``."""
    nodes: list[Node] = []
    given = {INPUT: draw(shapes())}

    def add(name: str, made: Layer, *inputs: str) -> None:
        shape = made.shape(*(given[i] for i in inputs))
        if math.prod(shape) <= MOST:
            given[name] = shape
            nodes.append(Node(name, made, inputs))

    for number in range(draw(st.integers(1, most))):
        source = draw(st.sampled_from(sorted(given)))
        kind = draw(st.sampled_from(["one", "one", "one", "add", "concat", "again"]))
        if kind == "add":
            others = sorted(name for name, shape in given.items() if shape == given[source])
            add(f"n{number}", Add(), source, *draw(st.lists(st.sampled_from(others), min_size=1, max_size=2)))
        elif kind == "concat":
            axis = draw(st.integers(0, len(given[source]) - 1))
            add(f"n{number}", Concat(axis), source, *draw(st.lists(st.just(source), max_size=1)))
        elif kind == "again" and nodes:
            used = [node.layer for node in nodes if given[node.inputs[0]] == given[source] and len(node.inputs) == 1]
            add(f"n{number}", draw(st.sampled_from(used)) if used else ReLU(), source)
        else:
            add(f"n{number}", layer(draw, given[source], numbers, divisors), source)
    if not nodes:
        add("only", ReLU(), INPUT)
    read = {name for node in nodes for name in node.inputs}
    loose = [node.name for node in nodes if node.name not in read]
    if len(loose) > 1:
        flat = [Node(f"flat_{name}", Flatten(), (name,)) for name in loose]
        nodes += [*flat, Node("joined", Concat(), tuple(node.name for node in flat))]
    return Network(tuple(draw(st.permutations(nodes))), given[INPUT], nodes[-1].name)
