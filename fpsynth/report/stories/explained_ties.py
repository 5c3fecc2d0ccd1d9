"""The explanation of a witness: every operation, exact and rounded; where the tie comes from; how the radius is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.expressions import Op
from fpsynth.packages import how_to_install
from fpsynth.report import formulas
from fpsynth.report.computed import Logits, Operation, logits, operations, program_at, steps
from fpsynth.report.numerals import (
    binary,
    bit_fields,
    decimal,
    radius_text,
    rounding_interval,
    scaled_integer,
    significant,
    ulp,
    value_decimal,
    value_hex,
)
from fpsynth.report.renderers.style import Style, clean, listed
from fpsynth.report.renderers.tables import table
from fpsynth.report.stories.explained_divergences import explain_divergence
from fpsynth.report.stories.graphs import explain_graph, on_a_graph
from fpsynth.report.stories.setting import class_text, distance, network_section, points_section
from fpsynth.report.stories.ties import picture, title
from fpsynth.report.stories.verdicts import cause, contains, refuted, sentence
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums import facts
from fpsynth.sums.program import Program
from fpsynth.verifiers.base import certifier
from fpsynth.verifiers.margins import LipschitzCertifier, margins
from fpsynth.witness import Witness
from fpsynth.wording import counted

MAX_FULL = 60
"""Networks with more operations than this have their hidden layers summarised and their last layer in a table."""
MAX_ROWS = 120
"""Where the last layer has more operations, only those of the two logits in question are shown, and at most so many."""
MAX_EXACT = 5000
"""Networks with more operations than this are bounded in ball arithmetic: exact rationals would take minutes."""
_EXACT_DIGITS = 56

_WORDS = {
    Op.MUL: "multiply",
    Op.ADD: "add",
    Op.FMA: "multiply and add, rounded once",
    Op.ALIGNED: "multiply, align, cut and add",
    Op.MAX: "ReLU",
    Op.CAST: "convert",
}
_DIRECTIONS = {
    Rounding.RNE: "to nearest, ties to even",
    Rounding.RNA: "to nearest, ties away from zero",
    Rounding.RTP: "upward",
    Rounding.RTN: "downward",
    Rounding.RTZ: "toward zero",
}


def explain(witness: Witness, *, unicode: bool = True, colour: bool = False, width: int = 96) -> str:
    """Tell the computation of a tie or a divergence step by step, as text (of a divergence: see ``explain_divergence``).

    For each point every operation: in words, exactly, rounded, in bits, and its error in ulps; then where the tie comes from,
    and how the certified radius follows from the margin and the Lipschitz bound.  Large networks are summarised (see
    ``MAX_FULL``).  Without sympy the formulas are left out, and the text says so.
    """
    style = Style(unicode, colour, width)
    if on_a_graph(witness):
        return explain_graph(witness, style)
    if not witness.two_points:
        return explain_divergence(witness, unicode=unicode, colour=colour, width=width)
    at_b, at_a = logits(witness, witness.certified), logits(witness, witness.point)
    shape = ",".join(map(str, witness.network.widths))
    lines = title(f"{witness.question} explained · {witness.deployment} · shape {shape}", "", style)
    lines += style.heading("1  The network") + network_section(witness, style)
    lines += style.heading("2  The two points") + points_section(witness, at_b, at_a, style)
    lines += style.heading("3  The computation, operation by operation") + _legend(witness, style)
    lines += _logit_formulas(witness, style)
    lines += ["", style.paint("  at b, certified", "bold")]
    lines += _computation(witness, steps(witness, witness.certified, "b"), at_b, at_a, style) + _outcome(at_b, style)
    lines += ["", style.paint("  at a, the counterexample", "bold")]
    found = steps(witness, witness.point, "a")
    lines += _computation(witness, found, at_b, at_a, style) + _outcome(at_a, style)
    lines += style.heading("4  Where the classes part") + _origin(witness, found, at_b, at_a, style)
    lines += style.heading("5  The certificate") + _certificate(witness, at_b, style)
    lines += style.heading("6  The contradiction") + style.wrap(sentence(witness, at_b, at_a))
    if refuted(witness, at_b, at_a):
        lines += style.wrap(cause(witness, at_b, at_a))
    return style.finish(lines)


def _legend(witness: Witness, style: Style) -> list[str]:
    program = _usual(witness)
    directions = dict.fromkeys([*facts.modes(program), *(align.rounding for align, _ in facts.aligned_formats(program))])
    towards = ", or ".join(_DIRECTIONS[mode] for mode in directions or (Rounding.RNE,))
    wide = [str(fmt) for fmt in facts.sum_formats(program)]
    text = (
        f"Numbers are {witness.format}: {witness.format.precision} bits of significand, exponents from {witness.format.emin} to"
        f" {witness.format.emax}. Each operation is exact at first and then rounded once, {towards}; the bar"
        f" | marks where the significand ends. Bits are sign | exponent | significand. 1 ulp is the distance of neighbouring"
        " numbers, so rounding to nearest errs by half an ulp at most."
    )
    lines = style.wrap(text)
    if wide and wide != [str(witness.format)]:
        lines += style.wrap(f"Products and partial sums are kept in {listed(wide)}, the result is rounded to {witness.format}.")
    if program.flush:
        tiny = ", tiny being told before the exponent is limited" if program.flush is Flush.UNBOUNDED else ""
        lines += style.wrap(f"Subnormal operands and results are flushed to zero{tiny}.")
    return lines


def _usual(witness: Witness) -> Program:
    """The sum program of the first neuron that has the deployment's own arithmetic, or else of the first logit."""
    last, deployment = len(witness.network.dense_layers) - 1, witness.deployment
    places = ((k, j) for k, layer in enumerate(witness.network.dense_layers) for j in range(layer.outputs))
    layer, output = next((place for place in places if deployment.at(*place) == deployment.default), (last, 0))
    return program_at(witness, layer, output)


