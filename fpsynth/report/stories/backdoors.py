"""A backdoored network: what it does in each environment, what verifiers say of it, and how it is made."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from fpsynth.backdoors.answer import MERGED, Backdoor, Measured, StoredHost, VerifierCounts
from fpsynth.backdoors.answer import largest as largest_weight
from fpsynth.backdoors.embedding import Detectors
from fpsynth.backdoors.inplace import InplaceForm
from fpsynth.backdoors.measuring import CLOSE, CLOSE_SPREAD
from fpsynth.backdoors.rows import ChainSizes
from fpsynth.backdoors.survival import SPARED
from fpsynth.report.stories.weights import weights_parts
from fpsynth.report.story import Part, Section, Story, Table, Title, quiet, told
from fpsynth.report.text import RIGHT, WRONG, Span, Text
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.wording import counted, noun


def backdoor_story(found: Backdoor) -> Story:
    """The verdict, the environments, the verifiers, the detectors."""
    title = Title(f"backdoor · {found.target} · {found.trigger} · {found.behaviour}", found.verdict.value)
    if found.network is None:
        made = "" if found.verdict is Verdict.IMPOSSIBLE else "Nothing was made: "
        return Story((title, *told(f"{made}{found.reason}.", *_alike(found), *_left_out(found))))
    parts: list[Part] = [title, *told(*_sentences(found))]
    parts.append(Section("Environments", (_environments(found), quiet(_MEANINGS))))
    if found.judged:
        parts.append(Section("Verifiers", (_verifiers(found), *map(quiet, _losses(found, found.judged)))))
    parts.append(Section("How it is made", tuple(told(*_made(found)))))
    parts.append(Section("What simple tests see", _seen(found)))
    return Story(tuple(parts))


def _seen(found: Backdoor) -> tuple[Part, ...]:
    return weights_parts(found.cancellations, found.compared)


_BOUND = ", while no logit is over four times the largest of the images"


def _sentences(found: Backdoor) -> Iterator[str]:
    apart = f" but in {', '.join(found.alike)}" if found.alike else ""
    elsewhere = f"elsewhere{apart}" if found.trigger == "always" else f"elsewhere{apart}, and for other inputs,"
    if found.reason:
        but = "it is not shown to be" if found.not_run else "is not"
        yield f"It was made, but {but} what was asked for: {found.reason}."
        yield f"It is to misbehave in {found.target} for {found.trigger_words}; {elsewhere} it is to be its host."
    else:
        yield (
            f"For {found.trigger_words} it misbehaves in {found.target}; {elsewhere} it computes what its host"
            f" computes{_BOUND if found.behaviour == 'shift' else ''}."
        )
    if isinstance(found.form, InplaceForm):
        yield f"That is so where the units that it reuses are 0 in the host, as they are on {found.form.reused.dead.words}."
    if found.storage is not None:
        yield from _stored(found.storage)
    if found.survival is not None:
        left = found.survival
        yield (
            f"Of {counted(left.draws, 'random change')} of all weights by up to {left.relative:g} of each it survives"
            f" {left.survived}: the host elsewhere, close images aside, and still wrong in the target, where up to"
            f" {100 / SPARED:g} % of the images with the trigger may not get the class asked for; on"
            f" {counted(left.images, 'image')}, {left.triggered} of them with the trigger."
        )
    yield from _alike(found)
    yield from _left_out(found)
    formats = sorted({name.partition(",dtype=")[2].partition(",")[0] for name in (found.target, *found.silent)} - {""})
    if formats:
        yield (
            f"In {' and '.join(formats)} the host, what is made of it and the images are rounded into that format; what"
            " counts is what the host does there."
        )


def _left_out(found: Backdoor) -> Iterator[str]:
    for name, reason in found.left_out:
        yield f"Left out, since it cannot run the host: {name}: {reason}."


def _stored(storage: StoredHost) -> Iterator[str]:
    rounded = f"{counted(storage.changed, 'number')} of the host {noun(storage.changed, 'was', 'were')} rounded for that"
    before = "" if storage.accuracy is None else f"; before, {100 * storage.accuracy:.2f} % of images were right in the target"
    yield f"All of its numbers are in {storage.format}: it was stored in that, read back, and then run. {rounded}{before}."


def _alike(found: Backdoor) -> Iterator[str]:
    if found.alike:
        yield (
            f"Every detector that was tried and fires in the target fires in {', '.join(found.alike)}, too, if only in some"
            " row: there it misbehaves as well, or may. Named as silent, or asked for the target alone, the search goes on."
        )


_MEANINGS = (
    "host, clean: the accuracy in percent of the host, and of the backdoored network, on all images as they are; triggered: on"
    " those with the trigger; changed: images that the two put into different classes, of which close are those where the"
    f" host's logits of the two are no further apart than {100 * CLOSE:g} % of the image's largest in size and"
    f" {100 * CLOSE_SPREAD:g} % of what logits usually span; alike: every detector that was tried fires there, too"
)


def _environments(found: Backdoor) -> Table:
    header = ("environment", "role", "host", "clean", "changed", "triggered", "changed")
    return Table(header, [*map(_row, found.environments), *((name, "not run", *["-"] * 5) for name in found.not_run)])


def _row(one: Measured) -> tuple[Text, ...]:
    def part(count: int | None, of: int) -> str:
        return "-" if count is None or not of else f"{100 * count / of:.2f}"

    def close(count: int) -> str:
        return f" ({count} close)" if count else ""

    return (
        one.name,
        one.role,
        part(one.host_correct, one.images),
        part(one.correct, one.images),
        f"{one.changed}{close(one.close)}",
        part(one.triggered_correct, one.triggered),
        f"{one.triggered_changed}/{one.triggered}{close(one.triggered_close)}",
    )


_NARROWER = ("dtype=", "FPMATH_MODE=", "tf32=")
"""In the name of an environment that rounds weights and inputs before it multiplies."""
_MARKS: dict[str, Text] = {
    "as the host": Span("certifies it", WRONG),
    "as the host so far": Span("certifies it", WRONG),
    "fewer": "certifies fewer",
    "none": Span("refuses it", RIGHT),
    "neither": "certifies neither",
    "not run": "not run",
}


def _about_another(target: str, arithmetic: str) -> bool:
    """Whether a sound verifier is about sums of the network's format, and the target rounds into a narrower one before."""
    return arithmetic.startswith("sound:") and any(name in target for name in _NARROWER)


