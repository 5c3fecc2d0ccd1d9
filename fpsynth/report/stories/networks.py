"""Whole networks in environments: how each layer is computed, and what several environments make of the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fpsynth.evaluators.rounded import rounded_words
from fpsynth.report.renderers.style import Style
from fpsynth.report.renderers.tables import table
from fpsynth.synthesis.comparing.compared import NetworkComparison
from fpsynth.wording import counted

_CHANGES = 8
"""Inputs that are named of a pair."""


def network_reveals_text(reveals: Sequence[dict[str, Any]], style: Style) -> str:
    """One table for each environment."""
    lines: list[str] = []
    for number, found in enumerate(reveals):
        lines += ([""] if number else []) + _one(found, style)
    return style.finish(lines)


def _one(found: dict[str, Any], style: Style) -> list[str]:
    whole = found["network"]
    rows = [
        (layer["name"], layer["kind"], layer["arithmetic"] + _more(layer), f"{layer['explained']}/{layer['of']}")
        for layer in found["layers"]
    ]
    perfect = whole["explained"] == whole["of"] and all(layer["explained"] == layer["of"] for layer in found["layers"])
    mark = style.paint("✓", "green") if perfect else style.paint("✗", "red")
    return [
        *style.wrap(f"{found['environment']} · {found['dtype']} · {found['version']}", 0),
        *table(("layer", "kind", "arithmetic", "explains"), rows, style),
        f"  {mark} the whole network: explains {whole['explained']}/{whole['of']} logits, bit for bit",
        *(line for told in _cached(found) for line in style.wrap(f"  {told}", 4)),
        *(line for one in found["rewrites"] for line in style.wrap(f"  {one['node']}: {one['name']}", 4)),
        *(line for note in _notes(found) for line in style.wrap(f"  {note}", 4)),
    ]


def _cached(found: dict[str, Any]) -> list[str]:
    """What was read from the cache on disk instead of being asked of the library, if anything was."""
    if found["cached"]:
        return [f"from the cache, revealed {found['revealed']}"]
    kept = [layer["name"] for layer in found["layers"] if layer["cached"]]
    return [f"from the cache: the {'kernel' if len(kept) == 1 else 'kernels'} of {', '.join(kept)}"] if kept else []


def _more(layer: dict[str, Any]) -> str:
    """How many outputs have another arithmetic than the commonest."""
    others = sum(one["outputs"] for one in layer["classes"][1:])
    return f"; {counted(others, 'output')} otherwise" if others else ""


def _notes(found: dict[str, Any]) -> list[str]:
    return [*found["notes"], *(f"{layer['name']}: {note}" for layer in found["layers"] for note in layer["notes"])]


def comparison_text(found: NetworkComparison, style: Style) -> str:
    """The verdict in one line, then environments and pairs."""
    lines = [verdict_line(found), ""]
    rows: list[tuple[str, ...]] = []
    for one in found.environments:
        if one.not_run:
            rows.append((one.name, f"not run: {one.not_run}"))
            continue
        right = "" if one.correct is None else f"{one.correct}/{found.inputs}"
        distance = f"≤ {one.exact_distance:.2g}" if found.bounded else "-"
        rows.append((one.name, f"{one.reproduced}/{one.of}", distance, right))
    lines += table(("environment", "reproduced", "from exact", "correct"), rows, style)
    if found.pairs:
        lines += ["", *table(("a", "b", "classes", "equal logits", "largest difference"), _pairs(found), style)]
    lines += ["", *style.wrap(_bound_words(found), 2)]
    kept = [one.name for one in found.environments if one.reveal is not None and one.reveal["cached"]]
    if kept:
        lines += style.wrap(f"Revealed before, and read from the cache: {', '.join(kept)}.", 2)
    if found.rounded:
        lines += style.wrap(f"{rounded_words(found.rounded, found.network, found.dtype)}: that network is compared.", 2)
    explanation = (
        "reproduced: logits that the arithmetics revealed of each layer give bit for bit; from exact: how far a logit is from"
        " its exact value, at most"
    )
    lines += [style.paint(part, "dim") for part in style.wrap(explanation, 2)]
    return style.finish(lines)


def verdict_line(found: NetworkComparison) -> str:
    """One line for people and for a log."""
    ran = sum(not one.not_run for one in found.environments)
    if found.verdict == "unknown":
        return f"UNKNOWN: the network ran in {counted(ran, 'environment')}; two are needed to compare"
    if found.verdict == "same classes":
        return f"SAME CLASSES: {counted(found.inputs, 'input')} in {counted(ran, 'environment')}"
    return f"CLASSES CHANGE: of {found.changed} of {counted(found.inputs, 'input')} in {counted(ran, 'environment')}"


def _pairs(found: NetworkComparison) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for pair in found.pairs:
        numbers = ", ".join(map(str, pair.changed[:_CHANGES])) + (", ..." if len(pair.changed) > _CHANGES else "")
        changes = f"{len(pair.changed)} change: inputs {numbers}" if pair.changed else "same"
        total = found.environments[0].of or max(one.of for one in found.environments)
        rows.append((pair.a, pair.b, changes, f"{pair.equal}/{total}", f"{pair.max_difference:.3g}"))
    return rows


def _bound_words(found: NetworkComparison) -> str:
    if not found.bounded:
        return "No bound for any order: the network has a batch normalisation, which libraries compute in several ways."
    if not found.could_change:
        return (
            f"In any order of summation, fused or not, no logit is moved by more than {found.any_order:.2g}, and no input"
            " changes its class: that is proved."
        )
    return (
        f"In any order of summation, fused or not, no logit is moved by more than {found.any_order:.2g}: the class of"
        f" {counted(found.could_change, 'input')} could change, that of the others cannot."
    )


def comparison_json(found: NetworkComparison) -> dict[str, Any]:
    """The same as data."""
    return {
        "verdict": found.verdict,
        "inputs": found.inputs,
        "dtype": found.dtype.name,
        "network": found.network.digest.hex(),
        "rounded": found.rounded,
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
        "could_change": found.could_change if found.bounded else None,
        "any_order": _finite(found.any_order),
    }


def _finite(number: float) -> float | None:
    return number if number < float("inf") else None
