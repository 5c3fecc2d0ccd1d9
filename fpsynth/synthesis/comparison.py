"""Libraries compared directly: both sides of a question on the same hostile vectors, before anything is said of them.

A proof about revealed arithmetics says nothing where a library departs from its own.  So whatever a question could not find is
looked for among what the libraries themselves give.  A view whose arithmetic does not give what its library gave is marked as
measured: its logits are an observation, and only running it again can check them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING

from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import Format
from fpsynth.libraries.machine import cpu
from fpsynth.libraries.registry import library_named
from fpsynth.networks.network import Dense, Network
from fpsynth.predicates import Bounds, Predicate
from fpsynth.revealing.revealer import Operands, Revealer
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.grounds import Ground
from fpsynth.synthesis.proofs import versions_used
from fpsynth.synthesis.settings import Progress
from fpsynth.witness.data import Provenance
from fpsynth.witness.divergence import Divergence, View
from fpsynth.witness.prediction import with_prediction

if TYPE_CHECKING:
    from fpsynth.revealing.bench import Array
    from fpsynth.revealing.comparing import Vectors

POINTS = 16
"""Points of a call."""
MOST_VECTORS = 9600
"""Hostile vectors that two libraries are compared on."""
MOST_NUMBERS = 1 << 24
"""Of all vectors together."""
CANDIDATES = 24
"""Vectors on which the predicate seems to hold and that are run again, one by one."""
_CELLS = 1 << 20
"""Numbers that an arithmetic is evaluated on at a time."""


@dataclass(frozen=True)
class Contest:
    """What two libraries are compared for: views of one layer, and when what they give is an answer to the question."""

    question: str
    format: Format
    """Of weights and inputs."""
    terms: int
    outputs: int
    read: tuple[int, ...]
    """The outputs that are compared."""
    views: tuple[View, ...]
    """The reference, the deployed one, then the silent ones."""
    grounds: tuple[Ground, ...]
    weights: Interval
    inputs: Interval
    predicate: Predicate | None = None
    """On the layer's outputs; None where a difference alone is no answer."""
    bounds: Callable[[Network[float], Sequence[float]], Bounds | None] | None = None
    """The intervals of the reference at a point, where it is interval arithmetic."""
    box: Callable[[Sequence[float]], tuple[tuple[float, float], ...]] = lambda point: ()
    """The box that such an interval is of; empty: the point alone."""
    widening: str = ""
    zeros: bool = True
    """Whether a weight or an input may be zero."""
    seed: int = 0

    def ground(self, view: View) -> Ground | None:
        """The reveal that a view comes from, if any."""
        return next((ground for ground in self.grounds if ground.view == view.name), None)


@dataclass(frozen=True)
class Difference:
    """A vector on which two sides give different results."""

    point: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    """Of the outputs that were compared."""
    values: tuple[tuple[str, tuple[float, ...]], ...]
    """What each of the two views gave, by its name."""


@dataclass(frozen=True)
class Comparison:
    """What came of a comparison."""

    vectors: int = 0
    differing: int = 0
    first: Difference | None = None
    divergence: Divergence | None = None
    """An answer to the question, if the libraries gave one."""
    not_made: str = ""
    """Why there is none, one line; empty where there is."""


def differing(comparison: Comparison) -> str:
    """On how many vectors the two sides differ, in words; empty where they were not seen to."""
    if not comparison.differing:
        return ""
    assert comparison.first is not None
    (a, of_a), (b, of_b) = comparison.first.values
    k = next((k for k, (x, y) in enumerate(zip(of_a, of_b, strict=True)) if x != y), 0)
    return (
        f"run directly, the two give other results on {comparison.differing} of {comparison.vectors} hostile vectors, first "
        f"{of_a[k].hex()} in {a} and {of_b[k].hex()} in {b}"
    )


