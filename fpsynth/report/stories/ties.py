"""The report of a tie in the terminal: network, points, number line, certificate, libraries, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from fpsynth.report.computed import Logits, logits, program_at, weight_name
from fpsynth.report.numerals import power_text, radius_text, significant, ulp
from fpsynth.report.renderers.number_line import Mark, number_line_lines
from fpsynth.report.renderers.style import Style, clean, listed, pad, plain
from fpsynth.report.renderers.tables import table
from fpsynth.report.stories.attempts import attempt_lines
from fpsynth.report.stories.proofs import proof_lines
from fpsynth.report.stories.setting import class_colour, class_text, distance, network_section, points_section
from fpsynth.report.stories.verdicts import cause, certificate_section, library_section, refuted, sentence
from fpsynth.sums.facts import last_mode
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness import Witness

MAX_WITNESSES = 50
"""Rows of the table of further witnesses."""


def tie_lines(subject: Result | Witness, style: Style) -> list[str]:
    """The lines of the report on a tie question, or on one tie such as one loaded from a file."""
    if isinstance(subject, Result):
        found = subject.verdict is Verdict.FOUND and subject.witnesses
        return _found(subject, style) if found else _not_found(subject, style)
    points = logits(subject, subject.certified), logits(subject, subject.point)
    return [*title(_what(subject), "witness", style), *_witness(subject, *points, style), *_box(subject, *points, style)]


def _found(result: Result, style: Style) -> list[str]:
    first = result.witnesses[0]
    points = logits(first, first.certified), logits(first, first.point)
    lines = [*title(_what(first), "found", style), *_witness(first, *points, style)]
    lines += style.heading("Search") + _search(result, first, style)
    if len(result.witnesses) > 1:
        lines += style.heading(f"All {len(result.witnesses)} witnesses")
        lines += style.wrap("Numbered as the files that --out FOLDER writes; what stands above is of 000.")
        lines += _overview(result.witnesses, style)
    return [*lines, *_box(first, *points, style)]


def _what(witness: Witness) -> str:
    shape = ",".join(map(str, witness.network.widths))
    return f"{witness.question} · {witness.deployment} · shape {shape}"


def title(what: str, verdict: str, style: Style) -> list[str]:
    """The first lines of a text: what it is about, the verdict on the right (empty for none), and a rule."""
    colour = {"found": "red", "impossible": "green", "unknown": "yellow"}.get(verdict, "bold")
    left = f"{style.paint('fpsynth', 'bold')} {clean(what)}"
    right = style.paint(verdict.upper(), colour)
    filled = pad(left, style.width - len(verdict))
    if len(plain(left)) + len(verdict) + 2 > style.width:
        return [left, right, style.paint("━" * style.width, "dim")]
    return [filled + right, style.paint("━" * style.width, "dim")]


def _witness(witness: Witness, at_b: Logits, at_a: Logits, style: Style) -> list[str]:
    return [
        *style.heading("Network"),
        *network_section(witness, style),
        *style.heading("Two points"),
        *points_section(witness, at_b, at_a, style),
        *style.heading(f"Their logits among the {witness.format} numbers"),
        *picture(witness, at_b, at_a, style),
        *style.heading("Certificate"),
        *certificate_section(witness, style),
        *style.heading("Libraries: the class at b and at a"),
        *library_section(witness.observations, style),
    ]


def _box(witness: Witness, at_b: Logits, at_a: Logits, style: Style) -> list[str]:
    title, colour = ("What is wrong", "red") if refuted(witness, at_b, at_a) else ("Nothing is wrong", "")
    inner = style.width - 4
    what = [style.paint(line, "bold") for line in style.wrap(sentence(witness, at_b, at_a), 0, width=inner)]
    why = style.wrap(cause(witness, at_b, at_a), 0, width=inner)
    return ["", *style.box([style.paint(title, colour), *what, *why], colour)]


def picture(witness: Witness, at_b: Logits, at_a: Logits, style: Style) -> list[str]:
    """The number line at a and at b: the two logits in question, exact and rounded.

    Both lines have one scale where the values are close.  Further logits are named below, not drawn: they lie elsewhere.
    """
    pair = sorted({at_b.rounded_class, at_a.rounded_class})
    if len(pair) == 1:
        pair = sorted([pair[0], *(k for k in range(len(at_a.rounded)) if k != pair[0])][:2])
    mode = last_mode(program_at(witness, len(witness.network.dense_layers) - 1, pair[0]))
    blocks = []
    for letter, values in (("a", at_a), ("b", at_b)):
        marks = [
            Mark(_exact_name(witness, k, letter), values.exact[k], values.rounded[k], f"y{k}", class_colour(k)) for k in pair
        ]
        drawn = number_line_lines(marks, witness.format, style, rounding=mode, width=style.width - 4)
        blocks.append(
            (_describe(witness, letter, values, pair, style), ["  " + line for line in drawn], _undrawn(values, pair))
        )
    (above, first, others), (below, second, rest) = blocks
    if first[-1] == second[-1]:  # one caption will do
        first = first[:-1]
    return [*above, "", *first, *others, "", *below, "", *second, *rest]


def _undrawn(values: Logits, pair: Sequence[int]) -> list[str]:
    """The logits that are not in the picture, six of them at most."""
    return [
        f"    y{k} ≈ {significant(float(values.rounded[k]), 9)}, not drawn" for k in range(len(values.rounded)) if k not in pair
    ][:6]


def _exact_name(witness: Witness, output: int, letter: str) -> str:
    """What the exact logit is called: w0·a for a product, else y0."""
    if (
        witness.network.widths[0] == 1
        and len(witness.network.dense_layers) == 1
        and witness.network.dense_layers[0].bias is None
    ):
        return f"{weight_name(witness.network, 0, output, 0)}·{letter}"
    return f"exact y{output}"


def _describe(witness: Witness, letter: str, values: Logits, pair: Sequence[int], style: Style) -> list[str]:
    """One sentence over a picture: how far apart the exact values are, what they become, and which class that gives."""
    low, high = pair
    unit = ulp(max((abs(values.exact[k]) for k in pair), default=Fraction(0)), witness.format)
    apart = abs(values.exact[high] - values.exact[low]) / unit
    same = values.rounded[low] == values.rounded[high]
    text = f"the exact values are {significant(apart, 3)} ulp apart and become "
    text += "one number: a tie, and argmax takes the lower index" if same else "different numbers"
    head = style.paint(f"at {letter}", "bold")
    first, *others = style.wrap(f"at {letter}:  {text}  ▶  class {values.rounded_class}", 2, 9)
    label = f"class {values.rounded_class}"
    lines = [first.replace(f"at {letter}", head, 1), *others]
    lines[-1] = lines[-1].replace(label, class_text(values.rounded_class, style))
    return lines


def _search(result: Result, witness: Witness, style: Style) -> list[str]:
    rows: list[list[str]] = []
    how = witness.provenance
    if how is not None:
        encoding = f" with {clean(how.encoding)}" if how.encoding else ""
        rows.append(["found by", f"{clean(how.engine)}{encoding}, seed {how.seed}"])
        rows += [["", clean(note)] for note in how.notes]
    rows.append(["time", f"{result.seconds_solve:.2f} s solving, {result.seconds_total:.2f} s in all"])
    rows.append([clean(witness.objective), _optimality(result, witness)])
    if result.proof is not None:
        rows += [["", text] for text in proof_lines(result.proof)]
    if result.reason and (result.proof is None or result.reason != result.proof.statement):
        rows.append(["verdict", clean(result.reason)])
    return table([], rows, style)


def _optimality(result: Result, witness: Witness) -> str:
    """What is known about the objective's maximum."""
    noun = clean(witness.objective)
    if result.proof is not None:
        return "the largest possible: proved"
    if witness.optimum:
        return clean(witness.optimum)
    if result.upper_bound is None:
        given = result.settings.get("network") is not None
        return f"the largest {noun} is not known" + ("" if given else ": --prove asks for a proof")
    bound = float(result.upper_bound)
    power = f" ({power_text(bound)})" if power_text(bound) else ""
    value = {"ratio": witness.ratio or 0.0, "radius": float(witness.claim.reach), "distance": distance(witness)}.get(noun, 0.0)
    reached = "; this one reaches it" if value >= bound else ""
    return f"no {noun} above {significant(result.upper_bound, 9, 'up')}{power} is possible{reached}"


