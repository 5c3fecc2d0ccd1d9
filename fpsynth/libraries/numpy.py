"""numpy: a batch times a matrix (np.matmul), or a matrix times each row by itself (np.dot)."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path

from fpsynth.formats import Format
from fpsynth.libraries.base import Library, Outputs, Rows, Runner, exact_array, outputs_of
from fpsynth.networks.network import Network


class Numpy(Library):
    """``matmul``: np.matmul(rows, weight.T), one call per layer.  ``dot``: np.dot(weight, row), one call per layer and row.

    numpy has no matmul for the types of ml_dtypes: it widens them to float32 and returns float32.  Its dot accumulates them
    in float32 and rounds once.
    """

    name = "numpy"
    packages = ("numpy",)
    variants = ("matmul", "dot")
    primitives = ("sum", "vdot")

    def load(self, device: str) -> None:
        """Import numpy, and ml_dtypes where it is installed."""
        import numpy  # noqa: F401  (the import is the point)

        with contextlib.suppress(ImportError):
            import ml_dtypes  # noqa: F401

    def describe(self, device: str) -> dict[str, str]:
        """The BLAS that numpy was built with, the kernels and the number of threads it chose here, numpy's own SIMD."""
        import numpy as np

        config = np.show_config(mode="dicts")
        assert isinstance(config, dict)
        blas = config.get("Build Dependencies", {}).get("blas", {})
        simd = config.get("SIMD Extensions", {})
        return {
            "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
            "numpy_simd": " ".join((*simd.get("baseline", ()), *simd.get("found", ()))),
            **_openblas(),
        }

    def prepare(self, network: Network[float], dtype: Format, variant: str, device: str) -> Runner:
        """Weights are kept one row per output; biases are added afterwards."""
        import numpy as np

        layers = [
            (exact_array(layer.weight, dtype), None if layer.bias is None else exact_array(layer.bias, dtype))
            for layer in network.layers
        ]

        def run(rows: Rows) -> Outputs:
            values = exact_array(rows, dtype)
            for index, (weight, bias) in enumerate(layers):
                if variant == "matmul":
                    values = np.matmul(values, weight.T)
                else:
                    values = np.stack([np.dot(weight, row) for row in values])
                values = values if bias is None else values + bias
                if index + 1 < len(layers):
                    values = np.maximum(values, values.dtype.type(0))
            return outputs_of(values, np.argmax(values, axis=1).tolist(), dtype)

        return run


def _openblas() -> dict[str, str]:
    """Which kernels OpenBLAS chose when it was loaded, and how many threads it uses: asked of the library in memory (Linux)."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    for path in {line.split(maxsplit=5)[5] for line in lines if "openblas" in line.lower()}:
        with contextlib.suppress(OSError):
            loaded = ctypes.CDLL(path)
            for before, after in (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", "")):
                core = getattr(loaded, f"{before}openblas_get_corename{after}", None)
                threads = getattr(loaded, f"{before}openblas_get_num_threads{after}", None)
                if core is not None and threads is not None:
                    core.restype = ctypes.c_char_p
                    return {"blas_kernels": core().decode(), "threads": str(threads())}
    return {}
