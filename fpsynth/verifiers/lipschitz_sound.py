r"""A Lipschitz certifier that is sound in floating point: for every order of summation, fused or not, bias included.

Setting.  Layer l computes z_l = W_l h_{l-1} + b_l and h_l = max(z_l, 0) with h_0 the input; hats mark computed values; n is
the layer's number of inputs, |.| the Euclidean or spectral norm, |W| entrywise where it is doubled: ||W||.  Each operation
rounds to nearest with unit roundoff u, so that fl(a op b) = (a op b)(1 + delta) + theta, |delta| <= u, theta for underflow.

One neuron.  In any tree over the n products and the bias, a product passes at most n + 1 roundings (its own and those of n
additions; one fewer without a bias) and the bias n.  A cast from a wider accumulator adds one.  With gamma_k = k u/(1 - k u),
k u < 1 (Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1), kappa = gamma_k for k = n + 1 (+ 1 with a bias)
and lambda = gamma_{n+1}:

    |zhat_i - (W hhat + b)_i|  <=  kappa (||W|| |hhat|)_i + lambda |b_i| + tau_i.

Underflow, tau.  Additions never underflow in gradual underflow, products and the cast lose at most half the smallest
subnormal, e: tau_i = (1 + kappa)(n + 1) e/2.  Formats whose hardware may flush subnormals to zero (all but float16) lose
more: with m the smallest normal number, a product at most m (|w| + |x|) by flushed operands and 2m by a flushed result, an
addition 4m, the cast 3m, ReLU or the comparison of the logits m:

    tau_i = (1 + kappa) m (sum_j |w_ij| + sum_j |hhat_j| + 6n + 4),     sum_j |v_j| <= sqrt(n) |v|.

One layer.  With d_l >= |hhat_l - h_l| (d_0 = 0) and r_l >= |h_l|, and because ReLU is 1-Lipschitz and rounds nothing,

    d_l = alpha d_{l-1} + beta,   alpha = |W| + K,   beta = K r_{l-1} + T,
    K = kappa | ||W|| | (+ (1 + kappa) m sqrt(n outputs) if flushed),   T = lambda |b| + |tau without its sum over hhat|.

Over the ball of radius eps around x:  r_l = |h_l(x)| + eps |W_l| ... |W_1|.  The norms |h_l(x)| are not known exactly: they are
computed in float64, and the same recursion, with float64's constants and the computed norms, bounds their own error.

Logits.  For classes k (the point's own) and i the computed lead differs from the real one by at most

    E_ki(eps) = |w_k - w_i| d + K_ki (r + d) + T_ki,   K_ki = kappa | ||w_k|| + ||w_i|| | (+ flush),

d and r those of the last hidden layer.  The given logits have such an error too (E_ki at eps = 0), whichever order and
fusing computed them.  So if, with L_ki = |w_k - w_i| times the hidden norms,

    logit_k - logit_i  >  eps L_ki + E_ki(0) + E_ki(eps)    for every i,

then logit k is strictly the largest at every floating-point number of the ball, and argmax is k however it breaks ties.

Overflow.  No sum, partial or whole, exceeds (1 + kappa)(max_i |w_i| (r + d) + max_i |b_i|) + tau in magnitude; where that may
reach the largest finite number of the format, the point is rejected.

Every bound is affine in eps and in the norms |h_l(x)|, so each network gives a fixed table of coefficients, rounded up, and
the certified radii of a point are exactly those below one rational.

Not covered: directed rounding, sums that are not trees of roundings to nearest (Strassen, Winograd, tensor cores that
truncate), and programs that round operands, or round more coarsely or more often than this, as those that round partial sums
into a narrower format before they add them: ``verifiers.covered`` tells which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from operator import add

import numpy as np
import numpy.typing as npt

from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format, power_of_two
from fpsynth.networks.network import Dense, Network
from fpsynth.rounding import from_float, representable
from fpsynth.verifiers.bounds import norm_upper, round_up, sqrt_upper
from fpsynth.verifiers.lipschitz_ball import hidden_norms, margin_bounds, spectral_norm_upper
from fpsynth.verifiers.margins import (
    Bounds,
    Progress,
    check_network,
    check_query,
    least,
    margins,
    no_progress,
    squared_differences,
    top_class,
)

FORMATS = (FLOAT16, BFLOAT16, FLOAT32, FLOAT64)
"""What a network may be deployed in."""

Array = npt.NDArray[np.float64]


_UNIT_BITS = 1200
"""What is computed per point is computed in integers, in units of 2**-1200: finer than any float64, and rounded up."""


def _units(number: Fraction) -> int:
    """``number`` in units of 2**-_UNIT_BITS, rounded up (exact for a float64)."""
    return -(-(number.numerator << _UNIT_BITS) // number.denominator)


def _scaled(*products: tuple[int, int]) -> int:
    """The sum of products of two numbers in units, in units, rounded up."""
    return -(-sum(a * b for a, b in products) >> _UNIT_BITS)


@dataclass(frozen=True)
class Affine:
    """An upper bound: sum of norms[l] * |h_l(x)|, plus radius * eps, plus constant; no coefficient is negative."""

    norms: tuple[Fraction, ...]
    radius: Fraction
    constant: Fraction

    def __add__(self, other: Affine) -> Affine:
        norms = tuple(a + b for a, b in zip(self.norms, other.norms, strict=True))
        return Affine(norms, self.radius + other.radius, self.constant + other.constant)

    def scaled(self, factor: Fraction) -> Affine:
        """``factor`` >= 0 times this, every coefficient rounded up to 64 bits."""
        norms = tuple(round_up(factor * norm) for norm in self.norms)
        return Affine(norms, round_up(factor * self.radius), round_up(factor * self.constant))

    def plus(self, constant: Fraction) -> Affine:
        """This and a constant."""
        return Affine(self.norms, self.radius, self.constant + constant)

    @cached_property
    def units(self) -> tuple[tuple[int, ...], int, int]:
        """Every coefficient in units: of the norms, of eps, and the constant."""
        return tuple(map(_units, self.norms)), _units(self.radius), _units(self.constant)

    def limit(self, available: int, norms: Sequence[int]) -> tuple[int, int]:
        """The eps at which this reaches ``available``, for the norms given (all in units), as numerator and denominator."""
        coefficients, radius, constant = self.units
        return available - constant - _scaled(*zip(coefficients, norms, strict=True)), radius


@dataclass(frozen=True)
class Rounding:
    """The constants of one layer width in one format: see the module's text."""

    kappa: Fraction
    bias: Fraction
    """lambda: what multiplies |b_i|."""
    flush: Fraction
    """(1 + kappa) m for formats that may be flushed, else 0: what multiplies sum |w_ij| + sum |hhat_j|."""
    tau: Fraction
    """The rest of tau_i."""


