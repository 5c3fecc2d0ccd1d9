"""Sides that are one and the same thing twice: such a question has no answer, and is refused before anything is measured.

Two orders or reveal files that are equal are another matter: that they cannot disagree is proved, and told.
"""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.errors import InputError


def require_different_sides(sides: Sequence[str], *, whole_network: bool = False) -> None:
    """Raise InputError where what is to depart from the reference is the reference, or a side that must not depart.

    ``sides``: the reference, the deployed one, then the silent ones.  Compared are environments, which would be revealed for
    nothing; ``whole_network``: they are those of a network.
    """
    reference, deployed, *silent = sides
    if _same(reference, deployed, whole_network):
        raise InputError(f"both sides are {deployed[:80]}, which cannot disagree with itself: choose two")
    if any(_same(one, deployed, whole_network) for one in silent):
        raise InputError(f"{deployed[:80]} is to depart from {reference[:80]} and, as a silent side, is not to: leave one out")


def require_distinct(names: Sequence[str], what: str) -> None:
    """Raise InputError where a name is there twice; ``what`` is needed of different ones."""
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InputError(f"{twice[:80]} is named twice: {what} needs different ones")


def require_whole_batches(names: Sequence[str]) -> None:
    """Raise InputError where an environment is named with a row: whoever asks runs all images, in all rows."""
    name = next((name for name in names if "row=" in name), None)
    if name is not None:
        raise InputError(f"{name[:80]}: images are run in all rows of its batches, so leave the row out")


def _same(first: str, second: str, whole_network: bool) -> bool:
    """Whether two texts name the same environment, however it is written."""
    environments = [_environment(text, whole_network) for text in (first, second)]
    return None not in environments and environments[0] == environments[1]


def _environment(text: str, whole_network: bool) -> object:
    """The environment that a text names; None for what is none, or cannot be read, which is said elsewhere."""
    from fpsynth.libraries.naming import parse_environment, parse_network_environment

    try:
        return (parse_network_environment if whole_network else parse_environment)(text)
    except InputError:
        return None
