"""The arithmetic that a kernel was made from is the one that is found, and it explains every vector."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from profiles import slow
from simulated import Array, Simulated, kernel, layer, random_tree, reveal_of, revealed

from fpsynth.errors import InputError
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, TF32
from fpsynth.libraries.base import Library, Operation
from fpsynth.libraries.kernels import Kernel
from fpsynth.orders import Tree, fixed_order, parse_order
from fpsynth.revealing.bench import KernelBench
from fpsynth.revealing.checking import answers, explained, joined
from fpsynth.revealing.file import reveal_from_json, reveal_to_json
from fpsynth.revealing.kernel import reveal_kernel
from fpsynth.revealing.result import Check, Read, Reveal, pairs_reversed, steps_in_words
from fpsynth.revealing.trees import canonical
from fpsynth.revealing.vectors import COLUMNS, CallShape, hostile_calls
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Round
from fpsynth.sums.restriction import restrict_program
from fpsynth.synthesis.flips.arithmetics import same


def found(reveal: Reveal) -> Arithmetic:
    """The one arithmetic of a reveal that explains everything."""
    assert reveal.explained, (reveal.notes, [str(cls.check) for cls in reveal.classes])
    assert reveal.repeats == "same"
    (cls,) = reveal.classes
    assert cls.check.total == 300
    return cls.arithmetic


def seeds(number: int, ordinary: tuple[int, ...]) -> list[object]:
    """So many seeds, of which only some are tried every time."""
    return [seed if seed in ordinary else pytest.param(seed, marks=slow) for seed in range(number)]


@pytest.mark.parametrize("seed", seeds(6, (1,)))
@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64])
def test_random_trees(fmt, seed):
    rng = np.random.default_rng(seed)
    terms = int(rng.integers(2, 24))
    how = Arithmetic(fmt, order=fixed_order(random_tree(rng, terms)), fused=bool(seed % 2))
    assert same(found(reveal_of(how, terms)), how, terms)


@pytest.mark.parametrize("seed", seeds(12, (0, 1)))
def test_trees_with_steps_of_many_nodes(seed):
    rng = np.random.default_rng(seed)
    terms = int(rng.integers(3, 20))
    tree = random_tree(rng, terms, arity=5)
    how = Arithmetic(FLOAT32, order=fixed_order(tree))
    assert canonical(found(reveal_of(how, terms)).order.tree(terms)) == canonical(tree)


@pytest.mark.parametrize("seed", seeds(6, (5,)))
@pytest.mark.parametrize(("batch", "outputs"), [(1, 1), (8, 1), (1, 5)])
def test_some_products_are_rounded_before_fused_additions(seed, batch, outputs):
    """The probes of single leaves are spread over rows, or over outputs."""
    rng = np.random.default_rng(seed)
    terms = int(rng.integers(4, 20))
    rounded = tuple(k for k in range(terms) if rng.random() < 0.4)
    how = Arithmetic(FLOAT32, order=fixed_order(random_tree(rng, terms)), fused=True, rounded=rounded, flush=seed == 5)
    assert same(found(reveal_of(how, terms, batch=batch, outputs=outputs)), how, terms)


@pytest.mark.parametrize(
    "how",
    [
        Arithmetic(FLOAT16, accumulator=FLOAT32, order=parse_order("pairwise")),
        Arithmetic(FLOAT16, order=parse_order("strided:4")),
        Arithmetic(FLOAT16, flush=True, order=parse_order("strided:2")),
        Arithmetic(FLOAT16, fused=True),
        Arithmetic(BFLOAT16, accumulator=FLOAT32, order=parse_order("strided:4")),
        Arithmetic(BFLOAT16, order=parse_order("pairwise")),
        Arithmetic(FLOAT32, accumulator=FLOAT64, order=parse_order("reverse")),
        Arithmetic(FLOAT32, accumulator=FLOAT64, products=FLOAT32, order=parse_order("pairwise")),
        Arithmetic(FLOAT32, flush=True, order=parse_order("pairwise")),
        Arithmetic(FLOAT32, flush=True, fused=True),
        Arithmetic(FLOAT32, operands=TF32),
        Arithmetic(FLOAT32, operands=BFLOAT16, order=parse_order("pairwise")),
        Arithmetic(FLOAT32, rounding=Rounding.RTZ, order=parse_order("pairwise")),
        Arithmetic(FLOAT32, rounding=Rounding.RTP),
        Arithmetic(FLOAT32, rounding=Rounding.RTN, order=parse_order("strided:4")),
    ],
    ids=str,
)
def test_what_is_not_the_order(how):
    assert same(found(reveal_of(how, 12)), how, 12)


@pytest.mark.parametrize(
    ("terms", "flush"),
    [
        pytest.param(terms, flush, marks=slow if terms == 40 or (terms == 8 and flush is not Flush.UNBOUNDED) else ())
        for terms in (2, 3, 8, 40)
        for flush in Flush
    ],
)
@pytest.mark.parametrize("later_first", [False, True])
def test_which_product_of_a_pair_is_fused_onto_which_where_products_are_exact(later_first, terms, flush):
    """As AVX512-BF16 does it, which takes the second product of each pair first, or the other way round."""
    order = [j for i in range(0, terms, 2) for j in (i + 1, i) if j < terms] if later_first else list(range(terms))
    steps = [(order[0], order[1]), *((terms + k, order[k + 2]) for k in range(terms - 2))]
    rounded = (1,) if later_first else ()
    how = Arithmetic(BFLOAT16, FLOAT32, fused=True, flush=flush, rounded=rounded, order=fixed_order(Tree(terms, tuple(steps))))
    got = found(reveal_of(how, terms))
    assert same(got, how, terms)
    assert pairs_reversed(got, terms) == ([(0, 1)] if later_first else [])


@pytest.mark.parametrize("flush", Flush)
@pytest.mark.parametrize("fmt", [BFLOAT16, FLOAT16, FLOAT32])
def test_every_pair_where_products_meet_has_an_order_of_its_own(fmt, flush):
    """Lanes start with a product each; in some the earlier one is fused onto the later, and in one neither is fused."""
    how = Arithmetic(fmt, FLOAT32, fused=True, flush=flush, rounded=(3, 4, 6), order=parse_order("pairwise"))
    got = found(reveal_of(how, 8, batch=3, outputs=2))
    if fmt == FLOAT16:  # products and their sums with others never leave the range of float32: all the same
        assert not got.rounded
        return
    assert same(got, how, 8)
    assert pairs_reversed(got, 8) == [(2, 3)]
    assert "product 3 is rounded by itself, and product 2 is fused onto it" in steps_in_words(got, 8)


@pytest.mark.parametrize("terms", [2, pytest.param(8, marks=slow), 64])
@pytest.mark.parametrize("fmt", [BFLOAT16, FLOAT32])
def test_hostile_vectors_tell_pair_orders_and_kinds_of_flushing_apart_often_enough(fmt, terms):
    """Of the 10000 that a kernel is checked on, whatever its number of terms, dozens."""
    steps = [(0, 1), *((terms + k, k + 2) for k in range(terms - 2))]
    right = Arithmetic(
        fmt, FLOAT32, fused=True, flush=Flush.UNBOUNDED, rounded=(1,), order=fixed_order(Tree(terms, tuple(steps)))
    )
    what = kernel(fmt, terms, batch=64, outputs=64)
    everywhere = [(row, output) for row in range(64) for output in range(64)]
    given = joined(list(answers(KernelBench(layer(what, lambda row, output: right), what), everywhere, 10_000, 1, calls=26)))
    for wrong in (replace(right, rounded=()), replace(right, flush=Flush.ROUNDED)):
        assert explained(wrong, given) < 10_000 - 20
    assert explained(right, given) == 10_000


@pytest.mark.parametrize("fmt", [FLOAT16, BFLOAT16, FLOAT32])
@pytest.mark.parametrize("flush", [Flush.ROUNDED, Flush.UNBOUNDED])
@pytest.mark.parametrize("fused", [False, True])
def test_how_tiny_results_are_told(fmt, flush, fused):
    """Both ways differ in the last half ulp below the least normal number, where some hostile vectors are."""
    how = Arithmetic(fmt, FLOAT32, fused=fused, flush=flush, order=parse_order("strided:2"))
    got = found(reveal_of(how, 12, batch=2))
    assert got.flush == flush or same(got, how, 12)
    if fmt == FLOAT32:
        assert got.flush is flush


def test_sums_that_the_result_format_cannot_count():
    """A bfloat16 holds whole numbers up to 256 only, so that the units of a probe are added in parts."""
    how = Arithmetic(BFLOAT16, accumulator=FLOAT32, order=parse_order("strided:8"))
    assert same(found(reveal_of(how, 300)), how, 300)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("batch", "outputs"), [(1, 1), (4, 3)])
@pytest.mark.parametrize("place", ["first", "last", "within"])
def test_the_bias(place, batch, outputs, fused):
    order = parse_order("pairwise")
    if place == "within":  # ((0+1)+bias) + ((2+3)+(4+5))
        order = fixed_order(Tree(7, ((0, 1), (7, 6), (2, 3), (4, 5), (9, 10), (8, 11))))
    how = Arithmetic(FLOAT32, order=order, bias_first=place == "first", bias_leaf=place == "within", fused=fused)
    what = kernel(FLOAT32, 6, batch=batch, outputs=outputs, bias=True)
    got = found(revealed(layer(what, lambda row, output: how), what))
    assert (got.bias_first, got.bias_leaf, got.fused) == (how.bias_first, how.bias_leaf, fused)
    assert canonical(got.order.tree(6 + got.bias_leaf)) == canonical(how.order.tree(6 + how.bias_leaf))


@pytest.mark.parametrize("rounded", [(), (0,), (0, 1), (2,)])
def test_a_product_fused_onto_a_bias_that_comes_first(rounded):
    how = Arithmetic(FLOAT32, bias_first=True, fused=True, rounded=rounded)
    got = found(reveal_of(how, 5, bias=True, batch=2))
    assert (got.bias_first, got.rounded) == (True, rounded)


@pytest.mark.parametrize("terms", [1, 2, 3])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_few_terms(terms, fused, bias):
    how = Arithmetic(FLOAT32, fused=fused)
    reveal = reveal_of(how, terms, bias=bias)
    got = found(reveal)
    assert got.order == how.order
    if terms > 1 or (bias and got.bias_first):
        assert got.fused == fused


def test_positions_are_sorted_by_what_they_compute():
    """The last two outputs are a tail, and so is the last row."""
    main = Arithmetic(FLOAT32, order=parse_order("strided:4"), fused=True)
    tail = Arithmetic(FLOAT32, fused=True)
    last = Arithmetic(FLOAT32)
    what = kernel(FLOAT32, 16, batch=4, outputs=6)
    reveal = revealed(layer(what, lambda row, output: last if row == 3 else tail if output >= 4 else main), what)
    assert reveal.explained
    assert [cls.arithmetic for cls in reveal.classes] == [main, tail, last]
    assert reveal.classes[0].positions == tuple((row, output) for row in range(3) for output in range(4))
    assert reveal.at(3, 5).arithmetic == last
    assert reveal.deployment(0).at(0, 5) == tail


def test_thousands_of_outputs_share_weights_and_each_is_looked_at():
    """Weights are drawn for ``COLUMNS`` outputs at a time; a class of one output beyond them is found and checked as well."""
    last = COLUMNS + 40
    other = Arithmetic(FLOAT32, order=parse_order("reverse"))
    what = kernel(FLOAT32, 5, outputs=last + 1)
    found = revealed(layer(what, lambda row, output: other if output == last else Arithmetic(FLOAT32)), what)
    assert [(cls.arithmetic, len(cls.positions)) for cls in found.classes] == [(Arithmetic(FLOAT32), last), (other, 1)]
    assert all(cls.check.explained == cls.check.total == 300 for cls in found.classes)
    assert found.at(0, last).arithmetic == other
    assert found.at(0, last - 1).arithmetic == Arithmetic(FLOAT32)
    with pytest.raises(InputError, match=f"has no row 0, output {last + 1}"):
        found.at(0, last + 1)
    assert found.deployment().exceptions == (((0, last), other),)


def test_weights_beyond_so_many_outputs_repeat_the_first():
    shape = CallShape(batch=2, outputs=COLUMNS + 3, terms=4, weighted=True, bias=True)
    call = next(hostile_calls(shape, FLOAT32, 5, distinct=64))
    assert call.weights.shape == (COLUMNS + 3, 4)
    assert (call.weights[COLUMNS:] == call.weights[:3]).all()
    assert (call.bias[COLUMNS:] == call.bias[:3]).all()
    assert call.rows.shape == (2, 4)
    assert len(np.unique(call.weights[:, 0])) > COLUMNS // 2


def test_more_arithmetics_than_are_revealed_are_listed_with_a_note(monkeypatch):
    monkeypatch.setattr("fpsynth.revealing.kernel.MAX_CLASSES", 2)
    orders = ["sequential", "pairwise", "reverse", "strided:4"]
    what = kernel(FLOAT32, 12, outputs=4)
    reveal = revealed(layer(what, lambda row, output: Arithmetic(FLOAT32, order=parse_order(orders[output]))), what)
    assert sum(len(cls.positions) for cls in reveal.classes) == 4
    assert not reveal.explained
    assert "4 groups of positions" in reveal.notes[0]


@pytest.mark.parametrize(("order", "probes"), [("sequential", 15), ("pairwise", None), ("strided:4", None), ("reverse", 120)])
def test_no_more_probes_than_fprev_needs(order, probes):
    """n-1 for a sum from left to right, n(n-1)/2 at most (FPRev, ATC 2025); a batched kernel takes several in a call."""
    how = Arithmetic(FLOAT32, order=parse_order(order))
    calls = reveal_of(how, 16).tree_calls
    assert calls == probes if probes else 15 < calls < 120
    assert reveal_of(how, 16, batch=8).tree_calls < calls


def test_a_plain_sum_has_no_products():
    what = kernel(FLOAT32, 9, operation="sum")
    how = Arithmetic(FLOAT32, order=parse_order("pairwise"))
    assert same(found(revealed(layer(what, lambda row, output: how), what)), how, 9)


def test_results_that_change_between_repeats_are_reported_and_not_used():
    rng = np.random.default_rng(0)
    what = kernel(FLOAT32, 32)

    def shuffled(rows: Array, weights: Array, bias: Array | None) -> Array:
        products = (rows[0] * weights[0])[rng.permutation(32)]
        return np.cumsum(products, dtype=np.float32)[-1:].reshape(1, 1)

    reveal = revealed(shuffled, what, 200)
    assert "calls gave other results when repeated" in reveal.repeats
    assert not reveal.explained
    with pytest.raises(Exception, match="has no one arithmetic"):
        reveal.deployment()


def sorted_sum(products: Array) -> np.float32:
    """Smallest magnitudes first: the order depends on the numbers."""
    return np.cumsum(products[np.argsort(np.abs(products))], dtype=np.float32)[-1]


def kahan(products: Array) -> np.float32:
    """Kahan's compensated sum: more operations than a tree has."""
    total, lost = np.float32(0), np.float32(0)
    for product in products:
        term = product - lost
        grown = total + term
        lost = (grown - total) - term
        total = grown
    return total


