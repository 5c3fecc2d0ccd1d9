"""What is true of a network in one revealed order: how many inputs are unsafe, counted or sampled, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from random import Random

import numpy as np

from fpsynth.corpus.instances.data import COMPUTED, COUNTED, PROVED, SAT, UNSAT, Density, Label
from fpsynth.corpus.labels.counting import InputCount, count
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.margins import violated
from fpsynth.corpus.labels.points import Grid
from fpsynth.formats import FLOAT32, holds
from fpsynth.networks.network import Network
from fpsynth.rounding import Rounding
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.properties import ExactBox, Property
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier
from fpsynth.verifiers.relaxations.reasoning import sound

SAMPLES = 2048
SAMPLED = "sampled"
_WRONG = math.log(100.0)
"""Minus the logarithm of the probability with which a sampled bound may be wrong."""


@dataclass(frozen=True)
class LabelQuestion:
    """What is asked, and the points that may be witnesses."""

    network: Network
    box: ExactBox
    unsafe: Property
    grid: Grid
    candidates: Sequence[tuple[float, ...]]

    @cached_property
    def corners(self) -> tuple[tuple[float, ...], ...]:
        """The lowest and the highest input of float32."""
        low, high = zip(*self.grid.ends(), strict=True)
        return tuple(low), tuple(high)

    @cached_property
    def float_box(self) -> Box:
        """The smallest box around the inputs of float32."""
        return Box(*self.corners)

    def worst(self, computed: Computed) -> tuple[float, ...]:
        """The first known point that is unsafe in an order; empty where none is."""
        points = self.candidates
        wrong = violated(self.unsafe, computed.outputs(np.array(points))) if points else np.array([], bool)
        return points[int(wrong.argmax())] if wrong.any() else ()


@dataclass(frozen=True)
class OrderedTruth:
    """A label, where there is one, and a density, without the name of an environment."""

    label: Label | None
    density: Density

    def named(self, asked: LabelQuestion, computed: Computed) -> OrderedTruth:
        """The same of an environment that computes so."""
        name, label = computed.environment, self.label
        if label is not None:
            data = computed.to_json(asked.network)
            label = replace(label, semantics=name, order=computed.order, computed=data)
        return OrderedTruth(label, replace(self.density, semantics=name))


def in_order(asked: LabelQuestion, computed: Computed, any_order: Label | None) -> OrderedTruth:
    """What is true in the order of ``computed``; ``any_order``: the label of all evaluations in float32, where there is one."""
    if any_order is not None and any_order.verdict == UNSAT and is_any(computed, asked.network):
        return _proved(asked, any_order.proof)
    counted = count(computed, asked.grid, asked.unsafe)
    if counted is not None:
        return _counted(asked, computed, counted)
    witness = asked.worst(computed)
    if witness:
        proof = "evaluated bit for bit at the witness in the revealed order"
        return OrderedTruth(Label("", SAT, COMPUTED, proof, witness=witness), sampled(asked, computed))
    judge = RelaxationVerifier("crown", sound(FLOAT32, computed.deployment))
    if judge.verify(computed.network, asked.float_box, asked.unsafe).verdict == "unsat":
        return _proved(asked, "linear bounds with what rounding moves in the revealed order (crown)")
    return OrderedTruth(None, sampled(asked, computed))


def is_any(computed: Computed, network: Network) -> bool:
    """Whether it is one of all evaluations in float32 of a network that is given.

    A library that rewrites it, as by folding, computes another; tensor cores, say, read numbers in narrower formats.
    """
    deployment = computed.deployment
    arithmetics = [deployment.default, *(one for _, one in (*deployment.layers, *deployment.exceptions))]
    return computed.network == network and all(
        one.rounding is Rounding.RNE
        and all(fmt is not None and holds(fmt, FLOAT32) for fmt in (one.format, one.sum_format))
        and all(each is None for each in (one.operands, one.products, one.alignment, one.given))
        for one in arithmetics
    )


def _proved(asked: LabelQuestion, proof: str) -> OrderedTruth:
    return OrderedTruth(Label("", UNSAT, PROVED, proof), Density("", asked.grid.total, 0, proof))


def _counted(asked: LabelQuestion, computed: Computed, counted: InputCount) -> OrderedTruth:
    witness = (asked.worst(computed) or counted.example) if counted.bad else ()
    label = Label("", SAT if counted.bad else UNSAT, COUNTED, counted.method, witness=witness)
    return OrderedTruth(label, Density("", counted.total, counted.bad, counted.method))


def sampled(asked: LabelQuestion, computed: Computed) -> Density:
    """How many of SAMPLES inputs are unsafe."""
    points = asked.grid.drawn(SAMPLES, Random("samples"))
    hits = int(violated(asked.unsafe, computed.outputs(points)).sum())
    return Density("", asked.grid.total, None, SAMPLED, SAMPLES, hits, upper_end(hits, SAMPLES))


def upper_end(hits: int, samples: int) -> Fraction:
    """An upper end for a probability after so many hits, wrong with a probability of at most 1 %, in millionths.

    Without hits from (1 - p)^n <= exp(-p n), else by Hoeffding's inequality.
    """
    end = _WRONG / samples if not hits else hits / samples + math.sqrt(_WRONG / (2 * samples))
    return min(Fraction(1), Fraction(math.ceil(end * 1e6), 10**6))
