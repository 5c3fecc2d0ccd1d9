"""The report of a question whose answer is impossible or unknown, whatever was asked."""

from __future__ import annotations

from collections.abc import Mapping

from fpsynth.report.numerals import power_text, significant
from fpsynth.report.stories.attempts import attempt_parts
from fpsynth.report.stories.grounds import ground_parts
from fpsynth.report.stories.proofs import proof_lines
from fpsynth.report.story import Paragraph, Part, Space, Title, section, strong, told
from fpsynth.report.text import clean
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.verdicts import Verdict


def unanswered_parts(result: Result) -> tuple[Part, ...]:
    """The verdict with its reason, what it rests on, the proof, what was tried and what was asked for."""
    seconds = Paragraph(f"{result.seconds_solve:.2f} s solving, {result.seconds_total:.2f} s in all")
    return (
        Title(_heading(result), result.verdict.value),
        Space(),
        strong(clean(result.reason)),
        *told(*(clean(f"Note: {note}.", 1000) for note in result.notes)),
        *_undecided(result),
        *ground_parts(result),
        *_proof_parts(result),
        *_bound_parts(result),
        *([section("Attempts", attempt_parts(result.attempts))] if result.attempts else []),
        *_asked_parts(result.settings),
        Space(),
        seconds,
    )


def _heading(result: Result) -> str:
    told_of = ("dtype", "shape") if result.question == "tie" else ()
    return " · ".join([result.question, *(_setting_text(result.settings[key]) for key in told_of if key in result.settings)])


def _undecided(result: Result) -> list[Part]:
    """What an unknown means, which is not a weak impossible."""
    if result.verdict is not Verdict.UNKNOWN:
        return []
    if result.question == "tie":
        return told("That is neither a witness nor a proof that there is none: more time or another seed may decide it.")
    return told("That is neither a divergence nor a proof that there is none.")


def _proof_parts(result: Result) -> list[Part]:
    """The section of a proof, where there is one, but for what stands right above it."""
    if result.proof is None:
        return []
    texts = [text for text in proof_lines(result.proof) if text != clean(result.reason)]
    return [section("Proof", told(*texts, hanging=4))]


def _bound_parts(result: Result) -> list[Part]:
    if result.upper_bound is None:
        return []
    power = power_text(float(result.upper_bound))
    bound = significant(result.upper_bound, 12, "up") + (f" = {power}" if power else "")
    return [section("Proved upper bound", told(bound))]


def _asked_parts(settings: Mapping[str, object]) -> list[Part]:
    """What was asked for, in the words of the record of a request (``synthesis.requests``), but for what was left open."""
    asked = {key: _setting_text(value) for key, value in settings.items() if value not in (None, "", (), [])}
    text = clean(", ".join(f"{key} {value}" for key, value in asked.items()), 2000)
    return [section("Asked for", told(text))] if asked else []


def _setting_text(value: object) -> str:
    """A setting as a user would write it: parts of a list with commas between them."""
    if isinstance(value, list | tuple):
        return ",".join(_setting_text(part) for part in value)
    return clean(str(value), 80)