def _rounding(layer: Dense, fmt: Format) -> Rounding | None:
    """None where the layer is so wide that rounding errors have no bound (k u >= 1)."""
    n, u = layer.inputs, fmt.unit_roundoff
    roundings = n + 1 + (layer.bias is not None)
    if roundings * u >= 1:
        return None
    kappa = roundings * u / (1 - roundings * u)
    bias = (n + 1) * u / (1 - (n + 1) * u)
    if fmt == FLOAT16:
        return Rounding(kappa, bias, Fraction(0), (1 + kappa) * (n + 1) * fmt.min_subnormal / 2)
    flush = (1 + kappa) * fmt.min_normal
    return Rounding(kappa, bias, flush, flush * (6 * n + 4))


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
        return _units(self.norm), _units(self.relative), _units(self.absolute)


def _biases(layer: Dense) -> list[float]:
    return [0.0] * layer.outputs if layer.bias is None else layer.bias.tolist()


def _layer_error(layer: Dense, norm: Fraction, absolute_norm: Fraction, how: Rounding) -> LayerError:
    outputs = layer.outputs
    relative = how.kappa * absolute_norm
    absolute = how.bias * norm_upper(map(Fraction, _biases(layer))) + how.tau * sqrt_upper(Fraction(outputs))
    if how.flush:
        flush = how.flush * sqrt_upper(Fraction(layer.inputs))  # the sum of n magnitudes is at most sqrt(n) times their norm
        relative += flush * sqrt_upper(Fraction(outputs))
        absolute += flush * norm_upper(_row_norms(layer))
    return LayerError(round_up(norm), round_up(relative), round_up(absolute))


