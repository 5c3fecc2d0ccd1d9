"""What bounds by relaxation once said wrongly, one example each."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from relaxation_cases import bounded, require_within

from fpsynth.errors import InputError
from fpsynth.evaluators.networks import network_logits
from fpsynth.evaluators.real import exact_logits
from fpsynth.evaluators.rounding_bounds import rounding_bounds
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64
from fpsynth.networks.layers import Add, AveragePooling, Clip, Dense, DivideConstant, Flatten, LeakyReLU, MaxPooling
from fpsynth.networks.layers.structure import Selection
from fpsynth.networks.network import INPUT, Network, Node, dense_relu
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import REAL as REAL_ARITHMETIC
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers import VERIFIERS, Ball, Box, verifier
from fpsynth.verifiers.properties import Inequality, Property, one_class
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier
from fpsynth.verifiers.relaxations.deciding import DECISIONS
from fpsynth.verifiers.relaxations.lines import Selecting
from fpsynth.verifiers.relaxations.reasoning import NEAREST32, REAL, Reasoning, sound

ALL = pytest.mark.parametrize("name", DECISIONS)


def chain(*layers: object, shape: tuple[int, ...] = (1,)) -> Network:
    """Layers one behind the other."""
    names = [f"n{k}" for k in range(len(layers))]
    nodes = [Node(name, one, (source,)) for name, one, source in zip(names, layers, (INPUT, *names), strict=False)]
    return Network(tuple(nodes), shape, names[-1])


def point(*numbers: float) -> Box:
    return Box(numbers, numbers)


def test_the_sum_of_an_average_overflows_before_it_is_divided() -> None:
    network = chain(AveragePooling((4,)), Flatten(), shape=(1, 4))
    deployment = Deployment(Arithmetic(FLOAT16))
    numbers = (30000.0,) * 4
    for reasoning in (sound(FLOAT16), sound(FLOAT16, deployment)):
        for one in bounded(network, point(*numbers), reasoning).values():
            assert not np.isfinite(one.outputs.upper).all()
    assert np.isinf(rounding_bounds(network, np.array(numbers).reshape(1, 4), FLOAT16, deployment).computed).all()


def test_what_is_flushed_grows_by_a_small_divisor() -> None:
    divisor, tiny = 2.0**-14, 2.0**-15
    network = chain(DivideConstant(np.array([divisor])))
    deployment = Deployment(Arithmetic(FLOAT16, flush=Flush.ROUNDED))
    logits = network_logits(network, (tiny,), FLOAT16, deployment)
    assert logits == (0.0,)
    assert exact_logits(network, (tiny,)) == (Fraction(1, 2),)
    for reasoning in (sound(FLOAT16), sound(FLOAT16, deployment)):
        for one in bounded(network, point(tiny), reasoning).values():
            require_within(one, logits)
    found = rounding_bounds(network, np.array([tiny]), FLOAT16, deployment)
    assert found.computed.reshape(-1)[0] >= 0.5


def test_factors_that_are_read_into_a_narrower_range_lose_with_the_other_factor() -> None:
    network, x = dense_relu([Dense([[2.0**-25]])]), 61440.0
    deployment = Deployment(Arithmetic(FLOAT32, FLOAT16))
    logits = network_logits(network, (x,), FLOAT32, deployment)
    assert logits == (0.0,)
    for one in bounded(network, point(x), sound(FLOAT32, deployment)).values():
        require_within(one, logits)
    assert rounding_bounds(network, np.array([x]), FLOAT32, deployment).computed.reshape(-1)[0] >= x * 2.0**-25


def test_a_narrower_accumulator_overflows_where_its_own_range_ends() -> None:
    network, x = dense_relu([Dense([[1.0, 2.0**-20]])]), (1.0, 2.0**20)
    deployment = Deployment(Arithmetic(FLOAT32, FLOAT16))
    (logit,) = network_logits(network, x, FLOAT32, deployment)
    assert not math.isfinite(logit)
    for one in bounded(network, point(*x), sound(FLOAT32, deployment)).values():
        require_within(one, (logit,))
    assert np.isinf(rounding_bounds(network, np.array(x), FLOAT32, deployment).computed).all()


def test_a_slope_that_is_subnormal_may_be_read_as_zero() -> None:
    network = chain(LeakyReLU(2.0**-20))
    for one in bounded(network, point(-(2.0**15)), sound(FLOAT16)).values():
        require_within(one, (0.0,))
        require_within(one, (-(2.0**-5),))


def test_coefficients_that_underflow_in_float64_count_with_large_numbers() -> None:
    network = chain(Dense([[2.0**1000]]), Dense([[2.0**-600]]), Dense([[2.0**-600]]))
    (logit,) = exact_logits(network, (1.0,))
    assert logit == Fraction(1, 2**200)
    for one in bounded(network, point(1.0), REAL).values():
        require_within(one, (logit,))


def test_a_quotient_that_underflows_has_no_relative_error() -> None:
    network = chain(DivideConstant(np.array([1.7e308])), Dense([[2.0**1000]]))
    x = 2.0**300
    assert exact_logits(network, (x,))[0] > 0
    with pytest.raises(InputError, match="too small"):
        bounded(network, point(x), REAL)


@ALL
def test_one_layer_may_read_the_input_twice(name: str) -> None:
    network = Network((Node("sum", Add(), (INPUT, INPUT)),), (2,), "sum")
    ball = Ball((1.0, 0.0), Fraction(1, 4))
    assert RelaxationVerifier(name, REAL).verify(network, ball, one_class(0, 2)).verdict == "unsat"
    assert RelaxationVerifier(name, REAL).verify(network, Ball((1.0, 0.0), Fraction(1)), one_class(0, 2)).verdict != "unsat"


TWO = dense_relu([Dense([[1.0, 1.0], [1.0, -1.0]]), Dense([[1.0, 0.5], [-1.0, 0.25]])])


@ALL
@pytest.mark.parametrize("reasoning", [REAL, NEAREST32], ids=["real", "float32"])
def test_a_radius_beyond_float64_is_unknown(name: str, reasoning: Reasoning) -> None:
    claim = RelaxationVerifier(name, reasoning).verify(TWO, Ball((0.0, 0.0), Fraction(10) ** 400))
    assert claim.verdict == "unknown" or claim.point


@ALL
def test_a_bound_beyond_float64_is_decided(name: str) -> None:
    for bound, verdict in ((Fraction(10) ** 400, "sat"), (-(Fraction(10) ** 400), "unsat")):
        unsafe = Property(((Inequality(((0, Fraction(1)),), bound),),))
        assert RelaxationVerifier(name, REAL).verify(TWO, Box((0.0, 0.0), (1.0, 1.0)), unsafe).verdict == verdict


ODD = (Fraction(10) ** 400, Fraction(1, 10), Fraction(1, 3**60), Fraction(1, 10**400), Fraction(2**60 + 1, 3))


@ALL
@pytest.mark.parametrize("coefficient", ODD)
def test_a_coefficient_that_is_no_float64_is_decided(name: str, coefficient: Fraction) -> None:
    judge = RelaxationVerifier(name, REAL)
    network = dense_relu([Dense([[1.0, 0.0], [0.0, 1.0]], [1.0, 3.0])])
    for other in (Fraction(0), Fraction(1, 7)):  # a c y0 + other c y1, which is at least c + 3 other c
        terms = ((0, coefficient), (1, coefficient * other))
        least = coefficient * (1 + 3 * other)
        for bound, strict, verdict in (
            (least * (1 - Fraction(1, 10**9)), False, "unsat"),
            (least * (1 + Fraction(1, 10**9)), False, "sat"),
            (least, True, "unsat"),
        ):
            unsafe = Property(((Inequality(terms, bound, strict),),))
            claim = judge.verify(network, point(0.0, 0.0), unsafe)
            assert claim.verdict in ((verdict,) if not strict else (verdict, "unknown"))
            assert claim.verdict != "sat" or unsafe.violated(exact_logits(network, claim.point))


def test_no_bound_of_an_odd_coefficient_is_above_what_it_bounds() -> None:
    """Neither row is held, even over the common denominator: what float64 leaves out decides about sat and unsat."""
    rng = np.random.default_rng(0)
    network = dense_relu([Dense([[1.0]], [0.0])])
    for _ in range(60):
        value = float(rng.normal())
        coefficient = Fraction(int(rng.integers(1, 2**62)) * 2 + 1, int(rng.integers(1, 2**62)) * 2 + 1) * int(
            rng.choice([-1, 1])
        )
        for shift in (-1, 0, 1):
            exact = coefficient * Fraction(value)
            unsafe = Property(((Inequality(((0, coefficient),), exact + Fraction(shift, 2**200)),),))
            for name in DECISIONS:
                verdict = RelaxationVerifier(name, REAL).verify(network, point(value), unsafe, budget=5).verdict
                assert verdict != ("unsat" if shift >= 0 else "sat")


def test_rows_are_multiples_where_float64_holds_one() -> None:
    tenth = Inequality(((0, Fraction(1, 10)), (1, Fraction(-3, 10))), Fraction(1, 3))
    assert (tenth.row.factor, tenth.row.numbers, tenth.row.off) == (10, (1.0, -3.0), (0.0, 0.0))
    assert Property(((tenth,),)).off(2) is None
    assert Property(((tenth,),)).rows(2)[1] == (Fraction(10, 3),)
    odd = Inequality(((0, Fraction(1)), (1, Fraction(1, 3**60))), Fraction(0))
    assert odd.row.factor == 1
    for (_, exact), number, off in zip(odd.coefficients, odd.row.numbers, odd.row.off, strict=True):
        assert abs(exact * odd.row.factor - Fraction(number)) <= Fraction(off)
    assert any(odd.row.off)


@ALL
@pytest.mark.parametrize("reasoning", [REAL, NEAREST32], ids=["real", "float32"])
def test_a_conjunction_of_nothing_is_always_violated_and_no_conjunction_never(name: str, reasoning: Reasoning) -> None:
    judge, box = RelaxationVerifier(name, reasoning), point(0.1, 0.1)
    claim = judge.verify(TWO, box, Property(((),)))
    assert (claim.verdict, claim.point) == ("sat", (0.1, 0.1))
    assert judge.verify(TWO, box, Property(())).verdict == "unsat"


def test_roundings_of_a_model_do_not_make_a_part_empty() -> None:
    rng = np.random.default_rng(0)
    network = dense_relu([Dense(rng.normal(size=(20, 20))), Dense(rng.normal(size=(20, 20))), Dense(rng.normal(size=(2, 20)))])
    judge = RelaxationVerifier("bab", NEAREST32)
    for _ in range(8):
        x = tuple(rng.normal(size=20).astype(np.float32).astype(float).tolist())
        logits = [float(y) for y in exact_logits(network, x)]
        top = int(np.argmin(logits))  # which surely is not above the other
        assert judge.verify(network, point(*x), one_class(top, 2)).verdict == "sat"


@ALL
def test_deployments_in_exact_arithmetic_and_in_a_format_are_refused(name: str) -> None:
    real = Deployment(REAL_ARITHMETIC, (((0, 0), Arithmetic(FLOAT32)),))
    for deployment in (real, Deployment(Arithmetic(FLOAT32), (), ((1, REAL_ARITHMETIC),))):
        with pytest.raises(InputError, match="in exact arithmetic alone"):
            verifier(name, deployment)
    assert name in VERIFIERS


@ALL
def test_a_layer_that_does_not_hold_what_it_reads_is_refused(name: str) -> None:
    network = dense_relu([Dense([[1.0], [1.0]]), Dense([[1.0, 1.0]])])
    narrower = Deployment(Arithmetic(FLOAT32), (), ((1, Arithmetic(FLOAT16)),))
    with pytest.raises(InputError, match="dense1: an arithmetic in float16 got a number in float32; cast it first"):
        verifier(name, narrower).verify(network, point(1.0))
    several = Deployment(Arithmetic(FLOAT16), (((0, 1), Arithmetic(FLOAT32)),))
    with pytest.raises(InputError, match="dense0: bounds by relaxation are of layers that compute in one format each"):
        verifier(name, several).verify(network, point(1.0))
    wider = Deployment(Arithmetic(FLOAT16), (), ((1, Arithmetic(FLOAT32)),))
    assert verifier(name, wider).verify(network, point(1.0)).bounds
    with pytest.raises(InputError, match="dense0 has a weight or a bias that is not a float16"):
        verifier(name, wider).verify(dense_relu([Dense([[1.0 + 2.0**-20]]), Dense([[1.0]])]), point(1.0))
    with pytest.raises(InputError, match="the region has a number that is not a float16"):
        verifier(name, wider).verify(network, point(1.0 + 2.0**-20))


def test_a_bound_of_a_clip_that_the_format_does_not_hold_is_refused() -> None:
    network = chain(Clip(0.1, None))
    with pytest.raises(InputError, match="round the network first"):
        bounded(network, point(0.0), sound(FLOAT16))
    assert bounded(network, point(0.0), sound(FLOAT64))


@ALL
def test_the_class_of_the_middle_is_not_guessed_from_wide_ends(name: str) -> None:
    """Float64 cannot tell which logit is larger, and its lower end says the wrong one; exactly, class 1 is everywhere."""
    network = dense_relu([Dense([[1.0], [2.0**30]], [0.0, 1 - 2.0**30 + 2.0**-20])])
    assert exact_logits(network, (1.0,))[1] > exact_logits(network, (1.0,))[0]
    assert RelaxationVerifier(name, REAL).verify(network, point(1.0)).verdict != "sat"
    tied = dense_relu([Dense([[1.0], [1.0]])])
    assert RelaxationVerifier(name, REAL).verify(tied, point(1.0)).verdict == "sat"


def test_a_ball_whose_points_overflow_is_unknown() -> None:
    network = dense_relu([Dense([[1e300, 1.0]]), Dense([[1e300], [-1.0]]), Dense([[1e300, 1.0], [1.0, 1e300]])])
    for name in DECISIONS:
        assert RelaxationVerifier(name, REAL).verify(network, Ball((1.0, 1.0), Fraction(1))).verdict == "unknown"


def test_padding_is_never_the_largest_of_infinite_ends() -> None:
    """It is no input, and its place, -1, would be read as that of the last one."""
    network = chain(MaxPooling((2,), stride=(2,), padding=((1, 1),)), Flatten(), shape=(1, 2))
    structure = network.structure("n0")
    assert isinstance(structure, Selection)
    for end in (-math.inf, math.nan):
        with np.errstate(all="ignore"):
            under, over = Selecting.of(structure).lines(np.array([end, 1.0]), np.array([math.inf, 1.0]), REAL)
        assert under.read.tolist() == over.read.tolist() == [0, 1]
