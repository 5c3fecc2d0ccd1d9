"""Rewrites a graph so that every real constant is dyadic: thirds and tenths are multiplied out of the comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.expressions import Expression, Op, constant, mul, topological
from fpsynth.rounding import MINUS_ZERO, round_fraction

_Scaled = tuple[Expression, int]
"""A node that is worth an odd positive integer times the node it replaces, and that integer."""


def with_dyadic_constants(roots: Sequence[Expression]) -> list[Expression]:
    """Return boolean roots of the same truth in which every constant is an integer times a power of two.

    Nodes that no other rational reaches are kept as they are.  Raises InputError where a multiple of another rational is
    rounded into a format, which no scaling can express.
    """
    done: dict[int, _Scaled] = {}
    for node in topological(roots):
        done[id(node)] = _rewrite(node, [done[id(arg)] for arg in node.args])
    return [done[id(root)][0] for root in roots]


def _rewrite(node: Expression, args: list[_Scaled]) -> _Scaled:
    if node.op is Op.CONSTANT:
        return _constant(node)
    scales = [scale for _, scale in args]
    if node.op is Op.CAST and node.format is not None and scales[0] != 1:
        return _cast(node), 1
    if all(scale == 1 for scale in scales):
        return _with_args(node, [arg for arg, _ in args]), 1
    if node.op is Op.MUL:
        return _with_args(node, [arg for arg, _ in args]), scales[0] * scales[1]
    if node.op is Op.FMA:
        product = scales[0] * scales[1]
        common = math.lcm(product, scales[2])
        factors = [common // product, 1, common // scales[2]]
    else:
        common = math.lcm(*scales)
        factors = [common // scale for scale in scales]
    scaled = [_times(arg, factor) for (arg, _), factor in zip(args, factors, strict=True)]
    return _with_args(node, scaled), 1 if node.op.boolean else common


def _constant(node: Expression) -> _Scaled:
    assert node.value is not None
    denominator = node.value.denominator
    odd = denominator // (denominator & -denominator)
    return (node, 1) if odd == 1 else (constant(node.value * odd, None), odd)


def _cast(node: Expression) -> Expression:
    source, fmt = node.args[0], node.format
    assert fmt is not None
    if source.op is Op.CONSTANT:
        assert source.value is not None
        value = round_fraction(source.value, fmt, node.rounding, node.flush)
        if value.is_finite and value != MINUS_ZERO:
            return constant(value.fraction(), fmt)
    raise InputError(f"cannot encode the rounding of a multiple of a rational that is no binary fraction into {fmt}")


def _times(node: Expression, factor: int) -> Expression:
    if factor == 1:
        return node
    if node.op is Op.CONSTANT:
        assert node.value is not None
        return constant(node.value * factor, None)
    return mul(constant(Fraction(factor), None), node)


def _with_args(node: Expression, args: list[Expression]) -> Expression:
    return node if all(a is b for a, b in zip(args, node.args, strict=True)) else replace(node, args=tuple(args))
