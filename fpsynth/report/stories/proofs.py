"""A proof in words and as JSON data: what is claimed, how it was reached, and which engines say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fpsynth.report.text import clean, listed
from fpsynth.synthesis.verdicts import Proof, Refutation
from fpsynth.wording import counted


def proof_lines(proof: Proof) -> list[str]:
    """A proof's claim and how it was reached, a line each."""
    lines = [clean(proof.statement)]
    if proof.method == "exhaustive":
        pairs, inputs = proof.details.get("weight_pairs"), proof.details.get("inputs")
        told = f"{counted(pairs, 'pair')} of weights" if isinstance(pairs, int) else f"{pairs} pairs of weights"
        lines.append(f"by enumeration: {told}, each at all {inputs} inputs; the other pairs tie nowhere")
    elif proof.method == "ratio-bound":
        lines.append("a theorem for one input and two outputs; its ten cases were refuted for all weights at once")
    elif proof.method == "contradictory domain":
        lines.append("read off the domain; no solver is needed")
    elif proof.method == "structural":
        lines.append("read off the structure of the sums; no solver is needed")
    return [*lines, *engine_lines(proof.engines)]


def engine_lines(engines: Sequence[Refutation]) -> list[str]:
    """Which engines refuted the negation of a statement, with what it takes to ask them again; nothing where none did."""
    return [f"its negation is unsat: {listed([refutation_text(run) for run in engines])}"] if engines else []


def refutation_text(run: Refutation) -> str:
    """An engine with its version, the encoding, the seed and the seconds that it took."""
    name = clean(f"{run.engine} {run.version}".strip())
    return f"{name} ({clean(run.encoding)}, seed {run.seed}, {run.seconds:g} s)"


def proof_json(proof: Proof | None) -> dict[str, Any] | None:
    """The statement, the method, the engines (with version, encoding, seed and seconds) and whatever was counted."""
    if proof is None:
        return None
    engines = [asdict(run) for run in proof.engines]
    return {"statement": proof.statement, "method": proof.method, "engines": engines, **proof.details}
