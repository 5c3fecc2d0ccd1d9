"""CuPy: a batch times a matrix (cupy.matmul, cupy.dot), or a matrix times each row by itself, on an NVIDIA GPU."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fpsynth.aliases import Array
from fpsynth.formats import Format
from fpsynth.libraries.base import CannotRun, Library, Model, Operation, Outputs, one_line, outputs_of
from fpsynth.libraries.calls import BOTH, Called
from fpsynth.libraries.machine import cuda_libraries, cuda_variables, gpu, limit_threads
from fpsynth.libraries.numpy import array_model
from fpsynth.libraries.operands import placed, stored, viewed

if TYPE_CHECKING:
    from fpsynth.libraries.graphs import Numbers
    from fpsynth.libraries.kernels import Kernel
    from fpsynth.networks.network import Network

_ACCELERATORS = {"cub": "cub", "none": "", "cutensor": "cutensor"}


class CuPy(Library):
    """``matmul`` and ``dot``: one call per layer.  ``dot-rows``: cupy.dot(weight, row), one per layer and row.

    All are cuBLAS's.  The dot product of two vectors is a sum of their elementwise products: these are rounded first.
    """

    name = "cupy"
    packages = ("cupy-cuda13x", "cupy-cuda12x", "cupy-cuda11x", "cupy")
    variants = ("matmul", "dot", "dot-rows")
    primitives = ("sum", "vdot")
    calls = MappingProxyType(
        {
            "matmul": Called("cupy.matmul({x}, {W})", layouts=BOTH, strided=True, tried=("NN",)),
            "dot": Called("cupy.dot({x}, {W})", layouts=BOTH, strided=True, tried=("NN",)),
            "dot-rows": Called("cupy.stack([cupy.dot({V}, row) for row in {x}])", layouts=BOTH, strided=True),
            "sum": Called("cupy.sum({x}, axis=1)", one_row="cupy.sum({x}[0])", layouts=("N", "T"), strided=True),
            "vdot": Called("cupy.vdot(x[0], W[0])"),
        }
    )
    devices = ("cuda",)
    dtypes = ("float16", "bfloat16", "float32", "float64")
    switches = MappingProxyType({"accelerators": tuple(_ACCELERATORS), "tf32": ("off", "on")})
    """``accelerators``: what takes sums, instead of CuPy's own kernel (none).  ``tf32``: of cuBLAS's products."""

    def variables(self, switches: Mapping[str, str]) -> Mapping[str, str]:
        """CuPy reads both from the environment: one when it is imported, the other at its first product."""
        found = {"CUPY_TF32": "1" if switches["tf32"] == "on" else "0"} if "tf32" in switches else {}
        chosen = switches.get("accelerators")
        return found if chosen is None else {**found, "CUPY_ACCELERATORS": _ACCELERATORS[chosen]}

    def switch(self, name: str, value: str, device: str) -> None:
        """Nothing: ``variables`` has set it."""

    def load(self, device: str, threads: int | None = None) -> None:
        """Import CuPy and multiply once.  Raises CannotRun where there is no GPU that it can use."""
        limit_threads(threads)
        import cupy
        import numpy as np

        try:
            one = cupy.asarray(np.ones((2, 2), np.float32))  # a copy: filling an array there would need a compiler
            cupy.matmul(one, one).get()
        except Exception as error:  # CUDA, cuBLAS and the loader of libraries have errors of their own
            raise CannotRun(f"cupy cannot use the GPU: {one_line(error)}") from None

    def describe(self, device: str) -> dict[str, str]:
        """The GPU, CUDA's libraries, and the variables that choose kernels."""
        import cupy

        runtime = int(cupy.cuda.runtime.runtimeGetVersion())
        return {
            **gpu(),
            "cuda": f"{runtime // 1000}.{runtime % 1000 // 10}",
            **cuda_libraries(),
            **cuda_variables(),
            "tf32": "on" if os.environ.get("CUPY_TF32", "0") not in ("0", "") else "off",
            "accelerators": os.environ.get("CUPY_ACCELERATORS", "cub") or "none",
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
        import cupy

        return array_model(cupy, network, numbers, variant, self.layout_of(variant, layout), _putter(offset))

    def primitive(self, kernel: Kernel, offset: int | None = None) -> Operation:
        """cupy.sum of a vector, or over axis 1 of a batch; cupy.vdot of two vectors."""
        import cupy

        put = _putter(offset)
        first, _ = self.layout_of("sum", kernel.environment.layout)

        def total(rows: Array, weights: Array, bias: Array | None) -> Array:
            values = viewed(put(stored(rows, first)), first)
            found = cupy.sum(values, axis=1) if len(rows) > 1 else cupy.sum(values[0])
            return self.numbers(found).reshape(-1, 1)

        def product(rows: Array, weights: Array, bias: Array | None) -> Array:
            return self.numbers(cupy.vdot(put(rows[0]), put(weights[0]))).reshape(1, 1)

        return total if kernel.environment.operation == "sum" else product

    def numbers(self, tensor: Any) -> Array:
        """A copy in the CPU's memory, when it has been computed."""
        import numpy as np

        return np.asarray(tensor.get())

    def outputs(self, tensor: Any, dtype: Format) -> Outputs:
        """The logits and cupy.argmax, of 16-bit formats widened to float32, which is exact."""
        import cupy

        compared = tensor.astype(cupy.float32) if dtype.bits < 32 else tensor
        return outputs_of(self.numbers(tensor), cupy.argmax(compared, axis=1).get().tolist(), dtype)


def _putter(offset: int | None) -> Any:
    """What copies an array, row after row, into the GPU's memory; what is there already stays."""
    import cupy

    if offset is not None:
        raise CannotRun("addresses can only be chosen on the CPU")
    return lambda array: array if isinstance(array, cupy.ndarray) else cupy.asarray(placed(array))
