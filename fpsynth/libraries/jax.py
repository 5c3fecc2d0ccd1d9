"""jax: jnp.matmul as one jit-compiled function of the whole network, or operation by operation."""

from __future__ import annotations

import os
from typing import Any

from fpsynth.formats import FLOAT32, Format
from fpsynth.libraries.base import CannotRun, Library, Outputs, Rows, Runner, exact_array, outputs_of
from fpsynth.networks.network import Dense, Network


class Jax(Library):
    """``jit``: the network compiled by XLA as a whole.  ``eager``: each operation compiled by itself."""

    name = "jax"
    packages = ("jax",)
    variants = ("jit", "eager")
    primitives = ("sum", "vdot", "conv2d")
    devices = ("cpu", "cuda")
    _jitted: Any
    """One function for all networks: those of the same shape are compiled once."""

    def load(self, device: str) -> None:
        """Import jax with 64-bit types on, and run one small network each way.  Raises CannotRun where it sees no GPU."""
        if device == "cpu":
            os.environ.setdefault("JAX_PLATFORMS", "cpu")  # do not look for accelerators
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        import jax

        jax.config.update("jax_enable_x64", True)  # without it float64 arrays become float32; other types are not touched
        _device(device)
        self._jitted = jax.jit(_forward)
        for variant in self.variants:
            self.prepare(Network((Dense(((1.0,), (2.0,))),)), FLOAT32, variant, device)([(1.0,)])

    def describe(self, device: str) -> dict[str, str]:
        """The XLA client, its device and jax's default precision of products."""
        import jax
        import jaxlib

        chosen = _device(device)
        return {
            "jaxlib": jaxlib.__version__,
            "platform": str(chosen.client.platform_version).splitlines()[0],
            "device_kind": str(chosen.device_kind),
            "matmul_precision": str(jax.config.jax_default_matmul_precision or "default"),
        }

    def prepare(self, network: Network[float], dtype: Format, variant: str, device: str) -> Runner:
        """Weights are kept one row per output; they are arguments of the compiled function, lest they be folded into it."""
        import jax
        import jax.numpy as jnp
        import numpy as np

        place = _device(device)
        layers = [
            (
                jax.device_put(exact_array(layer.weight, dtype), place),
                None if layer.bias is None else jax.device_put(exact_array(layer.bias, dtype), place),
            )
            for layer in network.layers
        ]

        compiled = self._jitted if variant == "jit" else _forward

        def run(rows: Rows) -> Outputs:
            logits = compiled(jax.device_put(exact_array(rows, dtype), place), layers)
            return outputs_of(np.asarray(logits), np.asarray(jnp.argmax(logits, axis=1)).tolist(), dtype)

        return run


def _forward(values: Any, layers: list[tuple[Any, Any]]) -> Any:
    import jax.numpy as jnp

    for index, (weight, bias) in enumerate(layers):
        values = jnp.matmul(values, weight.T)
        values = values if bias is None else values + bias
        if index + 1 < len(layers):
            values = jnp.maximum(values, 0)
    return values


def _device(device: str) -> Any:
    import jax

    try:
        return jax.devices(device)[0]
    except RuntimeError:
        raise CannotRun(f"this build of jax sees no device {device}") from None
