"""What happens to a divergence once it is found: replayed in the libraries, and put into a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fpsynth.confirmation import replay_divergence
from fpsynth.revealing.result import Reveal
from fpsynth.solvers.engines import undecided
from fpsynth.solvers.race import Attempt
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.result import DivergenceResult, Proof, Verdict
from fpsynth.synthesis.settings import Clock
from fpsynth.witness.divergence import Divergence


def observed(divergence: Divergence, libraries: Sequence[str], batches: Sequence[int], device: str) -> Divergence:
    """The divergence with fresh observations: of every library, and of every environment that a view names."""
    found = replay_divergence(divergence, libraries=libraries, batches=batches, device=device)
    return replace(divergence, observations=found)


def concluded(
    question: str,
    verdict: Verdict,
    divergence: Divergence | None,
    reason: str,
    clock: Clock,
    options: Options,
    asked: dict[str, object],
    *,
    seconds: float,
    proof: Proof | None = None,
    attempts: tuple[Attempt, ...] = (),
    reveals: Sequence[Reveal] = (),
) -> DivergenceResult:
    """The result, the divergence replayed if that was asked for; ``clock`` has run from the start, reveals included."""
    if divergence is not None:
        if proof is not None and not divergence.optimum:
            divergence = replace(divergence, optimum=proof.statement)
        if options.replay:
            if options.progress:
                options.progress("replaying")
            divergence = observed(divergence, options.libraries, options.batches, options.device)
        if divergence.provenance is not None:
            doubts = tuple(_doubt(found) for found in reveals if not found.explained)
            notes = (*divergence.provenance.notes, *doubts)
            provenance = replace(divergence.provenance, seconds_total=round(clock.spent, 3), notes=notes)
            divergence = replace(divergence, provenance=provenance)
    return DivergenceResult(
        question=question,
        verdict=verdict,
        divergences=() if divergence is None else (divergence,),
        reason=undecided(reason) if verdict is Verdict.UNKNOWN else reason,
        proof=proof,
        attempts=attempts,
        seconds_solve=round(seconds, 3),
        seconds_total=round(clock.spent, 3),
        settings={**asked, **options.described()},
        reveals=tuple(reveals),
    )


def _doubt(found: Reveal) -> str:
    """What a reveal does not explain, in one line."""
    checks = ", ".join(str(cls.check) for cls in found.classes)
    return f"the arithmetic revealed for {found.kernel.environment} {checks} hostile vectors only"
