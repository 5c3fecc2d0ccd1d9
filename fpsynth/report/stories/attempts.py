"""What became of the runs of a search: those that ended alike together, their reason first and with the whole line for it."""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.report.stories.verdicts import ranges
from fpsynth.report.story import Paragraph, Part
from fpsynth.report.text import STRONG, Span, clean
from fpsynth.solvers.race import Attempt
from fpsynth.wording import counted, noun

MAX_GROUPS = 12
"""Different endings that are listed."""


def attempt_parts(attempts: Sequence[Attempt]) -> list[Part]:
    """For each problem and ending, in the order in which they came: what was answered and why, then which engines ended so."""
    groups: dict[tuple[str, str, str], list[Attempt]] = {}
    for run in attempts:
        groups.setdefault((run.problem, run.status, run.reason), []).append(run)
    parts: list[Part] = []
    for (problem, status, reason), runs in list(groups.items())[:MAX_GROUPS]:
        said = f"{clean(problem)}: {status}" + (f", {clean(reason, 120)}" if reason else "")
        parts.append(Paragraph(Span(said, STRONG), 2, 4))
        parts.append(Paragraph(f"{_engines(runs)} · {_seconds(runs)}", 6, 8))
    left_out = list(groups.values())[MAX_GROUPS:]
    if left_out:
        parts.append(Paragraph(f"and {counted(sum(map(len, left_out)), 'more run')} that ended otherwise"))
    return parts


def _engines(runs: Sequence[Attempt]) -> str:
    """The engines with their encodings and seeds: z3 (bitblast, seeds 0-3), cvc5 (fp, seed 7)."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for run in runs:
        seeds.setdefault((run.engine, run.encoding), []).append(run.seed)
    told = []
    for (engine, encoding), numbers in seeds.items():
        seed = f"{noun(len(set(numbers)), 'seed')} {ranges(set(numbers))}"
        told.append(f"{clean(engine)} ({', '.join(filter(None, (clean(encoding), seed)))})")
    return ", ".join(told)


def _seconds(runs: Sequence[Attempt]) -> str:
    """How long they took, each of them."""
    times = sorted(run.seconds for run in runs)
    shortest, longest = f"{times[0]:.2f}", f"{times[-1]:.2f}"
    return f"{longest} s" if shortest == longest else f"{shortest} to {longest} s"
