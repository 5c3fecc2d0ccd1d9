"""onnxruntime: the network as an ONNX model of Gemm nodes, or of MatMul and Add nodes."""

from __future__ import annotations

from fpsynth.formats import FLOAT32, Format
from fpsynth.libraries.base import Library, Outputs, Rows, Runner, exact_array, outputs_of
from fpsynth.networks.network import Dense, Network


class OnnxRuntime(Library):
    """``gemm`` and ``matmul``: the two forms of the file that fpsynth writes, run from memory.  The argmax is numpy's."""

    name = "onnxruntime"
    packages = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
    variants = ("gemm", "matmul")
    primitives = ("sum", "vdot", "conv2d")

    def load(self, device: str) -> None:
        """Import onnxruntime and onnx, and run one small network."""
        self.prepare(Network((Dense(((1.0,), (2.0,))),)), FLOAT32, "gemm", device)([(1.0,)])

    def describe(self, device: str) -> dict[str, str]:
        """The build, the execution providers, threads (0 means: one per core), the level of graph optimisation."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        return {
            "providers": " ".join(onnxruntime.get_available_providers()),
            "provider": "CPUExecutionProvider",
            "threads": str(options.intra_op_num_threads),
            "graph_optimization": str(options.graph_optimization_level).rsplit(".", 1)[-1],
        }

    def prepare(self, network: Network[float], dtype: Format, variant: str, device: str) -> Runner:
        """A session over the model, with the options that onnxruntime starts with."""
        import numpy as np
        import onnxruntime

        from fpsynth.networks.onnx import onnx_bytes

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        model = onnx_bytes(network, dtype, form=variant)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

        def run(rows: Rows) -> Outputs:
            (logits,) = session.run(["Y"], {"X": exact_array(rows, dtype)})
            return outputs_of(logits, np.argmax(logits, axis=1).tolist(), dtype)

        return run
