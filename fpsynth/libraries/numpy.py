"""numpy: a batch times a matrix (np.matmul, np.dot), or a matrix times each row by itself (np.dot again)."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fpsynth.aliases import Array
from fpsynth.formats import Format
from fpsynth.libraries.base import CannotRun, Library, Model, Operation, Outputs, outputs_of
from fpsynth.libraries.calls import BOTH, Called
from fpsynth.libraries.machine import limit_threads
from fpsynth.libraries.operands import placed, stored, viewed

if TYPE_CHECKING:
    from fpsynth.libraries.graphs import Numbers
    from fpsynth.libraries.kernels import Kernel
    from fpsynth.networks.layers import Layer
    from fpsynth.networks.network import Network


class Numpy(Library):
    """``matmul`` and ``dot``: one call per layer.  ``dot-rows``: np.dot(weight, row), one call per layer and row.

    (The name matvec would be numpy's own np.matvec.)  numpy has no matmul for the types of ml_dtypes: it widens them to float32
    and returns float32.  Its dot accumulates them in float32 and rounds once.
    """

    name = "numpy"
    packages = ("numpy",)
    variants = ("matmul", "dot", "dot-rows")
    primitives = ("sum", "vdot")
    calls = MappingProxyType(
        {
            "matmul": Called("np.matmul({x}, {W})", layouts=BOTH, strided=True, tried=("NN", "TT", "NTe")),
            "dot": Called("np.dot({x}, {W})", layouts=BOTH, strided=True, tried=("NN", "TT")),
            "dot-rows": Called("np.stack([np.dot({V}, row) for row in {x}])", layouts=BOTH, strided=True, tried=("NN", "TN")),
            "sum": Called("np.sum({x}, axis=1)", one_row="np.sum({x}[0])", layouts=("N", "T"), strided=True),
            "vdot": Called("np.vdot(x[0], W[0])"),
        }
    )

    def load(self, device: str, threads: int | None = None) -> None:
        """Import numpy, and ml_dtypes where it is installed.  By itself OpenBLAS takes a thread per core at most."""
        limit_threads(threads)
        import numpy  # noqa: F401  (the import is the point)

        with contextlib.suppress(ImportError):
            import ml_dtypes  # noqa: F401
        if threads is not None and _openblas(threads).get("threads", str(threads)) != str(threads):
            raise CannotRun(f"OpenBLAS does not take {threads} threads")

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

    def model(
        self,
        network: Network,
        numbers: Numbers,
        dtype: Format,
        variant: str,
        device: str,
        offset: int | None = None,
        layout: str = "",
    ) -> Model:
        """Weights of dense layers are kept one row per output where no layout says otherwise; biases are added afterwards."""
        import numpy as np

        return array_model(np, network, numbers, variant, self.layout_of(variant, layout), lambda array: placed(array, offset))

    def primitive(self, kernel: Kernel, offset: int | None = None) -> Operation:
        """np.sum of a vector, or over axis 1 of a batch; np.vdot of two vectors."""
        import numpy as np

        first, _ = self.layout_of("sum", kernel.environment.layout)

        def total(rows: Array, weights: Array, bias: Array | None) -> Array:
            values = viewed(placed(stored(rows, first), offset), first)
            return np.asarray(np.sum(values, axis=1) if len(values) > 1 else np.sum(values[0])).reshape(-1, 1)

        def product(rows: Array, weights: Array, bias: Array | None) -> Array:
            return np.asarray(np.vdot(placed(rows[0], offset), placed(weights[0], offset))).reshape(1, 1)

        return total if kernel.environment.operation == "sum" else product

    def numbers(self, tensor: Array) -> Array:
        """The array itself."""
        return tensor

    def outputs(self, tensor: Array, dtype: Format) -> Outputs:
        """The logits and np.argmax."""
        import numpy as np

        return outputs_of(tensor, np.argmax(tensor, axis=1).tolist(), dtype)


def array_model(
    np: Any, network: Network, numbers: Numbers, variant: str, layout: tuple[str, str], place: Callable[[Array], Any]
) -> Model:
    """A network in numpy or CuPy, of which ``np`` is the module; ``place`` copies an array, row after row, into its memory."""

    from fpsynth.libraries.graphs import HeldModel, forward, require_flat, shaped
    from fpsynth.libraries.numpy_layers import table
    from fpsynth.networks.layers import Dense

    first, second = layout
    functions = table(np, variant, place)
    functions.require(network)
    require_flat(network, first)
    compute = forward(network, functions)

    def hold(layer: Layer, arrays: Sequence[Any]) -> Sequence[Any]:
        if isinstance(layer, Dense):
            weight, bias = arrays
            return viewed(place(stored(weight.T, second)), second), None if bias is None else place(bias)
        return [None if array is None else place(array) for array in arrays]

    def run(rows: Array, held: Mapping[str, Sequence[Any]]) -> Any:
        return compute(viewed(place(stored(shaped(rows, network), first)), first), held)

    return HeldModel(network, hold, run).put(numbers)


def _openblas(threads: int | None = None) -> dict[str, str]:
    """Which kernels OpenBLAS chose when it was loaded, and how many threads it uses: asked of the library in memory (Linux).

    ``threads``: have it use as many from now on.  Empty where numpy has another BLAS.
    """
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    for path in {line.split(maxsplit=5)[5] for line in lines if "openblas" in line.lower()}:
        with contextlib.suppress(OSError):
            loaded = ctypes.CDLL(path)
            for before, after in (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", "")):
                names = (f"{before}openblas_{what}{after}" for what in ("get_corename", "get_num_threads", "set_num_threads"))
                core, number, choose = (getattr(loaded, name, None) for name in names)
                if core is not None and number is not None and choose is not None:
                    if threads is not None:
                        choose(threads)
                    core.restype = ctypes.c_char_p
                    return {"blas_kernels": core().decode(), "threads": str(number())}
    return {}
