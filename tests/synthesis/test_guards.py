"""Guards that a claim hangs on: each of these would be passed by if the check it is about were left out."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from divergences import PAIRWISE, SEQUENTIAL, precision, triple

from fpsynth.confirmation import replay
from fpsynth.errors import InputError
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import FLOAT8_E5M2, FLOAT16, FLOAT32, Format
from fpsynth.libraries.kernels import Environment
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis import matrix
from fpsynth.synthesis.detecting.triggers import _sampled
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips import FlipQuestion
from fpsynth.synthesis.flips.answer import exact_divergence
from fpsynth.synthesis.flips.structure import impossible
from fpsynth.synthesis.matrix import Cell, Member
from fpsynth.verifiers.interval_ball import order_agnostic_interval
from fpsynth.witness.data import View


def question(
    *hows: Arithmetic,
    fmt: Format = FLOAT32,
    terms: int = 4,
    weights: tuple[str, str],
    inputs: tuple[str, str],
    kind: str = "sign",
) -> FlipQuestion:
    named = (("a", "reference"), ("b", "deployed"), ("silent1", "silent"))
    views = tuple(View(name, name, role, Deployment(how)) for (name, role), how in zip(named, hows, strict=False))
    ranges = [Interval(*map(Fraction, ends)) for ends in (weights, inputs)]
    return FlipQuestion("order", fmt, terms, Predicate(kind), views, *ranges)


def test_a_silent_view_that_departs_is_no_solution() -> None:
    flip, wide = triple(silent=False), {"weights": ("-16777216", "16777216"), "inputs": ("-1", "1")}
    quiet = question(SEQUENTIAL, PAIRWISE, SEQUENTIAL, **wide)
    assert exact_divergence(quiet, flip.network, flip.point) is not None
    departing = question(SEQUENTIAL, PAIRWISE, PAIRWISE, **wide)
    assert exact_divergence(departing, flip.network, flip.point) is None


def test_a_departure_outside_the_box_is_one() -> None:
    flip = triple(silent=False)
    flip = replace(flip, predicate=Predicate("gap", bound=Fraction(1)))
    inside, outside = np.array([flip.point] * 8), np.zeros((8, len(flip.point)))
    assert _sampled(flip, inside, outside, 0).outside_fires == 0
    outside[3] = flip.point
    with pytest.raises(InputError, match="in 8 of 8 inputs in the box and in 1 of 8 others"):
        _sampled(flip, inside, outside, 0)


def test_products_that_overflow_have_no_sign_to_speak_of() -> None:
    half, back = Arithmetic(FLOAT16), Arithmetic(FLOAT16, order=parse_order("reverse"))
    assert impossible(question(half, back, fmt=FLOAT16, weights=("1", "2"), inputs=("1", "2"))) is not None
    assert impossible(question(half, back, fmt=FLOAT16, weights=("300", "400"), inputs=("300", "400"))) is None


def test_products_that_a_narrow_format_loses_have_no_sign_either() -> None:
    tiny = {"weights": ("0.0001", "0.001"), "inputs": ("0.0001", "0.001"), "terms": 2}
    wide = Arithmetic(FLOAT32)
    assert impossible(question(wide, replace(wide, order=parse_order("reverse"), fused=True), **tiny)) is not None
    assert impossible(question(wide, replace(wide, products=FLOAT8_E5M2), **tiny)) is None


def test_a_product_and_a_bias_pass_two_roundings() -> None:
    """With gamma of one rounding instead of two the interval would miss values."""
    rng, how = np.random.default_rng(0), Arithmetic(FLOAT16)
    w, x = (1 + rng.integers(0, 1024, 5000) / 1024 for _ in "wx")
    bias = 2.0**-3 * (1 + rng.integers(0, 1024, 5000) / 1024)
    got = sum_of_products(how, w[:, None], x[:, None], bias)
    off = np.abs(got - (w * x + bias)) / (w * x + bias)  # exact in float64
    unit = float(FLOAT16.unit_roundoff)
    beyond = np.flatnonzero(off > unit / (1 - unit) * 1.01)
    assert len(beyond) > 0
    for k in beyond[:50]:
        low, high = order_agnostic_interval([float(w[k])], [float(x[k])], how, float(bias[k]))
        assert low <= Fraction(float(got[k])) <= high


def test_a_view_is_run_in_its_own_format() -> None:
    """The network is of float32; the view that is observed is one of float64, in which 2**24 + 1 is a number."""
    found = precision()
    placed = replace(found, views=(found.reference, replace(found.deployed, environment="numpy:dot:batch=1")))
    (record,) = [o for o in replay(placed, libraries=[], batches=(1,)).observations if o.view == "b"]
    assert (record.environment["dtype"], record.logits) == ("float64", (2.0**24 + 1,))


def test_a_result_of_zero_obeys_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [Member(Environment("numpy", "dot", batch=batch)) for batch in (1, 4)]
    cell = Cell(0, 1, triple(silent=False), "")
    for value, obeyed in ((0.0, 0), (1.0, 2)):
        monkeypatch.setattr(matrix, "_signs", lambda *given, value=value: [value] * len(given[4]))
        (done,) = matrix.confirm([cell], members, [[0], [1]], FLOAT32, 1, None)
        assert (done.runs, done.obeyed) == (4, obeyed)
