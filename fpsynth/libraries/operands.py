"""Operands: nested numbers as arrays of a format, at chosen addresses, and the image that a convolution's sum is taken of."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fpsynth.aliases import Array
from fpsynth.formats import FORMATS, Format

if TYPE_CHECKING:
    import numpy as np


LINE = 64
"""Bytes of a cache line: kernels may treat what comes before an operand's first multiple of up to this many on its own."""

BORDER = 2
"""Pixels, all zero, around the patch of a convolution's image that is looked at: its output lies inside a 5x5 map."""


class CannotRun(RuntimeError):
    """A library cannot do what is asked of it here; the message is the reason, one line."""


def numpy_dtype(dtype: Format, patterns: bool = False) -> np.dtype[Any]:
    """The numpy dtype of a format.  Raises CannotRun where numpy has none, or ml_dtypes, which brings it, is not installed.

    ``patterns``: a dtype that holds the format's bit patterns instead of raising: one unsigned integer in a field that is
    called like the format.  numpy cannot compute with it, but a library can take such an array's memory for its own.
    """
    import numpy as np

    if dtype.name in ("float16", "float32", "float64"):
        return np.dtype(dtype.name)
    more = _ml_dtypes()
    if hasattr(more, dtype.name):
        found: np.dtype[Any] = np.dtype(getattr(more, dtype.name))
        return found
    if not patterns or dtype.bits not in (8, 16, 32, 64):
        raise CannotRun(f"numpy has no dtype {dtype.name}" + ("" if more else " without the package ml_dtypes"))
    return np.dtype([(dtype.name, f"u{dtype.bits // 8}")])


@cache
def _ml_dtypes() -> Any:
    """The package, or None: looked for once, as an import that fails costs more than the conversion of an array."""
    try:
        import ml_dtypes
    except ImportError:
        return None
    return ml_dtypes


def dtype_name(array: Array) -> str:
    """The name of an array's format, also of one that holds bit patterns (see ``numpy_dtype``)."""
    names = array.dtype.names
    return str(array.dtype.name) if names is None else str(names[0])


def narrowed(values: Array, dtype: Format, patterns: bool = False) -> Array:
    """Float64 values that are all of ``dtype`` as an array of it; ``patterns`` and CannotRun as in ``numpy_dtype``.

    What is not of the format is rounded where numpy has a dtype for it, and meaningless where it has not.
    """
    import numpy as np

    from fpsynth.evaluators.bit_patterns import floats_to_bits

    found = numpy_dtype(dtype, patterns)
    if found.names is None:
        return values.astype(found)
    return np.ascontiguousarray(floats_to_bits(values, dtype).astype(found[0])).view(found).reshape(values.shape)


def widened(array: Array) -> Array:
    """An array of a format, bit patterns too, as float64, which is exact."""
    import numpy as np

    from fpsynth.evaluators.bit_patterns import bits_to_floats

    if array.dtype.names is None:
        return array.astype(np.float64)
    (name,) = array.dtype.names
    return bits_to_floats(array[name].astype(np.int64), FORMATS[name])


def exact_array(values: object, dtype: Format, patterns: bool = False) -> Array:
    """Nested numbers as an array of ``dtype``.  Raises CannotRun where one of them is not of that format.

    ``patterns`` as in ``numpy_dtype``.
    """
    import numpy as np

    wide = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is refused below
        array = narrowed(wide, dtype, patterns)
    if not np.array_equal(widened(array), wide, equal_nan=True):
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


def stored(matrix: Any, code: str) -> Any:
    """A matrix as it lies in memory by the code of a layout (see ``libraries.calls``): transposed, or part of a wider one.

    An array or a tensor, of which a copy, row after row, is to be made.
    """
    import numpy as np

    turned = matrix.T if code[0] == "T" else matrix
    if len(code) == 1:
        return turned
    shape = turned.shape[0], 2 * turned.shape[1]
    wide = np.zeros(shape, turned.dtype) if isinstance(turned, np.ndarray) else turned.new_zeros(shape)
    part(wide, code)[:] = turned
    return wide


def part(held: Any, code: str) -> Any:
    """What of a stored matrix is the operand, or its transpose where the code says T: a view."""
    if code.endswith("s"):
        return held[:, : held.shape[1] // 2]
    return held[:, ::2] if code.endswith("e") else held


def viewed(held: Any, code: str) -> Any:
    """The operand that ``stored`` has put into memory: a view."""
    found = part(held, code)
    return found.T if code[0] == "T" else found


def patch_shape(terms: int) -> tuple[int, int, int]:
    """Channels, kernel rows and kernel columns of a convolution that sums ``terms`` products.

    The kernel is 3x3 where 9 divides them, else 2x2 where 4 does, else 1x1.
    """
    side = 3 if terms % 9 == 0 else 2 if terms % 4 == 0 else 1
    return terms // side**2, side, side


def patch_text(terms: int) -> str:
    """Image, kernel and place of the convolution that sums ``terms`` products, as a person says them."""
    channels, height, width = patch_shape(terms)
    rows, columns = height + 2 * BORDER, width + 2 * BORDER
    return (
        f"image {channels}×{rows}×{columns} (channels, rows, columns), kernel {height}×{width}, stride 1, no padding; the value"
        f" at row {BORDER}, column {BORDER} (images of other sizes may be summed in another order)"
    )


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
