"""Labels: everything that is said of an instance is proved, counted or computed here, and nothing is taken from its family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from fpsynth.corpus.instances.data import ANY, ANY64, COMPUTED, PROVED, REAL, RUNTIME, SAT, UNSAT, Density, Label
from fpsynth.corpus.labels.environments import Computed, Environments
from fpsynth.corpus.labels.margins import finite_margin, highest, margin, require_plain
from fpsynth.corpus.labels.ordered import LabelQuestion, OrderedTruth, in_order
from fpsynth.corpus.labels.points import grid_of
from fpsynth.corpus.labels.real import RealBound, least_margin
from fpsynth.errors import ContradictionError, InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT32, FLOAT64, Format
from fpsynth.networks.network import Network
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.properties import ExactBox, Property
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier
from fpsynth.verifiers.relaxations.reasoning import REAL as REAL_NUMBERS
from fpsynth.verifiers.relaxations.reasoning import sound
from fpsynth.verifiers.vnnlib import outward

MOST_TOLD = 10**4000
"""No number of inputs from here on is told, as of boxes of hundreds of inputs: Python writes and reads no longer numerals."""
_FORMATS = {ANY: FLOAT32, ANY64: FLOAT64}
_TRIED = 4
"""Points, known or suspected to be unsafe somewhere, that are held against a proof: of large networks each takes a second."""


@dataclass(frozen=True)
class Truth:
    """What is true of a network, a box and a property."""

    labels: tuple[Label, ...]
    densities: tuple[Density, ...]
    least: Fraction | None
    attained: bool


def truth(asked: LabelQuestion, orders: Sequence[Computed], witness: tuple[float, ...] = ()) -> Truth:
    """Every label that can be proved, over the reals, of all evaluations in a format, and in each order; no library is run.

    ``witness``: where margins are told; one that is found by default.  Raises InputError for a property that instances have
    not.
    """
    require_plain(asked.unsafe)
    bound = least_margin(asked.network, asked.box, asked.unsafe)
    everywhere = {name: _any(asked, name) for name in _FORMATS}
    decided: dict[object, OrderedTruth] = {}
    in_orders = [_ordered(asked, computed, everywhere[ANY], decided) for computed in orders]
    labels = [_real(asked, bound, [each.label.witness for each in in_orders if each.label]), *everywhere.values()]
    labels += [each.label for each in in_orders]
    kept = [label for label in labels if label is not None]
    at = witness or witness_of(kept)
    told = tuple(_at_witness(asked, label, at, orders) for label in kept)
    counted = (each.density for each in in_orders if each.label)  # with no order recorded nobody could count again
    densities = tuple(density for density in counted if density.total < MOST_TOLD)
    return Truth(told, densities, None if bound is None else bound.least, bound is not None and bound.attained)


def _ordered(
    asked: LabelQuestion, computed: Computed, any_order: Label | None, decided: dict[object, OrderedTruth]
) -> OrderedTruth:
    """What is true in an order, which is asked once, however many environments have it."""
    key = computed.network, computed.deployment
    if key not in decided:
        decided[key] = in_order(asked, computed, any_order)
    return decided[key].named(asked, computed)


def asked_of(network: Network, box: ExactBox, unsafe: Property, candidates: Sequence[Sequence[float]] = ()) -> LabelQuestion:
    """The question.  ``candidates``: points that may be witnesses; those that are no inputs of float32 of the box are not.

    Raises InputError for a box without one.
    """
    known = [tuple(point) for point in candidates if box.contains(point) and _is_single(point)]
    return LabelQuestion(network.logits, box, unsafe, grid_of(box), known)


def _is_single(point: Sequence[float]) -> bool:
    return bool((np.asarray(point, np.float32) == np.asarray(point, np.float64)).all())


def orders_of(asked: LabelQuestion, environments: Environments, names: Sequence[str] = ()) -> list[Computed]:
    """How each environment computes the network, or each of those of them that are named.

    Left out are those whose order is not known for certain, or that give other numbers at some inputs of the box.
    """
    orders = (environments.computed(asked.network, name) for name in names or environments.names)
    return [one for one in orders if one is not None and environments.agrees(asked.network, one, asked.grid)]


def told_of(asked: LabelQuestion, environments: Environments, names: Sequence[str] = ()) -> tuple[list[Computed], Truth]:
    """The orders of the environments, or of those of them that are named, and all that is true, with the libraries that ran.

    Raises as ``replayed`` does.
    """
    orders = orders_of(asked, environments, names)
    return orders, replayed(asked, truth(asked, orders), orders, environments)


def replayed(asked: LabelQuestion, told: Truth, orders: Sequence[Computed], environments: Environments) -> Truth:
    """The labels with the libraries that were run at the witness.

    Raises ContradictionError where one gives other numbers than its revealed order.
    """
    witness = witness_of(told.labels)
    by_name = {computed.environment: computed for computed in orders}
    labels = []
    for label in told.labels:
        if witness and label.semantics in by_name:
            _require_same(asked, by_name[label.semantics], witness, environments)
            label = replace(label, replayed=environments.versions[label.semantics])
        labels.append(label)
    return replace(told, labels=tuple(labels))


def _require_same(asked: LabelQuestion, computed: Computed, witness: tuple[float, ...], environments: Environments) -> None:
    outputs = computed.outputs(np.array([witness]))[0].tolist()
    for row in environments.run(asked.network, computed.environment, witness):
        if not np.array_equal(row, outputs, equal_nan=True):
            raise ContradictionError(f"{computed.environment} gives {row} at the witness, its revealed order {outputs}")


def witness_of(labels: Sequence[Label]) -> tuple[float, ...]:
    """The witness of RUNTIME, else of the first label that has one; empty where none has."""
    ordered = sorted(labels, key=lambda label: label.semantics != RUNTIME)
    return next((label.witness for label in ordered if label.witness), ())


def _real(asked: LabelQuestion, bound: RealBound | None, others: Sequence[tuple[float, ...]]) -> Label | None:
    if bound is not None and bound.least > 0:
        return Label(REAL, UNSAT, PROVED, bound.proof)
    robust = (bound is None or not bound.attained) and real_robust(asked.network, asked.box, asked.unsafe)
    for point in (*asked.candidates, *filter(None, others), *asked.corners)[: _TRIED if robust else None]:
        value = real_margin(asked.network, asked.unsafe, point)
        if value is not None and value <= 0:
            if robust:
                raise ContradictionError("bounds over the reals say that no point is unsafe, exact arithmetic that one is")
            return Label(REAL, SAT, COMPUTED, "exact arithmetic at the witness", witness=point)
    return Label(REAL, UNSAT, PROVED, "linear bounds with what float64 loses in computing them (crown)") if robust else None


def real_robust(network: Network, box: ExactBox, unsafe: Property) -> bool:
    """Whether rigorous linear bounds show that no real point of the box is unsafe, also of networks without exact forms."""
    try:
        claim = RelaxationVerifier("crown", REAL_NUMBERS).verify(network, outward(box), unsafe)
    except InputError:  # numbers too large for bounds in float64
        return False
    return claim.verdict == "unsat"


def real_margin(network: Network, unsafe: Property, point: Sequence[float]) -> Fraction | None:
    """At a point, over the reals; None where outputs are irrational."""
    try:
        return margin(unsafe, exact_logits(network, point))
    except InputError:  # a batch normalisation by an irrational number
        return None


def _any(asked: LabelQuestion, semantics: str) -> Label | None:
    """Of every evaluation in a format or a wider one."""
    try:
        return _any_of(asked, semantics, _FORMATS[semantics])
    except InputError:  # a layer of which nothing is said in any order, such as a batch normalisation
        return None


def _any_of(asked: LabelQuestion, semantics: str, fmt: Format) -> Label | None:
    judge = RelaxationVerifier("crown", sound(fmt))
    if judge.verify(asked.network, _box(asked, fmt), asked.unsafe).verdict == "unsat":
        return Label(semantics, UNSAT, PROVED, f"linear bounds with what rounding can move in any order (crown, {fmt})")
    for point in (*asked.candidates, *asked.corners):
        bounds = RelaxationVerifier("ibp", sound(fmt)).verify(asked.network, Box(point, point), asked.unsafe).bounds
        if bounds and highest(asked.unsafe, bounds) <= 0:
            proof = f"bounds of every evaluation in {fmt} at the witness (ibp)"
            return Label(semantics, SAT, COMPUTED, proof, witness=point)
    return None


def _box(asked: LabelQuestion, fmt: Format) -> Box:
    """All that can be read: the float32 inputs, or every float64 of the box and no fewer."""
    return asked.float_box if fmt == FLOAT32 else outward(asked.box)


def _at_witness(asked: LabelQuestion, label: Label, witness: tuple[float, ...], orders: Sequence[Computed]) -> Label:
    """The label with its margin at the witness."""
    if not witness or label.semantics in _FORMATS:
        return label
    if label.semantics == REAL:
        return replace(label, margin=real_margin(asked.network, asked.unsafe, witness))
    computed = next(one for one in orders if one.environment == label.semantics)
    return replace(label, margin=finite_margin(asked.unsafe, computed.outputs(np.array([witness]))[0].tolist()))
