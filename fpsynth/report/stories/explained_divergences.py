"""The explanation of a divergence: the partial sums of the neuron where two views part ways first, side after side."""

from __future__ import annotations

from collections import Counter

from fpsynth.formats import Format
from fpsynth.report.computed import Operation
from fpsynth.report.numerals import decimal, equated, significant, value_decimal, value_hex
from fpsynth.report.partial_sums import Addend, AlignedStep, Neuron, number, summed
from fpsynth.report.stories.divergence_words import called, place, wrong
from fpsynth.report.stories.divergences import (
    network_parts,
    neuron_name,
    outcome_parts,
    parting_neurons,
    require_told,
    view_parts,
    what,
)
from fpsynth.report.story import Paragraph, Part, Section, Story, Table, Title, section, told
from fpsynth.report.text import clean
from fpsynth.rounding import Value
from fpsynth.witness.data import View, Witness
from fpsynth.wording import counted

MAX_STEPS = 60
"""Partial sums of a view that are listed."""
MAX_ALIGNED, MAX_ADDENDS = 4, 8
"""Aligned steps whose addends are listed, and how many of them."""


def divergence_explained(divergence: Witness) -> Story:
    """Tell step by step where two views of a divergence part ways.

    The first layer in which they differ is taken, and in it the neuron that the predicate reads or else the first that
    differs: each of its partial sums, exact and rounded, with the rounding error in ulps of the exact result.
    Raises InputError where a view has no logits.
    """
    require_told(divergence)
    sides = [_side(divergence, view, neuron) for view, neuron in parting_neurons(divergence)]
    return Story(
        (
            Title(clean(f"{what(divergence)}, explained")),
            section("1  The network", network_parts(divergence)),
            section("2  The ways to evaluate it", view_parts(divergence)),
            section("3  Where they part ways", [*_layer(divergence), *sides]),
            section("4  What comes out", outcome_parts(divergence)),
            section("5  What is wrong", told(*wrong(divergence))),
        )
    )


def _layer(divergence: Witness) -> list[Part]:
    """The first layer in which the views differ, where there are several."""
    if len(divergence.network.dense_layers) == 1:
        return []
    layer = parting_neurons(divergence)[1][1].layer
    before = f"They agree in every layer before layer {layer} (counted from 0), and differ there."
    return told(before if layer else "They differ in the first layer, layer 0.")


def _side(divergence: Witness, view: View, neuron: Neuron) -> Section:
    """The partial sums of a neuron under one view."""
    who = ", ".join(filter(None, (view.name, called(view), place(divergence, view))))
    name = neuron_name(divergence, neuron)
    if not view.measured or neuron.how.format is None:
        return side_section(who, name, neuron)
    measured = "measured: the library gave this, and the arithmetic that was revealed for it does not"
    last = neuron.layer + 1 == len(divergence.network.dense_layers)
    given = [equated(name, decimal(view.logits[neuron.output], 24))] if last else []
    return section(f"{who}: {name}", told(measured, *given, indent=4), 1)


def side_section(who: str, name: str, neuron: Neuron, limit: int = MAX_STEPS) -> Section:
    """The partial sums of a neuron called ``name``, ``limit`` at most, under the view called ``who``."""
    heading = f"{who}: {name}"
    if neuron.how.format is None:
        return section(heading, told("exact: nothing is rounded", indent=4), 1)
    summing = summed(neuron)
    steps = summing.steps
    usual = Counter(step.format for step in steps if len(step.arguments) > 1).most_common(1)
    rows = [_row(step, usual[0][0] if usual else step.format) for step in steps[:limit]]
    parts: list[Part] = []
    if rows:
        parts.append(Table(["", "", "exact", "rounded", "", "error"], rows, indent=4, gap=2))
    else:
        parts += told("nothing is added: at most one term is not zero", indent=4)
    if len(steps) > limit:
        parts += told(f"and {len(steps) - limit} more", indent=4)
    for step in summing.aligned[:MAX_ALIGNED]:
        parts += _aligned(step)
    if len(summing.aligned) > MAX_ALIGNED:
        parts += told(f"and {counted(len(summing.aligned) - MAX_ALIGNED, 'more such step')}", indent=4)
    result = f"{equated(name, _decimal(summing.result))}   {_hex(summing.result)}"
    return section(heading, [*parts, Paragraph(result, 4)], 1)


def _aligned(step: AlignedStep) -> list[Part]:
    """What an aligned step loses of its addends before it adds them up; those that lose something first."""
    addends = sorted(step.addends, key=lambda addend: addend.exact == addend.kept)
    rows = [[addend.name, _decimal(addend.exact), _decimal(addend.kept), _lost(addend)] for addend in addends[:MAX_ADDENDS]]
    parts = told(f"{step.name} lines its addends up at 2^{step.largest} and cuts what is below 2^{step.last}:", indent=4)
    parts.append(Table(["", "addend", "kept", "lost"], rows, indent=6, gap=2))
    left = addends[MAX_ADDENDS:]
    if left:
        cut = sum(addend.exact != addend.kept for addend in left)
        parts += told(f"and {len(left)} more, {f'{cut} of them cut' if cut else 'none of them cut'}", indent=6)
    return parts


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
