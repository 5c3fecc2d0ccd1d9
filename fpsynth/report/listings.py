"""Plain listings in the terminal: a re-check, a replay, a data set, the environments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fpsynth.witness import Divergence, Witness

if TYPE_CHECKING:
    from fpsynth.certifiers.dataset import DatasetCertification
    from fpsynth.libraries.environments import Installation
    from fpsynth.synthesis.check import CheckResult


def check_text(result: CheckResult) -> str:
    """One line per claim, then the verdict."""
    lines = []
    for finding in result.findings:
        lines += [f"{'holds' if finding.holds else 'FAILS':6}{finding.claim}", f"      {finding.detail}"]
    for entry in result.not_checked:
        lines += [f"not checked: {entry.claim}", f"      {entry.reason}"]
    verdict = "confirmed" if result.confirmed else "NOT confirmed"
    lines.append("")
    if math.isnan(result.radius_ratio):  # of a divergence
        held = sum(finding.holds for finding in result.findings)
        return "\n".join([*lines, f"{verdict}: {held} of {len(result.findings)} claims hold"])
    lines.append(f"{verdict}: the certified radius is {result.radius_ratio:.10g} times the distance of the two points")
    lines.append(f"(the exact Lipschitz bound certifies every radius below {result.supremum_ratio:.10g} times that distance)")
    return "\n".join(lines)


def replay_text(witness: Witness | Divergence) -> str:
    """One line per environment, then who confirms it."""
    if isinstance(witness, Divergence):
        return _divergence_replay_text(witness)
    rows = [("library", "version", "variant", "batch", "rows", "at b", "at a", "verdict")]
    for record in witness.replays:
        if record.not_run:
            rows.append((record.library, record.version, record.variant, "", "", "", "", f"not run: {record.not_run}"))
            continue
        verdict = "confirmed" if record.confirmed else "same class" if record.certificate_accepted else "not certified here"
        all_rows = len(record.rows) == record.batch
        shown = "all" if all_rows else ",".join(map(str, record.rows[:6])) + ("..." if len(record.rows) > 6 else "")
        classes = (str(record.class_certified), str(record.class_counterexample))
        rows.append((record.library, record.version, record.variant, str(record.batch), shown, *classes, verdict))
    names = ", ".join(witness.confirmed_by)
    return _table(rows) + "\n\n" + (f"confirmed by {names}" if names else "confirmed by no library")


def _divergence_replay_text(divergence: Divergence) -> str:
    """One line per set of rows with the same logits; the environments of the views say which view they are."""
    rows = [("library", "version", "run as", "batch", "rows", "logits", "as view", "verdict")]
    for seen in divergence.observations:
        chosen = [seen.device] if seen.device not in ("", "cpu") else []
        chosen += ["=".join(pair) for pair in (*seen.switches, *seen.settings)]
        name = (seen.library, seen.version, " ".join([seen.variant, *chosen]).strip())
        if seen.not_run:
            rows.append((*name, "", "", "", "", f"not run: {seen.not_run}"))
            continue
        shown = "all" if len(seen.rows) == seen.batch else ",".join(map(str, seen.rows[:6])) + "..." * (len(seen.rows) > 6)
        logits = " ".join(f"{v:.9g}" for v in seen.logits[:4]) + " ..." * (len(seen.logits) > 4)
        verdict = ("departs" if seen.departs else "does not depart") + (f" (view {seen.view})" if seen.view else "")
        rows.append((*name, str(seen.batch), shown, logits, ",".join(seen.agrees_with) or "none", verdict))
    disobeyed = [view.name for view in divergence.views if not divergence.reproduced(view)]
    names = ", ".join(divergence.confirmed_by)
    verdict = f"confirmed by {names}" if names else "confirmed by no library"
    if disobeyed:
        verdict += f": the environment of view {', '.join(disobeyed)} was not run, or did not give the predicted logits"
    return _table(rows) + "\n\n" + verdict


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


def environments_text(found: Installation) -> str:
    """The machine, the packages, and for each library the dtypes that it runs."""
    lines = [f"{name:22}{value}" for name, value in found.machine.items()]
    lines.append("")
    lines += [f"{name:22}{version or 'not installed'}" for name, version in found.packages.items()]
    lines.append("")
    rows = [("library", "version", "variant", "runs", "does not run")]
    for library in found.libraries:
        if library.absent:
            rows.append((library.library, library.version, "", "", library.absent))
        for variant, obstacles in library.variants.items():
            runs = [name for name, why in obstacles.items() if not why]
            rest = [name for name, why in obstacles.items() if why]
            rows.append((library.library, library.version, variant, " ".join(runs), " ".join(rest)))
    return "\n".join(lines) + "\n" + _table(rows)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    """Left-aligned columns; the last one is not padded."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
