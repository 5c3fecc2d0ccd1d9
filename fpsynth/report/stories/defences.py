"""What remedies do to a suspect network: the environments before, each remedy, and what weights alone say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fpsynth.backdoors.defence import LEAVES, MEANINGS, MOVES, ON, SILENCES, WEAKENS, Defence, InEnvironment, Tried
from fpsynth.report.stories.weights import weights_parts
from fpsynth.report.story import Part, Section, Story, Table, Title, quiet, told
from fpsynth.report.text import RIGHT, WRONG, Span, Text
from fpsynth.wording import counted


def defence_story(found: Defence) -> Story:
    """The verdict, the environments, the remedies, the weights."""
    parts: list[Part] = [Title(f"defend · {counted(found.images, 'image')}", found.verdict), *told(*_sentences(found))]
    parts.append(Section("Environments", (_environments(found),)))
    parts.append(Section("Remedies", (_remedies(found), _left(found), *_reasons(found.tried), quiet(_meanings(found)))))
    parts.append(Section("Weights", weights_parts(found.cancellations, found.compared)))
    return Story(tuple(parts))


def _sentences(found: Defence) -> Iterator[str]:
    yield f"Right is what {found.reference} says."
    if found.settled < found.images:
        yield (
            f"Float64 proves the class of {counted(found.settled, 'image')} of {found.images} only; name the host, if there is"
            " one."
        )
    numbers = _numbers(found)
    if found.verdict == "stopped":
        named = (f"{one.name}{_where_not(one, numbers)}" for one in found.tried if one.name in found.silencing)
        yield f"In every draw it is silenced by {', '.join(named)}."
    if found.waking:
        yield f"Not safe, since some draw makes every environment wrong: {', '.join(found.waking)}."
    if found.verdict == "open":
        yield "No remedy that was tried silences it in every draw."
    absent = [f"{one.name} in no. {', '.join(_absent(one, numbers))}" for one in found.tried if _absent(one, numbers)]
    if absent:
        yield f"Not run, so that it is not known what it would do: {'; '.join(absent)}."


def _numbers(found: Defence) -> dict[str, int]:
    """Of the environments that ran the network as it is, their numbers in the table."""
    return {one.name: number for number, one in enumerate(found.before.environments, 1) if not one.not_run}


def _absent(one: Tried, numbers: Mapping[str, int]) -> list[str]:
    """The numbers of the environments in which a remedy was not run though the network was."""
    return [str(number) for name, number in numbers.items() if not one.draws or name in one.not_run]


def _where_not(one: Tried, numbers: Mapping[str, int]) -> str:
    """The same in brackets; empty where there is no such environment."""
    absent = _absent(one, numbers)
    return f" (not run in no. {', '.join(absent)})" if absent and one.draws else ""


def _environments(found: Defence) -> Table:
    rows: list[tuple[Text, ...]] = []
    for number, one in enumerate(found.before.environments, 1):
        if one.not_run:
            rows.append((str(number), one.name, f"not run: {one.not_run}"))
            continue
        right = (_part(one.correct, found.images),) if found.labelled else ()
        rows.append((str(number), one.name, Span(f"{one.wrong}/{found.images}", WRONG if one.wrong else RIGHT), *right))
    return Table(("no.", "environment", "wrong", *(["accuracy"] if found.labelled else [])), rows)


def _part(count: int | None, of: int) -> str:
    return "-" if count is None else f"{100 * count / of:.2f} %"


_TONES = {SILENCES: RIGHT, ON: WRONG, LEAVES: WRONG, MOVES: WRONG, WEAKENS: WRONG}


def _remedies(found: Defence) -> Table:
    rows: list[tuple[Text, ...]] = [_remedy(one, found) for one in found.tried]
    header = ("remedy", "verdict", "parted", *(["accuracy"] if found.labelled else []), "real", "computed", "time")
    return Table(header, rows, words=("verdict",))


def _remedy(one: Tried, found: Defence) -> tuple[Text, ...]:
    words = f"{one.verdict}{_where_not(one, _numbers(found))}"
    verdict: Text = Span(words, _TONES[one.verdict]) if one.verdict in _TONES else words
    if not one.draws:
        return (one.name, verdict)
    ran = [each for draw in one.draws for each in draw.after.ran]
    right: tuple[str, ...] = ()
    if found.labelled:
        right = (_between([100 * (each.correct or 0) / found.images for each in ran], "{:.2f}") + " %",)
    changes = [draw.computed_change for draw in one.draws if draw.computed_change == draw.computed_change]
    return (
        one.name,
        verdict,
        _between([draw.after.parted for draw in one.draws], "{}"),
        *right,
        f"{max(draw.real_change for draw in one.draws):.2g}",
        f"{max(changes):.2g}" if changes else "-",
        "-" if one.cost is None else f"x {one.cost:.2f}",
    )


def _between(numbers: Sequence[float], form: str) -> str:
    """The least and the largest."""
    if not numbers:
        return "-"
    low, high = (form.format(number) for number in (min(numbers), max(numbers)))
    return low if low == high else f"{low}–{high}"


def _left(found: Defence) -> Table:
    """How many images are wrong in each environment, of all draws the least and the most."""
    numbers = range(len(found.before.environments))
    rows: list[tuple[Text, ...]] = [("as it is", *(_wrong([found.before.environments[k]]) for k in numbers))]
    rows += [(one.name, *(_wrong([draw.after.environments[k] for draw in one.draws]) for k in numbers)) for one in found.tried]
    return Table(("wrong in no.", *(str(k + 1) for k in numbers)), rows)


def _wrong(ran: Sequence[InEnvironment]) -> str:
    there = [one.wrong for one in ran if not one.not_run]
    if ran and not there:
        return "not run"
    mark = " folded" if any(one.folded for one in ran) else ""
    return _between(there, "{}") + mark


def _reasons(tried: Sequence[Tried]) -> Iterator[Part]:
    lines = [f"{one.name}: {one.reason}." for one in tried if one.reason]
    for one in tried:
        reasons = {each.not_run for draw in one.draws for each in draw.after.environments if each.not_run}
        lines += [f"{one.name}: {reason}." for reason in sorted(reasons)]
    yield from told(*lines)


def _meanings(found: Defence) -> str:
    kinds = dict.fromkeys(kind for one in found.tried for kind in one.counts)
    verdicts = "; ".join(f"{kind}: {MEANINGS[kind]}" for kind in kinds)
    return (
        f"{verdicts}; parted: images whose class depends on the environment; real: the largest change of a logit of the real"
        " function (float64); computed: the same in the environments, of images that are right; time: of the library, in that"
        " before; folded: the library has undone the grid"
    )
