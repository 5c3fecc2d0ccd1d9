"""TensorFlow: a Keras model of Dense layers, a bare tf.matmul run eagerly, or the same as a tf.function."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from fpsynth.formats import FLOAT32, Format
from fpsynth.libraries.base import CannotRun, Library, Outputs, Rows, Runner, exact_array, numpy_dtype, outputs_of
from fpsynth.networks.network import Dense, Network


class TensorFlow(Library):
    """``keras``: model(rows).  ``matmul``: tf.matmul, eager.  ``function``: the same compiled into a graph, whose fused kernels
    round otherwise in 16-bit formats.

    model.predict is not used: it casts the points to keras.floatx, so that float64 points lose bits on the way in.
    """

    name = "tensorflow"
    packages = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos")
    variants = ("keras", "matmul", "function")
    primitives = ("sum", "vdot", "conv2d")
    devices = ("cpu", "cuda")
    _graph: Any
    """One tf.function for all networks: those of the same shape are traced once."""

    def load(self, device: str) -> None:
        """Import TensorFlow and Keras, and start its runtime, by running one small network each way."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # decides what is logged, nothing else
        os.environ["KERAS_BACKEND"] = "tensorflow"
        if device == "cuda":
            os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        with _without_jax():
            import tensorflow as tf

        if device == "cpu":
            with contextlib.suppress(RuntimeError):  # the devices are fixed once something has run
                tf.config.set_visible_devices([], "GPU")
        elif not tf.config.list_physical_devices("GPU"):
            raise CannotRun("this build of TensorFlow sees no GPU")
        self._graph = tf.function(_forward, reduce_retracing=False)
        for variant in self.variants:
            self.prepare(Network((Dense(((1.0,), (2.0,))),)), FLOAT32, variant, device)([(1.0,)])

    def describe(self, device: str) -> dict[str, str]:
        """Keras, oneDNN, threads (0 means: TensorFlow decides), XLA, TF32."""
        import tensorflow as tf

        facts = {
            "keras": str(tf.keras.__version__),
            "threads": str(tf.config.threading.get_intra_op_parallelism_threads()),
            "xla": str(tf.config.optimizer.get_jit() or "off"),
        }
        with contextlib.suppress(ImportError, AttributeError):  # not public: absent from some versions
            from tensorflow.python.util import _pywrap_util_port

            facts["onednn"] = str(bool(_pywrap_util_port.IsMklEnabled()))
        if device == "cuda":
            gpu = tf.config.list_physical_devices("GPU")[0]
            facts["gpu"] = str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))
            facts["tf32"] = str(tf.config.experimental.tensor_float_32_execution_enabled())
        return facts

    def prepare(self, network: Network[float], dtype: Format, variant: str, device: str) -> Runner:
        """Weights are kept one row per input, as Keras does."""
        import numpy as np
        import tensorflow as tf

        try:
            tf.matmul(*[tf.constant(exact_array([[1.0]], dtype))] * 2)
        except (TypeError, tf.errors.InvalidArgumentError):  # its own words fill a page, and differ between variants
            raise CannotRun(f"tf.matmul does not take {dtype.name}") from None
        place = "/CPU:0" if device == "cpu" else "/GPU:0"
        layers = [
            (
                np.ascontiguousarray(exact_array(layer.weight, dtype).T),
                None if layer.bias is None else exact_array(layer.bias, dtype),
            )
            for layer in network.layers
        ]
        with tf.device(place):
            forward = _keras(layers, dtype) if variant == "keras" else self._matmul(layers, variant)

        def run(rows: Rows) -> Outputs:
            with tf.device(place):
                logits = forward(tf.constant(exact_array(rows, dtype)))
                classes = tf.argmax(logits, axis=1).numpy().tolist()
            return outputs_of(logits.numpy(), classes, dtype)

        return run

    def _matmul(self, layers: list[tuple[Any, Any]], variant: str) -> Any:
        """The network as a function of the rows; the weights are arguments of the graph, lest they be folded into it."""
        import tensorflow as tf

        weights = [(tf.constant(weight), None if bias is None else tf.constant(bias)) for weight, bias in layers]
        forward = self._graph if variant == "function" else _forward
        return lambda rows: forward(rows, weights)


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


def _keras(layers: list[tuple[Any, Any]], dtype: Format) -> Any:
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
    for layer, (weight, bias) in zip(dense, layers, strict=True):
        layer.set_weights([weight] if bias is None else [weight, bias])
    return model


def _forward(values: Any, layers: list[tuple[Any, Any]]) -> Any:
    import tensorflow as tf

    for index, (weight, bias) in enumerate(layers):
        values = tf.matmul(values, weight)
        values = values if bias is None else values + bias
        if index + 1 < len(layers):
            values = tf.nn.relu(values)
    return values
