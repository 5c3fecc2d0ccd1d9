"""Deployments in witness files: the arithmetic of each layer, and of outputs that have another, by their places in a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fpsynth.aliases import Json
from fpsynth.errors import InputError
from fpsynth.networks.network import Network
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.building import program_of
from fpsynth.wording import counted

MAX_EXCEPTIONS = 1 << 22
"""Outputs of a view with an arithmetic of their own: pairs of a first and a last one name any number of them in a few bytes."""


MAX_TERMS = 1 << 20
"""Terms of all sums together whose arithmetics a file may give, each arithmetic of each number of terms once."""
Fitted = dict[tuple[int, int, bool], int]
"""Which arithmetics of the table are known to fit which sums: (place, terms, bias)."""


@dataclass(frozen=True)
class _Sums:
    """How large the sums of a layer are."""

    outputs: int
    terms: int
    biased: bool


def _sums(graph: Network) -> list[_Sums]:
    outlines = ((graph.outline(name), math.prod(graph.shapes[name])) for name in graph.sums)
    return [_Sums(outputs, outline.terms, outline.biased) for outline, outputs in outlines]


def read_deployment(data: Json, network: Network, table: Sequence[Arithmetic], fitted: Fitted) -> Deployment:
    """The arithmetics of a network's layers, by their places in a table; ``fitted`` is that of the whole file.

    Raises InputError, naming the field, for layers and outputs that the network has not, orders that do not fit, and sums that
    are too long.
    """
    sums = _sums(network.logits)
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
    layers: dict[int, int] = {}
    for k, entry in enumerate(data.get("layers", ())):
        layer = int(entry["layer"])
        if layer >= len(sums) or layer in layers:
            raise InputError(f"layers[{k}]: the network has no layer {layer}, or it is named twice")
        _entry(table, entry["arithmetic"], f"layers[{k}].arithmetic")
        layers[layer] = int(entry["arithmetic"])
    usual = _entry(table, data["default"], "default")
    for index, of_layer in enumerate(sums):
        all_excepted = sum(own[index].values()) == of_layer.outputs
        for place in (*own[index], *(() if all_excepted else (layers.get(index, int(data["default"])),))):
            if (place, of_layer.terms, of_layer.biased) not in fitted:
                fitted[place, of_layer.terms, of_layer.biased] = _total(fitted) + of_layer.terms
                _require_fit(table[place], of_layer, fitted)
    return Deployment(usual, tuple(exceptions.items()), tuple((layer, table[place]) for layer, place in layers.items()))


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


def _total(fitted: Fitted) -> int:
    """The terms of all pairs that were fitted so far."""
    return next(reversed(fitted.values()), 0)


def _require_fit(how: Arithmetic, sums: _Sums, fitted: Fitted) -> None:
    """Whether an arithmetic can evaluate such sums."""
    if how.format is None and how.given is None:
        return
    if _total(fitted) > MAX_TERMS:
        raise InputError(
            f"its sums, of {counted(sums.terms, 'term')} here, are longer than what is read: {MAX_TERMS} terms, each arithmetic"
            " and number of terms counted once"
        )
    program_of(how, sums.terms, sums.biased)
    if any(leaf >= sums.terms + (how.bias_leaf and sums.biased) for leaf in how.rounded):
        raise InputError(f"the order has no leaf {max(how.rounded)} that could be rounded")
