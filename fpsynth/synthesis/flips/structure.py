"""What can be seen without a search: questions whose answer is impossible for a reason that needs no solver."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from fpsynth.alignment import Alignment
from fpsynth.arithmetic import Arithmetic
from fpsynth.certifiers.bounds import float_up
from fpsynth.certifiers.interval_ball import order_agnostic_interval
from fpsynth.errors import InputError
from fpsynth.formats import Format, holds, power_of_two
from fpsynth.orders import Tree
from fpsynth.orders.comparing import subtree_names
from fpsynth.synthesis.exactness import ExactSum, alike, described, exact_sum, near
from fpsynth.synthesis.flips.arithmetics import same
from fpsynth.synthesis.flips.question import FlipQuestion, arithmetics
from fpsynth.synthesis.verdicts import Proof
from fpsynth.witness.divergence import View
from fpsynth.wording import counted


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
    """Orders that join the same three rounded numbers in two ways never give opposite signs.

    fl(x + y) has the sign of x + y or is zero, and rounding is monotonic: fl(i+j) < -k only if i+j < -k, -k being a number of
    the format.  So a result below zero needs i+j+k < 0, and one above zero needs i+j+k > 0, in whichever order.
    """
    a, b = (arithmetics(view, 1)[0] for view in question.views[:2])
    if question.predicate.kind != "relu" or a.fused or a.flush or a.format is None:
        return None
    if replace(a, order=b.order, rounded=b.rounded) != b:
        return None
    if _different_parts(a.order.tree(question.terms), b.order.tree(question.terms)) > 3:
        return None
    return Proof(
        "both views join the same three rounded numbers, whose sum has, if it is not zero, the sign of their exact sum, "
        "whatever the order: rounding is monotonic",
        "structural",
        {"terms": question.terms},
    )


def _different_parts(a: Tree, b: Tree) -> int:
    """How many of the largest partial sums (or leaves) that both trees have make up the whole."""
    names: dict[tuple[int, ...], int] = {}
    of_a, of_b = (subtree_names(tree, names) for tree in (a, b))
    common = set(of_b)
    parts, todo = 0, [a.root]
    while todo:
        node = todo.pop()
        if of_a[node] in common:
            parts += 1
        else:
            todo += a.steps[node - a.leaves]
    return parts


def _one_sign(question: FlipQuestion) -> Proof | None:
    """Where all products are of one sign and none can underflow or overflow, so is every sum, whatever its order.

    Rounding is monotonic, so a product whose magnitude is from the smallest normal number to the largest one rounds to one of
    its sign, and so does a sum of numbers of one sign.  A step that aligns keeps the leading bit of its largest addend, unless
    that lies below the least exponent by as many bits as are kept, and what it drops of the others changes no sign.
    """
    inputs = Fraction(1) if question.ones else question.inputs.mignitude
    largest = Fraction(1) if question.ones else question.inputs.magnitude
    least = question.weights.mignitude * inputs
    if question.predicate.kind not in ("sign", "relu") or least == 0:
        return None
    # operands rounded to fewer bits and every sum stay within factors of 2 per rounding, which is far more than they need
    most = 4 * question.terms * question.weights.magnitude * largest
    for view in question.views[:2]:
        for how in arithmetics(view, 1):
            formats = [f for f in (how.format, how.sum_format, how.operands, how.products) if f is not None]
            if how.alignment is not None and least < 4 * _last_place(how.alignment):
                return None
            if any(least < 4 * f.min_normal or most > f.max_finite for f in formats):
                return None
            if any(min(question.weights.mignitude, inputs) < 4 * f.min_normal for f in formats):
                return None
    return Proof(
        f"every product of weights in {question.weights} and inputs in {question.inputs} has the same sign, "
        "so every partial sum has it in any order",
        "structural",
        {"terms": question.terms},
    )


def _narrow(question: FlipQuestion) -> Proof | None:
    """A gap that is larger than all rounding errors together.

    Both results are within a bound of the exact sum that holds for every order and grows with the sum of the products'
    magnitudes, which the largest weight and the largest input bound (see certifiers/interval_ball.py).
    """
    if question.predicate.kind != "gap":
        return None
    weight, largest = (
        float_up(m) for m in (question.weights.magnitude, Fraction(1) if question.ones else question.inputs.magnitude)
    )
    exact = question.terms * Fraction(weight) * Fraction(largest)
    room = Fraction(0)
    for view in question.views[:2]:
        how = arithmetics(view, 1)[0]
        if how.format is None:
            continue
        if how.operands is not None or how.products is not None or not _holds(how.sum_format, how.format):
            return None  # rounding the operands is no rounding error of the sum: the bound does not count it
        if how.alignment is not None:
            bound = _aligned_error(how, how.alignment, question.terms, Fraction(weight), Fraction(largest))
            if bound is None:
                return None
            room += bound
            continue
        try:
            room += order_agnostic_interval([weight] * question.terms, [largest] * question.terms, how)[1] - exact
        except InputError:
            return None
    if question.predicate.bound <= room:
        return None
    return Proof(
        f"no order of {counted(question.terms, 'product')} of weights in {question.weights} and inputs in {question.inputs}"
        f" rounds that far: the two results are never more than {float(room):.3g} apart",
        "structural",
        {"terms": question.terms, "bound": str(room)},
    )


def nothing_rounds(question: FlipQuestion) -> Proof | None:
    """Where no addition rounds, no order matters (see ``fpsynth.synthesis.exactness``)."""
    reference, deployed, *silent = (_exact_sums(question, view) for view in question.views)
    if deployed is None:
        return None
    first, second, *others = (view.label for view in question.views)
    kind = question.predicate.kind
    found = ("", deployed)
    if reference is not None and (common := alike(kind, reference, deployed)):
        found = f"{first} and {second} always give {common}", reference
    elif reference is not None and near(question.predicate, reference, deployed):
        found = f"{first} and {second} round the same sum, each once, and are never that far apart", reference
    for label, sums in zip(others, silent, strict=True):
        if not found[0] and sums is not None and (common := alike(kind, sums, deployed)):
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


def _holds(wide: Format | None, narrow: Format) -> bool:
    return wide is not None and holds(wide, narrow)


def _last_place(how: Alignment) -> Fraction:
    """Below which everything is dropped, however small all addends are: 0 where there is no least exponent."""
    return Fraction(0) if how.least_exponent is None else power_of_two(how.least_exponent - how.fraction_bits)


def _aligned_error(how: Arithmetic, align: Alignment, terms: int, weight: Fraction, largest: Fraction) -> Fraction | None:
    """How far a sum of products of numbers of these magnitudes may be from the exact one where steps align; None: not bounded.

    Let M be the sum of the products' magnitudes and E the error so far, at most.  Every addend, rounded products included, is
    at most M + E, and the largest exponent of a step is at most that of the larger of M + E and of t: what a factor or a
    partial sum may be less than its exponent says where it is subnormal, or the least exponent.  So a step of k addends drops
    less than k 2**-F max(M + E, t), and a rounding in any mode at most 2**(1-p) (M + E) plus the least subnormal.  All
    steps have less than 2n addends, and with the products less than 2n roundings, so that

        E <= 2n (2**-F + 2**(1-p)) (M + E) + 2n (2**-F t + least subnormal),

    which is solved for E; the cast of the result is one rounding more.
    """
    assert how.format is not None
    assert how.sum_format is not None
    wide, fmt = how.sum_format, how.format
    if how.flush:
        return None
    whole = terms * weight * largest
    tiny = max(power_of_two(wide.emin), power_of_two(fmt.emin) * max(weight, largest, power_of_two(fmt.emin)))
    tiny = max(tiny, Fraction(0) if align.least_exponent is None else power_of_two(align.least_exponent))
    dropped = 2 * terms * power_of_two(-align.fraction_bits)
    share = dropped + 2 * terms * 2 * wide.unit_roundoff
    if share >= 1:
        return None
    error = (share * whole + dropped * tiny + 2 * terms * wide.min_subnormal) / (1 - share)
    if fmt != wide:
        error += 2 * fmt.unit_roundoff * (whole + error) + fmt.min_subnormal
    return error if whole + error < min(fmt.max_finite, wide.max_finite) / 2 else None
