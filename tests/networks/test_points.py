"""Claims of points.py: images become rows of numbers in the order of the network's input, wherever their channels are."""

from __future__ import annotations

import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.networks.points import fitted

FIRST = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
LAST = np.ascontiguousarray(FIRST.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("images", [FIRST, LAST], ids=["channels first", "channels last"])
def test_channels_are_put_where_the_network_has_them(images: np.ndarray) -> None:
    assert np.array_equal(fitted(images, (3, 4, 5), "images"), FIRST.reshape(2, -1))
    assert np.array_equal(fitted(images, (4, 5, 3), "images"), LAST.reshape(2, -1))
    assert fitted(images, (3, 4, 5), "images").dtype == np.float32


def test_what_has_no_axes_of_its_own_is_taken_in_its_order() -> None:
    assert np.array_equal(fitted(FIRST.reshape(2, -1), (3, 4, 5), "images"), FIRST.reshape(2, -1))
    assert np.array_equal(fitted(LAST, (60,), "images"), LAST.reshape(2, -1))


def test_points_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match=r"images have the shape \(3, 4, 5\) each, but the network's input is \(3, 4, 4\)"):
        fitted(FIRST, (3, 4, 4), "images")
