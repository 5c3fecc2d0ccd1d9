"""Modules of torch as networks, and networks as state_dicts; files are read as data, and no pickle is executed.

A module is traced by torch.export for one example: its forward, Python given by the caller, runs on tensors without numbers.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.files import read_bytes_limited, shown, write_atomically
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.networks.assembling import Activation, Assembly
from fpsynth.networks.imported import Imported
from fpsynth.networks.layers import BatchNormalisation, Layer
from fpsynth.networks.network import Network, Node
from fpsynth.networks.tensors import numbers, package
from fpsynth.networks.torch_operators import IGNORED, OPERATORS, Tracing, unread

MAX_BYTES = 1 << 30
"""Largest state_dict that is read."""

_NAMES = {"weight": "weight", "bias": "bias"}
_NORMALISATION = {"mean": "running_mean", "variance": "running_var", "scale": "weight", "shift": "bias"}


def network_from_torch(module: Any, input_shape: Sequence[int], *, state: PathLike | None = None) -> Imported:
    """Read a torch.nn.Module that is in eval mode; ``input_shape``: of one example.

    ``state``: a file with a state_dict that is loaded into a copy of it first, strictly and without executing pickles.
    Nodes are called as modules are, or as torch.export calls them.  Nothing is folded; dropout is left out.  Raises
    InputError where it is in training mode, its forward cannot be traced, or computes what no layer type is, naming the node.
    """
    torch = package()
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"a torch.nn.Module is needed, not {type(module).__name__}")
    if any(part.training for part in module.modules()):
        raise InputError("the module is in training mode: call module.eval() first")
    if state is not None:
        module = _with_state(module, state)
    tensors = [*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())]
    types = {tensor.dtype for tensor in tensors} or {torch.float32}
    formats = {torch.float32: FLOAT32, torch.float16: FLOAT16, torch.bfloat16: BFLOAT16, torch.float64: FLOAT64}
    if len(types) != 1 or not types <= set(formats):
        raise InputError(f"its numbers are of the types {', '.join(sorted(map(str, types)))}; read is one floating-point type")
    dtype = types.pop()
    program = _traced(torch, module, torch.zeros(1, *input_shape, dtype=dtype, device=tensors[0].device if tensors else "cpu"))
    reader = _Reader(program, (1, *input_shape), formats[dtype])
    return Imported(reader.read(), formats[dtype], tuple(reader.notes))


def _traced(torch: Any, module: Any, point: Any) -> Any:
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.export.export(module, (point,), strict=False).run_decompositions({})
    except Exception as error:  # whatever the module's own forward raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"torch.export cannot trace the module for one example of {tuple(point.shape[1:])}: {reason}"
        ) from None


def _with_state(module: Any, path: PathLike) -> Any:
    state = read_state_dict(path)
    result = copy.deepcopy(module)
    try:
        result.load_state_dict(state, strict=True)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{shown(path)} does not fit the module: {reason}") from None
    return result.eval()


def read_state_dict(path: PathLike) -> dict[str, Any]:
    """The tensors of a file that torch.save wrote of a state_dict, by name, in the memory of the CPU.

    Raises InputError where it holds anything else: whole modules are pickles of classes, which are never executed.
    """
    torch = package()
    data = read_bytes_limited(path, MAX_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception:  # UnpicklingError, RuntimeError, EOFError, KeyError, ...
        raise InputError(
            f"{shown(path)} holds no plain tensors by name, as torch.save(module.state_dict(), ...) writes them; whole modules"
            " would have to be executed, which fpsynth never does"
        ) from None
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in state.items()):
        raise InputError(f"{shown(path)} is no state_dict: save module.state_dict(), nothing around it")
    return dict(state)


class _Reader:
    """Turns a traced program into layers, one call after the other."""

    def __init__(self, program: Any, dims: tuple[int, ...], fmt: Format) -> None:
        signature = program.graph_signature
        where = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        constants = {**program.state_dict, **program.constants}
        self.tracing = Tracing(Assembly(dims), fmt, np.float64 if fmt is FLOAT64 else np.float32)
        self.notes: list[str] = []
        self._names: set[str] = set()
        self._program = program
        lifted = {**where, **signature.inputs_to_lifted_tensor_constants}
        self._lifted = {name: constants[target] for name, target in lifted.items() if target in constants}
        self._values: dict[str, Any] = {}

    def read(self) -> Network:
        for node in self._program.graph.nodes:
            if node.op == "placeholder":
                lifted = self._lifted.get(node.name)
                self._values[node.name] = self.tracing.assembly.input if lifted is None else lifted
            elif node.op == "call_function":
                self._values[node.name] = self._called(node)
            elif node.op == "output":
                return self._finished(node.args[0])
            else:
                raise InputError(f"the node {node.name} ({node.op}) is not read")
        raise InputError("the module returns nothing")

    def _finished(self, results: Any) -> Network:
        result = self._given(results[0]) if isinstance(results, (tuple, list)) and len(results) == 1 else None
        if not isinstance(result, Activation):
            raise InputError("the module must return one tensor that depends on its input")
        return self.tracing.assembly.network(result)

    def _called(self, node: Any) -> Any:
        name, label = str(getattr(node.target, "name", lambda: node.target)()), self._label(node)
        name = name.partition("::")[2] or str(node.target)
        try:
            read = OPERATORS.get(name)
            if read is None:
                raise unread(name)
            if name in IGNORED:
                self.notes.append(f"{label} ({name}) is left out: it changes no bits")
            return read(
                self.tracing, label, [self._given(a) for a in node.args], {k: self._given(v) for k, v in node.kwargs.items()}
            )
        except InputError as error:
            raise InputError(f"{label} ({name}): {error}") from None

    def _given(self, argument: Any) -> Any:
        if isinstance(argument, (tuple, list)):
            return [self._given(part) for part in argument]
        return self._values[argument.name] if hasattr(argument, "op") and hasattr(argument, "name") else argument

    def _label(self, node: Any) -> str:
        """The path of the module that calls it, where that module calls nothing else; or torch.export's name."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path = stack[-1][0] if stack else ""
        leaf = bool(stack) and str(stack[-1][1]).startswith("torch.nn.modules.") and path
        label = str(path if leaf else node.name)
        if label in self._names:
            label = str(node.name)
        self._names.add(label)
        return label


