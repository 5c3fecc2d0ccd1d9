"""Networks that are given: inputs on which two ways to evaluate them part, and ties that a verifier's ball contains."""

from fractions import Fraction

import numpy as np
import pytest
from profiles import slowly
from rendered import explain, report

from fpsynth.errors import BeyondReachError, InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import BatchNormalisation, Convolution, Dense, Flatten, ReLU
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.given import order
from fpsynth.synthesis.given.boundaries import neighbours
from fpsynth.synthesis.given.order import GivenOrder, order_of_network
from fpsynth.synthesis.given.tie import GivenTie, single_steps, tie_of_network
from fpsynth.synthesis.given.views import Given
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness import load, save

rng = np.random.default_rng(5)


def drawn(*shape):
    return rng.standard_normal(shape).astype(np.float32).astype(float)


DENSE = dense_relu((Dense(drawn(12, 8), drawn(12)), Dense(drawn(3, 12))))
CONVOLUTIONAL = Network(
    (
        Node("conv", Convolution(drawn(3, 1, 3, 3), drawn(3), padding=1)),
        Node("relu", ReLU(), ("conv",)),
        Node("flat", Flatten(), ("relu",)),
        Node("last", Dense(drawn(2, 75)), ("flat",)),
    ),
    (1, 5, 5),
    "last",
)


@pytest.fixture(scope="module")
def revealer():
    with Revealer() as made:
        yield made


def points_of(network, count=40):
    return drawn(count, int(np.prod(network.input_shape)))


@pytest.mark.parametrize(
    ("network", "sides"),
    [
        (DENSE, ("sequential", "pairwise")),
        (CONVOLUTIONAL, ("real", "sequential,fused")),
        (DENSE, ("sequential", "reverse", "real")),
        *slowly(
            (CONVOLUTIONAL, ("sequential", "pairwise")),
            (DENSE, ("real", "sequential,fused")),
            (CONVOLUTIONAL, ("sequential", "reverse", "real")),
        ),
    ],
)
def test_an_input_on_a_boundary_tells_two_arithmetics_apart(tmp_path, revealer, network, sides):
    asked = GivenOrder(network, FLOAT32, sides, points_of(network))
    result = order_of_network(asked, Given(network, FLOAT32, revealer), 20.0, {}, None)
    assert result.verdict is Verdict.FOUND
    (witness,) = result.witnesses
    assert [view.label for view in witness.views] == list(sides)
    assert check(witness).confirmed
    save(witness, tmp_path / "w.json")
    assert load(tmp_path / "w.json") == witness
    told = explain(witness)
    assert "What is wrong" in told
    assert len(told.splitlines()) < 150


def test_an_environment_stands_in_the_witness_under_its_one_name(tmp_path, revealer):
    asked = GivenOrder(DENSE, FLOAT32, ("numpy:matmul:row=0,batch=1", "reverse"), points_of(DENSE))
    (witness,) = order_of_network(asked, Given(DENSE, FLOAT32, revealer), 60.0, {}, None).witnesses
    assert (witness.reference.label, witness.reference.environment) == ("numpy:batch=1", "numpy:batch=1")
    save(witness, tmp_path / "w.json")
    again = load(tmp_path / "w.json")
    assert again == witness
    assert check(again).confirmed
    told = explain(again)
    assert "numpy:batch=1" in told
    assert "matmul:batch" not in told
    assert "row=0" not in told


def test_neighbours_differ_in_class_and_no_halving_brings_them_nearer():
    def classes_of(points):
        return np.stack([points.sum(axis=1), np.zeros(len(points))], axis=1)

    inputs = np.array([[1.0, 2.0, 0.5], [-1.0, -3.0, 0.25], [4.0, 0.0, 1.0]])
    found = neighbours(classes_of, inputs, FLOAT32, np.random.default_rng(0))
    for _ in range(100):
        pair = next(found)
        of_lower, of_upper = classes_of(np.stack([pair.lower, pair.upper])).argmax(axis=1)
        assert of_lower != of_upper
        middle = ((pair.lower + pair.upper) / 2).astype(np.float32).astype(float)
        assert ((middle == pair.lower) | (middle == pair.upper)).all()
        walk = pair.walk(np.random.default_rng(1))
        assert (walk[0] == pair.lower).all()
        assert (walk[-1] == pair.upper).all()
        assert ((walk[1:] != walk[:-1]).sum(axis=1) == 1).all()
        mixed = pair.mixed(20, np.random.default_rng(2))
        assert ((mixed == pair.lower) | (mixed == pair.upper)).all()


def test_inputs_of_one_class_have_no_boundary_between_them(revealer):
    alike = np.repeat(points_of(DENSE, 1), 3, axis=0)
    with pytest.raises(InputError, match="give inputs of two classes"):
        order_of_network(
            GivenOrder(DENSE, FLOAT32, ("sequential", "pairwise"), alike), Given(DENSE, FLOAT32, revealer), 5.0, {}, None
        )


