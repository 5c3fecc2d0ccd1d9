"""Plain listings in the terminal: a re-check, a replay, a data set, the environments."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fpsynth.libraries.calls import memory_words
from fpsynth.report.numerals import significant
from fpsynth.report.renderers.style import Style
from fpsynth.report.renderers.tables import table
from fpsynth.witness import Witness

if TYPE_CHECKING:
    from fpsynth.libraries.environments import Installation, InstalledLibrary
    from fpsynth.synthesis.checking.check import CheckResult
    from fpsynth.verifiers.dataset import DatasetCertification


def check_text(result: CheckResult, style: Style | None = None) -> str:
    """One line per claim, then the verdict."""
    style = style or Style()
    lines = []
    for finding in result.findings:
        lines += [f"{'holds' if finding.holds else 'FAILS':6}{finding.claim}", f"      {finding.detail}"]
    for entry in result.not_checked:
        lines += [f"not checked: {entry.claim}", f"      {entry.reason}"]
    verdict = "confirmed" if result.confirmed else "NOT confirmed"
    lines.append("")
    if math.isnan(result.radius_ratio):  # of a divergence
        held = sum(finding.holds for finding in result.findings)
        rests = (
            f"; it rests on what was measured in view {', '.join(result.measured)}: fpsynth replay" if result.measured else ""
        )
        return _text([*lines, f"{verdict}: {held} of {len(result.findings)} claims hold{rests}"], style)
    times, most = (significant(number, 10, "down") for number in (result.radius_ratio, result.supremum_ratio))
    lines.append(f"{verdict}: the certified radius is {times} times the distance of the two points")
    lines.append(f"(the exact Lipschitz bound certifies every radius below {most} times that distance)")
    return _text(lines, style)


def replay_text(witness: Witness, style: Style | None = None) -> str:
    """One line per environment, then who confirms it."""
    style = style or Style()
    if not witness.two_points:
        return _divergence_replay_text(witness, style)
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
    names = ", ".join(witness.confirmed_by)
    verdict = f"confirmed by {names}" if names else "confirmed by no library"
    return _text([*table(header, rows, style, indent=0, gap=2, words=("version", "run as", "verdict")), "", verdict], style)


def _divergence_replay_text(divergence: Witness, style: Style) -> str:
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
    disobeyed = [view.name for view in divergence.views if not divergence.reproduced(view)]
    names = ", ".join(divergence.confirmed_by)
    verdict = f"confirmed by {names}" if names else "confirmed by no library"
    if disobeyed:
        verdict += f": the environment of view {', '.join(disobeyed)} was not run, or did not give the predicted logits"
    return _text(
        [*table(header, rows, style, indent=0, gap=2, words=("version", "run as", "logits", "verdict")), "", verdict], style
    )


def certify_text(result: DatasetCertification) -> str:
    """The counts."""
    share = 100 / result.total
    return "\n".join(
        [
            f"certifier   {result.certifier}, {result.gram} Gram iterations, logits in {result.dtype}",
            f"radius      {float(result.eps):g} (L2)",
            f"certified   {result.certified} of {result.total} ({result.certified * share:.2f} %)",
            f"correct     {result.correct} of {result.total} ({result.correct * share:.2f} %)",
            f"both        {result.certified_and_correct} of {result.total}",
            f"time        {result.seconds:.1f} s, of which {result.seconds_lipschitz:.1f} s for the Lipschitz bounds",
        ]
    )


_LAYOUTS = (
    "layout=XW, for x @ W: N stored row after row, T the transpose is; the first is the operation's own",
    "s or e after a letter: the left half, or every second column, of an array twice as wide (layout=NeT)",
)


def environments_text(found: Installation, style: Style | None = None) -> str:
    """The machine, the packages, and for each library the dtypes that it runs."""
    style = style or Style()
    lines = [line for name, value in found.machine.items() for line in style.wrap(f"{name:22}{value}", 0, 22)]
    lines.append("")
    lines += [f"{name:22}{version or 'not installed'}" for name, version in found.packages.items()]
    lines.append("")
    rows: list[list[str]] = []
    for library in found.libraries:
        if library.absent:
            rows.append([library.library, library.version, library.absent])
        for variant, obstacles in library.variants.items():
            runs = [name for name, why in obstacles.items() if not why]
            rest = [name for name, why in obstacles.items() if why]
            rows.append([library.library, library.version, variant, " ".join(runs), " ".join(rest)])
    header = ["library", "version", "operation", "runs", "does not run"]
    lines += [*table(header, rows, style, indent=0, gap=2), ""]
    calls = [row for library in found.libraries for row in _calls(library)]
    lines += table(["operation", "call", "layouts"], calls, style, indent=0, gap=2)
    memory = dict.fromkeys(words for _, call, _ in calls for words in memory_words(call))
    return _text([*lines, *(part for line in (*_LAYOUTS, *memory) for part in style.wrap(line, 0, 2))], style)


def _calls(library: InstalledLibrary) -> Iterator[list[str]]:
    """The call of each operation and the layouts that it takes, its own first."""
    for operation, called in library.operations.items():
        yield [f"{library.library}:{operation}", called.call, " ".join(called.layouts) + " s e" * called.strided or "-"]


def _text(lines: list[str], style: Style) -> str:
    return style.finish(lines).rstrip("\n")
