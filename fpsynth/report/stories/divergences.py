"""The report of a divergence: network, views, what they compute, libraries, and what is wrong."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT64
from fpsynth.libraries.calls import memory_words
from fpsynth.predicates import argmax
from fpsynth.report.numerals import decimal, significant
from fpsynth.report.partial_sums import Neuron, layer_values, neuron_of, number, parting, summed
from fpsynth.report.stories.divergence_words import called, place, short, wrong
from fpsynth.report.stories.grounds import comparison_lines, revealed_rows
from fpsynth.report.stories.other_arithmetics import other_arithmetics
from fpsynth.report.stories.ran_as import different_runs, ran_as
from fpsynth.report.stories.setting import layer_names
from fpsynth.report.stories.teller import Teller
from fpsynth.report.stories.verdicts import NOT_REPLAYED, ranges
from fpsynth.report.story import Frame, Paragraph, Part, Space, Table, section, strong, told
from fpsynth.report.text import RIGHT, STRONG, WRONG, Span, Text, clean, joined, listed, whole
from fpsynth.rounding import from_fraction, representable
from fpsynth.synthesis.result import Result
from fpsynth.witness.calls import view_call
from fpsynth.witness.data import Observation, View, Witness
from fpsynth.witness.numerals import hex_text
from fpsynth.witness.prediction import outputs_of
from fpsynth.wording import counted, noun

MAX_TERMS = 12
"""Active terms that are listed and whose order is written out."""
_ACTIVE = " (the others are products with zero, which change no sum)"
ROLES = {
    "reference": "believed: what a certificate or a test was computed with",
    "deployed": "departs from it",
    "silent": "silent: must not depart",
}
"""What a view is, behind its letter and its name."""
_ARITHMETIC = 300
"""Characters of an arithmetic's words: those of a program are longer than those of a rule."""
MAX_OUTPUTS = 4
"""Logits of a view that are shown beside those that the predicate reads."""


def require_told(divergence: Witness) -> None:
    """Raise InputError where a file does not say what a view computes: reports show it, and only a check computes it."""
    for view in divergence.views:
        within = divergence.predicate.relation.needs_interval and view is divergence.reference
        if len(view.interval if within else view.logits) != outputs_of(divergence.network):
            what = "interval" if within else "logits"
            raise InputError(f"view {view.name} has no {what}: fpsynth check says what it should have")


class DivergenceTeller(Teller):
    """Two views of a stack of dense layers that part ways."""

    @property
    def heading(self) -> str:
        """The question, the predicate, the format and the shape."""
        return what(self.witness)

    def sections(self) -> list[Part]:
        """Network, ways to evaluate it, what they compute, libraries."""
        require_told(self.witness)
        return [
            section("Network", network_parts(self.witness)),
            section("Ways to evaluate it", view_parts(self.witness)),
            section("What they compute", outcome_parts(self.witness)),
            section("Libraries", library_parts(self.witness)),
        ]

    def search(self, result: Result) -> list[Part]:
        """How it was found and what that rests on."""
        return [section("Search", [_search(result, self.witness)])]

    def box(self) -> Frame:
        """What is wrong, why, and what libraries made of it."""
        return wrong_box(wrong(self.witness))


def wrong_box(sentences: Sequence[str]) -> Frame:
    """What is wrong, the first sentence before all."""
    first, *others = sentences
    return Frame("What is wrong", (strong(first, 0), *(Paragraph(text, 0) for text in others)), WRONG)


def what(divergence: Witness) -> str:
    """What a divergence is about, in a few words."""
    shape = ",".join(_runs_counted([str(width) for width in divergence.network.widths]))
    return f"{divergence.question} · {divergence.predicate.kind} · {divergence.format} · shape {shape}"


def _runs_counted(parts: Sequence[str]) -> list[str]:
    """Runs of three and more equal parts as one, with their number."""
    runs = [(part, len(list(equal))) for part, equal in itertools.groupby(parts)]
    return [text for part, number in runs for text in ([f"{number}×{part}"] if number > 2 else [part] * number)]


def _layers(parts: Sequence[str]) -> list[str]:
    """The parts of a network with runs of equal hidden layers, ReLU included, as one."""
    first, *middle, last = parts
    pairs = [f"{layer} ──▶ {relu}" for layer, relu in zip(middle[:-1:2], middle[1::2], strict=True)]
    runs = [(pair, len(list(equal))) for pair, equal in itertools.groupby(pairs)]
    return [
        first,
        *(f"{number} × ({pair})" if number > 2 else " ──▶ ".join([pair] * number) for pair, number in runs),
        middle[-1],
        last,
    ]


