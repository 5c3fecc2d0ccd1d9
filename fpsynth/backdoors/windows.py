"""Which inputs the windows of a convolution read: where a trigger fits into a host."""

from __future__ import annotations

from collections.abc import Iterator

from fpsynth.backdoors.triggers import Places
from fpsynth.errors import InputError
from fpsynth.networks.layers import PADDING, Convolution
from fpsynth.networks.network import Network

_MOST = 3
"""Rows and columns of a trigger whose place is not said."""


def window(layer: Convolution, shape: tuple[int, ...], wanted: set[int]) -> tuple[int, dict[int, int]]:
    """The first window that holds all the inputs, and the tap that reads each.  Raises InputError where none does."""
    for position, taps in enumerate(_taps(layer, shape)):
        if wanted <= taps.keys():
            return position, taps
    raise InputError(
        f"no window of the first convolution holds all {len(wanted)} inputs of the trigger: name a place of"
        f" {' x '.join(map(str, layer.weight.shape[2:]))} at most"
    )


def _taps(layer: Convolution, shape: tuple[int, ...]) -> Iterator[dict[int, int]]:
    """Of each position of a convolution the inputs that it reads, by number, and by which tap of the kernel."""
    for read in layer.structure(shape).taps.at(slice(None)):
        yield {int(place): tap for tap, place in enumerate(read) if place != PADDING}


def usual_places(host: Network) -> Places:
    """Where a trigger is put where nobody says it: within the first, and the middlemost, full window of a convolution."""
    shape = host.input_shape
    layer = host[host.sums[0]].layer
    if not isinstance(layer, Convolution) or len(shape) != 3:
        return Places.in_shape(shape)
    taps = layer.weight.shape[1] * layer.weight.shape[2] * layer.weight.shape[3]
    full = [sorted(place for place in read if place < shape[1] * shape[2]) for read in _taps(layer, shape) if len(read) == taps]
    if not full or layer.dilation != (1, 1):
        return Places.in_shape(shape)
    middle = min(full, key=lambda window: _from_middle(window, shape))
    return Places(_patch(full[0], shape[2]), _patch(middle, shape[2]))


def _from_middle(places: list[int], shape: tuple[int, ...]) -> int:
    """How far the middle of a window is from the middle of an image, along both axes together, in half inputs."""
    (top, left), (bottom, right) = divmod(places[0], shape[2]), divmod(places[-1], shape[2])
    return abs(top + bottom + 1 - shape[1]) + abs(left + right + 1 - shape[2])


def _patch(places: list[int], columns: int) -> str:
    """The first rows and columns of a window, at most ``_MOST`` of them."""
    top, left = divmod(places[0], columns)
    bottom, right = divmod(places[-1], columns)
    return f"{top}-{min(bottom, top + _MOST - 1)},{left}-{min(right, left + _MOST - 1)}"
