"""What can be seen without a search: questions whose answer is impossible for a reason that needs no solver."""

from __future__ import annotations

from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.formats import Format, holds
from fpsynth.rounding import from_fraction
from fpsynth.sums.building import program_of
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.exactness import ExactSum, alike, described, exact_sum, near, numbers_within
from fpsynth.synthesis.flips.arithmetics import same
from fpsynth.synthesis.flips.one_sign import Ends, keeps_one_sign
from fpsynth.synthesis.flips.parts import common_parts, keeps_the_sign
from fpsynth.synthesis.flips.question import FlipQuestion, arithmetics
from fpsynth.synthesis.verdicts import Proof
from fpsynth.verifiers.bounds import float_up
from fpsynth.verifiers.interval_ball import order_agnostic_interval
from fpsynth.witness.data import View
from fpsynth.wording import counted, significant


def impossible(question: FlipQuestion) -> Proof | None:
    """The proof that the question has no solution, where its structure shows that; else None."""
    reference, deployed = question.views[:2]
    if _same(question, reference, deployed):
        return Proof(
            "both views evaluate the same expression: "
            f"{reference.label} and {deployed.label}, {counted(question.terms, 'term')}",
            "structural",
            {"terms": question.terms},
        )
    for view in question.views[2:]:
        if _same(question, view, deployed):
            statement = f"{view.label}, which must be silent, evaluates the same expression as {deployed.label}"
            return Proof(statement, "structural", {"terms": question.terms, "view": view.name})
    return _nothing(question) or _three(question) or _one_sign(question) or _narrow(question) or nothing_rounds(question)


def _same(question: FlipQuestion, a: View, b: View) -> bool:
    pairs = zip(arithmetics(a, question.outputs), arithmetics(b, question.outputs), strict=True)
    return all(same(x, y, question.terms, question.format) for x, y in pairs)


def _nothing(question: FlipQuestion) -> Proof | None:
    """Where all products are zero, so is every sum, however it is taken: the layer has no bias."""
    if question.weights.magnitude and (question.ones or question.inputs.magnitude):
        return None
    return Proof("every product is zero, and so is every sum", "contradictory domain", {"terms": question.terms})


def _three(question: FlipQuestion) -> Proof | None:
    """Programs that join the same three rounded numbers in two ways never give opposite signs (see ``flips.parts``)."""
    a, b = (arithmetics(view, 1)[0] for view in question.views[:2])
    if not question.predicate.relation.opposite_signs or a.format is None or a.format != b.format:
        return None
    if not all(map(keeps_the_sign, common_parts(program_of(a, question.terms), program_of(b, question.terms)))):
        return None
    return Proof(
        "both views join the same three rounded numbers, whose sum has, if it is not zero, the sign of their exact sum, "
        "whatever the order: rounding is monotonic",
        "structural",
        {"terms": question.terms},
    )


def _one_sign(question: FlipQuestion) -> Proof | None:
    """Where all products are of one sign and no sum can underflow or overflow, so is every sum (see ``flips.one_sign``)."""
    if not question.predicate.relation.reads_signs:
        return None
    weights, inputs = _signed_ends(question.weights, question.format), _signed_ends(question.of_inputs, question.format)
    if weights is None or inputs is None:
        return None
    hows = [how for view in question.views[:2] for how in arithmetics(view, 1) if how.format is not None]
    if not all(keeps_one_sign(program_of(how, question.terms), weights, inputs) for how in hows):
        return None
    return Proof(
        f"every product of weights in {question.weights} and inputs in {question.inputs} has the same sign, "
        "so every partial sum has it in any order",
        "structural",
        {"terms": question.terms},
    )


def _signed_ends(interval: Interval, fmt: Format) -> Ends | None:
    """The numbers of a format in a range that are nearest to zero and farthest from it; None where they have no one sign."""
    if interval.lower <= 0 <= interval.upper:
        return None
    known = numbers_within(interval, fmt)
    if known is None:
        return None
    low, high = (from_fraction(number if interval.lower > 0 else -number) for number in (known.least, known.most))
    return low, high


def _narrow(question: FlipQuestion) -> Proof | None:
    """A gap that is larger than all rounding errors together.

    Both results are within a bound of the exact sum that holds for every order and grows with the sum of the products'
    magnitudes, which the largest weight and the largest input bound (see verifiers/interval_ball.py).
    """
    if not question.predicate.relation.bounded:
        return None
    numbers = numbers_within(question.weights, question.format), numbers_within(question.of_inputs, question.format)
    weight, largest = (float_up(Fraction(0) if known is None else known.most) for known in numbers)
    exact = question.terms * Fraction(weight) * Fraction(largest)
    room = Fraction(0)
    for view in question.views[:2]:
        how = arithmetics(view, 1)[0]
        if how.format is None:
            continue
        reads = {one.format for leaf in program_of(how, question.terms).leaves for one in leaf.reads}
        if not all(holds(fmt, question.format) for fmt in reads):
            return None  # rounding the operands is no rounding error of the sum: the bound does not count it
        try:
            room += order_agnostic_interval([weight] * question.terms, [largest] * question.terms, how)[1] - exact
        except InputError:
            return None
    if question.predicate.bound <= room:
        return None
    return Proof(
        f"no order of {counted(question.terms, 'product')} of weights in {question.weights} and inputs in {question.inputs}"
        f" rounds that far: the two results are never more than {significant(room, 3, 'up')} apart",
        "structural",
        {"terms": question.terms, "bound": str(room)},
    )


def nothing_rounds(question: FlipQuestion) -> Proof | None:
    """Where no addition rounds, no order matters (see ``fpsynth.synthesis.exactness``)."""
    reference, deployed, *silent = (_exact_sums(question, view) for view in question.views)
    if deployed is None:
        return None
    first, second, *others = (view.label for view in question.views)
    found = ("", deployed)
    if reference is not None and (common := alike(question.predicate, reference, deployed)):
        found = f"{first} and {second} always give {common}", reference
    elif reference is not None and near(question.predicate, reference, deployed):
        found = f"{first} and {second} round the same sum, each once, and are never that far apart", reference
    for label, sums in zip(others, silent, strict=True):
        if not found[0] and sums is not None and (common := alike(question.predicate, sums, deployed)):
            found = f"{label}, which must be silent, and {second} always give {common}", sums
    statement, sums = found[0], [*found[1], *deployed]
    if not statement:
        return None
    details = {"terms": question.terms, "multiples_of": min(s.last for s in sums), "most": str(max(s.most for s in sums))}
    return Proof(f"{statement}: {described(sums)}, whatever the order", "structural", details)


def _exact_sums(question: FlipQuestion, view: View) -> list[ExactSum] | None:
    """What each output of a view computes, where all of them add up exactly."""
    inputs = None if question.ones else question.inputs
    hows = arithmetics(view, question.outputs)
    sums = [exact_sum(how, question.terms, question.format, question.weights, inputs) for how in hows]
    known = [found for found in sums if found is not None]
    return known if len(known) == len(sums) else None
