"""When two arithmetics are one: they evaluate the same expression for a number of terms, whatever they are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from fpsynth.errors import InputError
from fpsynth.expressions import Expression, Op, cast, topological, variable
from fpsynth.formats import FLOAT64, Format, holds
from fpsynth.networks.lowering import lower
from fpsynth.networks.template import Template, template
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind, held_format

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
    a, b = _plain(a, terms, fmt), _plain(b, terms, fmt)
    return interned.keys([lowered(a, terms, fmt)]) == interned.keys([lowered(b, terms, fmt)])


def _plain(how: Arithmetic, terms: int, numbers: Format) -> Arithmetic:
    """The arithmetic with every product rounded to nearest that rounding leaves as it is: fused or not, in whatever mode.

    A product of two numbers of p bits has 2p at most, and is a number of a format that holds it.  What a step does that takes
    exact products, in whatever way, is done to the sum of these numbers.  Steps that align are left alone: they read the
    factors' exponents; and so is what is flushed.
    """
    program = program_of(how, terms)
    if program.format is None:
        return how
    leaves, kinds = list(program.leaves), list(program.steps)
    for leaf, taker in enumerate(program.takers[:terms]):
        leaves[leaf] = _rounded(program, leaf, taker, numbers)
    for position, (operands, step) in enumerate(zip(program.tree.steps, program.steps, strict=True)):
        if step.kind is StepKind.FMA and not any(node < len(leaves) and leaves[node].exact for node in operands):
            kinds[position] = replace(step, kind=StepKind.ADD)
    return Arithmetic(how.format, given=replace(program, leaves=tuple(leaves), steps=tuple(kinds)))


def _rounded(program: Program, leaf: int, taker: Step | None, numbers: Format) -> Leaf:
    """A leaf, its product rounded to nearest where its first rounding, or the lack of one, changes no number."""
    own = program.leaves[leaf]
    if own.exact and (taker is None or taker.kind is StepKind.ALIGNED):
        return own
    first = own.rounds[0] if own.rounds else taker.rounds[0] if taker is not None else None
    if own.kind is not LeafKind.PRODUCT or first is None or first.flush or any(one.flush for one in own.reads):
        return own
    factors, wide = held_format(numbers, own.reads), first.format
    bits = 2 * factors.precision <= wide.precision and 2 * factors.lsb_min >= wide.lsb_min
    if not bits or factors.max_finite**2 > wide.max_finite or not holds(wide, program.factor_format(leaf)):
        return own
    return replace(own, rounds=(Round(wide), *own.rounds[1:]))


@lru_cache(maxsize=256)
def same_neuron(a: Arithmetic, b: Arithmetic, terms: int, bias: bool, numbers: Format) -> bool:
    """Whether a neuron of ``terms`` products of ``numbers``, perhaps with a bias, is the same expression in both.

    The order of two operands apart.  False for an order of another number of terms, and for a format that does not hold the
    numbers.
    """
    if a == b:
        return True
    interned = Interned()
    try:
        return interned.keys(_neuron(a, terms, bias, numbers)) == interned.keys(_neuron(b, terms, bias, numbers))
    except (InputError, ValueError):
        return False


def _neuron(how: Arithmetic, terms: int, bias: bool, numbers: Format) -> tuple[Expression, ...]:
    row = tuple(variable(f"w{k}", numbers) for k in range(terms))
    network = template([((row,), (variable("b", numbers),) if bias else None)])
    return lowered_in(network, [variable(f"x{k}", numbers) for k in range(terms)], Deployment(how))
