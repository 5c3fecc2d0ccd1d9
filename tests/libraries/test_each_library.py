"""Each library computes what the exact interpreter computes where nothing is rounded, and says why it cannot run the rest."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest
from profiles import SLOW, every_second
from shared_layers import NETWORKS, POINTS, by_hand
from ties import PUBLISHED

from fpsynth.confirmation import replay
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import constant
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, FORMATS, TF32, Format
from fpsynth.libraries.pool import LibraryCall, LibraryPool
from fpsynth.libraries.registry import library_named, names_for
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Dense, Network, dense_relu, with_numbers
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.witness import Observation

BATCHES = (1, 4, 64)
WAYS = [(name, variant) for name in names_for("cpu") for variant in library_named(name).variants]
DTYPES = [name for name in FORMATS if name != "tf32"]
REFUSED = {
    ("numpy", "matmul"): {"bfloat16", "float8_e4m3fn", "float8_e5m2"},
    ("torch", "linear"): {"float8_e4m3fn", "float8_e5m2"},
    ("torch", "matmul"): {"float8_e4m3fn", "float8_e5m2"},
    ("tensorflow", "keras"): {"float8_e4m3fn", "float8_e5m2"},
    ("tensorflow", "matmul"): {"float8_e4m3fn", "float8_e5m2"},
    ("tensorflow", "function"): {"float8_e4m3fn", "float8_e5m2"},
    ("onnxruntime", "gemm"): {"bfloat16", "float8_e4m3fn", "float8_e5m2"},
    ("onnxruntime", "matmul"): {"bfloat16", "float8_e4m3fn", "float8_e5m2"},
}
"""Formats in which hidden layers with biases were refused by the versions that this was written with."""


@pytest.fixture(scope="module")
def pool() -> Iterator[LibraryPool]:
    with LibraryPool() as started:
        yield started


def integers(seed: int, *shape: int, biased: bool, magnitude: int) -> Network:
    draw = random.Random(seed)

    def number() -> float:
        return float(draw.randint(-magnitude, magnitude))

    return dense_relu(
        tuple(
            Dense(
                tuple(tuple(number() for _ in range(inputs)) for _ in range(outputs)),
                tuple(number() for _ in range(outputs)) if biased else None,
            )
            for inputs, outputs in itertools.pairwise(shape)
        )
    )


def exact(network: Network, point: tuple[float, ...], dtype: Format) -> tuple[float, ...]:
    graph = network.map(lambda w: constant(w, dtype))
    logits = lower(graph, [constant(x, dtype) for x in point], Deployment(Arithmetic(dtype)))
    return tuple(float(value) for value in evaluate(logits, {}))  # type: ignore[arg-type]


def present(pool: LibraryPool, name: str) -> None:
    if pool.members[name].version is None:
        pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize(("way", "dtype"), every_second(itertools.product(WAYS, DTYPES)), ids=str)
def test_small_integers_are_exact(pool: LibraryPool, way: tuple[str, str], dtype: str) -> None:
    """With every intermediate result an integer that the format holds, no order of summation makes a difference."""
    name, variant = way
    present(pool, name)
    if name == "numpy" and dtype not in ("float16", "float32", "float64"):
        pytest.importorskip("ml_dtypes")
    small = dtype.startswith("float8")
    shape, magnitude = ((3, 2, 2), 1) if small else ((4, 3, 5, 2), 1)
    points = [tuple(float(random.Random(7 * k).randint(-1, 1)) for k in range(j, j + shape[0])) for j in range(5)]
    refused = dtype in REFUSED.get((name, variant), ())
    for biased in (False, True):
        network = integers(3, *shape, biased=biased and not small, magnitude=magnitude)
        batches = [(0,), (0, 1, 2, 2, 4)]
        if not SLOW:  # each way of a variant, in every second format
            batches = [batches[(DTYPES.index(dtype) + WAYS.index((name, variant)) + biased) % 2]]
        answers = pool.run(network, FORMATS[dtype], points, {name: [LibraryCall(variant, rows) for rows in batches]})[name]
        for rows, answer in zip(batches, answers, strict=True):
            if answer.outputs is None and refused:
                assert answer.not_run
                assert "/" not in answer.not_run, "a reason is no traceback with paths"
                continue
            assert answer.outputs is not None, answer.not_run
            expected = [exact(network, points[k], FORMATS[dtype]) for k in rows]
            assert list(answer.outputs.logits) == expected
            assert list(answer.outputs.classes) == [max(range(2), key=lambda c: (row[c], -c)) for row in expected]


@pytest.mark.parametrize(("name", "variant"), WAYS)
def test_every_layout_computes_the_same_network(pool: LibraryPool, name: str, variant: str) -> None:
    """With hidden layers and biases: the letter of the points is theirs alone, that of the weights is every layer's."""
    present(pool, name)
    called = library_named(name).calls[variant]
    layouts = [*called.layouts, *(["NsTe", "TeNs", "TsNe"] if called.strided else [])]
    points = [tuple(float((3 * k + j) % 5 - 2) for k in range(4)) for j in range(5)]
    network, rows = integers(3, 4, 3, 5, 2, biased=True, magnitude=1), (0, 1, 2, 2, 4)
    calls = [LibraryCall(variant, rows, layout) for layout in layouts]
    wrong = LibraryCall(variant, rows, "NNN")
    *answers, refused = pool.run(network, FLOAT32, points, {name: [*calls, wrong]})[name]
    for answer in answers:
        assert answer.outputs is not None, answer.not_run
        assert list(answer.outputs.logits) == [exact(network, points[k], FLOAT32) for k in rows]
    assert refused.not_run.startswith(f"{name}'s {variant} has no layout 'NNN'; choose from")


