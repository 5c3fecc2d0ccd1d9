"""When two arithmetics are one: they evaluate the same expression for a number of terms, whatever they are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from fpsynth.arithmetic import Arithmetic, Deployment
from fpsynth.expressions import Expression, Op, cast, topological, variable
from fpsynth.formats import FLOAT64, Format, holds
from fpsynth.networks.lowering import lower
from fpsynth.networks.template import Template, template

_COMMUTATIVE = (Op.ADD, Op.MUL, Op.MAX)

Key = int


class Interned:
    """Numbers expressions such that equal ones, up to the order of the operands of a sum or a product, get equal numbers."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[object, ...], Key] = {}

    def keys(self, roots: Sequence[Expression]) -> list[Key]:
        """The numbers of the roots."""
        known: dict[int, Key] = {}
        for node in topological(roots):
            args = [known[id(arg)] for arg in node.args]
            if node.op in _COMMUTATIVE:
                args.sort()
            elif node.op is Op.FMA:
                args[:2] = sorted(args[:2])
            elif node.op is Op.ALIGNED:
                args = _unordered(args, node.products)
            how = (node.format, node.rounding, node.flush, node.alignment, node.products)
            shape = (node.op, tuple(args), how, node.name, node.value)
            known[id(node)] = self.numbers.setdefault(shape, len(self.numbers))
        return [known[id(root)] for root in roots]


def _unordered(args: list[Key], products: int) -> list[Key]:
    """The numbers and the pairs of factors of an aligned sum, whose order does not matter, in ascending order."""
    split = len(args) - 2 * products
    pairs = sorted(sorted(pair) for pair in zip(args[split::2], args[split + 1 :: 2], strict=True))
    return [*sorted(args[:split]), *(factor for pair in pairs for factor in pair)]


def lowered(how: Arithmetic, terms: int, numbers: Format) -> Expression:
    """The sum of ``terms`` products of the unknowns w0, x0, w1, x1, ... of a format, in an arithmetic."""
    row = tuple(variable(f"w{k}", numbers) for k in range(terms))
    point = [variable(f"x{k}", numbers) for k in range(terms)]
    return lowered_in(template([((row,), None)]), point, Deployment(how))[0]


def lowered_in(network: Template[Expression], point: Sequence[Expression], deployment: Deployment) -> tuple[Expression, ...]:
    """The logits of a network whose numbers are of a narrower format than the deployment's, which holds them exactly."""
    fmt = deployment.default.format
    if fmt is None:
        return lower(network, point, deployment)
    return lower(network.map(lambda weight: cast(weight, fmt)), [cast(x, fmt) for x in point], deployment)


@lru_cache(maxsize=1024)
def same(a: Arithmetic, b: Arithmetic, terms: int, numbers: Format | None = None) -> bool:
    """Whether a and b evaluate the same expression of ``terms`` products, the order of two operands apart.

    Products that no rounding changes are the same fused or not.

    ``numbers`` is the format of weights and inputs; None: of a, if it has one, else of b.  Two arithmetics that evaluate
    different expressions may still agree on all numbers.
    """
    if a.format is None or b.format is None:
        return a.format is b.format
    fmt = numbers or a.format or b.format or FLOAT64
    if numbers is None and a.format != b.format:
        return False
    interned = Interned()
    a, b = _unfused(a), _unfused(b)
    return interned.keys([lowered(a, terms, fmt)]) == interned.keys([lowered(b, terms, fmt)])


def _unfused(how: Arithmetic) -> Arithmetic:
    """The arithmetic without fusing where that changes no number, since the accumulator holds all products."""
    factors, wide = how.operands or how.format, how.sum_format
    if not how.fused or how.alignment is not None or how.products is not None or how.flush or factors is None or wide is None:
        return how
    bits = 2 * factors.precision <= wide.precision and 2 * factors.lsb_min >= wide.lsb_min
    exact = bits and factors.max_finite**2 <= wide.max_finite and holds(wide, factors)
    return replace(how, fused=False, rounded=()) if exact else how
