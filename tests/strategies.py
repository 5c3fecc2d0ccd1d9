"""Hypothesis strategies for hostile values of any format, and for random expressions, orders, arithmetics and networks."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from fractions import Fraction

from hypothesis import strategies as st

from fpsynth import expressions as e
from fpsynth import rounding as r
from fpsynth.expressions import Expression, Op
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.networks.template import Template, template
from fpsynth.orders import Order, Tree
from fpsynth.orders.families import FAMILIES
from fpsynth.rounding import Flush, Rounding, Value
from fpsynth.sums.arithmetic import Arithmetic

TINY = Format("tiny", 3, 3)
TINYFN = Format("tinyfn", 3, 3, has_infinity=False)
MICRO = Format("micro", 2, 3)
TWO_BITS = Format("two_bits", 4, 2, has_infinity=False)
ODD = Format("odd", 4, 7)
WIDE = Format("wide", 11, 24)
"""Products of its numbers leave the range of float64."""
INVENTED = (TINY, TINYFN, MICRO, TWO_BITS, ODD, WIDE)
SMALL = (FLOAT16, BFLOAT16, TF32, FLOAT8_E4M3FN, FLOAT8_E5M2, TINY, TINYFN, MICRO, TWO_BITS, ODD)
EVERY = (*SMALL, FLOAT32, FLOAT64, WIDE)

formats = st.sampled_from(EVERY)
roundings = st.sampled_from(list(Rounding))


@functools.cache
def landmarks(fmt: Format) -> list[int]:
    """Magnitude encodings where arithmetic changes its character: zero, the subnormals' ends, one, the largest, a halfway 1."""
    one = r.to_bits(r.from_fraction(1), fmt)
    trailing = fmt.precision - 1
    places = [
        0,
        1 << trailing,
        one,
        one + (1 << trailing),
        fmt.max_finite_bits,
        1 << (trailing // 2),
        one | 1 << (trailing // 2),
    ]
    below_one = max(0, one - (fmt.precision << trailing))  # 2**-p: half an ulp of one
    return [*places, below_one, fmt.max_finite_bits - (fmt.precision << trailing) if one >= fmt.precision << trailing else 0]


def _from_magnitude(magnitude: int, negative: bool, fmt: Format) -> Value:
    clipped = min(max(magnitude, 0), fmt.max_finite_bits)
    return r.from_bits(clipped | int(negative) << (fmt.bits - 1), fmt)


@functools.cache
def values(fmt: Format, *, finite: bool = False) -> st.SearchStrategy[Value]:
    """Values of ``fmt``, often hostile: a few ulps from a landmark or a power of two; infinities and NaN unless ``finite``."""
    near = st.builds(
        lambda place, ulps, negative: _from_magnitude(place + ulps, negative, fmt),
        st.sampled_from(landmarks(fmt)),
        st.integers(-3, 3),
        st.booleans(),
    )
    anywhere = st.builds(
        lambda m, negative: _from_magnitude(m, negative, fmt), st.integers(0, fmt.max_finite_bits), st.booleans()
    )
    powers = st.builds(
        lambda exponent, ulps, negative: _from_magnitude((exponent << (fmt.precision - 1)) + ulps, negative, fmt),
        st.integers(0, (1 << fmt.exponent_bits) - 1),
        st.integers(-2, 2),
        st.booleans(),
    )
    strategies = [near, anywhere, powers]
    if not finite:
        special = [r.NAN, r.PLUS_INFINITY, r.MINUS_INFINITY] if fmt.has_infinity else [r.NAN]
        strategies.append(st.sampled_from([*special, r.PLUS_ZERO, r.MINUS_ZERO]))
    return st.one_of(strategies)


@functools.cache
def _constants(fmt: Format) -> st.SearchStrategy[Expression]:
    """Constant nodes of ``fmt``; a constant zero is +0."""
    return values(fmt, finite=True).map(lambda v: e.constant(v.fraction(), fmt))


@st.composite
def operands(draw: st.DrawFn, fmt: Format, count: int) -> tuple[Value, ...]:
    """``count`` values of ``fmt`` that meet badly: opposites a few ulps apart, half an ulp of one another, or unrelated."""
    drawn = [draw(values(fmt))]
    while len(drawn) < count:
        other = drawn[draw(st.integers(0, len(drawn) - 1))]
        kind = draw(st.sampled_from(["free", "free", "near", "half ulp"]))
        if kind == "free" or not other.is_finite:
            drawn.append(draw(values(fmt)))
            continue
        magnitude = r.to_bits(other, fmt) & ((1 << (fmt.bits - 1)) - 1)
        if kind == "half ulp":
            magnitude -= fmt.precision << (fmt.precision - 1)
        drawn.append(_from_magnitude(magnitude + draw(st.integers(-2, 2)), draw(st.booleans()), fmt))
    return tuple(drawn)


_OPERATIONS = st.sampled_from([Op.NEG, Op.ADD, Op.ADD, Op.MUL, Op.MUL, Op.FMA, Op.MAX, Op.CAST])


@st.composite
def expressions(
    draw: st.DrawFn,
    fmt: Format,
    variables: Sequence[Expression],
    *,
    formats: Sequence[Format] = (),
    roundings: Sequence[Rounding] = tuple(Rounding),
    flush: bool = True,
    size: int = 8,
) -> Expression:
    """A numeric expression of format ``fmt`` with up to ``size`` operations over ``variables`` and constants, nodes shared.

    Intermediate results visit ``formats`` through casts; ``flush`` allows flushing nodes.
    """
    pool: list[Expression] = list(variables)
    places = st.sampled_from([fmt, *formats])
    modes = st.sampled_from(roundings)
    flushes = st.sampled_from(Flush) if flush else st.just(Flush.NEVER)
    for _ in range(draw(st.integers(1, size))):
        place = draw(places)

        def pick(place: Format = place) -> Expression:
            """A node of the format at hand: an earlier one, cast if need be, or a constant."""
            if not pool or draw(st.integers(0, 5)) == 0:
                return draw(_constants(place))
            return e.cast(draw(st.sampled_from(pool)), place, draw(modes), draw(flushes))

        op = draw(_OPERATIONS)
        count = e.ARITY[op] or 0
        pool.append(Expression(op, tuple(pick() for _ in range(count)), place, draw(modes), draw(flushes)))
    return e.cast(pool[-1], fmt)


@st.composite
def conditions(draw: st.DrawFn, fmt: Format, variables: Sequence[Expression], **how: object) -> Expression:
    """A boolean expression: comparisons of ``expressions`` (same keywords) under and, or, not."""
    numeric = expressions(fmt, variables, **how)  # type: ignore[arg-type]
    atoms = st.builds(lambda op, a, b: Expression(op, (a, b)), st.sampled_from([Op.LT, Op.LE, Op.EQ]), numeric, numeric)
    atom_list = draw(st.lists(atoms, min_size=1, max_size=3))
    joined = draw(st.sampled_from([e.conjunction, e.disjunction]))(atom_list)
    return e.negation(joined) if draw(st.booleans()) else joined


@st.composite
def trees(draw: st.DrawFn, leaves: int, most: int = 2) -> Tree:
    """Any expression tree over ``leaves`` leaves whose steps add up to ``most`` nodes; a binary one unless told otherwise."""
    nodes = list(range(leaves))
    steps: list[tuple[int, ...]] = []
    while len(nodes) > 1:
        count = min(len(nodes), draw(st.integers(2, most))) if most > 2 else 2
        steps.append(tuple(nodes.pop(draw(st.integers(0, len(nodes) - 1))) for _ in range(count)))
        nodes.append(leaves + len(steps) - 1)
    return Tree(leaves, tuple(steps))


orders = st.one_of(
    st.sampled_from([Order("sequential"), Order("reverse"), Order("pairwise")]),
    st.builds(Order, st.just("strided"), st.integers(1, 6)),
)

every_order = st.sampled_from(sorted(FAMILIES)).flatmap(
    lambda name: st.builds(
        Order,
        st.just(name),
        st.integers(0 if FAMILIES[name].optional else FAMILIES[name].least, 9) if FAMILIES[name].parameter else st.just(0),
    )
)
"""An order of any family, with its parameter where it takes one."""


@st.composite
def arithmetics(draw: st.DrawFn, fmt: Format) -> Arithmetic:
    """Any arithmetic whose values are of format ``fmt``."""
    return Arithmetic(
        fmt,
        accumulator=draw(st.sampled_from([None, FLOAT32, fmt])),
        rounding=draw(roundings),
        fused=draw(st.booleans()),
        flush=draw(st.sampled_from(Flush)),
        order=draw(orders),
        bias_first=draw(st.booleans()),
    )


@st.composite
def networks(draw: st.DrawFn, fmt: Format, widths: Sequence[int] = ()) -> Template[Value]:
    """A network of finite values of ``fmt``; its shape is ``widths`` (inputs, hidden..., outputs) or small and random."""
    shape = list(widths) or draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    number = values(fmt, finite=True)
    layers = []
    for inputs, outputs in itertools.pairwise(shape):
        rows = st.tuples(*[number] * inputs)
        weight = draw(st.tuples(*[rows] * outputs))
        layers.append((weight, draw(st.one_of(st.none(), st.tuples(*[number] * outputs)))))
    return template(layers)


rationals = st.builds(Fraction, st.integers(-(10**30), 10**30), st.integers(1, 10**30))
