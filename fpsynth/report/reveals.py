"""What a reveal found, as text: the arithmetic of each class of positions, its tree, and how well it explains the library."""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.report.style import Style
from fpsynth.report.trees import unicode_tree
from fpsynth.revealing.result import PositionClass, Reveal, Unexplained

_DRAWN = 64
"""Terms up to which the tree is drawn."""


def reveals_text(reveals: Sequence[Reveal], style: Style) -> str:
    """One section per kernel."""
    lines: list[str] = []
    for number, found in enumerate(reveals):
        lines += ([""] if number else []) + _one(found, style)
    return style.finish(lines)


def _one(found: Reveal, style: Style) -> list[str]:
    kernel = found.kernel
    what = f"{kernel.environment} · {kernel.dtype} · {kernel.terms} terms"
    lines = [style.paint(what, "bold"), style.paint("━" * style.width, "dim")]
    for cls in found.classes:
        lines += _class(cls, found, style)
    facts = [
        ("repeats", found.repeats),
        ("alignment", found.alignment),
        ("threads", found.threads),
        ("library", f"{kernel.environment.library} {found.version}"),
        ("probes", f"{found.tree_calls} calls for the order, {found.calls} in all, {found.seconds:.2f} s"),
    ]
    lines += [""]
    for name, text in facts:
        if text:
            lines += style.wrap(f"{name:<11}{text}", 2, 13)
    for note in found.notes:
        lines += style.wrap(f"note       {note}", 2, 13)
    return lines


def _class(cls: PositionClass, found: Reveal, style: Style) -> list[str]:
    lines = ["", *style.wrap(f"{_positions(cls, found)}: {cls.arithmetic}", 2, 4)]
    if found.kernel.terms <= _DRAWN:
        tree = cls.arithmetic.order.tree(found.kernel.terms + (cls.arithmetic.bias_leaf and found.kernel.bias))
        lines += [f"    {line}" for line in unicode_tree(tree, width=style.width - 4).splitlines()]
    mark, colour = ("✓", "green") if cls.check.perfect else ("✗", "red")
    lines.append("    " + style.paint(f"{mark} {cls.check}", colour))
    if cls.check.first is not None:
        lines += _unexplained(cls.check.first, style)
    return lines


def _positions(cls: PositionClass, found: Reveal) -> str:
    """Which positions share the arithmetic."""
    batch, outputs = found.kernel.environment.batch, found.kernel.outputs
    if len(cls.positions) == batch * outputs:
        return "everywhere" if batch * outputs > 1 else "the sum"
    rows = sorted({row for row, _ in cls.positions})
    columns = sorted({output for _, output in cls.positions})
    if len(rows) * len(columns) != len(cls.positions):
        return f"{len(cls.positions)} positions, the first is row {cls.positions[0][0]}, output {cls.positions[0][1]}"
    parts = [] if len(rows) == batch else [f"row {_runs(rows)}"]
    parts += [] if len(columns) == outputs else [f"output {_runs(columns)}"]
    return ", ".join(parts)


def _runs(numbers: Sequence[int]) -> str:
    """0 to 3, 5, 7 to 9."""
    parts: list[str] = []
    start = previous = numbers[0]
    for number in [*numbers[1:], -1]:
        if number == previous + 1:
            previous = number
            continue
        parts.append(str(start) if start == previous else f"{start} to {previous}")
        start = previous = number
    return ", ".join(parts)


def _unexplained(first: Unexplained, style: Style) -> list[str]:
    lines = [f"    the first vector that it does not explain: the library gives {first.library.hex()}, predicted {first.predicted.hex()}"]
    shown = min(len(first.inputs), 4)
    terms = ", ".join(f"{w.hex()}*{x.hex()}" for w, x in zip(first.weights[:shown], first.inputs[:shown], strict=True))
    more = f", and {len(first.inputs) - shown} more" if len(first.inputs) > shown else ""
    return [*lines, *style.wrap(f"{terms}{more}", 6, 6)]
