"""The folder of a defence: every network that a remedy made, as npz and ONNX, the answer as data and in words."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from fpsynth.aliases import PathLike
from fpsynth.backdoors.defence import Defence
from fpsynth.backdoors.writing import as_file
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.files import write_tree
from fpsynth.networks.network import Network
from fpsynth.networks.npz_graph import npz_arrays
from fpsynth.networks.onnx.writing import onnx_bytes


def defence_files(found: Defence, report: str) -> dict[str, bytes]:
    """The files, by name; without ONNX where onnx is not installed, or does not run the format."""
    files = {
        "defend.json": as_file("defend", found.to_json()),
        "report.txt": f"{report.rstrip()}\n".encode(),
    }
    for tried in found.tried:
        for number, draw in enumerate(tried.draws, 1):
            if draw.network is None or draw.dtype is None:
                continue
            stem = tried.name.replace(":", "-") + (f"-{number}" if len(tried.draws) > 1 else "")
            files[f"{stem}.npz"] = _npz(draw.network)
            try:
                files[f"{stem}.onnx"] = onnx_bytes(draw.network, draw.dtype, form="gemm")
            except (InputError, MissingPackageError):
                continue
    return files


def write_defence(found: Defence, folder: PathLike, report: str) -> tuple[str, ...]:
    """Write a new folder; returns the names of its files.  Raises InputError where it is there already."""
    files = defence_files(found, report)
    write_tree(folder, files)
    return tuple(files)


def _npz(network: Network) -> bytes:
    held = io.BytesIO()
    np.savez(held, **dict[str, Any](npz_arrays(network)))
    return held.getvalue()
