"""What a corpus is to hold, and the jobs that it is made in: an instance with its controls each, independent of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.aliases import Json
from fpsynth.corpus.families.base import InstanceFamily
from fpsynth.corpus.families.table import CATEGORIES, FAMILIES
from fpsynth.corpus.instances.data import RUNTIME, Instance
from fpsynth.corpus.instances.layout import MAX_INSTANCES
from fpsynth.corpus.semantics import ENVIRONMENTS
from fpsynth.errors import InputError, unknown_name
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.version import __version__


@dataclass(frozen=True)
class WantedCorpus:
    """What a corpus is to hold."""

    count: int
    seed: int
    categories: tuple[str, ...] = CATEGORIES
    environments: tuple[str, ...] = ENVIRONMENTS
    max_weight: Fraction | None = None

    def __post_init__(self) -> None:
        """Raises InputError for what makes no sense.  Environments are called as the libraries' parser calls them."""
        names = tuple(dict.fromkeys(str(parse_network_environment(name)) for name in self.environments))
        object.__setattr__(self, "environments", names)
        if RUNTIME not in names:
            raise InputError(f"instances are judged in {RUNTIME}: name it among the environments")
        if not 1 <= self.count <= MAX_INSTANCES:
            raise InputError(f"the number of instances must be from 1 to {MAX_INSTANCES}, not {self.count}")
        if not 0 <= self.seed < 1 << 31:
            raise InputError(f"the seed must be from 0 to {(1 << 31) - 1}, not {self.seed}")
        for name in self.categories:
            if name not in CATEGORIES:
                raise unknown_name("category", name, CATEGORIES)

    def to_json(self) -> Json:
        """Everything on which a job depends, for ``wanted_from``."""
        limit = None if self.max_weight is None else str(self.max_weight)
        return {
            "seed": self.seed,
            "categories": list(self.categories),
            "environments": list(self.environments),
            "max_weight": limit,
            "fpsynth": __version__,
        }

    @property
    def families(self) -> tuple[InstanceFamily, ...]:
        """Those of the categories."""
        return tuple(family for family in FAMILIES.values() if family.category in self.categories)


@dataclass(frozen=True)
class Job:
    """One instance with its controls."""

    family: InstanceFamily
    number: int
    """Of the family's instances, from 0."""

    def seed(self, wanted: WantedCorpus, attempt: int) -> str:
        """What is drawn from."""
        return f"{wanted.seed}/{self.family.name}/{self.number}/{attempt}"


def jobs(wanted: WantedCorpus) -> Iterator[Job]:
    """The families in turn, without end."""
    number = 0
    while True:
        yield from (Job(family, number) for family in wanted.families)
        number += 1


def wanted_from(data: Json) -> WantedCorpus:
    """What ``Wanted.to_json`` wrote, but for the number of instances."""
    limit = None if data["max_weight"] is None else Fraction(data["max_weight"])
    return WantedCorpus(1, data["seed"], tuple(data["categories"]), tuple(data["environments"]), limit)


def in_order(instances: Sequence[Instance], wanted: WantedCorpus) -> tuple[Instance, ...]:
    """By category and name, each control after its instance."""
    return tuple(sorted(instances, key=lambda one: (wanted.categories.index(one.category), one.name)))
