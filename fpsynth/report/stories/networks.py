"""Whole networks in environments: how each layer is computed, and what several environments make of the same inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fpsynth.aliases import Json
from fpsynth.evaluators.rounded import rounded_words
from fpsynth.networks.cancellation import cancellation_words
from fpsynth.report.numerals import significant
from fpsynth.report.story import Paragraph, Part, Space, Story, Table, quiet, told
from fpsynth.report.text import RIGHT, WRONG, Span
from fpsynth.synthesis.comparing.comparison import NetworkComparison, Ran
from fpsynth.synthesis.comparing.parting import parting_words
from fpsynth.wording import counted

_CHANGES = 5
"""Inputs that are named of a pair."""
_NEURONS = 4
"""Neurons that are named whose weights cancel."""


def network_reveals_story(reveals: Sequence[Json]) -> Story:
    """One table for each environment."""
    parts: list[Part] = []
    for number, reveal in enumerate(reveals):
        parts += ([Space()] if number else []) + _one(reveal)
    return Story(tuple(parts))


def _one(reveal: Json) -> list[Part]:
    whole = reveal["network"]
    rows = [
        (layer["name"], layer["kind"], layer["arithmetic"] + _more(layer), f"{layer['explained']}/{layer['of']}")
        for layer in reveal["layers"]
    ]
    perfect = whole["explained"] == whole["of"] and all(layer["explained"] == layer["of"] for layer in reveal["layers"])
    mark = Span("✓", RIGHT) if perfect else Span("✗", WRONG)
    remarks = [*_cached(reveal), *(f"{one['node']}: {one['name']}" for one in reveal["rewrites"]), *_notes(reveal)]
    return [
        Paragraph(f"{reveal['environment']} · {reveal['dtype']} · {reveal['version']}", 0),
        Table(("layer", "kind", "arithmetic", "explains"), rows),
        Paragraph((mark, f" the whole network: explains {whole['explained']}/{whole['of']} logits, bit for bit")),
        *told(*remarks, indent=4),
    ]


def _cached(reveal: Json) -> list[str]:
    """What was read from the cache on disk instead of being asked of the library, if anything was."""
    if reveal["cached"]:
        return [f"from the cache, revealed {reveal['revealed']}"]
    kept = [layer["name"] for layer in reveal["layers"] if layer["cached"]]
    return [f"from the cache: the {'kernel' if len(kept) == 1 else 'kernels'} of {', '.join(kept)}"] if kept else []


def _more(layer: Json) -> str:
    """How many outputs have another arithmetic than the commonest."""
    others = sum(one["outputs"] for one in layer["classes"][1:])
    return f"; {counted(others, 'output')} otherwise" if others else ""


def _notes(reveal: Json) -> list[str]:
    return [*reveal["notes"], *(f"{layer['name']}: {note}" for layer in reveal["layers"] for note in layer["notes"])]


def comparison_story(found: NetworkComparison) -> Story:
    """The verdict in one line, then environments and pairs."""
    rows: list[tuple[str, ...]] = []
    for number, one in enumerate(found.environments, 1):
        if one.not_run:
            rows.append((str(number), one.name, f"not run: {one.not_run}"))
            continue
        distance = f"≤ {significant(one.exact_distance, 2, 'up')}" if found.bounded else "-"
        right = () if one.correct is None else (f"{one.correct}/{found.inputs}",)
        rows.append((str(number), one.name, f"{one.reproduced}/{one.of}", distance, *right))
    parts: list[Part] = [Paragraph(verdict_line(found), 0), Space()]
    labelled = any(one.correct is not None for one in found.environments)
    parts.append(Table(("no.", "environment", "reproduced", "from exact", *(["correct"] if labelled else [])), rows))
    if found.pairs:
        parts += [Space(), Table(("pair", "classes", "equal logits", "largest difference"), _pairs(found))]
    return Story((*parts, Space(), *told(*_remarks(found)), quiet(_MEANINGS)))


_MEANINGS = (
    "reproduced: logits that the arithmetics revealed of each layer give bit for bit; from exact: how far a logit is from its"
    " exact value, at most"
)


def _remarks(found: NetworkComparison) -> Iterator[str]:
    """The bound for any order, where environments part, what was revealed before, and that the network was rounded."""
    yield _bound_words(found)
    if found.bounded and found.otherwise:
        names = ", ".join(found.otherwise)
        yield (
            f"That is of sums in {found.dtype} or wider, rounded to nearest, of the network as it was given: nothing is said of"
            f" {names}, where other numbers are read, kept or computed."
        )
    yield from map(parting_words, found.partings)
    yield from (f"Summands cancel: {cancellation_words(one)}." for one in found.cancellations[:_NEURONS])
    if len(found.cancellations) > _NEURONS:
        yield f"{counted(len(found.cancellations) - _NEURONS, 'more neuron')} likewise."
    kept = [one.name for one in found.environments if one.reveal is not None and one.reveal["cached"]]
    if kept:
        yield f"Revealed before, and read from the cache: {', '.join(kept)}."
    yield from (f"Note: {note}." for note in found.notes)
    yield from filter(None, map(_missed, found.environments))
    if found.rounded:
        yield f"{rounded_words(found.rounded, found.network, found.dtype)}: that network is compared."


def _missed(one: Ran) -> str:
    """Why not all logits of an environment are reproduced, as far as that is known; empty where they are."""
    if one.reveal is None or one.reproduced == one.of:
        return ""
    layers = [layer for layer in one.reveal["layers"] if layer["explained"] < layer["of"]]
    said = [f"{layer['name']}: {note}" for layer in layers[:1] for note in layer["notes"][:1]] or one.reveal["notes"][-1:]
    return f"Not all logits of {one.name} are reproduced{''.join(f': {text}' for text in said)}."


def verdict_line(found: NetworkComparison) -> str:
    """One line for people and for a log."""
    ran = sum(not one.not_run for one in found.environments)
    if found.verdict == "unknown":
        return f"UNKNOWN: the network ran in {counted(ran, 'environment')}; two are needed to compare"
    if found.verdict == "same classes":
        return f"SAME CLASSES: {counted(found.inputs, 'input')} in {counted(ran, 'environment')}"
    return f"CLASSES CHANGE: of {found.changed} of {counted(found.inputs, 'input')} in {counted(ran, 'environment')}"


def _pairs(found: NetworkComparison) -> list[tuple[str, ...]]:
    """A row per pair, of the numbers that the environments have above: their names would leave no room for what changes."""
    rows: list[tuple[str, ...]] = []
    number = {one.name: place for place, one in enumerate(found.environments, 1)}
    for pair in found.pairs:
        numbers = ", ".join(map(str, pair.changed[:_CHANGES])) + (", ..." if len(pair.changed) > _CHANGES else "")
        changes = f"{len(pair.changed)} change: inputs {numbers}" if pair.changed else "same"
        total = found.environments[0].of or max(one.of for one in found.environments)
        rows.append(
            (f"{number[pair.a]} – {number[pair.b]}", changes, f"{pair.equal}/{total}", significant(pair.max_difference, 3))
        )
    return rows


def _bound_words(found: NetworkComparison) -> str:
    if not found.bounded:
        return "No bound for any order: the network has a batch normalisation, which libraries compute in several ways."
    most = significant(found.any_order, 2, "up")
    if not found.could_change:
        return (
            f"In any order of summation, fused or not, no logit is moved by more than {most}, and no input"
            " changes its class: that is proved."
        )
    return (
        f"In any order of summation, fused or not, no logit is moved by more than {most}: the class of"
        f" {counted(found.could_change, 'input')} could change, that of the others cannot."
    )


def comparison_json(found: NetworkComparison) -> Json:
    """The same as data."""
    return {
        "verdict": found.verdict,
        "inputs": found.inputs,
        "dtype": found.dtype.name,
        "network": found.network.digest.hex(),
        "files": dict(zip(("network", "images"), found.files, strict=True)),
        "rounded": found.rounded,
        "rounded_inputs": found.rounded_inputs,
        "notes": list(found.notes),
        "environments": [
            {
                "name": one.name,
                "not_run": one.not_run,
                "reproduced": one.reproduced,
                "of": one.of,
                "max_difference": max((p.max_difference for p in found.pairs if one.name in (p.a, p.b)), default=0.0),
                "from_exact": one.exact_distance if found.bounded and not one.not_run else None,
                "bound": None if one.bounds is None else _finite(float(one.bounds.max())),
                "correct": one.correct,
                "layers": [] if one.reveal is None else one.reveal["layers"],
                "revealed": "" if one.reveal is None else one.reveal["revealed"],
                "cached": one.reveal is not None and one.reveal["cached"],
            }
            for one in found.environments
        ],
        "pairs": [
            {
                "a": pair.a,
                "b": pair.b,
                "class_changes": len(pair.changed),
                "inputs": list(pair.changed),
                "equal_logits": pair.equal,
                "max_difference": _finite(pair.max_difference),
            }
            for pair in found.pairs
        ],
        "partings": [one.to_json() for one in found.partings],
        "cancellations": [one.to_json() for one in found.cancellations],
        "could_change": found.could_change if found.bounded else None,
        "any_order": _finite(found.any_order),
    }


def _finite(number: float) -> float | None:
    return number if number < float("inf") else None
