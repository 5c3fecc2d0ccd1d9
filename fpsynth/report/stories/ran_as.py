"""How a library ran a network, in words: the calls of its layers, each once, whatever a run is called by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fpsynth.libraries.layer_calls import call_name
from fpsynth.networks.network import Network
from fpsynth.report.text import clean
from fpsynth.witness import Observation


def ran_as(network: Network, library: str, variants: Iterable[str]) -> str:
    """What a library calls for the sums of a network, such as ``conv2d, linear, matmul``.

    ``variants``: how dense layers were computed in runs that gave the same; they are left out where the network has none and
    its other layers are calls of their own.
    """
    names = list(_others(network, library))
    dense = not names or any(node.layer.kind == "dense" for node in network.nodes)
    return ", ".join(dict.fromkeys([*names, *(clean(variant) for variant in variants if variant and dense)]))


def _others(network: Network, library: str) -> Iterator[str]:
    """The calls for layers that are not dense; none where the library computes them by what multiplies dense ones."""
    for node in network.nodes:
        name = call_name(library, node.layer)
        if name:
            yield name


def different_runs(observations: Iterable[Observation]) -> tuple[Observation, ...]:
    """The runs without those that repeat another one in everything, or that of a view: the sweep meets the views again."""
    given = tuple(observations)
    of_views: dict[tuple[object, ...], list[Observation]] = {}
    for one in given:
        if one.view and not one.not_run:
            of_views.setdefault(_run(one), []).append(one)
    kept: dict[tuple[object, ...], Observation] = {}
    for one in given:
        for shown in of_views.get(_run(one), [one]):
            kept.setdefault((_run(shown), shown.view), shown)
    return tuple(kept.values())


def _run(one: Observation) -> tuple[object, ...]:
    """All of a run but which view it is of."""
    where = (one.library, one.version, one.variant, one.device, one.batch, one.rows, one.threads, one.settings, one.switches)
    got = (one.logits, one.reference_logits, one.class_index, one.reference_class, one.accepted, one.not_run)
    return (*where, one.layout, one.permutation, one.environment.get("dtype"), *got)
