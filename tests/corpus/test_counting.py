"""Each way to count unsafe inputs gives the number that evaluating every one of them gives."""

import itertools
import random
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from profiles import SLOW

from fpsynth.corpus.families.base import BELOW, stack
from fpsynth.corpus.labels.counting import count
from fpsynth.corpus.labels.counting_boxes import by_boxes
from fpsynth.corpus.labels.counting_each import enumerated
from fpsynth.corpus.labels.counting_residues import by_residues
from fpsynth.corpus.labels.counting_sums import by_sums
from fpsynth.corpus.labels.enclosing import enclosed
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.margins import violated
from fpsynth.corpus.labels.points import Grid, floats_of, grid_of, ordinal
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import Clip, Dense
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.orders import SEQUENTIAL, parse_order
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers.properties import ExactBox, Inequality, Property

ABOVE = Property(((Inequality(((1, Fraction(1)),), Fraction(-1, 4)),), (Inequality(((0, Fraction(-1)),), Fraction(-1)),)))
"""Unsafe where Y_1 <= -1/4, or Y_0 >= 1."""


def deployments():
    return [
        Deployment(Arithmetic(FLOAT32, order=order, fused=fused, bias_first=first))
        for order in (SEQUENTIAL, parse_order("pairwise"))
        for fused in (False, True)
        for first in (False, True)
    ]


def drawn(rng, sizes):
    """A network of coarse and fine weights, so that sums are rounded."""

    def number():
        return float(np.float32(rng.choice([1, -1]) * rng.choice([1.0, 0.5, 3.0, 2.0**12, 1 + 2.0**-20, rng.random()])))

    return stack(
        *(
            ([[number() for _ in range(n)] for _ in range(m)], [number() for _ in range(m)])
            for n, m in itertools.pairwise(sizes)
        )
    )


def small_grid(rng, inputs, each):
    first = [ordinal(rng.uniform(-1, 1)) for _ in range(inputs)]
    return Grid(tuple(first), tuple(k + rng.randrange(each) for k in first))


@pytest.mark.parametrize("inputs", [3, 64, 65, 784])
def test_every_input_of_a_box_comes_up_once_whatever_the_number_of_axes(inputs):
    first = tuple(ordinal(0.25 + k / 2048) for k in range(inputs))
    grid = Grid(first, tuple(k + (2 if place in (0, inputs - 1) else 0) for place, k in enumerate(first)))
    pieces = list(grid.pieces(4))
    assert [len(piece) for piece in pieces] == [4, 4, 1]
    found = list(map(tuple, np.vstack(pieces).tolist()))
    assert found == list(itertools.product(*(grid.axis(k).tolist() for k in range(inputs))))


@pytest.mark.parametrize("seed", range(24))
def test_boxes_count_what_enumeration_counts(seed):
    rng = random.Random(seed)
    inputs = rng.randrange(1, 4)
    network = drawn(rng, [inputs, rng.randrange(1, 4), 2])
    grid = small_grid(rng, inputs, [0, 600, 40, 12][inputs])
    for deployment in deployments():
        computed = Computed("test", network, deployment)
        for unsafe in (BELOW, ABOVE):
            each, boxes = enumerated(computed, grid, unsafe), by_boxes(computed, grid, unsafe)
            assert each is not None
            assert boxes is not None
            assert (boxes.bad, boxes.total) == (each.bad, each.total)


@pytest.mark.parametrize("seed", range(24))
def test_ends_enclose_and_are_reached_by_points(seed):
    rng = random.Random(f"ends {seed}")
    inputs = rng.randrange(1, 4)
    network, grid = drawn(rng, [inputs, 3, 2]), small_grid(rng, inputs, 10)
    lower, upper = (floats_of(np.array([ends], np.int64)) for ends in (grid.first, grid.last))
    for deployment in deployments():
        computed = Computed("test", network, deployment)
        low, high = enclosed(computed, lower, upper)
        outputs = computed.outputs(next(grid.pieces(1 << 14)))
        assert (low <= outputs).all()
        assert (outputs <= high).all()
        point = grid.drawn(1, rng)
        assert all(np.array_equal(end, computed.outputs(point)) for end in enclosed(computed, point, point))


