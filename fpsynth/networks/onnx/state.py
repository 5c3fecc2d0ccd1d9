"""OnnxReading: what is known of a model's tensors while its nodes are turned into layers one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.networks.assembling import Activation, Assembly
from fpsynth.networks.layers.base import shown
from fpsynth.networks.onnx.constants import OnnxConstant
from fpsynth.networks.onnx.model import OnnxOperation

Operand = Activation | OnnxConstant | None
"""What an input of a node is: computed, a constant, or left out."""


@dataclass
class OnnxReading:
    """The network so far, and what the tensors of the model are in it."""

    assembly: Assembly
    opset: int
    readers: Counter[str]
    """How many nodes read each tensor."""
    batch: int = 1
    """The size of the first axis that the model was exported for."""
    tensors: dict[str, Activation | OnnxConstant] = field(default_factory=dict)
    types: dict[str, Format | None] = field(default_factory=dict)
    """Of computed tensors: None for integers."""
    formats: set[Format] = field(default_factory=set)
    """Of all numbers that became parameters."""
    notes: list[str] = field(default_factory=list)
    """What was left out, because it changes no bits."""
    open: dict[str, int] = field(default_factory=dict)
    """Tensors that a MatMul computed and a bias may be added to: the axis of its outputs."""

    def numbers(self, operand: Operand, what: str) -> NDArray[Any]:
        """The numbers of a constant parameter."""
        if not isinstance(operand, OnnxConstant):
            raise InputError(f"its {what} {'is left out' if operand is None else 'is computed'}: it must be constant")
        if operand.format is None:
            raise InputError(f"its {what} holds integers: export the network before it is quantised")
        self.formats.add(operand.format)
        return operand.numbers

    def scalar(self, operand: Operand, what: str) -> float:
        """The number of a constant parameter that is one number."""
        return OnnxConstant(self.numbers(operand, what)).scalar


def value(operand: Operand) -> Activation:
    """The operand, which must be computed."""
    if not isinstance(operand, Activation):
        raise InputError("it reads no value that the network computes")
    return operand


def count(inputs: Sequence[Operand], least: int, most: int) -> None:
    """Raise InputError unless a node has so many inputs."""
    if not least <= len(inputs) <= most or any(operand is None for operand in inputs[:least]):
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise InputError(f"it has {len(inputs)} inputs, not {wanted}")


def one_constant(inputs: Sequence[Operand]) -> tuple[Activation, OnnxConstant, bool] | None:
    """The computed operand and the constant of two, and whether the constant comes first; None where both are computed."""
    first, second = inputs[0], inputs[1]
    if isinstance(first, Activation) and isinstance(second, OnnxConstant):
        return first, second, False
    if isinstance(first, OnnxConstant) and isinstance(second, Activation):
        return second, first, True
    return None


def aligned(operation: OnnxOperation, constant: OnnxConstant, computed: Activation, opset: int) -> OnnxConstant:
    """The constant of an operation of opset 6 where the attribute ``axis`` says which axis its first is."""
    if opset >= 7:
        operation.given()
        return constant
    broadcast, axis = operation.given(broadcast=0, axis=None)
    shape, axes = constant.numbers.shape, len(computed.dims)
    if not broadcast and shape != computed.dims:
        raise InputError(f"its operands of {shown(shape)} and {shown(computed.dims)} differ, and it does not say broadcast")
    if axis is None:
        return constant
    place = axis + axes if axis < 0 else axis
    if not 0 <= place <= axes - len(shape):
        raise InputError(f"its second operand does not fit at the axis {axis}")
    return OnnxConstant(constant.numbers.reshape(*shape, *[1] * (axes - place - len(shape))), constant.format)
