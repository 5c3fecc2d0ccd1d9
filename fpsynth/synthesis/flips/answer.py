"""The answer to a flip question: found, impossible or unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from statistics import median
from typing import TYPE_CHECKING

from fpsynth.aliases import Progress
from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.solvers.race import Attempt, Race
from fpsynth.synthesis.flips.question import FlipQuestion, FlipResult
from fpsynth.synthesis.flips.structure import impossible
from fpsynth.synthesis.proofs import refuted, versions_used
from fpsynth.synthesis.settings import Clock, Settings
from fpsynth.synthesis.verdicts import Proof, Verdict
from fpsynth.witness.data import Provenance, Witness, only_point
from fpsynth.witness.prediction import with_prediction
from fpsynth.wording import counted, noun
from fpsynth.workers.deadlines import OutOfTimeError, within

if TYPE_CHECKING:
    from fpsynth.synthesis.flips.columns import Bench, Columns

CANDIDATES = 24
"""Candidates of a batch that are checked exactly: more would not pass where these fail."""
NOISE_SECONDS = 4.0
"""Random dense layers are drawn so long before the solvers start; and again, after them, until the time is over."""
LOOSE_SECONDS = 0.1
"""So long opposite signs are looked for in so few terms once there is a solution that hangs on a zero."""
SMALL = 4
"""Terms up to which the solvers are asked first for a proof that there is no solution."""
FEW = 6
"""Active terms that solvers are asked about where there are more."""


@dataclass
class _Work:
    """What a search has gathered so far."""

    question: FlipQuestion
    settings: Settings
    clock: Clock
    progress: Progress | None
    attempts: list[Attempt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reason: str = ""
    proof: Proof | None = None
    winner: Attempt | None = None
    """The engine's run that found the solution; None where no engine was needed."""
    loose: tuple[Witness, str] | None = None
    """A solution that hangs on a zero, kept while one with opposite signs is looked for; and what found it."""

    def say(self, line: str) -> None:
        if self.progress:
            self.progress(line)


def find_flip(question: FlipQuestion, settings: Settings, progress: Progress | None = None) -> FlipResult:
    """Answer the question within about ``settings.seconds``.

    First what the structure shows; then the closed form in a few terms, dense layers of rounding noise, and a race of the
    engines over a few terms, or over all where there are no more.  Whatever is found is computed again by the exact
    interpreter on the whole layer.  Impossible only with a proof: a structural one, or ``unsat`` from two engines.
    """
    work = _Work(question, settings, Clock(settings.seconds), progress)
    with within(settings.seconds):
        try:
            proof = impossible(question)
        except OutOfTimeError:
            return _result(work, None)
        if proof is not None:
            return FlipResult(Verdict.IMPOSSIBLE, None, proof, proof.statement, (), round(work.clock.spent, 3))
        found = _search(work)
    return _result(work, found)


def _search(work: _Work) -> tuple[Witness, str] | None:
    """The first solution that is as strict as it can soon be found to be, made larger where that is asked for."""
    stages = (_closed, _dense, _grown_gap, _raced, _camouflaged, _dense_again)
    for stage in stages:
        if work.clock.left <= 0:
            work.reason = work.reason or "the time limit is over"
            break
        try:
            found = stage(work)
        except OutOfTimeError:
            work.reason = work.reason or "the time limit is over"
            break
        if work.proof is not None and found is None:
            return None
        if found is not None:
            return _larger(work, found)
        if work.loose is not None and stage in (_dense, _raced):
            break
    return _larger(work, work.loose) if work.loose is not None else None


def _closed(work: _Work) -> tuple[Witness, str] | None:
    q = work.question
    if not q.zeros:
        return None
    from fpsynth.synthesis.flips.closed import closed_forms

    tried = 0
    for bench, columns in closed_forms(q, work.settings.seed):
        tried += columns.count
        found = _first(work, bench, columns, "the closed form")
        if found is not None:
            return found
        if work.clock.left <= 0 or (work.loose is not None and q.terms < 4):
            break
    work.say(f"closed forms: {tried} tried" + (", a solution that hangs on a zero" if work.loose else ""))
    return None


def _dense(work: _Work) -> tuple[Witness, str] | None:
    q = work.question
    patience = 0.5 if q.terms <= SMALL or work.loose is not None else NOISE_SECONDS
    return _drawn(work, Clock(min(work.clock.left, patience)), work.settings.seed)


def _dense_again(work: _Work) -> tuple[Witness, str] | None:
    return _drawn(work, work.clock, work.settings.seed + 1)


def _drawn(work: _Work, clock: Clock, seed: int) -> tuple[Witness, str] | None:
    import numpy as np

    from fpsynth.synthesis.flips.columns import Bench
    from fpsynth.synthesis.flips.noise import Noise

    q = work.question
    bench = Bench(q)
    noise = Noise(q, q.terms, np.random.default_rng(seed))
    size, drawn = min(256, bench.capacity), 0
    while True:
        columns = noise.draw(size)
        drawn += size
        found = _first(work, bench, columns, "rounding noise of dense layers")
        if found is not None:
            return found
        enough = work.loose is not None and q.terms <= SMALL and clock.spent > LOOSE_SECONDS
        if clock.left <= 0 or enough:
            work.say(f"dense layers: no solution among {drawn} draws")
            work.reason = work.reason or f"no solution among {drawn} dense layers"
            return None
        size = min(2 * size, bench.capacity)