def with_clipping(products: Array) -> np.float32:
    """From left to right, but results above 2**20 are cut off."""
    return min(np.cumsum(products, dtype=np.float32)[-1], np.float32(2.0**20))


@pytest.mark.parametrize("function", [sorted_sum, kahan, with_clipping])
def test_what_is_no_tree_is_not_explained(function):
    """The reveal says so, with the first vector on which it is wrong, and the number that the library gave for it."""
    what = kernel(FLOAT32, 12)
    with np.errstate(all="ignore"):
        reveal = revealed(lambda rows, weights, bias: np.array([[function(rows[0] * weights[0])]], np.float32), what)
    assert not reveal.explained
    (cls,) = reveal.classes
    assert cls.check.explained < cls.check.total == 300
    assert any("hypotheses" in note for note in reveal.notes)
    first = cls.check.first
    assert first is not None
    with np.errstate(all="ignore"):
        again = float(function(np.float32(first.inputs) * np.float32(first.weights)))
    assert again == first.library or (np.isnan(again) and np.isnan(first.library))
    assert first.library != first.predicted


@pytest.mark.parametrize("fused", [False, True])
def test_a_tail_that_is_summed_in_float64_is_found(fused):
    """What OpenBLAS does with the terms of a single-precision dot product that its vectors leave over."""
    what, start = kernel(FLOAT32, 22), 16
    main = Arithmetic(FLOAT32, order=parse_order("strided:4"), fused=fused)

    def compute(rows: Array, weights: Array, bias: Array | None) -> Array:
        total = np.zeros(1)
        with np.errstate(all="ignore"):
            for product in (rows[0, start:] * weights[0, start:]).tolist():
                total = total + product
            first = sum_of_products(main, weights[0, :start].astype(float), rows[0, :start].astype(float))
            return (total + first).astype(np.float32).reshape(1, 1)

    program = program_of(found(revealed(compute, what)), start + 6)
    assert [leaf.rounds for leaf in program.leaves[start:]] == [(Round(FLOAT32),)] * 6
    assert [step.rounds for step in program.steps[-6:]] == [(Round(FLOAT64),)] * 5 + [(Round(FLOAT64), Round(FLOAT32))]
    assert same(Arithmetic(FLOAT32, given=restrict_program(program, range(start))), main, start)


