"""What a library's process answers about whole networks: how each layer is computed, and what the network gives for inputs."""

from __future__ import annotations

import time
from typing import Any

from fpsynth.evaluators.rounding_bounds import rounding_bounds
from fpsynth.formats import format_named
from fpsynth.libraries.base import Library
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.libraries.sending import deployment_message, network_from_message, network_message
from fpsynth.revealing.layer_runs import Runs, missed, predicted
from fpsynth.revealing.network_result import LayerReveal, NetworkReveal
from fpsynth.revealing.networks import reveal_network
from fpsynth.sums.arithmetic_json import arithmetic_to_json
from fpsynth.workers.messages import Message


def network_answer(library: Library, request: Message) -> Message:
    """The answer to {"network": network, "environment": text, "dtype": name, "vectors": n, "seed": n, "inputs": array or null}.

    It is the reveal as JSON data, the network as it is ``computed``, and its ``deployment``; with inputs (points, inputs) also
    ``logits`` (points, outputs) as the library gives them, how many of them the revealed arithmetics give (``reproduced``), and
    how far rounding in the revealed orders can have moved each (``bounds``, (points, outputs)).
    """
    network, dtype = network_from_message(request["network"]), format_named(request["dtype"])
    where, inputs = parse_network_environment(request["environment"]), request["inputs"]
    found = reveal_network(library, network, dtype, where, inputs=inputs, vectors=request["vectors"], seed=request["seed"])
    computed, deployment = network_message(found.network), deployment_message(found.deployment)
    answer: Message = {"reveal": network_reveal_to_json(found), "computed": computed, "deployment": deployment}
    if inputs is None:
        return answer
    logits = Runs(library, network, dtype, where)(inputs)
    own = predicted(found.network, inputs, found.deployment)
    bounds = rounding_bounds(found.network, inputs.reshape(len(inputs), *network.input_shape), dtype, found.deployment)
    return {**answer, "logits": logits, "reproduced": int((~missed(logits, own)).sum()), "bounds": bounds.computed}


def outputs_answer(library: Library, request: Message) -> Message:
    """The answer to {"outputs_of": network, "environment": text, "dtype": name, "inputs": array (points, inputs)}.

    It is what the library gives, ``outputs`` (points, outputs), and in how many ``seconds``, once it has run a batch before.
    """
    network, dtype = network_from_message(request["outputs_of"]), format_named(request["dtype"])
    where, inputs = parse_network_environment(request["environment"]), request["inputs"]
    run = Runs(library, network, dtype, where)
    run(inputs[: where.batch])
    started = time.monotonic()
    return {"outputs": run(inputs), "seconds": time.monotonic() - started}


def network_reveal_to_json(found: NetworkReveal) -> dict[str, Any]:
    """A reveal of a network as JSON data."""
    return {
        "environment": str(found.environment),
        "dtype": found.dtype.name,
        "version": found.version,
        "layers": [_layer(layer, str(found.environment)) for layer in found.layers],
        "network": {"explained": found.check.explained, "of": found.check.total},
        "rewrites": [{"node": one.node, "name": one.name} for one in found.rewrites],
        "notes": list(found.notes),
        "facts": dict(found.facts),
        "seconds": found.seconds,
    }


def _layer(layer: LayerReveal, environment: str) -> dict[str, Any]:
    first = layer.first
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
        "first": None
        if first is None
        else {"output": first.output, "library": float(first.library).hex(), "predicted": float(first.predicted).hex()},
        "notes": list(layer.notes),
        "seconds": layer.seconds,
    }
