"""Placing: from one neuron on which two arithmetics disagree to a layer of several neurons in which it stands somewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fpsynth.evaluators.real import exact_logits
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import Deployment
from fpsynth.witness.data import View, Witness
from fpsynth.witness.prediction import with_prediction

Weights = tuple[float, ...]


def layer(weights: Weights, point: Sequence[float], outputs: int, output: int, rival: int | None = None) -> tuple[Weights, ...]:
    """Rows of a layer whose neuron ``output`` has ``weights``.

    With a ``rival`` its neuron has zero weights and all others a single negative product, so that the class is ``output``
    or ``rival`` as the sum of ``weights`` is above or below zero; without one all others are zero.  Zero products and single
    products are exact up to one rounding in every arithmetic and keep their sign.
    """
    zero = (0.0,) * len(weights)
    others = zero if rival is None else _negative(weights, point)
    return tuple(weights if j == output else zero if j == rival else others for j in range(outputs))


def assemble(flip: Witness, rows: Sequence[Weights], question: str, predicate: Predicate, views: Sequence[View]) -> Witness:
    """The divergence of a one-layer network with these rows, every view evaluated exactly; the rest is as in ``flip``."""
    network = dense_relu([Dense(rows)])
    filled = tuple(with_prediction(network, flip.point, view) for view in views)
    reference, deployed = filled[:2]
    return replace(
        flip,
        question=question,
        network=network,
        predicate=predicate,
        views=filled,
        real=exact_logits(network, flip.point),
        measure=predicate.measure(reference.logits, deployed.logits, reference.interval),
    )


def alone(flip: Witness, question: str, views: Sequence[View]) -> Witness:
    """The divergence as one of these views of the same single neuron, which has been evaluated in them already."""
    pairs = zip(views, flip.views, strict=True)
    known = (replace(view, logits=own.logits, interval=own.interval, widening=own.widening) for view, own in pairs)
    return replace(flip, question=question, views=tuple(known))


def one_neuron(view: View, output: int) -> View:
    """The view of a layer with that one neuron only."""
    return replace(view, deployment=Deployment(view.deployment.at(0, output)), environment="", row=0)


def _negative(weights: Weights, point: Sequence[float]) -> Weights:
    """Weights with a single product, which is negative: that of the term that weighs most, turned round."""
    heaviest = max(range(len(weights)), key=lambda k: abs(weights[k] * point[k]))
    magnitude = abs(weights[heaviest])
    down = -magnitude if point[heaviest] > 0 else magnitude
    return tuple(down if k == heaviest else 0.0 for k in range(len(weights)))