def _computation(witness: Witness, found: Sequence[Operation], at_b: Logits, at_a: Logits, style: Style) -> list[str]:
    """The operations at one point: a card for each, or for large networks a summary and a table."""
    if operations(witness.network) <= MAX_FULL:
        return [line for number, step in enumerate(found, start=1) for line in _card(number, step, style)]
    last = len(witness.network.dense_layers) - 1
    lines = [""]
    for layer in range(last):
        lines += style.wrap(_summary(layer, [step for step in found if step.layer == layer]))
    final = [step for step in found if step.layer == last]
    if len(final) > MAX_ROWS:
        pair = {at_b.rounded_class, at_a.rounded_class}
        final = [step for step in final if step.output in pair]
        lines += style.wrap(f"last layer: only the operations of {' and '.join(f'y{k}' for k in sorted(pair))} are shown")
    if len(final) > MAX_ROWS:
        share = MAX_ROWS // len(pair)
        lines += style.wrap(f"and of those, the last {share} of each")
        final = [step for k in sorted(pair) for step in [s for s in final if s.output == k][-share:]]
    rows = [[f"{s.name} = {s.formula}", value_decimal(s.result, 20), value_hex(s.result), _short_error(s)] for s in final]
    return [*lines, "", *table(["last layer", "rounded", "", "error"], rows, style)]


def _summary(layer: int, found: Sequence[Operation]) -> str:
    errors = [abs(step.error) for step in found if step.error is not None]
    inexact = sum(error > 0 for error in errors)
    neurons = counted(len({step.output for step in found}), "neuron")
    closed = sum(step.op is Op.MAX and step.result.is_zero for step in found)
    largest = significant(max(errors, default=Fraction(0)), 3)
    return (
        f"layer {layer}: {neurons}, {counted(len(found), 'operation')}, {inexact} of them rounded, the largest error {largest}"
        f" ulp; {counted(closed, 'neuron is', 'neurons are')} closed by the ReLU"
    )


def _card(number: int, step: Operation, style: Style) -> list[str]:
    """One operation in full."""
    head = f"  {number:2}. {step.name} = {step.formula}"
    op = Op.FMA if step.op is Op.ADD and any("×" in argument for argument in step.arguments) else step.op
    words = f"{_WORDS[op]}, round to {step.format}" if op is not Op.MAX else "ReLU: nothing to round"
    lines = ["", style.paint(head, "bold") + "   " + style.paint(words, "dim")]
    rows = []
    if step.error != 0:
        if step.exact.is_finite:
            rows += [["exact", decimal(step.exact.fraction(), _EXACT_DIGITS)], ["", binary(step.exact, step.format)]]
        else:
            rows.append(["exact", binary(step.exact, step.format)])
    both = f"{value_decimal(step.result, _EXACT_DIGITS)} = {value_hex(step.result)}"
    rows.append(["rounded" if step.error != 0 else "exactly", both])
    rows.append(["bits", bit_fields(step.result, step.format)])
    if step.error != 0:
        rows.append(["error", _error(step)])
    return [*lines, *table([], rows, style, indent=6)]


