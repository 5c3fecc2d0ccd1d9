"""What reveals found, as text: the arithmetic of each class of positions, its tree, and how well it explains the library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fpsynth.libraries.calls import memory_words
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.naming import kernel_call
from fpsynth.libraries.operands import patch_shape, patch_text
from fpsynth.report.renderers.style import Style
from fpsynth.report.renderers.terminal import render
from fpsynth.report.renderers.trees import subject
from fpsynth.report.story import Item, Paragraph, Part, Section, Space, Story, Table, Title, TreeFigure, quiet, section, told
from fpsynth.report.text import RIGHT, WRONG, Span, clean
from fpsynth.revealing.result import PositionClass, Reveal, Unexplained, steps_in_words
from fpsynth.rounding import Rounding
from fpsynth.sums import facts
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_told
from fpsynth.sums.program import Program
from fpsynth.sums.words import order_in_words
from fpsynth.wording import counted

_DRAWN = 4
"""Trees that are drawn of one kernel; the arithmetics of further positions are named."""
_ROWS = 40
"""Rows of a tree's drawing: larger subtrees are folded."""
_HOSTILE = "(inputs and weights drawn so that sums in any other order, or rounded otherwise, would most likely show)"
"""What a hostile vector is, said where the first ones are counted."""
_SHOWN = 6
"""Products of a vector that is not explained that are written out; the file has all of them."""
_COLUMNS = ("kernel", "n", "batch", "order", "fused", "sums in", "operands", "classes", "explained", "s")
_DEVICE = {
    "gpu": "",
    "compute_capability": "compute capability ",
    "driver": "driver ",
    "cuda": "CUDA ",
    "cublas": "cuBLAS ",
    "cudnn": "cuDNN ",
}
"""Facts of a reveal that say where it was computed, and what stands before them."""


@dataclass
class _Told:
    """What a story has said already: arithmetics, each with where it stands, and signs."""

    seen: dict[Arithmetic, str] = field(default_factory=dict)
    legend: dict[str, None] = field(default_factory=dict)


def reveals_story(reveals: Sequence[Reveal]) -> Story:
    """One section per kernel; several kernels are compared in a table at the end.

    An arithmetic that was drawn already is only referred to.
    """
    before = _Told()
    parts: list[Part] = []
    for number, reveal in enumerate(reveals):
        parts += ([Space()] if number else []) + _one(reveal, before)
    if before.legend:
        parts += [Space(), *map(quiet, before.legend)]
    return Story((*parts, *([_compared(reveals)] if len(reveals) > 1 else [])))


def _one(reveal: Reveal, before: _Told) -> list[Part]:
    kernel = reveal.kernel
    what = [str(kernel.environment), str(kernel.dtype), counted(kernel.terms, "term")] + (["with bias"] if kernel.bias else [])
    call = kernel_call(kernel)
    parts: list[Part] = [Title(" · ".join(what), program=""), Paragraph(call, 2, 4)]
    before.legend.update(dict.fromkeys(memory_words(call)))
    if kernel.environment.operation.startswith("conv"):
        parts += told(patch_text(kernel.terms))
    for number, cls in enumerate(reveal.classes):
        parts += _class(cls, reveal, before, number < _DRAWN)
    if _moved(reveal):
        moved = f"✗ alignment matters: {clean(reveal.alignment)}; what stands above is of operands at such a multiple"
        parts += [Space(), Paragraph(moved, 2, 4, WRONG)]
    notes = [Item("note", clean(note, 1000), 11, 2) for note in reveal.notes]
    return [*parts, Space(), *(Item(name, clean(text), 11, 2) for name, text in _facts(reveal).items() if text), *notes]


def _facts(reveal: Reveal) -> dict[str, str]:
    """What else was found out, and what it took."""
    kernel = reveal.kernel
    return {
        "repeats": "the same results" if reveal.repeats == "same" else reveal.repeats,
        "alignment": reveal.alignment if not _moved(reveal) else "",
        "threads": reveal.threads,
        "library": " · ".join(filter(None, (f"{kernel.environment.library} {reveal.version}", device_text(reveal)))),
        "cache": f"from the cache, revealed {reveal.revealed}" if reveal.cached else "",
        "effort": f"{counted(reveal.tree_calls, 'call')} for the order, {reveal.calls} in all, {reveal.seconds:.2f} s",
    }


def _moved(found: Reveal) -> bool:
    """Whether operands elsewhere in memory gave other results: that limits all that is said, so it stands by itself."""
    return found.alignment.startswith("other results")