Runner = Callable[[Ground, "Vectors | Sequence[Operands]"], "Array"]
"""What a revealed kernel gives: (points, outputs that are read) for vectors, (points, all outputs) for operands."""


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
            return compare(contest, lambda ground, asked: _run(revealer, ground, asked))
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
    vectors = _vectors(contest)
    of_a, of_b = (_values(contest, view, vectors, run) for view in (a, b))
    differing = np.asarray(~same_numbers(of_a, of_b).all(axis=1))
    numbers = np.flatnonzero(differing)
    first = None if not len(numbers) else _difference(contest, vectors, int(numbers[0]), of_a, of_b)
    found = None
    if contest.predicate is not None:
        for number in _promising(contest, vectors, of_a, of_b, differing, run):
            found = _checked(contest, _operands(vectors, number), run)
            if found is not None:
                break
    return Comparison(len(differing), len(numbers), first, found)


def _run(revealer: Revealer, ground: Ground, asked: Vectors | Sequence[Operands]) -> Array:
    import numpy as np

    from fpsynth.revealing.comparing import Vectors

    kernel = ground.reveal.kernel
    if isinstance(asked, Vectors):
        return np.array(revealer.results(kernel, _rows(ground), ground.outputs, vectors=asked))
    return np.array(revealer.results(kernel, [ground.row], range(kernel.outputs), operands=asked))


def _rows(ground: Ground) -> list[int]:
    """The row that is read, and those whose sums are taken in the same arithmetics."""
    place = {position: k for k, cls in enumerate(ground.reveal.classes) for position in cls.positions}

    def kinds(row: int) -> list[int]:
        return [place[row, output] for output in ground.outputs]

    own = kinds(ground.row)
    others = (row for row in range(ground.reveal.kernel.environment.batch) if row != ground.row)
    return [ground.row, *(row for row in others if kinds(row) == own)]


