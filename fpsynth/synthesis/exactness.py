"""When no addition of a sum rounds, so that no order, no fusing and no wider accumulator can matter: the theorem.

Let every product, as its leaf reads its factors and rounds it, be zero or a multiple of 2**k with magnitude at most m, k and m
of its own.  Then every sum of products is a multiple of the least of their 2**k and at most the sum of their m in magnitude.

Theorem.  For every step of a sum program let that least 2**k of the products below it be no less than the least positive number
of the step's format, and let the sum M of their m be no more than the largest number of the format and no more than
2**(k + p), p being its precision; and the same for every format into which the step rounds its sum further, but for the last
step.  Then every partial sum is the exact sum of the products below it, and the program computes the exact sum of its products,
rounded by what comes after the last addition alone.  Where all steps add in one format, the condition of the last one does.

Proof, by induction over the steps.  A multiple j * 2**k with |j| <= 2**p has at most p significant bits and none below the
format's last place, hence is one of its numbers, if it is not too large.  Every rounding mode leaves a number of its format as
it is.  So an addition, a fused one and a sum of several nodes rounded once all round the exact sum of numbers that are exact by
the induction, and a number of the format at that.  Flushing changes nothing where no operand, factor, or sum other than zero is
subnormal: all sums are at least 2**k, which must be normal in the formats of the step and of its operands; factors are seen to
where they are read.  A step that aligns cuts its addends to multiples of 2**(e - F), e being the largest exponent among them:
at most the sum of the largest exponents of weights and inputs, or that of M, or the least exponent that is set; where that is
at most 2**k, nothing is cut.  The bias plays no part: the layers of these questions have none, nor other addends.

What reading and rounding change about a product is written down leaf by leaf, the roundings that change nothing left out: two
programs that change the same for every product add up the same numbers.  So is what is done to the sum after the last
addition.  Where only that differs, sums keep their sign, unless one may be rounded to zero; and their results are no farther
apart than these roundings allow, each of which errs by its unit roundoff times the largest number that comes in, at most, and
by what underflows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from fpsynth.formats import Format, floor_log2, holds, power_of_two
from fpsynth.predicates import Predicate
from fpsynth.rounding import Flush, Rounding, from_fraction, from_index, index_range, round_fraction
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.synthesis.domain import Interval
from fpsynth.wording import significant

_ONE = Interval(Fraction(1), Fraction(1))


@dataclass(frozen=True)
class Numbers:
    """What is known of all numbers in a range, or of all products of two of them."""

    last: int
    """All are multiples of 2**last."""
    least: Fraction
    """No magnitude but zero is below it."""
    most: Fraction
    """No magnitude is above it."""
    format: Format | None = None
    """A format of which all are numbers; None: not known."""

    def within(self, fmt: Format) -> bool:
        """Whether all are numbers of a format, as far as is known."""
        if self.format is not None and holds(fmt, self.format):
            return True
        return self.last >= fmt.lsb_min and self.most <= min(power_of_two(self.last + fmt.precision), fmt.max_finite)

    def rounded(self, fmt: Format) -> Numbers | None:
        """What is known of them once rounded into a format, in any mode; None where one may overflow."""
        most = round_fraction(self.most, fmt, Rounding.RTP)
        if not most.is_finite:
            return None
        power = power_of_two(floor_log2(self.least))
        last = max(self.last, fmt.lsb_min, floor_log2(self.least) - fmt.precision + 1)
        return Numbers(last, max(power, fmt.min_subnormal), most.fraction(), fmt)


@dataclass(frozen=True)
class Change:
    """A rounding that may change a number; what cannot matter about it is left out."""

    into: Round
    source: Format | None = None
    """The format whose subnormal numbers are flushed before; None: there are none, or they are not flushed."""

    @property
    def lost(self) -> Fraction:
        """No number from this on is rounded to zero, in magnitude."""
        fmt = self.into.format
        own = fmt.min_normal if self.into.flush else fmt.min_subnormal
        return own if self.source is None else max(own, self.source.min_normal)


Changes = tuple[Change, ...]


@dataclass(frozen=True)
class ExactSum:
    """A sum that is exact: what its leaves change about factors and products before, and what the sum goes through after."""

    summands: tuple[tuple[Changes, Changes, Changes], ...]
    """Of every leaf what happens to weight, input and product: two sums that share it add up the same numbers."""
    result: Changes
    last: int
    """All products are multiples of 2**last."""
    most: Fraction
    """No sum is above it in magnitude."""

    @property
    def plain(self) -> bool:
        """Whether the summands are the exact products of weights and inputs."""
        return not any(any(changes) for changes in self.summands)

    @property
    def keeps_signs(self) -> bool:
        """Whether the result has the sign of the sum, zero included, unless it overflows."""
        least = power_of_two(self.last)
        for change in self.result:
            if least < change.lost:
                return False
            least = max(power_of_two(floor_log2(least)), change.into.format.min_subnormal)
        return True

    @property
    def error(self) -> Fraction | None:
        """How far the result may be from the sum; None where it may overflow."""
        most, error = self.most, Fraction(0)
        for change in self.result:
            fmt = change.into.format
            if most > fmt.max_finite:
                return None
            nearest = change.into.mode in (Rounding.RNE, Rounding.RNA)
            error += (1 if nearest else 2) * fmt.unit_roundoff * most + change.lost
            most = round_fraction(most, fmt, Rounding.RTP).fraction()
        return error


def numbers_within(interval: Interval, fmt: Format) -> Numbers | None:
    """What is known of the numbers of a format within a range; None where it holds none."""
    first, last = index_range(interval.lower, interval.upper, fmt)
    if first > last:
        return None
    low, high = (from_index(index, fmt).fraction() for index in (first, last))
    most = max(abs(low), abs(high))
    if low == high:
        return Numbers(from_fraction(low).exponent if low else 0, most, most, fmt)
    if low <= 0 <= high:
        return Numbers(fmt.lsb_min, fmt.min_subnormal, most, fmt)
    least = min(abs(low), abs(high))
    return Numbers(max(fmt.lsb_min, floor_log2(least) - fmt.precision + 1), least, most, fmt)


@lru_cache(maxsize=256)
def exact_sum(how: Arithmetic, terms: int, numbers: Format, weights: Interval, inputs: Interval | None) -> ExactSum | None:
    """How an arithmetic sums ``terms`` products of weights and inputs of the format ``numbers`` within their ranges, exactly.

    ``inputs`` None: all are 1.  None where the theorem does not apply (see the top of the file).
    """
    factors = [numbers_within(weights, numbers), numbers_within(_ONE if inputs is None else inputs, numbers)]
    known = [factor for factor in factors if factor is not None and factor.most]
    if len(known) < 2 or how.needs_bias:
        return None
    program = program_of(how, terms)
    if any(leaf.kind is not LeafKind.PRODUCT for leaf in program.leaves):
        return None
    return _Walk(program, known).result()


@dataclass(frozen=True)
class _Node:
    """A product as its leaf gives it, or the exact sum of such products."""

    numbers: Numbers
    of: Format | None
    """Its format; None for an exact product, and in exact arithmetic."""
    exponents: int = 0
    """Of an exact product: the largest sum of its factors' exponents."""


