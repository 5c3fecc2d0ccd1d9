"""Writer for witnesses of any network: a folder with the witness, the network as ONNX and the points, for other tools."""

from __future__ import annotations

import os

from fpsynth.corpus.point_benchmark import PointBenchmark, is_benchmark
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.files import write_tree
from fpsynth.networks.onnx import OPSET, onnx_bytes
from fpsynth.witness import Witness
from fpsynth.witness.file import text_and_files
from fpsynth.witness.numerals import decimal_text


def write_divergence_folder(divergence: Witness, folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """Write witness.json, network.onnx and NAME.txt for each point into a new or empty folder; return what was left out.

    A point's text has the exact decimal expansion of each input, a line each.  A large network lies beside witness.json in a
    file of its own.  Of an input whose class changes there are queries in VNN-LIB and counterexample.txt too.  Raises
    InputError where the folder is not free or cannot be written.
    """
    written, beside = text_and_files(divergence, "witness")
    files = {"witness.json": written.encode(), **beside}
    for point in divergence.points:
        files[f"{point.name}.txt"] = "".join(f"{decimal_text(x)}\n" for x in point.numbers).encode("ascii")
    if is_benchmark(divergence):
        files |= PointBenchmark(divergence).files()
    left_out: tuple[str, ...] = ()
    try:
        files["network.onnx"] = onnx_bytes(divergence.network, divergence.format, batch=1, opset=OPSET)
    except (InputError, MissingPackageError) as error:
        left_out = (f"network.onnx: {error}",)
    write_tree(folder, files)
    return left_out
