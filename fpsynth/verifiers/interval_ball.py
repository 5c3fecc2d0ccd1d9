"""An interval that holds the computed value of a neuron whatever order it is summed in, fused or not: gamma times sum |w||x|.

The exact value is that of the products of the factors, and of the bias, as they are read.  A rounding into a format moves a
number by a factor of at most 1 + u, u its unit roundoff, and by at most e / 2, e its least subnormal, where it underflows;
directed rounding doubles both.  Widening moves nothing.  Let U be the sum of u over the roundings of all steps, those of a leaf
that is rounded most added: no more is on the way of any product or bias, in any order.  (In an arithmetic with one accumulator
U = (n + 1) u.)  With gamma = U / (1 - U), U < 1 (Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1 and problem
3.1: a product of factors 1 + d_k with sum |d_k| <= U < 1 is within gamma of 1),

    |computed - exact|  <=  gamma (sum |w_k||x_k| + |b|)  +  (1 + gamma) H,

H the sum of e / 2 over the roundings that may underflow: a step's own rounding of a sum of numbers does not, for they are
multiples of e; what it has of exact products does, and so do all roundings of products and all further ones of a step.  (n of
them with one accumulator.)  The roundings of the result add theirs, of the value so bounded, one after the other.

Steps that align their addends lose more (see ``fpsynth.alignment``).  Whatever the tree, n products and a bias make at most n
steps with 2n operands in all, and n products may be rounded on their own.  Let A be the sum of the terms' magnitudes and e a
bound on all errors together.  No partial sum exceeds A + e, so an operand that is cut to F bits below the largest exponent
moves by less than 2**-F (max(A, K) + e), K being the largest that a power of two of an exponent may be beyond the magnitude of
its number (subnormal numbers and factors have that of the least normal one; and there may be a least exponent), and a rounding
moves a number by at most u (A + e) + eta (eta = e/2 above).  The errors of the steps add up, sums being exact otherwise: with
U as above and G the sum of eta over all roundings of leaves and steps,

    e  =  U (A + e) + G + 2n 2**-F (max(A, K) + e),    solved for e; its factor must be below 1.

A given program says how often its steps round, which an arithmetic says for every order: there steps are made up to n with its
most inexact one, and one more for G.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.formats import power_of_two
from fpsynth.orders import SEQUENTIAL
from fpsynth.rounding import Rounding, from_float, round_value
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.sums.program import LeafKind, Program, Round, Step, StepKind, inexact


def order_agnostic_interval(
    weights: Sequence[float], point: Sequence[float], how: Arithmetic, bias: float | None = None
) -> tuple[Fraction, Fraction]:
    """Return an interval that contains what ``how`` computes for one neuron at a point, and with any other order as well.

    Order, fusing and place of the bias of ``how`` do not matter; of a given program the order of its steps does not.  The
    middle is the exact sum of the numbers as they are read.  ``weights`` and ``point`` have one number per term.  Raises
    InputError for real arithmetic, flushing, other addends than a bias, sums of so many terms that no error is bounded (the sum
    of all unit roundoffs is 1 or more), sums that may overflow, and unlike numbers of weights and inputs.
    """
    if how.format is None:
        raise InputError("real arithmetic makes no rounding errors to bound")
    if len(weights) != len(point):
        raise InputError(f"{len(weights)} weights do not fit {len(point)} inputs")
    any_order = how if how.given is not None else replace(how, order=SEQUENTIAL)
    program = program_of(any_order, len(point), bias is not None)
    if program.flush:
        raise InputError("the bound for every order does not cover subnormals that are flushed to zero")
    if any(leaf.kind is LeafKind.ADDEND for leaf in program.leaves):
        raise InputError("the bound for every order does not cover sums with other addends than a bias")
    factors = [_read(program, leaf, (w, x)) for leaf, (w, x) in enumerate(zip(weights, point, strict=True))]
    terms = [w * x for w, x in factors]
    if program.bias is not None and bias is not None:
        terms += _read(program, program.bias, (bias,))
    exact, magnitude = sum(terms, Fraction(0)), sum(map(abs, terms), Fraction(0))
    losses = _Losses.of(program)
    error = _aligned_error(magnitude, factors, program, losses) if program.alignments else _error(magnitude, program, losses)
    for one in inexact(program.node_formats[program.tree.root], program.result):
        error += _unit(one) * (abs(exact) + error) + _half(one)
        if abs(exact) + error >= one.format.max_finite:
            raise InputError("a sum may overflow in some order: no interval bounds it")
    return exact - error, exact + error


def _read(program: Program, leaf: int, numbers: Sequence[float]) -> tuple[Fraction, ...]:
    """Numbers as a leaf reads them: a weight and an input as the multiplier sees them, or the bias."""
    read = []
    for number in numbers:
        value = from_float(number)
        for one in program.leaves[leaf].reads:
            value = round_value(value, one.format, one.mode)
        if not value.is_finite:
            into = program.leaves[leaf].reads
            raise InputError(f"{number} is no number to multiply with" + (f" in {into[0].format}" if into else ""))
        read.append(value.fraction())
    return tuple(read)


@dataclass(frozen=True)
class _Losses:
    """What all roundings of a program's leaves and steps lose together, in any order of its steps."""

    relative: Fraction
    """U."""
    underflow: Fraction
    """H."""
    absolute: Fraction
    """G."""

    @classmethod
    def of(cls, program: Program) -> _Losses:
        """Leaves and steps that are alike are counted: programs of many terms have few kinds of either."""
        kinds = Counter(leaf for leaf in program.leaves if leaf.kind is LeafKind.PRODUCT)
        leaves = [(_Loss.of(leaf.rounds), count) for leaf, count in kinds.items()]
        taken = zip(program.tree.steps, program.steps, strict=True)
        takes = Counter((step, any(map(program.exact, operands))) for operands, step in taken)
        steps = [(_Loss.of(_own_rounds(step)), products, count) for (step, products), count in takes.items()]
        losses = [loss for loss, _, _ in steps] or [loss for loss, _ in leaves]
        worst, coarsest = max(loss.relative for loss in losses), max(loss.absolute for loss in losses)
        missing = program.terms - len(program.steps)
        relative = max(loss.relative or worst for loss, _ in leaves) + max(missing, 0) * worst
        relative += sum((count * loss.relative for loss, _, count in steps), Fraction(0))
        underflow = sum((count * loss.absolute for loss, count in leaves), Fraction(0))
        underflow += sum(
            (count * (loss.absolute if products else loss.further) for loss, products, count in steps), Fraction(0)
        )
        absolute = sum((count * (loss.absolute or coarsest) for loss, count in leaves), Fraction(0))
        absolute += max(missing + 1, 0) * coarsest + sum((count * loss.absolute for loss, _, count in steps), Fraction(0))
        return cls(relative, underflow, absolute)


