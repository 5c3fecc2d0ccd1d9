"""One layer of a network revealed: the arithmetics that compute its outputs, and how much they explain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fpsynth.aliases import Array, Progress
from fpsynth.formats import Format
from fpsynth.libraries.base import Library
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.layer_shapes import layer_shape
from fpsynth.networks.graph import INPUT
from fpsynth.networks.layers import BatchNormalisation, Dense, Layer, Sums
from fpsynth.networks.network import Network
from fpsynth.networks.rewrites import Rewrite, replaced
from fpsynth.orders import SEQUENTIAL, Order, fixed_order, parse_order
from fpsynth.revealing.averages import RECIPROCAL, average_tree, multiplied
from fpsynth.revealing.kernels import KernelReveals
from fpsynth.revealing.layer_runs import Runs, alone, hostile_points, missed, predicted, up_to
from fpsynth.revealing.network_result import FirstDifference
from fpsynth.revealing.normalisations import forms
from fpsynth.revealing.padding import MADE_UP, taps_of
from fpsynth.revealing.properties import named
from fpsynth.revealing.result import Reveal
from fpsynth.revealing.trees import Inconsistent
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.wording import counted

ROWS_DIFFER = "the rows of a batch have different arithmetics; those of one row are told"
"""A note of a layer."""
POINTS = 64
"""Inputs that a layer, and the network, is checked on, but at least a batch of them."""
_MOST_CLASSES = 16
"""Arithmetics of one layer that are looked for, position by position."""
_NAMED = 6
"""Hypotheses that are named where none explains a layer."""
_LANES = (2, 3, 4, 5, 7, 8, 16, 32)
FLUSHES = (Flush.NEVER, Flush.UNBOUNDED, Flush.ROUNDED)


@dataclass
class NodeArithmetics:
    """What is known of one node of the network as it is computed."""

    usual: Arithmetic
    exceptions: dict[int, Arithmetic] = field(default_factory=dict)
    """By flat output position."""
    rows: dict[int, NodeArithmetics] = field(default_factory=dict)
    """Those of rows of a batch that are computed otherwise than the row of the environment, by row."""

    def at(self, row: int) -> NodeArithmetics:
        """Those of one row."""
        return self.rows.get(row, self)

    def classes(self, outputs: int) -> Counter[Arithmetic]:
        """How many outputs each arithmetic computes."""
        counts = Counter(self.exceptions.values())
        counts[self.usual] += outputs - len(self.exceptions)
        return counts


def deployments_of(network: Network, found: Mapping[str, NodeArithmetics], batch: int) -> dict[tuple[int, ...], Deployment]:
    """The arithmetics of all layers of sums of a network, by the rows of a batch that are computed so."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for row in range(batch):
        groups.setdefault(tuple(id(found[name].at(row)) for name in network.sums), []).append(row)
    return {tuple(rows): deployment_of(network, found, rows[0]) for rows in groups.values()}


def deployment_of(network: Network, found: Mapping[str, NodeArithmetics], row: int) -> Deployment:
    """The arithmetics of all layers of sums of a network in one row."""
    layers, exceptions = [], []
    for number, name in enumerate(network.sums):
        own = found[name].at(row)
        layers.append((number, own.usual))
        exceptions += [((number, output), how) for output, how in sorted(own.exceptions.items())]
    usual = Counter(how for _, how in layers).most_common(1)[0][0]
    return Deployment(usual, tuple(exceptions), tuple(pair for pair in layers if pair[1] != usual))


@dataclass
class Work:
    """A network while it is revealed."""

    library: Library
    where: Environment
    dtype: Format
    network: Network
    """As it was given, without the argmax or softmax at its end."""
    computed: Network
    """As it is computed, as far as that is known."""
    vectors: int
    seed: int
    points: Array
    """Inputs of the network, (points, inputs)."""
    kernels: KernelReveals
    """What reveals the kernels of its layers."""
    progress: Progress
    nodes: dict[str, NodeArithmetics] = field(default_factory=dict)
    rewrites: list[Rewrite] = field(default_factory=list)

    def activations(self, name: str) -> Array:
        """What the library gives at a node for the points."""
        return (
            self.points if name == INPUT else Runs(self.library, up_to(self.network, name), self.dtype, self.where)(self.points)
        )


