"""Ties for the tests: how they are made and changed, and the published one."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from fpsynth.formats import FLOAT32, Format
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers.claims import Ball, Claim
from fpsynth.witness import Point, Witness, tie_views


def claim(verifier: str, accepted: bool, radius: Fraction, supremum: Fraction) -> Claim:
    """What a verifier says of a ball around the certified point, which ``tie_witness`` and ``changed`` put there."""
    return Claim(verifier, Ball((), radius), "unsat" if accepted else "unknown", supremum)


def centred(said: Claim, centre: tuple[float, ...]) -> Claim:
    """The same claim about a ball around another point."""
    return replace(said, region=Ball(centre, said.radius))


def tie_witness(
    network: Network,
    certified: Sequence[float],
    counterexample: Sequence[float],
    deployment: Deployment,
    claims: Sequence[Claim],
    *,
    control: Claim | None = None,
    **rest: Any,
) -> Witness:
    """A tie whose views do not say their logits, as in a file of version 1."""
    centre = tuple(certified)
    return Witness(
        **{"question": "tie", "format": FLOAT32, "objective": "ratio", **rest},
        network=network,
        points=(Point("certified", centre), Point("counterexample", tuple(counterexample))),
        predicate=Predicate("argmax"),
        views=tie_views(deployment),
        claims=tuple(centred(said, centre) for said in claims),
        control=None if control is None else centred(control, centre),
    )


def changed(witness: Witness, **changes: Any) -> Witness:
    """A tie with other ``certified`` or ``counterexample`` points, ``deployment``, ``claim`` (the refuted one) or ``others``.

    Its views lose their logits, and its claims are about the ball around the certified point.  Other changes are fields.
    """
    centre = tuple(changes.pop("certified", witness.certified))
    other = tuple(changes.pop("counterexample", witness.point))
    first, others = changes.pop("claim", witness.claim), changes.pop("others", witness.claims[1:])
    control = changes.pop("control", witness.control)
    deployment = changes.pop("deployment", witness.deployment)
    return replace(
        witness,
        points=(Point("certified", centre), Point("counterexample", other)),
        views=tie_views(deployment),
        claims=tuple(centred(said, centre) for said in (first, *others)),
        control=None if control is None else centred(control, centre),
        **changes,
    )


def tie(weights: tuple[float, float], xa: float, xb: float, dtype: Format = FLOAT32) -> Witness:
    """Certified at xb, counterexample at xa."""
    return tie_witness(
        dense_relu((Dense(((weights[0],), (weights[1],))),)),
        (xb,),
        (xa,),
        Deployment(Arithmetic(dtype)),
        [claim("lipschitz", True, abs(Fraction(xb) - Fraction(xa)), Fraction(1))],
        format=dtype,
    )


PUBLISHED = tie((0.9890594482421875, 0.989059507846832275390625), 0.157976210117340087890625, 0.19721232354640960693359375)
"""Murray, Breaking a Verified Certifier."""
