"""The explanation of a divergence: the partial sums of the neuron where two views part ways first, side after side."""

from __future__ import annotations

from collections import Counter

from fpsynth.formats import Format
from fpsynth.report.computed import Operation
from fpsynth.report.numerals import decimal, significant, value_decimal, value_hex
from fpsynth.report.partial_sums import Addend, AlignedStep, Neuron, number, summed
from fpsynth.report.renderers.style import Style
from fpsynth.report.renderers.tables import table
from fpsynth.report.stories.divergence_words import called, place, wrong
from fpsynth.report.stories.divergences import (
    network_lines,
    neuron_name,
    outcome_lines,
    parting_neurons,
    require_told,
    view_lines,
    what,
)
from fpsynth.report.stories.ties import title
from fpsynth.rounding import Value
from fpsynth.witness.data import View, Witness
from fpsynth.wording import counted

MAX_STEPS = 60
"""Partial sums of a view that are listed."""
MAX_ALIGNED, MAX_ADDENDS = 4, 8
"""Aligned steps whose addends are listed, and how many of them."""


def explain_divergence(divergence: Witness, *, unicode: bool = True, colour: bool = False, width: int = 96) -> str:
    """Tell step by step where two views of a divergence part ways, as text.

    The first layer in which they differ is taken, and in it the neuron that the predicate reads or else the first that
    differs: each of its partial sums, exact and rounded, with the rounding error in ulps of the exact result.
    Raises InputError where a view has no logits.
    """
    require_told(divergence)
    style = Style(unicode, colour, width)
    lines = title(f"{what(divergence)}, explained", "", style)
    lines += style.heading("1  The network") + network_lines(divergence, style)
    lines += style.heading("2  The ways to evaluate it") + view_lines(divergence, style)
    lines += style.heading("3  Where they part ways")
    if len(divergence.network.dense_layers) > 1:
        layer = parting_neurons(divergence)[1][1].layer
        before = f"They agree in every layer before layer {layer} (counted from 0), and differ there."
        lines += style.wrap(before if layer else "They differ in the first layer, layer 0.")
    for view, neuron in parting_neurons(divergence):
        lines += ["", *_side(divergence, view, neuron, style)]
    lines += style.heading("4  What comes out") + outcome_lines(divergence, style)
    lines += style.heading("5  What is wrong")
    for sentence in wrong(divergence):
        lines += style.wrap(sentence)
    return style.finish(lines)


def _side(divergence: Witness, view: View, neuron: Neuron, style: Style) -> list[str]:
    """The partial sums of a neuron under one view."""
    who = ", ".join(filter(None, (called(view), place(divergence, view))))
    name = neuron_name(divergence, neuron)
    if view.measured and neuron.how.format is not None:
        told = "measured: the library gave this, and the arithmetic that was revealed for it does not"
        value = view.logits[neuron.output] if neuron.layer + 1 == len(divergence.network.dense_layers) else None
        given = [] if value is None else [f"    {name} = {decimal(value, 24)}"]
        return [style.paint(f"  {view.name}, {who}: {name}", "bold"), *style.wrap(told, 4), *given]
    return side_lines(f"{view.name}, {who}", name, neuron, style)


def side_lines(who: str, name: str, neuron: Neuron, style: Style, limit: int = MAX_STEPS) -> list[str]:
    """The partial sums of a neuron called ``name``, ``limit`` at most, under the view called ``who``."""
    head = f"  {who}: {name}"
    if neuron.how.format is None:
        return [style.paint(head, "bold"), "    exact: nothing is rounded"]
    found = summed(neuron)
    steps = found.steps
    usual = Counter(step.format for step in steps if len(step.arguments) > 1).most_common(1)
    rows = [_row(step, usual[0][0] if usual else step.format) for step in steps[:limit]]
    lines = [style.paint(head, "bold")]
    if rows:
        lines += table(["", "", "exact", "rounded", "", "error"], rows, style, indent=4, gap=2)
    else:
        lines.append("    nothing is added: at most one term is not zero")
    if len(steps) > limit:
        lines.append(f"    and {len(steps) - limit} more")
    for step in found.aligned[:MAX_ALIGNED]:
        lines += _aligned(step, style)
    if len(found.aligned) > MAX_ALIGNED:
        lines.append(f"    and {counted(len(found.aligned) - MAX_ALIGNED, 'more such step')}")
    return [*lines, f"    {name} = {_decimal(found.result)}   {_hex(found.result)}"]


def _aligned(step: AlignedStep, style: Style) -> list[str]:
    """What an aligned step loses of its addends before it adds them up; those that lose something first."""
    addends = sorted(step.addends, key=lambda addend: addend.exact == addend.kept)
    rows = [[addend.name, _decimal(addend.exact), _decimal(addend.kept), _lost(addend)] for addend in addends[:MAX_ADDENDS]]
    head = f"    {step.name} lines its addends up at 2^{step.largest} and cuts what is below 2^{step.last}:"
    lines = [head, *table(["", "addend", "kept", "lost"], rows, style, indent=6, gap=2)]
    left = addends[MAX_ADDENDS:]
    if left:
        cut = sum(addend.exact != addend.kept for addend in left)
        lines.append(f"      and {len(left)} more, {f'{cut} of them cut' if cut else 'none of them cut'}")
    return lines


def _lost(addend: Addend) -> str:
    lost = addend.exact.fraction() - addend.kept.fraction()
    return significant(lost, 6) if lost else "nothing"


def _row(step: Operation, usual: Format) -> list[str]:
    """A step, which says its format where most additions are in another one."""
    error = step.error
    if error is None:
        told = "overflows"
    else:
        told = "exact" if not error else f"{'−' if error < 0 else '+'}{significant(abs(error), 4)} ulp"
    args = step.arguments
    formula = step.formula if len(args) > 1 else f"{args[0]}, rounded to {step.format}"
    if len(args) > 4:
        formula = f"{args[0]} + {args[1]} + ... + {args[-1]} ({len(args)} at once)"
    if len(args) > 1 and step.format != usual:
        formula += f", in {step.format}"
    return [step.name, formula, _decimal(step.exact), _decimal(step.result), _hex(step.result), told]


def _decimal(value: Value) -> str:
    exact = number(value)
    if exact is None or exact == 0:
        return ("-" if value.negative else "") + ("nan" if value.is_nan else "0" if value.is_finite else "inf")
    try:
        return value_decimal(value, 24)
    except OverflowError:  # an exact sum may need more bits than float64 has
        return "≈ " + significant(exact, 17)


def _hex(value: Value) -> str:
    try:
        return value_hex(value)
    except OverflowError:
        return ""
