"""What a library's process answers about whole networks: how each layer is computed, and what the network gives for inputs."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import numpy as np

from fpsynth.errors import InputError
from fpsynth.evaluators.rounding_bounds import rounding_bounds
from fpsynth.formats import Format, format_named
from fpsynth.libraries.base import Library
from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.libraries.sending import network_from_message
from fpsynth.networks.network import Network
from fpsynth.revealing.cache import Cache
from fpsynth.revealing.kernels import CachedKernels
from fpsynth.revealing.layer_runs import Runs, in_rows, missed, placed, predicted
from fpsynth.revealing.network_json import is_small, kept_network, network_from_kept, network_reveal_to_json
from fpsynth.revealing.network_result import NetworkReveal
from fpsynth.revealing.networks import reveal_network
from fpsynth.workers.messages import Message


def network_answer(kernels: CachedKernels, request: Message) -> Message:
    """The answer to {"network": network, "environment": text, "dtype": name, "vectors": n, "seed": n, "inputs": array or null}.

    It is the reveal as JSON data, from the cache on disk where that has it, and the same with the network as it is computed and
    its deployment (``kept``, which ``network_from_kept`` reads); with inputs (points, inputs) also ``logits``
    (points, outputs) as the library gives them now, how many of them the revealed arithmetics give (``reproduced``), and how
    far rounding in the revealed orders can have moved each from what the network as it is computed, rewrites and all, would
    give exactly (``bounds``, (points, outputs)).
    """
    network, dtype = network_from_message(request["network"]), format_named(request["dtype"])
    where, inputs = parse_network_environment(request["environment"]), request["inputs"]
    found = _revealed(kernels, network, dtype, where, request)
    answer: Message = {"reveal": network_reveal_to_json(found), "kept": kept_network(found, network.logits)}
    if inputs is None:
        return answer
    logits = Runs(kernels.library, network, dtype, where)(inputs)
    own = predicted(found.network, inputs, found.deployments)
    bounds = [
        rounding_bounds(found.network, part.reshape(len(part), *network.input_shape), dtype, deployment).computed
        for part, deployment in in_rows(inputs, found.deployments)
    ]
    whole = placed(bounds, len(inputs), found.deployments)
    return {**answer, "logits": logits, "reproduced": int((~missed(logits, own)).sum()), "bounds": whole}


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


def keras_answer(request: Message) -> Message:
    """The answer to {"keras_file_of": network, "dtype": name} in TensorFlow's process: {"content": the file's bytes}."""
    from fpsynth.libraries.keras_layers import keras_file

    content = keras_file(network_from_message(request["keras_file_of"]), format_named(request["dtype"]))
    return {"content": np.frombuffer(content, np.uint8)}


def _revealed(kernels: CachedKernels, network: Network, dtype: Format, where: Environment, request: Message) -> NetworkReveal:
    """The reveal as it was kept of the same network, environment and inputs, else a new one, which is kept."""
    asked = _asked(network, request)
    kept = _kept(kernels.cache, asked, network, where, dtype)
    if kept is not None:
        return kept
    vectors, seed, inputs = request["vectors"], request["seed"], request["inputs"]
    found = reveal_network(kernels, network, dtype, where, inputs=inputs, vectors=vectors, seed=seed)
    if kernels.cache is not None and is_small(found, network.logits):
        kernels.cache.put(asked, kept_network(found, network.logits))
    return found


def _asked(network: Network, request: Message) -> dict[str, Any]:
    inputs = request["inputs"]
    digest = None
    if inputs is not None:
        points = np.ascontiguousarray(inputs, "<f8")
        digest = hashlib.sha256(repr(points.shape).encode() + points.tobytes()).hexdigest()
    names = ("environment", "dtype", "vectors", "seed")
    return {"network": network.digest.hex(), "inputs": digest, **{name: request[name] for name in names}}


def _kept(
    cache: Cache | None, asked: dict[str, Any], network: Network, where: Environment, dtype: Format
) -> NetworkReveal | None:
    """What the cache has, read as strictly as a file of somebody else's."""
    answer = None if cache is None else cache.get(asked)
    try:
        return None if answer is None else network_from_kept(answer, network.logits, where, dtype)
    except (InputError, ValueError):
        return None
