"""A network revealed in the process that it runs in: layer by layer, each checked on its own; then the whole of it."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np

from fpsynth.aliases import Array, Progress
from fpsynth.formats import Format
from fpsynth.libraries.base import CannotRun
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.layers import Sums
from fpsynth.networks.network import Network
from fpsynth.revealing.joining import joined
from fpsynth.revealing.kernels import CachedKernels, now
from fpsynth.revealing.layer_runs import Runs, hostile_points, missed, predicted, up_to
from fpsynth.revealing.layers import POINTS, LayerWork, Work, deployments_of
from fpsynth.revealing.network_result import LayerReveal, NetworkReveal
from fpsynth.revealing.result import Check
from fpsynth.sums.arithmetic import Arithmetic


def reveal_network(
    kernels: CachedKernels,
    network: Network,
    dtype: Format,
    where: Environment,
    *,
    inputs: Array | None = None,
    vectors: int = 10_000,
    seed: int = 0,
    progress: Progress = lambda text: None,
) -> NetworkReveal:
    """Reveal every layer of ``network`` with a loaded library, that of ``kernels``, and check the whole of it.

    ``inputs``: points (points, inputs) of the network to check on; drawn where there are none.  ``vectors``: on how many
    hostile vectors a kernel is checked.  Raises CannotRun where the library cannot run the network.
    """
    started, library = time.monotonic(), kernels.library
    given = network.logits
    rewritten = library.rewritten(given, dtype, where.operation)
    graph = rewritten.network
    if not graph.sums:
        raise CannotRun("no layer of the network adds anything up: there is no arithmetic of it to reveal")
    count = -(-POINTS // where.batch) * where.batch
    like = [] if inputs is None else [np.asarray(inputs, np.float64).reshape(len(inputs), -1)]
    points = hostile_points(count, int(np.prod(graph.input_shape)), dtype, seed, like)
    work = Work(library, where, dtype, graph, graph, vectors, seed, points, kernels, progress)
    whole = Runs(library, given, dtype, where)(points)
    layers = tuple(_layer(work, name) for name in graph.sums)
    deployments = deployments_of(work.computed, work.nodes, where.batch)
    own = predicted(work.computed, points, deployments)
    wrong = missed(whole, own)
    notes = rewritten.notes if not wrong.any() else (*rewritten.notes, _first_different(work, given))
    return NetworkReveal(
        environment=where,
        dtype=dtype,
        network=work.computed,
        deployment=next(one for rows, one in deployments.items() if where.row in rows),
        rows=tuple(deployments.items()) if len(deployments) > 1 else (),
        layers=layers,
        check=Check(int((~wrong).sum()), wrong.size),
        rewrites=(*rewritten.rewrites, *work.rewrites),
        version=library.version() or "",
        facts=tuple(library.describe(where.device).items()),
        notes=notes,
        seconds=round(time.monotonic() - started, 3),
        revealed=now(),
    )


def _first_different(work: Work, given: Network) -> str:
    """Which layer is the first whose results differ when the network runs as a whole, in words."""
    for name in [node.name for node in given.nodes if node.name in {there.name for there in work.computed.nodes}]:
        try:
            returned = Runs(work.library, up_to(given, name), work.dtype, work.where)(work.points)
        except CannotRun:
            continue
        part = up_to(work.computed, name)
        if not part.sums:  # it only moves or selects inputs
            continue
        own = predicted(part, work.points, deployments_of(part, work.nodes, work.where.batch))
        wrong = missed(returned, own)
        if wrong.any():
            return f"{name} is the first layer whose results differ in the whole network: {int(wrong.sum())} of {wrong.size}"
    return "every layer is explained when the network ends there, but not the whole network: layers are computed together"


def _layer(work: Work, name: str) -> LayerReveal:
    """One layer of sums: what it is computed as, and how much of it that explains."""
    started = time.monotonic()
    work.progress(f"revealing {name} in {work.where}")
    node, sums = work.network[name], work.network.structure(name)
    assert isinstance(sums, Sums)
    if len(node.inputs) > 1:
        return joined(work, name)
    layer = LayerWork(work, name, sums)
    layer.reveal()
    nodes = layer.nodes
    counts: Counter[Arithmetic] = Counter()
    for one in nodes:
        structure = work.computed.structure(one)
        if isinstance(structure, Sums):
            counts += work.nodes[one].classes(structure.outputs)
    wrong = layer.wrong()
    return LayerReveal(
        name=name,
        kind=node.layer.kind,
        nodes=tuple(name for name in nodes if name in work.nodes),
        classes=tuple(counts.most_common()),
        explained=int((~wrong).sum()),
        total=wrong.size,
        first=layer.difference(),
        notes=(*dict.fromkeys(layer.notes), *([layer.unexplained] if wrong.any() else [])),
        seconds=round(time.monotonic() - started, 3),
        cached=bool(layer.cached) and all(layer.cached),
    )
