"""Libraries compared directly: both sides of a question on the same hostile vectors, before anything is said of them.

A proof about revealed arithmetics says nothing where a library departs from its own.  So whatever a question could not find is
looked for among what the libraries themselves give.  A view whose arithmetic does not give what its library gave is marked as
measured: its logits are an observation, and only running it again can check them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING

from fpsynth.aliases import Progress
from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.libraries.machine import cpu
from fpsynth.libraries.registry import library_named
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.predicates import Bounds
from fpsynth.revealing.revealer import Operands, Revealer
from fpsynth.synthesis.contest import Comparison, Contest, Difference, Field, Runner
from fpsynth.synthesis.grounds import Ground
from fpsynth.synthesis.proofs import versions_used
from fpsynth.witness.data import Provenance, View, Witness, only_point
from fpsynth.witness.prediction import with_prediction

if TYPE_CHECKING:
    from fpsynth.aliases import Array
    from fpsynth.revealing.comparing import Vectors

CANDIDATES = 24
"""Vectors on which the predicate seems to hold and that are run again, one by one."""
INTERVALS = 240
"""Vectors whose intervals are computed to find such candidates."""
_SLACK = 2.0**-50
"""The share of a gap that may be missing before the exact re-check: float64 cannot tell it."""


def departing(comparison: Comparison) -> str:
    """On how many vectors a library departs from what was revealed for it, in words; empty where it was not seen to.

    That two sides differ as their arithmetics say they do is no doubt about these.
    """
    if not comparison.unexplained or comparison.first is None:
        return ""
    values = ", ".join(f"{_parted(comparison.first, values).hex()} in {name}" for name, values in comparison.first.values)
    return (
        f"run directly on {comparison.vectors} hostile vectors, the two give other results on {comparison.differing} and "
        f"something else than was revealed for them on {comparison.unexplained}, such as {values}"
    )


def _parted(first: Difference, values: Sequence[float]) -> float:
    """The value at the first output at which the sides differ."""
    return values[parting_output(first)]


def parting_output(first: Difference) -> int:
    """The place among the outputs that were compared of the first at which the two sides differ; 0 where none does."""
    (_, of_a), (_, of_b) = first.values
    return next((k for k, (x, y) in enumerate(zip(of_a, of_b, strict=True)) if x != y), 0)


def compared(contest: Contest, progress: Progress | None = None) -> Comparison:
    """Compare the two sides of a question on this machine, in processes of their own, which are ended afterwards."""
    for ground in contest.grounds:
        why = elsewhere(ground)
        if why:
            return Comparison(not_made=why)
    if progress:
        progress(f"comparing {' and '.join(view.label for view in contest.views[:2])} directly")
    with Revealer() as revealer:
        try:
            return compare(contest, runner(revealer))
        except InputError as error:
            return Comparison(not_made=str(error))


def elsewhere(ground: Ground) -> str:
    """Why a revealed kernel cannot be run here, as it may come from a file; empty where it can."""
    kernel, facts = ground.reveal.kernel, ground.reveal.facts
    name, version = kernel.environment.library, library_named(kernel.environment.library).version()
    if version is None:
        return f"{name} is not installed here"
    if version != ground.reveal.version:
        return f"{ground.environment} was revealed with {name} {ground.reveal.version}, and {version} is installed here"
    here = cpu()
    if any(facts.get(key, text) != text for key, text in here.items()):
        return f"{ground.environment} was revealed on another processor"
    return f"{ground.environment} was revealed with a bias" if kernel.bias else ""


def compare(contest: Contest, run: Runner) -> Comparison:
    """Compare the two sides, whose kernels ``run`` runs.  Raises InputError where they cannot be run."""
    import numpy as np

    from fpsynth.revealing.checking import same_numbers

    a, b = contest.views[:2]
    for view in (a, b):
        if contest.ground(view) is None and view.deployment.default.format is None:
            return Comparison(not_made=f"{view.label} is no library, and nothing rounds as it does")
    field = Field(contest)
    given = {view.name: field.values(view, run) for view in contest.views if view in (a, b) or contest.ground(view)}
    differing = np.asarray(~same_numbers(given[a.name], given[b.name]).all(axis=1))
    unexplained = np.zeros(len(differing), bool)
    for view in contest.views:
        if contest.ground(view) is not None:
            unexplained |= ~same_numbers(field.computed(view), given[view.name]).all(axis=1)
    numbers = np.argsort(~differing * 1 + ~unexplained * 2, kind="stable")[:1].tolist()
    first = _difference(contest, field, numbers[0], given) if (differing | unexplained).any() else None
    found = None
    if contest.predicate is not None:
        for operands in _promising(contest, field, given[a.name], given[b.name], differing | unexplained):
            found = _checked(contest, operands, run)
            if found is not None:
                break
    return Comparison(len(differing), int(differing.sum()), int(unexplained.sum()), first, found)


def runner(revealer: Revealer) -> Runner:
    """Runs kernels in the processes of a revealer."""
    return lambda ground, asked: _run(revealer, ground, asked)


def _run(revealer: Revealer, ground: Ground, asked: Vectors | Sequence[Operands]) -> Array:

    from fpsynth.revealing.comparing import Vectors

    kernel = ground.reveal.kernel
    if isinstance(asked, Vectors):
        return revealer.results(kernel, _rows(ground), ground.outputs, vectors=asked)
    return revealer.results(kernel, [ground.row], range(kernel.outputs), operands=asked)


def _rows(ground: Ground) -> list[int]:
    """The row that is read, and those whose sums are taken in the same arithmetics."""
    place = {position: k for k, cls in enumerate(ground.reveal.classes) for position in cls.positions}

    def kinds(row: int) -> list[int]:
        return [place[row, output] for output in ground.outputs]

    own = kinds(ground.row)
    others = (row for row in range(ground.reveal.kernel.environment.batch) if row != ground.row)
    return [ground.row, *(row for row in others if kinds(row) == own)]


def _difference(contest: Contest, field: Field, number: int, given: Mapping[str, Array]) -> Difference:
    ((point, weights),) = field.operands([number])
    values = tuple((view.name, tuple(given[view.name][number].tolist())) for view in contest.views[:2])
    return Difference(tuple(point), tuple(tuple(row) for row in weights), values)


def _promising(contest: Contest, field: Field, of_a: Array, of_b: Array, odd: Array) -> list[Operands]:
    """Vectors within the question's ranges on which the predicate seems to hold."""
    import numpy as np

    predicate = contest.predicate
    assert predicate is not None
    usable = field.inside & np.isfinite(of_a).all(axis=1) & np.isfinite(of_b).all(axis=1)
    if predicate.relation.needs_interval:
        return _outside(contest, field, usable & odd, of_b)
    asked = predicate.among(contest.read)
    with np.errstate(invalid="ignore"):
        holds = asked.relation.holds_each(asked, of_a.T, of_b.T, _SLACK)
    numbers = np.flatnonzero(usable & holds)
    return [operands for operands in field.operands(numbers[:CANDIDATES].tolist()) if contest.allows(operands)]