def _arithmetics(divergence: Witness, view: View, neurons: Sequence[tuple[View, Neuron]]) -> list[str]:
    """The arithmetic of the layer where the views part ways; all of them where there is one layer, or none is known to part."""
    several = len(divergence.network.dense_layers) > 1
    neuron = next((n for owner, n in neurons if owner.name == view.name and several), None)
    if neuron is None:
        return [clean(str(view.deployment), _ARITHMETIC), *other_arithmetics(divergence.network, view.deployment)]
    return [clean(f"{neuron.how} in {neuron_name(divergence, neuron)}", _ARITHMETIC)]


def network_parts(divergence: Witness) -> list[Part]:
    """The layers, and the terms of the neuron where the views part ways that are not zero."""
    neuron = parting_neurons(divergence)[0][1]
    active = neuron.active
    layers = " ──▶ ".join(_layers([whole(part) for part in layer_names(divergence.network)]))
    terms = f"{counted(len(neuron.weights), 'term')}, {len(active)} active" + _ACTIVE * (len(active) < len(neuron.weights))
    parts: list[Part] = [Paragraph(layers, 2, 4), Paragraph(f"{neuron_name(divergence, neuron)}: {terms}", 2, 4)]
    rows = []
    for k in active[:MAX_TERMS]:
        x = neuron.inputs[k]
        rows.append([f"p{k} =", *_number(Fraction(neuron.weights[k])), "×", *_number(number(x) or Fraction(0))])
    if neuron.bias:
        rows.append(["bias =", *_number(Fraction(neuron.bias)), "", "", ""])
    if rows:
        parts += [Space(), Table(["term", "weight", "", "×", "input", ""], rows, indent=4, gap=2)]
    if len(active) > MAX_TERMS:
        parts += told(f"and {len(active) - MAX_TERMS} more; the witness file has them all", indent=4)
    return parts


def _number(exact: Fraction) -> list[str]:
    """A number as a decimal and, where float64 holds it, in hexadecimal."""
    value = from_fraction(exact) if exact.denominator & (exact.denominator - 1) == 0 else None
    held = value is not None and representable(value, FLOAT64)
    return [decimal(exact, 24), hex_text(float(exact)) if held else ""]


def parting_neurons(divergence: Witness) -> list[tuple[View, Neuron]]:
    """The neuron where the reference and the deployed view part ways, under each of them.

    For two neurons that are to be equal: both of them under the deployed view.
    """
    a, b = divergence.reference, divergence.deployed
    of_a, of_b = layer_values(divergence, a), layer_values(divergence, b)
    last = len(divergence.network.dense_layers) - 1
    if divergence.predicate.relation.of_pair:
        pair = divergence.predicate.outputs(outputs_of(divergence.network))
        return [(b, neuron_of(divergence, b, last, output, of_b)) for output in pair]
    layer, output = parting(divergence, of_a, of_b)
    return [(a, neuron_of(divergence, a, layer, output, of_a)), (b, neuron_of(divergence, b, layer, output, of_b))]


def neuron_name(divergence: Witness, neuron: Neuron) -> str:
    """y3 for an output, h2.5 for neuron 5 of layer 2."""
    last = neuron.layer + 1 == len(divergence.network.dense_layers)
    return f"y{neuron.output}" if last else f"h{neuron.layer}.{neuron.output}"


def order_text(neuron: Neuron) -> str:
    """The order in which a neuron's active terms are added; the arithmetic's own words where they are too many."""
    if neuron.how.format is None:
        return "exact"
    if 0 < len(neuron.active) <= MAX_TERMS:
        return summed(neuron).expression
    return clean(str(neuron.how), 80)