@pytest.mark.parametrize(("name", "variant"), WAYS)
def test_numbers_keep_their_bits_on_the_way(pool: LibraryPool, name: str, variant: str) -> None:
    """One input, weight 1: signs of zeros, the largest finite number and every last bit come back as they were sent."""
    present(pool, name)
    for dtype in (FLOAT16, FLOAT32, FLOAT64):
        last = 1.0 + float(2 * dtype.unit_roundoff)
        points = [(last,), (-last,), (float(dtype.max_finite),), (float(dtype.min_normal),)]
        network = dense_relu((Dense(((1.0,), (-1.0,))),))
        answer = pool.run(network, dtype, points, {name: [LibraryCall(variant, (0, 1, 2, 3))]})[name][0]
        assert answer.outputs is not None, answer.not_run
        assert answer.outputs.logits == tuple((x, -x) for (x,) in points)


@pytest.mark.parametrize(("name", "variant"), WAYS)
def test_ties_go_to_the_first_class(pool: LibraryPool, name: str, variant: str) -> None:
    present(pool, name)
    network = dense_relu((Dense(((1.0,), (2.0,), (2.0,))),))
    answer = pool.run(network, FLOAT32, [(1.0,), (-1.0,)], {name: [LibraryCall(variant, (0, 1))]})[name][0]
    assert answer.outputs is not None, answer.not_run
    assert answer.outputs.classes == (1, 0)


@pytest.mark.parametrize(("name", "variant"), WAYS)
def test_numbers_of_another_format_are_refused(pool: LibraryPool, name: str, variant: str) -> None:
    """A weight or a point is never rounded silently on its way into a library."""
    present(pool, name)
    network = dense_relu((Dense(((1.0,), (2.0,))),))
    fine, finer = 1.0 + 2.0**-20, 1.0 + 2.0**-40
    calls = {name: [LibraryCall(variant, (0,))]}
    wrong_point = pool.run(network, FLOAT16, [(fine,)], calls)[name][0]
    wrong_weight = pool.run(with_numbers(network.map(float), lambda w: w * finer), FLOAT32, [(1.0,)], calls)[name][0]
    for answer in (wrong_point, wrong_weight):
        assert "hold" in answer.not_run
        assert "numbers that are not" in answer.not_run


@pytest.mark.parametrize(("name", "variant"), WAYS)
def test_what_has_no_dtype_is_said_so(pool: LibraryPool, name: str, variant: str) -> None:
    present(pool, name)
    answer = pool.run(dense_relu((Dense(((1.0,), (2.0,))),)), TF32, [(1.0,)], {name: [LibraryCall(variant, (0,))]})[name][0]
    assert answer.outputs is None
    assert answer.not_run == f"{name} has no dtype tf32"


def test_numpy_does_not_pass_off_float32_as_bfloat16(pool: LibraryPool) -> None:
    """np.matmul widens the types of ml_dtypes and returns float32: such a result is no bfloat16 logit."""
    pytest.importorskip("ml_dtypes")
    calls = {"numpy": [LibraryCall("matmul", (0,)), LibraryCall("dot", (0,))]}
    matmul, dot = pool.run(dense_relu((Dense(((1.0,), (2.0,))),)), FORMATS["bfloat16"], [(1.0,)], calls)["numpy"]
    assert matmul.not_run == "the result for bfloat16 comes back in float32"
    assert dot.outputs is not None
    assert dot.outputs.logits == ((1.0, 2.0),)


def test_torch_runs_8_bit_formats_without_hidden_layers(pool: LibraryPool) -> None:
    present(pool, "torch")
    calls = {"torch": [LibraryCall("linear", (0,) * 4)]}
    plain = dense_relu((Dense(((1.0,), (2.0,))),))
    answer = pool.run(plain, FORMATS["float8_e5m2"], [(3.5,)], calls)["torch"][0]
    if answer.outputs is None:
        pytest.skip(f"this torch: {answer.not_run}")
    assert answer.outputs.logits == ((3.5, 7.0),) * 4
    assert answer.outputs.classes == (1,) * 4


@pytest.mark.parametrize("name", names_for("cpu"))
def test_a_layer_that_is_used_several_times_is_run_as_equal_layers(pool: LibraryPool, name: str) -> None:
    present(pool, name)
    calls = [LibraryCall(variant, tuple(range(len(POINTS)))) for variant in library_named(name).variants]
    for network in NETWORKS:
        wanted = tuple(by_hand(network, point) for point in POINTS)
        for answer in pool.run(network, FLOAT32, POINTS, {name: calls})[name]:
            assert answer.outputs is not None, answer.not_run
            assert answer.outputs.logits == wanted


@pytest.fixture(scope="module")
def published(pool: LibraryPool) -> tuple[Observation, ...]:
    return replay(PUBLISHED, pool=pool, batches=BATCHES).observations


@pytest.mark.parametrize("name", names_for("cpu"))
def test_the_published_tie_is_confirmed_by_every_library(
    pool: LibraryPool, published: tuple[Observation, ...], name: str
) -> None:
    present(pool, name)
    member = pool.members[name]
    records = [record for record in published if record.library == name]
    assert {(r.variant, r.batch) for r in records} == {(v, b) for v in member.variants for b in BATCHES}
    for record in records:
        assert record.departs, record
        assert record.rows == tuple(range(record.batch))
        assert (record.reference_class, record.class_index) == (1, 0)
        assert record.logits[0] == record.logits[1]
        assert record.accepted is True
        assert record.not_run == ""
        assert record.version
        assert record.device == "cpu"
        assert record.agrees_with == ("b", "a")  # one product, no sum: no order can matter
