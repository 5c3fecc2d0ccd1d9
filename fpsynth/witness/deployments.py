"""Deployments in witness files: the arithmetic of each layer, and of outputs that have another, by their places in a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fpsynth.aliases import Json
from fpsynth.errors import InputError
from fpsynth.networks.layers import Sums
from fpsynth.networks.network import Network
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.building import program_of

MAX_EXCEPTIONS = 1 << 22
"""Outputs of a view with an arithmetic of their own: pairs of a first and a last one name any number of them in a few bytes."""


def read_deployment(data: Json, network: Network, table: Sequence[Arithmetic]) -> Deployment:
    """The arithmetics of a network's layers, by their places in a table.

    Raises InputError, naming the field, for layers and outputs that the network has not, and orders that do not fit.
    """
    graph = network.logits
    sums = [structure for structure in map(graph.structure, graph.sums) if isinstance(structure, Sums)]
    exceptions: dict[tuple[int, int], Arithmetic] = {}
    own: list[dict[int, int]] = [{} for _ in sums]  # of each layer: how many outputs have which arithmetic of the table
    for k, entry in enumerate(data.get("exceptions", ())):
        layer, place = int(entry["layer"]), int(entry["arithmetic"])
        how = _entry(table, place, f"exceptions[{k}].arithmetic")
        for output in _outputs(entry, f"exceptions[{k}]"):
            if layer >= len(sums) or output >= sums[layer].outputs:
                raise InputError(f"exceptions[{k}]: the network has no output {output} in a layer {layer}")
            if (layer, output) in exceptions:
                raise InputError(f"exceptions[{k}]: output {output} of layer {layer} is named twice")
            if len(exceptions) == MAX_EXCEPTIONS:
                raise InputError(f"exceptions[{k}]: names more than the {MAX_EXCEPTIONS} outputs that are read")
            exceptions[layer, output] = how
            own[layer][place] = own[layer].get(place, 0) + 1
    layers: dict[int, Arithmetic] = {}
    for k, entry in enumerate(data.get("layers", ())):
        layer = int(entry["layer"])
        if layer >= len(sums) or layer in layers:
            raise InputError(f"layers[{k}]: the network has no layer {layer}, or it is named twice")
        layers[layer] = _entry(table, entry["arithmetic"], f"layers[{k}].arithmetic")
    usual = _entry(table, data["default"], "default")
    deployment = Deployment(usual, tuple(exceptions.items()), tuple(layers.items()))
    for index, of_layer in enumerate(sums):
        used = [table[place] for place in own[index]]
        all_excepted = sum(own[index].values()) == of_layer.outputs
        for arithmetic in dict.fromkeys([*used, *([] if all_excepted else [deployment.of_layer(index)])]):
            _require_fit(arithmetic, of_layer.terms, of_layer.bias is not None)
    return deployment


def _outputs(entry: Json, where: str) -> Iterator[int]:
    """The outputs that an exception names: one in version 2, pairs of a first and a last one since.

    They are made one by one: a pair may name more than any layer has.
    """
    if "output" in entry:
        yield int(entry["output"])
        return
    for first, last in entry["outputs"]:
        if last < first:
            raise InputError(f"{where}.outputs: the last output of {int(first)} to {int(last)} is before its first one")
        yield from range(int(first), int(last) + 1)


def _entry(table: Sequence[Arithmetic], index: float, where: str) -> Arithmetic:
    if index >= len(table):
        raise InputError(f"{where}: the table has no arithmetic {int(index)}")
    return table[int(index)]


def _require_fit(how: Arithmetic, inputs: int, bias: bool) -> None:
    """Whether an arithmetic can evaluate a layer of so many inputs."""
    program_of(how, inputs, bias)
    if any(leaf >= inputs + (how.bias_leaf and bias) for leaf in how.rounded):
        raise InputError(f"the order has no leaf {max(how.rounded)} that could be rounded")