@dataclass(frozen=True)
class SoundCertifier:
    """The certifier ``lipschitz-sound`` of one network in one format, everything but the point computed beforehand."""

    network: Network
    format: Format
    bounds: Bounds
    """L: as for the certifiers that reason in real numbers."""
    centre: tuple[LayerError, ...]
    """Of the float64 evaluation of the hidden layers."""
    leads: Mapping[tuple[int, int], Affine] | None
    """For (k, i): what the lead of k over i must exceed; None where the network is too wide for the format."""
    overflow: tuple[Affine, ...]
    """What must stay below the largest finite number."""
    name: str = "lipschitz-sound"

    def accepts(self, point: Sequence[float], logits: Sequence[float], radius: Fraction) -> bool:
        """Whether no floating-point input within ``radius`` (L2, exact) of ``point`` has another class, in any order.

        ``logits`` are those computed at the point in the format.  Raises InputError for wrong lengths, a negative radius
        and a point that the format does not hold.
        """
        check_query(self.network.widths, point, logits, radius)
        return radius < self.supremum(point, logits)

    def supremum(self, point: Sequence[float], logits: Sequence[float]) -> Fraction:
        """Return the rational below which every radius, and no other, is accepted; 0 where none is.

        Raises InputError for wrong lengths and a point that the format does not hold.
        """
        check_query(self.network.widths, point, logits)
        return self.suprema([point], [logits])[0]

    def accepts_all(self, points: Sequence[Sequence[float]], logits: Sequence[Sequence[float]], radius: Fraction) -> list[bool]:
        """``accepts`` of many points, faster than one by one."""
        return [radius < supremum for supremum in self.suprema(points, logits)]

    def suprema(self, points: Sequence[Sequence[float]], logits: Sequence[Sequence[float]]) -> list[Fraction]:
        """``supremum`` of many points (points, inputs) with their logits (points, outputs)."""
        rows = np.asarray(points, dtype=np.float64)
        if not _holds(self.format, rows):
            raise InputError(f"the point has a coordinate that is not a finite {self.format}")
        if self.leads is None:
            return [Fraction(0)] * len(rows)
        return [self._supremum(norms, row) for norms, row in zip(self._centre_norms(rows), logits, strict=True)]

    @cached_property
    def _arrays(self) -> list[tuple[Array, Array]]:
        """The hidden layers as float64 arrays (inputs, outputs) and (outputs,)."""
        layers = self.network.dense_layers[:-1]
        return [(layer.weight.T.astype(np.float64), np.array(_biases(layer))) for layer in layers]

    def _supremum(self, norms: Sequence[int] | None, logits: Sequence[float]) -> Fraction:
        top = top_class(logits)
        if top is None or norms is None or self.leads is None:
            return Fraction(0)
        limits = [self.leads[top, other].limit(_units(lead), norms) for other, lead in margins(logits, top)]
        limits += [bound.limit(_units(self.format.max_finite), norms) for bound in self.overflow]
        if any(left <= 0 for left, _ in limits):
            return Fraction(0)
        smallest = limits[0]
        for left, slope in limits[1:]:  # compared without dividing, which is slow
            if left * smallest[1] < smallest[0] * slope:
                smallest = left, slope
        return least([Fraction(*smallest) if smallest[1] else None])

    def _centre_norms(self, points: Array) -> list[list[int] | None]:
        """Upper bounds of |h_0(x)|, |h_1(x)|, ... in real arithmetic, in units; None where float64 itself overflows."""
        values = points
        computed = _norms_upper(values)
        norms = [[norm] for norm in computed]
        errors = [0] * len(norms)
        finite = np.ones(len(norms), dtype=bool)
        for (weight, bias), error in zip(self._arrays, self.centre, strict=True):
            with np.errstate(over="ignore", invalid="ignore"):
                before = values @ weight + bias
            finite &= np.isfinite(before).all(axis=1)
            values = np.maximum(np.where(finite[:, None], before, 0.0), 0.0)
            norm, relative, absolute = error.units
            errors = [_scaled((norm, d), (relative, c)) + absolute for d, c in zip(errors, computed, strict=True)]
            computed = _norms_upper(values)
            for known, c, d in zip(norms, computed, errors, strict=True):
                known.append(c + d)
        return [known if ok else None for known, ok in zip(norms, finite, strict=True)]


