"""Reads ONNX models, as torch, TensorFlow, Keras, scikit-learn and hands write them, as networks; nothing in them is executed.

A network is what a model computes for one example: an open first axis of its input, or one of size 1, is the batch and read
as 1.  A larger one is read as a batch where the model computes each of its rows for itself, else as part of the example.
What changes no bits is left out (Identity, Dropout, Cast to the same type, views that move only axes of size 1); nothing is
folded: a batch normalisation stays one, and weights that a model computes from weights are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.files import read_bytes_limited, shown
from fpsynth.formats import Format
from fpsynth.networks.assembling import MAX_AXES, Activation, Assembly
from fpsynth.networks.imported import Imported
from fpsynth.networks.layers.base import shown as shape_shown
from fpsynth.networks.network import Network
from fpsynth.networks.onnx.constants import OnnxConstant, constant, folded, integers
from fpsynth.networks.onnx.model import OnnxModel, OnnxOperation, at, parsed
from fpsynth.networks.onnx.operators import NOTHING, OPERATORS, integer_format, unread
from fpsynth.networks.onnx.state import OnnxReading, Operand
from fpsynth.networks.onnx.tensors import FORMATS, MAX_BYTES, Elsewhere, array_of, beside, package, type_name

PRODUCER = "fpsynth"
"""What the models that fpsynth writes say of their origin: of them, views that change nothing are kept as layers."""


def read_onnx(path: PathLike, output: str | None = None) -> tuple[Network, Format]:
    """Read an ONNX file of at most MAX_BYTES bytes, and what files in its folder keep of its weights; see ``import_onnx``."""
    with beside(path) as elsewhere:
        read = import_onnx(read_bytes_limited(path, MAX_BYTES), shown(path), output=output, elsewhere=elsewhere)
    return read.network, read.format


def network_from_onnx(data: bytes, name: str = "the ONNX model", output: str | None = None) -> tuple[Network, Format]:
    """The network of a model and the format of its weights; see ``import_onnx``.  No other file is opened."""
    read = import_onnx(data, name, output=output)
    return read.network, read.format


def import_onnx(
    data: bytes, name: str = "the ONNX model", *, output: str | None = None, elsewhere: Elsewhere | None = None
) -> Imported:
    """Read a model of one input.  ``output``: which of several outputs; ``elsewhere``: reads weights kept beside the file.

    Raises InputError, one line that names the node, for what is not read, damaged, or no network: cycles, missing tensors,
    numbers that are not finite, several formats, open axes other than the batch's, weights that are computed or quantised.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"{name} is larger than {MAX_BYTES} bytes")
    try:
        message = package().ModelProto.FromString(data)
    except MissingPackageError:
        raise
    except Exception:  # protobuf's DecodeError has no stable home
        raise InputError(f"{name} is not an ONNX file, or is cut off or damaged") from None
    try:
        return _imported(parsed(message), output, elsewhere)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _imported(model: OnnxModel, output: str | None, elsewhere: Elsewhere | None) -> Imported:
    chosen = _output(model, output)
    if len(model.inputs) != 1:
        raise InputError(f"it has the inputs {', '.join(model.inputs) or 'none'}; a network has one: make the others constants")
    ((name, declared),) = model.inputs.items()
    sizes = _sizes(name, declared)
    code = declared.type.tensor_type.elem_type
    if code not in FORMATS and not integer_format(code):
        raise InputError(f"its input is {type_name(code)}; read are float16, bfloat16, float32, float64 and small integers")
    first: InputError | None = None
    for rows, flat in _ways(sizes, model.producer == PRODUCER):
        reader = _Reader(model, name, sizes, elsewhere, rows, flat)
        try:
            read = reader.read(chosen)
        except InputError as error:
            first = first or error
            continue
        if not (flat and reader.reading.assembly.turned_input):
            return read
    raise first or InputError("it is no network")


def _ways(sizes: tuple[int, ...], literal: bool) -> list[tuple[bool, bool]]:
    """How the input may be read, in turn: its first axis, more than 1, as a batch or not; one example as a row or not."""
    several = sizes[0] > 1 and len(sizes) > 1
    result = []
    for rows in (True, False) if several else (False,):
        dims = sizes[1:] if rows or sizes[0] <= 1 else sizes
        if not literal and len(dims) > 1 and sum(size != 1 for size in dims) <= 1:
            result.append((rows, True))
        result.append((rows, False))
    return result


def _output(model: OnnxModel, output: str | None) -> str:
    names = [*model.outputs]
    if output is None and len(names) == 1:
        return names[0]
    if output in names:
        return str(output)
    if not names or output is not None:
        raise InputError(f"it has no output {output!r}; it has {', '.join(names) or 'none'}")
    raise InputError(f"it has the outputs {', '.join(names)}: choose one by its name (output={names[-1]!r})")


def _sizes(name: str, declared: Any) -> tuple[int, ...]:
    """The sizes of the input's axes, the first 0 where it is open."""
    kind = declared.type.tensor_type
    if not declared.type.HasField("tensor_type") or not kind.HasField("shape") or not 1 <= len(kind.shape.dim) <= MAX_AXES:
        raise InputError(f"its input {name!r} says no shape of 1 to {MAX_AXES} axes: export it with one")
    sizes = [dim.dim_value if dim.WhichOneof("value") == "dim_value" else 0 for dim in kind.shape.dim]
    for axis, size in enumerate(sizes):
        if size < 0 or (size == 0 and (axis or len(sizes) == 1)):
            label = kind.shape.dim[axis].dim_param or "?"
            raise InputError(
                f"axis {axis} of its input {name!r} is open ({label}): only the batch may be; export with fixed sizes"
            )
    return tuple(sizes)