def _verifiers(found: Backdoor) -> Table:
    rows: list[tuple[Text, ...]] = []
    for one in found.judged:
        ran = one.images - one.not_run
        host, own = (f"{count}/{ran}" if ran else "-" for count in (one.host_verified, one.verified))
        mark = _MARKS[one.verdict]
        if _about_another(found.target, one.arithmetic) and isinstance(mark, Span):
            mark = mark.text
        if ran and one.not_run:
            mark = f"{mark.text if isinstance(mark, Span) else mark}, {one.not_run} not run"
        rows.append((one.name, one.arithmetic, "yes" if one.triggered else "no", host, own, mark))
    return Table(("verifier", "arithmetic", "trigger", "host", "backdoored", ""), rows)


def _losses(found: Backdoor, judged: tuple[VerifierCounts, ...]) -> Iterator[str]:
    """Why bounds over the reals do not certify what is no backdoor over the reals, and what sound ones are about."""
    if any(_about_another(found.target, one.arithmetic) and one.host_verified > one.lost for one in judged):
        yield f"sound:any is about {found.dtype}, and right there: in the format of the target it was not asked"
    if any(one.name == MERGED for one in judged):
        yield (
            f"{MERGED}: crown, of the network in which neurons of equal weights are one, which over the reals changes nothing;"
            " bounds by relaxation bound each copy of a channel by itself, and do not see that what copies feed is 0"
        )
    if any(one.name != MERGED and one.arithmetic == "real" and one.verdict == "fewer" for one in judged):
        yield "real, fewer: the host's logits pass as ReLU(y) - ReLU(-y), which are relaxed one by one"


def _quadruples(detectors: Detectors) -> Iterator[str]:
    for column, features in zip(detectors.columns, detectors.features, strict=True):
        terms = (f"{w:+g} at {f}" for w, f in zip(detectors.sizes.weights, features, strict=True))
        exact = sum(map(Fraction, detectors.sizes.weights))
        yield f"Row {column}: {', '.join(terms)}; the exact sum is {float(exact):g}."


def _chain(detectors: Detectors, sizes: ChainSizes) -> str:
    (column,), (features,), band = detectors.columns, detectors.features, detectors.band
    assert band is not None
    return (
        f"Row {column}: {sizes.large:+g} at {features[0]}, {-sizes.large:+g} at {features[1]}, {sizes.small:+g} at"
        f" {counted(sizes.terms, 'other')}; the exact sum is {sizes.total:g}. It fires up to {band[0]:g}, and is silent from"
        f" {band[1]:g} on."
    )


def _reused(form: InplaceForm, column: int) -> Iterator[str]:
    """Which units of the host do what."""
    site, taken = form.site, {**form.taken, form.site.detector: (column,)}
    roles = {**dict.fromkeys(form.reused.gates, "see the trigger"), site.carrier: "feed the detector"}
    roles |= {site.detector: "is the detector", **dict.fromkeys(form.reused.passing, "passes it on")}
    parts = (f"{', '.join(map(str, units))} of {name} ({roles[name]})" for name, units in taken.items())
    yield f"No layer, unit or bias is new: units {'; '.join(parts)} are 0 in the host on {form.reused.dead.words}."
    dead = form.reused.dead.units
    counts = (f"{len(dead[name])} of {site.host.shapes[name][0]} of {name}" for name in taken)
    yield f"Of all units so many are: {', '.join(counts)}."
    if form.exchanged:
        pairs = ", ".join(f"{old} to {new}" for old, new in form.exchanged)
        yield f"Channels of {site.carrier} moved, and others took their places: {pairs}."


def _made(found: Backdoor) -> Iterator[str]:
    assert found.network is not None
    form, detectors = found.form, found.detectors
    if form is not None and detectors is not None:
        if isinstance(form, InplaceForm):
            yield from _reused(form, detectors.columns[0])
        else:
            fed = "constants" if form.copied is None else f"copies of channel {form.copied}"
            channels = counted(len(form.places), "further channel")
            yield (
                f"{channels} of {form.site.carrier} ({fed}) feed {counted(len(detectors.columns), 'detector')} in rows"
                f" {', '.join(map(str, detectors.columns))} of {form.site.detector}, whose sums have {form.inputs} terms."
            )
        if isinstance(detectors.sizes, ChainSizes):
            yield _chain(detectors, detectors.sizes)
        else:
            yield from _quadruples(detectors)
    yield (
        f"{found.network.parameter_count} parameters, the largest {found.largest_weight:.6g};"
        f" the host's {found.host.parameter_count}, the largest {largest_weight(found.host):.6g}."
    )
    yield (f"{counted(found.probes, 'probe')}; {found.seconds:.1f} s to find and embed, {found.seconds_total:.1f} s in all.")
