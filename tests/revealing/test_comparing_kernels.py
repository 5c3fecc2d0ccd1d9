"""Two kernels can be run on the same hostile vectors, whatever their batch sizes and wherever they are read."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from simulated import Simulated, kernel, layer

from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32
from fpsynth.libraries.base import Library
from fpsynth.orders import parse_order
from fpsynth.revealing.bench import KernelBench
from fpsynth.revealing.comparing import Vectors, answered, results, vectors_from_json
from fpsynth.revealing.vectors import Call
from fpsynth.sums.arithmetic import Arithmetic

SEQUENTIAL = Arithmetic(FLOAT32)
PAIRWISE = Arithmetic(FLOAT32, order=parse_order("pairwise"))


def bench(how, batch: int, outputs: int, terms: int = 6) -> KernelBench:
    what = kernel(FLOAT32, terms, batch=batch, outputs=outputs)
    return KernelBench(cast(Library, Simulated(layer(what, how))).operation(what), what)


@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT16, BFLOAT16])
def test_every_other_call_is_in_the_ranges_of_the_question(fmt):
    vectors = Vectors(fmt.name, 6, 2, calls=48, points=3, seed=1, weights=(-0.3, 1.0), inputs=(0.0, 0.7))
    calls = list(vectors)
    assert len(calls) == 48
    for call in calls[1::2]:
        assert -0.3 <= call.weights.min() <= call.weights.max() <= 1
        assert 0 <= call.rows.min() <= call.rows.max() <= 0.7
    assert any(abs(call.rows).max() > 1 for call in calls[::2])


def test_vectors_are_the_same_in_every_process():
    vectors = Vectors("float32", 6, 2, calls=24, points=3, seed=1)
    for one, other in zip(vectors, vectors_from_json(vectors.to_json()), strict=True):
        assert np.array_equal(one.rows, other.rows)
        assert np.array_equal(one.weights, other.weights)


@pytest.mark.parametrize(("batch", "rows"), [(1, [0]), (5, [3]), (5, [3, 0, 4])])
def test_kernels_of_any_batch_size_see_the_same_vectors(batch, rows):
    """Rows 3, 0 and 4 sum in pairs, and so does the kernel of batch 1: what is in other rows does not matter."""
    vectors = Vectors("float32", 6, 1, calls=24, points=4, seed=0)
    found = results(bench(lambda row, output: PAIRWISE if row in rows else SEQUENTIAL, batch, 1), vectors, rows, [0])
    wanted = np.concatenate([sum_of_products(PAIRWISE, call.weights, call.rows) for call in vectors])
    assert found.shape == (96, 1)
    assert np.array_equal(found[:, 0], wanted, equal_nan=True)


def test_only_the_outputs_that_are_compared_are_read():
    odd = bench(lambda row, output: PAIRWISE if output == 2 else SEQUENTIAL, 2, 3)
    vectors = Vectors("float32", 6, 1, calls=24, points=2, seed=0)
    wanted = np.concatenate([sum_of_products(PAIRWISE, call.weights, call.rows) for call in vectors])
    assert np.array_equal(results(odd, vectors, [0], [2])[:, 0], wanted, equal_nan=True)


def test_a_single_vector_fills_the_batch():
    point, weights = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), np.array([[1.0] * 6, [2.0] * 6])
    request = {"operands": [[point, weights]], "rows": [1], "outputs": [0, 1]}
    assert answered(bench(lambda row, output: SEQUENTIAL, 3, 2), request)["results"].tolist() == [[21.0, 42.0]]
    assert results(bench(lambda row, output: SEQUENTIAL, 1, 1), [Call(np.ones((2, 6)), np.ones((1, 6)), None)], [0], [0]).shape
