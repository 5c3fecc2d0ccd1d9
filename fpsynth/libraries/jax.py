"""jax: jnp.matmul as one jit-compiled function of the whole network, or operation by operation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fpsynth.aliases import Array
from fpsynth.formats import Format
from fpsynth.libraries.base import CannotRun, Library, Model, Operation, Outputs, one_line, outputs_of
from fpsynth.libraries.calls import BOTH, Called
from fpsynth.libraries.machine import cores, cuda_libraries, cuda_variables, gpu
from fpsynth.libraries.operands import BORDER, filters, images, placed, stored

if TYPE_CHECKING:
    from fpsynth.libraries.graphs import Forward, LayerStep, Numbers
    from fpsynth.libraries.kernels import Kernel
    from fpsynth.libraries.layer_table import LayerTable
    from fpsynth.networks.layers import Layer
    from fpsynth.networks.network import Network


LEVELS = ("highest", "high", "tensorfloat32", "bfloat16", "float32")
ALGORITHMS = (
    "F16_F16_F32",
    "BF16_BF16_F32",
    "BF16_BF16_F32_X3",
    "BF16_BF16_F32_X6",
    "BF16_BF16_F32_X9",
    "TF32_TF32_F32",
    "TF32_TF32_F32_X3",
    "F32_F32_F32",
)
"""Of jax.lax.DotAlgorithmPreset: formats of the factors, format of the sum, products that stand for one."""


class Jax(Library):
    """``jit``: the network compiled by XLA as a whole.  ``eager``: each operation compiled by itself.

    On a GPU XLA tries kernels and takes the fastest, so that two processes may compute differently: not so with
    ``deterministic``.
    """

    name = "jax"
    packages = ("jax",)
    variants = ("jit", "eager")
    primitives = ("sum", "vdot", "conv2d")
    calls = MappingProxyType(
        {
            "jit": Called(
                "jax.jit(lambda x, W: jnp.matmul({x}, {W}))(x, W)",
                "jax.jit(lambda x, W, b: jnp.matmul({x}, {W}) + b)(x, W, b)",
                layouts=BOTH,
                tried=("NN", "TT"),
            ),
            "eager": Called("jnp.matmul({x}, {W})", layouts=BOTH),
            "sum": Called("jnp.sum(x, axis=1)", one_row="jnp.sum(x[0])"),
            "vdot": Called("jnp.vdot(x[0], W[0])"),
            "conv2d": Called(
                'lax.conv_general_dilated(x, W, (1, 1), "VALID", dimension_numbers=("NCHW", "OIHW", "NCHW"))', images="NCHW"
            ),
        }
    )
    other_names = MappingProxyType({"matmul": "eager"})
    devices = ("cpu", "cuda")
    switches = MappingProxyType({"deterministic": ("off", "on"), "precision": ("default", *LEVELS, *ALGORITHMS)})
    """``precision``: how products and convolutions of float32 may be computed; by default a GPU may use TF32."""
    switch_devices = MappingProxyType({"deterministic": "cuda"})

    def __init__(self) -> None:
        self._programs: dict[tuple[Any, ...], Forward] = {}

    def load(self, device: str, threads: int | None = None) -> None:
        """Import jax with 64-bit types on, and run one small network each way.  Raises CannotRun where it sees no GPU."""
        if device == "cpu":
            os.environ.setdefault("JAX_PLATFORMS", "cpu")  # do not look for accelerators
        if threads is not None:
            os.environ["NPROC"] = str(threads)  # XLA takes it for the number of cores when it makes its pool of threads
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        import jax

        jax.config.update("jax_enable_x64", True)  # without it float64 arrays become float32; other types are not touched
        _device(device)
        for variant in self.variants:
            self.try_out(variant, device)

    def variables(self, switches: Mapping[str, str]) -> Mapping[str, str]:
        """XLA reads its flags when it starts."""
        if "deterministic" not in switches:
            return {}
        flag = f"--xla_gpu_deterministic_ops={'true' if switches['deterministic'] == 'on' else 'false'}"
        return {"XLA_FLAGS": " ".join([*os.environ.get("XLA_FLAGS", "").split(), flag])}

    def switch(self, name: str, value: str, device: str) -> None:
        """Set jax_default_matmul_precision.  Raises CannotRun where this jax does not know the value."""
        import jax

        if name == "deterministic":
            return  # ``variables`` has set it
        try:
            jax.config.update("jax_default_matmul_precision", value)
        except ValueError as error:
            raise CannotRun(one_line(error)) from None

    def describe(self, device: str) -> dict[str, str]:
        """The XLA client, its device and jax's default precision of products; on a GPU what that is and CUDA's libraries."""
        import jax
        import jaxlib

        chosen = _device(device)
        own = {**gpu(), **cuda_libraries(), **cuda_variables()} if device == "cuda" else {}
        return {
            **own,
            "threads": os.environ.get("NPROC", str(cores())),
            "jaxlib": jaxlib.__version__,
            "platform": " ".join(str(chosen.client.platform_version).split())[:120],
            "device_kind": str(chosen.device_kind),
            "matmul_precision": str(jax.config.jax_default_matmul_precision or "default"),
            "xla_flags": os.environ.get("XLA_FLAGS", "unset"),
            "preallocate": os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "true"),
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
        """Weights of dense layers are kept one row per output where no layout says otherwise.

        All numbers are arguments of the compiled function, lest they be folded into it.
        """

        from fpsynth.libraries.graphs import HeldModel, require_flat, shaped
        from fpsynth.libraries.jax_layers import table
        from fpsynth.networks.layers import Dense

        put = _putter(device, offset)
        first, second = self.layout_of(variant, layout)
        functions = table(second == "T")
        functions.require(network)
        require_flat(network, first)
        compute = self._program(network, functions, (variant, first == "T", second == "T"))

        def hold(layer: Layer, arrays: Sequence[Any]) -> Sequence[Any]:
            if isinstance(layer, Dense):
                weight, bias = arrays
                return [put(stored(weight.T, second)), None if bias is None else put(bias)]
            return [None if array is None else put(array) for array in arrays]

        def run(rows: Array, held: Mapping[str, Sequence[Any]]) -> Any:
            return compute(put(stored(shaped(rows, network), first)), held)

        return HeldModel(network, hold, run).put(numbers)

    def _program(self, network: Network, functions: LayerTable[LayerStep], way: tuple[str, bool, bool]) -> Forward:
        """What computes a network, or any of its structure, perhaps compiled: once for each, and each way of dense layers."""

        import jax

        from fpsynth.libraries.graphs import forward, structure_key

        key = structure_key(network), way
        if key not in self._programs:
            plain = forward(network, functions)
            turned = (lambda values, held: plain(values.T, held)) if way[1] else plain
            self._programs[key] = jax.jit(turned) if way[0] == "jit" else turned
        return self._programs[key]

    def primitive(self, kernel: Kernel, offset: int | None = None) -> Operation:
        """jnp.sum of a vector, or over axis 1 of a batch; jnp.vdot of two vectors; lax.conv_general_dilated, channels first."""
        import jax
        import jax.numpy as jnp

        put = _putter(kernel.environment.device, offset)

        def total(rows: Array, weights: Array, bias: Array | None) -> Array:
            return self.numbers(jnp.sum(put(rows), axis=1) if len(rows) > 1 else jnp.sum(put(rows[0])))

        def product(rows: Array, weights: Array, bias: Array | None) -> Array:
            return self.numbers(jnp.vdot(put(rows[0]), put(weights[0])))

        def convolution(rows: Array, weights: Array, bias: Array | None) -> Array:
            layout = ("NCHW", "OIHW", "NCHW")
            maps = jax.lax.conv_general_dilated(
                put(images(rows)), put(filters(weights)), (1, 1), "VALID", dimension_numbers=layout
            )
            maps = maps if bias is None else maps + put(bias.reshape(-1, 1, 1))
            return self.numbers(maps)[:, :, BORDER, BORDER]

        chosen = {"sum": total, "vdot": product, "conv2d": convolution}[kernel.environment.operation]
        return lambda rows, weights, bias: chosen(rows, weights, bias).reshape(len(rows), -1)

    def numbers(self, tensor: Any) -> Array:
        """The jax array as one of numpy."""
        import numpy as np

        return np.asarray(tensor)

    def outputs(self, tensor: Any, dtype: Format) -> Outputs:
        """The logits and jnp.argmax."""
        import jax.numpy as jnp
        import numpy as np

        return outputs_of(np.asarray(tensor), np.asarray(jnp.argmax(tensor, axis=1)).tolist(), dtype)


def _putter(device: str, offset: int | None) -> Any:
    """What puts an array on the device.  On the CPU jax uses an aligned array where it lies, and copies any other."""
    import jax

    if offset is not None:
        raise CannotRun("jax copies what is not aligned to 64 bytes")
    where = _device(device)
    return lambda array: jax.device_put(placed(array), where)


def _device(device: str) -> Any:
    import jax

    try:
        return jax.devices(device)[0]
    except RuntimeError as error:
        raise CannotRun(f"this build of jax sees no device {device} ({one_line(error, 120)})") from None
