"""What one dense layer loses to rounding in a format, whatever the order: the constants in the text of ``lipschitz_sound``."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.formats import FLOAT16, Format, power_of_two
from fpsynth.networks.network import Dense
from fpsynth.verifiers.bounds import norm_upper, round_up, sqrt_upper
from fpsynth.verifiers.linear_bounds import UNIT_BITS, in_units


@dataclass(frozen=True)
class Losses:
    """The constants of one layer width in one format: see the text of ``lipschitz_sound``."""

    kappa: Fraction
    bias: Fraction
    """lambda: what multiplies |b_i|."""
    flush: Fraction
    """(1 + kappa) m for formats that may be flushed, else 0: what multiplies sum |w_ij| + sum |hhat_j|."""
    tau: Fraction
    """The rest of tau_i."""


def losses(layer: Dense, fmt: Format) -> Losses | None:
    """The constants of a layer; None where the layer is so wide that rounding errors have no bound (k u >= 1)."""
    n, u = layer.inputs, fmt.unit_roundoff
    roundings = n + 1 + (layer.bias is not None)
    if roundings * u >= 1:
        return None
    kappa = roundings * u / (1 - roundings * u)
    bias = (n + 1) * u / (1 - (n + 1) * u)
    if fmt == FLOAT16:
        return Losses(kappa, bias, Fraction(0), (1 + kappa) * (n + 1) * fmt.min_subnormal / 2)
    flush = (1 + kappa) * fmt.min_normal
    return Losses(kappa, bias, flush, flush * (6 * n + 4))


@dataclass(frozen=True)
class LayerError:
    """How far one hidden layer's computed output strays: norm * d + relative * |computed input| + absolute."""

    norm: Fraction
    relative: Fraction
    """K."""
    absolute: Fraction
    """T."""

    @cached_property
    def units(self) -> tuple[int, int, int]:
        """The three in units."""
        return in_units(self.norm), in_units(self.relative), in_units(self.absolute)


def biases(layer: Dense) -> list[float]:
    """A bias for each output: zeros where there are none."""
    return [0.0] * layer.outputs if layer.bias is None else layer.bias.tolist()


def layer_error(layer: Dense, norm: Fraction, absolute_norm: Fraction, lost: Losses) -> LayerError:
    """The error of a layer whose weight has the spectral norm ``norm``, and its magnitudes ``absolute_norm``, at most."""
    outputs = layer.outputs
    relative = lost.kappa * absolute_norm
    absolute = lost.bias * norm_upper(map(Fraction, biases(layer))) + lost.tau * sqrt_upper(Fraction(outputs))
    if lost.flush:
        flush = lost.flush * sqrt_upper(Fraction(layer.inputs))  # the sum of n magnitudes is at most sqrt(n) times their norm
        relative += flush * sqrt_upper(Fraction(outputs))
        absolute += flush * norm_upper(row_norms(layer))
    return LayerError(round_up(norm), round_up(relative), round_up(absolute))


def norms_upper(values: Floats) -> list[int]:
    """Upper bounds of the Euclidean norms of the rows, in units, from float64 sums that can neither under- nor overflow."""
    exponents = np.frexp(np.abs(values).max(axis=1))[1]
    scaled = np.ldexp(values, -exponents[:, None])  # the largest entry lies in [1/2, 1)
    roots = np.ldexp(np.sqrt((scaled * scaled).sum(axis=1)), 53)  # integers, as the roots are 0 or at least 1/2
    slack = (1 << 52) + values.shape[1] + 4  # for n roundings, those of the root, and entries that underflowed
    return [-(-(int(r) * slack << (UNIT_BITS + e)) >> 105) for r, e in zip(roots.tolist(), exponents.tolist(), strict=True)]


def row_norms(layer: Dense) -> list[Fraction]:
    """Upper bounds of the norms of the rows of the weight."""
    return [round_up(norm * power_of_two(-UNIT_BITS)) for norm in norms_upper(layer.weight.astype(np.float64))]
