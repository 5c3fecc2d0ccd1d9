"""TensorFlow: a Keras model of Dense layers, a bare tf.matmul run eagerly, or the same as a tf.function."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fpsynth.formats import Format
from fpsynth.libraries.base import Array, CannotRun, Layer, Library, Model, Operation, Outputs, outputs_of
from fpsynth.libraries.calls import Called
from fpsynth.libraries.machine import cuda_libraries, cuda_variables, gpu, limit_threads
from fpsynth.libraries.operands import BORDER, filters, images, numpy_dtype, stored

if TYPE_CHECKING:
    from fpsynth.libraries.kernels import Kernel


_LAYOUTS = ("NN", "NT", "TN", "TT")
_FLAGS = (", transpose_a=True", ", transpose_b=True")


class TensorFlow(Library):
    """``keras``: model(rows).  ``matmul``: tf.matmul, eager.  ``function``: the same compiled into a graph, whose fused kernels
    round otherwise in 16-bit formats.

    model.predict is not used: it casts the points to keras.floatx, so that float64 points lose bits on the way in.
    """

    name = "tensorflow"
    packages = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos")
    variants = ("keras", "matmul", "function")
    primitives = ("sum", "vdot", "conv2d")
    calls = MappingProxyType(
        {
            "keras": Called(
                "keras.Sequential([Dense({outputs}, use_bias=False)])(x)",
                "keras.Sequential([Dense({outputs})])(x)",
                layouts=("NN",),
            ),
            "matmul": Called("tf.matmul(x, W{flags})", layouts=_LAYOUTS, flags=_FLAGS, tried=("NT",)),
            "function": Called(
                "tf.function(lambda x, W: tf.matmul(x, W{flags}))(x, W)",
                "tf.function(lambda x, W, b: tf.matmul(x, W{flags}) + b)(x, W, b)",
                layouts=_LAYOUTS,
                flags=_FLAGS,
                tried=("NT",),
            ),
            "sum": Called("tf.reduce_sum(x, axis=1)", one_row="tf.reduce_sum(x[0])"),
            "vdot": Called("tf.tensordot(x[0], W[0], 1)"),
            "conv2d": Called(
                'tf.nn.conv2d(x, W, 1, "VALID")', 'tf.nn.bias_add(tf.nn.conv2d(x, W, 1, "VALID"), b)', images="NHWC"
            ),
        }
    )
    other_names = MappingProxyType({"tensordot": "vdot"})
    devices = ("cpu", "cuda")
    switches = MappingProxyType({"deterministic": ("off", "on"), "tf32": ("on", "off"), "xla": ("off", "on")})
    """``tf32``: of float32 products and convolutions.  ``xla``: whether the function is compiled by XLA."""
    switch_devices = MappingProxyType({"tf32": "cuda"})
    _graph: Any
    """One tf.function for all networks: those of the same shape are traced once."""

    def load(self, device: str, threads: int | None = None) -> None:
        """Import TensorFlow and Keras, and start its runtime, by running one small network each way."""
        limit_threads(threads)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # decides what is logged, nothing else
        os.environ["KERAS_BACKEND"] = "tensorflow"
        if device == "cuda":
            os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        with _without_jax():
            import tensorflow as tf

        if threads is not None:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        if device == "cpu":
            with contextlib.suppress(RuntimeError):  # the devices are fixed once something has run
                tf.config.set_visible_devices([], "GPU")
        elif not tf.config.list_physical_devices("GPU"):
            raise CannotRun("this build of TensorFlow sees no GPU")
        self._graph = tf.function(_forward, reduce_retracing=False)
        for variant in self.variants:
            self.try_out(variant, device)

    def switch(self, name: str, value: str, device: str) -> None:
        """Set one of ``switches``.  ``xla`` compiles the function anew."""
        import tensorflow as tf

        if name == "tf32":
            tf.config.experimental.enable_tensor_float_32_execution(value == "on")
        elif name == "xla":
            self._graph = tf.function(_forward, reduce_retracing=False, jit_compile=value == "on")
        elif value == "on":  # it is off when TensorFlow starts
            tf.config.experimental.enable_op_determinism()

    def objection(self, operation: str, device: str, switches: Mapping[str, str]) -> str:
        """XLA compiles the function."""
        if switches.get("xla") == "on" and operation != "function":
            return "xla=on is for TensorFlow's variant function only"
        return super().objection(operation, device, switches)

    def describe(self, device: str) -> dict[str, str]:
        """Keras, oneDNN, threads (0 means: TensorFlow decides), XLA; on a GPU what that is, CUDA's libraries, TF32."""
        import tensorflow as tf

        facts = {
            "keras": str(tf.keras.__version__),
            "threads": str(tf.config.threading.get_intra_op_parallelism_threads()),
            "xla": self.chosen.get("xla", str(tf.config.optimizer.get_jit() or "off")),
        }
        with contextlib.suppress(ImportError, AttributeError):  # not public: absent from some versions
            from tensorflow.python.util import _pywrap_util_port

            facts["onednn"] = str(bool(_pywrap_util_port.IsMklEnabled()))
        if device == "cuda":
            build = tf.sysconfig.get_build_info()
            facts |= {
                **gpu(),
                "built_for_cuda": str(build.get("cuda_version", "unknown")),
                "built_for_cudnn": str(build.get("cudnn_version", "unknown")),
                **cuda_libraries(),
                **cuda_variables(),
                "tf32": str(tf.config.experimental.tensor_float_32_execution_enabled()),
                "deterministic": self.chosen.get("deterministic", "off"),
            }
        return facts

    def model(
        self, layers: Sequence[Layer], dtype: Format, variant: str, device: str, offset: int | None = None, layout: str = ""
    ) -> Model:
        """Weights are kept one row per input, as Keras does, where no layout says otherwise.

        They are arguments of the graph, lest they be folded into it.
        """
        import numpy as np
        import tensorflow as tf

        if not _multiplies(dtype.name):
            raise CannotRun(f"tf.matmul does not take {dtype.name}")
        place = _place(device, offset)
        first, second = self.layout_of(variant, layout)
        laid = [(np.ascontiguousarray(stored(weight.T, second)), bias) for weight, bias in layers]
        with tf.device(place):
            if variant == "keras":
                return _Keras(_sequential(laid, dtype), place)
            held = [(tf.constant(weight), None if bias is None else tf.constant(bias)) for weight, bias in laid]
            forward = self._graph if variant == "function" else _forward

        def run(rows: Array) -> Any:
            with tf.device(place):
                return forward(tf.constant(np.ascontiguousarray(stored(rows, first))), held, (first == "T", second == "T"))

        return run

    def replace(self, model: Model, layers: Sequence[Layer]) -> bool:
        """Set the weights of a Keras model: making one takes milliseconds."""
        if not isinstance(model, _Keras):
            return False
        _set_weights(model.sequential, [(weight.T, bias) for weight, bias in layers])
        return True

    def primitive(self, kernel: Kernel, offset: int | None = None) -> Operation:
        """tf.reduce_sum of a vector, or over axis 1 of a batch; tf.tensordot of two vectors; tf.nn.conv2d, channels last."""
        import numpy as np
        import tensorflow as tf

        place = _place(kernel.environment.device, offset)

        def total(rows: Array, weights: Array, bias: Array | None) -> Array:
            return self.numbers(
                tf.reduce_sum(tf.constant(rows), axis=1) if len(rows) > 1 else tf.reduce_sum(tf.constant(rows[0]))
            )

        def product(rows: Array, weights: Array, bias: Array | None) -> Array:
            return self.numbers(tf.tensordot(tf.constant(rows[0]), tf.constant(weights[0]), 1))

        def convolution(rows: Array, weights: Array, bias: Array | None) -> Array:
            pixels = tf.constant(np.ascontiguousarray(images(rows).transpose(0, 2, 3, 1)))
            kernels = tf.constant(np.ascontiguousarray(filters(weights).transpose(2, 3, 1, 0)))
            maps = tf.nn.conv2d(pixels, kernels, strides=1, padding="VALID")
            maps = maps if bias is None else tf.nn.bias_add(maps, tf.constant(bias))
            return self.numbers(maps)[:, BORDER, BORDER]

        chosen = {"sum": total, "vdot": product, "conv2d": convolution}[kernel.environment.operation]

        def run(rows: Array, weights: Array, bias: Array | None) -> Array:
            with tf.device(place):
                return chosen(rows, weights, bias).reshape(len(rows), -1)

        return run

    def numbers(self, tensor: Any) -> Array:
        """The tensor as an array."""
        import numpy as np

        return np.asarray(tensor.numpy())

    def outputs(self, tensor: Any, dtype: Format) -> Outputs:
        """The logits and tf.argmax."""
        import tensorflow as tf

        return outputs_of(tensor.numpy(), tf.argmax(tensor, axis=1).numpy().tolist(), dtype)


