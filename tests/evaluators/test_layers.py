"""Claims of evaluators/layers.py: whatever the way, every output has the bits of its own sum program."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import array_api_compat.torch as torch_namespace
import numpy as np
import pytest
from hostile import hostile_array
from hypothesis import given
from hypothesis import strategies as st
from profiles import slow, slowly
from sums import Neurons, some_orders, sum_arithmetics, wide_trees

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.evaluators.layer_check import same
from fpsynth.evaluators.layer_groups import FloatArray, LayerSums, Padding
from fpsynth.evaluators.layer_ways import ArrayLibrary, Way
from fpsynth.evaluators.layers import layer_sums
from fpsynth.evaluators.programs import program_sums
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.orders import Tree, fixed_order, parse_order
from fpsynth.rounding import Flush, from_float
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of, restricted
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.sums.restriction import restrict_program

needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed (extra: fast)")
FAST = [
    pytest.param(Way.COMPILED, ArrayLibrary(), marks=needs_numba, id="compiled"),
    pytest.param(Way.ARRAYS, ArrayLibrary(), id="numpy"),
    pytest.param(Way.ARRAYS, ArrayLibrary(torch_namespace), id="torch"),
]
EVERY = [*FAST, pytest.param(Way.GENERAL, ArrayLibrary(), id="general")]


def held(x: FloatArray, fmt: Format) -> FloatArray:
    """As networks hold numbers of a format."""
    return x.astype(np.float64 if fmt == FLOAT64 else np.float32)


def random_layer(programs: Sequence[Program], seed: int, *, channels: int = 5, padding: Padding = Padding.SKIPPED) -> LayerSums:
    """Three positions, some of whose taps are beyond the edge; hostile weights and biases."""
    rng, program = np.random.default_rng(seed), programs[0]
    assert program.format is not None
    gather = rng.integers(-1, 9, (3, program.terms), dtype=np.int32)
    weights = hostile_array(program.format, channels * program.terms, seed).reshape(channels, -1)
    bias = held(hostile_array(program.format, channels, seed + 1), program.format) if program.bias is not None else None
    classes = rng.integers(0, len(programs), (3, channels), dtype=np.int32)
    return LayerSums(gather, held(weights, program.format), bias, tuple(programs), classes, padding)


def random_inputs(fmt: Format, rows: int, seed: int, number: int = 9) -> FloatArray:
    """Rows of which half are hostile, and half of moderate size with zeros in between."""
    rng = np.random.default_rng(seed)
    moderate = np.round(rng.standard_normal((rows, number)) * 16) / 16
    hostile = hostile_array(fmt, rows * number, seed).reshape(rows, number)
    return held(np.where(rng.random((rows, 1)) < 0.5, moderate, hostile), fmt)


def one_by_one(layer: LayerSums, x: FloatArray, addends: Sequence[FloatArray] = ()) -> FloatArray:
    """What ``program_sums`` gives, position by position and channel by channel, straight from the definition."""
    outputs = np.empty((len(x), layer.positions, layer.channels), layer.dtype)
    for p, taps in enumerate(layer.gather):
        there = [t for t in range(layer.terms) if taps[t] >= 0]
        whole = layer.padding is Padding.MULTIPLIED or not there
        patches = np.where(taps[:, None] >= 0, x.astype(np.float64).T[taps], 0.0)
        for k in range(layer.channels):
            program = layer.programs[0 if layer.classes is None else layer.classes[p, k]]
            kept = list(range(layer.terms)) if whole else there
            left = program if whole else restrict_program(program, kept, numbers=True)
            numbers = [] if layer.bias is None else [np.float64(layer.bias[k])]
            numbers += [addend[:, p, k].astype(np.float64) for addend in addends]
            weights = layer.weights[k].astype(np.float64)[kept, None]
            outputs[:, p, k] = program_sums(left, weights, patches[kept], [np.asarray(n) for n in numbers])
    return outputs


def assert_same(layer: LayerSums, x: FloatArray, way: Way, library: ArrayLibrary, addends: Sequence[FloatArray] = ()) -> None:
    result = layer_sums(layer, x, addends, ways=[way], library=library)
    expected = one_by_one(layer, x, addends)
    assert same(result.outputs, expected).all(), (result.outputs[~same(result.outputs, expected)], result.ways)


@st.composite
def ordinary(draw: st.DrawFn, fmt: Format, terms: int, bias: bool) -> Arithmetic:
    """Arithmetics of additions and fused multiply-adds to nearest even."""
    leaf = bias and draw(st.booleans())
    binary = wide_trees(terms + leaf, 2).map(fixed_order)
    named = some_orders(terms + leaf).filter(lambda order: all(len(step) == 2 for step in order.tree(terms + leaf).steps))
    return Arithmetic(
        fmt,
        accumulator=FLOAT32 if fmt.bits < 32 else None,
        fused=draw(st.booleans()),
        flush=draw(st.sampled_from(Flush)),
        order=draw(st.one_of(binary, named)),
        bias_first=draw(st.booleans()),
        rounded=tuple(sorted(draw(st.sets(st.integers(0, terms - 1))))),
        bias_leaf=leaf,
    )


@pytest.mark.parametrize(("way", "library"), EVERY)
@given(data=st.data())
def test_ordinary_sums_in_any_tree(way: Way, library: ArrayLibrary, data: st.DataObject) -> None:
    fmt, terms = data.draw(st.sampled_from([FLOAT32, FLOAT32, FLOAT64, BFLOAT16, FLOAT16])), data.draw(st.integers(1, 9))
    bias, seed = data.draw(st.booleans()), data.draw(st.integers(0, 10**6))
    programs = [program_of(data.draw(ordinary(fmt, terms, bias)), terms, bias) for _ in range(data.draw(st.integers(1, 2)))]
    layer = random_layer(
        programs, seed, channels=data.draw(st.sampled_from([1, 5, 70])), padding=data.draw(st.sampled_from(Padding))
    )
    assert_same(layer, random_inputs(fmt, data.draw(st.sampled_from([1, 3, 66])), seed), way, library)


@pytest.mark.parametrize(("way", "library"), EVERY)
@given(data=st.data())
def test_sums_in_any_arithmetic(way: Way, library: ArrayLibrary, data: st.DataObject) -> None:
    """Most have no schedule: they are evaluated in the general way, and the others must not be confused by it."""
    fmt, terms, bias = (
        data.draw(st.sampled_from([FLOAT32, FLOAT64, FLOAT16])),
        data.draw(st.integers(1, 7)),
        data.draw(st.booleans()),
    )
    seed = data.draw(st.integers(0, 10**6))
    programs = [program_of(data.draw(sum_arithmetics(fmt, terms, bias)), terms, bias) for _ in range(2)]
    layer = random_layer(programs, seed, padding=Padding.MULTIPLIED)
    assert_same(layer, random_inputs(fmt, 4, seed), way, library)


@pytest.mark.parametrize(("way", "library"), EVERY)
@given(data=st.data())
def test_the_exact_interpreter_gives_the_same(way: Way, library: ArrayLibrary, data: st.DataObject) -> None:
    fmt, terms, bias = data.draw(st.sampled_from([FLOAT32, FLOAT64])), data.draw(st.integers(2, 6)), data.draw(st.booleans())
    how, seed = data.draw(ordinary(fmt, terms, bias)), data.draw(st.integers(0, 10**6))
    layer = random_layer([program_of(how, terms, bias)], seed, channels=2)
    x = random_inputs(fmt, 3, seed)
    outputs = layer_sums(layer, x, ways=[way], library=library).outputs
    for p, taps in enumerate(layer.gather):
        there = np.flatnonzero(taps >= 0)
        if there.size == 0:
            continue
        left = restricted(how, terms, there.tolist(), bias) if there.size < terms else how
        for k in range(2):
            weights = np.repeat(layer.weights[None, k, there].astype(np.float64), len(x), 0)
            biases = None if layer.bias is None else np.full(len(x), layer.bias[k], np.float64)
            neurons = Neurons(left, weights, x[:, taps[there]].astype(np.float64), biases)
            assert [from_float(float(value)) for value in outputs[:, p, k]] == neurons.by_exact()


BLOCKS = fixed_order(Tree(9, ((0, 1), (9, 2), (10, 3), (11, 8), (4, 5), (13, 6), (14, 7), (12, 15))))
"""Two blocks of four terms, the bias after the first one."""
TF32_OPERANDS = Arithmetic(FLOAT32, fused=True, operands=TF32)
KINDS: dict[str, Arithmetic] = {
    "fused chain": Arithmetic(FLOAT32, fused=True),
    "chain": Arithmetic(FLOAT32),
    "bias first": Arithmetic(FLOAT32, fused=True, bias_first=True),
    "bias within": Arithmetic(FLOAT32, fused=True, order=BLOCKS, bias_leaf=True),
    "lanes": Arithmetic(FLOAT32, fused=True, order=parse_order("lanes:4")),
    "strided": Arithmetic(FLOAT32, order=parse_order("strided:4")),
    "flushed": Arithmetic(FLOAT32, fused=True, flush=Flush.ROUNDED),
    "flushed, unbounded": Arithmetic(FLOAT32, fused=True, flush=Flush.UNBOUNDED),
    "unfused, flushed, unbounded": Arithmetic(FLOAT32, flush=Flush.UNBOUNDED),
    "float64": Arithmetic(FLOAT64),
    "float64, flushed": Arithmetic(FLOAT64, flush=Flush.UNBOUNDED),
    "bfloat16 into float32": Arithmetic(BFLOAT16, FLOAT32, fused=True),
    "float16 into float32": Arithmetic(FLOAT16, FLOAT32),
    "TF32": TF32_OPERANDS,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("way", "library"), FAST)
def test_what_kernels_do_is_evaluated_fast(way: Way, library: ArrayLibrary, kind: str) -> None:
    """Without this, a way that refuses everything would pass all other tests."""
    how = KINDS[kind]
    assert how.format is not None
    layer = random_layer([program_of(how, 8, True)], 7, channels=20)
    x = random_inputs(how.format, 150, 8)
    result = layer_sums(layer, x, ways=[way], library=library, threads=2)
    assert result.ways == (way,)
    assert result.refused == ()
    assert same(result.outputs, one_by_one(layer, x)).all()


@needs_numba
def test_fused_float64_is_compiled_and_no_arrays() -> None:
    layer = random_layer([program_of(Arithmetic(FLOAT64, fused=True), 8, True)], 3)
    x = random_inputs(FLOAT64, 70, 4)
    assert layer_sums(layer, x).ways == (Way.COMPILED,)
    by_arrays = layer_sums(layer, x, ways=[Way.ARRAYS])
    assert by_arrays.ways == (Way.GENERAL,)
    assert by_arrays.refused == ("arrays, sum program 0: a fused multiply-add of float64 needs more than float64 products",)
    assert_same(layer, x, Way.COMPILED, ArrayLibrary())


def single(weight: float, x: float, bias: float, how: Arithmetic, way: Way, library: ArrayLibrary) -> float:
    """One product and a bias."""
    taps = np.zeros((1, 1), np.int32)
    layer = LayerSums(taps, np.array([[weight]], np.float32), np.array([bias], np.float32), (program_of(how, 1, True),))
    result = layer_sums(layer, np.array([[x]], np.float32), ways=[way], library=library)
    assert result.ways == (way,)
    return float(result.outputs[0, 0, 0])


FUSED = Arithmetic(FLOAT32, fused=True, bias_first=True)
UNIT = 2.0**-23
ROUNDED_ONCE = {
    "just above the middle": (2.0**-12, 2.0**-12 * (1 + 2.0**-20), 1.0, 1.0 + UNIT),
    "a bit that float64 loses": (2.0**-12 * (1 + UNIT), 2.0**-12 * (1 - UNIT), 1.0 + UNIT, 1.0 + UNIT),
    "the middle, to even": (2.0**-12, 2.0**-12, 1.0, 1.0),
    "the middle, to even upwards": (2.0**-12, 2.0**-12, 1.0 + UNIT, 1.0 + 2 * UNIT),
    "subnormal, above the middle": (2.0**-75 * (1 + UNIT), 2.0**-75 * (1 + UNIT), 2.0**-149 * 2, 2.0**-149 * 3),
    "subnormal, below the middle": (2.0**-75 * (1 + UNIT), 2.0**-75 * (1 - UNIT), 2.0**-149 * 3, 2.0**-149 * 3),
    "overflow": (2.0**64, 2.0**63, float(FLOAT32.max_finite), float("inf")),
    "just no overflow": (2.0**52 * (1 - 2.0**-24), 2.0**51, float(FLOAT32.max_finite), float(FLOAT32.max_finite)),
    "an overflown product": (2.0**100, 2.0**100, -float(FLOAT32.max_finite), float("inf")),
}


@pytest.mark.parametrize("name", ROUNDED_ONCE)
@pytest.mark.parametrize(("way", "library"), EVERY)
def test_a_fused_multiply_add_is_rounded_once(way: Way, library: ArrayLibrary, name: str) -> None:
    weight, x, bias, expected = ROUNDED_ONCE[name]
    assert single(weight, x, bias, FUSED, way, library) == expected


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("way", "library"), FAST)
def test_a_hundred_thousand_hostile_sums(way: Way, library: ArrayLibrary, seed: int) -> None:
    """Every input with every weight: products near half an ulp of the bias, tiny ones, and any others."""
    rng = np.random.default_rng(seed)
    exponent = [-12.0, -75.0, 0.0][seed]
    near = 1 + rng.integers(-5, 6, (2, 300)) * 2.0**-23
    x, w = np.where(rng.random((2, 300)) < 0.7, near * 2.0**exponent, hostile_array(FLOAT32, 600, seed).reshape(2, 300))
    bias = hostile_array(FLOAT32, 300, seed + 9) if seed else 1 + rng.integers(0, 2**23, 300) * 2.0**-23
    bias = np.where(seed == 1, rng.integers(-(2**23), 2**23, 300) * 2.0**-149, bias).astype(np.float32)
    layer = LayerSums(np.zeros((1, 1), np.int32), held(w, FLOAT32)[:, None], bias, (program_of(FUSED, 1, True),))
    assert_same(layer, held(x, FLOAT32)[:, None], way, library)


@pytest.mark.parametrize(("way", "library"), EVERY)
@pytest.mark.parametrize(("flush", "expected"), [(Flush.NEVER, 2.0**-126), (Flush.ROUNDED, 2.0**-126), (Flush.UNBOUNDED, 0.0)])
def test_what_is_tiny_once_rounded_without_limits_is_flushed(
    way: Way, library: ArrayLibrary, flush: Flush, expected: float
) -> None:
    """2**-126 - 2**-150 is halfway between the least normal number and the one below, but has 24 bits."""
    how = Arithmetic(FLOAT32, fused=True, bias_first=True, flush=flush)
    assert single(1.0 - 2.0**-24, 2.0**-126, 0.0, how, way, library) == expected


@pytest.mark.parametrize(("way", "library"), EVERY)
def test_taps_beyond_the_edge(way: Way, library: ArrayLibrary) -> None:
    gather = np.array([[-1, 0], [-1, -1]], np.int32)
    weights, bias = np.array([[np.inf, 2.0]], np.float32), np.array([0.5], np.float32)
    program, x = program_of(Arithmetic(FLOAT32, fused=True), 2, True), np.array([[3.0]], np.float32)
    outputs = {
        padding: layer_sums(LayerSums(gather, weights, bias, (program,), None, padding), x, ways=[way], library=library).outputs
        for padding in Padding
    }
    assert outputs[Padding.SKIPPED][0, 0, 0] == 6.5
    assert np.isnan(outputs[Padding.MULTIPLIED][0, :, 0]).all()
    finite = LayerSums(gather, np.array([[1.0, 2.0]], np.float32), bias, (program,))
    assert layer_sums(finite, x, ways=[way], library=library).outputs.ravel().tolist() == [6.5, 0.5]


@given(seed=st.integers(0, 10**6), fused=st.booleans(), order=some_orders(6))
def test_both_paddings_agree_for_finite_weights(seed: int, fused: bool, order: Any) -> None:
    if any(len(step) > 2 for step in order.tree(6).steps):
        return
    program = program_of(Arithmetic(FLOAT32, fused=fused, order=order), 6)
    layer, x = random_layer([program], seed), random_inputs(FLOAT32, 5, seed)
    finite = np.where(np.isfinite(layer.weights), layer.weights, np.float32(1))
    first, second = (layer_sums(LayerSums(layer.gather, finite, None, (program,), None, p), x).outputs for p in Padding)
    assert np.array_equal(first, second, equal_nan=True)


def test_steps_that_align_are_refused_where_taps_are_missing_but_can_be_multiplied() -> None:
    how = Arithmetic(FLOAT32, fused=True, order=parse_order("groups:4"), alignment=Alignment(20))
    gather, weights = np.array([[0, -1, -1, -1]], np.int32), np.ones((1, 4), np.float32)
    x = np.array([[1 + 2.0**-23]], np.float32)
    with pytest.raises(InputError, match="cannot be restricted"):
        layer_sums(LayerSums(gather, weights, None, (program_of(how, 4),)), x)
    result = layer_sums(LayerSums(gather, weights, None, (program_of(how, 4),), None, Padding.MULTIPLIED), x)
    assert result.outputs.item() == 1.0  # 20 bits below the leading one are kept
    assert result.ways == (Way.GENERAL,)


def residual(place: str) -> Program:
    """Two fused products, a bias, and an addend that is the first or the last of all."""
    one = Round(FLOAT32)
    fma, add = Step(StepKind.FMA, (one,)), Step(StepKind.ADD, (one,))
    exact, number = Leaf(LeafKind.PRODUCT), Leaf(LeafKind.ADDEND)
    leaves = (exact if place == "first" else Leaf(LeafKind.PRODUCT, (), (one,)), exact, Leaf(LeafKind.BIAS), number)
    if place == "first":
        return Program(FLOAT32, Tree(4, ((3, 0), (4, 1), (5, 2))), leaves, (fma, fma, add))
    return Program(FLOAT32, Tree(4, ((0, 1), (4, 2), (5, 3))), leaves, (fma, add, add))


@pytest.mark.parametrize("rows", [3, 80])
@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize(("way", "library"), EVERY)
def test_addends(way: Way, library: ArrayLibrary, place: str, rows: int) -> None:
    layer = random_layer([residual(place)], 5, padding=Padding.MULTIPLIED)
    addend = hostile_array(FLOAT32, rows * 15, 6).reshape(rows, 3, 5).astype(np.float32)
    x = random_inputs(FLOAT32, rows, 7)
    assert layer_sums(layer, x, [addend], ways=[way], library=library).ways == (way,)
    assert_same(layer, x, way, library, [addend])


@needs_numba
def test_blocks_of_rows_and_threads_change_nothing() -> None:
    layer, x = random_layer([program_of(KINDS["lanes"], 8, True)], 9), random_inputs(FLOAT32, 2500, 10)
    whole = layer_sums(layer, x, threads=1).outputs
    assert same(whole, layer_sums(layer, x, threads=3).outputs).all()
    assert same(whole, np.concatenate([layer_sums(layer, x[k : k + 1]).outputs for k in range(50)] + [whole[50:]])).all()
    assert layer_sums(layer, x[:0]).outputs.shape == (0, 3, 5)


@slow  # it compiles them
@needs_numba
def test_loops_that_were_never_compiled_are_not_begun_with_where_little_time_is_left(tmp_path: Path) -> None:
    code = (
        "import math\n"
        "import numpy as np\n"
        "from fpsynth.evaluators import layer_compiled\n"
        "from fpsynth.evaluators.layers import LayerSums, layer_sums\n"
        "from fpsynth.formats import FLOAT32\n"
        "from fpsynth.sums.arithmetic import Arithmetic\n"
        "from fpsynth.sums.building import program_of\n"
        "from fpsynth.workers.deadlines import within\n"
        "layer_compiled.COMPILING = 3600.0\n"  # on a machine that does much else
        "one, many = np.ones((1, 2), np.float32), np.ones((1 << 17, 2), np.float32)\n"
        "layer = LayerSums(np.array([[0, 1]], np.int32), one, None, (program_of(Arithmetic(FLOAT32, fused=True), 2),))\n"
        "for seconds in (1800.0, math.inf, 1800.0):\n"
        "    with within(seconds):\n"
        "        result = layer_sums(layer, many)\n"
        "    print([way.value for way in result.ways], *result.refused)\n"
    )
    variables = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables)
    first, *others = done.stdout.splitlines()
    assert first.startswith("['arrays'] compiled, sum program 0: its loops may have to be compiled first, and fewer than ")
    assert others == ["['compiled']", "['compiled']"]


@needs_numba
@pytest.mark.parametrize("more", [[], *slowly(["again"])], ids=len)
def test_loops_are_loaded_for_much_work_or_for_little_again_and_again(more: list[str]) -> None:
    code = (
        "import sys, time\n"
        "import numpy as np\n"
        "from fpsynth.sums.arithmetic import Arithmetic\n"
        "from fpsynth.evaluators.layers import LayerSums, layer_sums\n"
        "from fpsynth.formats import FLOAT32\n"
        "from fpsynth.sums.building import program_of\n"
        "program = program_of(Arithmetic(FLOAT32), 2)\n"
        "layer = LayerSums(np.array([[0, 1]], np.int32), np.ones((1, 2), np.float32), None, (program,))\n"
        "few, many = np.ones((1, 2), np.float32), np.ones((1 << 17, 2), np.float32)\n"
        "first = layer_sums(layer, few)\n"
        "print([way.value for way in first.ways], first.refused, 'numba' in sys.modules)\n"
        "end = time.monotonic() + 60\n"
        "while 'again' in sys.argv and 'numba' not in sys.modules and time.monotonic() < end: layer_sums(layer, few)\n"
        "last = layer_sums(layer, few if 'again' in sys.argv else many)\n"
        "after = layer_sums(layer, few)\n"
        "print([way.value for result in (last, after) for way in result.ways], 'numba' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *more], capture_output=True, text=True, check=True)
    first, last = done.stdout.splitlines()
    assert first == "['arrays'] ('compiled, sum program 0: it is not loaded for little work',) False"
    assert last == "['compiled', 'compiled'] True"


def test_without_numba_arrays_are_used_and_that_is_said() -> None:
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "import numpy as np\n"
        "from fpsynth.sums.arithmetic import Arithmetic\n"
        "from fpsynth.evaluators.layers import LayerSums, layer_sums\n"
        "from fpsynth.formats import FLOAT32\n"
        "from fpsynth.sums.building import program_of\n"
        "one, many = np.ones((1, 2), np.float32), np.ones((1 << 17, 2), np.float32)\n"
        "program = program_of(Arithmetic(FLOAT32, fused=True), 2)\n"
        "result = layer_sums(LayerSums(np.array([[0, 1]], np.int32), one, None, (program,)), many)\n"
        "print([way.value for way in result.ways], result.refused, np.unique(result.outputs).item())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "['arrays']" in done.stdout
    assert "numba is not installed: pip install -e '.[fast]'" in done.stdout
    assert done.stdout.rstrip().endswith("2.0")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"gather": np.zeros((2, 3), np.int32)}, "shape \\(positions, terms\\)"),
        ({"bias": np.zeros(3, np.float32)}, "one bias for each"),
        ({"bias": None}, "a bias where it has one"),
        ({"programs": ()}, "in one format"),
        ({"programs": (program_of(Arithmetic(None), 2, True),)}, "in one format"),
        ({"programs": (program_of(FUSED, 3, True),)}, "its number of terms"),
        ({"programs": (program_of(FUSED, 2, True), residual("last"))}, "equally many addends"),
        ({"classes": np.ones((1, 1), np.int32)}, "no number of a sum program"),
    ],
)
def test_layers_that_do_not_fit_are_refused(change: dict[str, Any], why: str) -> None:
    fields = {
        "gather": np.zeros((2, 2), np.int32),
        "weights": np.zeros((4, 2), np.float32),
        "bias": np.zeros(4, np.float32),
        "programs": (program_of(FUSED, 2, True),),
    }
    LayerSums(**fields)
    with pytest.raises(InputError, match=why):
        LayerSums(**fields | change)


def test_inputs_that_do_not_fit_are_refused() -> None:
    weights = np.zeros((4, 2), np.float32)
    layer = LayerSums(np.array([[0, 5]], np.int32), weights, None, (program_of(FUSED, 2),))
    with pytest.raises(InputError, match="reads input 5, but there are 3"):
        layer_sums(layer, np.zeros((1, 3), np.float32))
    with pytest.raises(InputError, match="must be of shape"):
        layer_sums(layer, np.zeros(6, np.float32))
    with pytest.raises(InputError, match="need 0 addends"):
        layer_sums(layer, np.zeros((1, 6), np.float32), [np.zeros((1, 1, 4), np.float32)])
