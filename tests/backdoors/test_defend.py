"""Claims of defend and compare on a network with a backdoor, run by the libraries: what is named, what remedies do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from backdoors.hosts import convolutional_host
from command_line import fpsynth_here, refused

import fpsynth
from fpsynth.backdoors.defence import MEANINGS, SILENCES
from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.formats import FLOAT32
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.networks.cancellation import cancellations
from fpsynth.networks.layers import ReLU
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.networks.npz_graph import write_npz
from fpsynth.networks.onnx.writing import onnx_bytes
from fpsynth.networks.reading import read_network
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.comparing.parting import parting

pytest.importorskip("torch")
TARGET, SILENT = "torch:batch=1", "torch:batch=10"
ENVIRONMENTS = [TARGET, SILENT]
IMAGES = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A host, inputs with its classes as labels, and a backdoored network."""
    here, draw = tmp_path_factory.mktemp("defended"), np.random.default_rng(3)
    layers = [(draw.normal(size=(b, a)) / np.sqrt(a), draw.normal(0, 0.1, b)) for a, b in ((16, 24), (24, 12), (12, 4))]
    host = dense_relu([(w.astype(np.float32), b.astype(np.float32)) for w, b in layers])
    images = draw.random((IMAGES, 16)).astype(np.float32)
    write_npz(host, here / "host.npz")
    np.savez(here / "x.npz", images=images, labels=float64_outputs(host, images).argmax(axis=1))
    return here


@pytest.fixture(scope="module")
def backdoored(folder: Path) -> Network:
    made = fpsynth.backdoor(folder / "host.npz", folder / "x.npz", TARGET, silent=SILENT, verify=0)
    if made.network is None:
        pytest.skip(f"no detector tells {TARGET} from {SILENT} here: {made.reason}")
    assert made.to_json()["cancellations"]
    assert [one["network"]["layer"] for one in made.to_json()["heuristics"]][:2] == ["dense0", "dense1"]
    assert "What simple tests see" in fpsynth.render(made)
    write_npz(made.network, folder / "bad.npz")
    return made.network


@pytest.fixture(scope="module")
def defended(folder: Path, backdoored: Network):
    remedies = ["noise:1e-6", "permuted", "float64", "grid:10"]
    return fpsynth.defend(
        folder / "bad.npz", folder / "x.npz", host=folder / "host.npz", library=ENVIRONMENTS, remedy=remedies, draws=3
    )


def test_compare_names_the_detector(folder: Path, backdoored: Network) -> None:
    found = fpsynth.compare(folder / "bad.npz", folder / "x.npz", library=ENVIRONMENTS, vectors=50)
    (parting,) = found.partings
    lint = {(one.layer, one.neuron) for one in found.cancellations}
    assert (parting.layer, parting.neuron) in lint
    assert (parting.a, parting.b, parting.alone, parting.cancels) == (TARGET, SILENT, True, True)
    assert parting.values[0] > 0 >= parting.values[1]
    text = " ".join(fpsynth.render(found).split())
    assert f"part at input {parting.input} in {parting.layer}, neuron {parting.neuron}" in text
    assert f"Summands cancel: {parting.layer}, neuron {parting.neuron}" in text


def test_a_network_that_ends_with_a_relu_parts_where_its_detector_is(backdoored: Network, folder: Path) -> None:
    """Its class is that of what it gives, not of the last layer that adds."""
    nodes = (*backdoored.nodes, Node("end", ReLU(), (backdoored.output,)))
    ending = Network(nodes, backdoored.input_shape, "end")
    sides = parse_network_environment(TARGET), parse_network_environment(SILENT)
    points = np.load(folder / "x.npz")["images"].astype(np.float64)
    with Revealer() as revealer:
        logits = [np.asarray(revealer.outputs(ending, FLOAT32, one, points)["outputs"]) for one in sides]
        (number, *_) = np.flatnonzero(logits[0].argmax(axis=1) != logits[1].argmax(axis=1)).tolist()
        found = parting(ending, FLOAT32, points, number, sides, revealer)
    assert found is not None
    assert (found.layer, found.cancels, found.alone) == (cancellations(backdoored)[0].layer, True, True)
    assert found.size is not None
    assert abs(found.values[0]) < 1e-6 * found.size


def test_compare_of_the_host_names_nothing(folder: Path) -> None:
    found = fpsynth.compare(folder / "host.npz", folder / "x.npz", library=ENVIRONMENTS, vectors=50)
    assert (found.partings, found.cancellations) == ((), ())


def test_the_suspect_is_wrong_in_the_target_alone(defended) -> None:
    wrong = {one.name: (one.wrong, one.correct) for one in defended.before.environments}
    assert wrong == {TARGET: (IMAGES, 0), SILENT: (0, IMAGES)}
    assert defended.before.parted == IMAGES


def test_every_remedy_has_a_verdict_that_its_counts_bear_out(defended) -> None:
    for tried in defended.tried:
        for draw in tried.draws:
            assert draw.verdict in MEANINGS
            counts = [one.wrong for one in draw.after.environments]
            assert (draw.verdict == SILENCES) == (counts == [0, 0])
            if counts == [IMAGES, 0]:
                assert draw.after.parted == IMAGES


