"""Replay a corpus: each witness is run in the libraries of this machine, whatever order they were revealed in elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fpsynth.aliases import PathLike
from fpsynth.corpus.instances.data import Corpus, Instance
from fpsynth.corpus.instances.reading import read_corpus
from fpsynth.corpus.labels.environments import Environments
from fpsynth.corpus.labels.margins import violated
from fpsynth.errors import InputError

AS_LABELLED, OTHERWISE, NOT_RUN = "as labelled", "otherwise", "not run"


@dataclass(frozen=True)
class WitnessRun:
    """A witness in one environment."""

    instance: str
    environment: str
    outcome: str
    """AS_LABELLED: the library's outputs at the witness are unsafe where the margin there says so, and safe else; OTHERWISE:
    they are not; NOT_RUN."""
    detail: str = ""
    """Why it was not run, or what came out instead."""


@dataclass(frozen=True)
class CorpusReplay:
    """All of them."""

    corpus: Corpus
    runs: tuple[WitnessRun, ...]

    @property
    def holds(self) -> bool:
        """Whether no run came out otherwise, and there was one."""
        outcomes = {run.outcome for run in self.runs}
        return OTHERWISE not in outcomes and AS_LABELLED in outcomes

    def count(self, outcome: str) -> int:
        """How many there are of an outcome."""
        return sum(run.outcome == outcome for run in self.runs)


def replay_corpus(
    folder: PathLike,
    names: Sequence[str] = (),
    told: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> CorpusReplay:
    """Run every witness of a corpus in the environments that it is labelled for, or in those of them that are named.

    Raises InputError as ``read_corpus`` does, and for an environment that no instance is labelled for.
    """
    corpus = read_corpus(folder)
    labelled = tuple(dict.fromkeys(label.semantics for one in corpus.instances for label in one.labels if label.computed))
    for name in names:
        if name not in labelled:
            raise InputError(f"no instance is labelled for {name}: choose from {', '.join(labelled)}")
    runs: list[WitnessRun] = []
    with Environments(tuple(names) or labelled) as environments:
        for number, instance in enumerate(corpus.instances):
            told(instance.name, number, len(corpus.instances))
            runs += _runs(instance, environments)
    return CorpusReplay(corpus, tuple(runs))


def _runs(instance: Instance, environments: Environments) -> list[WitnessRun]:
    if not instance.witness:
        return []
    labels = [instance.label(name) for name in environments.names]
    return [_run(instance, label.semantics, label.margin, environments) for label in labels if label is not None]


def _run(instance: Instance, name: str, margin: Fraction | None, environments: Environments) -> WitnessRun:
    try:
        rows = environments.run(instance.network.logits, name, instance.witness)
    except InputError as error:
        return WitnessRun(instance.name, name, NOT_RUN, str(error))
    unsafe = margin is not None and margin <= 0
    if (violated(instance.unsafe, np.array(rows)) == unsafe).all():
        return WitnessRun(instance.name, name, AS_LABELLED)
    return WitnessRun(instance.name, name, OTHERWISE, f"outputs {', '.join(map(repr, rows[0]))}")