def test_inputs_beyond_the_range_of_the_format_are_refused(revealer):
    far = np.stack([np.full(8, 1e300), np.zeros(8)])
    given = Given(DENSE, FLOAT32, revealer)
    with pytest.raises(InputError, match="the inputs have a number beyond the range of float32"):
        order_of_network(GivenOrder(DENSE, FLOAT32, ("sequential", "pairwise"), far), given, 5.0, {}, None)
    with pytest.raises(InputError, match="the inputs have a number beyond the range of float32"):
        tie_of_network(GivenTie("sequential", far, "lipschitz", 0.0), given, 5.0, {}, None)


def test_inputs_without_finite_logits_have_no_class():
    def overflowing(points):
        sums = points.sum(axis=1)
        return np.stack([np.where(sums > 3.0, np.nan, sums), np.zeros(len(points))], axis=1)

    too_large = np.full((3, 2), 2.0)
    with pytest.raises(InputError, match="all 3 inputs have logits that are infinite or NaN in float32"):
        next(neighbours(overflowing, too_large, FLOAT32, np.random.default_rng(0)))
    mixed = np.concatenate([too_large, [[1.0, 1.0], [-1.0, -1.0]]])
    pair = next(neighbours(overflowing, mixed, FLOAT32, np.random.default_rng(0)))
    assert np.isfinite(overflowing(np.stack([pair.lower, pair.upper]))).all()
    with pytest.raises(InputError, match="all 1 inputs have class 0"):
        next(neighbours(overflowing, mixed[:4], FLOAT32, np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("network", "side"),
    [
        (DENSE, "sequential"),
        (CONVOLUTIONAL, "sequential,fused"),
        *slowly((CONVOLUTIONAL, "sequential"), (DENSE, "sequential,fused")),
    ],
)
def test_a_tie_on_a_network_that_is_given(tmp_path, revealer, network, side):
    given = Given(network, FLOAT32, revealer)
    result = tie_of_network(GivenTie(side, points_of(network)), given, 60.0, {}, None)
    assert result.verdict is Verdict.FOUND, result.reason
    (witness,) = result.witnesses
    assert witness.claim.accepted
    assert witness.ratio is not None
    assert witness.ratio >= 1
    assert check(witness).confirmed
    save(witness, tmp_path / "w.json")
    assert load(tmp_path / "w.json") == witness
    for told in (report(witness), report(result), explain(witness)):
        assert "lipschitz certifies that every point closer to b" in " ".join(told.replace("│", " ").split())


def test_every_single_step_is_one_number_of_the_format():
    point = np.array([0.5, -0.0, FLOAT32.max_finite.__float__(), -1.0])
    steps = single_steps(point, FLOAT32)
    assert len(steps) == 7  # above the largest number there is none
    assert ((steps != point).sum(axis=1) <= 1).all()
    neighbours_of = {float(np.nextafter(np.float32(0.5), np.float32(1))), float(np.nextafter(np.float32(0.5), np.float32(0)))}
    assert neighbours_of <= set(steps[:, 0].tolist())


def test_ties_that_no_ball_reaches_are_unknown(revealer):
    given = Given(DENSE, FLOAT32, revealer)
    result = tie_of_network(GivenTie("sequential", points_of(DENSE), min_ratio=Fraction(2**40)), given, 1.0, {}, None)
    assert result.verdict is Verdict.UNKNOWN
    assert "no tie on the boundaries" in result.reason


@pytest.mark.parametrize(("side", "said"), [("real", "in exact arithmetic there is none"), ("[0,1]", "12|terms|leaves")])
def test_what_cannot_be_asked_of_a_given_network_is_said(revealer, side, said):
    with pytest.raises(InputError, match=said):
        tie_of_network(GivenTie(side, points_of(DENSE)), Given(DENSE, FLOAT32, revealer), 5.0, {}, None)


def test_an_order_says_nothing_of_a_batch_normalisation(revealer):
    norm = BatchNormalisation(np.ones(1), np.ones(1), np.ones(1), np.zeros(1))
    network = Network((Node("norm", norm), Node("flat", Flatten(), ("norm",))), (1, 2, 2), "flat")
    with pytest.raises(InputError, match=r"norm: no order says .* name environments as sides"):
        order_of_network(
            GivenOrder(network, FLOAT32, ("real", "sequential"), points_of(network)),
            Given(network, FLOAT32, revealer),
            5.0,
            {},
            None,
        )


def test_a_point_that_takes_too_long_is_no_point_without_an_answer(monkeypatch):
    def beyond(*_):
        raise BeyondReachError("it takes hours")

    monkeypatch.setattr(order, "with_prediction", beyond)
    asked = GivenOrder(dense_relu([(np.eye(2), None)]), FLOAT32, ("real", "sequential"), np.eye(2))
    view = type("Seen", (), {"view": None})()
    with pytest.raises(BeyondReachError):
        order._witness(asked, [view, view], np.ones(2))
