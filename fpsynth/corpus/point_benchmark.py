"""PointBenchmark: a witness of one input whose class changes, as queries that other tools read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from fpsynth.corpus.benchmark import size_text
from fpsynth.corpus.counterexample import counterexample_text
from fpsynth.corpus.region import Region, region_around
from fpsynth.corpus.vnnlib import REAL, element_type, vnnlib1, vnnlib2
from fpsynth.predicates.base import argmax
from fpsynth.witness import Witness
from fpsynth.witness.numerals import decimal_text
from fpsynth.witness.prediction import outputs_of


def is_benchmark(witness: Witness) -> bool:
    """Whether a witness is of one input with two classes, the second one in arithmetic of the network's own format."""
    deployed = witness.deployed
    computed = deployed.deployment.default.format == witness.format and bool(deployed.logits) and not deployed.permutation
    return not witness.two_points and witness.predicate.kind == "argmax" and computed and bool(witness.reference.logits)


@dataclass(frozen=True)
class PointBenchmark:
    """A witness of which ``is_benchmark`` holds, and what is derived from it."""

    witness: Witness

    @property
    def label(self) -> int:
        """The class that is believed: the reference's."""
        return argmax(self.witness.reference.logits)

    @property
    def wrong_label(self) -> int:
        """The class of the deployed view."""
        return argmax(self.witness.deployed.logits)

    @cached_property
    def region(self) -> Region:
        """The box that the queries ask about: around the input, or the input alone."""
        w = self.witness
        return region_around(w.network, w.format, w.point, self.label)

    def expected(self) -> dict[str, tuple[str, str]]:
        """Element type to verdict and what it rests on."""
        element = element_type(self.witness.format)
        return {**({} if element is None else {element: self._deployed()}), REAL: self._real()}

    def _deployed(self) -> tuple[str, str]:
        w = self.witness
        seen = "measured" if w.deployed.measured else "exact evaluation"
        replayed = f"; replayed in {', '.join(w.confirmed_by)}" if w.confirmed_by else ""
        return "sat", f"{seen} in {w.deployed.label}{replayed}"

    def _real(self) -> tuple[str, str]:
        logits = self.witness.real
        if self.region.robust_over_reals:
            return "unsat", self.region.proof
        if not logits:
            return "unknown", "nothing: the logits of the input are not known exactly"
        if self._satisfied(logits):
            return "sat", "exact logits of the input"
        alone = "exact logits of the input, the only one that is asked about"
        return ("unsat", alone) if self.region.alone else ("unknown", "nothing")

    def _satisfied(self, logits: tuple[Fraction, ...]) -> bool:
        """Whether another logit is at least that of the believed class: what the queries ask for."""
        return any(logit >= logits[self.label] for k, logit in enumerate(logits) if k != self.label)

    def files(self) -> dict[str, bytes]:
        """Name to content: the query in VNN-LIB 1.0, those in 2.0, the input with the logits of the deployed view."""
        w, graph = self.witness, self.witness.network.logits
        count = outputs_of(graph)
        expected = [f"expected over {element}: {verdict} ({why})" for element, (verdict, why) in self.expected().items()]
        shapes = {"input_shape": graph.input_shape, "output_shape": graph.output_shape}
        texts = {"property.vnnlib": vnnlib1(self.region, count, self.label, [*self._comments(), *expected])}
        for element, line in zip(self.expected(), expected, strict=True):
            query = vnnlib2(self.region, count, self.label, element, [*self._comments(), line], **shapes)
            texts[f"property.{element}.vnnlib"] = query
        texts["counterexample.txt"] = counterexample_text(w.point, [float(logit) for logit in w.deployed.logits])
        return {name: text.encode("ascii") for name, text in texts.items()}

    def _comments(self) -> list[str]:
        w = self.witness
        return [
            f"{w.question}, {w.format.name}, network {size_text(w.network)}",
            f"class {self.label} in {w.reference.label}, class {self.wrong_label} in {w.deployed.label}, both at:",
            *(f"  X_{k} = {decimal_text(x)}" for k, x in enumerate(w.point)),
            "what follows asks about that input alone" if self.region.alone else "what follows asks about a box around it",
        ]
