"""Models of ONNX as they are: nodes with checked attributes, in an order in which each follows what it reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fpsynth.errors import InputError

OLDEST, NEWEST = 6, 26
"""Operator sets that are read."""
MAX_NODES = 20_000

# of onnx.AttributeProto.AttributeType
_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}


@dataclass(frozen=True)
class OnnxOperation:
    """A node of a model."""

    kind: str
    """Its operator, with the domain where it is not the standard one."""
    label: str
    """Its name, or that of its first result."""
    inputs: tuple[str, ...]
    """Empty names for inputs that are left out; none at the end."""
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    def given(self, **defaults: Any) -> list[Any]:
        """The attributes of these names, or their defaults; text is decoded.  Raises InputError for any other attribute."""
        other = sorted(set(self.attributes) - set(defaults))
        if other:
            raise InputError(f"it has the attribute {other[0]}, which is not read")
        return [self._attribute(name, default) for name, default in defaults.items()]

    def _attribute(self, name: str, default: Any) -> Any:
        value = self.attributes.get(name, default)
        wanted = type(default)
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        if default is not None and not isinstance(value, (int, float) if wanted is float else wanted):
            raise InputError(f"its attribute {name} is no {'list' if wanted is list else wanted.__name__}")
        return value


@dataclass(frozen=True)
class OnnxModel:
    """What a model says, before anything is made of it."""

    operations: dict[str, OnnxOperation]
    """By the names of their results."""
    tensors: dict[str, Any]
    """TensorProto messages by name."""
    inputs: dict[str, Any]
    """ValueInfoProto messages of what has no tensor, in order."""
    outputs: dict[str, Any]
    opset: int
    producer: str

    def needed(self, output: str) -> list[OnnxOperation]:
        """The operations that an output needs, each after those that it reads.  Raises InputError for cycles and gaps."""
        state: dict[int, bool] = {}  # False while what an operation reads is still being ordered
        result: list[OnnxOperation] = []
        waiting: list[tuple[str, bool, str]] = [(output, False, "the output")]
        while waiting:
            name, done, reader = waiting.pop()
            operation = self.operations.get(name)
            if operation is None:
                if name not in self.tensors and name not in self.inputs:
                    raise InputError(f"{reader} reads {name!r}, which nothing computes")
                continue
            if done:
                state[id(operation)] = True
                result.append(operation)
            elif id(operation) not in state:
                state[id(operation)] = False
                waiting.append((name, True, reader))
                waiting += [(i, False, f"the node {operation.label!r}") for i in reversed(operation.inputs) if i]
            elif not state[id(operation)]:
                raise InputError(f"the node {operation.label!r} reads its own result: the model has a cycle")
        return self._as_listed(result)

    def _as_listed(self, ordered: list[OnnxOperation]) -> list[OnnxOperation]:
        """The operations in the order of the file, where each follows what it reads there too, as it should."""
        places = {id(operation): place for place, operation in enumerate(self.operations.values())}
        for operation in ordered:
            before = [self.operations[name] for name in operation.inputs if name in self.operations]
            if any(places[id(other)] > places[id(operation)] for other in before):
                return ordered
        return sorted(ordered, key=lambda operation: places[id(operation)])


def parsed(model: Any) -> OnnxModel:
    """A ModelProto as a Model.  Raises InputError for functions, sparse weights, unknown operator sets, names that clash."""
    graph = model.graph
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if not versions or not OLDEST <= versions[0] <= NEWEST:
        said = f"operator set {versions[0]}" if versions else "no standard operator set"
        raise InputError(f"it uses {said}; read are {OLDEST} to {NEWEST}: convert it (onnx.version_converter)")
    if model.functions:
        raise InputError("it defines functions of its own: inline them (onnx.inliner.inline_local_functions)")
    if graph.sparse_initializer:
        raise InputError("it has sparse weights: save them as dense ones")
    if len(graph.node) > MAX_NODES or len(graph.initializer) > MAX_NODES:
        raise InputError(f"it has more than {MAX_NODES} nodes or weights")
    tensors = {text(tensor.name): tensor for tensor in graph.initializer}
    inputs = {text(value.name): value for value in graph.input if text(value.name) not in tensors}
    outputs = {text(value.name): value for value in graph.output}
    if len(tensors) != len(graph.initializer) or len(outputs) != len(graph.output):
        raise InputError("two weights or outputs have one name")
    return OnnxModel(_operations(graph, {*tensors, *inputs}), tensors, inputs, outputs, versions[0], text(model.producer_name))


def _operations(graph: Any, taken: set[str]) -> dict[str, OnnxOperation]:
    operations: dict[str, OnnxOperation] = {}
    for node in graph.node:
        operation = _operation(node)
        for name in operation.outputs:
            if name in operations or name in taken:
                raise InputError(f"two results are called {name!r}")
            if name:
                operations[name] = operation
    return operations


def _operation(node: Any) -> OnnxOperation:
    domain, kind = text(node.domain), text(node.op_type)
    kind = kind if domain in ("", "ai.onnx") else f"{domain}.{kind}"
    inputs = [*map(text, node.input)]
    while inputs and not inputs[-1]:
        inputs.pop()
    outputs = [*map(text, node.output)]
    label = text(node.name) or next(iter(outputs), "") or kind
    attributes = {text(a.name): _value(a) for a in node.attribute}
    return OnnxOperation(kind, label, tuple(inputs), tuple(outputs), attributes)


def text(name: str | bytes) -> str:
    """A name; those that are no UTF-8 come as bytes."""
    return name.decode("latin-1") if isinstance(name, bytes) else name


def _value(attribute: Any) -> Any:
    kind = _FIELDS.get(attribute.type)
    if kind is None or attribute.ref_attr_name:
        return attribute  # a graph, say: whatever reads the attribute refuses it
    value = getattr(attribute, kind)
    return [*value] if kind in ("floats", "ints", "strings") else value


@contextmanager
def at(operation: OnnxOperation) -> Iterator[None]:
    """An InputError names the node."""
    try:
        yield
    except InputError as error:
        raise InputError(f"the node {operation.label!r} ({operation.kind}): {error}") from None