_Summand = tuple[tuple[Changes, Changes, Changes], _Node]


class _Walk:
    """A program's nodes, one after the other."""

    def __init__(self, program: Program, factors: Sequence[Numbers]) -> None:
        self.program, self.factors = program, factors
        self._known: dict[object, _Summand | None] = {}

    def result(self) -> ExactSum | None:
        """The exact sum, where every step of the program is exact; None where that is not known."""
        program = self.program
        read = [self._leaf(leaf, taker) for leaf, taker in zip(program.leaves, program.takers, strict=False)]
        summands = [summand for summand in read if summand is not None]
        if len(summands) < len(read):
            return None
        nodes, last = [node for _, node in summands], len(program.steps) - 1
        for position, (operands, step) in enumerate(zip(program.tree.steps, program.steps, strict=True)):
            total = _total(step, [nodes[operand] for operand in operands])
            if total is None or (position < last and _changed(total.numbers, total.of, step.rounds[1:])[0]):
                return None
            nodes.append(replace(total, of=step.rounds[-1].format) if step.rounds and position < last else total)
        rounds = (*(program.steps[-1].rounds[1:] if program.steps else ()), *program.result)
        numbers = nodes[-1].numbers
        changes, _ = _changed(numbers, nodes[-1].of, rounds)
        return ExactSum(tuple(changed for changed, _ in summands), changes, numbers.last, numbers.most)

    def _leaf(self, leaf: Leaf, taker: Step | None) -> _Summand | None:
        """What becomes of a product; None where it may overflow."""
        first = leaf.rounds[0] if leaf.rounds else taker.rounds[0] if taker is not None and taker.rounds else None
        widened = bool(leaf.rounds) or (taker is not None and taker.kind is StepKind.FMA)
        if (leaf, first, widened) not in self._known:
            self._known[leaf, first, widened] = self._product(leaf, first, widened)
        return self._known[leaf, first, widened]

    def _product(self, leaf: Leaf, first: Round | None, widened: bool) -> _Summand | None:
        """``first``: the rounding of the operation that multiplies; ``widened``: whether it does so in its own format."""
        reads = leaf.reads
        if self.program.format is not None and first is not None:
            own = first.format if widened else reads[-1].format if reads else self.program.format
            reads = (*reads, Round(own), *([Round(own, flush=first.flush.of_exact)] if first.flush else []))
        read = [_changed(factor, self.program.format, reads) for factor in self.factors]
        (of_weight, weight), (of_input, x) = read
        if weight is None or x is None:
            return None
        rounded, product = _changed(_product(weight, x), None, leaf.rounds)
        if product is None:
            return None
        emin = None if self.program.format is None else (reads[-1].format if reads else self.program.format).emin
        exponents = sum(floor_log2(f.most) if emin is None else max(floor_log2(f.most), emin) for f in (weight, x))
        return (of_weight, of_input, rounded), _Node(product, leaf.rounds[-1].format if leaf.rounds else None, exponents)


