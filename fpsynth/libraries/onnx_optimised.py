"""The network that onnxruntime really runs, read back from the graph that its own optimisations leave.

Read is the graph after its basic optimisations, whose operators are ONNX's own: normalisations are folded into the weights
of convolutions, as onnxruntime computes them.  What later ones do beside choosing kernels is that a convolution takes over the
addition that follows: its sum then begins with the other number, block of input channels by block, and the bias comes last
(onnxruntime/core/mlas/lib/snchwc.cpp: the partial sum of a block is added to what the output holds).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fpsynth.networks.layers import Add, AddConstant, Convolution
from fpsynth.networks.network import Network, Node
from fpsynth.networks.onnx import import_onnx
from fpsynth.networks.rewrites import Rewrite, Rewritten

BLOCKED = "com.microsoft.nchwc"
"""The domain of operators on blocks of channels."""
_POINTWISE = 128
"""Input channels that a convolution with a kernel of one pixel adds at once."""
_MOST_PARTS = 8
"""Blocks that one convolution is written as convolutions of."""


def optimised_network(given: Network, names: Mapping[str, str], basic: bytes, last: bytes, block: int) -> Rewritten:
    """``given`` as onnxruntime computes it.  Raises InputError for a graph that is not read.

    ``names``: of the given nodes by the names of their results in the models.  ``basic``: the model after basic optimisations;
    ``last``: after all that were asked for.  ``block``: channels of a block, from which on a convolution works on blocks; 0
    where none does.
    """
    network = _named(given, names, basic)
    rewrites, notes = list(_merged(given, network)), []
    for name in _taking_over(names, last):
        for add in [node for node in network.nodes if name in node.inputs and isinstance(node.layer, Add)]:
            convolution = network[name].layer
            if len(set(add.inputs)) != 2 or len(add.inputs) != 2 or not isinstance(convolution, Convolution):
                continue
            told = f"the sum of {name} begins with the other number, and its bias is added last"
            parts = len(_starts(convolution, block))
            if parts > _MOST_PARTS:
                notes.append(f"{add.name}: {told}, in {parts} blocks of channels, which is not modelled")
                continue
            network = _begun_with_other(network, name, add, block)
            rewrites.append(Rewrite(f"ONNX Runtime's optimised graph: {told}", add.name))
    return Rewritten(network, tuple(rewrites), tuple(notes))


def _named(given: Network, names: Mapping[str, str], model: bytes) -> Network:
    """The network of a model, its nodes called as those of the given one whose results they compute."""
    from onnx import ModelProto

    message = ModelProto.FromString(model)
    for node in message.graph.node:
        node.name = names.get(node.output[0], node.name)
    read = import_onnx(message.SerializeToString(), "onnxruntime's optimised graph").network
    own = {node.name: node.layer for node in given.nodes}
    same = [replace(n, layer=own[n.name]) if n.name in own and own[n.name] == n.layer else n for n in read.nodes]
    return replace(read, nodes=tuple(same))


def _merged(given: Network, network: Network) -> Iterator[Rewrite]:
    """Which nodes are computed by one that is not as it was given."""
    own, there = {node.name: node for node in given.nodes}, {node.name for node in network.nodes}
    for node in network.nodes:
        if node.name not in own or own[node.name].layer == node.layer:
            continue
        members, todo = [node.name], [*own[node.name].inputs]
        while todo:
            source = todo.pop()
            if source in own and source not in there:
                members.append(source)
                todo += own[source].inputs
        if len(members) > 1:
            together = " and ".join(reversed(members))
            yield Rewrite(f"ONNX Runtime's optimised graph: {together} are one {node.layer.kind}", node.name)


def _taking_over(names: Mapping[str, str], model: bytes) -> Iterator[str]:
    """The convolutions that a model has begin with another number."""
    from onnx import ModelProto

    for node in ModelProto.FromString(model).graph.node:
        if node.op_type in ("Conv", "FusedConv") and len(node.input) > 3 and node.input[3]:
            result = node.name.removesuffix("_nchwc")
            yield names.get(result, result)


def _begun_with_other(network: Network, name: str, add: Node, block: int) -> Network:
    """A convolution and the addition after it in steps: each block's sum added to what is there, at first the other number."""
    layer, inputs = network[name].layer, network[name].inputs
    assert isinstance(layer, Convolution)
    (there,) = [source for source in add.inputs if source != name]
    steps: list[Node] = []
    for number, weight in enumerate(_blocks(layer, block), 1):
        part = Node(f"{add.name}.{2 * number - 1}", replace(layer, weight=weight, bias=None), inputs)
        steps += [part, Node(f"{add.name}.{2 * number}", Add(), (part.name, there))]
        there = steps[-1].name
    if layer.bias is None:
        steps[-1] = replace(steps[-1], name=add.name)
    else:
        shape = (-1, *[1] * (layer.weight.ndim - 2))
        steps.append(Node(add.name, AddConstant(layer.bias.reshape(shape)), (there,)))
    rest = [node for node in network.nodes if node.name not in (name, add.name)]
    return replace(network, nodes=(*rest, *steps))


def _blocks(layer: Convolution, block: int) -> Iterator[Any]:
    """The weights with all input channels but a block's zero, block after block."""
    starts, weight = _starts(layer, block), layer.weight
    for start in starts:
        part = np.zeros_like(weight)
        part[:, start : start + starts.step] = weight[:, start : start + starts.step]
        yield part


def _starts(layer: Convolution, block: int) -> range:
    """Where the blocks of input channels begin: single channels where the images do not lie in blocks."""
    channels = layer.weight.shape[1]
    size = channels
    if block and layer.groups == 1:
        size = _POINTWISE if layer.weight[0, 0].size == 1 else block if channels >= block else 1
    return range(0, channels, size)
