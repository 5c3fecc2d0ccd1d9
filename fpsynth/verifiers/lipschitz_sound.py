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

from fpsynth.aliases import Array
from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.networks.network import Dense, Network
from fpsynth.verifiers.asked import holds_all, require_stack
from fpsynth.verifiers.bounds import round_up, sqrt_upper
from fpsynth.verifiers.layer_losses import LayerError, Losses, biases, layer_error, losses, norms_upper, row_norms
from fpsynth.verifiers.linear_bounds import LinearBound, in_units, products_in_units
from fpsynth.verifiers.lipschitz_ball import hidden_norms, margin_bounds, spectral_norm_upper
from fpsynth.verifiers.margins import (
    Bounds,
    Logits,
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


@dataclass(frozen=True)
class SoundCertifier:
    """The certifier ``lipschitz-sound`` of one network in one format, everything but the point computed beforehand."""

    network: Network
    format: Format
    bounds: Bounds
    """L: as for the certifiers that reason in real numbers."""
    centre: tuple[LayerError, ...]
    """Of the float64 evaluation of the hidden layers."""
    leads: Mapping[tuple[int, int], LinearBound] | None
    """For (k, i): what the lead of k over i must exceed; None where the network is too wide for the format."""
    overflow: tuple[LinearBound, ...]
    """What must stay below the largest finite number."""
    name: str = "lipschitz-sound"

    def accepts(self, point: Sequence[float], logits: Logits, radius: Fraction) -> bool:
        """Whether no floating-point input within ``radius`` (L2, exact) of ``point`` has another class, in any order.

        ``logits`` are those computed at the point in the format.  Raises InputError for wrong lengths, a negative radius
        and a point that the format does not hold.
        """
        check_query(self.network.widths, point, logits, radius)
        return self.accepts_all([point], [logits], radius)[0]

    def supremum(self, point: Sequence[float], logits: Logits) -> Fraction:
        """Return the rational below which every radius, and no other, is accepted; 0 where none is.

        Raises InputError for wrong lengths, a point that the format does not hold, and where every radius is accepted.
        """
        check_query(self.network.widths, point, logits)
        return least(self.suprema([point], [logits]))

    def accepts_all(self, points: Sequence[Sequence[float]], logits: Sequence[Logits], radius: Fraction) -> list[bool]:
        """``accepts`` of many points, faster than one by one."""
        return [supremum is None or radius < supremum for supremum in self.suprema(points, logits)]

    def suprema(self, points: Sequence[Sequence[float]], logits: Sequence[Logits]) -> list[Fraction | None]:
        """``supremum`` of many points (points, inputs) with their logits (points, outputs); None: every radius is accepted."""
        rows = np.asarray(points, dtype=np.float64)
        if not holds_all(self.format, rows):
            raise InputError(f"the point has a coordinate that is not a finite {self.format}")
        if self.leads is None:
            return [Fraction(0)] * len(rows)
        return [self._supremum(norms, row) for norms, row in zip(self._centre_norms(rows), logits, strict=True)]

    @cached_property
    def _arrays(self) -> list[tuple[Array, Array]]:
        """The hidden layers as float64 arrays (inputs, outputs) and (outputs,)."""
        layers = self.network.dense_layers[:-1]
        return [(layer.weight.T.astype(np.float64), np.array(biases(layer))) for layer in layers]

    def _supremum(self, norms: Sequence[int] | None, logits: Logits) -> Fraction | None:
        top = top_class(logits)
        if top is None or norms is None or self.leads is None:
            return Fraction(0)
        limits = [self.leads[top, other].limit(in_units(lead), norms) for other, lead in margins(logits, top)]
        limits += [bound.limit(in_units(self.format.max_finite), norms) for bound in self.overflow]
        if any(left <= 0 for left, _ in limits):
            return Fraction(0)
        smallest = limits[0]
        for left, slope in limits[1:]:  # compared without dividing, which is slow
            if left * smallest[1] < smallest[0] * slope:
                smallest = left, slope
        return max(Fraction(0), Fraction(*smallest)) if smallest[1] else None

    def _centre_norms(self, points: Array) -> list[list[int] | None]:
        """Upper bounds of |h_0(x)|, |h_1(x)|, ... in real arithmetic, in units; None where float64 itself overflows."""
        values = points
        computed = norms_upper(values)
        norms = [[norm] for norm in computed]
        errors = [0] * len(norms)
        finite = np.ones(len(norms), dtype=bool)
        for (weight, bias), error in zip(self._arrays, self.centre, strict=True):
            with np.errstate(over="ignore", invalid="ignore"):
                before = values @ weight + bias
            finite &= np.isfinite(before).all(axis=1)
            values = np.maximum(np.where(finite[:, None], before, 0.0), 0.0)
            norm, relative, absolute = error.units
            errors = [products_in_units((norm, d), (relative, c)) + absolute for d, c in zip(errors, computed, strict=True)]
            computed = norms_upper(values)
            for known, c, d in zip(norms, computed, errors, strict=True):
                known.append(c + d)
        return [known if ok else None for known, ok in zip(norms, finite, strict=True)]


def sound_certifier(network: Network, fmt: Format, gram: int = 11, progress: Progress = no_progress) -> SoundCertifier:
    """Return the certifier ``lipschitz-sound`` of a network deployed in ``fmt``.

    Raises InputError for a format other than float16, bfloat16, float32 and float64, a weight or bias that the format does
    not hold, a network with one output, and one that is no stack of dense layers with ReLU; MissingPackageError where
    python-flint is not installed.
    """
    if fmt not in FORMATS:
        raise InputError(f"lipschitz-sound knows {', '.join(f.name for f in FORMATS)}, not {fmt}")
    require_stack(network, "lipschitz-sound")
    check_network(network, gram)
    if not holds_all(fmt, np.fromiter(network.entries(), dtype=np.float64)):
        raise InputError(f"the network has a weight or a bias that is not a {fmt}; round the network first")
    norms = hidden_norms(network, gram, progress)
    magnitudes = []
    for number, layer in enumerate(network.dense_layers[:-1]):
        progress("spectral norms of magnitudes", number, len(norms))
        magnitudes.append(spectral_norm_upper(np.abs(layer.weight).tolist(), gram))
    bounds = margin_bounds(network, norms)
    centre = _layer_errors(network, norms, magnitudes, FLOAT64)
    hidden = _layer_errors(network, norms, magnitudes, fmt)
    last = losses(network.dense_layers[-1], fmt)
    if centre is None or hidden is None or last is None:
        return SoundCertifier(network, fmt, bounds, (), None, ())
    leads, overflow = _tables(network, fmt, hidden, last, bounds)
    return SoundCertifier(network, fmt, bounds, centre, leads, overflow)


def _layer_errors(
    network: Network, norms: Sequence[Fraction], magnitudes: Sequence[Fraction], fmt: Format
) -> tuple[LayerError, ...] | None:
    errors = []
    for layer, norm, magnitude in zip(network.dense_layers, norms, magnitudes, strict=False):
        lost = losses(layer, fmt)
        if lost is None:
            return None
        errors.append(layer_error(layer, norm, magnitude, lost))
    return tuple(errors)


def _tables(
    network: Network, fmt: Format, hidden: Sequence[LayerError], last: Losses, bounds: Bounds
) -> tuple[Mapping[tuple[int, int], LinearBound], tuple[LinearBound, ...]]:
    """Run the recursion once, with the norms at the centre as unknowns."""
    count = len(network.dense_layers)
    growth, zero = Fraction(1), Fraction(0)
    deviation = LinearBound((zero,) * count, zero, zero)
    overflow = []
    for number, layer in enumerate(network.dense_layers):
        real = LinearBound(tuple(Fraction(number == j) for j in range(count)), growth, zero)  # r_l
        computed = real + deviation  # bounds |hhat_l|
        lost = losses(layer, fmt)
        assert lost is not None
        overflow.append(_largest_sum(layer, computed, lost))
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


class _Leads(dict[tuple[int, int], LinearBound]):
    """What the lead of k over i must exceed, the same for i over k: computed when it is asked for."""

    def __init__(self, needed: Callable[[int, int], LinearBound]) -> None:
        super().__init__()
        self._needed = needed

    def __missing__(self, pair: tuple[int, int]) -> LinearBound:
        k, i = pair
        self[k, i] = self[i, k] = self._needed(k, i)  # the row of bounds that is read is that of k
        return self[k, i]


def _largest_sum(layer: Dense, computed: LinearBound, lost: Losses) -> LinearBound:
    """A bound of every partial sum of a layer."""
    row = max(row_norms(layer))
    bias = max((abs(Fraction(b)) for b in biases(layer)), default=Fraction(0))
    flush = lost.flush * sqrt_upper(Fraction(layer.inputs))
    reach = (1 + lost.kappa) * row + flush
    return computed.scaled(reach).plus(round_up((1 + lost.kappa) * bias + flush * row + lost.tau))


def _needed_lead(
    layer: Dense,
    norms: _Norms,
    k: int,
    i: int,
    lipschitz: Fraction,
    deviation: LinearBound,
    computed: LinearBound,
    lost: Losses,
) -> LinearBound:
    """eps L + E(0) + E(eps) for the classes k and i."""
    difference = sqrt_upper(norms.apart(k, i))
    flush = lost.flush * sqrt_upper(Fraction(layer.inputs))
    together = lost.kappa * sqrt_upper(norms.together(k, i)) + 2 * flush
    magnitudes = sum((abs(Fraction(biases(layer)[j])) for j in (k, i)), Fraction(0))
    absolute = lost.bias * magnitudes + flush * (norms.own(k) + norms.own(i)) + 2 * lost.tau
    error = (deviation.scaled(difference) + computed.scaled(together)).plus(round_up(absolute))
    centre = LinearBound(error.norms, Fraction(0), error.constant)
    return error + centre + LinearBound((Fraction(0),) * len(error.norms), round_up(lipschitz, 256), Fraction(0))
