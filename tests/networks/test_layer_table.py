"""Claims of the table of layer types: every row is whole, and what no layer can be is refused when it is made."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable
from typing import Any

import graphs
import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.networks.layers import (
    LAYERS,
    PADDING,
    AddConstant,
    Affine,
    AveragePooling,
    BatchNormalisation,
    Clip,
    Concat,
    Convolution,
    Dense,
    DivideConstant,
    Layer,
    LeakyReLU,
    MaxPooling,
    Pad,
    Rearrangement,
    Reshape,
    Selection,
    Sums,
    Transpose,
)
from fpsynth.networks.layers.structure import taps

ONES = np.ones((2, 2, 3))
EXAMPLES: dict[str, tuple[Layer, tuple[int, ...]]] = {
    "dense": (Dense(np.ones((2, 4))), (3, 4)),
    "convolution": (Convolution(ONES), (2, 5)),
    "affine": (Affine([2.0], [1.0]), (1, 4)),
    "batch normalisation": (BatchNormalisation([0.0], [1.0], [1.0], [0.0]), (1, 4)),
    "average pooling": (AveragePooling((2,)), (2, 5)),
    "add constant": (AddConstant([1.0]), (2, 2)),
    "subtract constant": (LAYERS["subtract constant"]([1.0]), (2, 2)),
    "multiply constant": (LAYERS["multiply constant"]([1.0]), (2, 2)),
    "divide constant": (DivideConstant([2.0]), (2, 2)),
    "max pooling": (MaxPooling((2,)), (2, 5)),
    "reshape": (Reshape((2, 2)), (4,)),
    "transpose": (Transpose((1, 0)), (2, 3)),
    "pad": (Pad(((1, 0),)), (2,)),
}
"""A layer of each type that takes parameters or attributes, and a shape that it reads; others are made without."""


@pytest.mark.parametrize("kind", LAYERS)
def test_a_row_is_whole(kind: str) -> None:
    row = LAYERS[kind]
    layer, shape = EXAMPLES.get(kind) or (row(), (2, 3))
    inputs = [shape] * row.inputs_taken[0]
    assert type(layer) is row
    assert row.kind == kind
    assert inspect.getdoc(row)
    assert row.names.onnx or kind == "affine"
    assert row.names.torch or kind in ("argmax", "affine")
    assert {"shape", "structure"} <= {name for c in row.__mro__ if c is not Layer and c is not object for name in vars(c)}
    fields = {field.name for field in dataclasses.fields(row)}
    assert set(row.parameters) <= fields
    assert dataclasses.is_dataclass(row)
    structure = layer.structure(*inputs)
    size = int(np.prod(layer.shape(*inputs)))
    if isinstance(structure, Rearrangement):
        assert structure.read is None or structure.read.shape == (size,)
    else:
        assert isinstance(structure, (Sums, Selection))
        assert structure.outputs == size
    assert len(layer.digest) == 32
    json.dumps(row.names.__dict__)


def test_random_graphs_draw_every_type_but_those_that_no_arithmetic_says() -> None:
    source = inspect.getsource(graphs)
    missing = [row.__name__ for row in LAYERS.values() if f"{row.__name__}(" not in source]
    assert missing == ["BatchNormalisation", "Affine", "Argmax", "Softmax"]


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a flat convolution": (lambda: Convolution(np.ones((2, 2))), "a convolution's weight has 3 or 4 axes, not 2"),
    "a long bias": (lambda: Convolution(ONES, [1.0]), "a convolution with 2 output channels has a bias of 1 numbers"),
    "uneven groups": (lambda: Convolution(np.ones((3, 1, 1)), groups=2), "3 output channels are not 2 equal groups"),
    "no stride": (lambda: Convolution(ONES, stride=0), r"stride must be whole numbers of at least 1, not \(0,\)"),
    "half a stride": (lambda: Convolution(ONES, stride=(0.5,)), "stride must be whole numbers"),  # type: ignore[arg-type]
    "strides for other axes": (lambda: Convolution(ONES, stride=(1, 2)), "stride needs 1 numbers, not 2"),
    "negative padding": (lambda: Convolution(ONES, padding=-1), "padding must be whole numbers of at least 0"),
    "padding for other axes": (lambda: Convolution(ONES, padding=(1, 1)), "padding needs a number, or a pair"),
    "padding beside the input": (lambda: MaxPooling((2,), padding=2), "padding must be narrower than the kernel"),
    "three axes": (lambda: AveragePooling((1, 1, 1)), "pooling has 1 or 2 axes, not 3"),
    "lengths": (lambda: BatchNormalisation([0.0], [1.0], [1.0, 1.0], [0.0]), "must be of one length"),
    "no variance": (lambda: BatchNormalisation([0.0], [0.0], [1.0], [0.0], 0.0), "plus epsilon must be above 0"),
    "NaN": (lambda: BatchNormalisation([0.0], [np.nan], [1.0], [0.0]), "holds numbers that are not finite"),
    "a quotient by infinity": (lambda: DivideConstant([np.inf]), "a divisor must be a known, finite number that is not zero"),
    "a quotient by zero": (lambda: DivideConstant([1.0, 0.0]), "a divisor must be a known, finite number that is not zero"),
    "a steep leak": (lambda: LeakyReLU(1.5), "must be between 0 and 1, not 1.5"),
    "a leak of NaN": (lambda: LeakyReLU(float("nan")), "must be a finite number, not nan"),
    "an empty clip": (lambda: Clip(1.0, -1.0), "a clip from 1.0 to -1.0 holds nothing"),
    "two open axes": (lambda: Reshape((-1, -1)), "at most one open axis"),
    "an empty axis": (lambda: Reshape((0, 2)), "at most one open axis"),
    "axes twice": (lambda: Transpose((0, 0)), r"the axes \(0, 0\) are not 0 to 1 in some order"),
    "no axis": (lambda: Concat(-1), "an axis must be whole numbers of at least 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_layer_can_be_is_refused_when_it_is_made(case: str) -> None:
    make, said = REFUSED[case]
    with pytest.raises(InputError, match=said):
        make()


SHAPES: dict[str, tuple[Layer, tuple[tuple[int, ...], ...], str]] = {
    "channels": (Convolution(ONES), ((3, 5),), "it reads 2 channels, but 3 come in"),
    "a narrow input": (Convolution(ONES), ((2, 2),), "a window of 3 does not fit into 2"),
    "an image for a signal": (Convolution(ONES), ((2, 5, 5),), "reads 2 axes, not the shape 2 x 5 x 5"),
    "a huge window": (MaxPooling((10**9,), 10**9, ((10**9 - 1, 10**9 - 1),)), ((1, 5),), "taps on an axis"),
    "a huge padding": (Convolution(ONES, padding=10**9), ((2, 5),), "numbers|taps"),
    "normalised channels": (
        BatchNormalisation([0.0], [1.0], [1.0], [0.0]),
        ((2, 2),),
        "it normalises 1 channels, but 2 come in",
    ),
    "a constant of more": (AddConstant(np.ones((2, 2))), ((2,),), "a constant of 2 x 2 does not spread over 2"),
    "a constant of others": (AddConstant(np.ones(3)), ((2,),), "a constant of 3 does not spread over 2"),
    "a reshape": (Reshape((-1, 4)), ((2, 3),), "2 x 3 cannot become -1 x 4"),
    "a transpose": (Transpose((1, 0)), ((2,),), "it orders 2 axes, but 2 come in"),
    "a pad": (Pad(((1, 0),)), ((2, 2),), "it pads 1 axes, but 2 x 2 come in"),
    "parts that do not fit": (Concat(1), ((2, 3), (3, 3)), "do not fit together along axis 1"),
    "parts without the axis": (Concat(1), ((2,), (3,)), "there is no axis 1 in 2 and 3"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_shapes_that_a_layer_does_not_read_are_refused(case: str) -> None:
    layer, shapes, said = SHAPES[case]
    with pytest.raises(InputError, match=said):
        layer.shape(*shapes)


def test_taps_are_sums_over_small_tables() -> None:
    read = taps([[0, 10], [10, PADDING]], [[1, 2]])
    assert (read.positions, read.terms, read.padded) == (2, 4, True)
    assert read.at(slice(None)).tolist() == [[1, 2, 11, 12], [11, 12, PADDING, PADDING]]
    assert read.at(np.array([1])).tolist() == [[11, 12, PADDING, PADDING]]


@pytest.mark.parametrize("kind", ["dense", "convolution", "average pooling", "add constant"])
def test_places_and_flat_positions_are_inverse(kind: str) -> None:
    layer, shape = EXAMPLES[kind]
    sums = layer.structure(shape)
    assert isinstance(sums, Sums)
    places = [sums.place(output) for output in range(sums.outputs)]
    assert [sums.flat(*place) for place in places] == list(range(sums.outputs))
    assert len(set(places)) == sums.outputs
