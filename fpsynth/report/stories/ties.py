"""The report of a tie: network, points, number line, certificate, libraries, and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property

from fpsynth.report.computed import Logits, logits, program_at, weight_name
from fpsynth.report.numerals import power_text, radius_text, significant, ulp
from fpsynth.report.stories.other_arithmetics import other_arithmetics
from fpsynth.report.stories.proofs import proof_lines
from fpsynth.report.stories.setting import distance, network_section, points_section
from fpsynth.report.stories.teller import Teller
from fpsynth.report.stories.verdicts import cause, certificate_section, library_section, refuted, sentence
from fpsynth.report.story import Frame, Mark, NumberLine, NumberLines, Paragraph, Part, Space, Table, section, strong, told
from fpsynth.report.text import STRONG, WRONG, Span, Text, class_tone, clean, listed
from fpsynth.sums.facts import last_mode
from fpsynth.synthesis.result import Result
from fpsynth.witness import Witness

MAX_WITNESSES = 50
"""Rows of the table of further witnesses."""


class TieTeller(Teller):
    """A tie: one class at the certified point b, another at the counterexample a."""

    @cached_property
    def points(self) -> tuple[Logits, Logits]:
        """The logits at b and at a."""
        return logits(self.witness, self.witness.certified), logits(self.witness, self.witness.point)

    @property
    def heading(self) -> str:
        """The question, the deployment and the shape."""
        return tie_heading(self.witness)

    def sections(self) -> list[Part]:
        """Network, points, number line, certificate and libraries."""
        witness = self.witness
        return [
            section("Network", [*network_section(witness), *exception_parts(witness)]),
            section("Two points", points_section(witness, *self.points)),
            section(f"Their logits among the {witness.format} numbers", [picture(witness, *self.points)]),
            section("Certificate", certificate_section(witness)),
            section("Libraries: the class at b and at a", library_section(witness)),
        ]

    def search(self, result: Result) -> list[Part]:
        """How the witness was found, and a table of all that were."""
        parts: list[Part] = [section("Search", [_search(result, self.witness)])]
        if len(result.witnesses) > 1:
            numbered = Paragraph("Numbered as the files of their corpus; what stands above is of 000.")
            parts.append(section(f"All {len(result.witnesses)} witnesses", [numbered, *_overview(result.witnesses)]))
        return parts

    def box(self) -> Frame:
        """What is wrong, or that nothing is."""
        wrong = refuted(self.witness, *self.points)
        heading, tone = ("What is wrong", WRONG) if wrong else ("Nothing is wrong", "")
        why = cause(self.witness, *self.points)
        told_why = [Paragraph(why, 0)] if why else []
        return Frame(heading, (strong(sentence(self.witness, *self.points), 0), *told_why), tone)


def tie_heading(witness: Witness, words: str = "") -> str:
    """The question, with ``words`` behind it, the deployment and the shape."""
    shape = ",".join(map(str, witness.network.widths))
    return f"{witness.question}{words} · {witness.deployment} · shape {shape}"


def exception_parts(witness: Witness) -> list[Part]:
    """The layers and outputs that are computed otherwise than the heading says."""
    lines = other_arithmetics(witness.network, witness.deployment)
    return [Space(), *told(f"computed in {witness.deployment.default},", *lines)] if lines else []


def picture(witness: Witness, at_b: Logits, at_a: Logits) -> NumberLines:
    """The number line at a and at b: the two logits in question, exact and rounded.

    Further logits are named below, not drawn: they lie elsewhere.
    """
    pair = sorted({at_b.rounded_class, at_a.rounded_class})
    if len(pair) == 1:
        pair = sorted([pair[0], *(k for k in range(len(at_a.rounded)) if k != pair[0])][:2])
    mode = last_mode(program_at(witness, len(witness.network.dense_layers) - 1, pair[0]))
    return NumberLines(
        tuple(
            NumberLine(
                marks=tuple(
                    Mark(_exact_name(witness, k, letter), values.exact[k], values.rounded[k], f"y{k}", class_tone(k))
                    for k in pair
                ),
                format=witness.format,
                rounding=mode,
                before=_describe(witness, letter, values, pair),
                after=_undrawn(values, pair),
            )
            for letter, values in (("a", at_a), ("b", at_b))
        )
    )


def _undrawn(values: Logits, pair: Sequence[int]) -> tuple[Paragraph, ...]:
    """The logits that are not in the picture, six of them at most."""
    others = [k for k in range(len(values.rounded)) if k not in pair][:6]
    return tuple(Paragraph(f"y{k} ≈ {significant(float(values.rounded[k]), 9)}, not drawn", 4) for k in others)


def _exact_name(witness: Witness, output: int, letter: str) -> str:
    """What the exact logit is called: w0·a for a product, else y0."""
    if (
        witness.network.widths[0] == 1
        and len(witness.network.dense_layers) == 1
        and witness.network.dense_layers[0].bias is None
    ):
        return f"{weight_name(witness.network, 0, output, 0)}·{letter}"
    return f"exact y{output}"


def _describe(witness: Witness, letter: str, values: Logits, pair: Sequence[int]) -> Paragraph:
    """One sentence over a picture: how far apart the exact values are, what they become, and which class that gives."""
    low, high = pair
    unit = ulp(max((abs(values.exact[k]) for k in pair), default=Fraction(0)), witness.format)
    apart = abs(values.exact[high] - values.exact[low]) / unit
    same = values.rounded[low] == values.rounded[high]
    become = "one number: a tie, and argmax takes the lower index" if same else "different numbers"
    words = f":  the exact values are {significant(apart, 3)} ulp apart and become {become}  ▶  "
    if not apart:
        words = ":  the exact values are one number already: a tie, and argmax takes the lower index  ▶  "
    number = values.rounded_class
    return Paragraph((Span(f"at {letter}", STRONG), words, Span(f"class {number}", class_tone(number))), 2, 9)


def _search(result: Result, witness: Witness) -> Table:
    rows: list[list[Text]] = []
    origin = witness.provenance
    if origin is not None:
        encoding = f" with {clean(origin.encoding)}" if origin.encoding else ""
        rows.append(["found by", f"{clean(origin.engine)}{encoding}, seed {origin.seed}"])
        rows += [["", clean(note)] for note in origin.notes]
    rows.append(["time", f"{result.seconds_solve:.2f} s solving, {result.seconds_total:.2f} s in all"])
    rows.append([clean(witness.objective), _optimality(result, witness)])
    if result.proof is not None:
        rows += [["", text] for text in proof_lines(result.proof)]
    if result.reason and (result.proof is None or result.reason != result.proof.statement):
        rows.append(["verdict", clean(result.reason)])
    return Table((), rows)


def _optimality(result: Result, witness: Witness) -> str:
    """What is known about the objective's maximum."""
    noun = clean(witness.objective)
    if result.optimal:
        return "the largest possible: proved"
    if witness.optimum and result.proof is None:
        return clean(witness.optimum)
    if result.upper_bound is None:
        asked = result.settings.get("network") is not None or result.settings.get("prove") or result.proof is not None
        return f"the largest {noun} is not known" + ("" if asked else ": prove asks for a proof")
    power = power_text(float(result.upper_bound))
    return f"no {noun} above {significant(result.upper_bound, 9, 'up')}{f' ({power})' if power else ''} is possible"


