"""Networks as messages to a library's process: JSON, their numbers as text of their bytes."""

from __future__ import annotations

import base64
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.networks.layers import LAYERS, Layer
from fpsynth.networks.network import Network, Node
from fpsynth.processes import Message


def network_message(network: Network) -> Message:
    """A network as ``network_from_message`` reads it."""
    nodes = [{"name": n.name, "inputs": list(n.inputs), **_layer_message(n.layer)} for n in network.nodes]
    return {"input_shape": list(network.input_shape), "output": network.output, "nodes": nodes}


def network_from_message(message: Message) -> Network:
    """The network that ``network_message`` wrote."""
    nodes = tuple(Node(node["name"], _layer(node), tuple(node["inputs"])) for node in message["nodes"])
    return Network(nodes, tuple(message["input_shape"]), message["output"])


def _layer_message(layer: Layer) -> Message:
    present = [name for name in layer.parameters if getattr(layer, name) is not None]
    return {
        "kind": layer.kind,
        "attributes": {f.name: getattr(layer, f.name) for f in fields(layer) if f.name not in layer.parameters},
        "parameters": {name: _numbers_message(getattr(layer, name)) for name in present},
    }


def _layer(message: Message) -> Layer:
    parameters = {name: _numbers(value) for name, value in message["parameters"].items()}
    return LAYERS[message["kind"]](**parameters, **message["attributes"])


def _numbers_message(array: NDArray[Any]) -> Message:
    little = array.astype(array.dtype.newbyteorder("<"))
    return {"dtype": little.dtype.str, "shape": list(array.shape), "bytes": base64.b64encode(little.tobytes()).decode()}


def _numbers(message: Message) -> NDArray[Any]:
    """Read-only and of native byte order, so that a layer keeps it without a copy."""
    dtype = np.dtype(message["dtype"])
    array = np.frombuffer(base64.b64decode(message["bytes"]), dtype).reshape(message["shape"])
    return array.astype(dtype.newbyteorder("="), copy=False)
