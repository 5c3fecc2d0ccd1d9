"""What can be seen without a search: questions whose answer is impossible for a reason that needs no solver."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from fpsynth.certifiers.interval_ball import order_agnostic_interval
from fpsynth.errors import InputError
from fpsynth.orders import Tree
from fpsynth.synthesis.flips.arithmetics import same
from fpsynth.synthesis.flips.question import FlipQuestion, arithmetics
from fpsynth.synthesis.result import Proof
from fpsynth.witness.divergence import View


def impossible(question: FlipQuestion) -> Proof | None:
    """The proof that the question has no solution, where its structure shows that; else None."""
    reference, deployed = question.views[:2]
    if _same(question, reference, deployed):
        return Proof(
            "both views evaluate the same expression: " + f"{reference.label} and {deployed.label}, {question.terms} terms",
            "structural",
            {"terms": question.terms},
        )
    for view in question.views[2:]:
        if _same(question, view, deployed):
            statement = f"{view.label}, which must be silent, evaluates the same expression as {deployed.label}"
            return Proof(statement, "structural", {"terms": question.terms, "view": view.name})
    return _three(question) or _one_sign(question) or _narrow(question)


def _same(question: FlipQuestion, a: View, b: View) -> bool:
    pairs = zip(arithmetics(a, question.outputs), arithmetics(b, question.outputs), strict=True)
    return all(same(x, y, question.terms, question.format) for x, y in pairs)


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
    of_a, of_b = (_names(tree, names) for tree in (a, b))
    common = set(of_b)
    parts, todo = 0, [a.root]
    while todo:
        node = todo.pop()
        if of_a[node] in common:
            parts += 1
        else:
            todo += a.steps[node - a.leaves]
    return parts


def _names(tree: Tree, names: dict[tuple[int, ...], int]) -> list[int]:
    """A number for each node, the same for equal partial sums of whichever tree."""
    own = list(range(tree.leaves))
    for step in tree.steps:
        key = tuple(sorted(own[node] for node in step))
        own.append(names.setdefault(key, tree.leaves + len(names)))
    return own


def _one_sign(question: FlipQuestion) -> Proof | None:
    """Where all products are of one sign and none can underflow or overflow, so is every sum, whatever its order.

    Rounding is monotonic, so a product whose magnitude is from the smallest normal number to the largest one rounds to one of
    its sign, and so does a sum of numbers of one sign.
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
            formats = [f for f in (how.format, how.sum_format, how.operands) if f is not None]
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
        _rounded_up(m) for m in (question.weights.magnitude, Fraction(1) if question.ones else question.inputs.magnitude)
    )
    exact = question.terms * Fraction(weight) * Fraction(largest)
    room = Fraction(0)
    for view in question.views[:2]:
        how = arithmetics(view, 1)[0]
        if how.format is None:
            continue
        if how.operands is not None:
            return None  # rounding the operands is no rounding error of the sum: the bound does not count it
        try:
            room += order_agnostic_interval([weight] * question.terms, [largest] * question.terms, how)[1] - exact
        except InputError:
            return None
    if question.predicate.bound <= room:
        return None
    return Proof(
        f"no order of {question.terms} products of weights in {question.weights} and inputs in {question.inputs} rounds that "
        f"far: the two results are never more than {float(room):.3g} apart",
        "structural",
        {"terms": question.terms, "bound": str(room)},
    )


def _rounded_up(number: Fraction) -> float:
    """The number, or the next float64 above it."""
    nearest = float(number)
    return nearest if Fraction(nearest) >= number else math.nextafter(nearest, math.inf)
