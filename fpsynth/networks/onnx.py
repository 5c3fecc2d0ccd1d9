"""ONNX: writes a network as a model of Gemm, or of MatMul and Add, and Relu nodes, and reads such models back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fpsynth.errors import InputError, MissingPackageError
from fpsynth.files import PathLike, read_bytes_limited, shown
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.packages import how_to_install

if TYPE_CHECKING:
    from fpsynth.networks.network import Network

OPSET = 13
FORMS = ("gemm", "matmul")
MAX_BYTES = 1 << 28
"""Largest file that is read."""
MAX_LAYERS = 1000

# the numbers of onnx.TensorProto.DataType, and each format's little-endian layout in numpy's notation
_CODES: dict[Format, int] = {FLOAT32: 1, FLOAT16: 10, FLOAT64: 11, BFLOAT16: 16}
_LAYOUTS: dict[Format, str] = {FLOAT32: "<f4", FLOAT16: "<f2", FLOAT64: "<f8"}


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise MissingPackageError(f"ONNX files need the package onnx: {how_to_install('onnx')}") from None
    return onnx


def onnx_bytes(network: Network, dtype: Format, *, form: str = "matmul", batch: int | None = None) -> bytes:
    """Return the network as an ONNX model, opset 13: input X (batch, inputs), output Y (batch, outputs), all of ``dtype``.

    ``form`` gemm: a Gemm node per layer with one row of weights per output (as torch exports nn.Linear); matmul: a MatMul
    node with one row per input, and an Add node where there is a bias.  ``batch`` None leaves the batch size open.  The
    bytes depend on nothing else.  Raises InputError for a dtype that ONNX cannot run, for numbers that are not of that
    dtype, and MissingPackageError without the package onnx.
    """
    if form not in FORMS:
        raise InputError(f"unknown ONNX form {form!r}; choose from {', '.join(FORMS)}")
    require_format(dtype)
    helper = _onnx().helper
    nodes: list[Any] = []
    tensors: list[Any] = []
    value = "X"
    for index, layer in enumerate(network.dense_layers):
        last = index + 1 == len(network.dense_layers)
        result = "Y" if last else f"pre_{index}"
        weight = layer.weight if form == "gemm" else layer.weight.T
        tensors.append(_tensor(f"W_{index}", weight, dtype))
        bias = [] if layer.bias is None else [f"b_{index}"]
        if layer.bias is not None:
            tensors.append(_tensor(f"b_{index}", layer.bias, dtype))
        if form == "gemm":
            nodes.append(helper.make_node("Gemm", [value, f"W_{index}", *bias], [result], f"gemm_{index}", transB=1))
        else:
            product = f"product_{index}" if bias else result
            nodes.append(helper.make_node("MatMul", [value, f"W_{index}"], [product], f"matmul_{index}"))
            if bias:
                nodes.append(helper.make_node("Add", [product, *bias], [result], f"add_{index}"))
        if not last:
            value = f"hidden_{index}"
            nodes.append(helper.make_node("Relu", [result], [value], f"relu_{index}"))
    rows = "batch" if batch is None else batch
    ends = [
        helper.make_tensor_value_info(name, _CODES[dtype], [rows, size])
        for name, size in (("X", network.widths[0]), ("Y", network.widths[-1]))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], tensors)
    model = helper.make_model(graph, producer_name="fpsynth", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=7)
    encoded: bytes = model.SerializeToString(deterministic=True)
    return encoded


def require_format(dtype: Format) -> None:
    """Raise InputError where ONNX has no networks of the format, and MissingPackageError without the package onnx."""
    if dtype not in _CODES:
        names = ", ".join(f.name for f in _CODES)
        raise InputError(f"ONNX (opset {OPSET}) has no {dtype.name} networks; choose from {names}")
    _onnx()


def require_checked(data: bytes) -> None:
    """Raise InputError where onnx's own checker, shape inference included, does not accept a model."""
    onnx = _onnx()
    try:
        onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    except Exception as error:  # the checker has several kinds, and none in common
        raise InputError(f"onnx {onnx.__version__} does not accept the model: {str(error).splitlines()[0]}") from None


