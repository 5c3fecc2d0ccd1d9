"""onnxruntime: the network as an ONNX model of Gemm nodes, or of MatMul and Add nodes."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fpsynth.formats import Format
from fpsynth.libraries.base import Array, Layer, Library, Model, Operation, Outputs, outputs_of
from fpsynth.libraries.calls import BOTH, Called
from fpsynth.libraries.machine import limit_threads
from fpsynth.libraries.onnx_models import convolution_model, network_model, vector_model
from fpsynth.libraries.operands import BORDER, filters, images, placed, stored

if TYPE_CHECKING:
    from fpsynth.libraries.kernels import Kernel


class OnnxRuntime(Library):
    """``gemm`` and ``matmul``: the two forms of the file that fpsynth writes, run from memory.  The argmax is numpy's.

    It computes on numpy's memory.  The order of its ReduceSum depends on the address modulo 16 at which a row begins: whatever
    precedes the first multiple of 16 is summed on its own, so that equal rows of a batch can have different sums.
    """

    name = "onnxruntime"
    packages = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
    variants = ("gemm", "matmul")
    primitives = ("sum", "vdot", "conv2d")
    calls = MappingProxyType(
        {
            "gemm": Called(
                "Gemm(x, W{flags})", "Gemm(x, W, b{flags})", layouts=BOTH, flags=(", transA=1", ", transB=1"), tried=("TN",)
            ),
            "matmul": Called("MatMul(x, W)", "Add(MatMul(x, W), b)", layouts=("NN",)),
            "sum": Called("ReduceSum(x, axes=[1], keepdims=0)", one_row="ReduceSum(x[0], axes=[0], keepdims=0)"),
            "vdot": Called("MatMul(x[0], W[0])"),
            "conv2d": Called("Conv(x, W)", "Conv(x, W, b)", images="NCHW"),
        }
    )
    rows_per_weights = 32  # weights are part of the model: each change takes a new session

    _threads: int | None = None

    def load(self, device: str, threads: int | None = None) -> None:
        """Import onnxruntime and onnx, and run one small network.  Every session gets ``threads``."""
        limit_threads(threads)
        self._threads = threads
        self.try_out("gemm", device)

    def describe(self, device: str) -> dict[str, str]:
        """The build, the execution providers, threads (0 means: one per core), the level of graph optimisation."""
        import onnxruntime

        options = self._options()
        return {
            "providers": " ".join(onnxruntime.get_available_providers()),
            "provider": "CPUExecutionProvider",
            "threads": str(options.intra_op_num_threads),
            "graph_optimization": str(options.graph_optimization_level).rsplit(".", 1)[-1],
        }

    def model(
        self, layers: Sequence[Layer], dtype: Format, variant: str, device: str, offset: int | None = None, layout: str = ""
    ) -> Model:
        """A session over the model, with the options that onnxruntime starts with.  ``offset`` is that of the input alone."""
        first, second = self.layout_of(variant, layout)
        session = self._session(network_model(layers, dtype, variant, (first == "T", second == "T")))

        def run(rows: Array) -> Array:
            (logits,) = session.run(["Y"], {"X": placed(stored(rows, first), offset)})
            found: Array = logits
            return found

        return run

    def primitive(self, kernel: Kernel, offset: int | None = None) -> Operation:
        """ReduceSum of a vector, or over axis 1 of a batch; MatMul of two vectors; Conv, whose kernels are in the model.

        ``offset`` is that of what is not in the model.
        """
        import numpy as np

        if kernel.environment.operation == "conv2d":
            return self._convolution(kernel, offset)
        several = kernel.environment.batch > 1
        session = self._session(vector_model(kernel))

        def total(rows: Array, weights: Array, bias: Array | None) -> Array:
            (found,) = session.run(["Y"], {"X": placed(rows if several else rows[0], offset)})
            return np.asarray(found).reshape(-1, 1)

        def product(rows: Array, weights: Array, bias: Array | None) -> Array:
            (found,) = session.run(["Y"], {"X": placed(rows[0], offset), "W": placed(weights[0], offset)})
            return np.asarray(found).reshape(1, 1)

        return total if kernel.environment.operation == "sum" else product

    def _convolution(self, kernel: Kernel, offset: int | None) -> Operation:
        held: dict[tuple[bytes, bytes | None], Any] = {}

        def compute(rows: Array, weights: Array, bias: Array | None) -> Array:
            key = weights.tobytes(), None if bias is None else bias.tobytes()
            if key not in held:
                held.clear()
                held[key] = self._session(convolution_model(filters(weights), bias, kernel.dtype))
            (maps,) = held[key].run(["Y"], {"X": placed(images(rows), offset)})
            found: Array = maps[:, :, BORDER, BORDER]
            return found

        return compute

    def numbers(self, tensor: Array) -> Array:
        """The array itself."""
        return tensor

    def outputs(self, tensor: Array, dtype: Format) -> Outputs:
        """The logits and np.argmax."""
        import numpy as np

        return outputs_of(tensor, np.argmax(tensor, axis=1).tolist(), dtype)

    def _options(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        return options

    def _session(self, model: bytes) -> Any:
        import onnxruntime

        return onnxruntime.InferenceSession(model, self._options(), providers=["CPUExecutionProvider"])