def _holds(fmt: Format, values: Array) -> bool:
    """Whether every number is a finite one of the format."""
    if fmt in (FLOAT16, FLOAT32, FLOAT64):
        with np.errstate(over="ignore"):
            return bool(np.isfinite(values).all() and (values.astype(fmt.name) == values).all())
    return all(v.is_finite and representable(v, fmt) for v in map(from_float, values.flat))


def _norms_upper(values: Array) -> list[int]:
    """Upper bounds of the Euclidean norms of the rows, in units, from float64 sums that can neither under- nor overflow."""
    exponents = np.frexp(np.abs(values).max(axis=1))[1]
    scaled = np.ldexp(values, -exponents[:, None])  # the largest entry lies in [1/2, 1)
    roots = np.ldexp(np.sqrt((scaled * scaled).sum(axis=1)), 53)  # integers, as the roots are 0 or at least 1/2
    slack = (1 << 52) + values.shape[1] + 4  # for n roundings, those of the root, and entries that underflowed
    return [-(-(int(r) * slack << (_UNIT_BITS + e)) >> 105) for r, e in zip(roots.tolist(), exponents.tolist(), strict=True)]


def _row_norms(layer: Dense) -> list[Fraction]:
    """Upper bounds of the norms of the rows of the weight."""
    return [round_up(norm * power_of_two(-_UNIT_BITS)) for norm in _norms_upper(layer.weight.astype(np.float64))]


def sound_certifier(network: Network, fmt: Format, gram: int = 11, progress: Progress = no_progress) -> SoundCertifier:
    """Return the certifier ``lipschitz-sound`` of a network deployed in ``fmt``.

    Raises InputError for a format other than float16, bfloat16, float32 and float64, a weight or bias that the format does
    not hold, and a network with one output; MissingPackageError where python-flint is not installed.
    """
    if fmt not in FORMATS:
        raise InputError(f"lipschitz-sound knows {', '.join(f.name for f in FORMATS)}, not {fmt}")
    check_network(network, gram)
    if not _holds(fmt, np.fromiter(network.entries(), dtype=np.float64)):
        raise InputError(f"the network has a weight or a bias that is not a {fmt}; round the network first")
    norms = hidden_norms(network, gram, progress)
    magnitudes = []
    for number, layer in enumerate(network.dense_layers[:-1]):
        progress("spectral norms of magnitudes", number, len(norms))
        magnitudes.append(spectral_norm_upper(np.abs(layer.weight).tolist(), gram))
    bounds = margin_bounds(network, norms)
    centre = _layer_errors(network, norms, magnitudes, FLOAT64)
    hidden = _layer_errors(network, norms, magnitudes, fmt)
    last = _rounding(network.dense_layers[-1], fmt)
    if centre is None or hidden is None or last is None:
        return SoundCertifier(network, fmt, bounds, (), None, ())
    leads, overflow = _tables(network, fmt, hidden, last, bounds)
    return SoundCertifier(network, fmt, bounds, centre, leads, overflow)


def _layer_errors(
    network: Network, norms: Sequence[Fraction], magnitudes: Sequence[Fraction], fmt: Format
) -> tuple[LayerError, ...] | None:
    errors = []
    for layer, norm, magnitude in zip(network.dense_layers, norms, magnitudes, strict=False):
        how = _rounding(layer, fmt)
        if how is None:
            return None
        errors.append(_layer_error(layer, norm, magnitude, how))
    return tuple(errors)


