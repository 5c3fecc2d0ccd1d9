"""Do one job: a family draws, every draft is labelled, and what does not have the wanted verdicts is drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from fpsynth.corpus.attacks.table import attacks_on
from fpsynth.corpus.families.base import FamilyDrawing, InstanceDraft, NothingDrawnError, require_weights
from fpsynth.corpus.instances.data import RUNTIME, SAT, Attacked, Instance
from fpsynth.corpus.labels.environments import Computed, Environments
from fpsynth.corpus.labels.labelling import Truth, asked_of, told_of
from fpsynth.corpus.labels.ordered import LabelQuestion
from fpsynth.corpus.making.wanted import Job, WantedCorpus

TRIES = 20
"""Draws for one instance before a family is passed over."""


def done(job: Job, wanted: WantedCorpus, environments: Environments) -> tuple[Instance, ...]:
    """An instance and its controls.  Raises NothingDrawnError, with the last reason, where there is none in TRIES draws."""
    reason = ""
    for attempt in range(TRIES):
        seed = job.seed(wanted, attempt)
        drawing = FamilyDrawing(Random(seed), environments, job.number, wanted.max_weight)
        try:
            drafts = job.family.draw(drawing)
            require_weights(drafts, wanted.max_weight)
            return tuple(_labelled(job, seed, drafts, k, environments) for k in range(len(drafts)))
        except NothingDrawnError as error:
            reason = str(error)
    raise NothingDrawnError(reason)


def _labelled(job: Job, seed: str, drafts: Sequence[InstanceDraft], k: int, environments: Environments) -> Instance:
    """The k-th draft as an instance.  Raises NothingDrawnError where a label is not what was wanted."""
    draft, name = drafts[k], f"{job.family.name}_{job.number:04d}"
    candidates = [draft.witness] if draft.witness else []
    asked = asked_of(draft.network, draft.box, draft.unsafe, candidates)
    orders, told = told_of(asked, environments)
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
        attacks=_attacks(asked, orders, told, seed),
        control_of="" if k == 0 else name,
        controls=draft.controls,
    )
    for semantics, verdict in draft.wanted.items():
        if instance.verdict(semantics) != verdict:
            raise NothingDrawnError(f"{semantics} is {instance.verdict(semantics)}, not {verdict}")
    return instance


def _attacks(asked: LabelQuestion, orders: Sequence[Computed], told: Truth, seed: str) -> tuple[Attacked, ...]:
    """Which attacks find what is unsafe in RUNTIME; they compute in the last order, as attacks run in batches.

    Nothing is tried where nothing is unsafe.
    """
    verdicts = {label.semantics: label.verdict for label in told.labels}
    if verdicts.get(RUNTIME) != SAT:
        return ()
    labelled = [one for one in orders if one.environment in verdicts]
    judge = next(one for one in labelled if one.environment == RUNTIME)
    return attacks_on(labelled[-1], judge, asked.grid, asked.unsafe, seed)
