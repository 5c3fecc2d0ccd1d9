"""Every family, one line each."""

from __future__ import annotations

from collections.abc import Mapping

from fpsynth.corpus.families import tie
from fpsynth.corpus.families.base import Family

FAMILIES: Mapping[str, Family] = {family.name: family for family in (tie.FAMILY,)}
"""By name, in the order in which a corpus goes through them."""
CATEGORIES = tuple(dict.fromkeys(family.category for family in FAMILIES.values()))
"""What they are grouped by: which verifiers they beat."""
