"""Labels: everything that is said of an instance is proved, counted or computed here, and nothing is taken from its family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from fpsynth.corpus.instances.data import ANY, ANY64, COMPUTED, PROVED, REAL, RUNTIME, SAT, UNSAT, Density, Label
from fpsynth.corpus.labels.environments import Environments
from fpsynth.corpus.labels.margins import highest, margin, require_plain
from fpsynth.corpus.labels.ordered import Asked, OrderedTruth, in_order
from fpsynth.corpus.labels.points import grid_of
from fpsynth.corpus.labels.real import RealBound, least_margin
from fpsynth.errors import ContradictionError, InputError
from fpsynth.evaluators.enclosing import enclosed_logits
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT32, FLOAT64, Format
from fpsynth.networks.network import Network
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.properties import ExactBox, Property
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier
from fpsynth.verifiers.relaxations.reasoning import sound

_FORMATS = {ANY: FLOAT32, ANY64: FLOAT64}


@dataclass(frozen=True)
class Truth:
    """What is true of a network, a box and a property."""

    labels: tuple[Label, ...]
    densities: tuple[Density, ...]
    least: Fraction | None
    attained: bool


def truth(
    network: Network, box: ExactBox, unsafe: Property, environments: Environments, known: Sequence[Sequence[float]] = ()
) -> Truth:
    """Every label that can be proved; ``known``: points that may be witnesses.

    Raises InputError for a property or a box that instances have not, and ContradictionError where a library gives other
    numbers at the witness than its revealed arithmetic.
    """
    require_plain(unsafe)
    grid = grid_of(box)
    points = [tuple(point) for point in known if box.contains(point)]
    asked = Asked(network.logits, box, unsafe, grid, points)
    bound = least_margin(asked.network, box, unsafe)
    everywhere = {name: _any(asked, name) for name in _FORMATS}
    ordered = _Ordered(asked, everywhere[ANY])
    found = [ordered.of(environments, name) for name in environments.names]
    labels = [_real(asked, bound, [each.label.witness for each in found if each and each.label]), *everywhere.values()]
    labels += [each.label for each in found if each]
    kept = [label for label in labels if label is not None]
    told = tuple(_at_witness(asked, label, witness_of(kept), environments, ordered) for label in kept)
    densities = tuple(each.density for each in found if each)
    return Truth(told, densities, None if bound is None else bound.least, bound is not None and bound.attained)


def witness_of(labels: Sequence[Label]) -> tuple[float, ...]:
    """The witness of RUNTIME, else of the first label that has one; empty where none has."""
    ordered = sorted(labels, key=lambda label: label.semantics != RUNTIME)
    return next((label.witness for label in ordered if label.witness), ())


def _real(asked: Asked, bound: RealBound | None, others: Sequence[tuple[float, ...]]) -> Label | None:
    if bound is not None and bound.least > 0:
        return Label(REAL, UNSAT, PROVED, bound.proof)
    for point in (*asked.known, *filter(None, others), *asked.corners):
        value = real_margin(asked.network, asked.unsafe, point)
        if value is not None and value <= 0:
            return Label(REAL, SAT, COMPUTED, "exact arithmetic at the witness", witness=point)
    return None


def real_margin(network: Network, unsafe: Property, point: Sequence[float]) -> Fraction | None:
    """At a point, over the reals; None where outputs are irrational."""
    ends = enclosed_logits(network, [(x, x) for x in point])
    return margin(unsafe, exact_logits(network, point)) if all(low == high for low, high in ends) else None


def _any(asked: Asked, semantics: str) -> Label | None:
    """Of every evaluation in a format or a wider one."""
    try:
        return _any_of(asked, semantics, _FORMATS[semantics])
    except InputError:  # a layer of which nothing is said in any order, such as a batch normalisation
        return None


def _any_of(asked: Asked, semantics: str, fmt: Format) -> Label | None:
    judge = RelaxationVerifier("crown", sound(fmt))
    if judge.verify(asked.network, _box(asked, fmt), asked.unsafe).verdict == "unsat":
        return Label(semantics, UNSAT, PROVED, f"linear bounds with what rounding can move in any order (crown, {fmt})")
    for point in (*asked.known, *asked.corners):
        bounds = RelaxationVerifier("ibp", sound(fmt)).verify(asked.network, Box(point, point), asked.unsafe).bounds
        if bounds and highest(asked.unsafe, bounds) <= 0:
            proof = f"bounds of every evaluation in {fmt} at the witness (ibp)"
            return Label(semantics, SAT, COMPUTED, proof, witness=point)
    return None


def _box(asked: Asked, fmt: Format) -> Box:
    """All that can be read: the float32 inputs, or every float64 of the box and no fewer."""
    if fmt == FLOAT32:
        return asked.float_box
    from fpsynth.verifiers.vnnlib import outward

    return outward(asked.box)


@dataclass
class _Ordered:
    """What is true in the revealed orders, each of which is asked once, however many environments have it."""

    asked: Asked
    any_order: Label | None
    found: dict[object, OrderedTruth] = field(default_factory=dict)

    def of(self, environments: Environments, name: str) -> OrderedTruth | None:
        """In one environment; None where its order is not known for certain."""
        computed = environments.computed(self.asked.network, name)
        if computed is None:
            return None
        key = computed.network, computed.deployment
        if key not in self.found:
            self.found[key] = in_order(self.asked, computed, self.any_order)
        return self.found[key].named(self.asked, computed)

    def outputs(self, environments: Environments, name: str, point: tuple[float, ...]) -> tuple[float, ...]:
        """At a point, in the revealed order."""
        computed = environments.computed(self.asked.network, name)
        assert computed is not None
        row: list[float] = computed.outputs(np.array([point]))[0].tolist()
        return tuple(row)


def _at_witness(
    asked: Asked, label: Label, witness: tuple[float, ...], environments: Environments, ordered: _Ordered
) -> Label:
    """The label with its margin at the witness, and which library was run there."""
    if not witness or label.semantics in _FORMATS:
        return label
    if label.semantics == REAL:
        return replace(label, margin=real_margin(asked.network, asked.unsafe, witness))
    outputs = ordered.outputs(environments, label.semantics, witness)
    for row in environments.run(asked.network, label.semantics, witness):
        if not np.array_equal(row, outputs, equal_nan=True):
            raise ContradictionError(f"{label.semantics} gives {row} at the witness, its revealed order {outputs}")
    value = margin(asked.unsafe, outputs) if all(map(math.isfinite, outputs)) else None
    return replace(label, margin=value, replayed=environments.versions[label.semantics])
