"""Reveals of networks as JSON: for reports, and, with the network as it is computed, for the cache on disk."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fpsynth.aliases import Json
from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.layer_shapes import layer_shape, layer_shape_from_json
from fpsynth.networks.layers import LAYERS
from fpsynth.networks.network import Network, Node
from fpsynth.networks.rewrites import Rewrite
from fpsynth.revealing.file import time_from_json
from fpsynth.revealing.network_result import FirstDifference, LayerReveal, NetworkReveal
from fpsynth.revealing.result import Check
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.arithmetic_json import arithmetic_from_json, arithmetic_to_json
from fpsynth.wording import printable

MAX_NUMBERS = 1 << 19
"""Parameters of a computed network, beyond those that were given, with which a reveal is kept on disk."""


def network_reveal_to_json(found: NetworkReveal) -> Json:
    """A reveal of a network as JSON data."""
    return {
        "environment": str(found.environment),
        "dtype": found.dtype.name,
        "version": found.version,
        "layers": [_layer_to_json(layer, str(found.environment)) for layer in found.layers],
        "network": {"explained": found.check.explained, "of": found.check.total},
        "rewrites": [{"node": one.node, "name": one.name} for one in found.rewrites],
        "notes": list(found.notes),
        "facts": dict(found.facts),
        "seconds": found.seconds,
        "revealed": found.revealed,
        "cached": found.cached,
    }


def _layer_to_json(layer: LayerReveal, environment: str) -> Json:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "environment": environment,
        "explained": layer.explained,
        "of": layer.total,
        "arithmetic": str(layer.classes[0][0]),
        "classes": [
            {"description": str(how), "outputs": outputs, "arithmetic": arithmetic_to_json(how)}
            for how, outputs in layer.classes
        ],
        "computed_by": list(layer.nodes),
        "first": None if layer.first is None else _difference_to_json(layer.first),
        "notes": list(layer.notes),
        "seconds": layer.seconds,
        "cached": layer.cached,
    }


def _difference_to_json(first: FirstDifference) -> Json:
    return {
        "output": first.output,
        "library": float(first.library).hex(),
        "predicted": float(first.predicted).hex(),
        "inputs": [float(x).hex() for x in first.point],
    }


def is_small(found: NetworkReveal, given: Network) -> bool:
    """Whether nodes of the network as it is computed that ``given`` has not have at most MAX_NUMBERS parameters."""
    nodes = {node.name: node.layer for node in given.nodes}
    others = [node.layer for node in found.network.nodes if nodes.get(node.name) != node.layer]
    return sum(array.size for layer in others for array in layer.arrays()) <= MAX_NUMBERS


def kept_network(found: NetworkReveal, given: Network) -> Json:
    """A reveal with all that it rests on, for ``network_from_kept``: of a node that ``given`` has, only the name."""
    rows = [[list(rows), _deployment_to_json(how)] for rows, how in found.rows]
    return {"reveal": network_reveal_to_json(found), **computed_to_json(found.network, found.deployment, given), "rows": rows}


def computed_to_json(computed: Network, deployment: Deployment, given: Network) -> Json:
    """A network as it is computed, and how, for ``computed_from_json``: of a node that ``given`` has, only the name."""
    nodes = {node.name: node for node in given.nodes}
    return {
        "output": computed.output,
        "nodes": [_node_to_json(computed, node, nodes.get(node.name)) for node in computed.nodes],
        "deployment": _deployment_to_json(deployment),
    }


def computed_from_json(data: object, given: Network, dtype: Format) -> tuple[Network, Deployment]:
    """Read what ``computed_to_json`` wrote of ``given``.  Raises InputError in one line for anything else."""
    nodes = {node.name: node for node in given.nodes}
    made = tuple(_node(one, nodes) for one in _field(data, "nodes", list))
    network = Network(made, given.input_shape, _field(data, "output", str))
    if network.output_shape != given.output_shape:
        raise InputError("the network that is computed has other outputs than the one that was given")
    return network, _deployment(_field(data, "deployment", dict), network, dtype)


def _node_to_json(network: Network, node: Node, given: Node | None) -> Json:
    place: Json = {"name": node.name, "inputs": list(node.inputs)}
    if given is not None and given.layer == node.layer:
        return place
    shape, layer = layer_shape(node.layer, network.shapes[node.inputs[0]]), node.layer
    numbers = {name: [float(x).hex() for x in getattr(layer, name).reshape(-1)] for name, _ in shape.parameters}
    return {**place, "layer": shape.to_json(), "numbers": numbers}


def _deployment_to_json(deployment: Deployment) -> Json:
    used = [deployment.default, *(how for _, how in deployment.layers), *(how for _, how in deployment.exceptions)]
    number = {how: k for k, how in enumerate(dict.fromkeys(used))}
    return {
        "arithmetics": [arithmetic_to_json(how) for how in number],
        "layers": [[layer, number[how]] for layer, how in deployment.layers],
        "exceptions": [[layer, output, number[how]] for (layer, output), how in deployment.exceptions],
    }


def network_from_kept(data: object, given: Network, where: Environment, dtype: Format) -> NetworkReveal:
    """Read what ``kept_network`` wrote of ``given`` in an environment.  Raises InputError in one line for anything else."""
    told = _field(data, "reveal", dict)
    if told.get("environment") != str(where) or told.get("dtype") != dtype.name:
        raise InputError("a reveal of another environment or format")
    network, deployment = computed_from_json(data, given, dtype)
    return NetworkReveal(
        environment=where,
        dtype=dtype,
        network=network,
        deployment=deployment,
        rows=_rows(_field(data, "rows", list), network, where, dtype),
        layers=tuple(_layer(one, network, dtype) for one in _field(told, "layers", list)),
        check=Check(*_counts(_field(told, "network", dict))),
        rewrites=tuple(Rewrite(_text(one, "name"), _text(one, "node")) for one in _field(told, "rewrites", list)),
        version=_text(told, "version"),
        facts=tuple((printable(name), _text(told["facts"], name)) for name in _field(told, "facts", dict)),
        notes=_texts(told, "notes"),
        seconds=_seconds(told),
        revealed=time_from_json(_field(told, "revealed", str)),
        cached=True,
    )


def _node(data: object, given: Mapping[str, Node]) -> Node:
    name, inputs = _field(data, "name", str), _names(data, "inputs")
    if "layer" not in _object(data):
        if name not in given:
            raise InputError("a node of the network that was given must be one")
        return Node(name, given[name].layer, inputs)
    shape, numbers = layer_shape_from_json(_field(data, "layer", dict), adding=False), _field(data, "numbers", dict)
    arrays = {each: _array(_field(numbers, each, list), sizes) for each, sizes in shape.parameters}
    try:
        return Node(name, LAYERS[shape.kind](**arrays, **dict(shape.attributes)), inputs)
    except (TypeError, ValueError) as error:
        raise InputError(f"a node of a network: {error}") from None


def _array(numbers: Sequence[object], sizes: Sequence[int]) -> Any:
    if len(numbers) != math.prod(sizes):
        raise InputError("a parameter has as many numbers as its shape says")
    return np.array([_number(x) for x in numbers], np.float64).reshape(sizes)


def _deployment(data: Json, network: Network, dtype: Format) -> Deployment:
    arithmetics = [_arithmetic(one, dtype) for one in _field(data, "arithmetics", list)]
    layers = [_whole(row, len(network.sums), len(arithmetics)) for row in _field(data, "layers", list)]
    rows = [_whole(row, len(network.sums), 1 << 31, len(arithmetics)) for row in _field(data, "exceptions", list)]
    if not arithmetics:
        raise InputError("a deployment needs an arithmetic")
    exceptions = tuple(((layer, output), arithmetics[k]) for layer, output, k in rows)
    return Deployment(arithmetics[0], exceptions, tuple((layer, arithmetics[k]) for layer, k in layers))


def _rows(
    data: Sequence[object], network: Network, where: Environment, dtype: Format
) -> tuple[tuple[tuple[int, ...], Deployment], ...]:
    """All rows of a batch, each once; or none."""
    read = []
    for one in data:
        if not isinstance(one, list) or len(one) != 2 or not isinstance(one[0], list):
            raise InputError("rows of a batch need a deployment")
        rows = tuple(_whole(one[0], *[where.batch] * len(one[0])))
        read.append((rows, _deployment(_object(one[1]), network, dtype)))
    if read and sorted(row for rows, _ in read for row in rows) != list(range(where.batch)):
        raise InputError("every row of a batch needs one deployment")
    return tuple(read)


def _layer(data: object, network: Network, dtype: Format) -> LayerReveal:
    nodes = _names(data, "computed_by")
    if not nodes or not set(nodes) <= set(network.sums):
        raise InputError("a layer is computed by nodes of the network that add")
    classes = tuple(
        (_arithmetic(one.get("arithmetic"), dtype), _field(one, "outputs", int)) for one in _objects(data, "classes")
    )
    first = None if _object(data).get("first") is None else _difference(_field(data, "first", dict))
    explained, total = _counts(data)
    if not classes:
        raise InputError("a layer needs an arithmetic")
    return LayerReveal(
        name=_text(data, "name"),
        kind=_text(data, "kind"),
        nodes=nodes,
        classes=classes,
        explained=explained,
        total=total,
        first=first,
        notes=_texts(data, "notes"),
        seconds=_seconds(data),
        cached=_field(data, "cached", bool),
    )


def _difference(data: Json) -> FirstDifference:
    point = tuple(_number(x) for x in _field(data, "inputs", list))
    return FirstDifference(point, _field(data, "output", int), _number(data.get("library")), _number(data.get("predicted")))


def _arithmetic(data: object, dtype: Format) -> Arithmetic:
    how = arithmetic_from_json(data)
    if how.format != dtype:
        raise InputError("an arithmetic of another format than the network's")
    return how


def _object(data: object) -> Json:
    if not isinstance(data, dict):
        raise InputError("a part of a network's reveal must be an object")
    return data


def _objects(data: object, name: str) -> list[Json]:
    return [_object(one) for one in _field(data, name, list)]


def _field(data: object, name: str, kind: type) -> Any:
    value = _object(data).get(name)
    if type(value) is not kind or (isinstance(value, int) and value < 0):
        raise InputError(f"a network's reveal needs {name}")
    return value


def _text(data: object, name: str) -> str:
    return printable(_field(data, name, str))


def _texts(data: object, name: str) -> tuple[str, ...]:
    return tuple(map(printable, _names(data, name)))


def _names(data: object, name: str) -> tuple[str, ...]:
    texts = _field(data, name, list)
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"{name} must be texts")
    return tuple(texts)


def _counts(data: object) -> tuple[int, int]:
    explained, total = _field(data, "explained", int), _field(data, "of", int)
    if explained > total:
        raise InputError("more is explained than there is")
    return explained, total


def _seconds(data: object) -> float:
    return float(_field(data, "seconds", float))


def _whole(row: object, *below: int) -> list[int]:
    """A list of whole numbers, each below its bound."""
    numbers = [k for k in row if type(k) is int] if isinstance(row, list) and len(row) == len(below) else []
    if len(numbers) != len(below) or not all(0 <= k < most for k, most in zip(numbers, below, strict=True)):
        raise InputError("a place in a deployment must be whole numbers within the network")
    return numbers


def _number(text: object) -> float:
    try:
        return float.fromhex(text) if isinstance(text, str) else float("x")
    except (ValueError, OverflowError):
        raise InputError("a number of a network's reveal must be a hexadecimal float") from None
