"""Kernels on simulated tensor cores: groups, bits, cut, rounding, operands and split sums are found and explain everything."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from profiles import slow
from simulated import Array, kernel, layer, revealed
from tensor_cores import TensorCore

from fpsynth.alignment import Alignment, aligned_sum
from fpsynth.formats import FLOAT16, FLOAT32, FORMATS, TF32
from fpsynth.orders import Builder, Tree, fixed_order, parse_order
from fpsynth.revealing.file import reveal_from_json, reveal_to_json
from fpsynth.revealing.result import Reveal, aligned_groups, steps_in_words
from fpsynth.revealing.trees import canonical
from fpsynth.rounding import PLUS_ZERO, Rounding, from_float, round_value
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.arithmetic_json import arithmetic_from_json, arithmetic_to_json
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Round, StepKind

HALF = TensorCore()
VOLTA = TensorCore(group=4, fraction_bits=23)
AMPERE = TensorCore(group=8, fraction_bits=24)
NARROW = TensorCore(accumulator="float16", fraction_bits=24)
BRAIN = TensorCore("bfloat16", "bfloat16", group=8, fraction_bits=24)
TENSOR_FLOAT = TensorCore("tf32", "float32", group=4, fraction_bits=24)
SHAPE = {"batch": 4, "outputs": 2}


def reveal_of(core: TensorCore, terms: int, vectors: int = 300, **shape: Any) -> Reveal:
    return revealed(core, kernel(FORMATS[core.result], terms, **shape), vectors)


def found(reveal: Reveal) -> Arithmetic:
    """The one arithmetic of a reveal that explains everything."""
    assert reveal.explained, (reveal.notes, [str(cls.check) for cls in reveal.classes])
    (cls,) = reveal.classes
    return cls.arithmetic


def tree_of(core: TensorCore, terms: int) -> Tree:
    """The steps of a simulated kernel."""
    build = Builder(terms)
    parts = []
    for steps in np.array_split(core.groups(terms), core.splits):
        sums: tuple[int, ...] = ()
        for step in steps:
            sums = (build.add(*sums, *(int(leaf) for leaf in step if leaf >= 0)),)
        parts += sums
    build.chain(parts)
    return build.tree()


@pytest.mark.parametrize(
    "core", [HALF, VOLTA, NARROW, BRAIN, TENSOR_FLOAT, replace(TENSOR_FLOAT, least_exponent=-133)], ids=str
)
@pytest.mark.parametrize("spread", [2, 12, 60])
def test_the_simulation_and_the_reference_agree(core, spread):
    """Two descriptions of one instruction, made from the papers apart from each other."""
    rng = np.random.default_rng(spread)
    factors, wide = FORMATS[core.operands], FORMATS[core.accumulator]
    mode = Rounding.RTZ if wide == FLOAT32 else Rounding.RNE
    how = Alignment(core.fraction_bits, mode, least_exponent=core.least_exponent)

    def drawn(size: int) -> list[float]:
        exponents = rng.integers(-spread, spread, size) - (140 if spread == 60 and factors != FLOAT16 else 0) / 2
        values = rng.uniform(-2, 2, size) * 2.0 ** np.clip(np.rint(exponents), -24 if factors == FLOAT16 else -140, 15)
        return [float(round_value(from_float(float(v)), factors, Rounding.RTZ)) for v in values]

    for _ in range(150):
        x, w = drawn(core.group), drawn(core.group)
        products = [(from_float(a), from_float(b)) for a, b in zip(x, w, strict=True)]
        wanted = aligned_sum([PLUS_ZERO], products, factors, wide, how)
        result = round_value(wanted, FORMATS[core.result])
        dtype = np.float16 if core.result == "float16" else np.float32 if core.result == "float32" else np.float64
        with np.errstate(over="ignore"):
            got = core(np.array([x], dtype), np.array([w], dtype), None)
        assert float(got[0, 0]) == float(result)


@pytest.mark.parametrize("terms", [3, 16, 17, 40])
@pytest.mark.parametrize("core", [HALF, VOLTA, AMPERE, NARROW, BRAIN, TENSOR_FLOAT], ids=str)
def test_groups_bits_and_rounding_are_found(core, terms):
    got = found(reveal_of(core, terms, **SHAPE))
    assert got.alignment is not None
    assert got.alignment.fraction_bits == core.fraction_bits
    assert got.alignment.cut is Rounding.RTZ
    assert got.alignment.rounding is (Rounding.RTZ if got.sum_format == FLOAT32 else Rounding.RNE)
    assert got.order == parse_order(f"groups:{min(core.group, terms)}")
    assert got.fused
    assert not got.rounded
    if terms > core.group:  # else the accumulator shows in the last rounding alone, which hardly any vector sees
        assert got.sum_format == FORMATS[core.accumulator]


@pytest.mark.parametrize(
    ("bits", "core"),
    [
        pytest.param(*case, marks=slow if k % 2 else ())  # each number of bits, and each core, is tried every time
        for k, case in enumerate(itertools.product([13, 22, 23, 25, 30], [HALF, BRAIN, TENSOR_FLOAT]))
    ],
)
def test_any_number_of_bits(bits, core):
    got = found(reveal_of(replace(core, fraction_bits=bits), 20, **SHAPE))
    assert got.alignment == Alignment(bits)


@pytest.mark.parametrize("rounding", ["RTZ", "RNE", "RNA"])
def test_how_float32_operands_become_tf32(rounding):
    got = found(reveal_of(replace(TENSOR_FLOAT, operand_rounding=rounding), 12, **SHAPE))
    assert (got.operands, got.operand_rounding) == (TF32, Rounding[rounding])


def test_the_least_exponent_shows_in_float32():
    got = found(reveal_of(replace(TENSOR_FLOAT, least_exponent=-133), 12, **SHAPE))
    assert got.alignment == Alignment(24, least_exponent=-133)


@pytest.mark.parametrize("core", [HALF, AMPERE, BRAIN, TENSOR_FLOAT], ids=str)
@pytest.mark.parametrize(("splits", "interleaved"), [pytest.param(2, 1, marks=slow), pytest.param(1, 2, marks=slow), (3, 2)])
def test_split_sums_and_permuted_terms(core, splits, interleaved):
    """Partial sums of a split sum are added by ordinary additions; groups may take every so many-th term."""
    core = replace(core, splits=splits, interleaved=interleaved)
    got = found(reveal_of(core, 96, **SHAPE))
    assert canonical(got.order.tree(96)) == canonical(tree_of(core, 96))
    assert got.alignment == Alignment(core.fraction_bits)


@pytest.mark.parametrize("core", [HALF, AMPERE, BRAIN, TENSOR_FLOAT], ids=str)
def test_two_terms_show_bits_below_a_tie(core):
    """There is no step of three operands to probe."""
    got = found(reveal_of(core, 2, **SHAPE))
    assert got.alignment == Alignment(core.fraction_bits)


@pytest.mark.parametrize("core", [HALF, AMPERE, NARROW, BRAIN], ids=str)
def test_one_term_is_a_product(core):
    assert found(reveal_of(core, 1, **SHAPE)).alignment is None


@pytest.mark.parametrize("core", [HALF, NARROW, BRAIN, TENSOR_FLOAT], ids=str)
def test_a_bias_is_added_to_the_accumulator(core):
    got = found(reveal_of(core, 40, bias=True, **SHAPE))
    assert (got.bias_first, got.bias_leaf) == (False, False)
    assert got.order == parse_order(f"groups:{core.group}")


@pytest.mark.parametrize("core", [HALF, BRAIN], ids=str)
def test_a_bias_that_is_added_to_the_rounded_result(core):
    got = found(reveal_of(replace(core, late_bias=True), 40, bias=True, **SHAPE))
    program = program_of(got, 40, True)
    result = FORMATS[core.result]
    assert program.bias in program.tree.steps[-1]
    assert program.steps[-1].rounds == (Round(result),)
    assert program.steps[-2].rounds[-1] == Round(result)


@pytest.mark.parametrize("core", [HALF, BRAIN], ids=str)
@pytest.mark.parametrize("bias", [False, True])
def test_parts_of_a_split_sum_that_are_rounded_to_the_result(core, bias):
    """What cuBLAS may do where reductions of reduced precision are allowed."""
    program = program_of(found(reveal_of(replace(core, splits=3, reduced=True), 96, bias=bias, **SHAPE)), 96, bias)
    result = FORMATS[core.result]
    parts = [step for step in program.steps if step.kind is StepKind.ALIGNED and step.rounds[-1] == Round(result)]
    assert len(parts) == 3
    assert [step.rounds for step in program.steps if step.kind is StepKind.ADD] == [(Round(FLOAT32),)] * (2 + bias)


def test_more_terms_than_a_bfloat16_counts():
    core = replace(BRAIN, splits=2)
    got = found(reveal_of(core, 300, outputs=6))
    assert canonical(got.order.tree(300)) == canonical(tree_of(core, 300))


def test_many_terms_take_about_two_probes_each():
    reveal = reveal_of(HALF, 520, batch=8)
    assert found(reveal).order == parse_order("groups:16")
    assert reveal.tree_calls < 2.1 * 520 / 8


@pytest.mark.parametrize("nested", [((2, 3), (0, 1, 4)), ((3, 4), (0, 1, 2, 6), (7, 5)), ((1, 2, 3), (0, 4, 6), (7, 5))])
def test_groups_that_are_not_flat_are_found_by_probing_on(nested):
    """The first leaf is no sibling's, so that all are taken for single operands at first; that explains too little."""
    leaves = sum(map(len, nested)) - len(nested) + 1
    how = Arithmetic(FLOAT16, FLOAT32, order=fixed_order(Tree(leaves, nested)), fused=True, alignment=Alignment(24))
    what = kernel(FLOAT16, leaves, **SHAPE)
    got = found(revealed(layer(what, lambda row, output: how), what, 2000))
    assert canonical(got.order.tree(leaves)) == canonical(how.order.tree(leaves))


