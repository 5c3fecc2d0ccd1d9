"""From one neuron whose value lies outside its interval to a layer of several neurons in which it stands somewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fpsynth.errors import InputError
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.predicates import Predicate
from fpsynth.synthesis.placing import alone, assemble, layer
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.interval_verifier import IntervalVerifier
from fpsynth.witness.data import View, Witness


def in_layer(found: Witness, views: Sequence[View], outputs: int, output: int) -> Witness:
    """The divergence of a layer of ``outputs`` neurons, of which ``output`` has the weights that were found, the others zeros.

    ``views``: the sides' views of such a layer, the one that interval arithmetic is in first.  Raises InputError where an end
    of an interval is infinite or NaN.
    """
    if outputs == 1:
        return alone(found, "interval", views)
    rows = layer(found.network.dense_layers[0].weight[0].tolist(), found.point, outputs, output)
    a, b = views
    lower, upper = zip(*(found.box or ((x, x) for x in found.point)), strict=True)
    widening = found.reference.widening
    claim = IntervalVerifier("intervals", a.deployment, widening).verify(dense_relu([Dense(rows)]), Box(lower, upper))
    if not claim.bounds:
        raise InputError(claim.reason)
    reference = replace(a, interval=claim.bounds, widening=widening)
    return assemble(found, rows, "interval", Predicate("outside", output), (reference, b))
