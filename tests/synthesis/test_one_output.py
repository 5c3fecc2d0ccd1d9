"""Networks of one output: no class of theirs changes, which is said at once; the layer that is advised rounds nothing."""

import json
from fractions import Fraction

import numpy as np
import pytest
from divergences import PAIRWISE, SEQUENTIAL, divergence, views

from fpsynth.cli.main import main
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import Dense, ReLU
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.networks.npz_graph import write_npz
from fpsynth.predicates import Predicate
from fpsynth.revealing.revealer import Revealer
from fpsynth.sums.arithmetic import Deployment
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.classes import ADVICE
from fpsynth.synthesis.given.order import GivenOrder, order_of_network
from fpsynth.synthesis.given.views import Given
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness import from_json, to_json

rng = np.random.default_rng(11)


def drawn(*shape):
    return rng.standard_normal(shape).astype(np.float32).astype(float)


HIDDEN, LAST = Dense(drawn(12, 8), drawn(12)), Dense(drawn(1, 12))
ONE = dense_relu((HIDDEN, LAST))
TWO = Network(
    (
        Node("hidden", HIDDEN),
        Node("relu", ReLU(), ("hidden",)),
        Node("last", LAST, ("relu",)),
        Node("sign", Dense(np.array([[1.0], [0.0]])), ("last",)),
    ),
    (8,),
    "sign",
)
POINTS = drawn(60, 8)


@pytest.mark.parametrize(
    "asked",
    [
        ["compare", "NET", "--inputs", "X", "--library", "numpy"],
        ["order", "--network", "NET", "--points", "X", "--a", "sequential", "--b", "pairwise"],
        ["order", "--network", "NET", "--points", "X", "--a", "numpy", "--b", "numpy:batch=4"],
        ["tie", "--network", "NET", "--points", "X"],
    ],
    ids=lambda asked: " ".join(asked[:1] + asked[5:]),
)
def test_a_network_of_one_output_is_refused_in_one_line_that_says_what_to_do(tmp_path, capsys, asked):
    write_npz(ONE, tmp_path / "net.npz")
    np.savez(tmp_path / "x.npz", inputs=POINTS.astype(np.float32))
    places = {"NET": str(tmp_path / "net.npz"), "X": str(tmp_path / "x.npz")}
    assert main([places.get(word, word) for word in asked]) == 2
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert line.endswith(f"if its sign decides, {ADVICE}")
    assert not told.out


def test_a_class_that_a_file_claims_to_change_with_one_output_is_found_untrue():
    two = divergence(
        dense_relu((Dense(((1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 1.0))),)),
        (-(2.0**24), 2.0**24, 1.0, 0.0),
        views(("sequential", SEQUENTIAL), ("pairwise", PAIRWISE)),
        Predicate("argmax"),
    )
    data = json.loads(json.dumps(to_json(two)))
    assert from_json(data) == two
    layer = data["network"]["layers"][0]
    data["network"]["layers"] = [{name: rows[:1] if rows else rows for name, rows in layer.items()}]
    for view in data["views"]:
        view["logits"] = view["logits"][:1]
    data["real"] = data["real"][:1]
    result = check(from_json(data))
    assert not result.confirmed
    untrue = [finding.claim for finding in result.findings if not finding.holds]
    assert untrue == ["b (pairwise) departs from a (sequential) by argmax"]


@pytest.mark.parametrize("how", [SEQUENTIAL, PAIRWISE], ids=["sequential", "pairwise"])
def test_the_layer_that_is_advised_says_the_sign_and_rounds_nothing(how):
    one, two = (network_outputs(network, POINTS, Deployment(how)) for network in (ONE, TWO))
    assert {True, False} == set((one >= 0).ravel().tolist())
    assert (two[:, 0] == one[:, 0]).all()
    assert (two[:, 1] == 0).all()
    assert (two.argmax(axis=1) == np.where(one[:, 0] >= 0, 0, 1)).all()


def test_with_that_layer_an_input_whose_sign_depends_on_the_order_is_found():
    with Revealer() as revealer:
        given = Given(TWO, FLOAT32, revealer)
        result = order_of_network(GivenOrder(TWO, FLOAT32, ("sequential", "pairwise"), POINTS), given, 30.0, {}, None)
    assert result.verdict is Verdict.FOUND
    (witness,) = result.witnesses
    a, b, *_ = witness.views
    assert (a.logits[0] >= 0) != (b.logits[0] >= 0)
    assert a.logits[1] == b.logits[1] == Fraction(0)
    assert check(witness).confirmed