def _tables(
    network: Network, fmt: Format, hidden: Sequence[LayerError], last: Rounding, bounds: Bounds
) -> tuple[Mapping[tuple[int, int], Affine], tuple[Affine, ...]]:
    """Run the recursion once, with the norms at the centre as unknowns."""
    count = len(network.dense_layers)
    growth, zero = Fraction(1), Fraction(0)
    deviation = Affine((zero,) * count, zero, zero)
    overflow = []
    for number, layer in enumerate(network.dense_layers):
        real = Affine(tuple(Fraction(number == j) for j in range(count)), growth, zero)  # r_l
        computed = real + deviation  # bounds |hhat_l|
        how = _rounding(layer, fmt)
        assert how is not None
        overflow.append(_largest_sum(layer, computed, how))
        if number < len(hidden):
            error = hidden[number]
            growth = round_up(growth * error.norm)
            deviation = (deviation.scaled(error.norm) + computed.scaled(error.relative)).plus(error.absolute)
    layer = network.dense_layers[-1]
    norms = _Norms(layer)
    leads = _Leads(lambda k, i: _needed_lead(layer, norms, k, i, bounds[k][i], deviation, computed, last))
    return leads, tuple(overflow)


class _Norms:
    """What the rows of a layer are, and what two of them are together: squares of norms, exactly."""

    def __init__(self, layer: Dense) -> None:
        magnitudes = np.abs(layer.weight).tolist()
        self.apart = squared_differences(layer.weight.tolist())
        """|row i - row k|**2."""
        self.together = squared_differences(magnitudes, add)
        """The same of the sum of the magnitudes."""
        self._own: dict[int, Fraction] = {}

    def own(self, k: int) -> Fraction:
        """An upper bound of |row k|."""
        if k not in self._own:
            self._own[k] = sqrt_upper(self.together(k, k) / 4)
        return self._own[k]


class _Leads(dict[tuple[int, int], Affine]):
    """What the lead of k over i must exceed, the same for i over k: computed when it is asked for."""

    def __init__(self, needed: Callable[[int, int], Affine]) -> None:
        super().__init__()
        self._needed = needed

    def __missing__(self, pair: tuple[int, int]) -> Affine:
        k, i = pair
        self[k, i] = self[i, k] = self._needed(k, i)  # the row of bounds that is read is that of k
        return self[k, i]


def _largest_sum(layer: Dense, computed: Affine, how: Rounding) -> Affine:
    """A bound of every partial sum of a layer."""
    row = max(_row_norms(layer))
    bias = max((abs(Fraction(b)) for b in _biases(layer)), default=Fraction(0))
    flush = how.flush * sqrt_upper(Fraction(layer.inputs))
    reach = (1 + how.kappa) * row + flush
    return computed.scaled(reach).plus(round_up((1 + how.kappa) * bias + flush * row + how.tau))


def _needed_lead(
    layer: Dense,
    norms: _Norms,
    k: int,
    i: int,
    lipschitz: Fraction,
    deviation: Affine,
    computed: Affine,
    how: Rounding,
) -> Affine:
    """eps L + E(0) + E(eps) for the classes k and i."""
    difference = sqrt_upper(norms.apart(k, i))
    flush = how.flush * sqrt_upper(Fraction(layer.inputs))
    together = how.kappa * sqrt_upper(norms.together(k, i)) + 2 * flush
    biases = sum((abs(Fraction(_biases(layer)[j])) for j in (k, i)), Fraction(0))
    absolute = how.bias * biases + flush * (norms.own(k) + norms.own(i)) + 2 * how.tau
    error = (deviation.scaled(difference) + computed.scaled(together)).plus(round_up(absolute))
    centre = Affine(error.norms, Fraction(0), error.constant)
    return error + centre + Affine((Fraction(0),) * len(error.norms), round_up(lipschitz, 256), Fraction(0))
