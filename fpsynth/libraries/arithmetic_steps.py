"""Layer types that are Python's own operators on arrays and tensors of any library, or functions of it by their names."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from fpsynth.libraries.graphs import LayerStep, Tensors
from fpsynth.networks import layers as la


def arithmetic_steps(channels: Callable[[Any, Any], Any]) -> dict[type[la.Layer], LayerStep]:
    """Their functions.  ``channels``: numbers, one per channel, as what broadcasts over (batch, channels, ...)."""

    def affine(layer: la.Affine, tensors: Tensors, inputs: Tensors) -> Any:
        scale, shift = (channels(tensor, inputs[0]) for tensor in tensors)
        return inputs[0] * scale + shift

    return {
        la.Affine: affine,
        la.Add: _add,
        la.AddConstant: lambda layer, tensors, inputs: inputs[0] + tensors[0],
        la.SubtractConstant: _subtract,
        la.MultiplyConstant: lambda layer, tensors, inputs: inputs[0] * tensors[0],
        la.DivideConstant: lambda layer, tensors, inputs: inputs[0] / tensors[0],
    }


def called_steps(module: Any, name_in: Callable[[la.Names], str]) -> dict[type[la.Layer], LayerStep]:
    """The layer types that their names say all of.  ``name_in``: which of them names a function of ``module``, if any does."""
    names = {layer: name_in(layer.names) for layer in la.CALLED}
    return {layer: _step(attrgetter(name)(module)) for layer, name in names.items() if name}


def _step(function: Callable[[Any], Any]) -> LayerStep:
    return lambda layer, tensors, inputs: function(inputs[0])


def _add(layer: la.Add, tensors: Tensors, inputs: Tensors) -> Any:
    """From the first to the last."""
    result = inputs[0]
    for values in inputs[1:]:
        result = result + values
    return result


def _subtract(layer: la.SubtractConstant, tensors: Tensors, inputs: Tensors) -> Any:
    return tensors[0] - inputs[0] if layer.turned else inputs[0] - tensors[0]


def channels_of_arrays(numbers: Any, values: Any) -> Any:
    """Of arrays and tensors that have ``reshape`` and ``ndim``, as those of numpy, torch and jax."""
    return numbers.reshape(-1, *[1] * (values.ndim - 2))
