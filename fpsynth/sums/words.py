"""A sum program in words: how many products are rounded or exact, and what its steps do, in the order in which they come."""

from __future__ import annotations

from collections import Counter

from fpsynth.orders.nested import nested_text
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.wording import counted, noun

_VERBS = {
    StepKind.ADD: "added in",
    StepKind.FMA: "fused in",
    StepKind.EXACT: "added exactly and rounded to",
    StepKind.ALIGNED: "aligned in",
}
_LONGEST = 80
"""Characters of a tree that is written out."""


def program_in_words(program: Program) -> str:
    """One line: the format, the tree where it is short, and what is rounded into what."""
    if program.format is None:
        return "real"
    tree = nested_text(program.tree)
    shown = tree if len(tree) <= _LONGEST else f"a tree of {counted(program.tree.leaves, 'leaf', 'leaves')}"
    parts = [_leaf_words(leaf, count) for leaf, count in Counter(program.leaves).items()]
    parts += [_step_words(step, count) for step, count in Counter(program.steps).items()]
    parts += [f"the result {rounds_in_words(program.result)}"] if program.result else []
    return f"{program.format} {shown}: {'; '.join(parts)}"


def _leaf_words(leaf: Leaf, count: int) -> str:
    read = f" of operands {rounds_in_words(leaf.reads)}" if leaf.reads else ""
    if leaf.kind is LeafKind.PRODUCT:
        rounded = rounds_in_words(leaf.rounds) if leaf.rounds else "exact"
        return f"{counted(count, 'product')}{read} {rounded}"
    name = "the bias" if leaf.kind is LeafKind.BIAS else counted(count, "addend")
    return name + (f" {rounds_in_words(leaf.reads)}" if leaf.reads else "")


def _step_words(step: Step, count: int) -> str:
    first, *rest = step.rounds
    then = f", then {rounds_in_words(tuple(rest))}" if rest else ""
    how = f" ({step.alignment})" if step.alignment is not None else ""
    return f"{count} {noun(count, 'sum')} {_VERBS[step.kind]} {_round_words(first)}{how}{then}"


def rounds_in_words(rounds: tuple[Round, ...]) -> str:
    """``rounded to float16, then to float32``."""
    return "rounded to " + ", then to ".join(_round_words(one) for one in rounds)


def _round_words(one: Round) -> str:
    mode = "" if one.mode is Rounding.RNE else f" {one.mode.value}"
    flush = {Flush.NEVER: "", Flush.ROUNDED: " flushed", Flush.UNBOUNDED: " flushed (unbounded exponent)"}[one.flush]
    return f"{one.format}{mode}{flush}"
