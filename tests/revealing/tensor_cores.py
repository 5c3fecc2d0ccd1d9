"""A simulated tensor core, straight from the papers in numpy's integers: it shares no code with the model that it checks.

A matrix instruction adds an accumulator and the exact products of a group in one step: all are aligned to the largest
exponent (a product's is the sum of its factors', and it is not normalised), cut toward zero some bits below that, summed
exactly and rounded (Fasi et al., PeerJ Computer Science 2021; Xie et al., "MMA-Sim", 2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.formats import FORMATS
from fpsynth.libraries.operands import narrowed, widened

Array = NDArray[Any]
Ints = NDArray[np.int64]

OPERANDS = {"float16": (11, -14), "bfloat16": (8, -126), "tf32": (11, -126), "float32": (24, -126)}
"""Significand bits and least normal exponent."""
RESULTS = {"float16": (11, -24, 15), "bfloat16": (8, -133, 127), "float32": (24, -149, 127)}
"""Significand bits, exponent of the least subnormal number and of the largest number."""
_NOTHING = -(1 << 20)
"""The exponent of a zero."""


@dataclass(frozen=True)
class TensorCore:
    """A kernel that multiplies matrices on tensor cores."""

    operands: str = "float16"
    result: str = "float16"
    group: int = 16
    """Products in each step."""
    fraction_bits: int = 25
    accumulator: str = "float32"
    """It is rounded toward zero into float32, to nearest even into float16."""
    operand_rounding: str = "RTZ"
    """How float32 operands become tf32 ones."""
    splits: int = 1
    """The sum is cut into so many parts, which are added by ordinary float32 additions from left to right."""
    interleaved: int = 1
    """In each tile of group * interleaved terms a group takes every so many-th."""
    least_exponent: int | None = None
    reduced: bool = False
    """The parts of a split sum are rounded into the result's format before they are added."""
    late_bias: bool = False
    """The bias is added to the rounded result instead of the accumulator."""

    def __str__(self) -> str:
        return f"{self.operands} in groups of {self.group} with {self.fraction_bits} bits into {self.accumulator}"

    def __call__(self, rows: Array, weights: Array, bias: Array | None) -> Array:
        """Rows (batch, terms) times weights (outputs, terms), and a bias (outputs,); float64 arrays are as good."""
        x, w = (self.read(widened(side)) for side in (rows, weights))
        parts = [self._chain(x, w, steps) for steps in self._parts_of(x.shape[1])]
        if self.reduced:
            parts = [rounded(part, *RESULTS[self.result], "RNE") for part in parts]
        total = parts[0]
        for part in parts[1:]:
            total = _float32(total + part)
        if bias is not None and not self.late_bias:
            total = _float32(total + widened(bias)) if self.accumulator == "float32" else total + bias
        result = rounded(total, *RESULTS[self.result], "RNE")
        if bias is not None and self.late_bias:
            result = rounded(result + widened(bias), *RESULTS[self.result], "RNE")
        if rows.dtype.names:  # bit patterns, where numpy has no dtype
            return narrowed(result, FORMATS[self.result], patterns=True)
        return result.astype(np.float32 if self.result == "float32" else rows.dtype)

    def groups(self, terms: int) -> Array:
        """The terms of each step (steps, group), -1 where there is none: the last steps are padded with zeros."""
        tile = self.group * self.interleaved
        padded = np.full(-(-terms // tile) * tile, -1)
        padded[:terms] = np.arange(terms)
        steps = padded.reshape(-1, self.group, self.interleaved).swapaxes(1, 2).reshape(-1, self.group)
        return steps[(steps >= 0).any(axis=1)]

    @cache  # noqa: B019  (there are few of them, and they are small)
    def _parts_of(self, terms: int) -> list[list[Array]]:
        """The terms of each step, for each part of a split sum."""
        parts = np.array_split(self.groups(terms), self.splits)
        return [[step[step >= 0] for step in part] for part in parts if len(part)]

    def read(self, x: Array) -> Array:
        """Operands as they are multiplied."""
        if self.operands != "tf32":
            return x
        bits = x.astype(np.float32).view(np.int32).astype(np.int64)
        half, odd = 1 << 12, (bits >> 13) & 1
        more = {"RTZ": 0, "RNA": half, "RNE": half - 1 + odd}[self.operand_rounding]
        cut = ((bits + more) & ~((1 << 13) - 1)).astype(np.int32).view(np.float32).astype(np.float64)
        return np.where(np.isfinite(x), cut, x)

    def _chain(self, x: Array, w: Array, steps: list[Array]) -> Array:
        """The accumulator after all steps, (batch, outputs)."""
        (sx, ex, vx), (sw, ew, vw) = (_parts(side, *OPERANDS[self.operands]) for side in (x.T, w.T))
        significands = sx[:, :, None] * sw[:, None, :]  # (terms, batch, outputs)
        exponents = np.where(significands != 0, ex[:, :, None] + ew[:, None, :], _NOTHING)
        units = vx[:, :, None] + vw[:, None, :]
        total = np.zeros((len(x), len(w)))
        for chosen in steps:
            total = self._step(total, significands[chosen], exponents[chosen], units[chosen])
        return total

    def _step(self, total: Array, significands: Ints, exponents: Ints, units: Ints) -> Array:
        """One instruction: products significands * 2**units with the given exponents, added to ``total``."""
        precision, least, _ = RESULTS[self.accumulator]
        finite = np.isfinite(total)
        s, e, u = _parts(np.where(finite, total, 0.0), precision, least + precision - 1)
        largest = np.maximum(np.maximum.reduce(exponents), np.where(s != 0, e, _NOTHING))
        if self.least_exponent is not None:
            largest = np.maximum(largest, self.least_exponent)
        last = largest - self.fraction_bits
        added = np.add.reduce(_shifted(significands, units - last)) + _shifted(s, u - last)
        exact = np.ldexp(added.astype(np.float64), np.where(added != 0, last, 0))
        result = rounded(exact, *RESULTS[self.accumulator], "RTZ" if self.accumulator == "float32" else "RNE")
        return np.where(finite, result, total)


def _parts(x: Array, precision: int, emin: int) -> tuple[Ints, Ints, Ints]:
    """Integers s, e, u with x = s * 2**u and e the exponent of x."""
    exponent = np.maximum(np.frexp(x)[1].astype(np.int64) - 1, emin)
    unit = exponent - (precision - 1)
    return np.ldexp(x, -unit).astype(np.int64), exponent, unit


def _shifted(significands: Ints, by: Ints) -> Ints:
    """The integers times 2**by, cut toward zero."""
    left = np.minimum(np.maximum(by, 0), 40)
    return np.sign(significands) * ((np.abs(significands) << left) >> np.minimum(left - np.minimum(by, left), 62))


def rounded(x: Array, precision: int, least: int, emax: int, mode: str) -> Array:
    """Finite float64 numbers rounded into a format; what overflows becomes an infinity, whatever the mode."""
    finite = np.isfinite(x)
    number = np.where(finite, x, 0.0)
    unit = np.maximum(np.frexp(number)[1].astype(np.int64) - precision, least)
    scaled = np.ldexp(number, -unit)
    kept = np.ldexp(np.trunc(scaled) if mode == "RTZ" else np.rint(scaled), unit)
    over = np.abs(number) >= 2.0 ** (emax + 1) if mode == "RTZ" else np.abs(kept) >= 2.0 ** (emax + 1)
    kept = np.where(over, np.copysign(np.inf, number), kept)
    return np.where(finite, kept, x)


def _float32(x: Array) -> Array:
    with np.errstate(over="ignore"):
        return x.astype(np.float32).astype(np.float64)
