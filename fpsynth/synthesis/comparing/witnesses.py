"""Witnesses of a comparison: an input whose class is another one in two environments, as a file that can be checked."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.evaluators.work import affordable_extra, exact_work
from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.predicates import Predicate
from fpsynth.synthesis.comparing.comparison import EnvironmentPair, NetworkComparison, Ran
from fpsynth.synthesis.proofs import versions_used
from fpsynth.witness.data import Provenance, View, Witness, only_point
from fpsynth.witness.prediction import with_prediction

MAX_WITNESSES = 100
"""Of one comparison: the first changed inputs of every pair in turn."""
_ARGMAX = Predicate("argmax")


def witnesses(found: NetworkComparison) -> tuple[Witness, ...]:
    """A witness for each input whose class changes between two environments, the first ``MAX_WITNESSES`` of them.

    Environments that gave the same logits everywhere count as one, the first of them.  The first environment of a pair is what
    is believed.  Logits that the revealed arithmetics do not give are said to have been measured.
    """
    named = {one.name: one for one in found.environments}
    return tuple(
        _witness(found.network, found.dtype, found.points, number, named[pair.a], named[pair.b])
        for pair, number in witnessed(found)
    )


def witnessed(found: NetworkComparison) -> tuple[tuple[EnvironmentPair, int], ...]:
    """The pair of environments and the number of the input of each of the ``witnesses``, in their order."""
    turns = itertools.zip_longest(*([(pair, number) for number in pair.changed] for pair in found.distinct_pairs))
    return tuple(itertools.islice((one for turn in turns for one in turn if one is not None), MAX_WITNESSES))


def _witness(network: Network, dtype: Format, points: Floats, number: int, a: Ran, b: Ran) -> Witness:
    graph, point = network.logits, tuple(points[number].tolist())
    views = tuple(_views(graph, point, number, (a, b)))
    return Witness(
        question="compare",
        format=dtype,
        network=graph,
        points=only_point(point),
        predicate=_ARGMAX,
        views=views,
        real=_real(graph, point),
        measure=_ARGMAX.measure(views[0].logits, views[1].logits),
        provenance=Provenance(
            engine="comparison",
            encoding=f"input {number} run in both environments",
            seed=0,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions={**versions_used(), **{str(one.library): one.version for one in (a, b)}},
            seconds_solve=0.0,
            seconds_total=0.0,
        ),
    )


def _views(network: Network, point: tuple[float, ...], number: int, ran: Sequence[Ran]) -> Iterator[View]:
    for name, role, one in zip(("a", "b"), ("reference", "deployed"), ran, strict=True):
        assert one.found is not None
        assert one.logits is not None
        where = one.found.environment
        view = View(
            name=name,
            label=str(where),
            role=role,
            deployment=one.found.in_row(number % where.batch),
            environment=str(where),
            network=None if one.found.network == network else one.found.network,
            row=number % where.batch,
        )
        logits = tuple(Fraction(x) for x in one.logits[number].tolist())
        with suppress(InputError):  # an arithmetic of which arrays make nothing: what was measured is the evidence
            view = with_prediction(network, point, view)
        yield view if view.logits == logits else replace(view, logits=logits, measured=True)


def _real(network: Network, point: tuple[float, ...]) -> tuple[Fraction, ...]:
    """The exact logits; none where they take long, or a batch normalisation has none."""
    if not affordable_extra(exact_work(network, point)):
        return ()
    try:
        return exact_logits(network, point)
    except InputError:
        return ()
