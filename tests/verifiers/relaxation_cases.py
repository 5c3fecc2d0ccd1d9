"""What tests of bounds by relaxation draw: networks of a format, boxes, their points, and all that is bounded of them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from graphs import graphs, small_integers
from hypothesis import strategies as st
from profiles import SLOW, examples
from strategies import arithmetics, values

from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.networks import graph_logits
from fpsynth.evaluators.rounded import rounded_network
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, Format
from fpsynth.networks.network import Network
from fpsynth.rounding import Value, from_bits
from fpsynth.sums.arithmetic import Deployment
from fpsynth.verifiers.claims import Ball, Box, Region
from fpsynth.verifiers.relaxations.bounding import BOUNDINGS, RowBounds
from fpsynth.verifiers.relaxations.ends import Ends
from fpsynth.verifiers.relaxations.prepared import prepared
from fpsynth.verifiers.relaxations.reasoning import Reasoning
from fpsynth.verifiers.relaxations.region import inputs_of

FORMATS = (FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, BFLOAT16, FLOAT32)
MOST_POINTS = 64


def drawn(number: int) -> int:
    """How many examples; where tests may take long so many that more than 10^5 points are evaluated, in minutes."""
    return max(2_000, examples(number)) if SLOW else examples(number)


def every(fmt: Format) -> list[float]:
    """All finite numbers of an 8-bit format, once each, in their order."""
    return sorted({float(v) for bits in range(256) if isinstance(v := from_bits(bits, fmt), Value) and v.is_finite})


EVERY = {fmt: every(fmt) for fmt in (FLOAT8_E4M3FN, FLOAT8_E5M2)}


@st.composite
def numbers_of(draw: st.DrawFn, fmt: Format) -> float:
    """A number of a format, as hostile as it gets."""
    return float(draw(values(fmt, finite=True)))


@st.composite
def networks_of(draw: st.DrawFn, fmt: Format) -> Network:
    """A graph of layers whose numbers are of the format: small whole ones, or any."""
    numbers = draw(st.sampled_from([small_integers, small_integers, numbers_of(fmt)]))
    network = draw(graphs(numbers, divisors=True))
    try:
        return rounded_network(network, fmt)[0].logits
    except InputError:  # a slope or a fill beyond the format
        return draw(graphs(divisors=True)).logits


@st.composite
def boxes_of(draw: st.DrawFn, fmt: Format, inputs: int) -> Box:
    """A box between numbers of the format: a point, a few neighbours, a small one, or any."""
    lower, upper = [], []
    for _ in range(inputs):
        kind = draw(st.sampled_from(["point", "small", "small", "any"]))
        a = draw(numbers_of(fmt)) if kind == "any" else draw(st.integers(-8, 8)) / 4
        b = draw(numbers_of(fmt)) if kind == "any" else a + (0 if kind == "point" else draw(st.integers(0, 4)) / 4)
        lower.append(min(a, b))
        upper.append(max(a, b))
    return Box(tuple(lower), tuple(upper))


def points_of(box: Box, fmt: Format, seed: int = 0) -> np.ndarray:
    """Points of the format in a box: all where they are few, else corners, the middle and some at random, (points, inputs)."""
    rng = random.Random(seed)
    held = [_between(low, high, fmt) for low, high in zip(box.lower, box.upper, strict=True)]
    if math.prod(map(len, held)) <= MOST_POINTS:
        return np.array(list(itertools.product(*held)))
    ends = [(choices[0], choices[-1]) for choices in held]
    rows = [[pair[0] for pair in ends], [pair[1] for pair in ends]]
    rows += [[rng.choice(pair) for pair in ends] for _ in range(24)]
    rows += [[rng.choice(choices) for choices in held] for _ in range(24)]
    return np.array(rows)


def _between(low: float, high: float, fmt: Format) -> list[float]:
    """All numbers of an 8-bit format between two, or some of a larger one; the two among them."""
    if fmt in EVERY:
        return [x for x in EVERY[fmt] if low <= x <= high]
    if low == high:
        return [low]
    from fpsynth.evaluators.float_arrays import round_array

    steps = np.array([low * (1 - k / 5) + high * (k / 5) for k in range(6)])
    inner = round_array(np.clip(steps, low, high), fmt)
    return sorted({low, high, *(x for x in inner.tolist() if low <= x <= high)})


def computed(network: Network, points: np.ndarray, fmt: Format, deployment: Deployment) -> list[tuple[float, ...] | None]:
    """The logits of each point; None where the evaluation says itself that it overflows."""
    try:
        outputs = network_outputs(network, points.reshape(-1, *network.input_shape), deployment)
        return [tuple(row) for row in outputs.reshape(len(points), -1).tolist()]
    except InputError:
        return [_one(network, point, fmt, deployment) for point in points[:: max(1, len(points) // 4)].tolist()]


def _one(network: Network, point: Sequence[float], fmt: Format, deployment: Deployment) -> tuple[float, ...] | None:
    try:
        return graph_logits(network, point, fmt, deployment)
    except InputError as error:
        if "not finite" not in str(error):
            raise
        return None


def asked_rows(outputs: int) -> np.ndarray:
    """Every logit, with both signs, and differences of neighbours."""
    eye = np.eye(outputs)
    return np.concatenate([eye, -eye, eye[1:] - eye[:-1]])


def bounded(network: Network, region: Region, reasoning: Reasoning, names: Sequence[str] = ()) -> dict[str, RowBounds]:
    """What every way says of the rows above."""
    known, inputs = prepared(network, reasoning), inputs_of(region, reasoning)
    rows = asked_rows(known.outputs)
    with np.errstate(all="ignore"):
        return {name: BOUNDINGS[name](known, inputs, rows) for name in names or BOUNDINGS}


def require_all_within(found: RowBounds, points: Sequence[tuple[float, ...] | None]) -> None:
    """``require_within`` of many points: whatever float64 clearly says is within is not looked at number by number."""
    finite = [one for one in points if one is not None and all(map(math.isfinite, one))]
    others = [one for one in points if one is None or not all(map(math.isfinite, one))]
    for one in others[:4]:
        require_within(found, one)
    if not finite:
        return
    numbers, ends = np.array(finite), found.outputs
    outside = ((numbers < ends.lower) | (numbers > ends.upper)).any(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        worth = numbers @ asked_rows(numbers.shape[1]).T
        sizes = np.abs(numbers) @ np.abs(asked_rows(numbers.shape[1])).T
        unclear = ~((found.least < worth - sizes * 2.0**-50) | np.isneginf(found.least) | np.isnan(found.least)).all(axis=1)
    for k in np.flatnonzero(outside)[:4].tolist() + np.flatnonzero(unclear)[:8].tolist():
        require_within(found, finite[k])


def _finite(number: float | Fraction) -> bool:
    """A fraction is, however large: beyond float64's range it has no float."""
    return isinstance(number, Fraction) or math.isfinite(number)