def _class(cls: PositionClass, reveal: Reveal, before: _Told, draw: bool) -> list[Part]:
    arithmetic, terms = cls.arithmetic, reveal.kernel.terms
    earlier, first = before.seen.get(arithmetic), not before.seen
    named = f"{_positions(cls, reveal)}: {arithmetic}" + (f" (as for {earlier})" if earlier else "")
    parts: list[Part] = [Space(), Paragraph(named, 2, 4)]
    steps = steps_in_words(arithmetic, terms)
    parts += told(steps, indent=4, hanging=6) if steps else []
    if draw and not earlier:
        parts += [TreeFigure(arithmetic, terms, _ROWS), *_signs(arithmetic, terms, before)]
        before.seen[arithmetic] = f"batch {reveal.kernel.environment.batch}, {_positions(cls, reveal)}"
    mark = Span(f"✓ {cls.check}", RIGHT) if cls.check.perfect else Span(f"✗ {cls.check}", WRONG)
    parts.append(Paragraph((mark, " hostile vectors, bit for bit"), 4))
    parts += [quiet(_HOSTILE, 6)] if first else []
    return [*parts, *([] if cls.check.first is None else _unexplained(cls.check.first))]


def _signs(arithmetic: Arithmetic, terms: int, before: _Told) -> list[Part]:
    """What the signs of a drawing mean that mean something else in others; the legend of all gets the rest."""
    drawn = subject(arithmetic, terms)
    before.legend.update(dict.fromkeys(line for line in drawn.legend if line not in drawn.own_legend))
    return told(*drawn.own_legend, indent=4, hanging=6)


def _compared(reveals: Sequence[Reveal]) -> Section:
    """How many arithmetics each kernel has, and which positions of which kernels share the largest class's."""
    letters: dict[Arithmetic, int] = {}
    rows = []
    for reveal in reveals:
        numbers = [letters.setdefault(cls.arithmetic, len(letters) + 1) for cls in reveal.classes]
        checks = [cls.check for cls in reveal.classes]
        explained = f"{sum(check.explained for check in checks)}/{sum(check.total for check in checks)}"
        names = ", ".join(f"#{number}" for number in numbers[:8]) + (", ..." if len(numbers) > 8 else "")
        rows.append([str(reveal.kernel.environment.batch), names, explained, str(reveal.calls), f"{reveal.seconds:.2f} s"])
    heading = f"{counted(len(letters), 'different arithmetic')}, numbered as they come up above"
    return section(heading, [Table(["batch", "arithmetics", "explained", "calls", "time"], rows)])


def device_text(found: Reveal) -> str:
    """The processor or the GPU that a kernel ran on, and the versions of what computes on it, as far as known."""
    if found.kernel.environment.device == "cpu":
        return clean(found.facts.get("cpu", ""))
    parts = [before + found.facts[name] for name, before in _DEVICE.items() if found.facts.get(name)]
    return clean(" · ".join(parts)) if parts else found.kernel.environment.device


def reveal_table(rows: Sequence[Reveal], width: int = 120) -> str:
    """One row per kernel, as plain text of at most ``width`` columns (kept between 60 and 200); empty where there is none.

    Order, steps, accumulator and operands are those of the largest class of positions; ``explained`` counts the vectors of all
    classes.  A step is written 16+1 where it adds sixteen unrounded products and one sum; then follow the fraction bits that
    the addends are cut to, and how the sum is rounded.
    """
    if not rows:
        return ""
    compared = Table(_COLUMNS, [_table_row(found) for found in rows], indent=0, gap=2)
    return render(Story((compared,)), Style(width=width)).rstrip("\n")


def _table_row(found: Reveal) -> list[str]:
    how, kernel = found.classes[0].arithmetic, found.kernel
    checks = [cls.check for cls in found.classes]
    explained = f"{sum(check.explained for check in checks)}/{sum(check.total for check in checks)}"
    outputs = f" x {kernel.outputs}" if kernel.outputs > 1 else ""
    return [
        _kernel_text(kernel),
        str(kernel.terms),
        f"{kernel.environment.batch}{outputs}",
        _order_text(how, kernel.terms),
        fused_text(how, kernel.terms),
        _sums_text(program_told(how, kernel.terms)),
        operands_text(program_told(how, kernel.terms)) or "-",
        str(len(found.classes)),
        explained if found.repeats in ("", "same") else f"{explained}, varies",
        f"{found.seconds:.1f}",
    ]


