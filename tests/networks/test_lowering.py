"""Claims of lowering.py: what one neuron computes under each arithmetic, against formulas written by hand with Fractions."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from strategies import TINY, values

from fpsynth import expressions as e
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import Expression, Op, topological
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Dense
from fpsynth.networks.template import template
from fpsynth.orders import Order, Tree, fixed_order, parse_order
from fpsynth.rounding import Rounding, Value, round_fraction
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment

Numbers = Sequence[Fraction]
Formula = Callable[[Numbers, Numbers, Fraction], Fraction]


def half(x: Fraction) -> Fraction:
    """x rounded to nearest even in float16."""
    return round_fraction(x, FLOAT16).fraction()


def single(x: Fraction) -> Fraction:
    """x rounded to nearest even in float32."""
    return round_fraction(x, FLOAT32).fraction()


def how(order: str = "sequential", **changes: Any) -> Arithmetic:
    return Arithmetic(FLOAT16, order=parse_order(order), **changes)


def constants(numbers: Numbers, fmt: Format | None) -> tuple[Expression, ...]:
    return tuple(e.constant(x, fmt) for x in numbers)


def neuron(w: Numbers, x: Numbers, b: Fraction | None, arithmetic: Arithmetic) -> Any:
    """The one output of a layer, evaluated exactly; its Value where it is not finite."""
    fmt = arithmetic.format
    layer = Dense((constants(w, fmt),), None if b is None else constants([b], fmt))
    (result,) = evaluate(lower(template((layer,)), constants(x, fmt), Deployment(arithmetic)), {})
    return result.fraction() if isinstance(result, Value) and result.is_finite else result


# h: rounded to float16, s: rounded to float32; products p0 .. p3 of the four terms
FORMULAS: dict[str, tuple[Arithmetic, Formula]] = {}


def formula(arithmetic: Arithmetic) -> Callable[[Formula], Formula]:
    def enter(function: Formula) -> Formula:
        FORMULAS[str(arithmetic)] = (arithmetic, function)
        return function

    return enter


@formula(how())
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    total = half(half(w[0] * x[0]) + half(w[1] * x[1]))
    total = half(total + half(w[2] * x[2]))
    total = half(total + half(w[3] * x[3]))
    return half(total + b)


@formula(how(bias_first=True))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    total = half(b + half(w[0] * x[0]))
    total = half(total + half(w[1] * x[1]))
    total = half(total + half(w[2] * x[2]))
    return half(total + half(w[3] * x[3]))


@formula(how(fused=True))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    total = half(w[1] * x[1] + half(w[0] * x[0]))
    total = half(w[2] * x[2] + total)
    total = half(w[3] * x[3] + total)
    return half(total + b)


@formula(how(fused=True, bias_first=True))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    total = half(w[0] * x[0] + b)
    total = half(w[1] * x[1] + total)
    total = half(w[2] * x[2] + total)
    return half(w[3] * x[3] + total)


@formula(how("reverse"))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    total = half(half(w[3] * x[3]) + half(w[2] * x[2]))
    total = half(total + half(w[1] * x[1]))
    total = half(total + half(w[0] * x[0]))
    return half(total + b)


@formula(how("reverse", fused=True, bias_first=True))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    total = half(w[3] * x[3] + b)
    total = half(w[2] * x[2] + total)
    total = half(w[1] * x[1] + total)
    return half(w[0] * x[0] + total)


@formula(how("pairwise"))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    left = half(half(w[0] * x[0]) + half(w[1] * x[1]))
    right = half(half(w[2] * x[2]) + half(w[3] * x[3]))
    return half(half(left + right) + b)


@formula(how("pairwise", fused=True))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    left = half(w[1] * x[1] + half(w[0] * x[0]))
    right = half(w[3] * x[3] + half(w[2] * x[2]))
    return half(half(left + right) + b)


@formula(how("pairwise", fused=True, bias_first=True))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    left = half(w[1] * x[1] + half(w[0] * x[0] + b))
    right = half(w[3] * x[3] + half(w[2] * x[2]))
    return half(left + right)


@formula(how("strided:2", bias_first=True))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    even = half(half(b + half(w[0] * x[0])) + half(w[2] * x[2]))
    odd = half(half(w[1] * x[1]) + half(w[3] * x[3]))
    return half(even + odd)


@formula(how("strided:3", fused=True))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    lane = half(w[3] * x[3] + half(w[0] * x[0]))
    total = half(w[1] * x[1] + lane)
    total = half(w[2] * x[2] + total)
    return half(total + b)


@formula(how(accumulator=FLOAT32))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    total = single(single(w[0] * x[0]) + single(w[1] * x[1]))
    total = single(total + single(w[2] * x[2]))
    total = single(total + single(w[3] * x[3]))
    return half(single(total + b))


@formula(how("pairwise", accumulator=FLOAT32, fused=True, bias_first=True))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    left = single(w[1] * x[1] + single(w[0] * x[0] + b))
    right = single(w[3] * x[3] + single(w[2] * x[2]))
    return half(single(left + right))


@formula(how(rounding=Rounding.RTP))
def _(w: Numbers, x: Numbers, b: Fraction) -> Fraction:
    def up(number: Fraction) -> Fraction:
        return round_fraction(number, FLOAT16, Rounding.RTP).fraction()

    total = up(up(w[0] * x[0]) + up(w[1] * x[1]))
    total = up(total + up(w[2] * x[2]))
    total = up(total + up(w[3] * x[3]))
    return up(total + b)


moderate = st.builds(lambda n, k: half(Fraction(n, 2**k)), st.integers(-2047, 2047), st.integers(4, 20))


@pytest.mark.parametrize("name", FORMULAS)
@settings(max_examples=examples(30))
@given(w=st.tuples(*[moderate] * 4), x=st.tuples(*[moderate] * 4), b=moderate)
def test_a_neuron_is_its_formula(name: str, w: Numbers, x: Numbers, b: Fraction) -> None:
    arithmetic, expected = FORMULAS[name]
    assert neuron(w, x, b, arithmetic) == expected(w, x, b)


def cancelling_points() -> list[tuple[Numbers, Numbers, Fraction]]:
    """Weights, inputs and biases: a large first product, which a later one undoes in every other point, and smaller ones."""
    rng = random.Random(1)

    def number(size: int) -> Fraction:
        return Fraction(rng.choice([-1, 1]) * rng.randint(1024, 2047), 2 ** (10 - size))

    points = []
    for index in range(120):
        w, x = ([number(6), *(number(rng.randint(-2, 3 - index % 4)) for _ in range(3))] for _ in range(2))
        if index % 2:
            undone = 2 + index % 4 // 2
            w[undone], x[undone] = -w[0], x[0]
        points.append((w, x, number(-1) if index % 3 else Fraction(0)))
    return points


def test_where_terms_cancel_every_formula_holds_and_no_two_are_the_same() -> None:
    found: dict[tuple[Fraction, ...], str] = {}
    for name, (arithmetic, expected) in FORMULAS.items():
        outputs = tuple(expected(*point) for point in cancelling_points())
        assert found.setdefault(outputs, name) == name
        assert tuple(neuron(*point, arithmetic) for point in cancelling_points()) == outputs


@given(w=moderate, x=moderate, b=moderate)
def test_a_single_product_with_a_bias(w: Fraction, x: Fraction, b: Fraction) -> None:
    assert neuron([w], [x], b, how()) == half(half(w * x) + b)
    assert neuron([w], [x], b, how(bias_first=True)) == half(half(w * x) + b)
    assert neuron([w], [x], b, how(fused=True)) == half(half(w * x) + b)  # a chain that starts with a product rounds it
    assert neuron([w], [x], b, how(fused=True, bias_first=True)) == half(w * x + b)
    assert neuron([w], [x], None, how(fused=True)) == half(w * x)


@given(
    st.lists(moderate, min_size=1, max_size=6), moderate, st.sampled_from(["sequential", "reverse", "pairwise", "strided:2"])
)
def test_the_real_neuron_does_not_depend_on_the_order(w: list[Fraction], b: Fraction, order: str) -> None:
    x = w[::-1]
    exact = sum((p * q for p, q in zip(w, x, strict=True)), b)
    assert neuron(w, x, b, Arithmetic(None, order=parse_order(order), fused=True, bias_first=True)) == exact
    assert neuron(w, x, b, REAL) == exact


def test_flushing_reaches_operands_products_sums_and_casts() -> None:
    tiny, one = FLOAT16.min_subnormal, Fraction(1)
    smallest = FLOAT16.min_normal
    assert neuron([one], [tiny * 3], None, how()) == tiny * 3
    assert neuron([one], [tiny * 3], None, how(flush=True)) == 0
    assert neuron([smallest, -smallest], [one, one - Fraction(1, 2048)], None, how(flush=True)) == 0
    widened = how(flush=True, accumulator=FLOAT32)
    assert neuron([one * 1024], [tiny * 3], None, widened) == 0  # float32 has no such subnormal: the operand was flushed before
    assert neuron([smallest], [one / 2], None, widened) == 0  # and here the result, on its way back
    assert neuron([smallest], [one / 2], None, how(accumulator=FLOAT32)) == smallest / 2


def test_hidden_layers_are_rectified_and_the_last_is_not() -> None:
    weights = ((Fraction(1),), (Fraction(-1),))
    hidden, last = Dense(tuple(constants(row, FLOAT16) for row in weights)), Dense((constants([-2, -3], FLOAT16),))
    network = template((hidden, last))
    for x, y in ((Fraction(5), -10), (Fraction(-5), -15)):
        (result,) = evaluate(lower(network, constants([x], FLOAT16), Deployment(how())), {})
        assert isinstance(result, Value)
        assert result.fraction() == y
    (raw,) = lower(template((hidden,)), constants([1], FLOAT16), Deployment(how()))[1:]
    assert raw.op is Op.MUL


def test_every_output_position_may_have_its_own_arithmetic() -> None:
    w, x = [Fraction(2048), Fraction(1), Fraction(-2048)], [Fraction(1)] * 3
    row = constants(w, FLOAT16)
    deployment = Deployment(how(), (((0, 1), how("reverse")), ((1, 0), how("pairwise"))))
    outputs = evaluate(lower(template((Dense((row, row, row)),)), constants(x, FLOAT16), deployment), {})
    assert [out.fraction() for out in outputs if isinstance(out, Value)] == [0, 1, 0]  # (2048+1)-2048; (-2048+1)+2048


def test_narrower_formats_are_read_exactly() -> None:
    third = round_fraction(Fraction(1, 3), FLOAT16).fraction()
    network, point = template((Dense((constants([third], FLOAT16),)),)), constants([third], FLOAT16)
    for fmt in (FLOAT16, FLOAT32, FLOAT64):
        (result,) = evaluate(lower(network, point, Deployment(Arithmetic(fmt))), {})
        assert isinstance(result, Value)
        assert result == round_fraction(third**2, fmt)
    tiny = constants([FLOAT16.min_subnormal], FLOAT16)  # no subnormal of float32: nothing is flushed
    (result,) = evaluate(
        lower(template((Dense((tiny,)),)), constants([1], FLOAT16), Deployment(Arithmetic(FLOAT32, flush=True))), {}
    )
    assert isinstance(result, Value)
    assert result.fraction() == FLOAT16.min_subnormal


def test_layers_of_different_formats_follow_one_another_if_they_widen() -> None:
    third = round_fraction(Fraction(1, 3), FLOAT16).fraction()
    layer = Dense((constants([third], FLOAT16),))
    narrow, wide = Arithmetic(FLOAT16), Arithmetic(FLOAT32)
    (result,) = evaluate(lower(template((layer, layer)), constants([1], FLOAT16), Deployment(wide, (((0, 0), narrow),))), {})
    assert isinstance(result, Value)
    assert result == round_fraction(third**2, FLOAT32)
    with pytest.raises(ValueError, match="an arithmetic in float16 got a number in float32"):
        lower(template((layer, layer)), constants([1], FLOAT16), Deployment(narrow, (((0, 0), wide),)))
    with pytest.raises(ValueError, match="an arithmetic in bfloat16 got a number in float16"):
        lower(template((layer,)), constants([1], FLOAT16), Deployment(Arithmetic(BFLOAT16)))


def test_fused_steps_of_three_nodes_round_once() -> None:
    omega, one, small = Fraction(2048), Fraction(1), Fraction(1, 1024)
    order = fixed_order(Tree(3, ((0, 1, 2),)))
    weights, point = [omega, one + small, -omega], [omega / 2048, one + small, one]
    product = (one + small) ** 2  # needs 21 bits
    assert neuron(weights, point, None, Arithmetic(FLOAT16, order=order, fused=True)) == half(product)
    assert neuron(weights, point, None, Arithmetic(FLOAT32, order=order, fused=True)) == product
    tight = Arithmetic(FLOAT32, order=order, fused=True, rounded=(1,))
    x = one + Fraction(1, 4096)
    assert neuron([one, x, -1], [one, x, one], None, tight) == single(x * x) != x * x
    leaf = Arithmetic(FLOAT16, order=fixed_order(Tree(4, ((0, 3, 1), (4, 2)))), bias_leaf=True)
    assert neuron(weights, point, -omega, leaf) == half(half(product) - omega)


def test_what_fused_steps_flush_and_what_infinities_make_of_them() -> None:
    order = fixed_order(Tree(3, ((0, 1, 2),)))
    flushing = Arithmetic(FLOAT16, order=order, fused=True, flush=True)
    tiny, large = FLOAT16.min_subnormal, FLOAT16.max_finite
    assert neuron([tiny, 1, -1], [Fraction(1024), 1, 1], None, flushing) == 0
    assert neuron([tiny, 1, -1], [Fraction(1024), 1, 1], None, Arithmetic(FLOAT16, order=order, fused=True)) == tiny * 1024
    overflown = neuron([large, 1, 1], [Fraction(2), 1, 1], None, Arithmetic(FLOAT16, order=order))
    assert isinstance(overflown, Value)
    assert overflown.is_nan


def test_operands_are_rounded_before_they_are_multiplied() -> None:
    x = 1 + Fraction(1, 2**12)
    assert neuron([x], [x], x, Arithmetic(FLOAT32, operands=TF32)) == 1 + x  # not the bias
    assert neuron([x], [x], x, Arithmetic(FLOAT32)) == single(single(x * x) + x)


def test_other_formats_than_the_arithmetic_s_are_refused_but_read_exactly_by_real() -> None:
    network, point = template((Dense((constants([1], FLOAT32),)),)), constants([3], FLOAT16)
    with pytest.raises(ValueError, match="an arithmetic in float16 got a number in float32"):
        lower(network, point, Deployment(how()))
    with pytest.raises(ValueError, match="in the reals"):
        lower(template((Dense((constants([1], None),)),)), point, Deployment(how()))
    assert evaluate(lower(network, point, Deployment(REAL)), {}) == [Fraction(3)]


def test_a_point_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 inputs"):
        lower(template((Dense((constants([1, 2], FLOAT16),)),)), constants([3], FLOAT16), Deployment(how()))


@given(st.data(), st.integers(1, 9), st.sampled_from(["sequential", "pairwise", "strided:4"]))
def test_a_sum_of_powers_of_two_shows_every_term_once(data: st.DataObject, terms: int, order: str) -> None:
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=terms, max_size=terms))
    w = [Fraction(sign * 2**k) for k, sign in enumerate(signs)]
    assert neuron(w, [Fraction(1)] * terms, Fraction(1, 2), how(order)) == sum(w) + Fraction(1, 2)


@given(st.data())
def test_the_graph_names_the_modes_of_the_arithmetic(data: st.DataObject) -> None:
    mode = data.draw(st.sampled_from(list(Rounding)))
    weight = e.variable("w", TINY)
    point = e.constant(data.draw(values(TINY, finite=True)).fraction(), TINY)
    arithmetic = Arithmetic(TINY, FLOAT32, rounding=mode, flush=True, order=Order("pairwise"))
    (out,) = lower(template((Dense(((weight, weight),)),)), (point, point), Deployment(arithmetic))
    operations = [node for node in topological([out]) if node.args]
    assert {(node.rounding, node.flush) for node in operations} == {(mode, True)}
    assert [node.op for node in operations].count(Op.ADD) == 1
