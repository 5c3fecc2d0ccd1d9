"""Of an input whose class changes other tools get a box around it, what is expected there, and on what that rests."""

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from divergences import classes, triple
from drawn_networks import convolutional, drawn

from fpsynth.corpus.divergence import write_divergence_folder
from fpsynth.corpus.point_benchmark import PointBenchmark, is_benchmark
from fpsynth.corpus.region import region_around
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.revealing.revealer import Revealer
from fpsynth.rounding import from_fraction, representable
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.given.order import GivenOrder, order_of_network
from fpsynth.synthesis.given.views import Given
from fpsynth.witness.data import only_point

CONVOLUTIONAL = convolutional(2)


def found(*sides):
    with Revealer() as revealer:
        given = Given(CONVOLUTIONAL, FLOAT32, revealer)
        points = drawn(40, 25, seed=6)
        (witness,) = order_of_network(GivenOrder(CONVOLUTIONAL, FLOAT32, sides, points), given, 60.0, {}, None).witnesses
    return witness


@pytest.fixture(scope="module")
def believed_rightly():
    """A class that the reals have too; the deployed order departs from it."""
    return found("real", "sequential")


@pytest.fixture(scope="module")
def believed_wrongly(believed_rightly):
    """The same the other way round: sequential is believed, and a sum in pairs is where the reals are."""
    a, b = believed_rightly.views
    return replace(believed_rightly, views=(replace(a, logits=b.logits), replace(b, logits=a.logits)))


def test_the_box_around_an_input_has_the_believed_class_over_the_reals(believed_rightly):
    benchmark = PointBenchmark(believed_rightly)
    region = benchmark.region
    assert region.robust_over_reals
    assert benchmark.expected()["real"] == ("unsat", "a proof by a Lipschitz bound from exact logits")
    assert benchmark.expected()["float32"] == ("sat", "exact evaluation in sequential")
    bounds = list(zip(region.lower, map(Fraction, believed_rightly.point), region.upper, strict=True))
    assert all(low <= x <= up for low, x, up in bounds)
    assert all(representable(from_fraction(end), FLOAT32) for low, _, up in bounds for end in (low, up))
    for corner in np.random.default_rng(0).integers(0, 2, (8, 25)):
        logits = exact_logits(
            CONVOLUTIONAL, [float(up if high else low) for (low, _, up), high in zip(bounds, corner, strict=True)]
        )
        assert logits.index(max(logits)) == benchmark.label


def test_a_cube_is_the_largest_that_the_bound_proves():
    point = drawn(40, 25, seed=6)[0].tolist()
    logits = exact_logits(CONVOLUTIONAL, point)
    label = logits.index(max(logits))
    region = region_around(CONVOLUTIONAL, FLOAT32, point, label)
    assert region.robust_over_reals
    assert all(low < Fraction(x) < up for low, x, up in zip(region.lower, point, region.upper, strict=True))
    other = region_around(CONVOLUTIONAL, FLOAT32, point, 1 - label)
    assert (other.lower, other.upper) == (tuple(map(Fraction, point)),) * 2
    assert not other.robust_over_reals


def test_an_input_whose_real_class_is_another_is_a_counterexample_over_the_reals(believed_wrongly):
    benchmark = PointBenchmark(believed_wrongly)
    assert benchmark.region.lower == benchmark.region.upper == tuple(map(Fraction, believed_wrongly.point))
    assert benchmark.expected()["real"] == ("sat", "exact logits of the input")
    unknown = PointBenchmark(replace(believed_wrongly, real=()))
    assert unknown.expected()["real"] == ("unknown", "nothing: the logits of the input are not known exactly")


def comments(folder):
    texts = [path.read_text() for path in folder.iterdir() if path.name.endswith(".vnnlib")]
    assert len(texts) == 3
    return [line for text in texts for line in text.splitlines() if line.startswith(";")]


