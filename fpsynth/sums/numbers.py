"""A sum program of numbers in place of products: what it makes of products that are known, however they came about."""

from __future__ import annotations

from dataclasses import replace

from fpsynth.formats import Format, holds
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind


def of_numbers(program: Program, fmt: Format) -> Program:
    """The program with an addend of ``fmt`` in place of each leaf; the result is of ``fmt``, rounded only where that differs.

    An addend stands for a product that is a number of ``fmt`` as it is: it is rounded as the product is, and a step that takes
    exact products takes it as it is, or, where its format does not hold ``fmt``, rounded into that.  The result is rounded as
    the program's where ``fmt`` is the program's own format.  Not for exact arithmetic.
    """
    assert program.format is not None
    leaves = tuple(_addend(leaf, taker, fmt) for leaf, taker in zip(program.leaves, program.takers, strict=False))
    steps = tuple(_of_numbers(step) for step in program.steps)
    root = steps[-1].rounds[-1].format if steps else leaves[-1].reads[-1].format if leaves[-1].reads else fmt
    result = program.result if fmt == program.format else () if root == fmt else (Round(fmt),)
    return Program(fmt, program.tree, leaves, steps, result)


def _addend(leaf: Leaf, taker: Step | None, fmt: Format) -> Leaf:
    rounds = leaf.reads if leaf.kind is not LeafKind.PRODUCT else leaf.rounds
    if leaf.exact and taker is not None and not holds(taker.rounds[0].format, fmt):
        rounds = (Round(taker.rounds[0].format),)
    reads, now = list[Round](), fmt
    for one in rounds:
        if not holds(one.format, now) or one.flush:
            reads.append(one)
        elif one.format != now:
            reads.append(Round(one.format))
        now = one.format
    return Leaf(LeafKind.ADDEND, tuple(reads))


def _of_numbers(step: Step) -> Step:
    """The same without exact products: adding two numbers is all that is left of a fused multiply-add."""
    if step.kind is not StepKind.FMA:
        return step
    first, *rest = step.rounds
    return Step(StepKind.ADD, (replace(first, flush=first.flush.of_exact), *rest))


def widest(program: Program) -> Format | None:
    """The format of products and sums that holds all others of them; None where there is none."""
    formats = program.sum_formats
    return next((fmt for fmt in formats if all(holds(fmt, other) for other in formats)), None)
