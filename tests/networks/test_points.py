"""Claims of points.py: images become rows of numbers in the order of the network's input, wherever their channels are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.networks.points import fitted, load_points, require_classes

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


POINTS = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({}, "no array called images or inputs: it has no arrays"),
        ({"labels": np.zeros(2, int)}, "no array called images or inputs: it has labels"),
        ({"inputs": POINTS.astype(np.int64)}, "inputs must be uint8 or floats, not int64"),
        ({"inputs": POINTS.astype(object)}, r"inputs does not hold plain numbers but \|O \(objects of Python\)"),
        ({"inputs": POINTS[:0]}, r"inputs of shape \(0, 4\) hold no numbers"),
        ({"inputs": POINTS[:, :3]}, r"inputs have the shape \(3,\) each, but the network's input is \(4,\)"),
        ({"inputs": np.where(POINTS == 5, np.nan, POINTS)}, "inputs holds numbers that are not finite"),
        ({"images": np.where(POINTS == 5, np.inf, POINTS)}, "images holds numbers that are not finite"),
        ({"images": POINTS, "labels": np.zeros(3, int)}, r"labels must be 2 integers from 0, not int64 of shape \(3,\)"),
        ({"images": POINTS, "labels": np.zeros(2)}, r"labels must be 2 integers from 0, not float64 of shape \(2,\)"),
        ({"images": POINTS, "labels": np.array([0, -1])}, "labels must be 2 integers from 0, not -1 to 0"),
        ({"images": POINTS, "labels": np.array([0, 2**63], np.uint64)}, "labels must be 2 .*, not 0 to 9223372036854775808"),
    ],
)
def test_a_file_of_points_that_cannot_be_used_is_named(arrays: dict[str, np.ndarray], reason: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "points.npz", **arrays)
    with pytest.raises(InputError, match=f"points.npz: {reason}$"):
        load_points(tmp_path / "points.npz", (4,))


def test_labels_are_classes_of_the_network() -> None:
    """Counted from 1 they were all counted as wrong, without a word."""
    require_classes(np.array([0, 1]), 2)
    require_classes(np.array([0, 7]), 1)  # one output has no classes
    require_classes(None, 2)
    with pytest.raises(
        InputError, match=r"the labels name class 2, but the network has 2 outputs, counted from 0: count from 0"
    ):
        require_classes(np.array([1, 2]), 2)


def test_labels_come_as_int64(tmp_path: Path) -> None:
    np.savez(tmp_path / "points.npz", images=POINTS, labels=np.array([3, 9], np.uint8))
    _, labels = load_points(tmp_path / "points.npz", (4,))
    assert labels is not None
    assert labels.dtype == np.int64
    assert labels.tolist() == [3, 9]
