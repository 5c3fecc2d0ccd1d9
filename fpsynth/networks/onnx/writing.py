"""Writes networks as ONNX models: one node for each layer, two for a dense layer of the form matmul with a bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.networks.layers import AddConstant, Dense
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.networks.onnx.drafting import FORMS, NETWORK_OPSET, OPSET, Blank, Draft, OnnxStyle, Place
from fpsynth.networks.onnx.layer_nodes import WRITERS
from fpsynth.networks.onnx.model import NEWEST
from fpsynth.networks.onnx.reading import PRODUCER
from fpsynth.networks.onnx.tensors import CODES, INT64, package, raw

# the IR version that onnx 1.x gave each operator set when it came out (onnx.helper.OP_SET_ID_VERSION_MAP)
_IR = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}


def onnx_bytes(
    network: Network, dtype: Format, *, form: str = "matmul", batch: int | None = None, opset: int = NETWORK_OPSET
) -> bytes:
    """Return the network as an ONNX model: input X (batch, *input shape), output Y (batch, *output shape), all of ``dtype``.

    ``form`` of dense layers that read rows: gemm, a Gemm node with one row of weights per output (as torch exports nn.Linear);
    matmul: a MatMul node with one row per input, and an Add node where there is a bias.  ``batch`` None leaves the batch size
    open.  The bytes depend on nothing else.  Nodes are called as in the network, and ``network_from_onnx`` reads the same
    network back.  Raises InputError for a dtype that ONNX cannot run, for numbers that are not of that dtype, for slopes and
    epsilons that are not float32, which is what ONNX keeps, and MissingPackageError without the package onnx.
    """
    blank = blank_model(network, OnnxStyle(dtype, form, opset, batch))
    return blank.filled(lambda hole: _contents(network[hole.node], hole.field, hole.transposed, dtype))


def _contents(node: Node, field: str, transposed: bool, dtype: Format) -> bytes:
    numbers = getattr(node.layer, field)
    try:
        return raw(numbers.T if transposed else numbers, dtype)
    except InputError as error:
        raise InputError(f"{node.name}: {error}") from None


def blank_model(network: Network, style: OnnxStyle) -> Blank:
    """The model of a network without its numbers, as ``onnx_bytes`` describes it.

    It depends on no numbers but attributes of layers (slopes, epsilons).  Raises InputError as ``onnx_bytes`` does.
    """
    if style.form not in FORMS:
        raise InputError(f"unknown ONNX form {style.form!r}; choose from {', '.join(FORMS)}")
    require_format(style.dtype)
    if not OPSET <= style.opset <= NEWEST:
        raise InputError(f"networks are written in the operator sets {OPSET} to {NEWEST}, not {style.opset}")
    draft = _drafted(network, style)
    points: list[int | str] = ["batch" if style.batch is None else style.batch, *network.input_shape]
    ends = {"X": points[::-1] if style.points_transposed else points, "Y": [points[0], *network.output_shape]}
    codes = {"X": CODES[style.dtype], "Y": INT64 if network[network.output].layer.kind == "argmax" else CODES[style.dtype]}
    return Blank(_model("network", draft.nodes, ends, codes, draft.tensors, style.opset), draft.holes)


def single_node(
    operator: str,
    inputs: Mapping[str, Sequence[int | str]],
    result: Sequence[int | str],
    values: Mapping[str, NDArray[Any]],
    dtype: Format,
    **attributes: int,
) -> bytes:
    """A model of one node, opset ``OPSET``: inputs by name and shape, then tensors by name, to the output Y.

    Arrays of integers are kept as int64, others as they lie in memory: they must be of ``dtype`` or its bit patterns.
    """
    helper = package().helper
    tensors = [
        helper.make_tensor(name, INT64 if array.dtype.kind == "i" else CODES[dtype], array.shape, array.tobytes(), raw=True)
        for name, array in values.items()
    ]
    ends = {**inputs, "Y": result}
    node = helper.make_node(operator, [*inputs, *values], ["Y"], **attributes)
    model = _model(operator, [node], ends, dict.fromkeys(ends, CODES[dtype]), tensors, OPSET)
    return Blank(model, {}).filled(lambda hole: b"")


def _model(
    name: str,
    nodes: Sequence[Any],
    ends: Mapping[str, Sequence[int | str]],
    codes: Mapping[str, int],
    tensors: Sequence[Any],
    opset: int,
) -> Any:
    """A ModelProto.  ``ends``: the shapes of inputs and then of the one output, by name."""
    helper = package().helper
    described = [helper.make_tensor_value_info(end, codes[end], shape) for end, shape in ends.items()]
    graph = helper.make_graph(nodes, name, described[:-1], described[-1:], tensors)
    version = _IR.get(opset, max(_IR.values()))
    return helper.make_model(graph, producer_name=PRODUCER, opset_imports=[helper.make_opsetid("", opset)], ir_version=version)


def _drafted(network: Network, style: OnnxStyle) -> Draft:
    names = tensor_names(network)
    draft = Draft(style, {node.name for node in network.nodes})
    for node in network.nodes:
        inputs = [names[name] for name in node.inputs]
        if style.readable and isinstance(node.layer, AddConstant) and _plain_dense(network, node):
            inputs = [draft.blocked(inputs[0])]
        shapes = [network.shapes[name] for name in node.inputs]
        transposed = style.points_transposed and INPUT in node.inputs
        try:
            _write(Place(draft, node.name, node.layer, inputs, shapes, names[node.name], transposed))
        except InputError as error:
            raise InputError(f"{node.name}: {error}") from None
    return draft


def _write(place: Place) -> None:
    if place.transposed and not isinstance(place.layer, Dense):
        raise InputError(f"a {place.layer.kind} layer reads no points that are given as their transpose")
    WRITERS[type(place.layer)](place)


def _plain_dense(network: Network, node: Node) -> bool:
    """Whether a constant is added to a dense layer without a bias, which readers would take for its bias."""
    before = None if node.inputs[0] == INPUT else network[node.inputs[0]].layer
    return isinstance(before, Dense) and before.bias is None


def tensor_names(network: Network) -> dict[str, str]:
    """What the result of each node is called: as the node, but X, Y and the names of weights are taken."""
    names, taken = {INPUT: "X", network.output: "Y"}, {"X", "Y"}
    for node in network.nodes:
        if node.name not in names:
            # weights are called _..., W_... and b_..., and what blocks a bias ends in /product
            name = f"n{node.name}" if "_" in node.name[:2] else node.name
            while name in taken or name.endswith("/product"):
                name += "'"
            names[node.name] = name
            taken.add(name)
    return names


def require_format(dtype: Format) -> None:
    """Raise InputError where ONNX has no networks of the format, and MissingPackageError without the package onnx."""
    if dtype not in CODES:
        names = ", ".join(f.name for f in CODES)
        raise InputError(f"ONNX has no {dtype.name} networks; choose from {names}")
    package()


def require_checked(data: bytes) -> None:
    """Raise InputError where onnx's own checker, shape inference included, does not accept a model."""
    onnx = package()
    try:
        onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    except Exception as error:  # the checker has several kinds, and none in common
        raise InputError(f"onnx {onnx.__version__} does not accept the model: {str(error).splitlines()[0]}") from None
