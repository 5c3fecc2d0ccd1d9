"""Signs of numbers, as arrays and as expressions: what predicates about one output are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpsynth import expressions as ex
from fpsynth.expressions import Expression

if TYPE_CHECKING:
    from fpsynth.predicates.base import Floats, Truths


def opposite(x: Floats, y: Floats) -> Truths:
    """Where one of two numbers is below zero and the other above it."""
    return (x < 0) & (y > 0) | (x > 0) & (y < 0)


def above(node: Expression) -> Expression:
    """That a number is above zero."""
    return ex.lt(ex.constant(0, node.format), node)


def below(node: Expression) -> Expression:
    """That a number is below zero."""
    return ex.lt(node, ex.constant(0, node.format))


def one_alone(a: Expression, b: Expression) -> Expression:
    """One of them and not the other."""
    return ex.disjunction([ex.conjunction([a, ex.negation(b)]), ex.conjunction([b, ex.negation(a)])])