def test_a_wider_accumulator_and_a_grid_silence_small_detectors_and_keep_the_function(defended) -> None:
    by_name = {one.name: one for one in defended.tried}
    assert by_name["float64"].verdict == by_name["grid:10"].verdict == SILENCES
    assert {"float64", "grid:10"} <= set(defended.silencing)
    assert defended.verdict == "stopped"
    assert not set(defended.silencing) & set(defended.waking)
    assert ("Not safe" in fpsynth.render(defended)) == bool(defended.waking)
    assert by_name["float64"].draws[0].real_change == 0
    (grid,) = by_name["grid:10"].draws
    assert grid.real_change < 1e-9 < 1e-5 < grid.computed_change < 0.05
    assert not any(one.folded for one in grid.after.environments)
    assert max(one.real_change for one in by_name["permuted"].draws) < 1e-12


def test_noise_switches_it_on_over_the_reals_or_off_by_chance(defended) -> None:
    (noise,) = (one for one in defended.tried if one.name == "noise:1e-6")
    changes = [draw.real_change for draw in noise.draws]
    on = [change > 1e-3 for change in changes]
    wrong = [draw.after.ran[1].wrong for draw in noise.draws]
    assert all(count > IMAGES // 2 if one else count == 0 for one, count in zip(on, wrong, strict=True))


def test_the_command_says_the_same_and_writes_what_remedies_make(folder: Path, backdoored: Network, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ["--images", folder / "x.npz", "--library", TARGET, "--library", SILENT, "--remedy", "permuted", "--draws", 1]
    done = fpsynth_here("defend", folder / "bad.npz", *asked, "--limit", 10, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [one["name"] for one in told["remedies"]] == ["permuted"]
    assert (told["images"], told["before"]["parted"]) == (10, 10)
    assert told["cancellations"]
    made = read_network(out / "permuted.npz").network
    assert made != backdoored
    assert made.parameter_count == backdoored.parameter_count
    assert json.loads((out / "defend.json").read_text())["verdict"] == told["verdict"]


def test_bad_input_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    given = ["defend", folder / "host.npz", "--images", folder / "x.npz"]
    assert "unknown remedy 'nois'" in refused(fpsynth_here(*given, "--remedy", "nois"))
    assert "number of draws must be from 1" in refused(fpsynth_here(*given, "--draws", 0))
    assert "is named twice" in refused(fpsynth_here(*given, "--library", "numpy,numpy"))
    assert "leave the row out" in refused(fpsynth_here(*given, "--library", "torch:batch=10,row=3"))
    write_npz(dense_relu([(np.eye(16), None)]), tmp_path / "other.npz")
    line = refused(fpsynth_here(*given, "--host", tmp_path / "other.npz", "--library", "numpy"))
    assert "the host has other inputs or outputs" in line


def test_the_report_says_where_a_remedy_was_not_run(tmp_path: Path) -> None:
    """ONNX Runtime has no float64 convolution, so that nothing is known of it there."""
    pytest.importorskip("onnxruntime")
    (tmp_path / "host.onnx").write_bytes(onnx_bytes(convolutional_host(), FLOAT32, form="gemm"))
    np.savez(tmp_path / "x.npz", images=np.random.default_rng(1).random((20, 1, 8, 8)).astype(np.float32))
    made = fpsynth.backdoor(tmp_path / "host.onnx", tmp_path / "x.npz", TARGET, silent="onnxruntime:batch=1", verify=0)
    assert made.verdict.value == "found", made.reason
    (tmp_path / "bad.onnx").write_bytes(onnx_bytes(made.network, FLOAT32, form="gemm"))
    remedies, others = ["float64", "grid:10"], [TARGET, "onnxruntime:batch=1"]
    given = {"host": tmp_path / "host.onnx", "library": others, "remedy": remedies}
    found = fpsynth.defend(tmp_path / "bad.onnx", tmp_path / "x.npz", **given)
    wide, grid = found.tried
    assert (wide.not_run, grid.not_run) == (("onnxruntime:batch=1",), ())
    assert found.to_json()["remedies"][0]["not_run"] == ["onnxruntime:batch=1"]
    lines = fpsynth.render(found).splitlines()
    text = " ".join(" ".join(lines).split())
    assert "silenced by float64 (not run in no. 2), grid:10" in text
    assert "Not run, so that it is not known what it would do: float64 in no. 2." in text
    assert any(line.split()[0] == "float64" and "silences (not run in no. 2)" in line for line in lines if line.strip())
    assert any(line.split()[0] == "float64" and line.rstrip().endswith("not run") for line in lines if line.strip())


def test_a_remedy_that_was_not_run_at_all_is_named_in_the_headline(folder: Path) -> None:
    given = {"library": ["numpy:batch=1", "numpy:batch=2"], "remedy": "permuted", "draws": 1}
    write_npz(dense_relu([(np.eye(4, 16), None)]), folder / "one.npz")  # no two layers follow each other
    found = fpsynth.defend(folder / "one.npz", folder / "x.npz", **given)
    text = " ".join(fpsynth.render(found).split())
    assert "Not run, so that it is not known what it would do: permuted in no. 1, 2." in text
