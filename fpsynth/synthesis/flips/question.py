"""The question: which weights and inputs make two ways to evaluate a layer disagree; and what an answer to it holds."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.formats import FORMATS, Format
from fpsynth.predicates import Predicate
from fpsynth.solvers.race import Attempt
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.synthesis.domain import Interval, check_interval
from fpsynth.synthesis.verdicts import Proof, Verdict
from fpsynth.witness.data import View, Witness
from fpsynth.witness.prediction import contains

MAX_TERMS = 4096


@dataclass(frozen=True)
class FlipQuestion:
    """Find a layer of ``terms`` inputs and a point at which the second view departs from the first, and no other view does."""

    question: str
    """order, precision, relu, ...: what the divergence is called."""
    format: Format
    """Of the weights and the inputs; the views' formats contain it."""
    terms: int
    predicate: Predicate
    views: tuple[View, ...]
    """The reference, the deployed one, then the silent ones: deployments of one layer without a bias."""
    weights: Interval
    inputs: Interval
    maximise: bool = False
    """Use the time for improvements to find a larger ``Predicate.measure``."""
    camouflage: bool = False
    """No weight and no input is zero, and no product stands out by more than is needed."""
    ones: bool = False
    """All inputs are 1."""

    def __post_init__(self) -> None:
        if not 1 <= self.terms <= MAX_TERMS:
            raise InputError(f"the number of terms must be from 1 to {MAX_TERMS}, not {self.terms}")
        if len(self.views) < 2:
            raise InputError("a question needs two views: the reference and the deployed one")
        _ = self.predicate.searched  # refuses what no layer is searched for
        if self.predicate.output >= self.outputs:
            raise InputError(f"the layer has {self.outputs} outputs, so there is no output {self.predicate.output}")
        if any(view.permutation for view in self.views):
            raise InputError("a flip is searched for without rearranging the neurons")
        check_interval(self.weights, self.format, "the weights' range")
        check_interval(self.inputs, self.format, "the inputs' range")
        if self.ones and not self.inputs.lower <= 1 <= self.inputs.upper:
            raise InputError(f"all inputs are to be 1, but their range is {self.inputs}")
        for view in self.views:
            for how in arithmetics(view, self.outputs):
                if how.needs_bias:
                    raise InputError(f"{view.label}: the order has a leaf for the bias, but the layer has none")
                if how.format is None:
                    continue
                program_of(how, self.terms)
                if not contains(how.format, self.format):
                    raise InputError(f"{view.label}: {how.format} does not hold every number of {self.format}")

    @property
    def outputs(self) -> int:
        """Outputs of the layer: two classes, or one number."""
        return 2 if self.predicate.relation.about_classes else 1

    @property
    def of_inputs(self) -> Interval:
        """What the inputs may be: 1 where all are 1."""
        return Interval(Fraction(1), Fraction(1)) if self.ones else self.inputs

    @property
    def zeros(self) -> bool:
        """Whether a product may be zero."""
        return not self.camouflage and (_holds(self.weights, 0) or (_holds(self.inputs, 0) and not self.ones))

    @property
    def cancels(self) -> bool:
        """Whether products of both signs are possible."""
        return _two_signed(self.weights) or (_two_signed(self.inputs) and not self.ones)


def common_format(a: Format, b: Format) -> Format:
    """The format with the most precision, of those that have a name, whose numbers both a and b hold: often one of the two.

    Raises InputError where there is none.
    """
    both = [fmt for fmt in FORMATS.values() if contains(a, fmt) and contains(b, fmt)]
    if not both:
        raise InputError(f"no format's numbers are all of {a} and of {b}: choose two of which one holds those of the other")
    return max(both, key=lambda fmt: (fmt.precision, fmt.exponent_bits))


def arithmetics(view: View, outputs: int) -> tuple[Arithmetic, ...]:
    """The arithmetic of each output of a view's one layer."""
    return tuple(view.deployment.at(0, output) for output in range(outputs))


def _holds(interval: Interval, number: int) -> bool:
    return interval.lower <= number <= interval.upper


def _two_signed(interval: Interval) -> bool:
    return interval.lower < 0 < interval.upper


@dataclass(frozen=True)
class FlipResult:
    """The answer to the question."""

    verdict: Verdict
    divergence: Witness | None
    proof: Proof | None
    reason: str
    """Why the verdict is what it is, in one line."""
    attempts: tuple[Attempt, ...] = ()
    seconds: float = 0.0
    strict: bool = False
    """Of a sign: the signs are opposite, so that it is a relu flip too."""
    standing_out: Fraction | None = None
    """The largest product divided by the median of all of them, in magnitude; None where that is zero."""
