"""What a corpus holds, as data: counts, and a row for each instance."""

from __future__ import annotations

from fpsynth.aliases import Json
from fpsynth.corpus.instances.data import Corpus, Density, Instance


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
