"""Labels: everything that is said of an instance is proved, counted or computed here, and nothing is taken from its family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random

import numpy as np

from fpsynth.corpus.instances.data import ANY, COMPUTED, COUNTED, PROVED, REAL, SAT, UNSAT, Density, Label
from fpsynth.corpus.labels.counting import Count, count
from fpsynth.corpus.labels.environments import Computed, Environments
from fpsynth.corpus.labels.margins import margin, require_plain, violated
from fpsynth.corpus.labels.points import Grid, grid_of
from fpsynth.corpus.labels.real import RealBound, least_margin
from fpsynth.errors import ContradictionError, InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Network
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.properties import ExactBox, Property
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier
from fpsynth.verifiers.relaxations.reasoning import sound

SAMPLES = 2048
_WRONG = math.log(100.0)
"""Minus the logarithm of the probability with which a sampled bound may be wrong."""


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
    question = _Question(network.logits, box, unsafe, grid_of(box), [tuple(p) for p in known if box.contains(p)])
    bound = least_margin(question.network, box, unsafe)
    any_order = question.any_label()
    found = [question.environment(one, any_order) for one in _computed(question.network, environments)]
    labels = [question.real_label(bound, [each.label.witness for each in found if each.label]), any_order]
    labels += [each.label for each in found]
    kept = [label for label in labels if label is not None]
    witness = _witness(kept)
    told = [question.at_witness(label, witness, environments, found) for label in kept]
    densities = tuple(each.density for each in found)
    return Truth(tuple(told), densities, None if bound is None else bound.least, bound is not None and bound.attained)


def _computed(network: Network, environments: Environments) -> list[Computed]:
    return [one for name in environments.names if (one := environments.computed(network, name)) is not None]


def _witness(labels: Sequence[Label]) -> tuple[float, ...]:
    from fpsynth.corpus.instances.data import RUNTIME

    ordered = sorted(labels, key=lambda label: label.semantics != RUNTIME)
    return next((label.witness for label in ordered if label.witness), ())


@dataclass(frozen=True)
class _Found:
    """What is known of one environment."""

    computed: Computed
    label: Label | None
    density: Density


@dataclass
class _Question:
    """What is asked, with the points that are known so far."""

    network: Network
    box: ExactBox
    unsafe: Property
    grid: Grid
    known: list[tuple[float, ...]]

    def real_label(self, bound: RealBound | None, others: Sequence[tuple[float, ...]]) -> Label | None:
        """Of exact arithmetic."""
        if bound is not None and bound.least > 0:
            return Label(REAL, UNSAT, PROVED, bound.proof)
        for point in (*self.known, *filter(None, others), *self.corners()):
            if self.exact_margin(point) <= 0:
                return Label(REAL, SAT, COMPUTED, "exact arithmetic at the witness", witness=point)
        return None

    def exact_margin(self, point: Sequence[float]) -> Fraction:
        """At a point, over the reals."""
        return margin(self.unsafe, exact_logits(self.network, point))

    def corners(self) -> list[tuple[float, ...]]:
        """Some of the inputs of float32 at the ends of the box."""
        ends = self.grid.ends()
        return [tuple(end[side] for end in ends) for side in (0, 1)]

    def any_label(self) -> Label | None:
        """Of every evaluation in float32."""
        ends = self.grid.ends()
        box = Box(tuple(low for low, _ in ends), tuple(high for _, high in ends))
        judge = RelaxationVerifier("crown", sound(FLOAT32))
        if judge.verify(self.network, box, self.unsafe).verdict == "unsat":
            return Label(ANY, UNSAT, PROVED, "linear bounds with what rounding can move in any order (crown, sound:any)")
        for point in (*self.known, *self.corners()):
            bounds = RelaxationVerifier("ibp", sound(FLOAT32)).verify(self.network, Box(point, point), self.unsafe).bounds
            if bounds and _highest(self.unsafe, bounds) <= 0:
                proof = "bounds of every evaluation in float32 at the witness (ibp, sound:any)"
                return Label(ANY, SAT, COMPUTED, proof, witness=point)
        return None

    def environment(self, computed: Computed, any_order: Label | None) -> _Found:
        """Of one environment."""
        name, order, data = computed.environment, computed.order, computed.to_json(self.network)
        if any_order is not None and any_order.verdict == UNSAT:
            label = Label(name, UNSAT, PROVED, any_order.proof, order, data)
            return _Found(computed, label, Density(name, self.grid.total, 0, any_order.proof))
        counted = count(computed, self.grid, self.unsafe)
        if counted is not None:
            return _Found(computed, self._counted(counted, name, order, data), _density(name, counted))
        density = self._sampled(computed)
        for point in self.known:
            if violated(self.unsafe, computed.outputs(np.array([point])))[0]:
                return _Found(computed, Label(name, SAT, COMPUTED, _AT, order, data, point), density)
        ends = self.grid.ends()
        box = Box(tuple(low for low, _ in ends), tuple(high for _, high in ends))
        judge = RelaxationVerifier("crown", sound(FLOAT32, computed.deployment))
        if judge.verify(computed.network, box, self.unsafe).verdict == "unsat":
            proof = "linear bounds with what rounding moves in the revealed order (crown, sound)"
            return _Found(computed, Label(name, UNSAT, PROVED, proof, order, data), Density(name, self.grid.total, 0, proof))
        return _Found(computed, None, density)

    def _counted(self, counted: Count, name: str, order: str, data: dict[str, object]) -> Label:
        witness = next((p for p in self.known if counted.bad and self._unsafe_in(p, data, name)), counted.example)
        return Label(name, SAT if counted.bad else UNSAT, COUNTED, counted.method, order, data, witness if counted.bad else ())

    def _unsafe_in(self, point: tuple[float, ...], data: dict[str, object], name: str) -> bool:
        from fpsynth.corpus.labels.environments import computed_from

        computed = computed_from(data, self.network, name)
        return bool(violated(self.unsafe, computed.outputs(np.array([point])))[0])

    def _sampled(self, computed: Computed) -> Density:
        points = self.grid.drawn(SAMPLES, Random(f"samples of {computed.environment}"))
        hits = int(violated(self.unsafe, computed.outputs(points)).sum())
        return Density(computed.environment, self.grid.total, None, "sampled", SAMPLES, hits, upper_end(hits, SAMPLES))

    def at_witness(
        self, label: Label, witness: tuple[float, ...], environments: Environments, found: Sequence[_Found]
    ) -> Label:
        """The label with its margin at the witness, and what the library itself gives there."""
        from dataclasses import replace

        if not witness or label.semantics == ANY:
            return label
        if label.semantics == REAL:
            return replace(label, margin=self.exact_margin(witness))
        computed = next(each.computed for each in found if each.label is label)
        outputs = computed.outputs(np.array([witness]))[0].tolist()
        for row in environments.run(self.network, label.semantics, witness):
            if not np.array_equal(row, outputs, equal_nan=True):
                raise ContradictionError(f"{label.semantics} gives {row} at the witness, its revealed order {outputs}")
        value = margin(self.unsafe, outputs) if all(map(math.isfinite, outputs)) else None
        return replace(label, margin=value, replayed=environments.versions[label.semantics])


_AT = "bit for bit in the revealed order at the witness"


def _density(name: str, counted: Count) -> Density:
    return Density(name, counted.total, counted.bad, counted.method)


def _highest(unsafe: Property, bounds: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    """An upper end of the margin for outputs between bounds."""
    return min(
        max(
            sum((c * bounds[k][1 if c > 0 else 0] for k, c in one.coefficients), Fraction(0)) - one.bound for one in conjunction
        )
        for conjunction in unsafe.unsafe
    )


def upper_end(hits: int, samples: int) -> Fraction:
    """An upper end for a probability after so many hits, wrong with a probability of at most 1 %, in millionths.

    Without hits from (1 - p)^n <= exp(-p n), else by Hoeffding's inequality.
    """
    end = _WRONG / samples if not hits else hits / samples + math.sqrt(_WRONG / (2 * samples))
    return min(Fraction(1), Fraction(math.ceil(end * 1e6), 10**6))


__all__ = ["InputError", "Truth", "truth", "upper_end"]