def _kernel_text(kernel: Kernel) -> str:
    """Library, operation, format and every setting."""
    where = kernel.environment
    shape = "x".join(map(str, patch_shape(kernel.terms)))
    parts = [where.library, where.operation, *([shape] if where.operation.startswith("conv") else [])]
    parts += [str(kernel.dtype), *(["bias"] if kernel.bias else [])]
    parts += [f"layout={where.layout}"] if where.layout else []
    parts += [where.device] if where.device != "cpu" else []
    parts += [f"threads={where.threads}"] if where.threads is not None else []
    return clean(" ".join([*parts, *(f"{name}={value}" for name, value in (*where.switches, *where.settings))]))


def _order_text(how: Arithmetic, terms: int) -> str:
    """The name of a rule, or how large its tree is; of a program what its words say of the order."""
    if how.given is not None:
        return order_in_words(program_told(how, terms))
    fixed = how.order.fixed
    bias = " bias first" if how.bias_first else ""
    if fixed is None:
        return f"{how.order}{bias}"
    return (str(how.order) if fixed.leaves <= 8 else f"a tree of {counted(len(fixed.steps), 'step')}") + bias


def _sums_text(program: Program) -> str:
    """The formats in which steps add, and those that sums and products are rounded into besides."""
    formats = facts.sum_formats(program)
    again = {one.format for step in set(program.steps) for one in facts.again(step)}
    products = {rounds[-1].format for rounds in map(facts.product_rounds, set(program.leaves[: program.terms])) if rounds}
    parts = [", ".join(map(str, formats)) or "real"]
    parts += [f"rounded to {fmt}" for fmt in sorted(again, key=str)]
    return " ".join(parts + [f"products {fmt}" for fmt in sorted(products - set(formats), key=str)])


def fused_text(how: Arithmetic, terms: int) -> str:
    """How unrounded products are added, in short: ``16+1, 25 bits, RTZ``, ``FMA`` or ``-``.

    16+1: a step adds at most sixteen of them and one number that is rounded already, a partial sum above all; up to three
    kinds of steps are told.  Raises InputError where the order does not fit ``terms``.
    """
    program = program_told(how, terms)
    steps = facts.exact_operands(program)
    if not steps:
        return "-"
    kinds = step_kinds(program)
    shown = ", ".join(f"{products}+{others}" if others else str(products) for products, others in kinds[:3])
    shown += ", ..." if len(kinds) > 3 else ""
    aligned = [step for step, _, _ in steps if step.alignment is not None]
    if not aligned:
        wide = any(products + others > 2 for products, others in kinds)
        return f"exact steps {shown}" if wide else "FMA" + (" in part" if facts.rounded_alone(program) else "")
    align = aligned[0].alignment
    assert align is not None
    parts = [shown, f"{align.fraction_bits} bits", align.rounding.value]
    parts += [f"cut {align.cut.value}"] if align.cut is not Rounding.RTZ else []
    parts += [f"exponents from {align.least_exponent}"] if align.least_exponent is not None else []
    parts += ["other steps otherwise"] if len(program.alignments) > 1 or len(aligned) < len(steps) else []
    return ", ".join(parts)


def step_kinds(program: Program) -> list[tuple[int, int]]:
    """Pairs (unrounded products, other operands) of the steps with such products, largest first.

    Of steps with equally many products only the one with the most other operands is listed: a chain's first has none.
    """
    most: dict[int, int] = {}
    for _, products, others in facts.exact_operands(program):
        most[products] = max(most.get(products, 0), others)
    return sorted(most.items(), reverse=True)


def operands_text(program: Program) -> str:
    """What weights and inputs are rounded into and how, such as ``tf32 RNA``; empty where they are read as they are."""
    return ", ".join(f"{one.format} {one.mode.value}" for one in facts.operand_rounds(program))


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


def _unexplained(first: Unexplained) -> list[Part]:
    values = f"the library gives {first.library.hex()}, predicted {first.predicted.hex()}"
    parts = told(f"the first vector that is not explained: {values}", indent=4, hanging=6)
    largest = sorted(range(len(first.inputs)), key=lambda k: -abs(first.weights[k] * first.inputs[k]))[:_SHOWN]
    products = [f"{k}: {first.weights[k].hex()} * {first.inputs[k].hex()}" for k in sorted(largest)]
    products += [] if first.bias is None else [f"bias: {first.bias.hex()}"]
    if len(first.inputs) > _SHOWN:
        products.append(f"and {counted(len(first.inputs) - _SHOWN, 'smaller product')}")
    return [*parts, *told(*products, indent=6, hanging=8)]
