"""Graph: layers by name, each reading the input or other layers; what networks and templates have in common."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, TypeVar

from fpsynth.errors import InputError
from fpsynth.networks.layers import Dense, Layer, Outline, ReLU, Shape, Structure
from fpsynth.networks.layers.base import integers, shown, sized

V = TypeVar("V")

INPUT = "input"
"""What nodes call the network's input."""


@dataclass(frozen=True)
class Node:
    """A layer in a graph."""

    name: str
    """Unique in its graph."""
    layer: Layer
    """Nodes may share one."""
    inputs: tuple[str, ...] = (INPUT,)
    """Names of the nodes that it reads, in order, or INPUT."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A directed acyclic graph of layers, checked when it is made: names, cycles, numbers of inputs, shapes.

    Raises InputError, one line that names the node.  ``nodes`` are put into an order in which each follows what it reads; nodes
    that are in such an order already stay as they are.
    """

    nodes: tuple[Node, ...]
    input_shape: Shape
    """Of one example."""
    output: str
    """The name of the node that the network's result is."""

    def __post_init__(self) -> None:
        if not self.nodes:
            raise InputError("a network needs at least one layer")
        object.__setattr__(self, "input_shape", sized(integers(self.input_shape, "the input's shape", 1)))
        object.__setattr__(self, "nodes", _sorted(tuple(self.nodes), self.output))
        _ = self.shapes  # which raises where they do not fit

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """The shape of every node's result, and of INPUT, per example."""
        shapes = {INPUT: self.input_shape}
        for node in self.nodes:
            try:
                shapes[node.name] = node.layer.shape(*(shapes[name] for name in node.inputs))
            except InputError as error:
                raise InputError(f"{node.name}: {error}") from None
            if node.layer.ending and node.name != self.output:
                raise InputError(f"{node.name}: {node.layer.kind} stands only at the end of a network")
        return shapes

    @property
    def output_shape(self) -> Shape:
        """Of one example."""
        return self.shapes[self.output]

    def __getitem__(self, name: str) -> Node:
        """The node of that name.  Raises KeyError."""
        return self._named[name]

    @cached_property
    def _named(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def _structures(self) -> dict[str, Structure]:
        return {}

    def structure(self, name: str) -> Structure:
        """The sums, the selection or the view that the node of that name is; kept once it was asked for."""
        if name not in self._structures:
            node = self._named[name]
            self._structures[name] = node.layer.structure(*(self.shapes[i] for i in node.inputs))
        return self._structures[name]

    def outline(self, name: str) -> Outline:
        """How large that structure is, by shapes alone."""
        node = self._named[name]
        return node.layer.outline(*(self.shapes[i] for i in node.inputs))

    @cached_property
    def sums(self) -> tuple[str, ...]:
        """The nodes that add, in order: the layers that a deployment counts from 0."""
        return tuple(node.name for node in self.nodes if self.outline(node.name).adds)

    @cached_property
    def operations(self) -> int:
        """How many addends all sums have together, biases apart: of a dense layer, its weights."""
        return sum(self.read_by(name) for name in self.sums)

    def read_by(self, name: str) -> int:
        """How many numbers a node reads for all of its outputs: addends, those it selects among, those it moves."""
        return math.prod(self.shapes[name]) * self.outline(name).terms

    @cached_property
    def work(self) -> int:
        """How many numbers all nodes read together: what ``operations`` counts, what is selected among, what is moved."""
        return sum(self.read_by(node.name) for node in self.nodes)

    @cached_property
    def numbers(self) -> int:
        """How many numbers there are for one input: its own, and the results of all nodes."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def run(self, given: V, step: Callable[[Node, Sequence[V]], V]) -> V:
        """What the output is worth when ``step`` turns the worths of a node's inputs into the node's; ``given``: the input's.

        A worth is forgotten as soon as nothing reads it any more.
        """
        readers = Counter(name for node in self.nodes for name in node.inputs)
        worth = {INPUT: given}
        for node in self.nodes:
            result = step(node, [worth[name] for name in node.inputs])
            for name in node.inputs:
                readers[name] -= 1
                if not readers[name]:
                    del worth[name]
            worth[node.name] = result
        return worth[self.output]

    @property
    def ending(self) -> Node | None:
        """The argmax or softmax at its end; None where it has none."""
        last = self._named[self.output]
        return last if last.layer.ending else None

    @cached_property
    def logits(self) -> Self:
        """The graph without the argmax or softmax at its end: itself where it has none."""
        last = self.ending
        if last is None:
            return self
        return replace(self, nodes=tuple(n for n in self.nodes if n is not last), output=last.inputs[0])

    @cached_property
    def dense_layers(self) -> tuple[Dense, ...]:
        """The layers of a stack of dense layers with a ReLU between them and none after the last.

        Raises InputError where the graph is anything else; the message names what does not belong there.
        """
        if len(self.input_shape) != 1:
            raise InputError(f"{_ONLY_STACKS}; the input is {shown(self.input_shape)}")
        before = INPUT
        for position, node in enumerate(self.nodes):
            wanted = ReLU if position % 2 else Dense
            if not isinstance(node.layer, wanted) or node.inputs != (before,):
                article = "an" if node.layer.kind[0] in "aeiou" else "a"
                raise InputError(f"{_ONLY_STACKS}; {node.name} is {article} {node.layer.kind}")
            before = node.name
        if not len(self.nodes) % 2:
            raise InputError(f"{_ONLY_STACKS}; {before}, a relu, stands at its end")
        return tuple(node.layer for node in self.nodes if isinstance(node.layer, Dense))

    @property
    def widths(self) -> tuple[int, ...]:
        """Of a stack of dense layers: (inputs, hidden widths..., outputs).  Raises InputError for other graphs."""
        return (self.dense_layers[0].inputs, *(layer.outputs for layer in self.dense_layers))

    def arrays(self) -> Iterator[Any]:
        """All parameters, node by node; those of a shared layer once for each node."""
        for node in self.nodes:
            yield from node.layer.arrays()

    @cached_property
    def parameter_count(self) -> int:
        """How many numbers the parameters are."""
        return sum(array.size for array in self.arrays())

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return False
        assert isinstance(other, Graph)
        mine, others = ((g.input_shape, g.output, g.nodes) for g in (self, other))
        return mine == others

    def __hash__(self) -> int:
        return hash((self.input_shape, self.output, self.nodes))


_ONLY_STACKS = "this command takes dense ReLU networks so far"


def _sorted(nodes: tuple[Node, ...], output: str) -> tuple[Node, ...]:
    """The nodes in an order in which each follows what it reads."""
    named = {node.name: node for node in nodes}
    for name, count in Counter(node.name for node in nodes).items():
        if count > 1 or name == INPUT or not name:
            raise InputError(f"two nodes are called {name}" if count > 1 else f"a node cannot be called {name!r}")
    for node in nodes:
        _require_inputs(node, named)
    if output not in named:
        raise InputError(f"the output {output} is no node")
    read = {name for node in nodes for name in node.inputs} | {output}
    for node in nodes:
        if node.name not in read:
            raise InputError(f"{node.name}: nothing reads it")
    return _following(nodes)


def _require_inputs(node: Node, named: dict[str, Node]) -> None:
    least, most = node.layer.inputs_taken
    if len(node.inputs) < least or (most is not None and len(node.inputs) > most):
        wanted = f"{least}" if least == most else f"at least {least}"
        raise InputError(f"{node.name}: {node.layer.kind} reads {wanted}, not {len(node.inputs)}")
    for name in node.inputs:
        if name != INPUT and name not in named:
            raise InputError(f"{node.name} reads {name}, which is no node")


def _following(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Kahn's algorithm, the earliest node first among those that are ready."""
    waiting = {place: len({name for name in node.inputs if name != INPUT}) for place, node in enumerate(nodes)}
    readers: dict[str, list[int]] = {}
    for place, node in enumerate(nodes):
        for name in set(node.inputs):
            readers.setdefault(name, []).append(place)
    ready = [place for place, count in waiting.items() if not count]
    result: list[Node] = []
    while ready:
        result.append(nodes[heapq.heappop(ready)])
        for place in readers.get(result[-1].name, ()):
            waiting[place] -= 1
            if not waiting[place]:
                heapq.heappush(ready, place)
    if len(result) < len(nodes):
        name = next(nodes[place].name for place, count in waiting.items() if count)
        raise InputError(f"{name} reads its own result: the network has a cycle")
    return tuple(result)


def stack_nodes(layers: Sequence[Dense | tuple[Any, Any]]) -> tuple[tuple[Node, ...], Shape, str]:
    """Nodes, input shape and output of a stack: dense layers, or pairs (weight, bias or None), with a ReLU between them.

    The nodes are called dense0, relu0, dense1, ....  Raises InputError where sizes do not fit.
    """
    stack = [layer if isinstance(layer, Dense) else Dense(*layer) for layer in layers]
    if not stack:
        raise InputError("a network needs at least one layer")
    nodes = [Node("dense0", stack[0])]
    for number, (before, layer) in enumerate(itertools.pairwise(stack)):
        if before.outputs != layer.inputs:
            raise InputError(f"a layer with {before.outputs} outputs is followed by one with {layer.inputs} inputs")
        nodes.append(Node(f"relu{number}", ReLU(), (nodes[-1].name,)))
        nodes.append(Node(f"dense{number + 1}", layer, (nodes[-1].name,)))
    return tuple(nodes), (stack[0].inputs,), nodes[-1].name