def _classes(witness: Witness) -> str:
    """The class at the certified point and at the counterexample."""
    return " to ".join(str(logits(witness, point).rounded_class) for point in (witness.certified, witness.point))


def _overview(witnesses: Sequence[Witness]) -> list[Part]:
    """One line for each witness; their shapes and classes where these are not all the same."""
    shown = witnesses[:MAX_WITNESSES]
    kinds = [[",".join(map(str, w.network.widths)), _classes(w)] for w in shown]
    varied = len({tuple(kind) for kind in kinds}) > 1
    rows = [
        [
            f"{k:03d}",  # as the corpus counts its files
            *(kind if varied else []),
            significant(distance(w), 6),
            radius_text(w.claim.reach),
            significant(w.ratio or 0.0, 9, "down"),
            listed([clean(name) for name in w.confirmed_by]) or "none",
        ]
        for k, (w, kind) in enumerate(zip(shown, kinds, strict=True))
    ]
    heads = ["shape", "classes"] if varied else []
    heads = ["number", *heads, "distance", "certified radius", "ratio", "confirmed by"]
    overview: list[Part] = [Table(heads, rows, gap=2, words=("shape", "certified radius", "confirmed by"))]
    left_out = len(witnesses) - MAX_WITNESSES
    return [*overview, Paragraph(f"and {left_out} more")] if left_out > 0 else overview
