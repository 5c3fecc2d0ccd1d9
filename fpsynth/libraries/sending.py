"""Networks and deployments as messages to and from a library's process: structure as JSON, numbers as arrays."""

from __future__ import annotations

from dataclasses import fields

from fpsynth.networks.layers import LAYERS, Layer
from fpsynth.networks.network import Network, Node
from fpsynth.workers.messages import Message


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
        "parameters": {name: getattr(layer, name) for name in present},
    }


def _layer(message: Message) -> Layer:
    return LAYERS[message["kind"]](**message["parameters"], **message["attributes"])