def view_parts(divergence: Witness) -> list[Part]:
    """Each view: who it is, its arithmetic, where it was revealed, and how it adds the active terms."""
    parts: list[Part] = []
    said: set[str] = set()
    neurons = parting_neurons(divergence)
    for view in divergence.views:
        role = ROLES.get(view.role, view.role)
        parts.append(Paragraph((Span(view.name, STRONG), f"  {called(view)} · {role}"), 2, 4))
        facts = _arithmetics(divergence, view, neurons)
        if view.environment:
            facts.append(f"revealed from {clean(view.environment)}, row {view.row}")
            call = view_call(view.environment, divergence.format, divergence.network)
            facts += [call] if call else []
            facts += [line for line in memory_words(call) if line not in said]
            said.update(memory_words(call))
        if view.measured:
            facts.append("its numbers were measured: what was revealed does not give them, so how it adds is not known here")
        if view.permutation:
            moves = [f"neuron {k} at output {j}" for j, k in enumerate(view.permutation) if j != k]
            facts.append("neurons rearranged: " + listed([*moves[:4], *([f"{len(moves) - 4} more"] if len(moves) > 4 else [])]))
        for owner, neuron in neurons:
            if owner.name == view.name and not view.measured:
                facts.append(f"{neuron_name(divergence, neuron)} = {order_text(neuron)}")
        parts += told(*facts, indent=6, hanging=8)
    return parts


def outcome_parts(divergence: Witness) -> list[Part]:
    """The logits that the predicate reads, exact and in hexadecimal, under every view and over the reals, and their classes."""
    outputs = _outputs(divergence)
    rows = [row for view in divergence.views for row in _outcome(divergence, view, outputs)]
    if divergence.real:
        numbers = [_number(divergence.real[k]) for k in outputs]
        rows += _logits(["", "real"], numbers, outputs, _class(divergence, divergence.real))
    several = len(outputs) > 1
    heads = ["", "view", *(["output", "value"] if several else [f"y{outputs[0]}"]), "", ""]
    heads[-1] = "class" if divergence.predicate.relation.about_classes else ""
    parts: list[Part] = [Table(heads, rows, gap=2, words=("view",), ditto=2)]
    for view in divergence.views:
        if view.interval:
            low, high = view.interval[divergence.predicate.output]
            widened = f", widened as {view.widening} does" if view.widening else ""
            parts += told(f"{view.name} is an interval{widened}: [{short(low)}, {short(high)}]")
    return [*parts, Paragraph(f"apart by {decimal(divergence.measure)}")]


def _outputs(divergence: Witness) -> list[int]:
    """The outputs that are shown: those the predicate reads; for a class the winners and a few more."""
    predicate = divergence.predicate
    if not predicate.relation.about_classes:
        return list(predicate.outputs(outputs_of(divergence.network)))
    winners = [argmax(view.logits) for view in divergence.views if view.logits]
    winners += [argmax(divergence.real)] if divergence.real else []
    return sorted(list(dict.fromkeys(winners))[:MAX_OUTPUTS])


def _class(divergence: Witness, logits: Sequence[Fraction]) -> str:
    """The class that logits give, and whether by a tie, where the predicate is about classes."""
    if not divergence.predicate.relation.about_classes or not logits:
        return ""
    return f"{argmax(logits)}{', a tie' if list(logits).count(max(logits)) > 1 else ''}"


def _outcome(divergence: Witness, view: View, outputs: Sequence[int]) -> list[list[Text]]:
    """What a view computes, and behind its first logit its class, and whether it departs."""
    verdict: Text = ""
    if view.role != "reference" and view.logits:
        reference = divergence.reference
        fires = divergence.predicate.fires(view.logits, reference.logits, reference.interval)
        verdict = Span("✗ departs", WRONG) if fires else Span("✓ does not depart", RIGHT)
    numbers = [_number(view.logits[k]) if view.logits else ["–", ""] for k in outputs]
    outcome = joined((_class(divergence, view.logits), verdict), "  ")
    return _logits([view.name, _short_name(divergence, view)], numbers, outputs, outcome)


def _short_name(divergence: Witness, view: View) -> str:
    """The view in a cell of a table: its place alone, where the label is the same as the other's or hides what differs."""
    same = called(divergence.reference) == called(divergence.deployed)
    return clean((same and place(divergence, view)) or called(view), 34)


def _logits(names: Sequence[str], numbers: Sequence[Sequence[str]], outputs: Sequence[int], verdict: Text) -> list[list[Text]]:
    """A row for one logit; of several a row for each, so that a decimal and its hexadecimal never part."""
    if len(outputs) == 1:
        return [[*names, *numbers[0], verdict]]
    rows: list[list[Text]] = [["", "", f"y{k}", *number, ""] for k, number in zip(outputs, numbers, strict=True)]
    rows[0] = [*names, *rows[0][2:-1], verdict]
    return rows


