"""Benchmark: everything that other tools read of one witness, as the contents of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import PurePosixPath

from fpsynth.corpus.counterexample import counterexample_text
from fpsynth.corpus.region import Region, choose_region
from fpsynth.corpus.vnnlib import REAL, element_type, vnnlib1, vnnlib2
from fpsynth.errors import InputError
from fpsynth.evaluators.networks import argmax
from fpsynth.networks.certifier_text import write_network, write_query
from fpsynth.networks.network import Network, stacked
from fpsynth.networks.onnx import OPSET, onnx_bytes, require_checked
from fpsynth.witness import Witness
from fpsynth.witness.file import text_and_files
from fpsynth.witness.numerals import decimal_text, exact_text
from fpsynth.witness.prediction import floats_at, outputs_of
from fpsynth.wording import counted


def size_text(network: Network) -> str:
    """The widths of a stack of dense layers; of any other network the shapes of input and output and how many layers it has."""
    if stacked(network):
        return ",".join(map(str, network.widths))
    ends = ("x".join(map(str, shape)) for shape in (network.input_shape, network.logits.output_shape))
    return f"{' to '.join(ends)}, {counted(len(network.nodes), 'layer')}"


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
        witness = self.witness
        return floats_at(witness, witness.reference), floats_at(witness, witness.deployed)

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
        return choose_region(w.network, w.format, w.certified, w.point, w.claim.radius, self.label)

    def expected(self) -> dict[str, str]:
        """Element type to verdict: sat where the counterexample is one; over the reals unsat if that is proved."""
        element = element_type(self.witness.format)
        real = {REAL: "unsat" if self.region.robust_over_reals else "unknown"}
        return real if element is None else {element: "sat", **real}

    def shown_by(self) -> dict[str, str]:
        """What each of the expected verdicts rests on."""
        w = self.witness
        replayed = f"; replayed in {', '.join(w.confirmed_by)}" if w.confirmed_by else "; not shown by a replay"
        how = f"exact evaluation in {w.deployment}{replayed}"
        proof = self.region.proof or "nothing: no proof was found"
        return {element: proof if element == REAL else how for element in self.expected()}

    def in_onnxruntime(self) -> dict[str, str]:
        """What ONNX Runtime makes of network and counterexample as they are written: sat only where a replay showed it."""
        runs = [
            replay
            for replay in self.witness.observations
            if replay.library == "onnxruntime" and replay.variant in ("matmul", "")
        ]
        refused = next((replay for replay in runs if replay.not_run), None)
        if refused is not None:
            return {"verdict": "unknown", "shown_by": f"onnxruntime {refused.version} did not run it: {refused.not_run}"}
        alone = [replay for replay in runs if replay.batch == 1]
        if not alone:
            return {"verdict": "unknown", "shown_by": "not replayed"}
        logits = alone[0].logits
        if any(logit >= logits[self.label] for k, logit in enumerate(logits) if k != self.label):
            return {"verdict": "sat", "shown_by": f"replayed in onnxruntime {alone[0].version}, MatMul, batch 1"}
        return {"verdict": "unknown", "shown_by": f"onnxruntime {alone[0].version} gives the counterexample class {self.label}"}

    def _verdicts(self) -> list[str]:
        """The expected verdicts with what shows them, a line each."""
        shown, runtime = self.shown_by(), self.in_onnxruntime()
        lines = [f"expected over {element}: {verdict} ({shown[element]})" for element, verdict in self.expected().items()]
        return [*lines, f"in ONNX Runtime: {runtime['verdict']} ({runtime['shown_by']})"]

    def queries2(self) -> dict[str, str]:
        """Element type to the text of the VNN-LIB 2.0 query."""
        graph = self.witness.network.logits
        return {
            element: vnnlib2(
                self.region,
                outputs_of(graph),
                self.label,
                element,
                [*self._comments(), f"expected over {element}: {verdict} ({self.shown_by()[element]})"],
                input_shape=graph.input_shape,
                output_shape=graph.output_shape,
            )
            for element, verdict in self.expected().items()
        }

    def query1(self) -> str:
        """The text of the VNN-LIB 1.0 query."""
        return vnnlib1(self.region, outputs_of(self.witness.network), self.label, [*self._comments(), *self._verdicts()])

    def files(self, names: Mapping[str, str]) -> tuple[dict[str, bytes], tuple[str, ...]]:
        """Return the files, path to contents, and what was left out, one line each with the reason.

        ``names`` gives the paths of: witness, onnx, vnnlib, vnnlib2 (with {} for the element type), counterexample, certifier,
        certifier_query.
        """
        w = self.witness
        left_out: list[str] = []
        written, beside = text_and_files(w, PurePosixPath(names["witness"]).stem)
        folder = names["witness"].rpartition("/")[0]
        files = {
            names["witness"]: written.encode(),
            **{f"{folder}/{name}".lstrip("/"): content for name, content in beside.items()},
            names["vnnlib"]: self.query1().encode("ascii"),
            names["counterexample"]: counterexample_text(w.point, self.logits[1]).encode("ascii"),
        }
        for element, query in self.queries2().items():
            files[names["vnnlib2"].format(element)] = query.encode("ascii")
        try:
            # a batch of one: the queries speak of tensors of that
            model = onnx_bytes(w.network, w.format, batch=1, opset=OPSET)
            require_checked(model)
            files[names["onnx"]] = model
        except InputError as reason:
            left_out.append(f"{names['onnx']}: {reason}")
        if element_type(w.format) is None:
            query = names["vnnlib2"].format(w.format.name)
            left_out.append(
                f"{query}: VNN-LIB 2.0 has no element type {w.format.name}, only the query over the reals is written"
            )
        try:
            network, query = write_network(w.network), write_query(self.logits[0], w.claim.radius)
            files |= {names["certifier"]: network.encode("ascii"), names["certifier_query"]: f"{query}\n".encode("ascii")}
        except InputError as reason:
            left_out.append(f"{names['certifier']}: {reason}")
        return files, tuple(left_out)

    def notes(self, names: Mapping[str, str]) -> tuple[str, ...]:
        """What is written, but cannot be used everywhere, a line each."""
        runtime = self.in_onnxruntime()
        refused = "did not run it" in runtime["shown_by"]
        return (f"{names['onnx']}: {runtime['shown_by']}",) if refused else ()

    def _comments(self) -> list[str]:
        """What a reader of a query should know."""
        w = self.witness
        squares = sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(w.certified, w.point, strict=True))
        assert squares <= w.claim.radius**2
        return [
            f"{w.question}, {w.format.name}, network {size_text(w.network)}",
            f"certified by {w.claim.verifier} as class {self.label}, L2 radius {exact_text(w.claim.radius)}:",
            *(f"  X_{k} = {decimal_text(x)}" for k, x in enumerate(w.certified)),
            f"class {self.wrong_label} in {w.deployment}:",
            *(f"  X_{k} = {decimal_text(x)}" for k, x in enumerate(w.point)),
            "this box lies inside the certified ball and contains both points",
        ]
