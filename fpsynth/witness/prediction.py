"""What the views of a witness predict, and what a run of a library is beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.evaluators.networks import network_logits
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import Format
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.witness.data import View, Witness


def contains(wide: Format, narrow: Format) -> bool:
    """Whether ``wide`` represents every finite number of ``narrow``."""
    return wide.precision >= narrow.precision and wide.max_finite >= narrow.max_finite and wide.lsb_min <= narrow.lsb_min


def arithmetics(view: View) -> tuple[Arithmetic, ...]:
    """The arithmetics of a view's deployment, the default first."""
    deployment = view.deployment
    used = (deployment.default, *(how for _, how in deployment.layers), *(how for _, how in deployment.exceptions))
    objects = {id(how): how for how in used}  # of which there are few, where exceptions are many and take long to compare
    return tuple(dict.fromkeys(objects.values()))


def arranged(network: Network, permutation: Sequence[int]) -> Network:
    """The network whose last layer's output j computes neuron ``permutation[j]`` (empty: neuron j).

    Raises InputError where that does not name each neuron once.
    """
    if not permutation:
        return network
    *others, last = network.dense_layers
    if sorted(permutation) != list(range(last.outputs)):
        raise InputError(f"a permutation must name each of the {last.outputs} neurons of the last layer once")
    order = list(permutation)
    return dense_relu((*others, Dense(last.weight[order], None if last.bias is None else last.bias[order])))


def undone(logits: Sequence[float], permutation: Sequence[int]) -> tuple[float, ...]:
    """The logits of an arranged network in the order of the network's own neurons."""
    if not permutation:
        return tuple(logits)
    places = {neuron: place for place, neuron in enumerate(permutation)}
    return tuple(logits[places[neuron]] for neuron in range(len(logits)))


def predicted_logits(network: Network, point: Sequence[float], view: View) -> tuple[Fraction, ...]:
    """The logits of a view at ``point`` by the exact interpreter, one per neuron of the network, permutation undone.

    It is the view's own network, where that has one.  Raises InputError where the deployment mixes formats, where its orders do
    not fit the network, and where a logit is infinite or NaN.
    """
    formats = {how.format for how in arithmetics(view)}
    if formats == {None}:
        return exact_logits(view.network or network, point)
    return tuple(Fraction(v) for v in _floats(network, point, view))


def floats_at(witness: Witness, view: View) -> tuple[float, ...]:
    """The logits of a view at its point as floats, which tell the zeros apart.

    Raises InputError as ``predicted_logits`` does, and for real arithmetic.
    """
    return _floats(witness.network, witness.at(view), view)


def _floats(network: Network, point: Sequence[float], view: View) -> tuple[float, ...]:
    formats = {how.format for how in arithmetics(view)}
    if len(formats) != 1:
        raise InputError(f"view {view.name}: the arithmetics of one deployment must have one format")
    (fmt,) = formats
    if fmt is None:
        raise InputError(f"view {view.name}: real arithmetic gives no numbers of a format")
    computed = arranged(view.network or network, view.permutation)
    logits = undone(network_logits(computed, point, fmt, view.deployment), view.permutation)
    if not all(map(math.isfinite, logits)):
        raise InputError(f"view {view.name}: a logit is infinite or NaN in {fmt}")
    return logits


def with_prediction(network: Network, point: Sequence[float], view: View) -> View:
    """The view with its predicted logits.  Raises InputError as ``predicted_logits``."""
    return replace(view, logits=predicted_logits(network, point, view))


def judged(
    predicate: Predicate, views: Sequence[View], logits: Sequence[float], at_reference: Sequence[float] = ()
) -> tuple[bool, tuple[str, ...]]:
    """Whether computed logits depart from the first view, the reference; and the names of the views that predict them.

    Where the reference is evaluated at another point, ``at_reference`` are the logits that were computed there; they stand for
    it.  Logits that are not all finite do neither.  Zeros are equal whatever their signs.
    """
    if not all(map(math.isfinite, (*logits, *at_reference))):
        return False, ()
    exact, reference = tuple(Fraction(v) for v in logits), views[0]
    if reference.point != views[1].point:
        there = tuple(Fraction(v) for v in at_reference)
        computed = {reference.point: there, views[1].point: exact}
        departs = bool(there) and predicate.fires(exact, there)
        return departs, tuple(view.name for view in views if view.logits and view.logits == computed[view.point])
    known = bool(reference.interval if predicate.relation.needs_interval else reference.logits)
    departs = known and predicate.fires(exact, reference.logits, reference.interval)
    return departs, tuple(view.name for view in views if view.logits == exact)


def outputs_of(network: Network) -> int:
    """How many logits a network has."""
    return math.prod(network.logits.output_shape)


def inputs_of(network: Network) -> int:
    """How many numbers a point of a network has."""
    return math.prod(network.input_shape)