def test_steps_that_cut_downward():
    """Two's complement."""
    how = Arithmetic(FLOAT32, order=parse_order("groups:4"), fused=True, alignment=Alignment(24, cut=Rounding.RTN))
    what = kernel(FLOAT32, 12, **SHAPE)
    assert found(revealed(layer(what, lambda row, output: how), what)).alignment == how.alignment


def test_tails_that_are_added_by_ordinary_instructions():
    """Terms that fill no group are multiplied and added one by one, to nearest."""

    def compute(rows: Array, weights: Array, bias: Array | None) -> Array:
        x, w = (TENSOR_FLOAT.read(side.astype(np.float64)).astype(np.float32) for side in (rows, weights))
        total = TENSOR_FLOAT(x[:, :16], w[:, :16], None)
        for k in range(16, 19):
            total = total + x[:, None, k] * w[None, :, k]
        return total

    with np.errstate(over="ignore", invalid="ignore"):
        got = found(revealed(compute, kernel(FLOAT32, 19, **SHAPE)))
    assert got.rounded == (16, 17, 18)
    assert got.alignment == Alignment(24)


def test_rows_on_tensor_cores_and_rows_that_are_not():
    """A last row that is computed by fused multiply-adds is a class of its own."""
    chain = Arithmetic(FLOAT16, FLOAT32, fused=True)
    what = kernel(FLOAT16, 24, batch=4, outputs=2)
    other = layer(what, lambda row, output: chain)

    def compute(rows: Array, weights: Array, bias: Array | None) -> Array:
        results = HALF(rows, weights, bias)
        results[3] = other(rows, weights, bias)[3]
        return results

    reveal = revealed(compute, what)
    assert reveal.explained
    first, last = reveal.classes
    assert first.arithmetic.alignment == Alignment(25)
    assert last.arithmetic.alignment is None
    assert last.positions == ((3, 0), (3, 1))


