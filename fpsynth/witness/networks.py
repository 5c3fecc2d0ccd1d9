"""Networks in witness files: dense layers or a graph as JSON, or an .npz file beside the witness that bears its name."""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from fpsynth.aliases import Json, PathLike
from fpsynth.errors import InputError
from fpsynth.files import read_bytes_limited, shown, write_atomically
from fpsynth.formats import Format
from fpsynth.networks.layers import LAYERS, BatchNormalisation, Dense
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.networks.npz_graph import described, npz_arrays, read_node, stack_of
from fpsynth.rounding import from_float, representable
from fpsynth.witness.fields import read_vector
from fpsynth.witness.numerals import decimals_of, hexes_of, quoted

INLINE = 10_000
"""Networks of more parameters stand in a file of their own when a witness is saved."""
MAX_FILE = 1 << 28
"""The largest file of a network beside a witness, in bytes: twice what its arrays may hold (``npz_archive.MAX_BYTES``)."""
MAX_NUMBERS = 1 << 26
"""What a network that is read may have for one input: its numbers, and the results of all of its layers."""
NODE = ("name", "kind", "inputs")
"""What a node has beside its attributes and parameters."""
FORMS = ("layers", "nodes", "file")
"""What says a network, of which exactly one is there."""
MAX_OWNER = 100
"""Characters of a witness file's name that stand in the name of its network's file."""
_ODD = re.compile(r"[^A-Za-z0-9._-]")
"""What a name in a file that somebody else reads had better not have: separators of folders, spaces, other scripts."""
_BEGINNING = 12
"""Hexadecimal digits of a SHA-256 that stand in a name."""


def network_to_json(network: Network) -> Json:
    """The network as part of a witness file: dense layers with ReLU between them where it is that, else the graph."""
    if stack_of(network):
        return {"layers": [layer_json(layer) for layer in network.dense_layers]}
    nodes = [_node_json(node) for node in network.nodes]
    return {"input_shape": list(network.input_shape), "output": network.output, "nodes": nodes}


def layer_json(layer: Dense) -> Json:
    """A dense layer: hexadecimal floats with their decimal expansions beside them."""
    return {
        "weight": [hexes_of(row) for row in layer.weight.tolist()],
        "weight_decimal": [decimals_of(row) for row in layer.weight.tolist()],
        "bias": None if layer.bias is None else hexes_of(layer.bias.tolist()),
        "bias_decimal": None if layer.bias is None else decimals_of(layer.bias.tolist()),
    }


def _node_json(node: Node) -> Json:
    attributes = described(node)
    name, kind, inputs = attributes.pop("name"), attributes.pop("kind"), attributes.pop("inputs")
    arrays = {key: getattr(node.layer, key) for key in node.layer.parameters}
    parameters = {
        key: {"shape": list(array.shape), "numbers": hexes_of(array.reshape(-1).tolist())}
        for key, array in arrays.items()
        if array is not None
    }
    plain = {key: _listed(value) for key, value in attributes.items()}
    return {"name": name, "kind": kind, "inputs": list(inputs), "attributes": plain, "parameters": parameters}


def _listed(value: Any) -> Any:
    """The value as JSON gives it back."""
    return [_listed(part) for part in value] if isinstance(value, tuple) else value


def own_content(network: Network) -> tuple[str, bytes]:
    """The content of a network's own file, and its SHA-256."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **npz_arrays(network))
    content = buffer.getvalue()
    return hashlib.sha256(content).hexdigest(), content


def partner_name(owner: str, digest: str) -> str:
    """The name of a network's own file: whose it is, a witness file's name without its ending, and how its SHA-256 begins.

    So both are found side by side and moved by one pattern, and a witness that is written anew never meets another network
    under the name that it had.
    """
    plain = _ODD.sub("_", owner).lstrip(".")[:MAX_OWNER] or "witness"
    return f"{plain}.network-{digest[:_BEGINNING]}.npz"


def write_beside(content: bytes, name: str, folder: PathLike) -> None:
    """Write a network's file into the folder of a witness, unless that very file is there."""
    path = Path(folder, name)
    there = path.is_file() and path.stat().st_size == len(content)
    if not (there and path.read_bytes() == content):
        write_atomically(path, content)


def read_network(data: Json, fmt: Format, least_outputs: int = 1, folder: PathLike | None = None) -> Network:
    """The network that a file describes, its numbers all of ``fmt``; ``folder``: where files beside it lie.

    Raises InputError where shapes do not fit, it has fewer outputs, or its file is not there or has another content.
    """
    given = [form for form in FORMS if form in data]
    if len(given) != 1:
        raise InputError(f"network: must have one of {', '.join(FORMS)}, not {' and '.join(given) or 'none'}")
    form, others = given[0], {"nodes": {"input_shape", "output"}, "file": {"sha256"}, "layers": set()}[given[0]]
    odd = sorted((set(data) - {form}) ^ others)
    if odd:
        raise InputError(f"network.{odd[0]}: {'is missing' if odd[0] in others else f'does not go with {form}'}")
    if form == "layers":
        return read_layers(data["layers"], fmt, least_outputs)
    network = _graph(data) if form == "nodes" else _file(data, folder)
    if network.numbers > MAX_NUMBERS:
        raise InputError(
            f"network: its layers give {network.numbers} numbers for one input, and at most {MAX_NUMBERS} are read: only a"
            " smaller network can be evaluated"
        )
    if math.prod(network.logits.output_shape) < least_outputs:
        raise InputError(f"network: a classifier needs at least {least_outputs} outputs")
    require_numbers(network, fmt)
    return network