def lattice(rng, inputs, bits):
    """Rounding errors of x + 2**bits, summed over inputs: all sums are exact, the errors are not small."""
    big, identity = 2.0**bits, np.eye(inputs)
    first = (np.vstack([identity, identity]), np.r_[np.full(inputs, big), np.zeros(inputs)])
    second = (np.eye(2 * inputs), np.r_[np.full(inputs, -big), np.zeros(inputs)])
    errors = (np.hstack([identity, -identity]), np.zeros(inputs))
    total = ([[rng.choice([1.0, 2.0, 0.5]) * 2.0 ** (24 - bits) for _ in range(inputs)]], [-rng.uniform(0, inputs) // 0.25 / 4])
    return stack(first, second, errors, total, ([[0.0], [-8.0]], [0.0, 1.0]))


def test_boxes_in_which_a_number_may_overflow_are_not_counted_by_their_ends():
    """a x0 - a x1 is NaN where both overflow; a ceiling hides that from the ends, and not from the outputs."""
    large = np.float32(3e38)
    layers = (
        Dense(np.diag([large, large]), None),
        Dense(np.array([[1, -1]], np.float32), None),
        Clip(0.0, 1.0),
        Dense(np.array([[1], [0]], np.float32), np.array([0, 2], np.float32)),
    )
    names = (INPUT, "a", "b", "c", "d")
    nodes = (Node(name, layer, (before,)) for layer, (before, name) in zip(layers, itertools.pairwise(names), strict=True))
    computed = Computed("none", Network(tuple(nodes), (2,), "d"), Deployment(Arithmetic(FLOAT32)))
    grid = grid_of(ExactBox((Fraction(113425, 100000),) * 2, (Fraction(113428, 100000),) * 2))
    unsafe = Property(((Inequality(((0, Fraction(1)), (1, Fraction(-1))), Fraction(0)),),))
    assert by_boxes(computed, grid, unsafe) is None
    with np.errstate(all="ignore"):
        counted = enumerated(computed, grid, unsafe)
    assert counted is not None
    assert 0 < counted.bad < counted.total


@pytest.mark.parametrize("seed", range(16 if SLOW else 6))
def test_sums_count_what_enumeration_counts(seed):
    rng = random.Random(f"sums {seed}")
    inputs = rng.randrange(2, 4)
    network = lattice(rng, inputs, rng.randrange(3, 7))
    first = [ordinal(0.5 + rng.randrange(1 << 20) * 2.0**-24) for _ in range(inputs)]
    grid = Grid(tuple(first), tuple(k + rng.randrange(1, 300 if inputs == 2 else 30) for k in first))
    for deployment in deployments():
        computed = Computed("test", network, deployment)
        each, sums = enumerated(computed, grid, BELOW), by_sums(computed, grid, BELOW)
        assert each is not None
        assert sums is not None
        assert (sums.bad, sums.total) == (each.bad, each.total)
        if sums.bad:
            assert each.example
            assert (lambda row: row[1] <= row[0])(computed.outputs(np.array([sums.example]))[0])


def mixed(seed):
    """The same behind exact sums and differences of the inputs, a grid, and whether their determinant is odd."""
    rng = random.Random(f"residues {seed}")
    inputs, bits = rng.randrange(2, 4), rng.randrange(3, 5)
    starts = [0.5 + rng.randrange(1 << 20) * 2.0**-24 for _ in range(inputs)]
    places = [rng.sample(range(inputs), 2) for _ in range(inputs)]
    rows = [[float(k == plus) - (k == minus) * rng.randrange(2) for k in range(inputs)] for plus, minus in places]
    near = [round(sum(w * x for w, x in zip(row, starts, strict=True)) * 1024) / 1024 for row in rows]
    layers = [(layer.weight, layer.bias) for layer in lattice(rng, inputs, bits).dense_layers]
    length = 1 << (rng.randrange(4, 8) if inputs == 2 else rng.randrange(4, 6))
    grid = Grid(tuple(map(ordinal, starts)), tuple(ordinal(x) + length - 1 for x in starts))
    return stack((rows, [0.25 - x for x in near]), *layers), grid, round(np.linalg.det(rows)) % 2 == 1


@pytest.mark.parametrize("seed", range(24 if SLOW else 10))
def test_residues_count_what_enumeration_counts(seed):
    network, grid, odd = mixed(seed)
    for deployment in deployments():
        computed = Computed("test", network, deployment)
        each, residues = enumerated(computed, grid, BELOW), by_residues(computed, grid, BELOW)
        assert each is not None
        if residues is not None:
            assert odd
            assert (residues.bad, residues.total) == (each.bad, each.total)
            if residues.bad:
                assert violated(BELOW, computed.outputs(np.array([residues.example])))[0]
                assert all(low <= x <= high for (low, high), x in zip(grid.ends(), residues.example, strict=True))


def test_residues_are_counted_often_enough():
    """Else the test above could not fail: some are counted, with bad inputs among them, and some cannot be."""
    counted = []
    for seed in range(24):
        network, grid, _ = mixed(seed)
        counted.append(by_residues(Computed("test", network, deployments()[0]), grid, BELOW))
    assert sum(one is not None and 0 < one.bad < one.total for one in counted) >= 3
    assert sum(one is None for one in counted) >= 3


def test_residues_of_many_values_are_given_up_before_they_are_listed():
    """Differences of two inputs of two million values each: their list alone would take 32 MiB."""
    rng = random.Random(0)
    layers = [(layer.weight, layer.bias) for layer in lattice(rng, 2, 4).dense_layers]
    network = stack(([[1.0, 0.0], [1.0, -1.0]], [0.0, 0.125]), *layers)
    start = ordinal(0.5)
    grid = Grid((start, start), (start + (1 << 21) - 1, start + (1 << 21) - 1))
    tracemalloc.start()
    assert by_residues(Computed("test", network, deployments()[0]), grid, BELOW) is None
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 22


def test_sums_that_are_not_exact_are_not_counted_by_them():
    computed = Computed("test", stack(([[1.0, 1.0]], [0.0]), ([[0.0], [1.0]], [0.0, 0.0])), deployments()[0])
    coarse = Grid((ordinal(2.0**20), ordinal(2.0**-20)), (ordinal(2.0**20) + 4, ordinal(2.0**-20) + 4))
    assert by_sums(computed, coarse, BELOW) is None
    assert count(computed, coarse, BELOW) == enumerated(computed, coarse, BELOW)


def test_what_is_not_monotone_has_no_ends():
    flushed = Computed("test", stack(([[1.0], [2.0]], [0.0, 0.0])), Deployment(Arithmetic(FLOAT32, flush=Flush.UNBOUNDED)))
    with pytest.raises(InputError, match="not known to be monotone"):
        enclosed(flushed, np.array([[0.0]]), np.array([[1.0]]))


def test_grids_count_floats_between_exact_ends():
    grid = grid_of(ExactBox((Fraction(1, 3), Fraction(-1, 10**50)), (Fraction(1, 2), Fraction(0))))
    near = np.float32(1 / 3)
    least = near if Fraction(float(near)) >= Fraction(1, 3) else np.nextafter(near, np.float32(1))
    assert grid.ends()[0] == (float(least), 0.5)
    assert grid.ends()[1] == (0.0, 0.0)
    assert grid.total == grid.lengths[0] == 0x3F000000 - int(least.view(np.uint32)) + 1
    with pytest.raises(InputError, match="no input of float32"):
        grid_of(ExactBox((Fraction(1, 3),), (Fraction(1, 3),)))


def test_ordinals_go_through_all_floats_in_order():
    places = np.array([-0x7F7FFFFF, -2, -1, 0, 1, 2, 0x7F7FFFFF], np.int64)
    numbers = floats_of(places)
    assert (np.diff(numbers) > 0).all()
    assert [ordinal(x) for x in numbers.tolist()] == places.tolist()
    assert ordinal(-0.0) == 0