def _vectors(contest: Contest) -> Vectors:
    from fpsynth.revealing.comparing import Vectors

    count = max(24, min(MOST_VECTORS, MOST_NUMBERS // (contest.terms * max(1, len(contest.read)))))
    points = min(POINTS, max(1, count // 24))
    operations = {ground.reveal.kernel.environment.operation for ground in contest.grounds}
    return Vectors(
        dtype=contest.format.name,
        terms=contest.terms,
        outputs=len(contest.read),
        calls=2 * (count // points // 2),
        points=points,
        seed=contest.seed,
        weighted="sum" not in operations,
        weights=(float(contest.weights.lower), float(contest.weights.upper)),
        inputs=(float(contest.inputs.lower), float(contest.inputs.upper)),
    )


def _values(contest: Contest, view: View, vectors: Vectors, run: Runner) -> Array:
    """What a side gives at the outputs that are compared, (vectors, outputs): its library, or else its arithmetic."""
    import numpy as np

    from fpsynth.evaluators.sums import sum_of_products

    ground = contest.ground(view)
    if ground is not None:
        return run(ground, vectors)
    parts = []
    for points, weights in _gathered(vectors):
        hows = [view.deployment.at(0, output) for output in contest.read]
        columns = [sum_of_products(how, weights[:, k], points) for k, how in enumerate(hows)]
        parts.append(np.stack(columns, axis=1))
    return np.concatenate(parts)


def _gathered(vectors: Vectors) -> Iterator[tuple[Array, Array]]:
    """Points (number, terms) and weights (number, outputs, terms), several calls at a time."""
    import numpy as np

    size = max(1, _CELLS // (vectors.points * vectors.terms * vectors.outputs))
    calls = list[tuple["Array", "Array"]]()
    for call in vectors:
        calls.append((call.rows, np.repeat(call.weights[None], len(call.rows), axis=0)))
        if len(calls) == size:
            yield np.concatenate([x for x, _ in calls]), np.concatenate([w for _, w in calls])
            calls = []
    if calls:
        yield np.concatenate([x for x, _ in calls]), np.concatenate([w for _, w in calls])


def _operands(vectors: Vectors, number: int) -> Operands:
    """The vector of a number, with the weights of the outputs that are compared."""
    from itertools import islice

    which, point = divmod(number, vectors.points)
    call = next(islice(iter(vectors), which, None))
    return tuple(call.rows[point].tolist()), tuple(tuple(row) for row in call.weights.tolist())


def _difference(contest: Contest, vectors: Vectors, number: int, of_a: Array, of_b: Array) -> Difference:
    point, weights = _operands(vectors, number)
    a, b = contest.views[:2]
    values = ((a.name, tuple(of_a[number].tolist())), (b.name, tuple(of_b[number].tolist())))
    return Difference(tuple(point), tuple(tuple(row) for row in weights), values)


def _promising(contest: Contest, vectors: Vectors, of_a: Array, of_b: Array, differing: Array, run: Runner) -> Iterator[int]:
    """Numbers of vectors within the question's ranges on which the predicate seems to hold."""
    import numpy as np

    predicate = contest.predicate
    assert predicate is not None
    if predicate.kind == "outside":  # where b departs from its own arithmetic, or from a
        arithmetic = _values(replace(contest, grounds=()), contest.views[1], vectors, run)
        seems = differing | (arithmetic != of_b).any(axis=1)
    else:
        seems = _fires(predicate, of_a, of_b, contest.read)
    seems &= np.isfinite(of_a).all(axis=1) & np.isfinite(of_b).all(axis=1)
    tried = 0
    for number in np.flatnonzero(seems):
        if tried >= CANDIDATES:
            return
        if _within(contest, _operands(vectors, int(number))):
            tried += 1
            yield int(number)


def _fires(predicate: Predicate, a: Array, b: Array, read: Sequence[int]) -> Array:
    """``Predicate.holds`` for arrays (vectors, outputs), but for gaps that float64 cannot tell from the bound."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        if predicate.kind == "argmax":
            return np.asarray(a.argmax(axis=1) != b.argmax(axis=1))
        k = list(read).index(predicate.output)
        if predicate.kind == "relu":
            return np.asarray((a[:, k] < 0) & (b[:, k] > 0))
        if predicate.kind == "gap":
            return np.asarray(np.abs(a[:, k] - b[:, k]) >= float(predicate.bound) * (1 - 2.0**-50))
        return np.asarray((a[:, k] > 0) != (b[:, k] > 0))


def _within(contest: Contest, operands: Operands) -> bool:
    point, weights = operands
    rows = [entry for row in weights for entry in row]
    inside = all(contest.weights.lower <= w <= contest.weights.upper for w in rows)
    inside = inside and all(contest.inputs.lower <= x <= contest.inputs.upper for x in point)
    return inside and (contest.zeros or all((*rows, *point)))


def _checked(contest: Contest, operands: Operands, run: Runner) -> Divergence | None:
    """The divergence of one vector, every library run on it alone; None where it is no answer."""
    point, drawn = operands
    rows = dict(zip(contest.read, drawn, strict=True))
    weights = tuple(tuple(rows.get(output, drawn[0])) for output in range(contest.outputs))
    network, operands, views = Network((Dense(weights),)), (point, weights), []
    for view in contest.views:
        ground = contest.ground(view)
        seen = None if ground is None else tuple(float(logit) for logit in run(ground, [operands])[0])
        told = _told(network, point, view, seen)
        if told is None:
            return None
        views.append(told)
    return _divergence(contest, network, tuple(point), views)


def _told(network: Network[float], point: Sequence[float], view: View, seen: tuple[float, ...] | None) -> View | None:
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


def _divergence(
    contest: Contest, network: Network[float], point: tuple[float, ...], views: Sequence[View]
) -> Divergence | None:
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
    return Divergence(
        question=contest.question,
        format=contest.format,
        network=network,
        point=point,
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
