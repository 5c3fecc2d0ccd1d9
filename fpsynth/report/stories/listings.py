"""Plain listings: a re-check, a replay, a data set, the environments."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fpsynth.libraries.calls import memory_words
from fpsynth.report.numerals import significant
from fpsynth.report.stories.divergence_words import called
from fpsynth.report.stories.ran_as import different_runs, ran_as
from fpsynth.report.story import Item, Paragraph, Part, Space, Story, Table
from fpsynth.witness import Observation, Witness

if TYPE_CHECKING:
    from fpsynth.libraries.environments import Installation, InstalledLibrary
    from fpsynth.synthesis.checking.check import CheckResult
    from fpsynth.verifiers.dataset import DatasetCertification


_POINTS = "b is the certified point, a the counterexample"


def check_story(result: CheckResult) -> Story:
    """One line per claim, then the verdict."""
    parts: list[Part] = [] if math.isnan(result.radius_ratio) else [Paragraph(_POINTS, 0), Space()]
    for finding in result.findings:
        parts += [Item("holds" if finding.holds else "FAILS", finding.claim, 6), Paragraph(finding.detail, 6)]
    for entry in result.not_checked:
        parts += [Paragraph(f"not checked: {entry.claim}", 0, 6), Paragraph(entry.reason, 6)]
    return Story((*parts, Space(), *(Paragraph(line, 0) for line in _check_verdict(result))))


def _check_verdict(result: CheckResult) -> Iterator[str]:
    verdict = "confirmed" if result.confirmed else "NOT confirmed"
    if math.isnan(result.radius_ratio):  # of a divergence
        held = sum(finding.holds for finding in result.findings)
        rests = f"; it rests on what was measured in view {', '.join(result.measured)}: fpsynth replay" * bool(result.measured)
        yield f"{verdict}: {held} of {len(result.findings)} claims hold{rests}"
        return
    times, most = (significant(number, 10, "down") for number in (result.radius_ratio, result.supremum_ratio))
    yield f"{verdict}: the certified radius is {times} times the distance of the two points"
    yield f"(the exact Lipschitz bound certifies every radius below {most} times that distance)"


def replay_story(witness: Witness) -> Story:
    """What the letters stand for, one line per environment, then who confirms it."""
    names = ", ".join(witness.confirmed_by)
    verdict = f"confirmed by {names}" if names else "confirmed by no library"
    disobeyed = [] if witness.two_points else [view.name for view in witness.views if not witness.reproduced(view)]
    if disobeyed:
        verdict += f": the environment of view {', '.join(disobeyed)} was not run, or did not give the predicted logits"
    replayed = _tie_replays(witness) if witness.two_points else _divergence_replays(witness)
    return Story((*_letters(witness), Space(), replayed, Space(), Paragraph(verdict, 0, 2)))


def _letters(witness: Witness) -> tuple[Paragraph, ...]:
    """What a, b and so on are in the table: the two points, or the views."""
    if witness.two_points:
        return (Paragraph(_POINTS, 0),)
    return tuple(
        Paragraph(f"{view.name} is {called(view)}{', which is believed' if view.role == 'reference' else ''}", 0)
        for view in witness.views
    )


def _tie_replays(witness: Witness) -> Table:
    header = ["library", "version", "run as", "batch", "rows", "at b", "at a", "verdict"]
    runs: dict[tuple[str, ...], list[Observation]] = {}  # by all that a row shows but the variant
    for record in different_runs(witness.observations):
        runs.setdefault(_tie_row(record), []).append(record)
    rows = [_with_calls(witness, row, records, "") for row, records in runs.items()]
    return Table(header, rows, indent=0, gap=2, words=("version", "run as", "verdict"))


def _tie_row(record: Observation) -> tuple[str, ...]:
    if record.not_run:
        return (record.library, record.version, f"not run: {record.not_run}")
    same = record.reference_class == record.class_index
    verdict = "confirmed" if record.departs else "same class" if same else "not certified here"
    classes = (str(record.reference_class), str(record.class_index))
    return (record.library, record.version, str(record.batch), _rows_shown(record), *classes, verdict)


def _divergence_replays(divergence: Witness) -> Table:
    """One line per set of rows with the same logits; the environments of the views say which view they are."""
    header = ["library", "version", "run as", "batch", "rows", "logits", "as view", "verdict"]
    runs: dict[tuple[tuple[str, ...], str], list[Observation]] = {}
    for seen in different_runs(divergence.observations):
        runs.setdefault((_divergence_row(seen), _chosen(seen)), []).append(seen)
    rows = [_with_calls(divergence, row, records, chosen) for (row, chosen), records in runs.items()]
    return Table(header, rows, indent=0, gap=2, words=("version", "run as", "logits", "verdict"))


def _chosen(seen: Observation) -> str:
    """What was set for a run, as it stands behind its variant."""
    chosen = [seen.device] if seen.device not in ("", "cpu") else []
    chosen += ["=".join(pair) for pair in (*seen.switches, *seen.settings)]
    return " ".join([*chosen, *([f"layout={seen.layout}"] if seen.layout else [])])


def _divergence_row(seen: Observation) -> tuple[str, ...]:
    if seen.not_run:
        return (seen.library, seen.version, f"not run: {seen.not_run}")
    logits = " ".join(f"{v:.9g}" for v in seen.logits[:4]) + " ..." * (len(seen.logits) > 4)
    verdict = ("departs" if seen.departs else "does not depart") + (f" (view {seen.view})" if seen.view else "")
    views = ",".join(seen.agrees_with) or "none"
    return (seen.library, seen.version, str(seen.batch), _rows_shown(seen), logits, views, verdict)


def _rows_shown(record: Observation) -> str:
    if len(record.rows) == record.batch:
        return "all"
    return ",".join(map(str, record.rows[:6])) + "..." * (len(record.rows) > 6)


def _with_calls(witness: Witness, row: Sequence[str], records: Sequence[Observation], chosen: str) -> list[str]:
    """A row with what was called behind library and version."""
    variants = [record.variant for record in records]
    calls = ran_as(witness.network, row[0], variants) if any(variants) else ""
    return [*row[:2], f"{calls} {chosen}".strip(), *row[2:]]


def certify_story(result: DatasetCertification) -> Story:
    """The counts."""
    share = 100 / result.total
    counts = {
        "certifier": f"{result.certifier}, {result.gram} Gram iterations, logits in {result.dtype}",
        "radius": f"{float(result.eps):g} (L2)",
        "certified": f"{result.certified} of {result.total} ({result.certified * share:.2f} %)",
        "correct": f"{result.correct} of {result.total} ({result.correct * share:.2f} %)",
        "both": f"{result.certified_and_correct} of {result.total}",
        "time": f"{result.seconds:.1f} s, of which {result.seconds_lipschitz:.1f} s for the Lipschitz bounds",
    }
    return Story(tuple(Item(name, text, 12) for name, text in counts.items()))


_LAYOUTS = (
    "layout=XW, for x @ W: N stored row after row, T the transpose is; the first is the operation's own",
    "s or e after a letter: the left half, or every second column, of an array twice as wide (layout=NeT)",
)


def environments_story(installation: Installation) -> Story:
    """The machine, the packages, and for each library the dtypes that it runs."""
    rows: list[list[str]] = []
    for library in installation.libraries:
        if library.absent:
            rows.append([library.library, library.version, library.absent])
        for variant, obstacles in library.variants.items():
            runs = [name for name, why in obstacles.items() if not why]
            rest = [name for name, why in obstacles.items() if why]
            rows.append([library.library, library.version, variant, " ".join(runs), " ".join(rest)])
    calls = [row for library in installation.libraries for row in _calls(library)]
    memory = dict.fromkeys(words for _, call, _ in calls for words in memory_words(call))
    return Story(
        (
            *(Item(name, value, 22) for name, value in installation.machine.items()),
            Space(),
            *(Item(name, version or "not installed", 22) for name, version in installation.packages.items()),
            Space(),
            Table(["library", "version", "operation", "runs", "does not run"], rows, indent=0, gap=2),
            Space(),
            Table(["operation", "call", "layouts"], calls, indent=0, gap=2),
            *(Paragraph(line, 0, 2) for line in (*_LAYOUTS, *memory)),
        )
    )


def _calls(library: InstalledLibrary) -> Iterator[list[str]]:
    """The call of each operation and the layouts that it takes, its own first."""
    for operation, its in library.operations.items():
        yield [f"{library.library}:{operation}", its.call, " ".join(its.layouts) + " s e" * its.strided or "-"]
