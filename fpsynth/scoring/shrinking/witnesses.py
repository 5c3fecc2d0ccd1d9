"""The simplest numbers of a witness: weights and inputs that still diverge, every claim computed again at every step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from fpsynth.aliases import Json, PathLike
from fpsynth.errors import ContradictionError, InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.rounding import from_float, representable
from fpsynth.scoring.job import BenchRun
from fpsynth.scoring.judging import RIGHT, UNKNOWN
from fpsynth.scoring.shrinking.instances import ASKED, ShrinkRequest, prepare
from fpsynth.scoring.shrinking.numbers import BITS, changed, rounded, shorter
from fpsynth.scoring.shrinking.search import Pass, Search, in_chunks, shrunk
from fpsynth.scoring.shrinking.size import costs, shape_of, size_json
from fpsynth.scoring.table import JobTable
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.checking.predictions import predictions
from fpsynth.synthesis.ties.certification import tie_of
from fpsynth.version import __version__
from fpsynth.witness import Point, Provenance, Witness, load, save
from fpsynth.witness.numerals import hexes_of
from fpsynth.workers.deadlines import within

RESULT = "witness.json"
NOTE = "shrunk: its numbers were made simpler, and every claim was computed again"


@dataclass(frozen=True)
class WitnessNumbers:
    """What is shrunk: the numbers of a witness."""

    network: Network
    points: tuple[Point, ...]

    @property
    def digest(self) -> str:
        """All of it as one line."""
        return f"{self.network.digest.hex()} {' '.join(' '.join(hexes_of(point.numbers)) for point in self.points)}"


@dataclass(frozen=True)
class ShrunkWitness:
    """What came of it."""

    before: Witness
    after: Witness
    considered: int
    complete: bool

    def to_json(self) -> Json:
        """As data."""
        return {
            "question": self.before.question,
            "before": _size_json(self.before),
            "after": _size_json(self.after),
            "still_wrong": check(self.after).confirmed,
            "considered": self.considered,
            "complete": self.complete,
        }


def _size_json(witness: Witness) -> Json:
    return {**size_json(witness.network), "bits_of_points": sum(costs(point.numbers) for point in witness.points)}


@dataclass
class StillDiverges:
    """The problem: with these numbers the witness is one, as ``check`` says."""

    witness: Witness
    table: JobTable
    known: dict[str, bool] = field(default_factory=dict)

    def size(self, candidate: WitnessNumbers) -> tuple[object, ...]:
        """See ``search.ShrinkProblem``: weights that are not zero, the lengths of numbers, each number, the digest."""
        entries = [number for number in candidate.network.entries() if number]
        numbers = [x for point in candidate.points for x in point.numbers]
        used = len(entries) + sum(map(bool, numbers))
        return (*shape_of(candidate.network), used, costs(entries) + costs(numbers), candidate.digest)

    def holds(self, candidate: WitnessNumbers) -> bool:
        """See ``search.ShrinkProblem``."""
        digest = candidate.digest
        if digest not in self.known:
            self.known[digest] = rebuilt(self.witness, candidate) is not None
            column = RIGHT if self.known[digest] else UNKNOWN
            self.table.add(BenchRun(digest, "check", 0, "unknown", column, "", 0, 0.0, None))
        return self.known[digest]


def rebuilt(witness: Witness, numbers: WitnessNumbers) -> Witness | None:
    """The witness with other numbers, all that follows from them computed, and checked; None where it is none."""
    if not all(_held(x, witness.format) for x in _all(numbers)):
        return None
    try:
        made = _tie(witness, numbers) if witness.two_points else _divergence(witness, numbers)
        return made if made is not None and check(made).confirmed else None
    except (InputError, ContradictionError):  # a logit that is no number, a claim that nobody makes
        return None


def _all(numbers: WitnessNumbers) -> Iterator[float]:
    yield from numbers.network.entries()
    for point in numbers.points:
        yield from point.numbers


def _held(number: float, fmt: Format) -> bool:
    value = from_float(number)
    return value.is_finite and representable(value, fmt)


def _tie(witness: Witness, numbers: WitnessNumbers) -> Witness | None:
    at = {point.name: point.numbers for point in numbers.points}
    points = at[witness.reference.point], at[witness.deployed.point]
    made, rejected = tie_of(numbers.network, points, witness.deployment, witness.format, witness.claim.verifier)
    if rejected or points[0] == points[1]:
        return None
    views = tuple(
        replace(new, label=old.label, environment=old.environment) for new, old in zip(made.views, witness.views, strict=True)
    )
    return replace(made, views=views, objective=witness.objective, max_weight=witness.max_weight, provenance=_noted(witness))


def _divergence(witness: Witness, numbers: WitnessNumbers) -> Witness | None:
    plain = replace(
        witness,
        network=numbers.network,
        points=numbers.points,
        objective="",
        box=(),
        sampled=None,
        construction="",
        optimum="",
        observations=(),
        provenance=_noted(witness),
    )
    computed = predictions(plain)
    if len(computed.logits) != len(witness.views):
        return None
    views = tuple(
        replace(view, logits=computed.logits[view.name], interval=computed.intervals.get(view.name, ()))
        for view in witness.views
    )
    a, b, bounds = views[0].logits, views[1].logits, views[0].interval
    if not witness.predicate.fires(b, a, bounds):
        return None
    real = exact_logits(numbers.network, plain.point) if witness.real else ()
    return replace(plain, views=views, real=real, measure=witness.predicate.measure(a, b, bounds))


def _noted(witness: Witness) -> Provenance | None:
    kept = witness.provenance
    return None if kept is None else replace(kept, notes=(*(note for note in kept.notes if note != NOTE), NOTE))


def zeros(search: Search[WitnessNumbers]) -> None:
    """Weights and inputs become 0: all, halves, each."""

    def places() -> list[int]:
        return [k for k, number in enumerate(_all(search.current)) if number]

    def propose(chosen: range) -> bool:
        out = {places()[k] for k in chosen}
        return search.consider(_changed(search.current, lambda k, number: 0.0 if k in out else number))

    in_chunks(lambda: len(places()), propose)


def simpler(search: Search[WitnessNumbers]) -> None:
    """All numbers get fewer bits, then each a shorter one, then each that is met several times."""
    for bits in BITS:
        if _replaced(search, lambda k, number, bits=bits: rounded(number, bits)):
            break
    for place in range(sum(1 for _ in _all(search.current))):
        number = list(_all(search.current))[place]
        for other in shorter(number):
            if _replaced(search, lambda k, old, other=other, place=place: other if k == place else old):
                break
    for number in dict.fromkeys(_all(search.current)):
        for other in shorter(number):
            if _replaced(search, lambda k, old, other=other, number=number: other if old == number else old):
                break


def scaled(search: Search[WitnessNumbers]) -> None:
    """All weights, or all inputs, times a power of two."""
    weights = search.current.network.parameter_count
    for steps in (64, 16, 4, 1):
        for factor in (2.0**steps, 2.0**-steps):
            while _replaced(search, lambda k, number, factor=factor: number * factor if k < weights else number):
                pass
            while _replaced(search, lambda k, number, factor=factor: number * factor if k >= weights else number):
                pass


def _replaced(search: Search[WitnessNumbers], change: Callable[..., float]) -> bool:
    return search.consider(_changed(search.current, change))


def _changed(old: WitnessNumbers, change: Callable[..., float]) -> WitnessNumbers | None:
    """Numbers by their places: first the network's, then the points'."""
    network, place, points = changed(old.network, change), old.network.parameter_count, list[Point]()
    for point in old.points:
        moved = tuple(change(place + k, x) for k, x in enumerate(point.numbers))
        points.append(replace(point, numbers=moved))
        place += len(moved)
    return None if network is None else WitnessNumbers(network, tuple(points))


PASSES: tuple[Pass[WitnessNumbers], ...] = (zeros, simpler, scaled)


def shrink_witness(request: ShrinkRequest, path: PathLike) -> ShrunkWitness:
    """Find the simplest numbers with which a witness is still one, and write it.

    Raises InputError for a file that is no witness, that is not confirmed, or that rests on what was measured.
    """
    witness = load(path)
    if any(view.measured or view.network not in (None, witness.network) for view in witness.views):
        raise InputError("this witness rests on what was measured of a library, which other numbers would change")
    if not check(witness).confirmed:
        raise InputError("this witness is not confirmed (fpsynth check says why): there is nothing to shrink")
    prepare(request.out)
    start = WitnessNumbers(witness.network, witness.points)
    if rebuilt(witness, start) is None:
        raise InputError("this witness holds something that does not follow from its numbers: it cannot be shrunk")
    settings: Json = {"witness": start.digest, "seed": request.seed, "version_of_fpsynth": __version__}
    with JobTable(os.path.join(request.out, ASKED), settings, ()) as table:
        known = {run.instance: run.column == RIGHT for run in table.runs()}
        problem = StillDiverges(witness, table, known)
        with within(request.budget):
            found = shrunk(problem, start, PASSES, seed=request.seed, restarts=request.restarts, told=_teller(request))
    after = rebuilt(witness, found.best)
    assert after is not None
    place = os.path.join(request.out, RESULT)
    if os.path.isfile(place):
        os.unlink(place)
    save(after, place, new=True)
    return ShrunkWitness(witness, after, found.considered, found.complete)


def _teller(request: ShrinkRequest) -> Callable[[WitnessNumbers, int], None]:
    def told(current: WitnessNumbers, considered: int) -> None:
        if request.progress is not None:
            bits = costs(_all(current))
            request.progress(f"shrinking, after {considered} tries: numbers of {bits} bits")

    return told
