"""What certifiers, libraries and searches say, as tables, and the one sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from fpsynth.networks.network import Network, stacked
from fpsynth.report.computed import Logits
from fpsynth.report.numerals import radius_text, significant
from fpsynth.report.stories.ran_as import different_runs, ran_as
from fpsynth.report.stories.setting import distance, distance_squared
from fpsynth.report.story import Paragraph, Part, Table
from fpsynth.report.text import RIGHT, WRONG, Span, Text, class_text, clean, listed
from fpsynth.synthesis.ties.certification import SOUND_FORMATS
from fpsynth.verifiers.claims import Claim
from fpsynth.verifiers.covered import covers_all
from fpsynth.witness import Observation, Witness
from fpsynth.wording import noun

NOT_REPLAYED = Paragraph("not replayed: fpsynth replay FILE runs it on the libraries that are installed")


def contains(witness: Witness, certificate: Claim) -> bool:
    """Whether the ball of the certificate's radius around the certified point holds the counterexample (exact comparison)."""
    return certificate.radius**2 >= distance_squared(witness)


def certificate_section(witness: Witness) -> list[Part]:
    """A line per certifier: which radius it was asked about, and below which it accepts all; then the negative control."""
    sound = witness.control
    claims = [*witness.claims, *([sound] if sound else [])]
    head = ["certifier", "at b", "radius asked", "accepts all below", "its ball"]
    claimed = Table(head, [_certificate(witness, claim, claim is sound) for claim in claims], gap=2)
    if sound is None:
        known = witness.format.name in SOUND_FORMATS
        why = "takes dense layers with ReLU only" if known and not stacked(witness.network) else f"knows no {witness.format}"
        told = f"lipschitz-sound {why}, so there is no negative control"
    elif sound.accepted and stacked(witness.network) and not covers_all(witness.network, witness.deployment, witness.format):
        told = f"{clean(sound.verifier)} accepts, but does not speak of {witness.deployment}: it is no negative control here"
    elif sound.accepted:
        told = f"{clean(sound.verifier)} claims to be sound in floating point: this is a bug, please report it"
    else:
        told = f"{clean(sound.verifier)} is the negative control: it allows for rounding"
    return [claimed, Paragraph(told)]


def _certificate(witness: Witness, claim: Claim, sound: bool) -> list[Text]:
    """What one certifier was asked and said; ``sound`` of the one that has to reject."""
    rejects: Text = Span("✓ rejects", RIGHT) if sound else "rejects"
    return [
        clean(claim.verifier),
        Span("✗ accepts", WRONG) if claim.accepted else rejects,
        radius_text(claim.radius, "down" if claim.accepted else "up"),
        radius_text(claim.reach) if claim.reach else "none",
        "contains a" if contains(witness, claim) else "does not contain a",
    ]


def library_section(witness: Witness) -> list[Part]:
    """One line per library and outcome: variants, batches, the class at b and at a, and what that means."""
    replays, network = witness.observations, witness.network
    if not replays:
        return [NOT_REPLAYED]
    groups: dict[tuple[object, ...], list[Observation]] = {}
    absent: dict[tuple[str, str, str], list[str]] = {}
    for replay in different_runs(replays):
        if replay.not_run:
            absent.setdefault((replay.library, replay.version, replay.not_run), []).append(replay.variant)
        else:
            groups.setdefault(_outcome(replay), []).append(replay)
    alike: dict[tuple[object, ...], list[Observation]] = {}  # rows that differ in the variant alone, as one
    for group in groups.values():
        key = (*_outcome(replace(group[0], variant="")), _batches(group))
        alike.setdefault(key, []).extend(group)
    rows = [_library(network, group) for group in alike.values()]
    for (library, version, reason), variants in absent.items():
        names = ran_as(network, library, variants) if any(variants) else ""
        rows.append([clean(library), clean(version), *([names] if names else []), f"not run: {clean(reason)}"])
    return [Table(["library", "version", "run as", "batch", "at b", "at a", ""], rows, gap=2, words=("version", "run as"))]


def _outcome(replay: Observation) -> tuple[object, ...]:
    return (
        replay.library,
        replay.version,
        replay.variant,
        replay.device,
        replay.reference_class,
        replay.class_index,
        replay.departs,
        replay.accepted,
    )


def _library(network: Network, group: Sequence[Observation]) -> list[Text]:
    first = group[0]
    device = "" if first.device in ("", "cpu") else f" on {first.device}"
    return [
        clean(first.library),
        clean(first.version),
        ran_as(network, first.library, [one.variant for one in group]) + clean(device),
        _batches(group),
        class_text(first.reference_class, ""),
        class_text(first.class_index, ""),
        _replay_verdict(first),
    ]


def _replay_verdict(replay: Observation) -> Text:
    if replay.departs:
        return Span("✓ confirmed", RIGHT)
    if replay.reference_class is None or replay.class_index is None:
        return "no class"
    if replay.reference_class == replay.class_index:
        return "same class"
    return "not certified" if replay.accepted is False else "class differs"


