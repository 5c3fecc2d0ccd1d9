"""read_network: a network from a file of any format that is read, told from its contents."""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.files import opened, read_limited, shown
from fpsynth.formats import FLOAT32, FLOAT64, Format
from fpsynth.networks import certifier_text, foreign
from fpsynth.networks.archive import MAX_ARCHIVE
from fpsynth.networks.imported import Imported
from fpsynth.networks.network import Network, with_numbers
from fpsynth.networks.npz import load_network

READ = "an ONNX model, a Keras model (.keras), an .npz file of NumPy or a network in the verified certifier's text"


def read_network(path: PathLike, output: str | None = None) -> Imported:
    """Read an ONNX, .keras or .npz file, or a network in the verified certifier's text.

    ``output``: the name of one of several outputs (ONNX).  Raises InputError, one line that says what the file is and what to
    do, for any other file and for what is wrong with it, and MissingPackageError where a package is needed that is not there.
    """
    kind = foreign.recognised(path)
    if output is not None and kind is not foreign.ONNX:
        raise InputError(f"{shown(path)}: only ONNX models have outputs to choose from")
    if kind is foreign.ONNX:
        from fpsynth.files import read_bytes_limited
        from fpsynth.networks.onnx import MAX_BYTES, import_onnx
        from fpsynth.networks.onnx.tensors import beside

        return import_onnx(read_bytes_limited(path, MAX_BYTES), shown(path), output=output, elsewhere=beside(path))
    if kind is foreign.KERAS:
        from fpsynth.networks.keras import read_keras

        return read_keras(path)
    if kind is foreign.CERTIFIER:
        return _from_text(path)
    if kind not in (None, foreign.NPZ, foreign.ZIP):
        raise InputError(f"{shown(path)} is {kind.name}; what is needed is {READ}; {kind.advice}")
    if kind is None and not os.fspath(path).lower().endswith(".npz"):
        with opened(path, MAX_ARCHIVE):  # says so where it cannot be read
            raise InputError(f"{shown(path)} is nothing that fpsynth recognises; what is needed is {READ}")
    network = load_network(path)
    return Imported(network, narrowest(network))


def _from_text(path: PathLike) -> Imported:
    try:
        network = with_numbers(certifier_text.read_network(read_limited(path, certifier_text.MAX_CHARACTERS)), _float)
    except InputError as error:
        raise InputError(f"{shown(path)}: {error}") from None
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