@pytest.mark.parametrize("real", [True, False], ids=["exact logits", "none"])
def test_one_input_alone_is_called_no_box(believed_wrongly, tmp_path, real):
    label = PointBenchmark(believed_wrongly).wrong_label
    logits = tuple(Fraction(1 if k == label else 2) for k in range(2)) if real else ()  # whose class is the believed one
    write_divergence_folder(replace(believed_wrongly, real=logits), tmp_path / "w")
    told = comments(tmp_path / "w")
    assert not [line for line in told if "box" in line]
    assert told.count("; what follows asks about that input alone") == 3
    if real:
        assert "; expected over real: unsat (exact logits of the input, the only one that is asked about)" in told


def test_a_box_is_called_one(believed_rightly):
    label = PointBenchmark(believed_rightly).label
    inside = next(
        point
        for point in drawn(40, 25, seed=6).tolist()
        if (logits := exact_logits(CONVOLUTIONAL, point)).index(max(logits)) == label
    )
    far = replace(believed_rightly, points=only_point(tuple(inside)))  # from the boundary, which a witness never is
    region = PointBenchmark(far).region
    assert all(low < up for low, up in zip(region.lower, region.upper, strict=True))
    texts = [text.decode() for name, text in PointBenchmark(far).files().items() if name.endswith(".vnnlib")]
    assert len(texts) == 3
    assert all("; what follows asks about a box around it\n" in text for text in texts)


def test_the_files_beside_the_witness_say_just_that(believed_rightly, tmp_path):
    vnnlib = pytest.importorskip("vnnlib")
    assert write_divergence_folder(believed_rightly, tmp_path / "w") == ()
    names = {"property.vnnlib", "property.float32.vnnlib", "property.real.vnnlib", "counterexample.txt"}
    assert {path.name for path in (tmp_path / "w").iterdir()} == {"witness.json", "network.onnx", "point.txt", *names}
    benchmark = PointBenchmark(believed_rightly)
    for element, verdict in (("float32", "sat"), ("real", "unsat")):
        text = (tmp_path / "w" / f"property.{element}.vnnlib").read_text()
        assert re.findall(r"; expected over (\w+): (\w+) ", text) == [(element, verdict)]
        query = vnnlib.parse_query_string(text)
        (network,) = query.networks
        assert (network.inputs[0].shape, network.outputs[0].shape) == ([1, 1, 5, 5], [1, 2])
        ends = [Fraction(assertion.expr.rhs.lexeme) for assertion in query.assertions[:-1]]
        assert (tuple(ends[::2]), tuple(ends[1::2])) == (benchmark.region.lower, benchmark.region.upper)
        violated = query.assertions[-1].expr
        assert (violated.lhs.indices, violated.rhs.indices) == ([0, benchmark.wrong_label], [0, benchmark.label])
    assigned = re.findall(r"\(([XY])_\d+ ([0-9.-]+)\)", (tmp_path / "w" / "counterexample.txt").read_text())
    assert tuple(Fraction(value) for name, value in assigned if name == "X") == tuple(map(Fraction, believed_rightly.point))
    assert tuple(Fraction(value) for name, value in assigned if name == "Y") == believed_rightly.deployed.logits


def test_what_was_measured_and_what_was_replayed_is_said(believed_rightly):
    a, b = believed_rightly.views
    measured = replace(believed_rightly, views=(a, replace(b, measured=True)))
    assert PointBenchmark(measured).expected()["float32"] == ("sat", "measured in sequential")


def test_a_network_that_was_made_up_is_written_likewise(tmp_path):
    assert write_divergence_folder(classes(), tmp_path / "w") == ()
    benchmark = PointBenchmark(classes())
    assert benchmark.expected()["real"][0] == "unsat"
    assert (tmp_path / "w" / "property.vnnlib").read_text().count("declare-const X_") == 4


def test_what_is_no_change_of_class_in_the_networks_format_has_no_queries(tmp_path, believed_rightly):
    a, b = believed_rightly.views
    assert is_benchmark(believed_rightly)
    for deployment in (Deployment(REAL), Deployment(Arithmetic(FLOAT16))):
        assert not is_benchmark(replace(believed_rightly, views=(a, replace(b, deployment=deployment))))
    assert not is_benchmark(triple())
    write_divergence_folder(triple(), tmp_path / "w")
    assert not [path.name for path in (tmp_path / "w").iterdir() if "property" in path.name]