def _tensor(name: str, values: Any, dtype: Format) -> Any:
    """An initializer with the numbers in raw form."""
    import numpy as np

    wide = np.array(values, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is refused below
        narrow = wide.astype("<f4" if dtype is BFLOAT16 else _LAYOUTS[dtype])
    exact, raw = bool(np.array_equal(narrow, wide) and np.isfinite(wide).all()), narrow.tobytes()
    if dtype is BFLOAT16:  # the upper half of a float32
        bits = narrow.view("<u4")
        exact, raw = exact and not (bits & 0xFFFF).any().item(), (bits >> 16).astype("<u2").tobytes()
    if not exact:
        raise InputError(f"the network holds numbers that are not finite {dtype.name}")
    return _onnx().helper.make_tensor(name, _CODES[dtype], wide.shape, raw, raw=True)


def read_onnx(path: PathLike) -> tuple[Network, Format]:
    """Read an ONNX file of at most MAX_BYTES bytes; see ``network_from_onnx``."""
    return network_from_onnx(read_bytes_limited(path, MAX_BYTES), shown(path))


def network_from_onnx(data: bytes, name: str = "the ONNX model") -> tuple[Network, Format]:
    """Parse a chain of dense layers with Relu between them; return it and the format of its weights.

    Nothing is executed and no other file is opened.  Raises InputError for anything but Gemm (alpha = beta = 1, transA = 0),
    MatMul, Add and Relu nodes in one chain with finite weights of one type of the four that ``onnx_bytes`` writes.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"{name} is larger than {MAX_BYTES} bytes")
    try:
        model = _onnx().ModelProto.FromString(data)
    except MissingPackageError:
        raise
    except Exception:  # protobuf's DecodeError has no stable home
        raise InputError(f"{name} is not an ONNX file") from None
    try:
        if model.functions or not any(o.domain in ("", "ai.onnx") and o.version >= 7 for o in model.opset_import):
            raise InputError("it defines functions of its own or uses an operator set below 7")
        return _Reader(model.graph).read()
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


class _Reader:
    """Follows the chain of nodes from the input to the output."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.formats: set[Format] = set()
        self.layers: list[tuple[Any, Any]] = []
        self.open = False
        """Whether the last layer may still get a bias: nothing but a MatMul has followed the last Relu."""
        self.rectified = True

    def read(self) -> tuple[Network, Format]:
        inputs = [value for value in self.graph.input if value.name not in self.tensors]
        if len(inputs) != 1 or len(self.graph.output) != 1 or len(self.tensors) != len(self.graph.initializer):
            raise InputError("a model needs one input, one output and weights with names of their own")
        if len(self.graph.node) > 3 * MAX_LAYERS:
            raise InputError(f"more than {MAX_LAYERS} layers")
        value = inputs[0].name
        for node in self.graph.node:
            value = self._follow(node, value)
        if value != self.graph.output[0].name or self.rectified:
            raise InputError("the nodes are no chain from the input to an output without Relu")
        if len(self.formats) != 1:
            raise InputError("the weights are of more than one type")
        from fpsynth.networks.network import dense_relu

        network, dtype = dense_relu(self.layers), self.formats.pop()
        declared = inputs[0].type.tensor_type
        sizes = [dim.dim_value for dim in declared.shape.dim]
        if declared.elem_type != _CODES[dtype] or len(sizes) != 2 or sizes[1] not in (0, network.widths[0]):
            raise InputError(f"the input is no batch of {network.widths[0]} numbers of type {dtype.name}")
        return network, dtype

    def _follow(self, node: Any, value: str) -> str:
        """Take in one node that reads ``value``; return the name of what it computes."""
        if node.domain not in ("", "ai.onnx") or len(node.output) != 1 or (node.attribute and node.op_type != "Gemm"):
            raise InputError(f"unsupported node {node.op_type}")
        if node.op_type == "Add":
            names = list(node.input)
            if len(names) != 2 or value not in names:
                raise InputError("an Add node is no bias of the layer before it")
            self._bias(self._array(names[1] if names[0] == value else names[0]))
            return str(node.output[0])
        if not node.input or node.input[0] != value:
            raise InputError(f"a {node.op_type} node does not read the result of the node before it")
        match node.op_type:
            case "Relu":
                if self.rectified:
                    raise InputError("a Relu node follows no layer")
                self.rectified, self.open = True, False
            case "MatMul" if len(node.input) == 2:
                self._layer(self._array(node.input[1]).T)
            case "Gemm" if len(node.input) in (2, 3):
                self._gemm(node)
            case _:
                raise InputError(f"unsupported node {node.op_type} with {len(node.input)} inputs")
        return str(node.output[0])

    def _gemm(self, node: Any) -> None:
        given = {a.name: a.f if a.name in ("alpha", "beta") else a.i for a in node.attribute}
        transposed = given.pop("transB", 0)
        if not given.items() <= {"alpha": 1.0, "beta": 1.0, "transA": 0}.items():
            raise InputError("a Gemm node scales or transposes its input")
        weight = self._array(node.input[1])
        self._layer(weight if transposed else weight.T)
        if len(node.input) == 3 and node.input[2]:
            self._bias(self._array(node.input[2]))
        self.open = False

    def _layer(self, weight: Any) -> None:
        if weight.ndim != 2 or not self.rectified:
            raise InputError("the weights of a layer are no matrix, or no Relu stands before it")
        self.layers.append((weight, None))
        self.rectified, self.open = False, True

    def _bias(self, bias: Any) -> None:
        if not self.open or bias.size != self.layers[-1][0].shape[0] or bias.shape[:-1] not in ((), (1,)):
            raise InputError("a bias does not fit its layer")
        self.layers[-1] = (self.layers[-1][0], bias.reshape(-1))
        self.open = False

    def _array(self, name: str) -> Any:
        """An initializer as a float64 array, its size checked against its bytes before anything is made of it."""
        import numpy as np

        tensor = self.tensors.get(name)
        if tensor is None:
            raise InputError(f"{name!r} is computed where weights are expected")
        formats = {code: fmt for fmt, code in _CODES.items()}
        fmt = formats.get(tensor.data_type)
        if fmt is None or tensor.data_location or tensor.external_data:
            raise InputError(f"{name!r} is not stored in the file as float16, bfloat16, float32 or float64")
        self.formats.add(fmt)
        size = math.prod(tensor.dims)
        values = self._raw(tensor, fmt) if tensor.raw_data else self._listed(tensor, fmt)
        if not 1 <= len(tensor.dims) <= 2 or min(tensor.dims) < 1 or size != values.size:
            raise InputError(f"{name!r} has {values.size} numbers in a shape of {list(tensor.dims)[:4]}")
        if not np.isfinite(values).all():
            raise InputError(f"{name!r} holds infinities or NaN")
        return values.reshape(tuple(tensor.dims))

    def _raw(self, tensor: Any, fmt: Format) -> Any:
        import numpy as np

        if len(tensor.raw_data) % (fmt.bits // 8):
            raise InputError(f"{tensor.name!r} is truncated")
        if fmt is BFLOAT16:
            return _from_bfloat16(np.frombuffer(tensor.raw_data, "<u2"))
        return np.frombuffer(tensor.raw_data, _LAYOUTS[fmt]).astype(np.float64)

    def _listed(self, tensor: Any, fmt: Format) -> Any:
        """The numbers as other writers may keep them: 16-bit formats as bit patterns among the int32s."""
        import numpy as np

        if fmt in (FLOAT32, FLOAT64):
            listed = tensor.float_data if fmt is FLOAT32 else tensor.double_data
            return np.array(listed, dtype=np.float64)
        patterns = np.array(tensor.int32_data, dtype=np.int64)
        if ((patterns < 0) | (patterns > 0xFFFF)).any():
            raise InputError(f"{tensor.name!r} holds bit patterns of more than 16 bits")
        bits = patterns.astype("<u2")
        return _from_bfloat16(bits) if fmt is BFLOAT16 else bits.view("<f2").astype(np.float64)


def _from_bfloat16(bits: Any) -> Any:
    import numpy as np

    return (bits.astype("<u4") << 16).view("<f4").astype(np.float64)
