"""Which inputs the windows of a convolution read: where a trigger fits into a host."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fpsynth.backdoors.sites import Site
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


def matching_windows(
    layer: Convolution, shape: tuple[int, ...], groups: Sequence[Sequence[int]]
) -> tuple[tuple[int, ...], list[int]]:
    """For each group of inputs a window that reads them, with the same taps for the inputs of each: positions, and the taps.

    Raises InputError where there are no such windows.
    """
    found: list[dict[tuple[int, ...], int]] = [{} for _ in groups]
    for position, taps in enumerate(_taps(layer, shape)):
        for windows, group in zip(found, groups, strict=True):
            if all(place in taps for place in group):
                windows.setdefault(tuple(taps[place] for place in group), position)
    shared = [taps for taps in found[0] if all(taps in windows for windows in found)]
    if not shared:
        raise InputError(
            f"the inputs at {len(groups)} places of the trigger lie in no {len(groups)} windows of a convolution alike: places"
            " within a window, and apart by whole steps of the windows of all convolutions"
        )
    return tuple(windows[shared[0]] for windows in found), list(shared[0])


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


def paired_places(site: Site) -> Places:
    """The same at two places that the windows of all convolutions up to the carrier layer read alike: smaller patterns in the
    first and the last of them, features in the middle and the next one."""
    usual, shape = usual_places(site.host), site.host.input_shape
    names = [node.name for node in site.before]
    layers = [node.layer for node in site.before[: names.index(site.carrier) + 1] if isinstance(node.layer, Convolution)]
    if len(shape) != 3 or site.spread == 1 or not layers:
        return usual
    step, positions = math.prod(layer.stride[-1] for layer in layers), site.host.shapes[site.carrier][-1]
    (top, _), (left, _) = _ends(usual.corner)
    corner = f"{top}-{top + 1},{left}-{left + 1}"
    return Places(_with_other(corner, step * (positions - 1), shape[2]), _with_other(usual.middle, step, shape[2]))


def _ends(place: str) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = ([int(end) for end in part.split("-")] for part in place.split(","))
    return (rows[0], rows[1]), (columns[0], columns[1])


def _with_other(place: str, shift: int, columns: int) -> str:
    """The place, and the one so far to its right where that is within the image."""
    _, (left, right) = _ends(place)
    if right + shift >= columns:
        return place
    return f"{place}+{place.split(',')[0]},{left + shift}-{right + shift}"


def _from_middle(places: list[int], shape: tuple[int, ...]) -> int:
    """How far the middle of a window is from the middle of an image, along both axes together, in half inputs."""
    (top, left), (bottom, right) = divmod(places[0], shape[2]), divmod(places[-1], shape[2])
    return abs(top + bottom + 1 - shape[1]) + abs(left + right + 1 - shape[2])


def _patch(places: list[int], columns: int) -> str:
    """The first rows and columns of a window, at most ``_MOST`` of them."""
    top, left = divmod(places[0], columns)
    bottom, right = divmod(places[-1], columns)
    return f"{top}-{min(bottom, top + _MOST - 1)},{left}-{min(right, left + _MOST - 1)}"
