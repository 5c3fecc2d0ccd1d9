"""Verifiers as functions: liars, one that is right, and one with the tolerance that Marabou has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction

from fpsynth.corpus.labels.real import least_margin
from fpsynth.evaluators.real import exact_logits
from fpsynth.networks.reading import read_network
from fpsynth.verifiers.external.base import ToolQuestion
from fpsynth.verifiers.properties import ExactBox

Answer = str | tuple[str, Sequence[float]]


def always_sat(question: ToolQuestion) -> Answer:
    """Names no point."""
    return "sat"


def always_outside(question: ToolQuestion) -> Answer:
    """Names a point beside the box."""
    return "sat", [float(end) + 1 for end in question.only[0].upper]


def always_unsat(question: ToolQuestion) -> Answer:
    """Never looks."""
    note(question)
    return "unsat"


def exact(question: ToolQuestion) -> Answer:
    """Right over the reals, of corners alone where it says sat."""
    return decided(question, question.only[0])


def narrow(question: ToolQuestion) -> Answer:
    """Exact, but of ranges narrower than 1e-5 it looks at the lower end alone: what Marabou's tolerance comes to."""
    box, _ = question.only
    ends = zip(box.lower, box.upper, strict=True)
    upper = tuple(low if high - low < Fraction(1, 10**5) else high for low, high in ends)
    return decided(question, ExactBox(box.lower, upper))


def decided(question: ToolQuestion, box: ExactBox) -> Answer:
    """Exact reasoning about a box."""
    network, unsafe = read_network(question.onnx).network, question.only[1]
    bound = least_margin(network, box, unsafe)
    if bound is not None and bound.least > 0:
        return "unsat"
    for corner in (box.lower, box.upper):
        if unsafe.violated(exact_logits(network, [float(x) for x in corner])):
            return "sat", [float(x) for x in corner]
    return "unknown"


def note(question: ToolQuestion) -> None:
    """Write down that it was asked, and which run that is."""
    if "BENCH_LOG" in os.environ:
        with open(os.environ["BENCH_LOG"], "a") as file:
            file.write(f"{question.query.boxes[0][0].lower[0]} {os.environ['FPSYNTH_SEED']}\n")


def slow(question: ToolQuestion) -> Answer:
    """Says what is expected after a while."""
    import time

    note(question)
    time.sleep(float(os.environ.get("BENCH_SLEEP", "0.5")))
    return "unsat"
