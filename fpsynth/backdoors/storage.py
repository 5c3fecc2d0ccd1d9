"""Networks stored in a narrower format than they compute in: their arrays are written in it and read back, bit for bit."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from fpsynth.errors import InputError
from fpsynth.evaluators.rounded import rounded_network
from fpsynth.formats import FLOAT16, Format
from fpsynth.networks.network import Network
from fpsynth.networks.npz import network_in
from fpsynth.networks.npz_graph import npz_arrays

FORMATS: dict[str, Format] = {"float16": FLOAT16}
"""Formats that files of arrays have, narrower than those that networks compute in."""
LARGE = 2.0**15
"""The largest power of two of float16: then a detector's small weights, 2^26 times smaller, are normal numbers of it, too."""


def unstorable(network: Network, fmt: Format) -> str:
    """Why a network cannot be stored in the format without changing a bit; empty where it can."""
    try:
        changed = rounded_network(network, fmt)[1]
    except InputError as error:
        return str(error)
    return f"{changed} of its {network.parameter_count} numbers are not in {fmt}" if changed else ""


def stored(network: Network, fmt: Format) -> bytes:
    """An .npz file whose arrays are of the format.  ``unstorable`` says for which networks nothing is lost."""
    held, arrays = io.BytesIO(), npz_arrays(network)
    narrow = {name: array.astype(fmt.name) if array.dtype.kind == "f" else array for name, array in arrays.items()}
    np.savez(held, **dict[str, Any](narrow))
    return held.getvalue()


def loaded(data: bytes) -> Network:
    """The network that was stored, its numbers widened again."""
    return network_in(io.BytesIO(data), "the stored network")
