"""What an operation of a library cannot compute, whatever its operands are: how many layers, outputs, weights it takes."""

from __future__ import annotations

from dataclasses import dataclass

from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.registry import library_named


@dataclass(frozen=True)
class Restriction:
    """How far an operation restricts the network that it is given."""

    one_layer: bool
    """It computes a single layer."""
    one_output: bool
    """Its layer has a single neuron."""
    no_weights: bool
    """It adds up its operand, so that all weights are 1."""


def restriction(environment: Environment) -> Restriction:
    """What the operation of an environment restricts; ``Library.operation`` and ``Library.runner`` refuse what exceeds it."""
    one_output = environment.operation in ("sum", "vdot")
    primitive = environment.operation in library_named(environment.library).primitives
    return Restriction(primitive, one_output, environment.operation == "sum")
