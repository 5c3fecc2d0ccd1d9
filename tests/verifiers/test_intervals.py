"""Claims of intervals.py and interval_expressions.py: the published figures, agreement bit for bit, and containment."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples, slowly
from strategies import FLOAT32, INVENTED, arithmetics, networks, trees, values

from fpsynth import expressions as e
from fpsynth import rounding as r
from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.evaluators.arrays import evaluate_arrays
from fpsynth.evaluators.exact import evaluate
from fpsynth.evaluators.networks import network_logits
from fpsynth.expressions import Expression
from fpsynth.formats import BFLOAT16, FLOAT8_E5M2, FLOAT16, FLOAT64, Format
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.networks.template import Template, template
from fpsynth.orders import Tree, fixed_order, parse_order
from fpsynth.rounding import Rounding, Value
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.verifiers.interval_expressions import lower_interval
from fpsynth.verifiers.intervals import WIDENINGS, Ends, finite_bounds, network_intervals, propagate

OMEGA = {FLOAT32: 2.0**24, FLOAT64: 2.0**53}


def detectors(omega: float) -> dict[str, list[float]]:
    """Summands of the published detectors, in default order (Szasz et al., ICML 2025)."""
    return {
        "Order1": 15 * ([omega / 4] * 4 + [1.0] + [-omega / 4] * 4),
        "Order2": [2 / 512] * 512 + [omega, -omega],
        "Order3": [1.0] * 512 + [omega, -omega],
    }


def neuron(weights: Sequence[float]) -> Network:
    return dense_relu((Dense((tuple(weights),)),))


def bounds(weights: Sequence[float], how: Arithmetic, widening: str = "") -> tuple[Fraction, Fraction]:
    """The interval of a neuron fed all ones."""
    assert how.format is not None
    ends = network_intervals(neuron(weights), [(1.0, 1.0)] * len(weights), how.format, Deployment(how), widening)
    finite = finite_bounds(ends)
    assert finite is not None
    return finite[0]


@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64], ids=str)
@pytest.mark.parametrize(
    ("detector", "outward", "widened", "whole"),
    [
        ("Order1", (0, 30), (-268, 327), (-329, 389)),
        ("Order2", (2, 2), (-5, 10), (-9, 14)),
        ("Order3", (512, 512), (504, 520), (500, 524)),
    ],
)
def test_the_published_intervals_of_the_detectors_in_default_order(
    fmt: Format, detector: str, outward: tuple[int, int], widened: tuple[int, int], whole: tuple[int, int]
) -> None:
    """The published widened ones, to the nearest integer, are those of the sums' relative term alone; ELINA's are wider."""
    weights, how = detectors(OMEGA[fmt])[detector], Arithmetic(fmt)
    assert bounds(weights, how) == outward
    assert tuple(round(end) for end in bounds(weights, how, "elina-sums")) == widened
    assert tuple(round(end) for end in bounds(weights, how, "elina")) == whole


def chain(leaves: Sequence[int]) -> Arithmetic:
    """Left to right over the leaves as listed, in float32."""
    count, steps, node = len(leaves), [], leaves[0]
    for position, leaf in enumerate(leaves[1:]):
        steps.append((node, leaf))
        node = count + position
    return Arithmetic(FLOAT32, order=fixed_order(Tree(count, tuple(steps))))


@pytest.mark.parametrize("widening", WIDENINGS)
@pytest.mark.parametrize("descending", [False, True])
def test_sorting_the_summands_does_not_help_if_every_order_may_occur(descending: bool, widening: str) -> None:
    weights = detectors(2.0**24)["Order3"]
    in_order = sorted(range(len(weights)), key=lambda k: abs(weights[k]), reverse=descending)
    low, high = bounds(weights, chain(in_order), widening)
    big_first = chain([512, *range(512), 513])
    (value,) = network_logits(neuron(weights), [1.0] * 514, FLOAT32, Deployment(big_first))
    assert value == 0
    assert not low <= value <= high


alignments = st.builds(
    Alignment,
    st.sampled_from([1, 3, 10, 23, 25, 48]),
    st.sampled_from(Rounding),
    st.sampled_from(Rounding),
    st.sampled_from([None, None, -30, 0]),
)


@st.composite
def arithmetics_on_trees(draw: st.DrawFn, fmt: Format, terms: int) -> Arithmetic:
    """As ``arithmetics``, and on any tree, with steps of three terms and with rounded operands."""
    how = draw(arithmetics(fmt))
    if draw(st.booleans()):
        return how
    if terms >= 3 and draw(st.booleans()):
        steps: list[tuple[int, ...]] = [(0, 1, 2), *((terms + k, 3 + k) for k in range(terms - 3))]
        tree = Tree(terms, tuple(steps))
    else:
        tree = draw(trees(terms))
    operands = draw(st.sampled_from([None, BFLOAT16, FLOAT8_E5M2]))
    found = Arithmetic(fmt, how.accumulator, how.rounding, how.fused, order=fixed_order(tree), operands=operands)
    return replace(found, fused=True, flush=how.flush, alignment=draw(alignments)) if draw(st.booleans()) else found


@st.composite
def questions(draw: st.DrawFn, fmt: Format, *, inputs: int = 4) -> tuple[Template[Value], Deployment, list[Ends]]:
    """A network with as many inputs as hidden neurons, one arithmetic for all of it, and a box."""
    widths = [inputs, inputs, 1] if draw(st.booleans()) else [inputs, 2]
    network = draw(networks(fmt, widths))
    box = []
    for _ in range(inputs):
        low, high = draw(values(fmt, finite=True)), draw(values(fmt, finite=True))
        if r.less(high, low):
            low, high = high, low
        box.append((low, low) if draw(st.booleans()) else (low, high))
    return network, Deployment(draw(arithmetics_on_trees(fmt, inputs))), box


class Symbols:
    """Unknowns for known numbers."""

    def __init__(self, fmt: Format) -> None:
        self.fmt = fmt
        self.worth: dict[str, Value] = {}

    def known(self, value: Value) -> Expression:
        name = f"v{len(self.worth)}"
        self.worth[name] = value
        return e.variable(name, self.fmt)


def as_expressions(
    network: Template[Value], deployment: Deployment, box: Sequence[Ends], fmt: Format, widening: str
) -> tuple[list[Expression], dict[str, Value]]:
    """The ends of all outputs as roots, and what the unknowns in them are worth."""
    symbols = Symbols(fmt)
    symbolic = network.map(symbols.known)
    ends = [(low, low) if given[0] == given[1] else (low, symbols.known(given[1])) for given in box
            for low in [symbols.known(given[0])]]  # fmt: skip
    pairs = lower_interval(symbolic, ends, deployment, widening)
    return [end for pair in pairs for end in pair], symbols.worth


def reference(network: Template[Value], deployment: Deployment, box: Sequence[Ends], fmt: Format, widening: str) -> list[Value]:
    """The same by ``propagate``."""
    symbols = Symbols(fmt)
    symbolic = network.map(symbols.known)
    inputs = [symbols.known(low) for low, _ in box]
    boxes: dict[str, Ends] = {name: (value, value) for name, value in symbols.worth.items()}
    boxes |= {node.name: ends for node, ends in zip(inputs, box, strict=True)}
    return [end for pair in propagate(lower(symbolic, inputs, deployment), boxes, widening) for end in pair]


@pytest.mark.parametrize("widening", WIDENINGS)
@settings(max_examples=examples(60))
@given(data=st.data())
def test_the_expressions_give_the_bits_of_the_reference(widening: str, data: st.DataObject) -> None:
    fmt = data.draw(st.sampled_from([FLOAT16, BFLOAT16, FLOAT32, FLOAT64, *INVENTED]))
    network, deployment, box = data.draw(questions(fmt))
    roots, worth = as_expressions(network, deployment, box, fmt, widening)
    assert evaluate(roots, worth) == reference(network, deployment, box, fmt, widening)


@pytest.mark.parametrize("widening", ["", "elina"])
def test_z3_evaluates_the_expressions_to_the_same_bits(widening: str) -> None:
    pytest.importorskip("z3")
    from fpsynth.encoders.z3_terms import evaluate_z3

    rng = random.Random(7)
    for fused in (False, True):
        how = Arithmetic(FLOAT16, fused=fused, order=parse_order("pairwise"))
        for _ in range(4):
            numbers = [r.from_float(float(np.float16(rng.uniform(-2, 2)))) for _ in range(8)]
            network = template([((tuple(numbers[:3]),), (numbers[3],))])
            box = [(x, r.from_float(float(np.nextafter(np.float16(float(x)), np.float16(9))))) for x in numbers[4:7]]
            roots, worth = as_expressions(network, Deployment(how), box, FLOAT16, widening)
            expected = reference(network, Deployment(how), box, FLOAT16, widening)
            for found, value in zip(evaluate_z3(roots, worth), expected, strict=True):
                assert isinstance(found, Value)
                assert found == value or (found.is_zero and value.is_zero)


def test_arrays_evaluate_the_expressions_for_many_points_at_once() -> None:
    rng = np.random.default_rng(3)
    how = Arithmetic(FLOAT32, fused=True, order=parse_order("strided:4"))
    weights, points = (rng.normal(size=(9, 50)).astype(np.float32).astype(np.float64) for _ in range(2))
    w = tuple(e.variable(f"w{k}", FLOAT32) for k in range(9))
    x = [e.variable(f"x{k}", FLOAT32) for k in range(9)]
    ((low, high),) = lower_interval(template((Dense((w,)),)), [(node, node) for node in x], Deployment(how))
    given = {f"w{k}": weights[k] for k in range(9)} | {f"x{k}": points[k] for k in range(9)}
    lows, highs = evaluate_arrays([low, high], given)
    for column in range(50):
        box = [(float(v), float(v)) for v in points[:, column]]
        ((a, b),) = network_intervals(neuron(list(weights[:, column])), box, FLOAT32, Deployment(how))
        assert (float(a), float(b)) == (lows[column], highs[column])


@settings(max_examples=examples(100))
@given(data=st.data())
def test_the_interval_contains_what_its_own_arithmetic_computes_anywhere_in_the_box(data: st.DataObject) -> None:
    fmt = data.draw(st.sampled_from([FLOAT16, BFLOAT16, *INVENTED]))
    network, deployment, box = data.draw(questions(fmt))
    widening = data.draw(st.sampled_from(list(WIDENINGS)))
    symbols = Symbols(fmt)
    symbolic = network.map(symbols.known)
    point = [symbols.known(data.draw(st.sampled_from(ends))) for ends in box]
    computed = evaluate(lower(symbolic, point, deployment), symbols.worth)
    ends = reference(network, deployment, box, fmt, widening)
    for value, low, high in zip(computed, ends[::2], ends[1::2], strict=True):
        assert isinstance(value, Value)
        if value.is_finite:
            assert not r.less(value, low)
            assert not r.less(high, value)


@settings(max_examples=examples(60))
@given(data=st.data())
def test_widenings_only_widen(data: st.DataObject) -> None:
    network, deployment, box = data.draw(questions(FLOAT16))
    narrow, middle, wide = (reference(network, deployment, box, FLOAT16, name) for name in ("", "elina-sums", "elina"))
    for inner, outer in ((narrow, middle), (middle, wide)):
        for k, (end, beyond) in enumerate(zip(inner, outer, strict=True)):
            assert not r.less(end, beyond) if k % 2 == 0 else not r.less(beyond, end)


@pytest.mark.parametrize("ones", [1022, *slowly(4094)])
def test_a_sum_of_thousands_of_terms_is_bounded_along_its_tree(ones: int) -> None:
    weights = [1.0] * ones + [2.0**24, -(2.0**24)]
    assert bounds(weights, Arithmetic(FLOAT32)) == (ones, ones)
    low, high = bounds(weights, Arithmetic(FLOAT32, order=parse_order("reverse")))
    assert (low, high) == (ones, ones)
    low, high = bounds([2.0**24, *[1.0] * ones, -(2.0**24)], Arithmetic(FLOAT32))
    assert (low, high) == (0, 2 * ones)


def test_bad_input_is_refused_in_one_line() -> None:
    one = neuron([1.0])
    with pytest.raises(InputError, match="unknown widening 'eran'"):
        network_intervals(one, [(0.0, 1.0)], FLOAT32, Deployment(Arithmetic(FLOAT32)), "eran")
    with pytest.raises(InputError, match="a lower and an upper end"):
        network_intervals(one, [(1.0, 0.0)], FLOAT32, Deployment(Arithmetic(FLOAT32)))
    with pytest.raises(InputError, match="real arithmetic has none"):
        network_intervals(one, [(0.0, 1.0)], FLOAT32, Deployment(REAL))
    node = e.variable("x", FLOAT32)
    with pytest.raises(InputError, match="real arithmetic has none"):
        lower_interval(template((Dense(((node,),)),)), [(node, node)], Deployment(REAL))


def test_an_overflow_bounds_nothing_on_its_side() -> None:
    largest = float(FLOAT16.max_finite)
    ends = network_intervals(neuron([largest, largest]), [(1.0, 1.0)] * 2, FLOAT16, Deployment(Arithmetic(FLOAT16)))
    assert ends == ((r.from_float(largest), r.PLUS_INFINITY),)
    assert finite_bounds(ends) is None


def test_the_ends_of_a_negated_interval_change_places() -> None:
    ends = r.from_float(1.0), r.from_float(3.0)
    assert propagate([e.neg(e.variable("x", FLOAT32))], {"x": ends}) == [(r.from_float(-3.0), r.from_float(-1.0))]


def test_directed_modes_of_the_deployment_do_not_change_its_interval() -> None:
    weights = [0.1, 0.7, -0.3]
    exact = [float(np.float32(w)) for w in weights]
    expected = bounds(exact, Arithmetic(FLOAT32))
    assert all(bounds(exact, Arithmetic(FLOAT32, rounding=mode)) == expected for mode in Rounding)


MICRO = Format("micro", 2, 3)


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("kept", [2, 3, 4])
def test_an_aligned_sum_of_intervals_holds_those_of_all_numbers_in_them(kept: int, flush: bool) -> None:
    """All numbers of a tiny format as two factors, a third factor and a partial sum, in boxes of every kind of end."""
    numbers = [r.from_index(k, MICRO) for k in range(-r.to_index(r.from_fraction(MICRO.max_finite), MICRO), 0)]
    numbers += [r.PLUS_ZERO, *map(r.negate, reversed(numbers))]
    rng = random.Random(kept)
    leaves = [e.variable(name, MICRO) for name in "cabdx"]
    for mode, cut, least in ((m, c, x) for m in (Rounding.RTZ, Rounding.RNE) for c in Rounding for x in (None, 1)):
        how = Alignment(kept, mode, cut, least)
        root = e.aligned(leaves[:1], [(leaves[1], leaves[2]), (leaves[3], leaves[4])], MICRO, how, flush)
        boxes = {}
        for leaf in leaves:
            low, high = sorted(rng.choices(range(len(numbers)), k=2))
            boxes[leaf.name] = [low, min(high, low + rng.randrange(4))]
        ((low, high),) = propagate([root], {name: (numbers[a], numbers[b]) for name, (a, b) in boxes.items()})
        for choice in itertools.product(*(numbers[a : b + 1] for a, b in boxes.values())):
            (value,) = evaluate([root], dict(zip(boxes, choice, strict=True)))
            assert isinstance(value, Value)
            assert not r.less(value, low), (how, choice)
            assert not r.less(high, value), (how, choice)


def test_an_aligned_sum_is_not_monotone_and_its_interval_knows() -> None:
    """With c = 2 the small product is kept; with c = 4 it is cut: c grows, the sum does not grow as much."""
    c, one, small = (e.variable(name, FLOAT16) for name in ("c", "one", "small"))
    root = e.aligned([c], [(one, small)], FLOAT16, Alignment(10))
    worth = {"one": r.from_float(1.0), "small": r.from_float(2.0**-8 + 2.0**-9)}
    assert [float(evaluate([root], worth | {"c": r.from_float(x)})[0]) for x in (2.0, 4.0)] == [2 + 2**-8 + 2**-9, 4 + 2**-8]
    narrow = replace(root, alignment=Alignment(8))
    box = {name: (value, value) for name, value in worth.items()} | {"c": (r.from_float(2.0), r.from_float(4.0))}
    ((low, high),) = propagate([narrow], box)
    assert low.fraction() <= 2
    assert high.fraction() >= 4 + Fraction(1, 64)


def test_nothing_is_widened_where_nothing_is_cut() -> None:
    how = Arithmetic(FLOAT16, FLOAT32, fused=True, alignment=Alignment(25), order=fixed_order(Tree(1, ())))
    assert bounds([1.0 + 2**-10], how) == (1 + Fraction(1, 1024), 1 + Fraction(1, 1024))
    c = e.variable("c", FLOAT32)
    value = r.from_float(1 + 2.0**-23)
    assert propagate([e.aligned([c], [], FLOAT32, Alignment(25))], {"c": (value, value)}) == [(value, value)]
