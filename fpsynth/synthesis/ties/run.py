"""A whole run: search, certify, replay.  The libraries are imported in processes of their own while the solvers are at work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from fpsynth.aliases import Progress
from fpsynth.confirmation import replay
from fpsynth.evaluators.networks import argmax
from fpsynth.libraries.pool import LibraryPool
from fpsynth.rounding import rounding_named
from fpsynth.solvers.engines import engines_named, undecided
from fpsynth.solvers.race import Attempt
from fpsynth.synthesis.proofs import versions_used
from fpsynth.synthesis.requests.ties import TieRequest
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.settings import Clock, Settings
from fpsynth.synthesis.ties.answer import Answer, answer
from fpsynth.synthesis.ties.certification import Certification, require_refutable
from fpsynth.synthesis.ties.question import OBJECTIVES, TieQuestion
from fpsynth.synthesis.ties.search import Found
from fpsynth.synthesis.ties.variants import Variant, deployments, variants
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness import Provenance, Witness
from fpsynth.witness.prediction import floats_at
from fpsynth.wording import counted

SEED_STRIDE = 1_000_003
"""Distance of the seeds of two witnesses of one corpus."""
SEEDS = 1 << 31
"""Seeds are below this number: every solver takes them."""
_LEAST_SHARE = 2.0
"""Seconds that a variant of a corpus gets at least."""
_ROBUST_SHARE = 0.5
"""The share of the time limit for a tie that happens in several arithmetics at once."""


@dataclass
class _Run:
    """What a run has gathered so far."""

    attempts: list[Attempt] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    first: Answer = field(default_factory=Answer)
    optimal: bool = False
    """Whether the first witness is what the first answer proves to be the largest."""


@dataclass(frozen=True)
class Wanted:
    """Which witnesses of a question are wanted."""

    certifier: str
    """Which must accept them."""
    count: int = 1
    prove: bool = False
    """Whether the time that is left goes into a proof that nothing is better than the first."""
    plan: Iterator[Variant] | None = None
    """The question for each of them, the one that was asked first (see ``variants``); None: all answer this one."""


def answer_request(request: TieRequest) -> Result:
    """Answer a request for ties.  Raises InputError for what cannot be used."""
    tree, mode = request.tree, rounding_named(request.rounding)
    require_refutable(request.certifier_used)
    question = TieQuestion(
        format=request.format,
        shape=request.sizes,
        deployments=deployments(request.format, tree, mode, request.sizes) if len(request.sizes) > 1 else (),
        weights=request.weights_range,
        inputs=request.inputs_range,
        objective=request.sought or OBJECTIVES[0],
        min_ratio=request.least,
    )
    improvement = (0.25 * request.timeout if request.sought else 3.0) / request.count  # each witness gets its share
    engines = engines_named(request.solver)
    settings = Settings(engines, request.seed, request.timeout, improvement, request.processes)
    plan = variants(question, tree, mode, request.free, request.seed) if request.count > 1 else None
    wanted = Wanted(request.certifier_used, request.count, request.prove, plan)
    with LibraryPool(request.libraries, request.device) if request.replay else nullcontext() as pool:
        return run_tie(
            question,
            settings,
            wanted,
            pool=pool,
            batches=request.batches,
            described=request.described(),
            progress=request.progress,
        )


def run_tie(
    question: TieQuestion,
    settings: Settings,
    wanted: Wanted,
    *,
    pool: LibraryPool | None = None,
    batches: Sequence[int] = (1, 4, 64),
    described: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Result:
    """Answer the question with the witnesses that are wanted, and replay them in the libraries of ``pool``, if any.

    The time limit covers the search; a replay lasts as long as the libraries need.
    """
    chosen, count, prove, plan = wanted.certifier, wanted.count, wanted.prove, wanted.plan
    clock = Clock(settings.seconds)
    Certification(question, chosen)  # refuses a certifier before any time is spent
    if pool is not None:
        pool.start()
    if progress:
        progress(f"searching {'a tie' if count == 1 else f'{count} ties'}, at most {settings.seconds:g} s")
    run = _Run()
    seen: set[tuple[float, ...]] = set()
    misses = 0
    while len(run.witnesses) < count and misses < 20 + 2 * count * (plan is not None) and clock.left > 0:
        number = len(run.witnesses) + misses
        variant = Variant(question) if plan is None else next(plan)
        certification = Certification(variant.question, chosen)
        seconds = clock.left if plan is None or number == 0 else _share(clock.left, count - len(run.witnesses))
        attempt = _answer(variant.question, settings, certification, Clock(seconds), number, prove and number == 0, progress)
        run.attempts += attempt.attempts
        if number == 0:
            run.first = attempt
        if attempt.found is None:
            if plan is None or number == 0:
                break
            misses += 1
            continue
        witness = _witness(certification, attempt, variant, attempt.found, clock)
        key = () if witness is None else (*witness.network.entries(), *witness.certified, *witness.point)
        if witness is None or key in seen:
            misses += 1
            continue
        seen.add(key)
        run.optimal = run.optimal or (number == 0 and attempt.optimal)  # a variant that missed has number 0 to itself
        run.witnesses.append(witness)
    solved = clock.spent
    if pool is not None and run.witnesses:
        if progress:
            progress(f"replaying {counted(len(run.witnesses), 'witness', 'witnesses')} in the libraries")
        run.witnesses = [replay(witness, pool=pool, batches=batches) for witness in run.witnesses]
    run.witnesses = [_concluded(witness, clock.spent) for witness in run.witnesses]
    return _result(run, count, solved, clock.spent, described or {})


def _share(left: float, wanted: int) -> float:
    """Seconds for one variant among so many that are still wanted: one that is hard may take a few shares."""
    return min(left, max(_LEAST_SHARE, 4 * left / wanted))


def _answer(
    question: TieQuestion,
    settings: Settings,
    certification: Certification,
    clock: Clock,
    number: int,
    prove: bool,
    progress: Progress | None,
) -> Answer:
    """One solution: in all deployments at once if there is one soon, else in the one that was asked for."""
    own = replace(settings, seed=(settings.seed + SEED_STRIDE * number) % SEEDS, seconds=clock.left)
    if len(question.deployments) == 1:
        return answer(question, own, certification.judge, prove=prove, vary=number > 0, progress=progress)
    robust = answer(
        question, replace(own, seconds=_ROBUST_SHARE * own.seconds), certification.judge, prove=False, progress=progress
    )
    if robust.verdict is Verdict.FOUND and not prove:
        return robust
    asked = replace(question, deployments=question.deployments[:1])
    plain = answer(asked, replace(own, seconds=clock.left), certification.judge, prove=prove, progress=progress)
    if plain.found is None and robust.found is not None:  # a solution in several arithmetics is one in each of them
        robust.attempts += plain.attempts
        return robust
    plain.attempts = robust.attempts + plain.attempts
    return plain


def _witness(certification: Certification, attempt: Answer, variant: Variant, found: Found, clock: Clock) -> Witness | None:
    """The witness of a solution; None where it is none any more once the variant has rearranged it."""
    provenance = Provenance(
        engine=found.winner.engine,
        encoding=found.winner.encoding,
        seed=found.winner.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions_used([found.winner.engine], attempt.attempts, attempt.proof),
        seconds_solve=round(clock.spent, 3),
        seconds_total=round(clock.spent, 3),
        notes=(*found.notes, *variant.notes),
    )
    optimum = attempt.proof.statement if attempt.proof is not None else ""
    witness, rejection = certification.witness(found.assignment, optimum, provenance, variant.applied)
    if variant.notes:
        at_b, at_a = (argmax(floats_at(witness, view)) for view in witness.views)
        if rejection or at_b != variant.certified or at_a == at_b:
            return None
    return witness


def _concluded(witness: Witness, seconds: float) -> Witness:
    """The witness with the time that it took in all, and the versions of the libraries that ran it."""
    own = witness.provenance
    assert own is not None
    versions = {**own.versions, **{seen.library: seen.version for seen in witness.observations if seen.version}}
    return replace(witness, provenance=replace(own, seconds_total=round(seconds, 3), versions=versions))


def _result(run: _Run, count: int, solved: float, total: float, described: dict[str, Any]) -> Result:
    first = run.first
    verdict = Verdict.FOUND if run.witnesses else first.verdict
    reason = first.reason
    if verdict is Verdict.FOUND and len(run.witnesses) < count:
        reason = f"only {len(run.witnesses)} of {count} different witnesses were found within the limits"
    if verdict is Verdict.UNKNOWN:
        reason = undecided(reason or "the time limit is over")
    return Result(
        question="tie",
        verdict=verdict,
        witnesses=tuple(run.witnesses),
        reason=reason,
        proof=first.proof,
        upper_bound=first.upper_bound,
        optimal=run.optimal,
        attempts=tuple(run.attempts),
        seconds_solve=round(solved, 3),
        seconds_total=round(total, 3),
        settings=described,
        versions=_versions(run),
    )


def _versions(run: _Run) -> dict[str, str]:
    """Of what was asked and what was run, witnesses or none."""
    libraries = {seen.library: seen.version for witness in run.witnesses for seen in witness.observations if seen.version}
    return {**versions_used(attempts=run.attempts, proof=run.first.proof), **libraries}