def _grown_gap(work: _Work) -> tuple[Witness, str] | None:
    """A gap that random layers do not reach: grown from whatever gap there is."""
    q = work.question
    if not q.predicate.relation.bounded or q.terms <= SMALL:
        return None
    any_gap = replace(q.predicate, bound=q.format.min_subnormal)
    share = Clock(work.clock.left / 3)
    settings = replace(work.settings, improvement=share.left)
    easy = _Work(replace(q, predicate=any_gap, maximise=True), settings, share, work.progress)
    found = _closed(easy) or _dense(easy) or easy.loose
    if found is None:
        return None
    grown, how = _larger(easy, found)
    divergence = exact_divergence(q, grown.network, grown.point)
    if divergence is None:
        work.reason = f"the largest gap that was found is {float(grown.measure):.6g}"
        return None
    work.notes += easy.notes
    return divergence, how


def _raced(work: _Work) -> tuple[Witness, str] | None:
    """Ask the engines about few terms; they may prove that there is nothing where these are all terms."""
    q = work.question
    if work.loose is not None or not work.settings.engines or not (q.zeros or q.terms <= FEW):
        return None
    from fpsynth.synthesis.flips.active import few

    active = few(q, work.settings.seed, FEW)
    share = work.clock.left if len(active) == q.terms else work.clock.left / 2
    from fpsynth.synthesis.flips.solving import solve

    work.say(f"solvers: {counted(len(active), 'term')}, up to {share:.0f} s")
    outcome = solve(q, active, work.settings, share, work.progress)
    work.attempts += outcome.attempts
    work.reason = outcome.reason
    if outcome.status == "unsat" and len(active) == q.terms:
        work.proof = _refuted(q, outcome)
        work.reason = work.proof.statement
    if outcome.assignment is None:
        return None
    bench, columns = _solved(q, active, outcome)
    assert outcome.winner is not None
    found = _first(work, bench, columns, f"{outcome.winner.engine} ({outcome.winner.encoding})", loose=True)
    work.winner = outcome.winner if found is not None else None
    return found


def _solved(q: FlipQuestion, active: tuple[int, ...], outcome: Race) -> tuple[Bench, Columns]:
    import numpy as np

    from fpsynth.synthesis.flips.columns import Bench, Columns

    assert outcome.assignment is not None
    values = {name: float(value) for name, value in outcome.assignment.items()}
    size = range(len(active))
    weights = np.array([[[values[f"w{j}_{k}"]] for k in size] for j in range(q.outputs)])
    return Bench(q, active), Columns(weights, np.array([[values.get(f"x{k}", 1.0)] for k in size]))


def _refuted(q: FlipQuestion, outcome: Race) -> Proof:
    wanted = q.predicate.searched.wanted(q.predicate)
    return refuted(f"no weights in {q.weights} and inputs in {q.inputs} give {wanted} of {q.terms} terms", outcome)


def _camouflaged(work: _Work) -> tuple[Witness, str] | None:
    """Where dense layers do not flip: the closed form, with numbers as large as it bears in place of its zeros."""
    if not work.question.camouflage:
        return None
    import numpy as np

    from fpsynth.synthesis.flips.columns import Bench, Columns
    from fpsynth.synthesis.flips.growing import filled

    plain = _Work(replace(work.question, camouflage=False), work.settings, Clock(work.clock.left / 2), work.progress)
    found = (_closed(plain) if plain.question.zeros else None) or plain.loose
    if found is None:
        return None
    network, point = found[0].network, found[0].point
    sparse = Columns(np.array(network.dense_layers[0].weight, np.float64)[:, :, None], np.array(point)[:, None])
    bench = Bench(work.question)
    for columns in filled(bench, sparse, np.random.default_rng(work.settings.seed)):
        filled_in = _first(work, bench, columns, "closed form, the other terms filled in", loose=True)
        if filled_in is not None or work.clock.left <= 0:
            return filled_in
    return None


def _first(work: _Work, bench: Bench, columns: Columns, how: str, loose: bool = False) -> tuple[Witness, str] | None:
    """The first candidate of a batch that passes the exact re-check: strict, largest; others are kept in mind.

    With ``loose`` one that hangs on a zero will do.
    """
    import numpy as np

    judged = bench.judge(columns)
    rank = np.lexsort((-judged.measure, ~judged.strict, ~judged.fires))
    for column in rank[:CANDIDATES]:
        if not judged.fires[column]:
            break
        strict = bool(judged.strict[column])
        if not strict and not loose and work.loose is not None:
            break
        divergence = _checked(work.question, bench, columns, int(column))
        if divergence is not None and (strict or loose):
            return divergence, how
        if divergence is not None:
            work.loose = divergence, how
    return None


