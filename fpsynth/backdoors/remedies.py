"""The known remedies against backdoors of rounding: each makes another network, or another format, of a suspect network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError, unknown_name
from fpsynth.evaluators.rounded import rounded_network
from fpsynth.formats import FLOAT64, Format
from fpsynth.networks.layers import (
    AddConstant,
    AveragePooling,
    Convolution,
    Dense,
    Flatten,
    GlobalAveragePooling,
    Layer,
    MaxPooling,
    ReLU,
    SubtractConstant,
)
from fpsynth.networks.network import INPUT, Network, Node


@dataclass(frozen=True)
class Remedied:
    """What a remedy makes of a network."""

    network: Network
    """Its numbers are of ``dtype``."""
    dtype: Format
    """Of weights, inputs and results when it is run."""


@dataclass(frozen=True)
class Remedy:
    """A remedy with its strength."""

    name: str
    about: str
    random: bool
    """Whether each draw is another network."""
    make: Callable[[Network, Format, np.random.Generator], Remedied]
    """Raises InputError for networks that it cannot be applied to."""


def noisy(network: Network, dtype: Format, relative: float, generator: np.random.Generator) -> Network:
    """Every weight and bias times 1 + d, d uniform from -``relative`` to ``relative``, rounded into the format.

    Zombori, Banhelyi, Csendes, Megyeri and Jelasity, "Fooling a Complete Neural Network Verifier" (ICLR 2021).
    """

    def changed(layer: Layer) -> Layer:
        return replace(layer, **{name: _scaled(getattr(layer, name), relative, generator) for name in layer.parameters})

    nodes = tuple(replace(node, layer=changed(node.layer)) for node in network.nodes)
    return rounded_network(replace(network, nodes=nodes), dtype)[0]


def _scaled(array: Any, relative: float, generator: np.random.Generator) -> Any:
    if array is None:
        return None
    return np.asarray(array, np.float64) * (1 + generator.uniform(-relative, relative, array.shape))


_KEEPS: tuple[type[Layer], ...] = (ReLU, Flatten, MaxPooling, AveragePooling, GlobalAveragePooling)


def permuted(network: Network, generator: np.random.Generator) -> Network:
    """The channels and neurons between one layer and the next in another order: the same function over the reals.

    Raises InputError where no two layers follow each other with nothing but ReLU, pooling and flattening between them.
    """
    layers: dict[str, Layer] = {node.name: node.layer for node in network.nodes}
    count = 0
    for reader in network.nodes:
        source = _source(network, reader)
        if source is None:
            continue
        first = layers[source]
        assert isinstance(first, Convolution | Dense)
        order = generator.permutation(len(first.weight))
        layers[source] = of_outputs(first, order)
        layers[reader.name] = of_inputs(layers[reader.name], order)
        count += 1
    if not count:
        raise InputError("permuted: no two layers follow each other with nothing but ReLU, pooling and flattening between them")
    return replace(network, nodes=tuple(replace(node, layer=layers[node.name]) for node in network.nodes))


def _source(network: Network, reader: Node) -> str | None:
    """The layer whose channels a layer reads, and nothing else reads; None where there is none."""
    if not isinstance(reader.layer, Dense | Convolution) or getattr(reader.layer, "groups", 1) > 1:
        return None
    (name,) = reader.inputs
    while name != INPUT and isinstance(network[name].layer, _KEEPS):
        if not _read_once(network, name):
            return None
        (name,) = network[name].inputs
    if name == INPUT or not _read_once(network, name):
        return None
    layer = network[name].layer
    if isinstance(layer, Convolution):
        return name if layer.groups == 1 else None
    return name if isinstance(layer, Dense) and len(network.shapes[name]) == 1 else None


def _read_once(network: Network, name: str) -> bool:
    return sum(node.inputs.count(name) for node in network.nodes) == 1 and network.output != name


def of_outputs(layer: Convolution | Dense, order: Any) -> Layer:
    """Output k is what output ``order[k]`` was."""
    return replace(layer, weight=layer.weight[order], bias=None if layer.bias is None else layer.bias[order])


def of_inputs(layer: Layer, order: Any) -> Layer:
    """A layer that reads its input channels in that order; each is so many inputs of a dense layer that lie together."""
    assert isinstance(layer, Convolution | Dense)
    if isinstance(layer, Convolution):
        return replace(layer, weight=layer.weight[:, order])
    spread = layer.inputs // len(order)
    return replace(layer, weight=layer.weight.reshape(layer.outputs, len(order), spread)[:, order].reshape(layer.outputs, -1))


def on_a_grid(network: Network, dtype: Format, bits: int) -> Network:
    """Every activation after a ReLU rounded to the nearest multiple of 2^-bits, as layers that any library runs.

    x + m - m with m = 1.5 * 2^(p-1-bits), p bits being those of a significand: where |x| is less than a third of m, x + m is
    rounded to a multiple of 2^-bits, and what is subtracted is exact; larger ones are rounded to a coarser grid.  Over the
    reals nothing changes.  A library that folds the two constants undoes it: ``defending`` looks at that.
    """
    shift = np.array(1.5 * 2.0 ** (dtype.precision - 1 - bits))
    nodes: list[Node] = []
    renamed: dict[str, str] = {}
    for node in network.nodes:
        nodes.append(replace(node, inputs=tuple(renamed.get(one, one) for one in node.inputs)))
        if isinstance(node.layer, ReLU) and node.name != network.output:
            up, down = f"{node.name}_up", f"{node.name}_grid"
            nodes += [Node(up, AddConstant(shift), (node.name,)), Node(down, SubtractConstant(shift), (up,))]
            renamed[node.name] = down
    if not renamed:
        raise InputError("grid: the network has no ReLU before its end, after which activations could be rounded")
    return Network(tuple(nodes), network.input_shape, network.output)


def grid_of(name: str) -> float | None:
    """The grid of a remedy; None for others."""
    kind, _, strength = name.partition(":")
    return 2.0 ** -int(strength) if kind == "grid" else None


KINDS = ("noise:SIZE", "permuted", "float64", "grid:BITS")
DEFAULT = ("noise:1e-7", "noise:1e-6", "noise:1e-5", "permuted", "float64", "grid:10")
_MOST_BITS = 40


def _noise(strength: str, text: str) -> Remedy:
    try:
        size = float(strength)
    except ValueError:
        size = 0.0
    if not 0 < size < 1:
        raise InputError(f"{text!r}: the size of the noise is a number between 0 and 1, such as noise:1e-6")
    about = f"weights and biases times 1 + d, d random, at most {size:g} in size"
    return Remedy(text, about, True, lambda network, dtype, draw: Remedied(noisy(network, dtype, size, draw), dtype))


def _grid(strength: str, text: str) -> Remedy:
    if not (strength.isascii() and strength.isdecimal()) or len(strength) > 3 or int(strength) > _MOST_BITS:
        raise InputError(f"{text!r}: a grid of multiples of 2^-BITS, BITS being a whole number up to {_MOST_BITS}")
    bits = int(strength)
    about = f"activations after each ReLU rounded to multiples of 2^-{bits}"
    return Remedy(text, about, False, lambda network, dtype, draw: Remedied(on_a_grid(network, dtype, bits), dtype))


def _permuted(strength: str, text: str) -> Remedy:
    about = "channels and neurons between layers in another order: the summands of all sums change places"
    return Remedy(text, about, True, lambda network, dtype, draw: Remedied(permuted(network, draw), dtype))


def _wider(strength: str, text: str) -> Remedy:
    about = "the same weights, run in float64 where the library has it"
    return Remedy(text, about, False, lambda network, dtype, draw: Remedied(network, FLOAT64))


_MAKERS: Mapping[str, Callable[[str, str], Remedy]] = {
    "noise": _noise,
    "permuted": _permuted,
    "float64": _wider,
    "grid": _grid,
}


def remedies_named(names: Sequence[str]) -> tuple[Remedy, ...]:
    """The remedies of these names, each once.  Raises InputError."""
    return tuple(_named(names))


def _named(names: Sequence[str]) -> Iterator[Remedy]:
    for text in dict.fromkeys(names):
        kind, colon, strength = text.partition(":")
        wanted = any(one.startswith(f"{kind}:") for one in KINDS)
        if kind not in _MAKERS or bool(colon) != wanted:
            raise unknown_name("remedy", text, KINDS)
        yield _MAKERS[kind](strength, text)


def largest_change(before: Floats, after: Floats) -> float:
    """Of two arrays of logits (inputs, outputs)."""
    return float(np.abs(before - after).max())
