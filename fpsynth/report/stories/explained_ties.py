"""The explanation of a witness: every operation, exact and rounded; where the tie comes from; how the radius is computed."""

from __future__ import annotations

from collections.abc import Sequence
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
from fpsynth.report.stories.setting import distance, network_section, points_section
from fpsynth.report.stories.ties import exception_parts, picture, tie_heading
from fpsynth.report.stories.verdicts import cause, contains, refuted, sentence
from fpsynth.report.story import Paragraph, Part, Space, Story, Table, Title, section, told
from fpsynth.report.text import QUIET, STRONG, Span, Text, class_text, clean, listed
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


def tie_explained(witness: Witness) -> Story:
    """Tell the computation of a tie step by step.

    For each point every operation: in words, exactly, rounded, in bits, and its error in ulps; then where the tie comes from,
    and how the certified radius follows from the margin and the Lipschitz bound.  Large networks are summarised (see
    ``MAX_FULL``).  Without sympy the formulas are left out, and the story says so.
    """
    at_b, at_a = logits(witness, witness.certified), logits(witness, witness.point)
    at_each = [
        section(heading, [*_computation(witness, operations, at_b, at_a), *_outcome(values)], 1)
        for heading, operations, values in (
            ("at b, certified", steps(witness, witness.certified, "b"), at_b),
            ("at a, the counterexample", steps(witness, witness.point, "a"), at_a),
        )
    ]
    contradiction = [sentence(witness, at_b, at_a)]
    contradiction += [cause(witness, at_b, at_a)] if refuted(witness, at_b, at_a) else []
    computed = [*_legend(witness), *_logit_formulas(witness), *at_each]
    return Story(
        (
            Title(clean(tie_heading(witness, " explained"))),
            section("1  The network", [*network_section(witness), *exception_parts(witness)]),
            section("2  The two points", points_section(witness, at_b, at_a)),
            section("3  The computation, operation by operation", computed),
            section("4  Where the classes part", _origin(witness, at_b, at_a)),
            section("5  The certificate", _certificate(witness, at_b)),
            section("6  The contradiction", told(*filter(None, contradiction))),
        )
    )


def _legend(witness: Witness) -> list[Part]:
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
    parts = told(text)
    if wide and wide != [str(witness.format)]:
        parts += told(f"Products and partial sums are kept in {listed(wide)}, the result is rounded to {witness.format}.")
    if program.flush:
        tiny = ", tiny being told before the exponent is limited" if program.flush is Flush.UNBOUNDED else ""
        parts += told(f"Subnormal operands and results are flushed to zero{tiny}.")
    return parts


def _usual(witness: Witness) -> Program:
    """The sum program of the first neuron that has the deployment's own arithmetic, or else of the first logit."""
    last, deployment = len(witness.network.dense_layers) - 1, witness.deployment
    places = ((k, j) for k, layer in enumerate(witness.network.dense_layers) for j in range(layer.outputs))
    layer, output = next((place for place in places if deployment.at(*place) == deployment.default), (last, 0))
    return program_at(witness, layer, output)


def _computation(witness: Witness, computed: Sequence[Operation], at_b: Logits, at_a: Logits) -> list[Part]:
    """The operations at one point: a card for each, or for large networks a summary and a table."""
    if operations(witness.network) <= MAX_FULL:
        return [part for number, step in enumerate(computed, start=1) for part in _card(number, step)]
    last = len(witness.network.dense_layers) - 1
    parts: list[Part] = [Space()]
    parts += told(*(_summary(layer, [step for step in computed if step.layer == layer]) for layer in range(last)))
    final = [step for step in computed if step.layer == last]
    if len(final) > MAX_ROWS:
        pair = {at_b.rounded_class, at_a.rounded_class}
        final = [step for step in final if step.output in pair]
        parts += told(f"last layer: only the operations of {' and '.join(f'y{k}' for k in sorted(pair))} are shown")
    if len(final) > MAX_ROWS:
        share = MAX_ROWS // len(pair)
        parts += told(f"and of those, the last {share} of each")
        final = [step for k in sorted(pair) for step in [s for s in final if s.output == k][-share:]]
    rows = [[f"{s.name} = {s.formula}", value_decimal(s.result, 20), value_hex(s.result), _short_error(s)] for s in final]
    return [*parts, Space(), Table(["last layer", "rounded", "", "error"], rows)]


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


def _card(number: int, step: Operation) -> list[Part]:
    """One operation in full."""
    op = Op.FMA if step.op is Op.ADD and any("×" in argument for argument in step.arguments) else step.op
    words = f"{_WORDS[op]}, round to {step.format}" if op is not Op.MAX else "ReLU: nothing to round"
    text = (Span(f"{number}. {step.name} = {step.formula}", STRONG), "   ", Span(words, QUIET))
    head = Paragraph(text, 4 - len(str(number)), 6)
    rows: list[list[Text]] = []
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
    return [Space(), head, Table((), rows, indent=6)]


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


def _outcome(values: Logits) -> list[Part]:
    """The logits, exact and rounded, and the class that each gives."""
    rows: list[list[Text]] = [
        [f"y{k}", decimal(exact, 24) if exact.denominator < 1 << 2000 else "..", value_decimal(rounded, 24), value_hex(rounded)]
        for k, (exact, rounded) in enumerate(zip(values.exact, values.rounded, strict=True))
    ]
    rows = rows if len(rows) <= 12 else rows[:12]
    rows.append(["argmax", class_text(values.exact_class), class_text(values.rounded_class), ""])
    return [Space(), Table(["", "in real numbers", "as computed", ""], rows, indent=6)]


