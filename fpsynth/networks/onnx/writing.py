"""Writes networks as ONNX models: one node for each layer, two for a dense layer of the form matmul with a bias."""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.networks.layers import AddConstant, Dense, Shape
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.networks.onnx.layer_nodes import WRITERS, Draft
from fpsynth.networks.onnx.model import NEWEST
from fpsynth.networks.onnx.reading import PRODUCER
from fpsynth.networks.onnx.tensors import CODES, package

OPSET = 13
"""Of corpora and single kernels, which old verifiers read, and the oldest that networks are written in."""
NETWORK_OPSET = 17
FORMS = ("gemm", "matmul")

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
    if form not in FORMS:
        raise InputError(f"unknown ONNX form {form!r}; choose from {', '.join(FORMS)}")
    require_format(dtype)
    if not OPSET <= opset <= NEWEST:
        raise InputError(f"networks are written in the operator sets {OPSET} to {NEWEST}, not {opset}")
    draft = _drafted(network, dtype, form, opset)
    helper = package().helper
    rows = "batch" if batch is None else batch
    shapes = {"X": network.input_shape, "Y": network.output_shape}
    codes = {"X": CODES[dtype], "Y": 7 if network[network.output].layer.kind == "argmax" else CODES[dtype]}
    ends = [helper.make_tensor_value_info(name, codes[name], [rows, *shapes[name]]) for name in ("X", "Y")]
    graph = helper.make_graph(draft.nodes, "network", ends[:1], ends[1:], draft.tensors)
    version = _IR.get(opset, max(_IR.values()))
    model = helper.make_model(graph, producer_name=PRODUCER, opset_imports=[helper.make_opsetid("", opset)], ir_version=version)
    encoded: bytes = model.SerializeToString(deterministic=True)
    return encoded


def _drafted(network: Network, dtype: Format, form: str, opset: int) -> Draft:
    names = _tensor_names(network)
    draft = Draft(dtype, form, opset)
    for node in network.nodes:
        inputs = [names[name] for name in node.inputs]
        if isinstance(node.layer, AddConstant) and _plain_dense(network, node, form):
            inputs = [draft.blocked(inputs[0])]
        shapes = [network.shapes[name] for name in node.inputs]
        try:
            _write(draft, node, inputs, shapes, names[node.name])
        except InputError as error:
            raise InputError(f"{node.name}: {error}") from None
    return draft


def _write(draft: Draft, node: Node, inputs: Sequence[str], shapes: Sequence[Shape], output: str) -> None:
    if node.layer.kind not in WRITERS:
        raise InputError(f"ONNX has no {node.layer.kind} layer: write a multiplication and an addition instead")
    WRITERS[node.layer.kind](draft, node.name, node.layer, inputs, shapes, output)


def _plain_dense(network: Network, node: Node, form: str) -> bool:
    """Whether a constant is added to a dense layer without a bias, which readers would take for its bias."""
    before = None if node.inputs[0] == INPUT else network[node.inputs[0]].layer
    return isinstance(before, Dense) and before.bias is None


def _tensor_names(network: Network) -> dict[str, str]:
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
