"""What is left of a sum program when only some products are not zero: a program again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from fpsynth.errors import InputError
from fpsynth.formats import Format, holds
from fpsynth.orders import Tree
from fpsynth.rounding import Flush
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind, last_format


def restrict_program(program: Program, active: Iterable[int], *, numbers: bool = False) -> Program:
    """The program of what is left of a sum when only the ``active`` products are not zero.

    Its leaf k stands for the k-th active leaf in ascending order; with ``numbers`` the bias and the addends stay, else they
    are zero as well.  Adding a zero is exact, so both give the same numbers, the sign of a zero apart: a step with one operand
    left rounds that.  Nothing may overflow, of which steps of more than two nodes make NaN, but the step that is left of one
    an infinity; nor underflow where a step aligns.  A bias that is zero, but stays, takes part like any number.

    Raises InputError where nothing is active, and where a step that aligns would be left with one operand that it changes.
    """
    kept = sorted(set(active))
    if not kept or kept[0] < 0 or kept[-1] >= program.terms:
        raise InputError("an order is restricted to at least one of its leaves")
    if numbers:
        kept += range(program.terms, len(program.leaves))
    if program.format is None or len(kept) == len(program.leaves):
        return program if len(kept) == len(program.leaves) else _real(program, kept)
    return _Restricting(program, kept).program()


def _real(program: Program, kept: list[int]) -> Program:
    leaves = tuple(program.leaves[leaf] for leaf in kept)
    steps = tuple((0 if k == 1 else len(kept) + k - 2, k) for k in range(1, len(kept)))
    return Program(None, Tree(len(kept), steps), leaves, (Step(StepKind.EXACT, ()),) * len(steps))


@dataclass
class _Restricting:
    """A program while it is written down again without some of its leaves."""

    whole: Program
    kept: list[int]
    leaves: list[Leaf] = field(default_factory=list)
    operands: list[tuple[int, ...]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def program(self) -> Program:
        whole = self.whole
        assert whole.format is not None
        self.leaves = [whole.leaves[leaf] for leaf in self.kept]
        stands_for = [-1] * (whole.tree.leaves + len(whole.steps))
        for k, leaf in enumerate(self.kept):
            stands_for[leaf] = k
        for node, (operands, step) in enumerate(zip(whole.tree.steps, whole.steps, strict=True), whole.tree.leaves):
            present = [stands_for[operand] for operand in operands if stands_for[operand] >= 0]
            if len(present) == 1:
                self._alone(present[0], step)
                stands_for[node] = present[0]
            elif present:
                stands_for[node] = self._step(tuple(present), step)
        tree = Tree(len(self.leaves), tuple(self.operands))
        return Program(whole.format, tree, tuple(self.leaves), tuple(self.steps), whole.result)

    def _step(self, operands: tuple[int, ...], step: Step) -> int:
        """A step that is left with several operands: of two, an ordinary one where it is none that aligns."""
        exact = sum(self._exact(operand) for operand in operands)
        if step.kind is StepKind.ALIGNED and not exact:
            raise InputError("a step that aligns cannot be restricted to partial sums")
        if step.kind is StepKind.EXACT and len(operands) == 2 and exact < 2 and self._held(operands, step):
            first, *rest = step.rounds
            first = first if exact else replace(first, flush=first.flush.of_exact)
            step = Step(StepKind.FMA if exact else StepKind.ADD, (first, *rest))
        self.operands.append(operands)
        self.steps.append(step)
        return len(self.leaves) + len(self.operands) - 1

    def _held(self, operands: tuple[int, ...], step: Step) -> bool:
        """Whether a step's format holds the factors of its exact products, so that an ordinary step can read them."""
        assert self.whole.format is not None
        reads = [self.leaves[node].reads for node in operands if self._exact(node)]
        return all(holds(step.rounds[0].format, last_format(self.whole.format, read)) for read in reads)

    def _exact(self, node: int) -> bool:
        return node < len(self.leaves) and self.leaves[node].exact

    def _alone(self, node: int, step: Step) -> None:
        """One operand that is left of a step is rounded as the step rounds."""
        if step.kind is StepKind.ALIGNED:
            self._require_kept(node, step)
        assert self.whole.format is not None
        first = step.rounds[0]
        if self._exact(node):
            leaf = self.leaves[node]
            flush = first.flush if step.kind is StepKind.ALIGNED else Flush.NEVER  # it flushes factors in their own format
            wide = flush or last_format(self.whole.format, leaf.reads) != first.format
            reads = (*leaf.reads, Round(first.format, flush=flush)) if wide else leaf.reads
            self.leaves[node] = replace(leaf, reads=reads, rounds=step.rounds)
            return
        if node >= len(self.leaves):
            own = self.steps[node - len(self.leaves)]
            self.steps[node - len(self.leaves)] = replace(own, rounds=_followed(self.whole, own.rounds, step.rounds, 1))
            return
        leaf = self.leaves[node]
        if leaf.kind is LeafKind.PRODUCT:
            self.leaves[node] = replace(leaf, rounds=_followed(self.whole, leaf.rounds, step.rounds, 1))
        else:
            self.leaves[node] = replace(leaf, reads=_followed(self.whole, leaf.reads, step.rounds, 0))

    def _require_kept(self, node: int, step: Step) -> None:
        """Raise InputError where a step that aligns changes an operand that is alone in it."""
        align, wide = step.alignment, step.rounds[0].format
        assert align is not None
        assert self.whole.format is not None
        factors = last_format(self.whole.format, self.leaves[node].reads) if self._exact(node) else wide
        last = None if align.least_exponent is None else align.least_exponent - align.fraction_bits
        if self._exact(node):
            kept, least = align.keeps(factors, wide), 2 * factors.lsb_min
        else:
            kept, least = align.fraction_bits >= wide.precision - 1, wide.lsb_min
        if not kept or (last is not None and last > least):
            raise InputError("a step that aligns cannot be restricted to one operand, which it changes")


def _followed(program: Program, before: tuple[Round, ...], after: Sequence[Round], own: int) -> tuple[Round, ...]:
    """Roundings of a number, and then those of a step in which it is alone, without those that change nothing.

    A step widens its operands first, and flushes them in its own format then.  The first ``own`` of those before are no casts
    of a number but the rounding of an operation.
    """
    assert program.format is not None
    rounds = list(before)
    for one in after:
        if one is after[0] and one.flush:
            _append(rounds, Round(one.format), program.format, own)
        _append(rounds, one, program.format, own)
    return tuple(rounds)


def _append(rounds: list[Round], one: Round, fmt: Format, own: int) -> None:
    """One rounding more of a number of ``fmt``; numbers that are widened just to be rounded need not be widened."""
    widened = len(rounds) > own and holds(rounds[-1].format, last_format(fmt, tuple(rounds[:-1])))
    if widened and not (one.flush or rounds[-1].flush):
        rounds.pop()
    if one.flush and rounds and rounds[-1].flush and rounds[-1].format == one.format:
        return
    if one.flush or one.format != last_format(fmt, tuple(rounds)):
        rounds.append(one)
