"""In which format every number of a deployed network is, where its layers compute in several."""

from __future__ import annotations

from collections.abc import Mapping

from fpsynth.errors import InputError
from fpsynth.formats import Format, holds
from fpsynth.networks.graph import INPUT
from fpsynth.networks.layers.structure import Selection, Sums
from fpsynth.networks.network import Network
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers.asked import holds_all, require_held, require_region_held
from fpsynth.verifiers.claims import Region
from fpsynth.verifiers.relaxations.reasoning import Reasoning


def node_formats(network: Network, reasoning: Reasoning) -> Mapping[str, Format]:
    """The format of the results of every node up to the logits, and of INPUT; empty where bounds are of no deployed network.

    Inputs are of the deployment's default format.  Raises InputError for what has no meaning, as in the evaluators: a layer in
    several formats, one that reads numbers that its format does not hold, and a selection among numbers of several formats.
    """
    if reasoning.deployed is None:
        return {}
    graph, found = network.logits, {INPUT: reasoning.deployed}
    for node in graph.nodes:
        structure, given = graph.structure(node.name), {found[source] for source in node.inputs}
        if isinstance(structure, Sums):
            found[node.name] = _of_layer(node.name, graph.sums.index(node.name), structure.outputs, reasoning)
            for fmt in given:
                if not holds(found[node.name], fmt):
                    raise InputError(f"{node.name}: an arithmetic in {found[node.name]} got a number in {fmt}; cast it first")
        elif len(given) > 1:
            what = "a selection among" if isinstance(structure, Selection) else "a view of"
            raise InputError(f"{node.name}: {what} numbers of several formats; cast them first")
        else:
            (found[node.name],) = given
    return found


def _of_layer(name: str, index: int, outputs: int, reasoning: Reasoning) -> Format:
    deployment = reasoning.deployment
    if deployment is None:
        assert reasoning.deployed is not None
        return reasoning.deployed
    formats = {how.format for how in _arithmetics(deployment, index, outputs)}
    if len(formats) > 1 or None in formats:
        raise InputError(f"{name}: bounds by relaxation are of layers that compute in one format each")
    (fmt,) = formats
    assert fmt is not None
    return fmt


def _arithmetics(deployment: Deployment, index: int, outputs: int) -> set[Arithmetic]:
    return {deployment.of_layer(index), *(how for (layer, k), how in deployment.exceptions if layer == index and k < outputs)}


def require_read(network: Network, region: Region, reasoning: Reasoning) -> None:
    """Raise InputError unless each layer's numbers are of its format, and the region's of that of inputs."""
    if reasoning.deployed is None:
        return
    formats = node_formats(network, reasoning)
    if set(formats.values()) == {reasoning.deployed}:
        require_held(network, region, reasoning.deployed)
        return
    for node in network.logits.nodes:
        if not all(holds_all(formats[node.name], array) for array in node.layer.arrays()):
            raise InputError(f"{node.name} has a weight or a bias that is not a {formats[node.name]}; round the network first")
    require_region_held(region, reasoning.deployed)