def test_vectors_that_were_not_explained_decide_between_hypotheses():
    """Flushing shows in few vectors only where there are few terms: the check then finds the right arithmetic after all."""
    how = replace(Arithmetic(FLOAT32, fused=True), flush=True)
    assert found(reveal_of(how, 3)).flush


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_check_on_many_rows_draws_few_of_them_and_as_many_vectors_as_it_says(share):
    """Positions are chosen at random from call to call, and no vector is asked twice."""
    rng = np.random.default_rng(0)
    what = kernel(FLOAT32, 6, batch=300, outputs=3)
    seen: list[Array] = []

    def compute(rows: Array, weights: Array, bias: Array | None) -> Array:
        seen.append(rows)
        return rows @ weights.T

    positions = [(row, output) for row in range(300) for output in range(3) if rng.random() < share]
    with np.errstate(all="ignore"):
        parts = joined(list(answers(KernelBench(compute, what), positions, 1000, 0, calls=16)))
    assert len(parts) == 1000
    assert len(seen) >= 16
    assert all(len(np.unique(rows, axis=0)) <= 64 for rows in seen)
    both = np.concatenate([parts.inputs, parts.weights], axis=1)
    assert len(np.unique(both[np.all(parts.inputs != 0, axis=1)], axis=0)) == np.all(parts.inputs != 0, axis=1).sum()


