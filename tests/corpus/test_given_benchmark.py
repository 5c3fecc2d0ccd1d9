"""What is written of a tie of a given network: queries over its own shape, a box, and what is proved there over the reals."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest
from drawn_networks import convolutional, drawn

from fpsynth.cli.main import main
from fpsynth.corpus.benchmark import Benchmark, size_text
from fpsynth.corpus.folder import folder_of
from fpsynth.corpus.region import choose_region
from fpsynth.corpus.writer import write_corpus, write_witness_folder
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import BatchNormalisation, Dense, Flatten
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.networks.npz_graph import write_npz
from fpsynth.networks.onnx import read_onnx
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.given.tie import GivenTie, tie_of_network
from fpsynth.synthesis.given.views import Given
from fpsynth.witness import load
from fpsynth.witness.networks import INLINE

ASSIGNMENT = re.compile(r"\(([XY])_(\d+) (-?[0-9]+\.[0-9]+)\)")


CONVOLUTIONAL = convolutional(3)
WIDE = dense_relu((Dense(drawn(200, 60) / 8, drawn(200)), Dense(drawn(2, 200) / 8)))
"""Of more numbers than a witness file holds, and than the exact proof follows."""


def searched(network, seed):
    """A tie of the network, by its own search."""
    points = drawn(60, int(np.prod(network.input_shape)), seed=6)
    with Revealer() as revealer:
        given_network = Given(network, FLOAT32, revealer, seed=seed)
        (witness,) = tie_of_network(GivenTie("sequential", points), given_network, 120.0, {}, None).witnesses
    return witness


def of_kind(network, robust):
    """A tie whose box is robust over the reals, or is not: there the certified point itself may have another class."""
    ties = (searched(network, seed) for seed in range(20))
    return next(witness for witness in ties if Benchmark(witness).region.robust_over_reals is robust)


@pytest.fixture(scope="module")
def ties():
    """A tie of each network in a box that is robust over the reals."""
    return [of_kind(network, True) for network in (CONVOLUTIONAL, WIDE)]


def assigned(text):
    found = {(tensor, int(k)): Fraction(value) for tensor, k, value in ASSIGNMENT.findall(text)}
    return tuple([found[t, k] for k in range(sum(name == t for name, _ in found))] for t in "XY")


def test_the_network_has_more_numbers_than_stand_in_a_witness():
    assert WIDE.parameter_count > INLINE


def test_the_queries_speak_of_the_shape_that_the_network_reads(ties, tmp_path):
    vnnlib = pytest.importorskip("vnnlib")
    left_out = write_witness_folder(ties[0], tmp_path / "w")
    assert all(line.startswith("certifier_") for line in left_out)
    for element in ("float32", "real"):
        query = vnnlib.parse_query_file(str(tmp_path / "w" / f"property.{element}.vnnlib"))
        (network,) = query.networks
        (x,), (y,) = network.inputs, network.outputs
        assert (x.shape, y.shape) == ([1, 1, 5, 5], [1, 3])
        bounded = [tuple(assertion.expr.lhs.indices) for assertion in query.assertions[:-1]]
        assert bounded == [(0, 0, i, j) for i in range(5) for j in range(5) for _ in range(2)]
    graph, _ = read_onnx(tmp_path / "w" / "network.onnx")
    assert graph.input_shape == (1, 5, 5)
    declared = re.findall(r"declare-const (X|Y)_(\d+) ", (tmp_path / "w" / "property.vnnlib").read_text())
    assert declared == [*(("X", str(k)) for k in range(25)), *(("Y", str(k)) for k in range(3))]


def test_onnxruntime_reads_network_and_counterexample_from_the_files_alone(ties, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    write_witness_folder(ties[0], tmp_path / "w")
    inputs, outputs = assigned((tmp_path / "w" / "counterexample.txt").read_text())
    session = onnxruntime.InferenceSession(str(tmp_path / "w" / "network.onnx"), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    x = np.array([float(v) for v in inputs], np.float32).reshape(given.shape)
    (logits,) = session.run(None, {given.name: x})
    assert logits.shape == (1, 3)
    assert np.allclose(logits[0], [float(v) for v in outputs], atol=1e-4)
    assert Benchmark(ties[0]).logits[1] == tuple(float(v) for v in outputs)


@pytest.mark.parametrize("which", [0, 1], ids=["convolutional", "wide"])
def test_the_box_holds_both_points_and_what_is_proved_of_it_is_true(ties, which):
    witness = ties[which]
    benchmark = Benchmark(witness)
    region = benchmark.region
    for point in (witness.certified, witness.point):
        assert all(low <= Fraction(x) <= up for low, x, up in zip(region.lower, point, region.upper, strict=True))
    assert region.robust_over_reals
    assert benchmark.expected() == {"float32": "sat", "real": "unsat"}
    assert benchmark.shown_by()["real"] == "a proof by a Lipschitz bound from exact logits"
    draw = np.random.default_rng(0)
    for corner in draw.integers(0, 2, (8, len(region.lower))):
        point = [float(up if high else low) for low, up, high in zip(region.lower, region.upper, corner, strict=True)]
        logits = exact_logits(witness.network, point)
        assert logits.index(max(logits)) == benchmark.label


def test_a_box_in_which_the_class_changes_over_the_reals_as_well_is_not_called_robust():
    benchmark = Benchmark(of_kind(CONVOLUTIONAL, False))
    logits = exact_logits(CONVOLUTIONAL, benchmark.witness.point)
    assert logits.index(max(logits)) != benchmark.label
    assert benchmark.expected() == {"float32": "sat", "real": "unknown"}
    assert benchmark.shown_by()["real"] == "nothing: no proof was found"


def test_a_box_beyond_the_lipschitz_bound_is_not_called_robust(ties):
    witness = ties[0]
    far = tuple(np.float32(x + 8.0).item() for x in witness.certified)
    region = choose_region(witness.network, FLOAT32, witness.certified, far, Fraction(1000), Benchmark(witness).label)
    assert (region.robust_over_reals, region.proof) == (False, "")
    wrong = choose_region(
        witness.network, FLOAT32, witness.certified, witness.point, witness.claim.radius, Benchmark(witness).wrong_label
    )
    assert not wrong.robust_over_reals


def test_nothing_is_proved_where_logits_cannot_be_computed_exactly():
    norm = BatchNormalisation(np.ones(1), np.ones(1), np.zeros(1), np.full(1, 2.0), epsilon=0.0)  # by the root of 2
    nodes = (Node("norm", norm), Node("flat", Flatten(), ("norm",)), Node("last", Dense(np.array([[1.0], [2.0]])), ("flat",)))
    region = choose_region(Network(nodes, (1, 1), "last"), FLOAT32, (1.0,), (0.5,), Fraction(1), 1)
    assert (region.robust_over_reals, region.proof) == (False, "")
    assert (region.lower, region.upper) == ((Fraction(1, 2),), (Fraction(1),))


def test_a_corpus_of_given_networks_is_whole(ties, tmp_path):
    left_out = write_corpus(ties, tmp_path / "corpus")
    assert all("certifier" in line for line in left_out)
    found = folder_of(str(tmp_path / "corpus"))
    (manifest,) = found.manifests
    assert manifest.faults == ()
    names = [f"witnesses/tie_float32_{stem}.json" for stem in ("25x3_000", "60x200x2_001")]
    assert [load(path) for path in found.witnesses] == list(ties)
    assert list(found.witnesses) == [str(tmp_path / "corpus" / name) for name in names]
    data = json.loads((tmp_path / "corpus" / "manifest.json").read_text())
    assert [entry["expected"] for entry in data["instances"]] == [{"float32": "sat", "real": "unsat"}] * 2
    (beside,) = (tmp_path / "corpus" / "witnesses").glob("*.npz")
    assert beside.name.startswith("tie_float32_60x200x2_001.network-")
    assert f"witnesses/{beside.name}" in data["sha256"]
    assert len((tmp_path / "corpus" / "instances.csv").read_text().splitlines()) == 2
    beside.unlink()
    assert len(folder_of(str(tmp_path / "corpus")).manifests[0].faults) == 1


def test_the_size_of_any_network_is_told():
    assert size_text(WIDE) == "60,200,2"
    assert size_text(CONVOLUTIONAL) == "1x5x5 to 3, 4 layers"


def test_the_command_writes_the_queries_of_a_given_network(tmp_path, capsys):
    write_npz(CONVOLUTIONAL, tmp_path / "net.npz")
    np.savez(tmp_path / "x.npz", inputs=drawn(60, 1, 5, 5, seed=6).astype(np.float32))
    asked = ["tie", "--network", str(tmp_path / "net.npz"), "--points", str(tmp_path / "x.npz"), "--no-replay"]
    assert main([*asked, "--out", str(tmp_path / "w"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["out"] == str(tmp_path / "w")
    names = {path.name for path in (tmp_path / "w").iterdir()}
    assert names >= {"witness.json", "network.onnx", "counterexample.txt", "property.vnnlib", "property.real.vnnlib"}
    assert {line.partition(":")[0] for line in said["left_out"]} == {"certifier_network.txt"}
    assert main([*asked, "--out", str(tmp_path / "property.vnnlib")]) == 2
    assert "looks like a file, which is written into such a folder" in capsys.readouterr().err
