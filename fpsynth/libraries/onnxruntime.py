"""onnxruntime: the network as an ONNX model of Gemm nodes, or of MatMul and Add nodes."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fpsynth.aliases import Array
from fpsynth.formats import Format
from fpsynth.libraries.base import CannotRun, Library, Model, Operation, Outputs, outputs_of
from fpsynth.libraries.calls import BOTH, Called
from fpsynth.libraries.machine import limit_threads
from fpsynth.libraries.onnxruntime_failures import known_failure
from fpsynth.libraries.operands import BORDER, filters, images, placed, stored
from fpsynth.scratch import scratch

if TYPE_CHECKING:
    from fpsynth.libraries.graphs import Numbers
    from fpsynth.libraries.kernels import Kernel
    from fpsynth.networks.network import Network
    from fpsynth.networks.rewrites import Rewritten

_SMALL = 1 << 20
"""Bytes of a model whose session is held until another is run."""
_LEVELS = {
    "all": "ORT_ENABLE_ALL",
    "extended": "ORT_ENABLE_EXTENDED",
    "basic": "ORT_ENABLE_BASIC",
    "off": "ORT_DISABLE_ALL",
}
"""onnxruntime's names of its levels of graph optimisation, its default first."""


class OnnxRuntime(Library):
    """``gemm`` and ``matmul``: the two forms of the file that fpsynth writes, run from memory.  The argmax is numpy's.

    It computes on numpy's memory.  The order of its ReduceSum depends on the address modulo 16 at which a row begins: whatever
    precedes the first multiple of 16 is summed on its own, so that equal rows of a batch can have different sums.

    Its idle threads sleep (see ``machine.WAITING``) where by default they spin: each session has threads of its own, and a
    reveal makes hundreds of sessions.
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
    switches = MappingProxyType({"optimize": tuple(_LEVELS)})
    """Which optimisations of the graph it may use: fusing nodes, folding constants, layouts of this processor (all)."""
    rows_per_weights = 32  # weights are part of the model: each change takes a new session

    _threads: int | None = None
    _last: tuple[bytes, Any] | None = None
    """The model that was run last, and its session."""

    def load(self, device: str, threads: int | None = None) -> None:
        """Import onnxruntime and onnx, and run one small network.  Every session gets ``threads``."""
        limit_threads(threads)
        self._threads, self._last = threads, None
        self.try_out("gemm", device)

    def switch(self, name: str, value: str, device: str) -> None:
        """Nothing: every session takes the level that was chosen."""

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
        self,
        network: Network,
        numbers: Numbers,
        dtype: Format,
        variant: str,
        device: str,
        offset: int | None = None,
        layout: str = "",
    ) -> Model:
        """A session over the model, with the options that onnxruntime starts with.  ``offset`` is that of the input alone."""

        import numpy as np

        from fpsynth.libraries.graphs import require_flat, shaped
        from fpsynth.libraries.onnx_models import network_model

        first, second = self.layout_of(variant, layout)
        require_flat(network, first)
        session = self._last_session(network_model(network, numbers, dtype, variant, (first == "T", second == "T")))

        def run(rows: Array) -> Array:
            (logits,) = session.run(["Y"], {"X": placed(stored(shaped(rows, network), first), offset)})
            return np.asarray(logits).reshape(len(rows), -1)

        return run

    def optimised(self, network: Network, dtype: Format, level: str = "extended", variant: str = "gemm") -> bytes:
        """The graph that onnxruntime really runs: an ONNX model, its nodes fused and its weights folded, up to ``level``.

        ``level``: off, basic, extended or all; at all, weights of convolutions are stored in blocks of channels, and its
        operators are of this processor.  Only after ``load``.  Raises CannotRun for a network that it cannot run.
        """

        from fpsynth.libraries.graphs import operands_of
        from fpsynth.libraries.onnx_models import network_model

        logits = network.logits
        numbers = operands_of(logits, lambda array: self.operand(array, dtype))
        return self._optimised(network_model(logits, numbers, dtype, variant, (False, True)), level)

    def _optimised(self, model: bytes, level: str) -> bytes:
        """A model after the optimisations of a level."""
        with scratch() as folder:
            path = folder / "optimised.onnx"
            options = self._options(level)
            options.optimized_model_filepath = str(path)
            self._session(model, options)
            return path.read_bytes()

    def rewritten(self, network: Network, dtype: Format, variant: str) -> Rewritten:
        """What its optimisations make of a network: normalisations folded, residuals added first; nothing when off."""

        from fpsynth.errors import InputError
        from fpsynth.libraries.onnx_optimised import optimised_network
        from fpsynth.networks.onnx import tensor_names
        from fpsynth.networks.rewrites import Rewritten

        level = self.chosen.get("optimize", "all")
        if level == "off":
            return Rewritten(network)
        basic = self.optimised(network, dtype, "basic", variant)
        last = basic if level == "basic" else self.optimised(network, dtype, level, variant)
        names = {result: name for name, result in tensor_names(network).items()}
        try:
            return optimised_network(network, names, basic, last, self._block(level))
        except InputError as error:
            return Rewritten(network, notes=(f"the network that is really run is not known: {error}",))

    def _block(self, level: str) -> int:
        """How many channels a block has: those that the weights of a single one are filled up to; 0 where there are none."""

        import numpy as np
        from onnx import ModelProto

        from fpsynth.formats import FLOAT32
        from fpsynth.libraries.onnx_models import convolution_model
        from fpsynth.libraries.onnx_optimised import BLOCKED

        model = self._optimised(convolution_model(np.zeros((1, 1, 3, 3), np.float32), None, FLOAT32), level)
        graph = ModelProto.FromString(model).graph
        blocked = any(node.domain == BLOCKED for node in graph.node)
        return max((tensor.dims[0] for tensor in graph.initializer), default=0) if blocked else 0

    def primitive(self, kernel: Kernel, offset: int | None = None) -> Operation:
        """ReduceSum of a vector, or over axis 1 of a batch; MatMul of two vectors; Conv, whose kernels are in the model.

        ``offset`` is that of what is not in the model.
        """

        import numpy as np

        from fpsynth.libraries.onnx_models import vector_model

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
        from fpsynth.libraries.onnx_models import convolution_model

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

    def _options(self, level: str = "") -> Any:
        """``level``: of graph optimisation; empty for the one that was chosen, if any was."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # see the class
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        if level or "optimize" in self.chosen:
            name = _LEVELS[level or self.chosen["optimize"]]
            options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, name)
        return options

    def _last_session(self, model: bytes) -> Any:
        """A session over a model: the last one, where that was of the same model.  Making one takes longer than running it."""
        if self._last is None or self._last[0] != model:
            session = self._session(model)
            self._last = (model, session) if len(model) <= _SMALL else None
            return session
        return self._last[1]

    def _session(self, model: bytes, options: Any = None) -> Any:
        """Raises CannotRun for what the library is known to fail on, and else whatever it raises."""
        import onnxruntime

        try:
            return onnxruntime.InferenceSession(model, options or self._options(), providers=["CPUExecutionProvider"])
        except Exception as error:
            if words := known_failure(error):
                raise CannotRun(words) from None
            raise
