"""Bounds that a sentence states are rounded so that it stays true: the least down, the most up."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from rendered import rendered

from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.report.stories.networks import comparison_story
from fpsynth.report.stories.verifying import verification_story
from fpsynth.synthesis.comparing.comparison import NetworkComparison, Ran
from fpsynth.synthesis.exactness import _short
from fpsynth.synthesis.verifying.verification import Verification
from fpsynth.verifiers.claims import Ball, Claim
from fpsynth.verifiers.lipschitz import judged
from fpsynth.verifiers.lipschitz_exact import exact_certifier

LOW, HIGH = Fraction("0.12345678949"), Fraction("0.98765432141")


def test_verify_rounds_the_least_down_and_the_greatest_up() -> None:
    claim = Claim("interval", Ball((0.0,), Fraction(1)), "unsat", bounds=((LOW, HIGH), (-HIGH, -LOW)))
    said = rendered(verification_story(Verification("interval", "real", "unsat", "", (), (claim,), 0.0)))
    for text in ("0.123456789 ", "0.987654322", "-0.987654322", "-0.123456789"):
        assert text in said + " "


@pytest.mark.parametrize("could_change", [0, 1])
def test_compare_rounds_what_it_calls_proved_up(could_change: int) -> None:
    network = dense_relu([Dense(np.eye(2), None)])
    ran = (Ran("a", exact_distance=1.41e-6), Ran("b", exact_distance=1.4e-6 / 4))
    found = NetworkComparison(network, FLOAT32, 1, ran, (), could_change, 0.000541, True, np.zeros((1, 2)))
    said = " ".join(rendered(comparison_story(found)).split())
    assert "no logit is moved by more than 0.00055" in said
    assert "≤ 1.5e-6" in said
    unbounded = " ".join(rendered(comparison_story(replace(found, any_order=float("inf")))).split())
    assert "by more than inf" in unbounded


def test_a_sum_that_is_said_to_be_at_most_so_much_is_no_larger() -> None:
    assert _short(Fraction("0.12345644")) == "0.123457"
    assert _short(Fraction(7)) == "7"


def test_a_certifier_accepts_no_radius_that_is_not_below_what_it_says() -> None:
    tool = exact_certifier(dense_relu([Dense(np.array([[0.0], [3.0]]), None)]))
    ball = Ball((1.0,), Fraction(1))
    said = judged(tool, ball, (0.0, 1.0)).reason  # the radii below 1/3
    assert said.endswith("accepts only radii below 0.333334")