@cache
def _multiplies(dtype: str) -> bool:
    """Whether tf.matmul takes a dtype: found by trying, since its own words fill a page, and differ between variants."""
    import tensorflow as tf

    try:
        tf.matmul(*[tf.constant(1, dtype, (1, 1))] * 2)
    except (TypeError, tf.errors.InvalidArgumentError):
        return False
    return True


@dataclass(frozen=True)
class _Keras:
    """A Keras model on a device."""

    sequential: Any
    place: str

    def __call__(self, rows: Array) -> Any:
        import tensorflow as tf

        with tf.device(self.place):
            return self.sequential(tf.constant(rows))


def _place(device: str, offset: int | None) -> str:
    if offset is not None:
        raise CannotRun("TensorFlow allocates its tensors itself, at multiples of 64 bytes")
    return "/CPU:0" if device == "cpu" else "/GPU:0"


@contextlib.contextmanager
def _without_jax() -> Iterator[None]:
    """Let ``import jax`` fail: TensorFlow imports it where it can, only for its converter, and that takes long."""
    if "jax" in sys.modules:
        yield
        return
    sys.modules["jax"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["jax"]


def _sequential(layers: list[tuple[Any, Any]], dtype: Format) -> Any:
    """A Sequential model with these weights."""
    import tensorflow as tf

    numpy_dtype(dtype)
    dense = [
        tf.keras.layers.Dense(
            weight.shape[1],
            activation=None if index + 1 == len(layers) else "relu",
            use_bias=bias is not None,
            kernel_initializer="zeros",
            dtype=dtype.name,
        )
        for index, (weight, bias) in enumerate(layers)
    ]
    model = tf.keras.Sequential([tf.keras.Input((layers[0][0].shape[0],), dtype=dtype.name), *dense])
    _set_weights(model, layers)
    return model


def _set_weights(model: Any, layers: Sequence[Layer]) -> None:
    for layer, (weight, bias) in zip(model.layers, layers, strict=True):
        layer.set_weights([weight] if bias is None else [weight, bias])


def _forward(values: Any, layers: list[tuple[Any, Any]], turned: tuple[bool, bool]) -> Any:
    """``turned``: whether the points and the weights (inputs, outputs) are given as their transposes."""
    import tensorflow as tf

    for index, (weight, bias) in enumerate(layers):
        values = tf.matmul(values, weight, transpose_a=turned[0] and index == 0, transpose_b=turned[1])
        values = values if bias is None else values + bias
        if index + 1 < len(layers):
            values = tf.nn.relu(values)
    return values
