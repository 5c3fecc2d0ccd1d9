"""Files of other programs: what a file is, told from its bytes, and how a network gets out of it into a file that is read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.files import opened

_HEAD, _TAIL = 4096, 1 << 16
LARGEST = 1 << 50
"""Bytes of the largest file that is looked at."""


@dataclass(frozen=True)
class Foreign:
    """A kind of file that fpsynth knows by sight."""

    name: str
    """With an article."""
    advice: str = ""
    """How its network gets into a file of a kind that ``reading.read_network`` reads; of these kinds, into an .npz file."""


def _rewritten(name: str) -> str:
    return (
        'write it as one: python -c "from fpsynth.networks import npz_graph, reading;'
        f" npz_graph.write_npz(reading.read_network('{name}').network, 'net.npz')\""
    )


_SAVE = "save its layers with numpy.savez('net.npz', W0=..., b0=..., W1=..., ...)"
_FROM_TORCH = (
    "it holds numbers without the module that says what is computed: in Python,"
    " from fpsynth.networks.torch import network_from_torch; from fpsynth.networks.npz_graph import write_npz;"
    " write_npz(network_from_torch(module.eval(), input_shape, state='net.pt').network, 'net.npz')"
)
_FROM_SAFETENSORS = (
    "save it as torch does: in Python, import safetensors.torch, torch;"
    " torch.save(safetensors.torch.load_file('net.safetensors'), 'net.pt')"
)
_FROM_HDF5 = "save it as .keras: in Python, import keras; keras.models.load_model('net.h5').save('net.keras')"
_MADE_FROM = "save the model that it was made from: as .keras (in Keras, model.save('net.keras')), or as an ONNX model"

ONNX = Foreign("an ONNX model", _rewritten("net.onnx"))
TORCH = Foreign("a torch file (.pt, .pth)", _FROM_TORCH)
OLD_TORCH = Foreign("a torch file of the old form (.pt, .pth: a pickle)", _FROM_TORCH)
SAFETENSORS = Foreign("a file of safetensors", _FROM_SAFETENSORS)
KERAS = Foreign("a Keras model (.keras)", _rewritten("net.keras"))
HDF5 = Foreign("an HDF5 file, such as Keras writes (.h5)", _FROM_HDF5)
PICKLE = Foreign("a pickle, which fpsynth never opens", _SAVE)
NPZ = Foreign("an .npz file of NumPy")
NPY = Foreign("a single array of NumPy (.npy)", _SAVE)
VNNLIB = Foreign("a VNN-LIB property", "give the network that it is about")
TFLITE = Foreign("a TensorFlow Lite model", _MADE_FROM)
GZIP = Foreign("a file compressed by gzip", "unpack it first (gunzip)")
ZIP = Foreign("a ZIP archive")
SAVED_MODEL = Foreign("a SavedModel folder of TensorFlow", _MADE_FROM)
EMPTY = Foreign("an empty file", "write it again, to its end")
CERTIFIER = Foreign("a network in the verified certifier's own text", _rewritten("net.txt"))

_TEXT_PICKLE = re.compile(rb"[(\]}]?[dl]?p[0-9]+\n|\([dl]p[0-9]+\n|c[A-Za-z_.]+\n[A-Za-z_]+\n|[\](})]q\x00")
_VNNLIB = re.compile(rb"(?:\s|;[^\n]*\n)*\((?:declare-const|declare-fun|vnnlib-version)\s", re.ASCII)
_MEMBERS = ((b"/data.pkl", TORCH), (b"model.weights.h5", KERAS), (b".npy", NPZ))


def recognised(path: PathLike) -> Foreign | None:
    """What the file is by its first and last bytes, and the ending of its name where those leave it open.

    None for anything else, and for what cannot be read.
    """
    try:
        if os.path.isdir(path):
            return SAVED_MODEL if os.path.isfile(os.path.join(path, "saved_model.pb")) else None
        with opened(path, LARGEST) as file:
            return recognised_in(file, path)
    except (InputError, OSError, ValueError):
        return None


def recognised_in(file: BinaryIO, path: PathLike) -> Foreign | None:
    """What an open file is, as ``recognised`` tells it."""
    file.seek(0)
    head = file.read(_HEAD)
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    return next((kind for kind, fits in _KINDS if fits(head)), None) or _zipped(head, tail) or _by_ending(path, head)


def _is_safetensors(head: bytes) -> bool:
    return len(head) > 9 and head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= 100 << 20


def _is_onnx(head: bytes) -> bool:
    """Protocol buffers: the field ir_version, then the next one of a ModelProto that writers fill."""
    return len(head) > 3 and head[0] == 0x08 and 1 <= head[1] < 0x20 and head[2] in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)


def _starts(*magic: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magic)


_KINDS: tuple[tuple[Foreign, Callable[[bytes], bool]], ...] = (
    (HDF5, _starts(b"\x89HDF\r\n\x1a\n")),
    (NPY, _starts(b"\x93NUMPY")),
    (OLD_TORCH, _starts(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.")),
    (PICKLE, lambda head: head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")),
    (PICKLE, lambda head: _TEXT_PICKLE.match(head) is not None),
    (TFLITE, lambda head: head[4:8] == b"TFL3"),
    (GZIP, _starts(b"\x1f\x8b")),
    (SAFETENSORS, _is_safetensors),
    (VNNLIB, lambda head: _VNNLIB.match(head) is not None),
    (CERTIFIER, lambda head: re.match(rb"\s*\[\[-?[0-9]+\.[0-9]+[,\]]", head) is not None),
    (ONNX, _is_onnx),
    (EMPTY, lambda head: not head),
)


def _zipped(head: bytes, tail: bytes) -> Foreign | None:
    """What a ZIP archive holds, by the names of its members."""
    if not head.startswith(b"PK"):
        return None
    return next((kind for name, kind in _MEMBERS if name in head or name in tail), ZIP)


_ENDINGS = {
    ".onnx": ONNX,
    ".pt": TORCH,
    ".pth": TORCH,
    ".keras": KERAS,
    ".h5": HDF5,
    ".hdf5": HDF5,
    ".safetensors": SAFETENSORS,
    ".vnnlib": VNNLIB,
    ".pkl": PICKLE,
    ".pickle": PICKLE,
}


def _by_ending(path: PathLike, head: bytes) -> Foreign | None:
    """Of what the bytes do not tell: what the name says, unless the file holds JSON after all."""
    if head.lstrip()[:1] in (b"{", b""):
        return None
    kind = _ENDINGS.get(os.path.splitext(os.fspath(path))[1].lower())
    again = "it may be cut off or damaged: write it again"
    return None if kind is None else Foreign(f"named like {kind.name} (but not one that fpsynth recognises)", again)
