"""The one table of layer types: whoever adds a type adds a row, and nothing else.

A row is a frozen dataclass: its fields are its parameters and attributes, checked when it is made; ``shape`` is its shape rule;
``structure`` says which sums, selection or view it is, ``outline`` how large that is; ``names`` is what others call it.
"""

from fpsynth.networks.layers.base import Layer, Names
from fpsynth.networks.layers.convolution import Convolution
from fpsynth.networks.layers.dense import Dense
from fpsynth.networks.layers.elementwise import Add, AddConstant, DivideConstant, MultiplyConstant, SubtractConstant
from fpsynth.networks.layers.normalisation import Affine, BatchNormalisation
from fpsynth.networks.layers.pooling import AveragePooling, GlobalAveragePooling, MaxPooling
from fpsynth.networks.layers.selections import Argmax, Clip, LeakyReLU, ReLU, Softmax
from fpsynth.networks.layers.structure import PADDING, Outline, Rearrangement, Selection, Shape, Structure, Sums, Taps
from fpsynth.networks.layers.views import Concat, Flatten, Pad, Reshape, Transpose

_SUMS: tuple[type[Layer], ...] = (
    Dense,
    Convolution,
    BatchNormalisation,
    Affine,
    AveragePooling,
    GlobalAveragePooling,
    Add,
    AddConstant,
    SubtractConstant,
    MultiplyConstant,
    DivideConstant,
)
_SELECTIONS: tuple[type[Layer], ...] = (ReLU, LeakyReLU, Clip, MaxPooling, Argmax, Softmax)
_VIEWS: tuple[type[Layer], ...] = (Flatten, Reshape, Transpose, Pad, Concat)

LAYERS: dict[str, type[Layer]] = {layer.kind: layer for layer in (*_SUMS, *_SELECTIONS, *_VIEWS)}
"""Every layer type by its name."""

CALLED: tuple[type[Layer], ...] = tuple(layer for layer in LAYERS.values() if layer.called)
"""Those that their names say all of."""

__all__ = [
    "CALLED",
    "LAYERS",
    "PADDING",
    "Add",
    "AddConstant",
    "Affine",
    "Argmax",
    "AveragePooling",
    "BatchNormalisation",
    "Clip",
    "Concat",
    "Convolution",
    "Dense",
    "DivideConstant",
    "Flatten",
    "GlobalAveragePooling",
    "Layer",
    "LeakyReLU",
    "MaxPooling",
    "MultiplyConstant",
    "Names",
    "Outline",
    "Pad",
    "ReLU",
    "Rearrangement",
    "Reshape",
    "Selection",
    "Shape",
    "Softmax",
    "Structure",
    "SubtractConstant",
    "Sums",
    "Taps",
    "Transpose",
]
