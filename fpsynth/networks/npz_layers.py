"""Layers in .npz files by name, as torch lays them out: NAME_weight and NAME_bias, with a ReLU between one layer and the next.

A weight of two axes is a dense layer's, (outputs, inputs); one of three or four a convolution's, (output channels, input
channels / groups, *kernel).  A convolution's geometry stands in NAME_stride, NAME_padding, NAME_dilation and NAME_groups, each
one integer or one for each axis, a padding also as pairs (before, after); the shape of one example in input_shape.  Files
without these arrays are read once the caller says what is missing.  Layers follow each other as in the file; a flatten stands
before the first dense layer where the input has several axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fpsynth.errors import InputError
from fpsynth.networks.layers import Convolution, Dense, Flatten, Layer, ReLU
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.networks.npz_archive import Archive

_WEIGHT, _BIAS = "_weight", "_bias"
_GEOMETRY = ("stride", "padding", "dilation", "groups")
MAX_LAYERS = 1000

Geometry = Mapping[str, Mapping[str, Any]]


def layer_names(archive: Archive) -> list[str]:
    """The names of the layers in an archive, in its order."""
    return [name.removesuffix(_WEIGHT) for name in archive.members if name.endswith(_WEIGHT) and name != _WEIGHT]


def read_layers(
    archive: Archive, names: Sequence[str], input_shape: Sequence[int] | None = None, geometry: Geometry | None = None
) -> Network:
    """The network of these layers.  Raises InputError where they do not fit, saying what may be missing."""
    if len(names) > MAX_LAYERS:
        raise InputError(f"it has more than {MAX_LAYERS} layers")
    arrays = archive.floats([f"{n}{end}" for n in names for end in (_WEIGHT, _BIAS) if f"{n}{end}" in archive.members])
    unknown = sorted(set(geometry or {}) - set(names))
    if unknown:
        raise InputError(f"there is no layer {unknown[0]!r} to give a geometry; it has {', '.join(names[:8])}")
    layers = [_layer(archive, name, arrays, (geometry or {}).get(name, {})) for name in names]
    shape = _input_shape(archive, names[0], layers[0], input_shape)
    try:
        return _stack(names, layers, shape)
    except InputError as error:
        convolutions = [n for n, layer in zip(names, layers, strict=True) if isinstance(layer, Convolution)]
        unsaid = [name for name in convolutions if not _said(archive, name, geometry)]
        raise InputError(f"{error}{_advice(unsaid)}") from None


def _said(archive: Archive, name: str, geometry: Geometry | None) -> bool:
    return name in (geometry or {}) or any(f"{name}_{what}" in archive.members for what in _GEOMETRY)


def _advice(unsaid: Sequence[str]) -> str:
    if not unsaid:
        return ""
    return (
        f"; nothing says the stride and padding of {', '.join(unsaid[:4])}: save them as {unsaid[0]}_stride and"
        f" {unsaid[0]}_padding, or give geometry={{{unsaid[0]!r}: {{'stride': ..., 'padding': ...}}, ...}}"
    )


def _layer(archive: Archive, name: str, arrays: Mapping[str, Any], given: Mapping[str, Any]) -> Layer:
    weight, bias = arrays[f"{name}{_WEIGHT}"], arrays.get(f"{name}{_BIAS}")
    try:
        if weight.ndim == 2:
            return Dense(weight, bias)
        return Convolution(weight, bias, **_geometry(archive, name, given))
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _geometry(archive: Archive, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the caller says, or the file."""
    unknown = sorted(set(given) - set(_GEOMETRY))
    if unknown:
        raise InputError(f"a geometry has {', '.join(_GEOMETRY)}, not {unknown[0]}")
    result = {}
    for what in _GEOMETRY:
        if what in given:
            result[what] = given[what]
        elif f"{name}_{what}" in archive.members:
            values = archive.integers(f"{name}_{what}", 4)
            result[what] = int(values.reshape(-1)[0]) if values.size == 1 else values.tolist()
    return result


def _input_shape(archive: Archive, name: str, first: Layer, given: Sequence[int] | None) -> tuple[int, ...]:
    if given is not None:
        return tuple(int(size) for size in given)
    if "input_shape" in archive.members:
        return tuple(archive.integers("input_shape", 4).reshape(-1).tolist())
    if isinstance(first, Dense):
        return (first.inputs,)
    raise InputError(f"{name} is a convolution: save the shape of one example as the array input_shape, or give input_shape=")


def _stack(names: Sequence[str], layers: Sequence[Layer], shape: tuple[int, ...]) -> Network:
    nodes: list[Node] = []
    last, axes = INPUT, len(shape)
    for name, layer in zip(names, layers, strict=True):
        if isinstance(layer, Dense) and axes > 1:
            nodes.append(Node("flatten", Flatten(), (last,)))
            last, axes = "flatten", 1
        nodes.append(Node(name, layer, (last,)))
        last = name
        if name != names[-1]:
            last = f"{name}_relu"
            nodes.append(Node(last, ReLU(), (name,)))
    return Network(tuple(nodes), shape, last)


def write_layers(network: Network) -> dict[str, Any]:
    """The arrays of a network of this kind, for numpy.savez; read back, it is the same."""
    result: dict[str, Any] = {"input_shape": np.array(network.input_shape, np.int64)}
    for node in network.nodes:
        if isinstance(node.layer, (Dense, Convolution)):
            result[f"{node.name}{_WEIGHT}"] = node.layer.weight
            if node.layer.bias is not None:
                result[f"{node.name}{_BIAS}"] = node.layer.bias
        if isinstance(node.layer, Convolution):
            result |= {f"{node.name}_{what}": np.array(getattr(node.layer, what), np.int64) for what in _GEOMETRY}
    return result