def _short_error(step: Operation) -> str:
    """The rounding error of an operation as a number."""
    return _error(step).partition(",")[0]


def _error(step: Operation) -> str:
    """The rounding error of an operation in words."""
    error = step.error
    if error is None:
        return "not a number" if step.result.is_nan else "overflow" if step.exact.is_finite else "infinite"
    if error == 0:
        return "exact"
    sign = "−" if error < 0 else "+"
    halfway = " (exactly halfway)" if abs(error) == Fraction(1, 2) else ""
    return f"{sign}{significant(abs(error), 4)} ulp, rounded {'down' if error < 0 else 'up'}{halfway}"


def _outcome(values: Logits, style: Style) -> list[str]:
    """The logits, exact and rounded, and the class that each gives."""
    rows = [
        [f"y{k}", decimal(exact, 24) if exact.denominator < 1 << 2000 else "..", value_decimal(rounded, 24), value_hex(rounded)]
        for k, (exact, rounded) in enumerate(zip(values.exact, values.rounded, strict=True))
    ]
    rows = rows if len(rows) <= 12 else rows[:12]
    rows.append(["argmax", class_text(values.exact_class, style), class_text(values.rounded_class, style), ""])
    return ["", *table(["", "in real numbers", "as computed", ""], rows, style, indent=6)]


def _origin(witness: Witness, found: Sequence[Operation], at_b: Logits, at_a: Logits, style: Style) -> list[str]:
    """The exact values behind the two logits at a, and the interval of reals that round to what they became."""
    lines = picture(witness, at_b, at_a, style)
    before, after = at_b.rounded_class, at_a.rounded_class
    if before == after:
        return [*lines, "", *style.wrap("The class is the same at both points.")]
    last = {step.name: step for step in found}
    pair = [last[f"y{k}"] for k in sorted((before, after))]
    tied = pair[0].result == pair[1].result and pair[0].result.is_finite
    if not tied:
        real = at_a.exact_class != before
        why = "they differ in real numbers already" if real else "rounding has put them in another order"
        return [*lines, "", *style.wrap(f"The two logits at a do not tie: {why}.")]
    value = pair[0].result
    lines += [
        "",
        *style.wrap(
            f"At a, y{min(before, after)} and y{max(before, after)} are both {value_hex(value)}. The last"
            " operation of each had these exact values:"
        ),
        "",
    ]
    rows = [[f"y{step.output}", decimal(step.exact.fraction(), _EXACT_DIGITS), _from(step)] for step in pair]
    lines += table([], rows, style, indent=4)
    if value.is_zero or program_at(witness, pair[0].layer, pair[0].output).flush:
        return lines
    return [*lines, "", *_interval(witness, pair, style)]


def _from(step: Operation) -> str:
    return f"= {step.formula}"


def _interval(witness: Witness, pair: Sequence[Operation], style: Style) -> list[str]:
    """The reals that round to the tied value."""
    step = pair[0]
    low, high, low_in, high_in = rounding_interval(step.result, step.format, step.rounding)
    unit = ulp(step.result.fraction(), step.format)
    rows = [
        ["from", decimal(low, _EXACT_DIGITS), "included" if low_in else "not included"],
        ["to", decimal(high, _EXACT_DIGITS), "included" if high_in else "not included"],
    ]
    apart = abs(pair[1].exact.fraction() - pair[0].exact.fraction()) / unit
    even = "the significand is even, so halfway cases round to it" if low_in and high_in else ""
    odd = "the significand is odd, so halfway cases round away from it" if not low_in and not high_in else ""
    tail = f" ({even or odd})" if (even or odd) and step.rounding is Rounding.RNE else ""
    return [
        *style.wrap(f"Every real number in this interval rounds to {value_hex(step.result)}{tail}:"),
        "",
        *table([], rows, style, indent=4),
        "",
        *style.wrap(
            f"It is {significant((high - low) / unit, 3)} ulp wide, the two exact values lie {significant(apart, 4)} ulp apart,"
            " and both fall into it: the difference between the classes is rounded away, and argmax takes the lower index."
        ),
    ]


