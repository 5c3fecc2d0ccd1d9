"""Every family, one line each."""

from __future__ import annotations

from collections.abc import Mapping

from fpsynth.corpus.families import (
    absorbed,
    border,
    folding,
    interval,
    last_tie,
    lattice,
    needle,
    ordered,
    plain,
    positions,
    relu,
    tie,
    tolerance,
)
from fpsynth.corpus.families.base import InstanceFamily

FAMILIES: Mapping[str, InstanceFamily] = {
    family.name: family
    for family in (
        tie.FAMILY,
        needle.FAMILY,
        last_tie.FAMILY,
        lattice.LONE,
        lattice.FAMILY,
        lattice.MIXED,
        ordered.ORDER,
        ordered.GHOST,
        positions.TWIN,
        positions.POSITION,
        absorbed.PRECISION,
        absorbed.FLIP,
        relu.FAMILY,
        interval.FAMILY,
        folding.FAMILY,
        tolerance.NARROW,
        tolerance.FLAT,
        border.FAMILY,
        absorbed.ROUNDING,
        plain.BROKEN,
        plain.ROBUST,
    )
}
"""By name, in the order in which a corpus goes through them."""
CATEGORIES = tuple(dict.fromkeys(family.category for family in FAMILIES.values()))
"""What they are grouped by: which verifiers they beat."""
