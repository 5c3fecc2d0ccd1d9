"""What a corpus holds, as data and as a story: counts, and a row for each instance."""

from __future__ import annotations

from fpsynth.aliases import Json
from fpsynth.corpus.instances.data import Corpus, Density, Instance
from fpsynth.report.story import Item, Part, Space, Story, Table, told
from fpsynth.wording import counted

_NONE = "-"
"""Where no label says anything."""


def summary(corpus: Corpus) -> Json:
    """How many there are, of which category."""
    categories = [
        {
            "category": category,
            "instances": sum(one.category == category for one in corpus.instances),
            "controls": sum(one.category == category and bool(one.control_of) for one in corpus.instances),
        }
        for category in corpus.categories
    ]
    return {
        "instances": len(corpus.instances),
        "controls": sum(bool(one.control_of) for one in corpus.instances),
        "seed": corpus.seed,
        "environments": corpus.environments,
        "categories": categories,
    }


def rows(corpus: Corpus) -> list[Json]:
    """A row for each instance, in order."""
    return [_row(one) for one in corpus.instances]


def counts_story(corpus: Corpus) -> Story:
    """How many there are, of which category."""
    told_of = summary(corpus)
    head = f"{counted(told_of['instances'], 'instance')}, {told_of['controls']} of them controls, seed {told_of['seed']}"
    rows = [(one["category"], f"{one['instances']:>5}") for one in told_of["categories"]]
    return Story((*told(head, indent=0), Table((), rows)))


def listing_story(corpus: Corpus) -> Story:
    """The same, and each instance with its verdicts, under numbers that stand for the semantics."""
    by_labels = sorted(corpus.instances, key=lambda one: -len(one.labels))  # those that have all of them say in which order
    named = list(dict.fromkeys(label.semantics for one in by_labels for label in one.labels))
    parts: list[Part] = [*counts_story(corpus).parts, Space(), *told("Verdicts, by the numbers above them:", indent=0)]
    parts += [Item(str(number), semantics, 3, indent=2) for number, semantics in enumerate(named, 1)]
    rows = [(one.name, str(one.weights), *(_verdict(one, semantics) for semantics in named)) for one in corpus.instances]
    header = ("instance", "weights", *map(str, range(1, len(named) + 1)))
    return Story((*parts, Space(), Table(header, rows, indent=0, gap=2)))


def _verdict(one: Instance, semantics: str) -> str:
    label = one.label(semantics)
    return _NONE if label is None else label.verdict


def _row(one: Instance) -> Json:
    return {
        "name": one.name,
        "category": one.category,
        "control_of": one.control_of or None,
        "inputs": len(one.box.lower),
        "layers": len(one.network.sums),
        "weights": one.weights,
        "verdicts": {label.semantics: label.verdict for label in one.labels},
        "density": [_density(density) for density in one.densities],
    }


def _density(density: Density) -> Json:
    bad = None if density.bad is None else str(density.bad)
    return {"semantics": density.semantics, "bad": bad, "total": str(density.total), "method": density.method}
