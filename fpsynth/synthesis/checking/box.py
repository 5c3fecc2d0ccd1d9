"""Whether the views of a divergence depart in the whole of its box, and not beyond its faces: computed at points of our own.

A point that says otherwise refutes it.  Where none does nothing is proved of the other points, so that is not called checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import BeyondReachError, InputError
from fpsynth.evaluators.arrays import from_index as from_indices
from fpsynth.evaluators.arrays import round_array, to_index
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.real import exact_logits
from fpsynth.evaluators.work import Effort, require_affordable, total
from fpsynth.formats import Format
from fpsynth.rounding import from_index, index_range
from fpsynth.synthesis.checking.findings import Finding, Findings, NotChecked
from fpsynth.synthesis.checking.reach import view_work
from fpsynth.witness.data import View, Witness
from fpsynth.wording import counted

POINTS, LEAST = 1024, 16
"""Points inside, and for each face outside, where the network is small; and at least."""
MAX_WORK = 1 << 27
"""Numbers that are added, selected or moved at most."""
MAX_EXACT = 64
"""Points where a view is exact arithmetic."""
FACES = 16
"""Sides of the box that are crossed."""


def box_findings(divergence: Witness) -> Findings:
    """Findings about a box in which the views depart; the points that a search says it sampled are not drawn again.

    A side of the box across which the views depart everywhere is no face but the end of the inputs' range, which no file says.
    """
    sampled = divergence.sampled
    if sampled is not None:
        counts = f"{sampled.inside_fires} of {sampled.inside} inside and {sampled.outside_fires} of {sampled.outside} outside"
        yield NotChecked("sampled", f"{counts} were said to depart: those very points are not drawn again")
    if not divergence.box or divergence.predicate.relation.needs_interval:
        return
    everywhere = sampled is None or sampled.inside_fires == sampled.inside
    nowhere_else = sampled is not None and sampled.outside > 0 and sampled.outside_fires == 0
    try:
        require_affordable("evaluating points of the box", _work(divergence).times(LEAST + LEAST * FACES * nowhere_else))
        if everywhere:
            yield _in_the_box(divergence)
        if nowhere_else:
            yield _beyond(divergence)
    except BeyondReachError as error:
        yield NotChecked("box", str(error))
    except InputError as error:
        yield Finding("the views depart in the box", False, str(error))


def _in_the_box(divergence: Witness) -> Finding | NotChecked:
    points = _inside(divergence, _affordable(divergence))
    fires = _fires(divergence, divergence.deployed, points)
    silent = all(not _fires(divergence, view, points).any() for view in divergence.silent)
    claim = "the views depart in the whole box, and silent ones do not"
    tried = f"at {int(fires.sum())} of {counted(len(points), 'point')}"
    if fires.all() and silent:
        return NotChecked(claim, f"they do {tried} that were tried, which proves nothing of the others")
    if not fires.all():
        tried += f", but not at ({', '.join(f'{x:.9g}' for x in points[int(np.argmin(fires))][:6])})"
    return Finding(claim, False, tried)


def _beyond(divergence: Witness) -> Finding | NotChecked:
    """Sides of the box are crossed by one number, by a few and by many, from points of the box."""
    count = max(LEAST, _affordable(divergence) // FACES)
    shares, tried = [], 0
    for k, side in [(k, side) for k in range(len(divergence.box)) for side in (-1, 1)][:FACES]:
        points = _across(divergence, k, side, count)
        if len(points):
            quiet = all(not _fires(divergence, view, points).any() for view in divergence.silent)
            tried += len(points)
            shares.append(float(_fires(divergence, divergence.deployed, points).mean()) if quiet else 0.5)
    faces = sum(share == 0 for share in shares)
    holds = all(share in (0, 1) for share in shares) and faces > 0
    detail = f"{faces} of its {len(shares)} sides that were crossed are faces, the others ends of the inputs' range"
    claim = "they do not depart beyond the faces of the box"
    if not holds:
        return Finding(claim, False, detail)
    return NotChecked(claim, f"{detail}, at {counted(tried, 'point')} that were tried, which proves nothing of the others")


def _affordable(divergence: Witness) -> int:
    """How many points can be evaluated in all views."""
    views = divergence.views
    most = MAX_EXACT if any(view.deployment.default.format is None for view in views) else POINTS
    return max(LEAST, min(most, MAX_WORK // (divergence.network.work * len(views))))


def _work(divergence: Witness) -> Effort:
    """That of one point in all views."""
    return total(view_work(divergence, view) for view in divergence.views)


def _ends(divergence: Witness) -> tuple[Floats, Floats]:
    """The least and the greatest number of the format in every range of the box."""
    ranges = [_inward(low, high, divergence.format) for low, high in divergence.box]
    return np.array([low for low, _ in ranges]), np.array([high for _, high in ranges])


def _inward(low: float, high: float, fmt: Format) -> tuple[float, float]:
    first, last = index_range(Fraction(low), Fraction(high), fmt)
    if first > last:
        raise InputError(f"no number of {fmt} lies between {low!r} and {high!r}")
    return float(from_index(first, fmt)), float(from_index(last, fmt))


def _inside(divergence: Witness, count: int) -> Floats:
    """The middle, two corners, then points of the format in the box, every fourth coordinate on a side."""
    lower, upper = _ends(divergence)
    draw = np.random.default_rng(0)
    share = draw.random((count, len(lower)))
    points = np.clip(round_array(lower * (1 - share) + upper * share, divergence.format), lower, upper)
    on_side = draw.random(points.shape) < 0.25
    points = np.where(on_side, np.where(draw.random(points.shape) < 0.5, lower, upper), points)
    points[:3] = np.clip(round_array(lower / 2 + upper / 2, divergence.format), lower, upper), lower, upper
    return points


def _across(divergence: Witness, k: int, side: int, count: int) -> Floats:
    """Points of the box whose coordinate k is moved out of it across one side; none where the format ends there."""
    lower, upper = _ends(divergence)
    points = _inside(divergence, count)
    end = np.full(count, (lower if side < 0 else upper)[k])
    steps = np.where(np.arange(count) % 3 == 0, 1, 1 + np.arange(count) * 37 % 999)
    places = to_index(end, divergence.format) + side * steps
    kept = np.abs(places) <= divergence.format.max_finite_bits
    points = points[kept]
    points[:, k] = from_indices(places[kept], divergence.format)
    return np.asarray(points)


def _fires(divergence: Witness, view: View, points: Floats) -> np.typing.NDArray[np.bool_]:
    """At which points a view departs from the reference; where a logit is infinite or NaN it does not."""
    a, b = (_outputs(divergence, side, points) for side in (divergence.reference, view))
    return np.array([_departs(divergence, first, second) for first, second in zip(a, b, strict=True)], bool)


def _departs(divergence: Witness, a: Sequence[Fraction] | None, b: Sequence[Fraction] | None) -> bool:
    return a is not None and b is not None and divergence.predicate.fires(b, a)


def _outputs(divergence: Witness, view: View, points: Floats) -> list[tuple[Fraction, ...] | None]:
    """The logits of a view, exactly; None where one is infinite or NaN."""
    if view.deployment.default.format is None:
        return [exact_logits(divergence.network, point) for point in points.tolist()]
    rows = network_outputs(divergence.network, points, view.deployment)
    return [tuple(map(Fraction, row)) if np.isfinite(row).all() else None for row in rows.tolist()]
