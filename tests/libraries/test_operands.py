"""Operands lie where they should, and the middle of a convolution's image meets the kernel leaf by leaf."""

from __future__ import annotations

import numpy as np
import pytest

from fpsynth.libraries.operands import BORDER, LINE, filters, images, patch_shape, placed


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_copy_begins_at_the_address_asked_for(dtype: str) -> None:
    """numpy's own arrays begin at any multiple of 16."""
    original = np.arange(15, dtype=dtype).reshape(3, 5)
    for array in (original, original.T, np.asfortranarray(original), original[:, ::2]):
        for offset in (None, *range(0, LINE, original.itemsize)):
            copy = placed(array, offset)
            assert copy.ctypes.data % LINE == (offset or 0)
            assert copy.flags.c_contiguous
            assert copy.dtype == array.dtype
            assert np.array_equal(copy, array)
            assert not np.shares_memory(copy, array)


@pytest.mark.parametrize(
    ("terms", "shape"), [(1, (1, 1, 1)), (4, (1, 2, 2)), (9, (1, 3, 3)), (36, (4, 3, 3)), (784, (196, 2, 2))]
)
def test_patches(terms: int, shape: tuple[int, int, int]) -> None:
    assert patch_shape(terms) == shape


@pytest.mark.parametrize("terms", [3, 8, 18])
def test_the_output_in_the_middle_is_the_sum_of_the_products(terms: int) -> None:
    """By the definition of a convolution layer: sums over channel, row and column, leaves numbered in that order."""
    draw = np.random.default_rng(1)
    rows, weights = draw.integers(-5, 6, (2, terms)), draw.integers(-5, 6, (3, terms))
    image, kernel = images(rows), filters(weights)
    channels, height, width = patch_shape(terms)
    assert image.shape[2:] == (height + 2 * BORDER, width + 2 * BORDER)
    for leaf in range(terms):
        c, i, j = leaf // (height * width), leaf // width % height, leaf % width
        assert (image[:, c, BORDER + i, BORDER + j] == rows[:, leaf]).all()
        assert (kernel[:, c, i, j] == weights[:, leaf]).all()
    window = image[:, :, BORDER : BORDER + height, BORDER : BORDER + width]
    assert (np.einsum("bchw,ochw->bo", window, kernel) == rows @ weights.T).all()
    assert np.count_nonzero(image) == np.count_nonzero(rows)
    assert channels * height * width == terms