def _batches(group: Iterable[Observation]) -> str:
    """Batch sizes, with the rows concerned where they are not all of them."""
    rows: dict[int, set[int]] = {}
    for replay in group:
        rows.setdefault(replay.batch, set()).update(replay.rows)
    texts = []
    for batch, which in sorted(rows.items()):
        part = which and len(which) < batch
        texts.append(f"{batch} ({noun(len(which), 'row')} {ranges(which)})" if part else str(batch))
    return ", ".join(texts)


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers as ranges: 0-3,5."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def refuted(witness: Witness, at_b: Logits, at_a: Logits) -> bool:
    """Whether the witness contradicts its certificate, in its own arithmetic or in a library."""
    claim = witness.claim
    differ = at_b.rounded_class != at_a.rounded_class or bool(witness.confirmed_by)
    return claim.accepted and contains(witness, claim) and differ


def sentence(witness: Witness, at_b: Logits, at_a: Logits) -> str:
    """What is wrong, in one plain sentence."""
    claim = witness.claim
    reach = radius_text(claim.reach)
    name = clean(claim.verifier)
    before, after = at_b.rounded_class, at_a.rounded_class
    if not claim.accepted or not contains(witness, claim):
        return f"{name} certifies no ball around b that contains a, so there is nothing to refute."
    start = f"{name} certifies that every point closer to b than {reach} has b's class, {before}; a is {_away(witness)} away"
    confirmed = [clean(library) for library in witness.confirmed_by]
    ran = list(dict.fromkeys(clean(r.library) for r in witness.observations if not r.not_run))
    if confirmed:
        every = " all" if len(confirmed) > 2 else " both" if len(confirmed) == 2 else ""
        classes = {r.class_index for r in witness.observations if r.departs}
        target = f"it in class {after}" if classes == {after} else "it in another class"
        others = [library for library in ran if library not in confirmed]
        not_there = [f"{listed(others)} {'does' if len(others) == 1 else 'do'} not show it"] if others else []
        but = f" ({'; '.join([*not_there, *_exceptions(witness)])})" if not_there or _exceptions(witness) else ""
        return f"{start}, yet {listed(confirmed)}{every} put{'s' if len(confirmed) == 1 else ''} {target}{but}."
    if before == after:
        return f"In {witness.deployment} arithmetic a and b have the same class, {before}: no contradiction."
    but = f", though {listed(ran)} {'does' if len(ran) == 1 else 'do'} not show it" if ran else ""
    return f"{start}, yet in {witness.deployment} arithmetic it has class {after}{but}."


def _exceptions(witness: Witness) -> list[str]:
    """The libraries of which some runs only confirm the witness: which do, and which do not."""
    told = []
    for library in witness.confirmed_by:
        runs = [one for one in witness.observations if one.library == library and not one.not_run]
        shown, missed = _where(runs, True), _where(runs, False)
        if missed:
            told.append(f"{clean(library)} {listed(shown)}, but not {listed(missed)}")
    return told


def _where(runs: Sequence[Observation], departs: bool) -> list[str]:
    """The runs that depart, or do not: batches where all of them do, else which runs of a batch, by how they ran or by rows."""
    whole, parts = [], []
    for batch in sorted({one.batch for one in runs}):
        at = [one for one in runs if one.batch == batch]
        if all(one.departs is departs for one in at):
            whole.append(str(batch))
            continue
        for variant in dict.fromkeys(one.variant for one in at):
            own = [one for one in at if one.variant == variant]
            those = [one for one in own if one.departs is departs]
            rows = {row for one in those for row in one.rows}
            if those:
                where = f" in {noun(len(rows), 'row')} {ranges(rows)}" if len(those) < len(own) else ""
                parts.append(f"as {clean(variant)} at batch {batch}{where}")
    return [*([f"at batch {listed(whole)}"] if whole else []), *parts]


def cause(witness: Witness, at_b: Logits, at_a: Logits) -> str:
    """Where the contradiction comes from, in one sentence; empty if there is none."""
    before, after = at_b.rounded_class, at_a.rounded_class
    if not refuted(witness, at_b, at_a) or before == after:
        return ""
    tied = at_a.rounded[before] == at_a.rounded[after]
    fmt = witness.format
    if tied:
        how = f"in {fmt} both logits of a round to the same number, and argmax then takes the lowest index"
    else:
        how = f"in {fmt} its logits round to numbers in another order"
    if at_a.exact_class == before:
        name = clean(witness.claim.verifier)
        return (
            f"{name} takes the logits computed at b for exact and reasons about real numbers from there, "
            f"where a has class {before} as well; {how}."
        )
    real = f"even without rounding a has class {at_a.exact_class}"
    return f"The proof takes the rounded logits of b for real ones; {real}, and {how}."


def _away(witness: Witness) -> str:
    """How far a is from b, to as many digits as show it below the radius that is told."""
    far, reach = distance(witness), witness.claim.reach
    texts = (significant(far, digits) for digits in range(3, 18))
    return next((text for text in texts if Fraction(text) < reach), significant(far, 17))
