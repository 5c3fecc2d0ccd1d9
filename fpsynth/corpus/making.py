"""Make a corpus: families draw in turn, every draft is labelled, and what does not have the wanted verdicts is drawn again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from fpsynth.corpus.attacks.table import ATTACKS, LIMIT, attacked
from fpsynth.corpus.attacks.target import Target
from fpsynth.corpus.families.base import Draft, Drawing, Family, NothingDrawnError, require_weights
from fpsynth.corpus.families.table import CATEGORIES, FAMILIES
from fpsynth.corpus.instances.data import RUNTIME, SAT, Attacked, Corpus, Instance
from fpsynth.corpus.labels.environments import DEFAULT, Environments
from fpsynth.corpus.labels.labelling import Truth, asked_of, orders_of, replayed, truth
from fpsynth.corpus.labels.points import grid_of
from fpsynth.errors import InputError, unknown_name
from fpsynth.version import __version__

TRIES = 20
"""Draws for one instance before a family is passed over."""
MAX_COUNT = 100_000


@dataclass(frozen=True)
class Wanted:
    """What a corpus is to hold."""

    count: int
    seed: int
    categories: tuple[str, ...] = CATEGORIES
    environments: tuple[str, ...] = DEFAULT
    max_weight: Fraction | None = None

    def __post_init__(self) -> None:
        """Raises InputError for what makes no sense."""
        if not 1 <= self.count <= MAX_COUNT:
            raise InputError(f"the number of instances must be from 1 to {MAX_COUNT}, not {self.count}")
        for name in self.categories:
            if name not in CATEGORIES:
                raise unknown_name("category", name, CATEGORIES)

    @property
    def families(self) -> tuple[Family, ...]:
        """Those of the categories."""
        return tuple(family for family in FAMILIES.values() if family.category in self.categories)


@dataclass(frozen=True)
class Job:
    """One instance with its controls."""

    family: Family
    number: int
    """Of the family's instances, from 0."""

    def seed(self, wanted: Wanted, attempt: int) -> str:
        """What is drawn from."""
        return f"{wanted.seed}/{self.family.name}/{self.number}/{attempt}"


def jobs(wanted: Wanted) -> Iterator[Job]:
    """The families in turn, without end."""
    number = 0
    while True:
        yield from (Job(family, number) for family in wanted.families)
        number += 1


def done(job: Job, wanted: Wanted, environments: Environments) -> tuple[Instance, ...]:
    """An instance and its controls.  Empty where the family has none in TRIES draws."""
    for attempt in range(TRIES):
        seed = job.seed(wanted, attempt)
        drawing = Drawing(Random(seed), environments, job.number, wanted.max_weight)
        try:
            drafts = job.family.draw(drawing)
            require_weights(drafts, wanted.max_weight)
            return tuple(_labelled(job, seed, drafts, k, environments) for k in range(len(drafts)))
        except NothingDrawnError:
            continue
    return ()


def _labelled(job: Job, seed: str, drafts: Sequence[Draft], k: int, environments: Environments) -> Instance:
    """The k-th draft as an instance.  Raises NothingDrawnError where a label is not what was wanted."""
    draft, name = drafts[k], f"{job.family.name}_{job.number:04d}"
    known = [draft.witness] if draft.witness else []
    asked, orders = asked_of(draft.network, draft.box, draft.unsafe, known), orders_of(draft.network, environments)
    told = replayed(asked, truth(asked, orders), orders, environments)
    instance = Instance(
        name=name if k == 0 else f"{name}_control{k}",
        category=job.family.category,
        family=job.family.name,
        about=draft.about or job.family.about,
        seed=seed,
        parameters=dict(draft.parameters),
        network=draft.network,
        box=draft.box,
        unsafe=draft.unsafe,
        labels=told.labels,
        least=told.least,
        attained=told.attained,
        densities=told.densities,
        attacks=_attacks(draft, told, seed, environments),
        control_of="" if k == 0 else name,
        controls=draft.controls,
    )
    for semantics, verdict in draft.wanted.items():
        if instance.verdict(semantics) != verdict:
            raise NothingDrawnError(f"{semantics} is {instance.verdict(semantics)}, not {verdict}")
    return instance


def _attacks(draft: Draft, told: Truth, seed: str, environments: Environments) -> tuple[Attacked, ...]:
    """Which attacks find what is unsafe in RUNTIME; they compute in the last environment, as attacks run in batches.

    None where nothing is.
    """
    verdicts = {label.semantics: label.verdict for label in told.labels}
    if verdicts.get(RUNTIME) != SAT:
        return ()
    judge, attacker = (environments.computed(draft.network, name) for name in (RUNTIME, environments.names[-1]))
    if judge is None or attacker is None:
        return ()
    grid = grid_of(draft.box)
    targets = ((name, Target(attacker, judge, grid, draft.unsafe, LIMIT, Random(f"{seed}/{name}"))) for name in ATTACKS)
    return tuple(attacked(name, target) for name, target in targets)


def make(wanted: Wanted, told: Callable[[str, int, int], None] = lambda text, done, total: None) -> Corpus:
    """A corpus of ``wanted.count`` instances, controls among them.

    ``told``: how far it is.  Raises InputError where the families have not so many, and as the libraries do.
    """
    instances: list[Instance] = []
    missed = 0
    with Environments(wanted.environments) as environments:
        for job in jobs(wanted):
            told(job.family.name, len(instances), wanted.count)
            made = done(job, wanted, environments)
            instances += made
            missed = 0 if made else missed + 1
            if missed == len(wanted.families):
                raise InputError("no family has an instance with these limits, in these environments")
            if len(instances) >= wanted.count:
                break
        versions = dict(environments.versions)
    return Corpus(_sorted(instances[: wanted.count], wanted), wanted.seed, versions, __version__)


def _sorted(instances: Sequence[Instance], wanted: Wanted) -> tuple[Instance, ...]:
    """By category and name, each control after its instance."""
    return tuple(sorted(instances, key=lambda one: (wanted.categories.index(one.category), one.name)))