def _certificate(witness: Witness, at_b: Logits, style: Style) -> list[str]:
    """Margin, Lipschitz bound and radius, class by class; what the certifier makes of them; the formulas."""
    claim = witness.claim
    top = at_b.rounded_class
    if not all(value.is_finite for value in at_b.rounded):
        return style.wrap("A logit at b is not a finite number: no margin, no certificate.")
    lines = style.wrap(
        f"{clean(claim.verifier)} takes the computed logits at b for exact. A move by d changes the difference of two"
        " logits by at most L d, where L is a Lipschitz bound: the norm of the difference of their last weights times the"
        " spectral norms of the hidden layers. So no class can overtake while L d is below its margin, so d < margin / L."
    )
    leads = margins(at_b.floats, top)
    name = claim.verifier
    if name == "lipschitz-exact" and operations(witness.network) > MAX_EXACT:
        name = "lipschitz"
        lines += style.wrap("For a network of this size the bounds below are those of lipschitz, which are a little smaller.")
    try:
        tool = certifier(name, witness.network)
    except InputError as error:
        lines += ["", *style.wrap(f"Its bounds are not computed here: {error}")]
        tool = None
    if isinstance(tool, LipschitzCertifier):
        lines += ["", *_bounds_table(tool, leads, top, style), *_comparison(witness, tool, at_b, style)]
    lines += ["", *_formula_lines(witness, leads, top, style)]
    return lines


def _bounds_table(tool: LipschitzCertifier, leads: Sequence[tuple[int, Fraction]], top: int, style: Style) -> list[str]:
    rows = []
    for other, lead in leads[:12]:
        bound = tool.bounds[other][top]
        radius = radius_text(lead / bound) if bound else "any"
        rows.append([f"{other}", f"{significant(lead, 10)} = {scaled_integer(lead)}", significant(bound, 17, "up"), radius])
    return table(["class", "margin", "L", "margin / L"], rows, style, indent=4)


def _comparison(witness: Witness, tool: LipschitzCertifier, at_b: Logits, style: Style) -> Iterable[str]:
    """The radius found here beside the witness's claim and the distance of the points."""
    claim = witness.claim
    try:
        supremum = tool.supremum(witness.certified, at_b.floats)
    except InputError as error:
        return style.wrap(str(error))
    where = "contains a" if contains(witness, claim) else "does not contain a"
    said, direction = ("accepts", "down") if claim.accepted else ("does not accept", "up")
    asked, away = radius_text(claim.radius, direction), significant(distance(witness), 10)
    text = f"Asked about the radius {asked}, whose ball {where}, {away} away, it {said} it."
    text += f" It accepts all radii below {radius_text(supremum)}." if supremum else " No radius is accepted at b."
    if supremum != claim.reach and tool.name == claim.verifier:
        text += f" (The witness says {significant(claim.reach, 17)}: other settings, or another version of the certifier.)"
    return ["", *style.wrap(text)]


def _logit_formulas(witness: Witness, style: Style) -> list[str]:
    """The network as formulas in which every rounding stands; nothing without sympy, or for large networks."""
    if not formulas.available() or operations(witness.network) > MAX_FULL:
        return []
    lines = formulas.logit_formulas(steps(witness, witness.certified, "x"), style)
    return ["", *style.wrap("As formulas, with fl for one rounding:"), "", *lines]


def _formula_lines(witness: Witness, leads: Sequence[tuple[int, Fraction]], top: int, style: Style) -> list[str]:
    if not formulas.available():
        return style.wrap(f"Formulas are left out: they need sympy: {how_to_install('sympy')}.")
    if any(lead <= 0 for _, lead in leads):
        return style.wrap("A margin is zero: no radius is certified.")
    if len(leads) > 12 or max(witness.network.widths) > 64:
        return style.wrap("Formulas are left out for a network of this size.")
    head = f"In algebra, k = {top} the class at b and i another one, without the certifier's own rounding"
    symbols = [f"s{n} the spectral norm of layer {n}" for n in range(len(witness.network.dense_layers) - 1)]
    lines = style.wrap(head + (f", and {', '.join(symbols)}" if symbols else "") + ":")
    return [*lines, "", *formulas.radius_formulas(witness.network, leads, top, style)]
