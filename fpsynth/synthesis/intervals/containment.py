"""When interval arithmetic in order a must contain the value of order b: the theorem, and whether it applies.

Theorem.  Let a and b evaluate one neuron along the same tree.  Let b round nowhere but where a does, each time into a format
that holds every number of a's there; b may round in any mode at each step.  Then the interval of a, rounded outward, contains
b's value v at every point of its box, unless v is infinite or NaN.  So do wider intervals, such as ELINA's.

Proof, by induction over the nodes of the tree: let b's number at a node be y, a's interval there [l, h], and let l <= y <= h
hold for the operands.  Exact sums and products are monotone in each operand, or bounded by a corner of the box of their
operands; so the exact result e of b's operation lies between the exact ends e_l <= e <= e_h of a's.  If a does not round, b
does not either, and l = e_l, h = e_h, y = e.  If a rounds, l = RD(e_l) <= e_l, a number of a's format and hence of b's.  If b
rounds, every rounding is monotone and changes no number of its format: l = rnd(l) <= rnd(e) = y, and y <= h the same way.  If
b does not round, l <= e_l <= e = y.  Widened ends are lower or higher still, and the argument is the same.  Overflow: if y is
finite, so are all numbers of b that it comes from; an end that overflows is infinite or NaN and bounds nothing, or is the
largest number of a's format toward the inside, which is still a number of b's and beyond which e lies.  Flushing subnormals to
zero is monotone as well, whether what is tiny is told after rounding or with unbounded exponent (the rounding is then one
without a least exponent); it is covered where a and b differ in nothing but the rounding mode.

Real arithmetic is the b that rounds nowhere: its sum is the same along every tree.  So is a b that adds up exactly (see
``fpsynth.synthesis.exactness``) and rounds once at the end, into a format that holds every number of a's result.
"""

from __future__ import annotations

from dataclasses import replace

from fpsynth.arithmetic import Arithmetic
from fpsynth.certifiers.interval_expressions import includes
from fpsynth.formats import Format
from fpsynth.orders.comparing import equal
from fpsynth.orders.tree import Tree
from fpsynth.synthesis.exactness import described, exact_sum
from fpsynth.synthesis.intervals.question import IntervalQuestion
from fpsynth.synthesis.verdicts import Proof


def containment(question: IntervalQuestion) -> Proof | None:
    """The proof that the question has no answer, where the theorem says so; None where it does not apply."""
    why = _applies(question.reference, question.deployed, question.terms) or _exact(question)
    if not why:
        return None
    statement = (
        f"interval arithmetic in {question.a.label} contains every value that {question.b.label} computes: {why}, "
        "and rounding is monotone"
    )
    return Proof(statement, "structural", {"terms": question.terms, "widening": question.widening, "because": why})


def _applies(a: Arithmetic, b: Arithmetic, terms: int) -> str:
    """Why the theorem covers a and b, in words; empty where it does not."""
    assert a.format is not None
    if a.alignment is not None or b.alignment is not None:
        return ""  # an aligned sum drops parts of its addends: it is no rounding of their exact sum
    if b.format is None:
        return "" if a.flush else "real arithmetic rounds nowhere"
    tree, other = a.order.tree(terms), b.order.tree(terms)
    if not equal(tree, other):
        return ""
    if a.flush or b.flush:
        alike = replace(a, rounding=b.rounding, order=b.order) == b
        return "both sum along one tree and differ in the rounding mode alone" if alike else ""
    if not unrounded(a, tree) <= unrounded(b, other) or not _finer(a, b):
        return ""
    return "both sum along one tree, and b rounds nowhere else and nowhere more coarsely than a"


def _exact(question: IntervalQuestion) -> str:
    """Why b's value is the exact sum, rounded once at most, in words; empty where it may be another one."""
    a, b = question.reference, question.deployed
    if a.flush or a.alignment is not None:
        return ""
    found = exact_sum(b, question.terms, question.format, question.weights, question.inputs)
    if found is None or found.operands or found.products:
        return ""
    if found.result and (found.result[2] or not _holds(b.format, a.format)):
        return ""
    return f"in {question.b.label} {described([found])}, whatever the order"


def unrounded(how: Arithmetic, tree: Tree) -> frozenset[int]:
    """The leaves whose products are added exactly: fused ones, of two that meet the later one."""
    if not how.fused:
        return frozenset()
    found: set[int] = set()
    for step in tree.steps:
        fusible = [node for node in step if node < tree.leaves and node not in how.rounded]
        found.update(fusible if len(step) > 2 else sorted(fusible)[-1:])
    return frozenset(found)


def _finer(a: Arithmetic, b: Arithmetic) -> bool:
    """Whether every format of b holds all numbers of a's in the same place."""
    if b.operands is not None and (a.operands is None or not _holds(b.operands, a.operands)):
        return False
    if b.products is not None and (a.products is None or not _holds(b.products, a.products)):
        return False
    return _holds(b.format, a.format) and _holds(b.sum_format, a.sum_format)


def _holds(large: Format | None, small: Format | None) -> bool:
    return large == small or (large is not None and small is not None and includes(large, small))