def state_dict(network: Network, dtype: Format = FLOAT32) -> dict[str, Any]:
    """The parameters of a network as tensors: NODE.weight and NODE.bias, as torch names them; NODE.value for constants.

    A batch normalisation's are weight, bias, running_mean and running_var.  Raises InputError for numbers that the type does
    not hold.
    """
    torch = package()
    types = {FLOAT32: torch.float32, FLOAT16: torch.float16, BFLOAT16: torch.bfloat16, FLOAT64: torch.float64}
    if dtype not in types:
        raise InputError(f"torch has no {dtype.name} networks; choose from {', '.join(f.name for f in types)}")
    result = {}
    for name, array in _arrays(network):
        wide = torch.from_numpy(np.array(array, np.float64))
        tensor = wide.to(types[dtype])
        if not torch.equal(tensor.to(torch.float64), wide) or not torch.isfinite(tensor).all():
            raise InputError(f"{name} holds numbers that are not finite {dtype.name}")
        result[name] = tensor
    return result


def write_state_dict(network: Network, path: PathLike, dtype: Format = FLOAT32) -> None:
    """Write ``state_dict`` as torch.save does; torch.load reads it with weights_only=True."""
    buffer = io.BytesIO()
    package().save(state_dict(network, dtype), buffer)
    write_atomically(path, buffer.getvalue())


def with_state_dict(network: Network, path: PathLike) -> Network:
    """The network with the numbers of a state_dict in their places, which must be exactly those that ``state_dict`` has."""
    state = read_state_dict(path)
    wanted = dict(_arrays(network))
    if set(state) != set(wanted):
        odd = sorted(set(state) ^ set(wanted))[0]
        one, other = (f"{shown(path)}", "the network") if odd in state else ("the network", f"{shown(path)}")
        raise InputError(f"{one} has {odd!r}, which {other} lacks")
    nodes = tuple(Node(node.name, _refilled(node, state, path), node.inputs) for node in network.nodes)
    return Network(nodes, network.input_shape, network.output)


def _refilled(node: Node, state: dict[str, Any], path: PathLike) -> Layer:
    from dataclasses import replace

    arrays = {}
    for field, key in _keys(node).items():
        array, old = numbers(state[key], key), getattr(node.layer, field)
        if array.shape != old.shape:
            raise InputError(f"{shown(path)}: {key!r} has shape {array.shape}, not {old.shape}")
        arrays[field] = array
    return replace(node.layer, **arrays)


def _arrays(network: Network) -> list[tuple[str, NDArray[Any]]]:
    return [(key, getattr(node.layer, field)) for node in network.nodes for field, key in _keys(node).items()]


def _keys(node: Node) -> dict[str, str]:
    """The fields of a layer's parameters, and their names in a state_dict."""
    names = _NORMALISATION if isinstance(node.layer, BatchNormalisation) else _NAMES
    there = [field for field in node.layer.parameters if getattr(node.layer, field) is not None]
    return {field: f"{node.name}.{names.get(field, field)}" for field in there}
