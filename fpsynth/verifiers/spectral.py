r"""Spectral norms of matrices of hundreds of columns, bounded in float64: Gram iteration, and all that rounding may lose in it.

G_0 = A^T A, G_{j+1} = (G_j / c_j)^2 for powers of two c_j: with N = 2^J the largest eigenvalue of G_J, times the scales, is
|A|^{2N}, and the Frobenius norm of G_J is above it by a factor that the 2N-th root makes small (Delattre et al., "Efficient
Bound of Lipschitz Constant for Convolutional Layers by Gram Iteration", ICML 2023).  Computed matrices have hats.

A sum of n products in any order, fused or not, is within gamma_n sum |a||b| + n eta of the exact one, with eta the least
subnormal and gamma_n = n u / (1 - n u) (Higham, Accuracy and Stability of Numerical Algorithms, 3.5), so that

    |fl(X Y) - X Y|_F  <=  gamma_n |X|_F |Y|_F + n eta sqrt(size).

With e_j >= |G^_j - G_j|, H = G^_j / c_j and e = e_j / c_j:   e_{j+1} = 2 e |H| + e^2 + gamma_n |H|_F^2 + (underflow), where
|H| is bounded by its rows and, as H is symmetric, by the root of |H^2|_F: by |H|_F alone e would outgrow G.

This holds for libraries that multiply matrices as sums of products, as all BLAS in use do, not for Strassen's algorithm.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fpsynth.formats import power_of_two
from fpsynth.verifiers.bounds import round_up, sqrt_upper
from fpsynth.workers.deadlines import require_time

Matrix = npt.NDArray[np.float64]

_U = Fraction(1, 1 << 53)
_LEAST = power_of_two(-1000)
"""More than all that underflows in any sum here, of numbers of at most 1."""
_LEAST_ROOT = power_of_two(-500)
"""More than the square root of that."""


def norm_upper(matrix: Matrix, gram: int) -> Fraction:
    """Return an upper bound of the spectral norm of a matrix of finite numbers, by ``gram`` Gram iterations.

    Raises OutOfTimeError between two of them.
    """
    largest = float(np.abs(matrix).max())
    if not largest:
        return Fraction(0)
    exponent = int(np.frexp(largest)[1])
    scaled = np.ldexp(matrix, -exponent)  # the largest entry lies in [1/2, 1); what underflows is below _LEAST
    whole = frobenius_upper(scaled)
    power = scaled @ scaled.T if len(scaled) <= scaled.shape[1] else scaled.T @ scaled
    lost = _gamma(max(scaled.shape)) * whole * whole + _LEAST
    scales = []
    for _ in range(gram - 1):
        require_time()
        scale = int(np.frexp(float(frobenius_upper(power)))[1]) + 1
        power, lost = _symmetric(np.ldexp(power, -scale), lost * power_of_two(-scale) + _LEAST)
        size, square = frobenius_upper(power), power @ power
        wrong = _gamma(len(power)) * size * size + _LEAST
        lost = round_up(2 * lost * _spectral_upper(power, size, frobenius_upper(square) + wrong) + lost * lost + wrong)
        power = square
        scales.append(scale)
    root = frobenius_upper(power) + lost
    for scale in reversed(scales):
        root = round_up(sqrt_upper(root) * power_of_two(scale))
    norm = sqrt_upper(root) + _LEAST
    return round_up(norm * power_of_two(exponent))


def _symmetric(matrix: Matrix, lost: Fraction) -> tuple[Matrix, Fraction]:
    """The mean of a matrix and its transpose, which is as near to the symmetric one that it stands for; and how near."""
    return (matrix + matrix.T) * 0.5, lost + 2 * _U * frobenius_upper(matrix) + _LEAST


def _spectral_upper(matrix: Matrix, size: Fraction, square: Fraction) -> Fraction:
    """A bound of the spectral norm of a symmetric matrix from its Frobenius norm, its square's, and its rows."""
    rows = float(np.abs(matrix).sum(axis=0).max())
    return min(size, sqrt_upper(square), row_and_column_upper(rows, rows, len(matrix)))


def frobenius_upper(matrix: Matrix) -> Fraction:
    """An upper bound of the Frobenius norm of a matrix of numbers whose squares do not overflow."""
    computed = Fraction(float(np.sqrt((matrix * matrix).sum())))
    return round_up(computed * (1 + 2 * _gamma(matrix.size + 4)) + _LEAST_ROOT)


def row_and_column_upper(rows: float, columns: float, terms: int) -> Fraction:
    """Return the root of the largest row sum times the largest column sum of magnitudes: an upper bound of the spectral norm.

    Both are finite float64 sums of at most ``terms`` magnitudes, in any order.
    """
    slack = 1 + 2 * _gamma(terms + 1)
    return round_up(sqrt_upper(Fraction(rows) * Fraction(columns)) * slack)


def _gamma(terms: int) -> Fraction:
    return terms * _U / (1 - terms * _U)
