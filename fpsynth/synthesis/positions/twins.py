"""What the question twin promises of its witnesses: that the two neurons are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from fpsynth.synthesis.checking.findings import Finding, short
from fpsynth.witness.data import Witness
from fpsynth.wording import counted


def twin_findings(witness: Witness, real: Sequence[Fraction]) -> Iterator[Finding]:
    """Whether the weights of both neurons are the same, and their outputs in exact arithmetic, which are ``real``."""
    last = witness.network.dense_layers[-1]
    i, j = witness.predicate.output, witness.predicate.other
    same = last.weight[i].tolist() == last.weight[j].tolist() and (last.bias is None or bool(last.bias[i] == last.bias[j]))
    yield Finding(f"neurons {i} and {j} have the same weights", same, f"{counted(last.inputs, 'weight')} each")
    yield Finding(f"outputs {i} and {j} are equal in exact arithmetic", real[i] == real[j], short(real[i]))
