"""Operands: nested numbers as arrays of a format, at chosen addresses, and the image that a convolution's sum is taken of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from fpsynth.formats import Format

if TYPE_CHECKING:
    import numpy as np

Array: TypeAlias = "np.ndarray[Any, Any]"

LINE = 64
"""Bytes of a cache line: kernels may treat what comes before an operand's first multiple of up to this many on its own."""

BORDER = 2
"""Pixels, all zero, around the patch of a convolution's image that is looked at: its output lies inside a 5x5 map."""


class CannotRun(RuntimeError):
    """A library cannot do what is asked of it here; the message is the reason, one line."""


def numpy_dtype(dtype: Format) -> np.dtype[Any]:
    """The numpy dtype of a format.  Raises CannotRun where numpy has none, or ml_dtypes, which brings it, is not installed."""
    import numpy as np

    if dtype.name in ("float16", "float32", "float64"):
        return np.dtype(dtype.name)
    try:
        import ml_dtypes
    except ImportError:
        raise CannotRun(f"numpy has no dtype {dtype.name} without the package ml_dtypes") from None
    if not hasattr(ml_dtypes, dtype.name):
        raise CannotRun(f"numpy has no dtype {dtype.name}")
    found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, dtype.name))
    return found


def exact_array(values: object, dtype: Format) -> np.ndarray[Any, Any]:
    """Nested numbers as an array of ``dtype``.  Raises CannotRun where one of them is not of that format."""
    import numpy as np

    wide = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is refused below
        array = wide.astype(numpy_dtype(dtype))
    if not np.array_equal(array.astype(np.float64), wide, equal_nan=True):
        raise CannotRun(f"the network or the points hold numbers that are not {dtype.name}")
    return array


def placed(array: Array, offset: int | None = None) -> Array:
    """A copy, row after row, that begins at an address of ``offset`` (None: 0) modulo LINE.

    numpy's own arrays begin at any multiple of 16, another one every time, and kernels that peel off an unaligned head
    sum in another order then.
    """
    import numpy as np

    buffer = np.empty(array.nbytes + LINE, np.uint8)
    start = ((offset or 0) - buffer.__array_interface__["data"][0]) % LINE
    copy: Array = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def patch_shape(terms: int) -> tuple[int, int, int]:
    """Channels, kernel rows and kernel columns of a convolution that sums ``terms`` products.

    The kernel is 3x3 where 9 divides them, else 2x2 where 4 does, else 1x1.
    """
    side = 3 if terms % 9 == 0 else 2 if terms % 4 == 0 else 1
    return terms // side**2, side, side


def images(rows: Array) -> Array:
    """Images (batch, channels, height, width): each holds a row, channel by channel, in its middle, and zeros around that."""
    import numpy as np

    batch, terms = rows.shape
    channels, height, width = patch_shape(terms)
    padded = np.zeros((batch, channels, height + 2 * BORDER, width + 2 * BORDER), rows.dtype)
    padded[:, :, BORDER : BORDER + height, BORDER : BORDER + width] = rows.reshape(batch, channels, height, width)
    return padded


def filters(weights: Array) -> Array:
    """Kernels (outputs, channels, rows, columns) of a convolution whose output at (BORDER, BORDER) is weights times row."""
    return weights.reshape(len(weights), *patch_shape(weights.shape[1]))