def test_rows_beyond_those_that_are_drawn_repeat_them():
    shape = CallShape(batch=10, outputs=2, terms=3, weighted=True, bias=False)
    few = next(hostile_calls(replace(shape, batch=4), FLOAT32, 5))
    many = next(hostile_calls(shape, FLOAT32, 5, distinct=4))
    assert np.array_equal(many.rows, few.rows[[0, 1, 2, 3, 0, 1, 2, 3, 0, 1]])
    assert np.array_equal(many.weights, few.weights)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ((), "no effect of operands 4, 16, 32, 48 bytes past a multiple of 64"),
        ((4, 48), "other results with operands 4, 48 bytes past a multiple of 64 (tried: 4, 16, 32, 48)"),
        (None, "the library places its operands itself (they are nowhere)"),
    ],
)
def test_results_that_depend_on_where_operands_are_in_memory_are_told(other: tuple[int, ...] | None, told: str) -> None:
    what = kernel(FLOAT32, 6)
    pairwise = Arithmetic(FLOAT32, order=parse_order("pairwise"))
    aligned, moved = layer(what, lambda row, output: pairwise), layer(what, lambda row, output: Arithmetic(FLOAT32))
    places = None if other is None else lambda offset: moved if offset in other else aligned
    reveal = reveal_kernel(cast(Library, Simulated(aligned, moved=places)), what, 300, 0)
    assert reveal.alignment == told
    assert reveal.explained


