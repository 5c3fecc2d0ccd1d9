"""Writer for divergences: a folder with the witness, the network as ONNX and the point, for other tools."""

from __future__ import annotations

import json
import os

from fpsynth.errors import InputError, MissingPackageError
from fpsynth.files import write_tree
from fpsynth.networks.onnx import OPSET, onnx_bytes
from fpsynth.witness import Witness, to_json
from fpsynth.witness.numerals import decimal_text


def write_divergence_folder(divergence: Witness, folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """Write witness.json, network.onnx and point.txt into a new or empty folder; return what was left out, one line each.

    point.txt has the exact decimal expansion of each input, a line each.  Raises InputError where the folder is not free or
    cannot be written.
    """
    files = {
        "witness.json": (json.dumps(to_json(divergence), indent=1, allow_nan=False) + "\n").encode("ascii"),
        "point.txt": "".join(f"{decimal_text(x)}\n" for x in divergence.point).encode("ascii"),
    }
    left_out: tuple[str, ...] = ()
    try:
        files["network.onnx"] = onnx_bytes(divergence.network, divergence.format, batch=1, opset=OPSET)
    except (InputError, MissingPackageError) as error:
        left_out = (f"network.onnx: {error}",)
    write_tree(folder, files)
    return left_out
