"""ONNX models that are being written: their nodes, and tensors into which the numbers of a network's layers are put last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.networks.layers import Shape
from fpsynth.networks.onnx.tensors import empty, package, written_integers

OPSET = 13
"""Of corpora, single kernels and models for a run, which old verifiers read, and the oldest that networks are written in."""
NETWORK_OPSET = 17
FORMS = ("gemm", "matmul")


@dataclass(frozen=True)
class OnnxStyle:
    """How a network is written."""

    dtype: Format
    form: str = "matmul"
    """Of dense layers that read rows: gemm, or matmul (see ``onnx_bytes``)."""
    opset: int = NETWORK_OPSET
    batch: int | None = None
    """None leaves the size of the batch open."""
    readable: bool = True
    """Whether the same network is read back from it.

    Else it is a model for a run: slopes and epsilons are rounded to float32, affine layers are a Mul and an Add node, and an
    Add node of a constant may follow a dense layer without a bias.
    """
    points_transposed: bool = False
    """Whether the points are given as their transpose (Gemm's transA): only dense layers of the form gemm may read them."""
    weights_turned: bool = True
    """Whether Gemm has one row of weights per output (transB), else one per input."""


class Hole(NamedTuple):
    """Which numbers a tensor of a model is to hold: those of a field of a layer."""

    node: str
    field: str
    transposed: bool = False


@dataclass(frozen=True, eq=False)
class Blank:
    """A model without the numbers of its layers, to be filled any number of times."""

    message: Any
    """A ModelProto."""
    holes: Mapping[str, Hole]
    """By the names of tensors."""

    def filled(self, contents: Callable[[Hole], bytes]) -> bytes:
        """The model, each tensor with its numbers as ``raw_data`` of ONNX, little-endian, row-major."""
        for tensor in self.message.graph.initializer:
            if tensor.name in self.holes:
                tensor.raw_data = contents(self.holes[tensor.name])
        encoded: bytes = self.message.SerializeToString(deterministic=True)
        return encoded


@dataclass
class Draft:
    """Nodes and tensors written so far."""

    style: OnnxStyle
    taken: set[str]
    """Names of nodes that no other may have: ONNX Runtime takes no two nodes of one name."""
    nodes: list[Any] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    holes: dict[str, Hole] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def node(self, operator: str, inputs: Sequence[str], output: str, name: str, **attributes: Any) -> None:
        """Add a node."""
        self.nodes.append(package().helper.make_node(operator, list(inputs), [output], name, **attributes))

    def more(self, operator: str, inputs: Sequence[str], output: str, name: str) -> None:
        """Add a node that is no layer of its own, by a name that none has."""
        while name in self.taken:
            name += "'"
        self.taken.add(name)
        self.node(operator, inputs, output, name)

    def number(self, kind: str) -> int:
        """How many layers of a kind came before, counted on."""
        self.counts[kind] = self.counts.get(kind, -1) + 1
        return self.counts[kind]

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Add a shape or axes."""
        self.tensors.append(written_integers(name, values))
        return name

    def blocked(self, tensor: str) -> str:
        """The same numbers by another name, to which readers add nothing as a bias."""
        name = f"{tensor}/product"
        self.more("Identity", [tensor], name, name)
        return name


@dataclass(frozen=True)
class Place:
    """A layer of a network in the model that is being written."""

    draft: Draft
    name: str
    """Of the network's node, and of the model's."""
    layer: Any
    inputs: Sequence[str]
    """Names of tensors."""
    shapes: Sequence[Shape]
    """Of the inputs, per example."""
    output: str
    transposed: bool = False
    """Whether its input is given as its transpose."""

    @property
    def style(self) -> OnnxStyle:
        """Of the whole model."""
        return self.draft.style

    def add(self, operator: str, *parameters: str, **attributes: Any) -> None:
        """The layer's one node: of its inputs, then these tensors."""
        self.draft.node(operator, [*self.inputs, *parameters], self.output, self.name, **attributes)

    def inner(self, output: str, operator: str, *parameters: str) -> str:
        """The first of the two nodes that the layer needs, called like it; returns the name of its result."""
        self.draft.node(operator, [*self.inputs, *parameters], output, self.name)
        return output

    def then(self, operator: str, *operands: str, part: str) -> None:
        """The second of them."""
        self.draft.more(operator, operands, self.output, f"{self.name}/{part}")

    def numbers(self, name: str, field: str, *, transposed: bool = False, shape: Shape | None = None) -> str:
        """A tensor for the numbers of one of the layer's fields, as they are, as their transpose, or in another shape."""
        given = np.broadcast_to(0, np.shape(getattr(self.layer, field)))
        dims = given.T.shape if transposed else given.shape if shape is None else given.reshape(shape).shape
        self.draft.tensors.append(empty(name, dims, self.style.dtype))
        self.draft.holes[name] = Hole(self.name, field, transposed)
        return name

    def single(self, field: str) -> float:
        """A number that ONNX keeps as an attribute, and so in float32: what is no float32 is for models for a run only."""
        value: float = getattr(self.layer, field)
        nearest = float(np.float32(value))
        if self.style.readable and nearest != value:
            raise InputError(f"the {field} {value!r} is no float32, which is what ONNX keeps; the nearest is {nearest!r}")
        return value
