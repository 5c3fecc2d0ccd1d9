"""The published detectors give the published results, in float32 and float64, and fire in the orders that they are said to."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from profiles import every_second

from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, FORMATS, TF32, Format
from fpsynth.orders import parse_order
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.detecting.detectors import NAMES, detector, fires_in, with_omega_at

FINE = [FLOAT32, FLOAT64]


def deployment(fmt: Format, order: str = "sequential", **how: bool) -> Deployment:
    return Deployment(Arithmetic(fmt, order=parse_order(order), **how))


@pytest.mark.parametrize("fmt", FINE, ids=str)
@pytest.mark.parametrize(
    ("name", "terms", "default", "real"),
    [("Precision", 3, 0, 1), ("Order1", 135, 0, 15), ("Order2", 514, 2, 2), ("Order3", 514, 512, 512)],
)
@pytest.mark.parametrize("bias", [True, False])
def test_default_and_real_values(name: str, terms: int, default: int, real: int, fmt: Format, bias: bool) -> None:
    found = detector(name, fmt, bias=bias)
    assert found.network.widths == (terms - (bias and name != "Order1"), 1)
    assert set(found.point) == {1.0}
    assert max(found.summands) == 2.0**fmt.precision / (4 if name == "Order1" else 1)
    assert found.default_value == default
    assert found.real_value == found.value(Deployment(REAL)) == real
    assert not fires_in(found, deployment(fmt))


@pytest.mark.parametrize(
    ("fmt", "wider"), [(FLOAT16, FLOAT32), (BFLOAT16, FLOAT32), (FLOAT32, FLOAT64), (TF32, FLOAT64)], ids=str
)
def test_precision_is_0_at_the_precision_of_omega_and_1_above(fmt: Format, wider: Format) -> None:
    found = detector("Precision", fmt)
    assert found.default_value == 0
    assert found.value(deployment(wider)) == 1
    assert fires_in(found, deployment(wider))
    assert fires_in(found, Deployment(Arithmetic(fmt, accumulator=wider)))


ORDERS = ("reverse", "pairwise", "strided:2", "strided:4", "strided:8", "strided:16")
WEIGHTS = {  # all summands are weights, and in the order
    "Order1": (15, 15, 15, 15, 12, 15),
    "Order2": (2, 2, 1, 1, 1.5, 1.75),
    "Order3": (512, 512, 512, 512, 512, 512),
}
BIAS_LAST = {  # the last summand is a bias, and comes last
    "Order1": (15, 15, 15, 15, 12, 15),
    "Order2": (0, 2, 0, 0, 0, 0),
    "Order3": (0, 512, 512, 512, 512, 512),
}


@pytest.mark.parametrize(("name", "fmt"), every_second(itertools.product(["Order1", "Order2", "Order3"], FINE)), ids=str)
def test_values_in_other_orders(name: str, fmt: Format) -> None:
    weights, biased = detector(name, fmt, bias=False), detector(name, fmt)
    assert tuple(weights.value(deployment(fmt, order)) for order in ORDERS) == WEIGHTS[name]
    assert tuple(biased.value(deployment(fmt, order)) for order in ORDERS) == BIAS_LAST[name]


def test_order2_is_zero_in_lanes_only_where_the_bias_comes_after_them() -> None:
    assert fires_in(detector("Order2"), deployment(FLOAT32, "strided:8"))
    assert not fires_in(detector("Order2", bias=False), deployment(FLOAT32, "strided:8"))


def test_the_values_that_lie_outside_the_usual_ranges() -> None:
    """Lanes that do not divide a block give Order1 16, many lanes 0; Order3 is zero in reverse and in 512 lanes."""
    order1, order3 = detector("Order1"), detector("Order3")
    assert [order1.value(deployment(FLOAT32, order)) for order in ("strided:3", "strided:64", "strided:512")] == [16, 0, 0]
    assert [order3.value(deployment(FLOAT32, order)) for order in ("reverse", "strided:64", "strided:512")] == [0, 512, 0]
    assert detector("Order3", bias=False).value(deployment(FLOAT32, "strided:512")) == 511


@pytest.mark.parametrize(("name", "zeros"), [("Order2", range(257)), ("Order3", range(2))])
def test_positions_of_omega_that_give_zero_with_the_bias_last(name: str, zeros: range) -> None:
    """257 of 513 and 2 of 513: tried around the last of them and at random ones, for the value falls with the position."""
    found, fire = detector(name), deployment(FLOAT32)
    places = [0, 1, 2, 3, 100, 255, 256, 257, 258, 400, 511, 512]
    assert [place for place in places if fires_in(with_omega_at(found, place), fire)] == [p for p in places if p in zeros]


@pytest.mark.parametrize(("name", "count"), [("Order2", 257), ("Order3", 2)])
def test_number_of_positions_that_give_zero_in_numpy(name: str, count: int) -> None:
    """Every position, with numpy's running sum, which adds from left to right."""
    np = pytest.importorskip("numpy")
    found = detector(name)
    moved = np.array([with_omega_at(found, place).summands for place in range(513)], np.float32)
    assert np.count_nonzero(np.add.accumulate(moved, axis=1)[:, -1] == 0) == count


def test_the_bias_may_come_first() -> None:
    """Next to -omega the summands of Order2 are lost; the ones of Order3 are kept, for they take it to a finer binade."""
    assert fires_in(detector("Order2"), deployment(FLOAT32, bias_first=True))
    assert not fires_in(detector("Order3"), deployment(FLOAT32, bias_first=True))


def test_numpys_running_sum_gives_the_default_values() -> None:
    np = pytest.importorskip("numpy")
    for name in NAMES:
        summands = np.array(detector(name).summands, np.float32)
        assert float(np.add.accumulate(summands)[-1]) == detector(name).default_value


@pytest.mark.parametrize(("name", "fmt"), every_second(itertools.product(NAMES, FORMATS.values())), ids=str)
def test_a_detector_never_fires_by_default_in_any_format(name: str, fmt: Format) -> None:
    if name == "Order2" and fmt.precision < 10:
        with pytest.raises(InputError, match="fires in its own default order"):
            detector(name, fmt)
        return
    found = detector(name, fmt)
    assert not fires_in(found, deployment(fmt))
    assert found.real_value == {"Precision": 1, "Order1": 15, "Order2": 2, "Order3": 512}[name]


def test_a_narrow_format_loses_most_of_order3_already_by_default() -> None:
    assert detector("Order3", BFLOAT16).default_value == Fraction(256)


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="unknown detector 'Order4'; choose from Precision, Order1"):
        detector("Order4")
    with pytest.raises(InputError, match="513 weights, counted from 0"):
        with_omega_at(detector("Order2"), 513)
    with pytest.raises(InputError, match="float16 does not hold the summands of Order3 for float32"):
        detector("Order3").value(deployment(FLOAT16))