class _Reader:
    """Turns the operations that an output needs into layers, one after the other."""

    def __init__(
        self,
        model: OnnxModel,
        name: str,
        sizes: tuple[int, ...],
        elsewhere: Elsewhere | None,
        rows: bool,
        flat: bool,
    ) -> None:
        """``rows``: a first axis of more than 1 is a batch; ``flat``: one example is a row."""
        batch = sizes[0] if rows or not sizes[0] else 1
        dims = (1, *sizes[1:]) if rows or not sizes[0] else sizes
        self.model, self.elsewhere = model, elsewhere
        assembly = Assembly(dims, literal=model.producer == PRODUCER, rows=rows, flat=flat)
        distinct = {id(operation): operation for operation in model.operations.values()}
        readers = Counter(i for operation in distinct.values() for i in operation.inputs)
        readers.update([*model.outputs])
        self.reading = OnnxReading(assembly, model.opset, readers, batch)
        self.reading.tensors[name] = assembly.input
        fmt = FORMATS.get(model.inputs[name].type.tensor_type.elem_type)
        self.reading.types[name] = fmt
        if fmt is not None:
            self.reading.formats.add(fmt)
        if batch > 1:
            self.reading.notes.append(f"the first axis of the input, {batch}, is a batch")

    def read(self, output: str) -> Imported:
        for operation in self.model.needed(output):
            with at(operation):
                self._step(operation)
        result = self._operand(output)
        if not isinstance(result, Activation):
            raise InputError("its output does not depend on its input")
        if self.reading.assembly.rows:
            self._require_declared(output, result)
        formats = self.reading.formats
        if len(formats) != 1:
            names = ", ".join(sorted(fmt.name for fmt in formats)) or "none"
            raise InputError(f"its numbers are of more than one type ({names}), or none: save all in one format")
        (fmt,) = formats
        return Imported(self.reading.assembly.network(result), fmt, tuple(self.reading.notes))

    def _operand(self, name: str) -> Operand:
        """What a tensor is; weights are read when they are asked for."""
        if not name:
            return None
        tensors = self.reading.tensors
        if name not in tensors:
            tensor = self.model.tensors.get(name)
            if tensor is None:
                raise InputError(f"it reads {name!r}, an output that is not read")
            tensors[name] = OnnxConstant(*array_of(tensor, self.elsewhere))
        return tensors[name]

    def _step(self, operation: OnnxOperation) -> None:
        inputs = [self._operand(name) for name in operation.inputs]
        result = self._result(operation, inputs)
        name = next((name for name in operation.outputs if name), None)
        if name is None:
            raise InputError("its result has no name")
        self.reading.tensors[operation.outputs[0] or name] = result
        if isinstance(result, Activation):
            self.reading.types[operation.outputs[0] or name] = self._type(operation, inputs)

    def _result(self, operation: OnnxOperation, inputs: Sequence[Operand]) -> Activation | OnnxConstant:
        if operation.kind == "Constant":
            return constant(operation, self.elsewhere)
        if operation.kind == "Shape" and isinstance(inputs[0], (Activation, OnnxConstant)):
            return self._shape(operation, inputs[0])
        if not any(isinstance(operand, Activation) for operand in inputs):
            arrays = [operand if isinstance(operand, OnnxConstant) else None for operand in inputs]
            return folded(operation, arrays, self.reading.opset)
        read = OPERATORS.get(operation.kind)
        if read is None:
            raise unread(operation.kind)
        if operation.kind != "Cast" and any(
            isinstance(operand, Activation) and self.reading.types[name] is None
            for name, operand in zip(operation.inputs, inputs, strict=True)
        ):
            raise InputError("it computes with integers")
        if operation.kind in NOTHING:
            self.reading.notes.append(f"{operation.kind} {operation.label!r} is left out: it changes no bits")
        return read(self.reading, operation, inputs)

    def _shape(self, operation: OnnxOperation, operand: Activation | OnnxConstant) -> OnnxConstant:
        start, end = operation.given(start=0, end=None)
        dims = operand.dims if isinstance(operand, Activation) else operand.numbers.shape
        return integers(dims[start:end])

    def _type(self, operation: OnnxOperation, inputs: Sequence[Operand]) -> Format | None:
        """The format of what an operation gives, None for integers."""
        name, operand = next((n, i) for n, i in zip(operation.inputs, inputs, strict=True) if isinstance(i, Activation))
        source = self.reading.types[name]
        if operation.kind == "ArgMax":
            return None
        if operation.kind == "Cast" and source is None and operand == self.reading.assembly.input:
            source = FORMATS[operation.attributes["to"]]
            self.reading.formats.add(source)
        return source

    def _require_declared(self, output: str, result: Activation) -> None:
        """Raise InputError unless the output is declared as a batch of what was read."""
        shape = self.model.outputs[output].type.tensor_type.shape
        sizes = [dim.dim_value for dim in shape.dim]
        if not sizes or tuple(sizes[1:]) != result.dims[1:] or sizes[0] not in (0, self.reading.batch):
            raise InputError(f"its output is declared as {sizes}, not as a batch of {shape_shown(result.dims)}")
