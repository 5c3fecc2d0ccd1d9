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

from fpsynth.aliases import Array
from fpsynth.formats import Format
from fpsynth.libraries.base import CannotRun, Library, Model, Operation, Outputs, outputs_of
from fpsynth.libraries.calls import Called
from fpsynth.libraries.machine import cuda_libraries, cuda_variables, gpu, limit_threads
from fpsynth.libraries.operands import BORDER, filters, images, numpy_dtype, stored

if TYPE_CHECKING:
    from fpsynth.libraries.graphs import Forward, LayerStep, Numbers
    from fpsynth.libraries.kernels import Kernel
    from fpsynth.libraries.layer_table import LayerTable
    from fpsynth.networks.layers import Layer
    from fpsynth.networks.network import Network


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

    def __init__(self) -> None:
        self._programs: dict[tuple[Any, ...], Forward] = {}

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
        for variant in self.variants:
            self.try_out(variant, device)

    def switch(self, name: str, value: str, device: str) -> None:
        """Set one of ``switches``.  ``xla`` compiles the function anew."""
        import tensorflow as tf

        if name == "tf32":
            tf.config.experimental.enable_tensor_float_32_execution(value == "on")
        elif name == "xla":
            self._programs.clear()
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
        self,
        network: Network,
        numbers: Numbers,
        dtype: Format,
        variant: str,
        device: str,
        offset: int | None = None,
        layout: str = "",
    ) -> Model:
        """Weights of dense layers are kept one row per input, as Keras does, where no layout says otherwise.

        All numbers are arguments of the graph, lest they be folded into it.
        """
        if not _multiplies(dtype.name):
            raise CannotRun(f"tf.matmul does not take {dtype.name}")
        place = _place(device, offset)
        if variant == "keras":
            return _keras(network, numbers, dtype, place)
        return self._held(network, numbers, variant, place, self.layout_of(variant, layout))

    def _held(self, network: Network, numbers: Numbers, variant: str, place: str, layout: tuple[str, str]) -> Model:
        import numpy as np
        import tensorflow as tf

        from fpsynth.libraries.graphs import HeldModel, require_flat, shaped
        from fpsynth.libraries.tensorflow_layers import filters, table
        from fpsynth.networks.layers import Convolution, Dense

        first, second = layout
        functions = table(turned=second == "T")
        functions.require(network)
        require_flat(network, first)
        compute = self._program(network, functions, (variant, first == "T", second == "T"))

        def hold(layer: Layer, arrays: Sequence[Any]) -> Sequence[Any]:
            laid = list(arrays)
            if isinstance(layer, Dense):
                laid[0] = np.ascontiguousarray(stored(laid[0].T, second))
            elif isinstance(layer, Convolution):
                laid[0] = np.ascontiguousarray(filters(layer, laid[0]))
            with tf.device(place):
                return [None if array is None else tf.constant(array) for array in laid]

        def run(rows: Array, held: Mapping[str, Sequence[Any]]) -> Any:
            with tf.device(place):
                return compute(tf.constant(np.ascontiguousarray(stored(shaped(rows, network), first))), held)

        return HeldModel(network, hold, run).put(numbers)

    def _program(self, network: Network, functions: LayerTable[LayerStep], way: tuple[str, bool, bool]) -> Forward:
        """What computes a network, or any of its structure, perhaps as a graph: once for each, and way of dense layers."""

        import tensorflow as tf

        from fpsynth.libraries.graphs import forward, readers_of_input, structure_key
        from fpsynth.libraries.tensorflow_layers import dense
        from fpsynth.networks.layers import Dense

        variant, transposed, turned = way
        key = structure_key(network), way
        if key not in self._programs:
            given = {}
            if transposed:
                step = dense(turned=turned, transposed=True)
                given = dict.fromkeys(readers_of_input(network, Dense), step)
            plain = forward(network, functions, given)
            if variant == "function":
                compiled = {"jit_compile": self.chosen["xla"] == "on"} if "xla" in self.chosen else {}
                # nothing in it depends on values of tensors: autograph would rewrite the loops over layers, which takes long
                plain = tf.function(plain, autograph=False, reduce_retracing=False, **compiled)
            self._programs[key] = plain
        return self._programs[key]

    def replace(self, model: Model, numbers: Numbers) -> bool:
        """Set the weights of a Keras model: making one takes milliseconds."""
        if not isinstance(model, _Keras):
            return super().replace(model, numbers)
        model.put(numbers)
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

    network: Network
    model: Any
    holders: Mapping[str, Any]
    """The Keras layer that takes the numbers of each node that has any."""
    place: str

    def put(self, numbers: Numbers) -> None:
        from fpsynth.libraries.keras_layers import set_numbers

        set_numbers(self.network, self.holders, numbers)

    def __call__(self, rows: Array) -> Any:
        import tensorflow as tf

        from fpsynth.libraries.graphs import shaped

        with tf.device(self.place):
            return self.model(tf.constant(shaped(rows, self.network)))


def _keras(network: Network, numbers: Numbers, dtype: Format, place: str) -> _Keras:
    import tensorflow as tf

    from fpsynth.libraries.keras_layers import TABLE, keras_model

    TABLE.require(network)
    numpy_dtype(dtype)
    with tf.device(place):
        model = _Keras(network, *keras_model(network, dtype), place)
        model.put(numbers)
    return model


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