def _outside(contest: Contest, field: Field, usable: Array, of_b: Array) -> list[Operands]:
    """Vectors whose result in b lies outside the interval.

    Intervals are narrowest where hardly anything rounds in the reference: those come first.
    """
    import numpy as np

    assert contest.bounds is not None
    assert contest.predicate is not None
    asked = contest.predicate.among(contest.read)
    reference, numbers = field.computed(contest.views[0])[:, 0], np.flatnonzero(usable)
    exact = field.sums()[numbers]
    with np.errstate(all="ignore"):
        error = np.abs(reference[numbers] - exact) / np.abs(of_b[numbers, 0] - reference[numbers])
    numbers = numbers[np.argsort(error, kind="stable")][:INTERVALS]
    found = []
    for number, (point, weights) in zip(numbers.tolist(), field.operands(numbers.tolist()), strict=True):
        network = dense_relu([Dense(contest.filled(weights))])
        bounds = contest.bounds(network, point) if contest.allows((point, weights)) else None
        value = tuple(map(Fraction, of_b[number].tolist()))
        if bounds is not None and asked.holds((), value, [bounds[output] for output in contest.read]):
            found.append((point, weights))
    return found[:CANDIDATES]


def _checked(contest: Contest, operands: Operands, run: Runner) -> Witness | None:
    """The divergence of one vector, every library run on it alone; None where it is no answer."""
    point, weights = operands[0], contest.filled(operands[1])
    network, views = dense_relu([Dense(weights)]), []
    for view in contest.views:
        ground = contest.ground(view)
        seen = None if ground is None else tuple(float(logit) for logit in run(ground, [(point, weights)])[0])
        told = _told(network, point, view, seen)
        if told is None:
            return None
        views.append(told)
    return _divergence(contest, network, tuple(point), views)


def _told(network: Network, point: Sequence[float], view: View, seen: tuple[float, ...] | None) -> View | None:
    """The view with its logits: predicted, or measured where its library gave others; None where they are no numbers."""
    predicted = None
    with suppress(InputError):
        predicted = with_prediction(network, point, view)
    if seen is None or predicted is None:
        return predicted
    if not all(map(math.isfinite, seen)):
        return None
    exact = tuple(map(Fraction, seen))
    return predicted if exact == predicted.logits else replace(view, logits=exact, measured=True)


def _divergence(contest: Contest, network: Network, point: tuple[float, ...], views: Sequence[View]) -> Witness | None:
    reference, deployed, *silent = views
    bounds: Bounds = ()
    if contest.bounds is not None:
        ends = contest.bounds(network, point)
        if ends is None:
            return None
        bounds = tuple(ends)
        reference = replace(reference, interval=bounds, widening=contest.widening)
    predicate = contest.predicate
    assert predicate is not None
    if not predicate.holds(reference.logits, deployed.logits, bounds):
        return None
    if any(predicate.fires(quiet.logits, reference.logits, bounds) for quiet in silent):
        return None
    return Witness(
        question=contest.question,
        format=contest.format,
        network=network,
        points=only_point(point),
        predicate=predicate,
        views=(reference, deployed, *silent),
        real=exact_logits(network, point),
        measure=predicate.measure(reference.logits, deployed.logits, bounds),
        box=contest.box(point),
        provenance=Provenance(
            engine="comparison",
            encoding="hostile vectors run in both",
            seed=contest.seed,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=versions_used(),
            seconds_solve=0.0,
            seconds_total=0.0,
            notes=tuple(
                f"what {view.label} gives was measured: the arithmetic revealed for it gives something else here"
                for view in views
                if view.measured
            ),
        ),
    )