def _origin(witness: Witness, at_b: Logits, at_a: Logits) -> list[Part]:
    """The exact values behind the two logits at a, and the interval of reals that round to what they became."""
    before, after = at_b.rounded_class, at_a.rounded_class
    parts: list[Part] = [picture(witness, at_b, at_a), Space()]
    if before == after:
        return [*parts, Paragraph("The class is the same at both points.")]
    last = {step.name: step for step in steps(witness, witness.point, "a")}
    pair = [last[f"y{k}"] for k in sorted((before, after))]
    if pair[0].result != pair[1].result or not pair[0].result.is_finite:
        real = at_a.exact_class != before
        why = "they differ in real numbers already" if real else "rounding has put them in another order"
        return [*parts, Paragraph(f"The two logits at a do not tie: {why}.")]
    value = pair[0].result
    both = f"At a, y{min(before, after)} and y{max(before, after)} are both {value_hex(value)}."
    rows = [[f"y{step.output}", decimal(step.exact.fraction(), _EXACT_DIGITS), f"= {step.formula}"] for step in pair]
    parts += [Paragraph(f"{both} The last operation of each had these exact values:"), Space(), Table((), rows, indent=4)]
    if value.is_zero or program_at(witness, pair[0].layer, pair[0].output).flush:
        return parts
    return [*parts, Space(), *_interval(pair)]


def _interval(pair: Sequence[Operation]) -> list[Part]:
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
    wide = f"It is {significant((high - low) / unit, 3)} ulp wide, the two exact values lie {significant(apart, 4)} ulp apart,"
    lost = " and both fall into it: the difference between the classes is rounded away, and argmax takes the lower index."
    return [
        Paragraph(f"Every real number in this interval rounds to {value_hex(step.result)}{tail}:"),
        Space(),
        Table((), rows, indent=4),
        Space(),
        Paragraph(wide + lost),
    ]


def _certificate(witness: Witness, at_b: Logits) -> list[Part]:
    """Margin, Lipschitz bound and radius, class by class; what the certifier makes of them; the formulas."""
    claim = witness.claim
    top = at_b.rounded_class
    if not all(value.is_finite for value in at_b.rounded):
        return told("A logit at b is not a finite number: no margin, no certificate.")
    parts = told(
        f"{clean(claim.verifier)} takes the computed logits at b for exact. A move by d changes the difference of two"
        " logits by at most L d, where L is a Lipschitz bound: the norm of the difference of their last weights times the"
        " spectral norms of the hidden layers. So no class can overtake while L d is below its margin, so d < margin / L."
    )
    leads = margins(at_b.floats, top)
    name = claim.verifier
    if name == "lipschitz-exact" and operations(witness.network) > MAX_EXACT:
        name = "lipschitz"
        parts += told("For a network of this size the bounds below are those of lipschitz, which are a little smaller.")
    try:
        tool = certifier(name, witness.network)
    except InputError as error:
        parts += [Space(), Paragraph(f"Its bounds are not computed here: {error}")]
        tool = None
    if isinstance(tool, LipschitzCertifier):
        parts += [Space(), _bounds_table(tool, leads, top), *_comparison(witness, tool, at_b)]
    return [*parts, Space(), *_formulas(witness, leads, top)]


def _bounds_table(tool: LipschitzCertifier, leads: Sequence[tuple[int, Fraction]], top: int) -> Table:
    rows = []
    for other, lead in leads[:12]:
        bound = tool.bounds[other][top]
        radius = radius_text(lead / bound) if bound else "any"
        rows.append([f"{other}", f"{significant(lead, 10)} = {scaled_integer(lead)}", significant(bound, 17, "up"), radius])
    return Table(["class", "margin", "L", "margin / L"], rows, indent=4)


def _comparison(witness: Witness, tool: LipschitzCertifier, at_b: Logits) -> list[Part]:
    """The radius found here beside the witness's claim and the distance of the points."""
    claim = witness.claim
    try:
        supremum = tool.supremum(witness.certified, at_b.floats)
    except InputError as error:
        return told(str(error))
    where = "contains a" if contains(witness, claim) else "does not contain a"
    said, direction = ("accepts", "down") if claim.accepted else ("does not accept", "up")
    asked, away = radius_text(claim.radius, direction), significant(distance(witness), 10)
    text = f"Asked about the radius {asked}, whose ball {where}, {away} away, it {said} it."
    text += f" It accepts all radii below {radius_text(supremum)}." if supremum else " No radius is accepted at b."
    if supremum != claim.reach and tool.name == claim.verifier:
        text += f" (The witness says {significant(claim.reach, 17)}: other settings, or another version of the certifier.)"
    return [Space(), Paragraph(text)]


def _logit_formulas(witness: Witness) -> list[Part]:
    """The network as formulas in which every rounding stands; nothing without sympy, or for large networks."""
    if not formulas.available() or operations(witness.network) > MAX_FULL:
        return []
    equations = formulas.logit_formulas(steps(witness, witness.certified, "x"))
    return [Space(), Paragraph("As formulas, with fl for one rounding:"), Space(), *equations]


def _formulas(witness: Witness, leads: Sequence[tuple[int, Fraction]], top: int) -> list[Part]:
    if not formulas.available():
        return told(f"Formulas are left out: they need sympy: {how_to_install('sympy')}.")
    if any(lead <= 0 for _, lead in leads):
        return told("A margin is zero: no radius is certified.")
    if len(leads) > 12 or max(witness.network.widths) > 64:
        return told("Formulas are left out for a network of this size.")
    head = f"In algebra, k = {top} the class at b and i another one, without the certifier's own rounding"
    symbols = [f"s{n} the spectral norm of layer {n}" for n in range(len(witness.network.dense_layers) - 1)]
    named = f", and {', '.join(symbols)}" if symbols else ""
    return [Paragraph(f"{head}{named}:"), Space(), *formulas.radius_formulas(witness.network, leads, top)]
