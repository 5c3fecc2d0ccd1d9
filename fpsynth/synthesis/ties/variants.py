"""Variants of a tie question, so that a corpus is not one network a hundred times: shapes, signs, and which classes tie.

A plan follows from the seed.  What a user has fixed stays.  There are no biases: the verified certifier knows networks without
them, and each witness must be its claim.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from fpsynth.formats import FLOAT32, Format
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import SEQUENTIAL, Order
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.ties.certification import Solution
from fpsynth.synthesis.ties.question import CERTIFIED, TIED, TieQuestion

SHAPES = (
    (1, 2),
    (2, 2),
    (1, 3),
    (3, 2),
    (2, 3, 2),
    (1, 5),
    (4, 4),
    (2, 2, 2),
    (8, 2),
    (3, 3, 3),
    (2, 10),
    (2, 2, 2, 2),
)
"""Inputs, hidden widths, outputs: small enough for every engine, and each of another kind."""
FREE = ("shape", "weights", "inputs")
"""What may vary where the user has not fixed it."""


@dataclass(frozen=True)
class Variant:
    """A question, and what is done to its solutions: rearrangements that change no sum."""

    question: TieQuestion
    places: tuple[int, ...] = ()
    """Where each output goes; empty where all stay."""
    flipped: tuple[int, ...] = ()
    """Inputs whose sign is changed, together with the weights that read them."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done, a line each."""
        notes = []
        if self.places and self.places != tuple(sorted(self.places)):
            notes.append(f"outputs rearranged after solving: the classes that tie are {self.tied} and {self.certified}")
        if self.flipped:
            which = ", ".join(f"x{k}" for k in self.flipped)
            notes.append(f"signs of {which} and of the weights that read them changed after solving: the products stay")
        return tuple(notes)

    @property
    def tied(self) -> int:
        """The class at the counterexample, unless a further output ties as well."""
        return self.places[TIED] if self.places else TIED

    @property
    def certified(self) -> int:
        """The class at the certified point."""
        return self.places[CERTIFIED] if self.places else CERTIFIED

    def applied(self, solution: Solution) -> Solution:
        """The rearranged solution."""
        network, counterexample, certified = solution
        first, *rest = network.dense_layers
        weight = tuple(self._signed(row) for row in first.weight.tolist())
        layers = [Dense(weight, first.bias), *rest]
        if self.places:
            source = sorted(range(len(self.places)), key=self.places.__getitem__)
            layers[-1] = Dense(layers[-1].weight[source])  # questions have no biases
        return dense_relu(tuple(layers)), self._signed(counterexample), self._signed(certified)

    def _signed(self, numbers: Sequence[float]) -> tuple[float, ...]:
        return tuple(-x if k in self.flipped else x for k, x in enumerate(numbers))


def deployments(fmt: Format, order: Order, rounding: Rounding, shape: Sequence[int]) -> tuple[Deployment, ...]:
    """The arithmetic that was asked for, then those in which libraries are likely to run it: fused, or in another order.

    A tie that happens in all of them is confirmed by more libraries.  With one input and no hidden layer all are the same.
    """
    asked = Arithmetic(fmt, rounding=rounding, order=order)
    if tuple(shape[:-1]) == (1,):
        return (Deployment(asked),)
    variants = [asked, replace(asked, fused=True)]
    if fmt.name in ("float16", "bfloat16"):
        variants.append(replace(asked, accumulator=FLOAT32))
    if order != SEQUENTIAL and rounding is Rounding.RNE:
        variants += [replace(a, order=SEQUENTIAL) for a in variants]
    return tuple(Deployment(a) for a in variants)


def variants(question: TieQuestion, order: Order, rounding: Rounding, free: Collection[str], seed: int) -> Iterator[Variant]:
    """The question itself, then endless variants of it; ``free`` are those of FREE that the user has not fixed."""
    yield Variant(question)
    rng = random.Random(seed)
    while True:
        shapes = [question.shape] if "shape" not in free or not order.any_number else rng.sample(SHAPES, len(SHAPES))
        for shape in shapes:
            weights, inputs = _signs(question, len(shape) - 2, free, rng)
            asked = replace(
                question,
                shape=shape,
                deployments=deployments(question.format, order, rounding, shape),
                weights=weights,
                inputs=inputs,
            )
            yield Variant(asked, _places(shape[-1], rng), _flipped(shape[0], free, rng))


def _signs(question: TieQuestion, hidden: int, free: Collection[str], rng: random.Random) -> tuple[Interval, Interval]:
    """Ranges as they are or negated: behind hidden layers only so that their ReLU leaves something of positive ranges."""
    weights, inputs = question.weights, question.inputs
    one_sided = weights.lower > 0 and inputs.lower > 0
    choices = [(False, False)]
    if not hidden:
        choices = [(w, x) for w in (False, "weights" in free) for x in (False, "inputs" in free)]
    elif hidden == 1 and one_sided and {"weights", "inputs"} <= set(free):
        choices.append((True, True))
    negate = rng.choice(choices)
    return _negated(weights, negate[0]), _negated(inputs, negate[1])


def _negated(interval: Interval, negate: bool) -> Interval:
    return Interval(-interval.upper, -interval.lower) if negate else interval


def _places(outputs: int, rng: random.Random) -> tuple[int, ...]:
    """Any order of the outputs in which the tied class is before the certified one, as argmax demands."""
    places = rng.sample(range(outputs), outputs)
    if places[TIED] > places[CERTIFIED]:
        places[TIED], places[CERTIFIED] = places[CERTIFIED], places[TIED]
    return tuple(places)


def _flipped(inputs: int, free: Collection[str], rng: random.Random) -> tuple[int, ...]:
    """Some of several inputs."""
    if inputs < 2 or not {"weights", "inputs"} <= set(free):
        return ()
    return tuple(k for k in range(inputs) if rng.random() < 0.5)