@dataclass(frozen=True)
class _Loss:
    """What the roundings of one product or one step lose."""

    relative: Fraction
    absolute: Fraction
    further: Fraction
    """``absolute`` without the first rounding."""

    @classmethod
    def of(cls, rounds: tuple[Round, ...]) -> _Loss:
        counted = inexact(None, rounds)
        halves = [_half(one) for one in counted]
        relative = sum(map(_unit, counted), Fraction(0))
        return cls(relative, sum(halves, Fraction(0)), sum(halves[1:], Fraction(0)))


def _own_rounds(step: Step) -> tuple[Round, ...]:
    """The roundings of a step, the first in the mode of its alignment, if it aligns."""
    if step.alignment is None:
        return step.rounds
    return (replace(step.rounds[0], mode=step.alignment.rounding), *step.rounds[1:])


def _error(magnitude: Fraction, program: Program, losses: _Losses) -> Fraction:
    """The bound of the module's text, for the sum of the magnitudes of all terms."""
    if losses.relative >= 1:
        raise InputError(f"{program.terms} terms are too many for {_named(program)}: its rounding errors have no bound")
    gamma = losses.relative / (1 - losses.relative)
    error = gamma * magnitude + (1 + gamma) * losses.underflow
    return _held(error, magnitude, program)


def _aligned_error(magnitude: Fraction, factors: Sequence[tuple[Fraction, ...]], program: Program, losses: _Losses) -> Fraction:
    """The same where steps may align."""
    dropped = max(power_of_two(-align.fraction_bits) for align in program.alignments)
    cut = 2 * program.terms * dropped
    powers = [step.rounds[0].format.min_normal for step in program.steps if step.kind is StepKind.ALIGNED]
    for leaf, (w, x) in enumerate(factors):
        least = program.factor_format(leaf).min_normal
        powers.append(max(abs(w), least) * max(abs(x), least))
    powers += [power_of_two(a.least_exponent) for a in program.alignments if a.least_exponent is not None]
    once = losses.relative + cut
    if once >= 1:
        aligned = ", ".join(sorted(map(str, program.alignments)))
        raise InputError(f"{program.terms} terms are too many for {_named(program)}, {aligned}: its errors have no bound")
    error = (losses.relative * magnitude + cut * max(magnitude, *powers) + losses.absolute) / (1 - once)
    return _held(error, magnitude, program)


def _held(error: Fraction, magnitude: Fraction, program: Program) -> Fraction:
    """The error, where no format on the way overflows."""
    if magnitude + error >= min(fmt.max_finite for fmt in program.sum_formats):
        raise InputError("a sum may overflow in some order: no interval bounds it")
    return error


def _named(program: Program) -> str:
    return " and ".join(sorted(map(str, program.sum_formats)))


def _nearest(mode: Rounding) -> bool:
    return mode in (Rounding.RNE, Rounding.RNA)


def _unit(one: Round) -> Fraction:
    return one.format.unit_roundoff if _nearest(one.mode) else 2 * one.format.unit_roundoff


def _half(one: Round) -> Fraction:
    return one.format.min_subnormal / 2 if _nearest(one.mode) else one.format.min_subnormal