def _changed(numbers: Numbers, source: Format | None, rounds: Sequence[Round]) -> tuple[Changes, Numbers | None]:
    """Which of the roundings of numbers, of a format if that is given, may change one; and what is known of them then.

    None where one may overflow, after which every rounding counts.
    """
    known: Numbers | None = numbers
    changes: list[Change] = []
    for one in rounds:
        change = Change(one, source if one.flush else None) if known is None else _change(known, source, one)
        if change is not None:
            changes.append(change)
            known = None if known is None else known.rounded(one.format)
        source = one.format
    return tuple(changes), known


def _change(numbers: Numbers, source: Format | None, one: Round) -> Change | None:
    """What a rounding may change about numbers; None where it leaves them as they are."""
    flushed = source if one.flush and source is not None and numbers.least < source.min_normal else None
    flush = one.flush if flushed is not None or numbers.least < one.format.min_normal else Flush.NEVER
    if not numbers.within(one.format):
        return Change(Round(one.format, one.mode, flush), flushed)
    return Change(Round(one.format, flush=flush.of_exact), flushed) if flush else None


def _product(a: Numbers, b: Numbers) -> Numbers:
    return Numbers(a.last + b.last, a.least * b.least, a.most * b.most)


def _total(step: Step, operands: Sequence[_Node]) -> _Node | None:
    """The sum of a step, in the format that its own rounding gives; None where it may not be exact."""
    last = min(node.numbers.last for node in operands)
    sums = Numbers(last, power_of_two(last), sum((node.numbers.most for node in operands), Fraction(0)))
    if not step.rounds:
        return _Node(sums, None)
    own = step.rounds[0]
    normal = max(fmt.min_normal for fmt in (own.format, *(node.of or own.format for node in operands)))
    if not sums.within(own.format) or (own.flush and sums.least < normal) or not _keeps(step, operands, sums):
        return None
    return _Node(sums, own.format)


def _keeps(step: Step, operands: Sequence[_Node], sums: Numbers) -> bool:
    """Whether a step cuts nothing off its addends."""
    align, own = step.alignment, step.rounds[0].format
    if align is None:
        return True
    largest = max(floor_log2(sums.most), own.emin, *(node.exponents for node in operands if node.of is None))
    if align.least_exponent is not None:
        largest = max(largest, align.least_exponent)
    return largest - align.fraction_bits <= sums.last


def alike(predicate: Predicate, a: Sequence[ExactSum], b: Sequence[ExactSum]) -> str:
    """What two ways to evaluate a layer, an exact sum for each output, have in common that a predicate reads.

    Their results are equal, or, where it reads nothing but signs, have the same signs; empty where neither is known.
    """
    pairs = list(zip(a, b, strict=True))
    if any(x.summands != y.summands for x, y in pairs):
        return ""
    if all(x.result == y.result for x, y in pairs):
        return "the same result"
    signs = predicate.relation.reads_signs and all(x.keeps_signs and y.keeps_signs for x, y in pairs)
    return "results of the same sign" if signs else ""


def near(predicate: Predicate, a: Sequence[ExactSum], b: Sequence[ExactSum]) -> bool:
    """Whether the results of two exact sums, each rounded once, are always nearer to each other than a gap."""
    x, y = a[predicate.output], b[predicate.output]
    if not predicate.relation.bounded or x.summands != y.summands or x.error is None or y.error is None:
        return False
    return x.error + y.error < predicate.bound


def described(sums: Sequence[ExactSum]) -> str:
    """Why no addition rounds, in words."""
    last, most = min(sum_.last for sum_ in sums), max(sum_.most for sum_ in sums)
    return f"every product is a multiple of 2^{last}, and every sum of them at most {_short(most)}, so that no addition rounds"


def _short(number: Fraction) -> str:
    return str(number) if number.denominator == 1 and number < 10**16 else significant(number, 6, "up")
