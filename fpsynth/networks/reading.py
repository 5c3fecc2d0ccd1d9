"""read_network: a network from a file of any format that is read, told from its contents."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.files import opened, read_open, require_size, shown, text_of
from fpsynth.formats import FLOAT32, FLOAT64, Format
from fpsynth.networks import certifier_text, foreign
from fpsynth.networks.archive import MAX_ARCHIVE
from fpsynth.networks.imported import Imported
from fpsynth.networks.network import Network, with_numbers
from fpsynth.networks.npz import network_in

READ = "an ONNX model, a Keras model (.keras), an .npz file of NumPy or a network in the verified certifier's text"


def read_network(path: PathLike, output: str | None = None) -> Imported:
    """Read an ONNX, .keras or .npz file, or a network in the verified certifier's text.

    ``output``: the name of one of several outputs (ONNX).  Raises InputError, one line that says what the file is and what to
    do, for any other file and for what is wrong with it, and MissingPackageError where a package is needed that is not there.
    """
    if os.path.isdir(path) and (kind := foreign.recognised(path)) is not None:
        raise _of_another_kind(path, kind)
    with opened(path, foreign.LARGEST) as file:  # opened once: what it is taken for and what is read are the same bytes
        return _read(file, path, foreign.recognised_in(file, path), output)


def _read(file: BinaryIO, path: PathLike, kind: foreign.Foreign | None, output: str | None) -> Imported:
    """The network in a file that is open and was taken for ``kind``."""
    if output is not None and kind is not foreign.ONNX:
        raise InputError(f"{shown(path)}: only ONNX models have outputs to choose from")
    if kind is foreign.ONNX:
        from fpsynth.networks.onnx import MAX_BYTES, import_onnx
        from fpsynth.networks.onnx.tensors import beside

        with beside(path) as elsewhere:
            return import_onnx(read_open(file, path, MAX_BYTES), shown(path), output=output, elsewhere=elsewhere)
    if kind is foreign.CERTIFIER:
        return _from_text(text_of(read_open(file, path, certifier_text.MAX_CHARACTERS), path), shown(path))
    if kind in (None, foreign.KERAS, foreign.NPZ, foreign.ZIP):
        require_size(file, path, MAX_ARCHIVE)
    if kind is foreign.KERAS:
        from fpsynth.networks.keras import keras_in

        return keras_in(file, shown(path))
    if kind not in (None, foreign.NPZ, foreign.ZIP):
        raise _of_another_kind(path, kind)
    if kind is None and not os.fspath(path).lower().endswith(".npz"):
        raise InputError(f"{shown(path)} is nothing that fpsynth recognises; what is needed is {READ}")
    network = network_in(file, shown(path))
    return Imported(network, narrowest(network))


def _of_another_kind(path: PathLike, kind: foreign.Foreign) -> InputError:
    return InputError(f"{shown(path)} is {kind.name}; what is needed is {READ}; {kind.advice}")


def _from_text(text: str, what: str) -> Imported:
    try:
        network = with_numbers(certifier_text.read_network(text), _float)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
    return Imported(network, narrowest(network))


def _float(number: Fraction) -> float:
    try:
        result = float(number)
    except OverflowError:
        result = float("inf")
    if result in (float("inf"), float("-inf")) or Fraction(result) != number:
        raise InputError(f"a weight of it, {certifier_text.decimal(number)[:40]}, is no float64")
    return result


def narrowest(network: Network) -> Format:
    """float32 where it holds all numbers of a network, else float64: .npz files and texts do not say."""
    with np.errstate(over="ignore"):
        fits = all((array.astype(np.float32).astype(np.float64) == array).all() for array in network.arrays())
    return FLOAT32 if fits else FLOAT64