class LayerWork:
    """A layer of one input."""

    def __init__(self, work: Work, name: str, sums: Sums) -> None:
        self.work, self.name, self.sums = work, name, sums
        self.network = self.best = alone(work.network, name)
        self.nodes: tuple[str, ...] = (name,)
        self.notes: list[str] = []
        self.cached: list[bool] = []
        """Of each kernel that was revealed, whether the cache had it."""
        self.tried: dict[str, None] = {}
        """Arithmetics that were held against it, in words."""
        node = work.network[name]
        self.shape = work.network.shapes[node.inputs[0]]
        like = [work.activations(node.inputs[0])]
        count = max(POINTS, work.where.batch)
        self.unprobed = np.zeros(sums.outputs, bool)
        """Outputs that read taps of which none lay in the input where anything was probed: their order is not known."""
        self.points = hostile_points(count, int(np.prod(self.shape)), work.dtype, work.seed + 1, like)
        self.runs = Runs(work.library, self.network, work.dtype, work.where)
        self.returned = self.runs(self.points)

    def reveal(self) -> None:
        """Find what the layer is computed as."""
        if self.sums.normalisation is not None:
            self._normalisation()
        elif self.sums.terms == 1:
            self._tried([self.network], list(_plain(self.work.dtype, self.sums.bias is not None)))
        elif self.sums.weight is None:
            self._average()
        else:
            self._kernel()

    def wrong(self) -> Array:
        """Which outputs are not explained, (points, outputs)."""
        return missed(self.returned, self._own()) | self.unprobed

    @property
    def unexplained(self) -> str:
        """What was tried, in words."""
        if self.unprobed.any():
            return f"in what order {int(self.unprobed.sum())} outputs at the edge are added was not looked at"
        count = counted(len(self.tried), "hypothesis", "hypotheses")
        more = len(self.tried) - _NAMED
        said = "; ".join(list(self.tried)[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
        return f"not all of it is explained by any of {count}: {said}"

    def difference(self) -> FirstDifference | None:
        """The first of them that is known to be another."""
        wrong = missed(self.returned, own := self._own())
        if not wrong.any():
            return None
        row, output = (int(place) for place in np.argwhere(wrong)[0])
        return FirstDifference(
            tuple(self.points[row].tolist()), output, float(self.returned[row, output]), float(own[row, output])
        )

    def _own(self) -> Array:
        """What the arithmetics that were found give."""
        part = self._part()
        return predicted(part, self.points, deployments_of(part, self.work.nodes, self.work.where.batch))

    def _part(self) -> Network:
        """The nodes that compute the layer, as a network."""
        nodes = [node for node in self.work.computed.nodes if node.name in self.nodes]
        first = replace(nodes[0], inputs=(INPUT,))
        return Network((first, *nodes[1:]), self.shape, self.name)

    def _tried(self, networks: Sequence[Network], candidates: Sequence[Arithmetic]) -> int:
        """The candidate that explains most, for all nodes of the first of the networks that explains most; what it misses."""
        best: tuple[int, Network, Arithmetic] | None = None
        for network in networks:
            for how in candidates:
                wrong = int(missed(self.returned, self._given(network, how)).sum())
                chain = ", ".join(node.layer.kind for node in network.nodes) + ": " if len(network.nodes) > 1 else ""
                self.tried[f"{chain}{how}"] = None
                if best is None or wrong < best[0]:
                    best = wrong, network, how
                if not wrong:
                    break
            if best is not None and not best[0]:
                break
        assert best is not None
        self.best = best[1]
        for node, how in _of_each(best[1], best[2]).items():
            self.work.nodes[node] = NodeArithmetics(how)
        return best[0]

    def _given(self, network: Network, how: Arithmetic) -> Array:
        """What a network gives whose nodes add in one arithmetic."""
        of_each = {node: NodeArithmetics(one) for node, one in _of_each(network, how).items()}
        return predicted(network, self.points, deployments_of(network, of_each, self.work.where.batch))

    def _others(self, candidates: Sequence[Arithmetic]) -> None:
        """Outputs that the usual arithmetic does not explain have one of their own among the candidates."""
        found = self.work.nodes[self.best.sums[0]]
        wrong = self.wrong().any(axis=0)
        for how in candidates:
            if not wrong.any():
                return
            self.tried[str(how)] = None
            own = missed(self.returned, self._given(self.best, how)).any(axis=0)
            found.exceptions.update(dict.fromkeys(np.flatnonzero(wrong & ~own).tolist(), how))
            wrong &= own

    def _average(self) -> None:
        """The order in which inputs are added, from probes of one output, then of others that differ; else a usual one.

        What they are divided by may be a rounded reciprocal that the sum is multiplied by.
        """
        layer = self.work.network[self.name].layer
        candidates = self._trees(int(self.sums.flat(0, 0, layer_shape(layer, self.shape).inner)))
        times = replaced(self.network, self.name, multiplied(layer, self.shape, self.sums, self.work.dtype))
        self._tried([self.network, times], candidates or list(_averages(self.work.dtype, self.sums.terms)))
        if self.best is times:
            self.work.computed = replaced(self.work.computed, self.name, [node.layer for node in times.nodes])
            self.work.rewrites.append(Rewrite(RECIPROCAL, self.name))
            self.nodes = tuple(node.name for node in times.nodes)
        for _ in range(_MOST_CLASSES if candidates else 0):
            wrong = np.flatnonzero(self.wrong().any(axis=0))
            if not len(wrong):
                return
            self._others(self._trees(int(wrong[0])))
            if self.wrong()[:, wrong[0]].any():
                break
        if self.wrong().any():
            self._others(list(_averages(self.work.dtype, self.sums.terms)))

    def _trees(self, output: int) -> list[Arithmetic]:
        """The order of the sum at an output by masks, flushed or not; none where what they give is that of no order."""
        terms, dtype = self.sums.terms, self.work.dtype
        try:
            order = fixed_order(average_tree(self.sums, output, self.runs, self.points.shape[1], dtype))
        except Inconsistent as error:
            self.tried[f"by masks of output {output}: {error}"] = None
            return []
        return [named(Arithmetic(dtype, order=order, flush=flush), terms) for flush in FLUSHES]

    def _normalisation(self) -> None:
        """A batch normalisation is one of a few chains of simpler layers, with constants as the library rounds them."""
        layer = self.work.network[self.name].layer
        assert isinstance(layer, BatchNormalisation)

        def run(changed: BatchNormalisation, points: Array) -> Array:
            network = replace(self.network, nodes=(replace(self.network.nodes[0], layer=changed),))
            return Runs(self.work.library, network, self.work.dtype, self.work.where)(points)

        best: tuple[int, str, list[Layer]] | None = None
        candidates = list(_plain(self.work.dtype, True))
        for what, layers in forms(layer, self.shape, run, self.work.dtype):
            wrong = self._tried([replaced(self.network, self.name, layers)], candidates)
            if best is None or wrong < best[0]:
                best = wrong, what, layers
            if not wrong:
                break
        assert best is not None
        self.work.computed = replaced(self.work.computed, self.name, best[2])
        self.work.rewrites.append(Rewrite(best[1], self.name))
        self.nodes = (*(f"{self.name}.{k}" for k in range(1, len(best[2]))), self.name)
        self._tried([replaced(self.network, self.name, best[2])], candidates)

    def _kernel(self) -> None:
        """The order of a dense layer or a convolution, from probes at one position, then at others.

        At those that differ from it; and at those that read taps that were in a padding wherever anything was probed.
        """
        position, taps = self._inner(), taps_of(self.sums)
        found, probed = self._revealed(position), [position]
        place = np.array([self.sums.place(output)[2] for output in range(self.sums.outputs)])
        adding = np.asarray(taps.sets.any(axis=1))[taps.of][place]
        self.work.nodes[self.name] = found
        for _ in range(_MOST_CLASSES):
            self.unprobed = ~taps.within(probed)[place]
            wrong = np.asarray(self.wrong().any(axis=0)) & adding
            if not wrong.any():
                return
            position = self._innermost(np.flatnonzero(wrong))
            told = (wrong | (place == position)) & taps.within([position])[place]
            other = self._revealed(position)
            self.work.nodes[self.name] = self._changed(found, other, position, np.flatnonzero(told).tolist())
            self.unprobed = ~taps.within([*probed, position])[place]
            if not (wrong & ~self.wrong().any(axis=0)).any():
                self.work.nodes[self.name], self.unprobed = found, ~taps.within(probed)[place]
                return
            found = self.work.nodes[self.name]
            probed.append(position)

    def _changed(
        self, found: NodeArithmetics, other: NodeArithmetics, position: int, outputs: Sequence[int]
    ) -> NodeArithmetics:
        """``found``, with some outputs as ``other`` says of those of the same class at a position, row by row."""
        there = {output: self._there(output, position) for output in outputs}
        made: dict[tuple[int, int], NodeArithmetics] = {}

        def in_row(row: int) -> NodeArithmetics:
            old, new = found.at(row), other.at(row)
            changed = {output: new.exceptions.get(place, new.usual) for output, place in there.items()}
            return made.setdefault((id(old), id(new)), NodeArithmetics(old.usual, {**old.exceptions, **changed}))

        told = in_row(self.work.where.row)
        others = {row: in_row(row) for row in sorted({*found.rows, *other.rows})}
        return replace(told, rows={row: one for row, one in others.items() if one is not told})

    def _inner(self) -> int:
        return 0 if self._dense() else layer_shape(self.network[self.name].layer, self.shape).inner

    def _innermost(self, outputs: Array) -> int:
        """The position among those of outputs with the fewest taps in a padding, where no probe can stand."""
        positions = [self.sums.place(output)[2] for output in outputs.tolist()]
        if self._dense():
            return positions[0]
        outside = layer_shape(self.network[self.name].layer, self.shape).outside
        return min(positions, key=lambda position: int(outside[position]))

    def _dense(self) -> bool:
        return isinstance(self.network[self.name].layer, Dense) and len(self.shape) == 1

    def _there(self, output: int, position: int) -> int:
        """The output of the same class at another position."""
        group, of_class, _ = self.sums.place(output)
        return int(self.sums.flat(group, of_class, position))

    def _revealed(self, position: int) -> NodeArithmetics:
        """The arithmetics of all outputs, from a reveal at one position of the first group."""
        work, layer = self.work, self.network[self.name].layer
        outputs = self.sums.classes
        where = replace(work.where, outputs=outputs)
        shape = None if self._dense() else layer_shape(layer, self.shape)
        biased = self.sums.bias is not None
        kernel = Kernel(where, work.dtype, self.sums.terms, outputs, biased, shape, 0 if shape is None else position)
        reveal = work.kernels(kernel, work.vectors, work.seed)
        self.tried |= dict.fromkeys(f"by masks at position {position}: {one.arithmetic}" for one in reveal.classes)
        self.notes += [note for note in reveal.notes if note != MADE_UP]  # it is not taken for that of other places
        self.cached.append(reveal.cached)
        return self._of_reveal(reveal)

    def _of_reveal(self, reveal: Reveal) -> NodeArithmetics:
        """One arithmetic for each class of channels, at all positions and in all groups, in each row."""
        made: dict[tuple[Arithmetic, ...], NodeArithmetics] = {}
        of_rows = [
            tuple(reveal.at(row, output).arithmetic for output in range(self.sums.classes))
            for row in range(self.work.where.batch)
        ]
        told = of_rows[self.work.where.row]
        for own in dict.fromkeys(of_rows):
            made[own] = self._everywhere(own)
        if len(made) > 1:
            self.notes.append(ROWS_DIFFER)
        return replace(made[told], rows={row: made[own] for row, own in enumerate(of_rows) if own != told})

    def _everywhere(self, own: Sequence[Arithmetic]) -> NodeArithmetics:
        """The arithmetics of classes of channels at all positions and in all groups."""
        usual = Counter(own).most_common(1)[0][0]
        found = NodeArithmetics(usual)
        for k, how in enumerate(own):
            if how != usual:
                of_group, position = np.meshgrid(np.arange(self.sums.groups), np.arange(self.sums.positions))
                found.exceptions.update(dict.fromkeys(self.sums.flat(of_group, k, position).reshape(-1).tolist(), how))
        return found


def _of_each(network: Network, how: Arithmetic) -> dict[str, Arithmetic]:
    """An arithmetic for each node that adds: of sums of one term without an order."""
    one_term = replace(how, order=SEQUENTIAL)
    terms = {name: structure.terms for name in network.sums if isinstance(structure := network.structure(name), Sums)}
    return {name: how if count > 1 else one_term for name, count in terms.items()}


def _plain(fmt: Format, biased: bool) -> Iterator[Arithmetic]:
    """Arithmetics of sums of one term: fused onto the bias or not; flushed or not."""
    for flush in FLUSHES:
        yield Arithmetic(fmt, flush=flush)
        if biased:
            yield Arithmetic(fmt, flush=flush, fused=True, bias_first=True)


def _averages(fmt: Format, terms: int) -> Iterator[Arithmetic]:
    """Orders in which averages are summed, the commonest first."""
    orders: list[Order] = [parse_order(name) for name in ("sequential", "pairwise", "reverse")]
    for lanes in _LANES:
        if lanes < terms:
            orders += [parse_order(f"{name}:{lanes}") for name in ("strided", "lanes", "blocked")]
            orders += [parse_order(f"strided:{lanes}/pairwise"), parse_order(f"blocked:{lanes}-of-pairwise")]
    side = round(terms**0.5)
    if side * side == terms and side > 1:
        orders.append(parse_order(f"strided:{side}"))
    for flush in FLUSHES:
        for order in dict.fromkeys(orders):
            yield Arithmetic(fmt, order=order, flush=flush)
