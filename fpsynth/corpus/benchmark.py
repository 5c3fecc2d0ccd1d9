"""Benchmark: everything that other tools read of one witness, as the contents of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from fpsynth.confirmation import predict
from fpsynth.corpus.counterexample import counterexample_text
from fpsynth.corpus.region import Region, choose_region
from fpsynth.corpus.vnnlib import REAL, element_type, vnnlib1, vnnlib2
from fpsynth.errors import InputError
from fpsynth.evaluators.networks import argmax
from fpsynth.networks.certifier_text import write_network, write_query
from fpsynth.networks.onnx import onnx_bytes
from fpsynth.witness import Witness
from fpsynth.witness.file import text
from fpsynth.witness.numerals import decimal_text, exact_text


@dataclass(frozen=True)
class Benchmark:
    """A witness and what is derived from it.  Raises InputError where the counterexample is none as predicted."""

    witness: Witness

    def __post_init__(self) -> None:
        if self.label == self.wrong_label:
            raise InputError(f"both points are predicted to have class {self.label}: that is no counterexample")

    @cached_property
    def logits(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The predicted logits at the certified point and at the counterexample."""
        return predict(self.witness)

    @cached_property
    def label(self) -> int:
        """The predicted class of the certified point: the one that is certified."""
        return argmax(self.logits[0])

    @cached_property
    def wrong_label(self) -> int:
        """The predicted class of the counterexample."""
        return argmax(self.logits[1])

    @cached_property
    def region(self) -> Region:
        """The box that the queries ask about."""
        w = self.witness
        return choose_region(w.network, w.format, w.certified, w.counterexample, w.certificate.radius, self.label)

    def expected(self) -> dict[str, str]:
        """Element type to verdict: sat where the counterexample is one; over the reals unsat if that is proved."""
        element = element_type(self.witness.format)
        real = {REAL: "unsat" if self.region.robust_over_reals else "unknown"}
        return real if element is None else {element: "sat", **real}

    def queries2(self) -> dict[str, str]:
        """Element type to the text of the VNN-LIB 2.0 query."""
        outputs = self.witness.network.shape[-1]
        return {
            element: vnnlib2(
                self.region, outputs, self.label, element, [*self._comments(), f"expected over {element}: {verdict}"]
            )
            for element, verdict in self.expected().items()
        }

    def query1(self) -> str:
        """The text of the VNN-LIB 1.0 query."""
        verdicts = [f"expected over {element}: {verdict}" for element, verdict in self.expected().items()]
        return vnnlib1(self.region, self.witness.network.shape[-1], self.label, [*self._comments(), *verdicts])

    def files(self, names: Mapping[str, str]) -> tuple[dict[str, bytes], tuple[str, ...]]:
        """Return the files, path to contents, and what was left out, one line each with the reason.

        ``names`` gives the paths of: witness, onnx, vnnlib, vnnlib2 (with {} for the element type), counterexample, certifier,
        certifier_query.
        """
        w = self.witness
        left_out: list[str] = []
        files = {
            names["witness"]: text(w).encode(),
            names["vnnlib"]: self.query1().encode("ascii"),
            names["counterexample"]: counterexample_text(w.counterexample, self.logits[1]).encode("ascii"),
        }
        for element, query in self.queries2().items():
            files[names["vnnlib2"].format(element)] = query.encode("ascii")
        try:
            # a batch of one: the queries speak of tensors of shape [1, n]
            files[names["onnx"]] = onnx_bytes(w.network, w.format, batch=1)
        except InputError as reason:
            left_out.append(f"{names['onnx']}: {reason}")
        try:
            network, query = write_network(w.network), write_query(self.logits[0], w.certificate.radius)
            files |= {names["certifier"]: network.encode("ascii"), names["certifier_query"]: f"{query}\n".encode("ascii")}
        except InputError as reason:
            left_out.append(f"{names['certifier']}: {reason}")
        return files, tuple(left_out)

    def _comments(self) -> list[str]:
        """What a reader of a query should know."""
        w = self.witness
        shape = ",".join(map(str, w.network.shape))
        squares = sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(w.certified, w.counterexample, strict=True))
        assert squares <= w.certificate.radius**2
        return [
            f"{w.question}, {w.format.name}, network {shape}",
            f"certified by {w.certificate.certifier} as class {self.label}, L2 radius {exact_text(w.certificate.radius)}:",
            *(f"  X_{k} = {decimal_text(x)}" for k, x in enumerate(w.certified)),
            f"class {self.wrong_label} in {w.deployment}:",
            *(f"  X_{k} = {decimal_text(x)}" for k, x in enumerate(w.counterexample)),
            "this box lies inside the certified ball and contains both points",
        ]
