"""Keras 3 files (.keras): the archive, its config.json and its model.weights.h5, read as data; nothing in them is executed.

Keras keeps channels last and the layers of fpsynth read them first: transposes, which change no bits, stand around each layer
that reads channels, and go where two of them undo each other.  A sum's terms are numbered as the layers of fpsynth number
them: input channels first, then the kernel's axes.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.files import opened, shown
from fpsynth.formats import FLOAT32, FLOAT64, Format
from fpsynth.networks.archive import MAX_ARCHIVE, MemberReader, read_directory
from fpsynth.networks.assembling import Activation, Assembly
from fpsynth.networks.imported import Imported
from fpsynth.networks.keras_layers import LAYERS, NOTHING, Config, unread
from fpsynth.packages import how_to_install

MAX_CONFIG = 1 << 24
"""Bytes of the longest config.json that is read."""
MAX_WEIGHTS = 1 << 29
"""Bytes of the largest model.weights.h5 that is read."""
MAX_LAYERS = 5000


def read_keras(path: PathLike) -> Imported:
    """Read a Sequential or Functional model of one input and one output, of the layers in ``keras_layers.LAYERS``.

    Raises InputError for anything else, naming the layer (Lambda and custom objects are code, and never run), and
    MissingPackageError without h5py.
    """
    with opened(path, MAX_ARCHIVE) as file:
        return keras_in(file, shown(path))


def keras_in(file: BinaryIO, what: str) -> Imported:
    """The model in a file that is open, as ``read_keras`` reads it; an InputError begins with ``what``."""
    try:
        members = read_directory(file)
        for name, limit in (("config.json", MAX_CONFIG), ("model.weights.h5", MAX_WEIGHTS)):
            if name not in members or members[name].size > limit:
                raise InputError(f"it has no {name} of at most {limit} bytes, which Keras 3 writes")
        config, weights = (_member(file, members[name]) for name in ("config.json", "model.weights.h5"))
        return _Model(_parsed(config), weights).read()
    except InputError as error:
        if isinstance(error, MissingPackageError):
            raise
        raise InputError(f"{what}: {error}") from None


def _member(file: Any, member: Any) -> bytes:
    reader = MemberReader(file, member)
    data = reader.read(member.size)
    reader.finish()
    return data


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        config = json.loads(data.decode("utf-8"), parse_int=_integer, parse_constant=_number)
    except (ValueError, RecursionError):
        raise InputError("its config.json is no JSON") from None
    if not isinstance(config, dict):
        raise InputError("its config.json is no object")
    return config


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    raise ValueError(text)


class _Model:
    """Layers in their order, and the values that they compute."""

    def __init__(self, config: dict[str, Any], weights: bytes) -> None:
        self.kind, self.config = config.get("class_name"), config.get("config")
        if self.kind not in ("Sequential", "Functional") or not isinstance(self.config, dict):
            raise InputError(f"it is a {str(self.kind)[:40]}, not Sequential or Functional: other classes are code")
        layers = self.config.get("layers")
        if not isinstance(layers, list) or not 1 <= len(layers) <= MAX_LAYERS:
            raise InputError("it has no list of layers")
        self.layers = [Config.of(layer) for layer in layers]
        self.weights = weights
        self.formats: set[Format] = set()
        self.notes: list[str] = []

    def read(self) -> Imported:
        numbers = _numbers(self.weights, self.layers)
        inputs = [layer for layer in self.layers if layer.kind == "InputLayer"]
        if len(inputs) != 1:
            raise InputError(f"it has {len(inputs)} inputs that say their shape; a network has one")
        shape = inputs[0].get("batch_shape", list)
        if not 2 <= len(shape) <= 5 or any(not isinstance(size, int) or size < 1 for size in shape[1:]):
            raise InputError(f"its input is of the shape {shape[:5]}; all but the batch must be fixed")
        assembly = Assembly((1, *shape[1:]))
        values: dict[str, Activation] = {inputs[0].name: assembly.input}
        last = assembly.input
        for layer in self._ordered():
            given = [last] if self.kind == "Sequential" else [_named(values, name) for name in layer.inbound]
            last = values[layer.name] = self._layer(assembly, layer, given, numbers.get(layer.name, []))
        output = last if self.kind == "Sequential" else _named(values, self._output())
        if len(self.formats) > 1:
            raise InputError("its weights are of more than one type: save all in one")
        return Imported(assembly.network(output), self.formats.pop() if self.formats else FLOAT32, tuple(self.notes))

    def _layer(self, assembly: Assembly, layer: Config, given: list[Activation], weights: Sequence[NDArray[Any]]) -> Activation:
        read = LAYERS.get(layer.kind)
        try:
            if read is None or layer.foreign:
                raise unread(layer)
            layer.require_float(self.formats)
            for array in weights:
                self.formats.add(FLOAT64 if array.dtype == np.float64 else FLOAT32)
            if layer.kind in NOTHING:
                self.notes.append(f"{layer.kind} {layer.name!r} is left out: it changes no bits")
            return read(assembly, layer, given, weights)
        except InputError as error:
            raise InputError(f"the layer {layer.name!r} ({layer.kind}): {error}") from None

    def _ordered(self) -> list[Config]:
        """The layers, each after those that it reads.  Raises InputError for cycles."""
        rest = [layer for layer in self.layers if layer.kind != "InputLayer"]
        if self.kind == "Sequential":
            return rest
        done = {layer.name for layer in self.layers if layer.kind == "InputLayer"}
        ordered: list[Config] = []
        while rest:
            ready = [layer for layer in rest if set(layer.inbound) <= done]
            if not ready:
                raise InputError(f"the layer {rest[0].name!r} reads what is not there, or its own result")
            ordered += ready
            done |= {layer.name for layer in ready}
            rest = [layer for layer in rest if layer.name not in done]
        places = {id(layer): place for place, layer in enumerate(self.layers)}
        in_file, seen = sorted(ordered, key=lambda layer: places[id(layer)]), {self.layers[0].name}
        for layer in in_file:
            if not set(layer.inbound) <= seen:
                return ordered
            seen.add(layer.name)
        return in_file

    def _output(self) -> str:
        given = self.config.get("output_layers") if isinstance(self.config, dict) else None
        while isinstance(given, list) and len(given) == 1:
            (given,) = given
        if not (isinstance(given, list) and len(given) == 3 and isinstance(given[0], str) and given[1:] == [0, 0]):
            raise InputError("it has several outputs; a network has one")
        return given[0]


def _named(values: dict[str, Activation], name: str) -> Activation:
    if name not in values:
        raise InputError(f"it reads the layer {name!r}, which is not there")
    return values[name]


def _numbers(data: bytes, layers: Sequence[Config]) -> dict[str, list[NDArray[Any]]]:
    """The weights of each layer, in Keras's order: kept by the class of the layer and a number, not by its name."""
    try:
        import h5py
    except ImportError:
        raise MissingPackageError(f"Keras files need the package h5py: {how_to_install('h5py')}") from None
    names: dict[str, int] = {}
    result = {}
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            for layer in layers:
                stem = _snake(layer.kind)
                names[stem] = names.get(stem, -1) + 1
                place = f"{stem}_{names[stem]}" if names[stem] else stem
                result[layer.name] = _arrays(h5py, file, ("layers", place, "vars"))
    except InputError:
        raise
    except Exception as error:  # whatever the HDF5 library says of damaged files
        raise InputError(
            f"its model.weights.h5 is damaged: {str(error).splitlines()[0] if str(error) else 'unreadable'}"
        ) from None
    return result