def _checked(q: FlipQuestion, bench: Bench, columns: Columns, column: int) -> Witness | None:
    """The candidate as a whole layer, computed by the exact interpreter; None where it is no solution."""
    from fpsynth.synthesis.flips.factors import Factors

    idle = Factors(q).idle if len(bench.active) < q.terms else None
    w, x = idle or (0.0, 0.0)
    rows, point = [[w] * q.terms for _ in range(q.outputs)], [1.0 if q.ones else x] * q.terms
    for position, leaf in enumerate(bench.active):
        point[leaf] = float(columns.inputs[position, column])
        for output in range(q.outputs):
            rows[output][leaf] = float(columns.weights[output, position, column])
    return exact_divergence(q, dense_relu([Dense(rows)]), tuple(point))


def exact_divergence(q: FlipQuestion, network: Network, point: tuple[float, ...]) -> Witness | None:
    """The divergence of a layer and a point, every view computed exactly; None where they are no solution of the question."""
    limits = (*((w, q.weights) for w in network.entries()), *((x, q.inputs) for x in point))
    if any(not interval.lower <= Fraction(number) <= interval.upper for number, interval in limits):
        return None
    if (q.ones and any(x != 1 for x in point)) or (q.camouflage and not all((*network.entries(), *point))):
        return None
    try:
        views = tuple(with_prediction(network, point, view) for view in q.views)
    except InputError:  # a logit that is infinite or NaN is no logit
        return None
    reference, deployed, *silent = (view.logits for view in views)
    if not q.predicate.holds(reference, deployed) or any(q.predicate.fires(quiet, reference) for quiet in silent):
        return None
    return Witness(
        question=q.question,
        format=q.format,
        network=network,
        points=only_point(point),
        predicate=q.predicate,
        views=views,
        real=exact_logits(network, point),
        measure=q.predicate.measure(reference, deployed),
    )


def _larger(work: _Work, found: tuple[Witness, str]) -> tuple[Witness, str]:
    """Where that is asked for, the solution after a local search for a larger measure."""
    q = work.question
    if not q.maximise:
        return found
    import numpy as np

    from fpsynth.synthesis.flips.columns import Bench, Columns
    from fpsynth.synthesis.flips.growing import grown

    divergence, how = found
    bench = Bench(q)
    start = Columns(
        np.array(divergence.network.dense_layers[0].weight, np.float64)[:, :, None], np.array(divergence.point)[:, None]
    )
    strict = bool(bench.judge(start).strict[0])
    budget = Clock(min(work.clock.left, work.settings.improvement))
    try:
        best = grown(bench, start, budget, np.random.default_rng(work.settings.seed), strict)
        larger = _checked(q, bench, best, 0)
    except OutOfTimeError:
        return found
    if larger is None or larger.measure <= divergence.measure:
        return found
    work.notes.append(f"grown from a measure of {float(divergence.measure):.6g} by local search; not proved to be the largest")
    return larger, f"local search from {how}"


def _result(work: _Work, found: tuple[Witness, str] | None) -> FlipResult:
    spent = round(work.clock.spent, 3)
    if found is None:
        verdict = Verdict.IMPOSSIBLE if work.proof is not None else Verdict.UNKNOWN
        reason = work.reason or "the time limit is over"
        return FlipResult(verdict, None, work.proof, reason, tuple(work.attempts), spent)
    divergence, how = found
    share = _standing_out(divergence)
    notes = [*work.notes, *_described(work.question, divergence, share)]
    winner = work.winner
    provenance = Provenance(
        engine=winner.engine if winner else "construction",
        encoding=winner.encoding if winner else how,
        seed=winner.seed if winner else work.settings.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions_used([winner.engine] if winner else [], work.attempts),
        seconds_solve=spent,
        seconds_total=spent,
        notes=tuple(notes),
    )
    strict = all(view.logits[work.question.predicate.output] != 0 for view in divergence.views[:2])
    return FlipResult(
        Verdict.FOUND,
        replace(divergence, provenance=provenance),
        None,
        f"found by {how}",
        tuple(work.attempts),
        spent,
        strict,
        share,
    )


def _products(divergence: Witness) -> Iterator[Fraction]:
    for row in divergence.network.dense_layers[0].weight.tolist():
        yield from (abs(Fraction(w) * Fraction(x)) for w, x in zip(row, divergence.point, strict=True))


def _standing_out(divergence: Witness) -> Fraction | None:
    products = list(_products(divergence))
    middle = median(products)
    return max(products) / middle if middle else None


def _described(q: FlipQuestion, divergence: Witness, share: Fraction | None) -> Iterable[str]:
    """What is worth knowing of the layer: how many terms are active, or how well it hides."""
    if q.camouflage and share is not None:
        yield f"no weight or input is zero; the largest product is {float(share):.3g} times the median one"
    else:
        active = sum(product != 0 for product in _products(divergence))
        yield f"{active} of {counted(q.terms * q.outputs, 'product')} {noun(active, 'is', 'are')} not zero"