def test_weights_that_are_costly_to_change_meet_many_rows() -> None:
    """A kernel of one row and one output would otherwise be asked with new weights ten thousand times."""
    how, changes, last = Arithmetic(FLOAT32, order=parse_order("pairwise")), 0, b""
    what = kernel(FLOAT32, 8)
    plain = layer(what, lambda row, output: how)

    def compute(rows: Array, weights: Array, bias: Array | None) -> Array:
        nonlocal changes, last
        changes, last = changes + (weights.tobytes() != last), weights.tobytes()
        return plain(rows, weights, bias)

    reveal = reveal_kernel(cast(Library, Simulated(compute, rows_per_weights=32)), what, 4000, 0)
    (only,) = reveal.classes
    assert (only.check.explained, only.check.total) == (4000, 4000)
    assert same(only.arithmetic, how, 8)
    assert reveal.calls > 4000
    assert changes < 500


def test_what_is_not_read_is_not_looked_at() -> None:
    """The last outputs of a kernel are summed in another order, and one class of one position takes most of the calls."""
    usual, last = (Arithmetic(FLOAT32, order=parse_order(name)) for name in ("pairwise", "sequential"))
    what = kernel(FLOAT32, 12, batch=2, outputs=9)
    library = cast(Library, Simulated(layer(what, lambda row, output: last if (row, output) == (1, 8) else usual)))
    whole = reveal_kernel(library, what, 600, 0)
    reads = {read: reveal_kernel(library, what, 600, 0, (read,)) for read in ((0, 0), (1, 8))}
    for read, reveal in reads.items():
        own, other = reveal.classes
        assert own == whole.at(*read) == reveal.at(*read)
        assert own.check.perfect
        assert (other.check, other.arithmetic) == (Check(0, 0), own.arithmetic)
        assert {*own.positions, *other.positions} == {(row, output) for row in range(2) for output in range(9)}
        assert not reveal.whole
        assert not reveal.explained
        assert any("positions that are not read" in note for note in reveal.notes)
        assert reveal_from_json(reveal_to_json(reveal)) == reveal
    assert reads[0, 0].calls < whole.calls / 2
    both = reveal_kernel(library, what, 600, 0, ((0, 0), (1, 8)))
    assert (both.classes, both.whole) == (whole.classes, True)


def test_what_is_read_and_changes_between_repeats_is_said_to() -> None:
    rng = np.random.default_rng(0)
    what = kernel(FLOAT32, 5, outputs=3)
    plain = layer(what, lambda row, output: Arithmetic(FLOAT32))
    reveal = revealed_of(lambda *operands: plain(*operands) + rng.integers(0, 2), what, ((0, 0),))
    assert "other results when repeated" in reveal.repeats
    (only,) = reveal.classes
    assert len(only.positions) == 3


def revealed_of(compute: Operation, what: Kernel, read: Read) -> Reveal:
    return reveal_kernel(cast(Library, Simulated(compute)), what, 300, 0, read)
