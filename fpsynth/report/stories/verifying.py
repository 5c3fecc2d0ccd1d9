"""What a verifier said of a network and a property, and what verifiers there are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from fpsynth.aliases import Json
from fpsynth.report.numerals import significant
from fpsynth.report.story import Item, Paragraph, Part, Space, Story, Table, Title, told
from fpsynth.report.text import Text, class_text
from fpsynth.synthesis.verifying.images import RobustAccuracy
from fpsynth.synthesis.verifying.verification import GIVEN, IMAGE, NETWORK, Verification
from fpsynth.verifiers.claims import Ball, Box, Claim
from fpsynth.verifiers.properties import Case, ExactBall
from fpsynth.witness.numerals import hexes_of
from fpsynth.wording import counted

_SHOWN = 16
"""Outputs whose bounds, and numbers of a point, are shown."""
_MEANING = {
    "real": "for exact values, whatever float64 rounds in computing them",
    "float32": "as verifiers compute them in float32 that allow for no rounding: a model, nothing is proved",
    "float64": "as verifiers compute them in float64 that allow for no rounding: a model, nothing is proved",
    "any": "for all that {dtype} computes in any order, fused or not, flushed or not, in {dtype} or wider sums, to nearest",
}

_KEPT = {
    GIVEN: "The class to be kept is {number}, as was asked.",
    IMAGE: "The class to be kept is {number}, the label of the image.",
    NETWORK: "No label is given: the class to be kept is the network's own, whichever it is.",
}


def verification_story(found: Verification) -> Story:
    """The verdict, what it is of, the bounds, and a point where there is one."""
    subject = f"verify · {found.verifier} · {found.arithmetic}"
    parts: list[Part] = [Title(subject, found.verdict)]
    parts += told(*_sentences(found))
    if found.bounds:
        parts += [Space(), Table(("output", "at least", "at most"), list(_rows(found.bounds)))]
    if found.point:
        parts += [Space(), Paragraph(f"at {_point(found.point)}")]
    return Story(tuple(parts))


def _sentences(found: Verification) -> Iterator[str]:
    cases = counted(len(found.cases), "region")
    said = {"unsat": "It says that n", "sat": "It says that a"} if found.answers else {"unsat": "N", "sat": "A"}
    yield {
        "unsat": f"{said['unsat']}othing unsafe is reached in {cases}.",
        "sat": f"{said['sat']} point of the region has unsafe outputs.",
        "unknown": f"It cannot tell: {found.reason}.",
    }[found.verdict]
    if found.kept is not None:
        yield _KEPT[found.kept.origin].format(number=found.kept.number)
    for answer, worth in zip(found.answers, found.worth, strict=True):
        yield f"{answer.tool} {answer.version} says {answer.verdict}: {worth.word}" + (
            f" ({worth.reason})." if worth.reason else "."
        )
    if not found.answers:
        yield f"Bounds are computed {_meaning(found)}."
    if found.explained is not None:
        yield f"The arithmetics that were revealed explain {found.explained[0]} of {found.explained[1]} results."
    yield from (f"{note}." for note in found.notes)
    yield f"{found.seconds:.2f} s"


def _meaning(found: Verification) -> str:
    kind, _, name = found.arithmetic.partition(":")
    if kind != "sound":
        return f"for what {kind} computes, with room for its rounding" if _has_room(found) else _MEANING[kind]
    if name == "any":
        return _MEANING["any"].format(dtype=found.settings.get("dtype", "the format"))
    if found.open_question:
        return f"for the arithmetics that were revealed of {found.environment}, not for all that it computes"
    return f"for all that {found.environment} computes"


def _has_room(found: Verification) -> bool:
    """Whether the verifier itself allows for what a deployment in its format rounds."""
    return found.verifier == "lipschitz-sound"


def _rows(bounds: Sequence[tuple[Fraction, Fraction]]) -> Iterator[tuple[Text, ...]]:
    for number, (low, high) in enumerate(bounds[:_SHOWN]):
        yield class_text(number, ""), significant(low, 9, "down"), significant(high, 9, "up")
    if len(bounds) > _SHOWN:
        yield "", f"and {len(bounds) - _SHOWN} more"


def _point(point: Sequence[float]) -> str:
    shown = ", ".join(f"{x!r}" for x in point[:_SHOWN])
    return shown + (f", ... ({len(point)} numbers)" if len(point) > _SHOWN else "")


def images_story(found: RobustAccuracy) -> Story:
    """The counts."""
    total = len(found.images)
    share = 100 / total
    slowest = sorted(one.seconds for one in found.images)
    certified, both = found.count("unsat"), found.count("unsat", correct=True)
    counts = {
        "verifier": f"{found.verifier}, {found.arithmetic}",
        "radius": f"{float(found.eps):g} ({'L2' if found.norm == 'l2' else 'L-infinity'})",
        "certified": f"{certified} of {total} ({certified * share:.2f} %)",
        "correct": f"{found.correct} of {total} ({found.correct * share:.2f} %)",
        "both": f"{both} of {total}",
        "refuted": f"{found.count('sat')} of {total}",
        "unknown": f"{found.count('unknown')} of {total}",
        "time": f"{found.seconds:.1f} s; each image {slowest[total // 2]:.2g} s in the median, {slowest[-1]:.2g} s at most",
    }
    if found.explained is not None:
        counts["revealed"] = f"{found.environment}, explained in {found.explained[0]} of {found.explained[1]} results"
    return Story((*(Item(name, text, 12) for name, text in counts.items()), *told(*(f"{note}." for note in found.notes))))


def verification_json(found: Verification) -> Json:
    """The same as data; numbers of points are hexadecimal."""
    return {
        "verifier": found.verifier,
        "version": found.versions,
        "arithmetic": found.arithmetic,
        "verdict": found.verdict,
        "reason": found.reason,
        "seconds": found.seconds,
        "bounds": [[_decimal(low, -1), _decimal(high, 1)] for low, high in found.bounds],
        "point": hexes_of(found.point),
        "environment": found.environment,
        "explained": None if found.explained is None else found.explained[0],
        "of": None if found.explained is None else found.explained[1],
        "notes": list(found.notes),
        "judged": [{"word": one.word, "reason": one.reason} for one in found.worth],
        "claims": [_claim(claim, case) for claim, case in zip(found.claims, found.cases, strict=False)],
        "cases": len(found.cases),
        "kept": None if found.kept is None else found.kept.to_json(),
        "settings": found.settings,
    }


def _claim(claim: Claim, case: Case) -> Json:
    """The region is the one of floats; ``asked`` is there where a ball was asked for whose centre no floats are."""
    region, exact = claim.region, case.exact
    asked = (
        {"asked": {"centre": [*map(str, exact.centre)], "radius": str(exact.radius)}} if isinstance(exact, ExactBall) else {}
    )
    where: Json = (
        {"centre": hexes_of(region.centre), "radius": str(region.radius)}
        if isinstance(region, Ball)
        else {"lower": hexes_of(region.lower), "upper": hexes_of(region.upper)}
    )
    return {"verdict": claim.verdict, "reason": claim.reason, "region": {_kind(region): where}, **asked}


def _kind(region: Ball | Box) -> str:
    return "ball" if isinstance(region, Ball) else "box"


def _decimal(number: Fraction, side: int) -> float:
    """The nearest float64 on that side of a bound."""
    nearest = float(number)
    if (Fraction(nearest) > number) if side < 0 else (Fraction(nearest) < number):
        nearest = math.nextafter(nearest, side * math.inf)
    return nearest