def test_partial_sums_that_are_added_in_any_order_are_told():
    """Split sums with atomic additions: no arithmetic, few vectors, one clear note."""
    rng = np.random.default_rng(0)

    def compute(rows: Array, weights: Array, bias: Array | None) -> Array:
        cut = np.array_split(np.arange(rows.shape[1]), 4)
        parts = [replace(TENSOR_FLOAT)(rows[:, part], weights[:, part], None) for part in cut]
        with np.errstate(all="ignore"):
            return sum(parts[k] for k in rng.permutation(4)).astype(np.float32)  # type: ignore[union-attr]

    reveal = revealed(compute, kernel(FLOAT32, 64, **SHAPE), 2000)
    assert not reveal.explained
    assert "other results when repeated" in reveal.repeats
    assert any("atomic" in note for note in reveal.notes)
    assert sum(cls.check.total for cls in reveal.classes) == 1000


def winograd(rows: Array, weights: Array, bias: Array | None) -> Array:
    """Each two sums of three products F(2, 3) by Winograd's algorithm, of which the first is kept; their sum over channels."""
    x = rows.reshape(len(rows), 1, -1, 3)
    g = weights.reshape(1, len(weights), -1, 3)
    nothing = np.zeros_like(x[..., 0])
    with np.errstate(all="ignore"):
        m1 = (x[..., 0] - x[..., 2]) * g[..., 0]
        m2 = (x[..., 1] + x[..., 2]) * ((g[..., 0] + g[..., 1] + g[..., 2]) * np.float32(0.5))
        m3 = (x[..., 2] - x[..., 1]) * ((g[..., 0] - g[..., 1] + g[..., 2]) * np.float32(0.5))
        return np.add.reduce(m1 + m2 + m3 + nothing, axis=-1)


def test_winograd_has_no_tree():
    what = kernel(FLOAT32, 18, batch=2, outputs=2, operation="conv2d")
    reveal = revealed(winograd, what, 500)
    assert not reveal.explained
    (note,) = {note.split(": ", 1)[1] for note in reveal.notes if note.startswith("no tree")}
    assert "Winograd" in note


@pytest.mark.parametrize(
    ("core", "terms", "words"),
    [
        (HALF, 40, "2 of 16 products, 1 of 8 products; 2 extra bits, cut toward zero, rounded toward zero into float32"),
        (VOLTA, 5, "1 of 4 products, 1 of 1 product; 0 extra bits, cut toward zero, rounded toward zero into float32"),
        (NARROW, 40, "2 of 16 products, 1 of 8 products; 14 extra bits, cut toward zero, rounded to nearest even into float16"),
    ],
    ids=str,
)
def test_what_is_said_of_the_steps(core, terms, words):
    reveal = reveal_of(core, terms, **SHAPE)
    assert steps_in_words(found(reveal), terms) == f"aligned steps: {words}"
    assert sum(size * count for size, count in aligned_groups(found(reveal), terms).items()) == terms
    assert reveal_to_json(reveal)["classes"][0]["steps"] == f"aligned steps: {words}"


def test_reveals_of_tensor_cores_are_read_as_they_were_written():
    reveal = reveal_of(replace(TENSOR_FLOAT, splits=2, least_exponent=-133), 24, **SHAPE)
    assert reveal_from_json(reveal_to_json(reveal)) == reveal
    how = found(reveal)
    assert arithmetic_from_json(arithmetic_to_json(how)) == how