def library_parts(divergence: Witness) -> list[Part]:
    """What each library gave, in the environments of the views first: which view that is, and whether it departs."""
    if not divergence.observations:
        return [NOT_REPLAYED]
    outputs = _outputs(divergence)[:2]
    groups: dict[tuple[str, ...], list[Observation]] = {}
    unrun: dict[tuple[str, ...], list[Observation]] = {}
    for seen in sorted(different_runs(divergence.observations), key=lambda o: o.view == ""):
        key = (seen.library, seen.version, _setting(seen, divergence.format.name), seen.view)
        if not seen.logits:
            unrun.setdefault((*key, clean(seen.not_run or "no logits are recorded")), []).append(seen)
        else:
            logits = ", ".join(significant(seen.logits[k], 9) for k in outputs)
            groups.setdefault((seen.variant, *key, logits, " ".join(seen.agrees_with), str(seen.departs)), []).append(seen)
    alike: dict[tuple[str, ...], list[str]] = {}  # rows that differ in the variant alone, as one
    for (variant, library, version, setting, view, logits, agrees, departs), members in groups.items():
        row = (library, version, setting, _batches(members, view), logits, agrees or "none", departs)
        alike.setdefault(row, []).append(variant)
    rows: list[list[Text]] = []
    for (library, version, setting, batches, logits, agrees, departs), variants in alike.items():
        verdict: Text = Span("✗ departs", WRONG) if departs == "True" else "does not"
        run_as = ran_as(divergence.network, library, variants) + setting
        rows.append([clean(library), clean(version), run_as, batches, logits, agrees, verdict])
    for (library, version, setting, _, reason), members in unrun.items():
        variants = [o.variant for o in members]
        names = (ran_as(divergence.network, library, variants) if any(variants) else "") + setting
        rows.append([clean(library), clean(version), names, f"not run: {reason}"])
    names = ", ".join(f"y{k}" for k in outputs)
    heads = ["library", "version", "run as", "batch", names, "as view", ""]
    return [Table(heads, rows, gap=2, words=("version", "run as", names))]


def _setting(seen: Observation, usual: str) -> str:
    """What was set for a run, as it stands behind its variant; its dtype where that is not the ``usual`` one."""
    parts = [f"{name}={value}" for name, value in (*seen.switches, *seen.settings)]
    parts += [f"layout={seen.layout}"] if seen.layout else []
    parts += [counted(seen.threads, "thread")] if seen.threads else []
    parts += [seen.device] if seen.device not in ("", "cpu") else []
    parts += [dtype] if (dtype := seen.environment.get("dtype", usual)) != usual else []
    return clean(f" ({', '.join(parts)})", 80) if parts else ""


def _batches(members: Iterable[Observation], view: str) -> str:
    """Batch sizes, with the rows concerned where they are not all of them; and the view whose environment it is."""
    rows: dict[int, set[int]] = {}
    for seen in members:
        rows.setdefault(seen.batch, set()).update(seen.rows)
    texts = [
        f"{batch} ({noun(len(which), 'row')} {ranges(which)})" if len(which) < batch else str(batch)
        for batch, which in sorted(rows.items())
    ]
    return ", ".join(texts) + (f" · {view}" if view else "")


def _search(result: Result, divergence: Witness) -> Table:
    rows: list[list[Text]] = []
    if divergence.construction:
        rows.append(["detector", clean(divergence.construction)])
    origin = divergence.provenance
    if origin is not None:
        encoding = f" with {clean(origin.encoding)}" if origin.encoding else ""
        rows.append(["found by", f"{clean(origin.engine)}{encoding}, seed {origin.seed}"])
        rows += [["", clean(note)] for note in origin.notes]
    rows += [["revealed", row] for row in revealed_rows(result.grounds)]
    if result.comparison is not None:
        rows.append(["compared", comparison_lines(result.comparison)[0].removeprefix("compared ")])
    rows.append(["time", f"{result.seconds_solve:.2f} s solving, {result.seconds_total:.2f} s in all"])
    if divergence.sampled is not None:
        s = divergence.sampled
        departs = (
            f"departs at {s.inside_fires} of {counted(s.inside, 'point')} inside the box and at {s.outside_fires} of"
            f" {s.outside} outside"
        )
        rows.append(["sampled", f"{departs}; {clean(s.how)}"])
    if divergence.max_weight is not None:
        rows.append(["weights", f"none above {significant(divergence.max_weight, 9)} in size"])
    if divergence.optimum:
        rows.append(["optimum", clean(divergence.optimum)])
    if result.reason:
        rows.append(["verdict", clean(result.reason)])
    return Table((), rows)
