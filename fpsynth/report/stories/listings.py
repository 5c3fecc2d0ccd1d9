"""Plain listings: a re-check, a replay, a data set, the environments."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fpsynth.libraries.calls import memory_words
from fpsynth.report.numerals import significant
from fpsynth.report.story import Item, Paragraph, Part, Space, Story, Table
from fpsynth.witness import Witness

if TYPE_CHECKING:
    from fpsynth.libraries.environments import Installation, InstalledLibrary
    from fpsynth.synthesis.checking.check import CheckResult
    from fpsynth.verifiers.dataset import DatasetCertification


def check_story(result: CheckResult) -> Story:
    """One line per claim, then the verdict."""
    parts: list[Part] = []
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
    """One line per environment, then who confirms it."""
    names = ", ".join(witness.confirmed_by)
    verdict = f"confirmed by {names}" if names else "confirmed by no library"
    disobeyed = [] if witness.two_points else [view.name for view in witness.views if not witness.reproduced(view)]
    if disobeyed:
        verdict += f": the environment of view {', '.join(disobeyed)} was not run, or did not give the predicted logits"
    replayed = _tie_replays(witness) if witness.two_points else _divergence_replays(witness)
    return Story((replayed, Space(), Paragraph(verdict, 0, 2)))


def _tie_replays(witness: Witness) -> Table:
    header = ["library", "version", "run as", "batch", "rows", "at b", "at a", "verdict"]
    rows: list[list[str]] = []
    for record in witness.observations:
        if record.not_run:
            rows.append([record.library, record.version, record.variant, f"not run: {record.not_run}"])
            continue
        same = record.reference_class == record.class_index
        verdict = "confirmed" if record.departs else "same class" if same else "not certified here"
        all_rows = len(record.rows) == record.batch
        shown = "all" if all_rows else ",".join(map(str, record.rows[:6])) + ("..." if len(record.rows) > 6 else "")
        classes = (str(record.reference_class), str(record.class_index))
        rows.append([record.library, record.version, record.variant, str(record.batch), shown, *classes, verdict])
    return Table(header, rows, indent=0, gap=2, words=("version", "run as", "verdict"))


def _divergence_replays(divergence: Witness) -> Table:
    """One line per set of rows with the same logits; the environments of the views say which view they are."""
    header = ["library", "version", "run as", "batch", "rows", "logits", "as view", "verdict"]
    rows: list[list[str]] = []
    for seen in divergence.observations:
        chosen = [seen.device] if seen.device not in ("", "cpu") else []
        chosen += ["=".join(pair) for pair in (*seen.switches, *seen.settings)]
        chosen += [f"layout={seen.layout}"] if seen.layout else []
        name = (seen.library, seen.version, " ".join([seen.variant, *chosen]).strip())
        if seen.not_run:
            rows.append([*name, f"not run: {seen.not_run}"])
            continue
        shown = "all" if len(seen.rows) == seen.batch else ",".join(map(str, seen.rows[:6])) + "..." * (len(seen.rows) > 6)
        logits = " ".join(f"{v:.9g}" for v in seen.logits[:4]) + " ..." * (len(seen.logits) > 4)
        verdict = ("departs" if seen.departs else "does not depart") + (f" (view {seen.view})" if seen.view else "")
        rows.append([*name, str(seen.batch), shown, logits, ",".join(seen.agrees_with) or "none", verdict])
    return Table(header, rows, indent=0, gap=2, words=("version", "run as", "logits", "verdict"))


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
    for operation, called in library.operations.items():
        yield [f"{library.library}:{operation}", called.call, " ".join(called.layouts) + " s e" * called.strided or "-"]