def _classes(witness: Witness) -> str:
    """The class at the certified point and at the counterexample."""
    return " to ".join(str(logits(witness, point).rounded_class) for point in (witness.certified, witness.point))


def _overview(witnesses: Sequence[Witness], style: Style) -> list[str]:
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
    lines = table(heads, rows, style, gap=2, words=("shape", "certified radius", "confirmed by"))
    left_out = len(witnesses) - MAX_WITNESSES
    return [*lines, f"  and {left_out} more"] if left_out > 0 else lines


def _not_found(result: Result, style: Style) -> list[str]:
    """The report of an impossible or unknown question."""
    settings = result.settings
    name = " · ".join(["tie", *(setting_text(settings[key]) for key in ("dtype", "shape") if key in settings)])
    lines = title(name, result.verdict.value, style)
    lines += ["", *(style.paint(line, "bold") for line in style.wrap(clean(result.reason)))]
    if result.proof is not None:
        lines += style.heading("Proof")
        for text in proof_lines(result.proof):
            if text != clean(result.reason):  # which stands right above
                lines += style.wrap(text, 2, 4)
    elif result.verdict is Verdict.UNKNOWN:
        lines += style.wrap(
            "That is neither a witness nor a proof that there is none: more time or another seed may decide it."
        )
    if result.upper_bound is not None:
        power = power_text(float(result.upper_bound))
        lines += style.heading("Proved upper bound")
        lines.append(f"  {significant(result.upper_bound, 12, 'up')}" + (f" = {power}" if power else ""))
    if result.attempts:
        lines += style.heading("Attempts") + attempt_lines(result.attempts, style)
    lines += asked_lines(settings, style)
    lines += ["", *style.wrap(f"{result.seconds_solve:.2f} s solving, {result.seconds_total:.2f} s in all")]
    return lines


def asked_lines(settings: Mapping[str, object], style: Style) -> list[str]:
    """What was asked for, in the words of the record of a request (``synthesis.requests``), but for what was left open."""
    told = {key: setting_text(value) for key, value in settings.items() if value not in (None, "", (), [])}
    if not told:
        return []
    text = clean(", ".join(f"{key} {value}" for key, value in told.items()), 2000)
    return [*style.heading("Asked for"), *style.wrap(text)]


def setting_text(value: object) -> str:
    """A setting as a user would write it: parts of a list with commas between them."""
    if isinstance(value, list | tuple):
        return ",".join(setting_text(part) for part in value)
    return clean(str(value), 80)
