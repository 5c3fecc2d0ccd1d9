"""The calls that files name beside environments, and what the names of operations meant in files that name no calls."""

from __future__ import annotations

from typing import Any

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.naming import former_environment, former_operation, kernel_call, parse_placed, run_call
from fpsynth.networks.layers import Dense, ReLU
from fpsynth.networks.network import Network
from fpsynth.witness.numerals import quoted


def view_call(environment: str, fmt: Format, network: Network) -> str:
    """The call that computes a layer of the network there, with the shapes of its operands where it has one layer only.

    Empty where no environment is named, or one that cannot be read, and for networks of other layers, which are many calls.
    """
    if not environment:
        return ""
    try:
        where = parse_placed(environment)
    except InputError:
        return ""
    if any(not isinstance(node.layer, Dense | ReLU) for node in network.nodes):
        return ""
    layer = network.nodes[0].layer
    if len(network.nodes) > 1 or not isinstance(layer, Dense):
        return run_call(where.library, where.operation, where.layout)
    return kernel_call(Kernel(where, fmt, layer.inputs, layer.outputs, layer.bias is not None))


def named_environment(data: dict[str, Any], name: str) -> str:
    """The text of an environment in an object of a file, under the present name of its operation."""
    text: str = data.get(name, "")
    return text if "call" in data else former_environment(text)


def named_variant(data: dict[str, Any]) -> str:
    """The variant of a run in a file, under its present name."""
    variant: str = data.get("variant", "")
    return variant if "call" in data else former_operation(data["library"], variant)


def require_call(data: dict[str, Any], call: str, where: str) -> None:
    """Raise InputError where an object of a file names another call than this one; empty: none is known.

    So the texts of calls are part of the file format: whoever rewords one in ``libraries`` has the former one accepted here.
    """
    if call and data.get("call", call) != call:
        raise InputError(f"{where}.call: {quoted(data['call'])} is not the call that is named beside it, {call}")
