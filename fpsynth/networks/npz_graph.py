"""Whole networks in .npz files: the array ``network``, a JSON text in bytes, says the graph; K.NAME are its parameters.

The JSON: {"fpsynth network": 1, "input_shape": [...], "output": NAME, "nodes": [{"name", "kind", "inputs", attributes}, ...]};
K is a node's place in that list.  Floats among the attributes are hexadecimal texts, so that no bit is lost.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats, PathLike
from fpsynth.errors import InputError
from fpsynth.files import write_atomically
from fpsynth.networks.layers import LAYERS, Layer
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.networks.npz_archive import Archive

KEY, VERSION = "network", 1
_PARAMETER = re.compile(r"[0-9]{1,6}\.[a-z]+")
MAX_TEXT = 1 << 24
MAX_NODES = 20_000


def write_npz(network: Network, path: PathLike) -> None:
    """Write a network as an .npz file that ``npz.load_network`` reads back bit for bit.

    A stack of dense layers with its usual names is written as W0, b0, W1, ... (inputs, outputs), anything else as a graph.
    Raises InputError where the path cannot be written.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **npz_arrays(network))
    write_atomically(path, buffer.getvalue())


def npz_arrays(network: Network) -> dict[str, NDArray[Any]]:
    """The arrays that ``write_npz`` writes, by name."""
    stack = stack_of(network)
    if stack is not None:
        return stack
    nodes = [described(node) for node in network.nodes]
    graph = {"fpsynth network": VERSION, "input_shape": network.input_shape, "output": network.output, "nodes": nodes}
    arrays = {KEY: np.frombuffer(json.dumps(graph).encode(), np.uint8)}
    for place, node in enumerate(network.nodes):
        for name in node.layer.parameters:
            if getattr(node.layer, name) is not None:
                arrays[f"{place}.{name}"] = getattr(node.layer, name)
    return arrays


def stack_of(network: Network) -> dict[str, NDArray[Any]] | None:
    """The arrays W0, b0, W1, ... of a stack of dense layers with its usual names; None for other networks."""
    try:
        layers = network.dense_layers
    except InputError:
        return None
    if dense_relu(layers) != network:
        return None
    arrays = {f"W{k}": layer.weight.T for k, layer in enumerate(layers)}
    return arrays | {f"b{k}": layer.bias for k, layer in enumerate(layers) if layer.bias is not None}


def described(node: Node) -> dict[str, Any]:
    """Name, kind, inputs and attributes of a node as JSON data; its parameters are left out."""
    attributes = {f.name: getattr(node.layer, f.name) for f in fields(node.layer) if f.name not in node.layer.parameters}
    plain = {name: value.hex() if isinstance(value, float) else value for name, value in attributes.items()}
    return {"name": node.name, "kind": node.layer.kind, "inputs": node.inputs, **{f"{name}": v for name, v in plain.items()}}


def is_graph(archive: Archive) -> bool:
    """Whether an archive holds a whole network."""
    return KEY in archive.members


def read_graph(archive: Archive) -> Network:
    """The network.  Raises InputError for anything that ``write_npz`` does not write."""
    header = archive.headers([KEY])[KEY]
    if header.type.lstrip("|<>=") != "u1" or len(header.shape) != 1 or header.count > MAX_TEXT:
        raise InputError(f"{KEY} is no text in bytes of at most {MAX_TEXT}")
    try:
        graph = json.loads(archive.read(KEY).tobytes().decode("utf-8"))
    except (ValueError, RecursionError):
        raise InputError(f"{KEY} is no JSON") from None
    if not isinstance(graph, dict) or graph.get("fpsynth network") != VERSION:
        raise InputError(f"{KEY} describes no network of version {VERSION}")
    nodes, output = graph.get("nodes"), graph.get("output")
    if not isinstance(nodes, list) or len(nodes) > MAX_NODES or not isinstance(output, str):
        raise InputError(f"{KEY} has no list of nodes, or no output")
    arrays = archive.floats([name for name in archive.members if _PARAMETER.fullmatch(name)])
    read = tuple(read_node(arrays, place, node) for place, node in enumerate(nodes))
    return Network(read, _integers(graph.get("input_shape"), "input_shape"), output)


def read_node(arrays: Mapping[str, Floats], place: int, data: Any) -> Node:
    """The node that ``described`` wrote; ``arrays`` holds its parameters as PLACE.NAME.  Raises InputError for others."""
    what = f"node {place}"
    if not isinstance(data, dict) or not isinstance(data.get("name"), str) or str(data.get("kind")) not in LAYERS:
        raise InputError(f"{what} has no name, or is of no kind of layer that there is")
    inputs = data.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(name, str) for name in inputs):
        raise InputError(f"{what} has no list of inputs")
    layer = LAYERS[str(data["kind"])]
    types = {f.name: str(f.type) for f in fields(layer) if f.name not in layer.parameters}
    odd = sorted(set(types) ^ (set(data) - {"name", "kind", "inputs"}))
    if odd:
        raise InputError(f"{what} {'lacks' if odd[0] in types else 'has'} the attribute {odd[0]!r}")
    attributes = {name: _attribute(data[name], kind, f"{what}: {name}") for name, kind in types.items()}
    there = {name: arrays[f"{place}.{name}"] for name in layer.parameters if f"{place}.{name}" in arrays}
    return Node(data["name"], _made(layer, there | attributes, what), tuple(inputs))


def _made(layer: type[Layer], values: dict[str, Any], what: str) -> Layer:
    missing = [name for name in layer.parameters if name not in values and name != "bias"]
    if missing:
        raise InputError(f"{what} has no {missing[0]}")
    return layer(**values)


def _attribute(value: Any, kind: str, what: str) -> Any:
    if kind == "float | None" and value is None:
        return None
    if kind.startswith("float"):
        return _hexadecimal(value, what)
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "int":
        return _integers([value], what)[0]
    if kind == "tuple[int, ...]":
        return _integers(value, what)
    if kind == "Padding" and isinstance(value, list):
        return tuple(_integers(pair, what) for pair in value)
    raise InputError(f"{what} is not of the type {kind}")


def _integers(values: Any, what: str) -> tuple[int, ...]:
    if not isinstance(values, list) or len(values) > 100 or any(type(v) is not int or abs(v) > 1 << 40 for v in values):
        raise InputError(f"{what} is no list of integers")
    return tuple(values)


def _hexadecimal(text: Any, what: str) -> float:
    try:
        return float.fromhex(text)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{what} is no hexadecimal number") from None