def _snake(name: str) -> str:
    """As keras.src.utils.naming.to_snake_case writes the name of a class."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _arrays(h5py: Any, group: Any, path: Sequence[str]) -> list[NDArray[Any]]:
    for name in path:
        group = _inside(h5py, group, name, h5py.Group)
        if group is None:
            return []
    result: list[NDArray[Any]] = []
    while (dataset := _inside(h5py, group, str(len(result)), h5py.Dataset)) is not None:
        result.append(_array(dataset))
    return result


def _inside(h5py: Any, group: Any, name: str, kind: Any) -> Any:
    """A member of a group, in this file: links that lead elsewhere are not followed."""
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink) or not isinstance(member := group[name], kind):
        raise InputError("its model.weights.h5 holds links to elsewhere, or is no file of Keras")
    return member


def _array(dataset: Any) -> NDArray[Any]:
    """The numbers, sizes checked first; only what lies in the file as plain numbers."""
    shape, dtype = dataset.shape, dataset.dtype
    plain = dataset.external is None and not dataset.is_virtual and dataset.id.get_create_plist().get_nfilters() == 0
    if not plain or shape is None or len(shape) > 5 or math.prod(shape) * dtype.itemsize > MAX_WEIGHTS:
        raise InputError("its model.weights.h5 holds what is no plain array")
    if dtype not in (np.float16, np.float32, np.float64):
        return np.zeros(0, np.float32)  # a counter or a seed: a layer that needs numbers misses them
    if dataset.id.get_storage_size() != math.prod(shape) * dtype.itemsize:
        raise InputError("its model.weights.h5 is cut off")
    array: NDArray[Any] = dataset[()].astype(np.float64 if dtype == np.float64 else np.float32)
    if not np.isfinite(array).all():
        raise InputError("its weights hold infinities or NaN")
    return array
