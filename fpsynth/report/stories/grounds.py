"""What a statement rests on, as text and as JSON data: reveals with their counts, and what a direct comparison came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fpsynth.report.story import Paragraph, Part, section
from fpsynth.report.text import clean, listed
from fpsynth.synthesis.comparison import parting_output
from fpsynth.synthesis.contest import Comparison, Difference
from fpsynth.synthesis.grounds import Ground
from fpsynth.synthesis.result import Result
from fpsynth.wording import counted

_SHOWN = 6
"""Products of a vector that are written out; the JSON has all of them."""


def revealed_rows(grounds: Sequence[Ground]) -> list[str]:
    """A line for each reveal: the environment, the row and how many vectors each class that is read explains."""
    return list(dict.fromkeys(clean(f"{ground}{_classes(ground)}", 400) for ground in grounds))


def _classes(ground: Ground) -> str:
    """What the counts are of, where a view reads more than one class; and what else there is to be said of the reveal."""
    parts = [f"{len(ground.classes)} arithmetics in the outputs that are read"] if len(ground.classes) > 1 else []
    parts += [f"repeats: {ground.reveal.repeats}"] if ground.reveal.repeats not in ("", "same") else []
    parts += [f"from the cache, revealed {clean(ground.reveal.revealed)}"] if ground.reveal.cached else []
    return f" ({'; '.join(parts)})" if parts else ""


def ground_parts(result: Result) -> list[Part]:
    """The section that says what an answer rests on; nothing where that is no reveal."""
    if not result.grounds:
        return []
    rows = revealed_rows(result.grounds)
    rows += [] if result.comparison is None else comparison_lines(result.comparison)
    return [section("Rests on reveals", (Paragraph(row, 2, 4) for row in rows))]


def comparison_lines(comparison: Comparison) -> list[str]:
    """What the direct comparison came to, a line for each thing worth saying."""
    if comparison.not_made:
        return [f"not compared directly: {clean(comparison.not_made, 300)}"]
    vectors = counted(comparison.vectors, "hostile vector")
    lines = [
        f"compared directly, on {vectors}, many of them beyond the ranges of the question: other results on "
        f"{comparison.differing}, something else than was revealed on {comparison.unexplained}"
    ]
    if comparison.first is not None:
        lines += _difference(comparison.first)
    return lines


def _difference(first: Difference) -> list[str]:
    (a, of_a), (b, of_b) = first.values
    k = parting_output(first)
    products = sorted(range(len(first.point)), key=lambda j: -abs(first.weights[k][j] * first.point[j]))
    shown = [f"{first.weights[k][j].hex()} × {first.point[j].hex()}" for j in sorted(products[:_SHOWN])]
    left = len(first.point) - len(shown)
    more = [counted(left, "smaller product")] if left > 0 else []
    return [f"one of them: {of_a[k].hex()} in {a}, {of_b[k].hex()} in {b}, of {listed([*shown, *more])}"]


def ground_json(ground: Ground) -> dict[str, Any]:
    """A reveal that a view rests on, with the counts of each class of positions that is read."""
    return {
        "view": ground.view,
        "environment": ground.environment,
        "row": ground.row,
        "outputs": list(ground.outputs),
        "classes": [
            {
                "outputs": [output for output in ground.outputs if (ground.row, output) in cls.positions],
                "explained": cls.check.explained,
                "total": cls.check.total,
            }
            for cls in ground.classes
        ],
        "repeats": ground.reveal.repeats,
        "doubt": ground.doubt,
    }


def comparison_json(comparison: Comparison | None) -> dict[str, Any] | None:
    """How many vectors were compared and differ, and the first that does, all numbers hexadecimal."""
    if comparison is None:
        return None
    first = comparison.first
    return {
        "vectors": comparison.vectors,
        "differing": comparison.differing,
        "unexplained": comparison.unexplained,
        "not_made": comparison.not_made,
        "first": None
        if first is None
        else {
            "point": [x.hex() for x in first.point],
            "weights": [[w.hex() for w in row] for row in first.weights],
            "values": {name: [value.hex() for value in values] for name, values in first.values},
        },
    }