def require_numbers(network: Network, fmt: Format) -> None:
    """Raise InputError where a parameter or a float among the attributes is no number of the format.

    But for what is added to a variance: no view computes a batch normalisation as such, and libraries take any float64 there.
    """
    from fpsynth.evaluators.float_arrays import round_array

    for node in network.nodes:
        for array in node.layer.arrays():
            if not np.array_equal(round_array(array.astype(np.float64), fmt), array):
                raise InputError(f"network: {node.name} has parameters that are no {fmt}")
        for name, value in ((f.name, getattr(node.layer, f.name)) for f in fields(node.layer)):
            free = isinstance(node.layer, BatchNormalisation) and name == "epsilon"
            if isinstance(value, float) and not free and not representable(from_float(value), fmt):
                raise InputError(f"network: {node.name} has the {name} {value!r}, which is no {fmt}")


def _graph(data: Json) -> Network:
    arrays: dict[str, Any] = {}
    described_nodes = []
    for place, node in enumerate(data["nodes"]):
        where = f"network.nodes[{place}]"
        _require_known(node, where)
        for name, parameter in node.get("parameters", {}).items():
            numbers = [_number(text, f"{where}.parameters.{name}.numbers[{k}]") for k, text in enumerate(parameter["numbers"])]
            shape = [int(size) for size in parameter["shape"]]
            if len(numbers) != math.prod(shape):
                raise InputError(f"{where}.parameters.{name}: has {len(numbers)} numbers, its shape is {tuple(shape)}")
            arrays[f"{place}.{name}"] = np.array(numbers).reshape(shape)
        described_nodes.append({**node.get("attributes", {}), **{name: node[name] for name in NODE}})
    nodes = []
    for place, described_node in enumerate(described_nodes):
        try:
            nodes.append(read_node(arrays, place, described_node))
        except InputError as error:
            raise InputError(f"network.nodes[{place}]: {error}") from None
    try:
        return Network(tuple(nodes), tuple(int(size) for size in data["input_shape"]), data["output"])
    except InputError as error:
        raise InputError(f"network: {error}") from None


def _require_known(node: Json, where: str) -> None:
    """The kind of a node, and what stands among its parameters and attributes that this kind does not have."""
    if node["kind"] not in LAYERS:
        raise InputError(f"{where}.kind: there is no layer of the kind {quoted(node['kind'])}")
    for name in node.get("parameters", {}):
        if name not in LAYERS[node["kind"]].parameters:
            raise InputError(f"{where}.parameters: a layer of the kind {node['kind']} has no {quoted(name)}")
    for name in NODE:
        if name in node.get("attributes", {}):
            raise InputError(f"{where}.attributes: {name} stands beside them, not among them")


def _number(text: str, where: str) -> float:
    from fpsynth.formats import FLOAT64
    from fpsynth.witness.numerals import parse_hex_in

    try:
        return parse_hex_in(text, FLOAT64)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _file(data: Json, folder: PathLike | None) -> Network:
    from fpsynth.networks.npz import network_in

    if folder is None:
        raise InputError(f"network.file: {data['file']} lies beside a witness file, but this one was not read from a folder")
    try:  # read once: what is hashed is what is parsed, whatever becomes of the file meanwhile
        content = read_bytes_limited(os.path.join(folder, data["file"]), MAX_FILE)
    except InputError as error:
        reason = str(error).rpartition(": ")[2]
        raise InputError(
            f"network.file: {data['file']} must lie beside the witness file, in {shown(folder)} ({reason}): copy both, they"
            " belong together"
        ) from None
    if hashlib.sha256(content).hexdigest() != data["sha256"]:
        raise InputError(f"network.sha256: {data['file']} has another content than the witness was made for")
    return network_in(io.BytesIO(content), f"network.file: {data['file']}")


def read_layers(layers: Sequence[Json], fmt: Format, least_outputs: int) -> Network:
    """A stack of dense layers with numbers of ``fmt``.  Raises InputError where shapes do not fit, or it has fewer outputs."""
    result: list[Dense] = []
    for k, layer in enumerate(layers):
        where = f"network.layers[{k}]"
        width = len(layer["weight"][0])
        if result and width != result[-1].outputs:
            raise InputError(f"{where}.weight: has {width} columns, the layer before it has {result[-1].outputs} outputs")
        result.append(Dense(_weight(layer, fmt, where, width), _bias(layer, fmt, where)))
    if result[-1].outputs < least_outputs:
        raise InputError(f"network.layers[{len(result) - 1}].weight: a classifier needs at least 2 outputs, not 1")
    return dense_relu(tuple(result))


def _weight(layer: Json, fmt: Format, where: str, width: int) -> tuple[tuple[float, ...], ...]:
    rows, decimals = layer["weight"], layer.get("weight_decimal")
    if decimals is not None and len(decimals) != len(rows):
        raise InputError(f"{where}.weight_decimal: has {len(decimals)} rows, weight has {len(rows)}")
    for j, row in enumerate(rows):
        if len(row) != width:
            raise InputError(f"{where}.weight[{j}]: has {len(row)} numbers, the first row has {width}")
    return tuple(
        read_vector(row, None if decimals is None else decimals[j], fmt, f"{where}.{{}}[{j}]", "weight")
        for j, row in enumerate(rows)
    )


def _bias(layer: Json, fmt: Format, where: str) -> tuple[float, ...] | None:
    bias, decimals, outputs = layer["bias"], layer.get("bias_decimal"), len(layer["weight"])
    if bias is None:
        if decimals is not None:
            raise InputError(f"{where}.bias_decimal: stands beside a bias that is null")
        return None
    if len(bias) != outputs:
        raise InputError(f"{where}.bias: has {len(bias)} numbers, the layer has {outputs} outputs")
    return read_vector(bias, decimals, fmt, f"{where}.{{}}", "bias")