def require_within(found: RowBounds, logits: Sequence[float | Fraction] | None) -> None:
    """Fail where logits lie outside; where they are not finite, bounds may not be."""
    ends: Ends = found.outputs
    wrong = range(len(ends.lower)) if logits is None else [k for k, y in enumerate(logits) if not _finite(y)]
    if logits is None or wrong:
        assert not all(math.isfinite(ends.lower[k]) and math.isfinite(ends.upper[k]) for k in wrong)
        return
    exact = [Fraction(y) for y in logits]
    for y, low, high in zip(exact, ends.lower.tolist(), ends.upper.tolist(), strict=True):
        assert not math.isfinite(low) or Fraction(low) <= y
        assert not math.isfinite(high) or y <= Fraction(high)
        assert low != math.inf
        assert high != -math.inf
    for row, least in zip(asked_rows(len(exact)), found.least.tolist(), strict=True):
        assert least != math.inf
        worth = sum((Fraction(c) * y for c, y in zip(row.tolist(), exact, strict=True)), Fraction(0))
        assert not math.isfinite(least) or Fraction(least) <= worth


def ball_within(box: Box) -> Ball:
    """A ball around the middle of a box whose numbers are dyadic, not much larger than it is."""
    ends = list(zip(box.lower, box.upper, strict=True))
    return Ball(tuple(a if a == b else a / 2 + b / 2 for a, b in ends), max(Fraction(b) - Fraction(a) for a, b in ends))


@st.composite
def deployments(draw: st.DrawFn, fmt: Format) -> Deployment:
    """One arithmetic, or another for the first layer and for one output of it."""
    default = draw(arithmetics(fmt))
    if draw(st.booleans()):
        return Deployment(default)
    return Deployment(default, (((0, 0), draw(arithmetics(fmt))),), ((1, draw(arithmetics(fmt))),))
