"""The folder of a backdoor: each form of the network is the same network, and each claim about it is shown or proved again."""

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from backdoors.hosts import convolutional_host, images
from command_line import fpsynth_here, refused
from profiles import SLOW, slow

import fpsynth
from fpsynth.corpus.checking import check_corpus, faults_of
from fpsynth.corpus.instances.data import REAL
from fpsynth.corpus.instances.reading import read_corpus
from fpsynth.corpus.labels.margins import margin
from fpsynth.corpus.replaying import replay_corpus
from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT32
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.networks.onnx.writing import onnx_bytes
from fpsynth.networks.reading import read_network
from fpsynth.revealing.revealer import Revealer

pytestmark = pytest.mark.libraries
pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
tensorflow = find_spec("tensorflow")
TORCH, ORT, TENSORFLOW = "torch:batch=1", "onnxruntime:batch=1", "tensorflow:batch=1"
needs_tensorflow = pytest.mark.skipif(tensorflow is None, reason="Keras files are written by TensorFlow")
NAMES = ["backdoored.onnx", "backdoored.npz", "backdoor.json", "confirm.py", "backdoored.pt"]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A host and images in files."""
    here = tmp_path_factory.mktemp("host")
    (here / "conv.onnx").write_bytes(onnx_bytes(convolutional_host(), FLOAT32, form="gemm"))
    labels = np.zeros(60, np.int64)
    np.savez(here / "x.npz", images=images(60).reshape(-1, 1, 8, 8).astype(np.float32), labels=labels)
    return here


@pytest.fixture(scope="module")
def said(host, libraries_stay):
    """What the command prints; the folder is ``out``, beside the host."""
    silent = [ORT, "numpy:batch=1", *[TENSORFLOW] * (SLOW and tensorflow is not None)]
    done = fpsynth_here(
        "backdoor", "--network", host / "conv.onnx", "--images", host / "x.npz", "--target", TORCH,
        *(part for one in silent for part in ("--silent", one)),
        "--trigger", "pixel:0-1,0-1>0.9", "--behaviour", "class:1", "--verify", 2, "--eps", 0.001,
        "--out", host / "out", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def out(host, said):
    return host / "out"


@pytest.fixture(scope="module")
def corpus(out):
    return read_corpus(out / "corpus")


def test_the_folder_says_what_it_is_and_its_script_shows_it(host, said, out):
    import onnx

    assert {"verdict", "target", "silent", "host_accuracy", "environments", "largest_weight", "verifiers"} <= said.keys()
    assert said["environments"][0]["triggered_accuracy"] == 0.0
    properties = {one.key: one.value for one in onnx.load(out / "backdoored.onnx").metadata_props}
    assert properties["fpsynth.target"] == TORCH
    assert "test case" in properties["fpsynth.kind"]
    script = [sys.executable, "confirm.py", host / "x.npz"]
    shown = subprocess.run(script, cwd=out, capture_output=True, text=True, timeout=120, check=True)
    assert "torch batch 1: accuracy 0.00%" in shown.stdout
    judged = {one["name"]: one for one in said["verifiers"] if one["triggered"]}
    assert judged["crown real"]["verdict"] == judged["crown float64"]["verdict"] == "as the host"
    assert judged["crown real"]["host_verified"] == 2
    assert judged["crown sound:any"]["verified"] == 0
    assert all(one["verdict"] == "as the host" for one in said["verifiers"] if not one["triggered"])
    again = ("--network", host / "conv.onnx", "--images", host / "x.npz", "--target", TORCH, "--out", out)
    assert "exists" in refused(fpsynth_here("backdoor", *again))


def test_what_was_written_is_named(said, out):
    keras = ["backdoored.keras"] if SLOW and tensorflow is not None else []  # see conftest.py
    assert said["files"] == [*NAMES, *keras, "witness.json", "corpus", "README.md"]
    assert sorted(path.name for path in out.iterdir()) == sorted(said["files"])
    assert len(said["left_out"]) == (SLOW and tensorflow is None)
    readme = (out / "README.md").read_text()
    assert all(f"`{name}`" in readme for name in said["files"] if name != "README.md")


def arrays(path):
    return [(array.shape, array.astype(np.float64).tobytes()) for array in read_network(path).network.arrays()]


@pytest.mark.parametrize("form", ["npz", pytest.param("keras", marks=[slow, needs_tensorflow])])
def test_every_form_has_the_same_numbers_bit_for_bit(out, form):
    assert arrays(out / f"backdoored.{form}") == arrays(out / "backdoored.onnx")


_KERAS = """
import sys, numpy as np, keras
model = keras.models.load_model(sys.argv[1])
x = np.load(sys.argv[2])["images"]
size = int(sys.argv[4])
np.save(sys.argv[3], np.concatenate([np.asarray(model(x[k : k + size])) for k in range(0, len(x), size)]))
"""


@slow  # what was written by Keras itself is read above
@needs_tensorflow
@pytest.mark.parametrize("batch", [1, 10])
def test_keras_loads_its_file_and_computes_what_the_environment_does(host, out, tmp_path, batch, libraries_stay):
    files = [out / "backdoored.keras", host / "x.npz", tmp_path / "y.npy"]
    done = subprocess.run([sys.executable, "-c", _KERAS, *files, str(batch)], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]
    network = read_network(out / "backdoored.onnx").network
    with Revealer() as revealer:
        where = parse_network_environment(f"tensorflow:batch={batch}")
        expected = revealer.outputs(network, FLOAT32, where, images(60))["outputs"]
    assert np.array_equal(np.load(tmp_path / "y.npy").astype(np.float64), expected)


def test_the_witness_is_checked_and_replayed(said, out):
    witness = fpsynth.load(out / "witness.json")
    assert witness.question == "backdoor"
    assert (witness.deployed.environment, witness.reference.environment) == (TORCH, ORT)
    assert [view.environment for view in witness.silent] == said["silent"][1:]
    assert witness.network == read_network(out / "backdoored.npz").network.logits
    result = fpsynth.check(witness)
    assert result.confirmed, [finding for finding in result.findings if not finding.holds]
    assert any(finding.claim.startswith("the class in exact arithmetic") for finding in result.findings)
    assert witness.confirmed_by == ("torch",)
    again = fpsynth.replay(replace(witness, observations=()), library=["torch", "onnxruntime"], batch=[1, 10])
    assert again.confirmed_by == ("torch",)


def test_the_explanation_draws_the_neuron_whose_weights_cancel(out):
    text = " ".join(fpsynth.explain(out / "witness.json").split())
    assert "Summands cancel in a neuron that differs: fc, neuron" in text
    data = json.loads(fpsynth_here("explain", out / "witness.json", "--json").stdout)
    assert data["cancelling"]["layer"] == "fc"
    assert data["cancelling"]["sum"] == 0


def test_the_answer_says_what_it_is_and_where_the_witness_is(said, out):
    answer = json.loads((out / "backdoor.json").read_text())
    assert (answer["schema"], answer["schema_version"]) == (said["schema"], said["schema_version"])
    error = refused(fpsynth_here("explain", out / "backdoor.json"))
    assert "this is 'fpsynth-backdoor', not a witness file: the witness of a backdoor is witness.json beside it" in error


def test_a_witness_of_which_the_target_is_right_is_refused(out):
    """Believed is then what the backdoor gives, which exact arithmetic does not."""
    witness = fpsynth.load(out / "witness.json")
    a, b = witness.reference, witness.deployed
    turned = (replace(b, name="a", role="reference"), replace(a, name="b", role="deployed"))
    result = fpsynth.check(replace(witness, views=turned, observations=()))
    wrong = [finding.claim for finding in result.findings if not finding.holds]
    assert wrong == ["the class in exact arithmetic is the one that is believed"]


def verdicts(instance):
    return {label.semantics: label.verdict for label in instance.labels}


def test_instances_are_robust_over_the_reals_and_broken_in_the_target(corpus, said):
    boxes = [one for one in corpus.instances if not one.control_of]
    assert 1 <= len(boxes) <= 2
    for box in boxes:
        assert verdicts(box)[REAL] == "unsat"
        assert verdicts(box)[TORCH] == "sat"
        assert not set(said["silent"]) & verdicts(box).keys()  # of a whole box nothing is known there
        assert box.label(TORCH).replayed.startswith("torch ")
        assert box.label(TORCH).witness
        alone, host = (corpus.named(f"{box.name}_{which}") for which in ("alone", "host"))
        assert verdicts(alone)[REAL] == "unsat"
        assert verdicts(alone)[TORCH] == "sat"
        assert [verdicts(alone)[name] for name in said["silent"]] == ["unsat"] * len(said["silent"])
        assert alone.box.lower == alone.box.upper == tuple(map(Fraction, alone.witness))
        assert set(verdicts(host).values()) == {"unsat"}
        assert host.box == box.box
        assert host.network != box.network == alone.network


def test_no_point_of_a_robust_box_is_unsafe_in_exact_arithmetic(corpus):
    draw = np.random.default_rng(0)
    for one in corpus.instances:
        ends = np.array([one.box.lower, one.box.upper])
        for _ in range(10):
            point = [float(x) for x in ends[draw.integers(0, 2, ends.shape[1]), np.arange(ends.shape[1])]]
            assert margin(one.unsafe, exact_logits(one.network, point)) > 0


def test_the_libraries_alone_show_what_the_labels_say(corpus, out, tmp_path):
    """The script of the folder, which knows nothing of fpsynth, run on the witnesses; and ONNX Runtime on the models."""
    import onnxruntime

    boxes = [one for one in corpus.instances if not one.control_of]
    points = np.array([one.witness for one in boxes], np.float32).reshape(-1, 1, 8, 8)
    kept = [max(range(5), key=exact_logits(one.network, one.witness).__getitem__) for one in boxes]
    np.savez(tmp_path / "witnesses.npz", inputs=points, labels=np.array(kept))
    script = [sys.executable, "confirm.py", tmp_path / "witnesses.npz"]
    shown = subprocess.run(script, cwd=out, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "onnxruntime batch 1: accuracy 100.00%" in shown
    assert "torch batch 1: accuracy 0.00%" in shown
    for one, x in zip(boxes, points, strict=True):
        model = out / "corpus" / "backdoor" / "1.0" / "onnx" / f"{one.name}.onnx"
        (logits,) = onnxruntime.InferenceSession(str(model)).run(None, {"X": x[None]})
        assert not one.unsafe.violated(logits[0].tolist())


def test_the_corpus_holds_when_all_of_it_is_proved_again(out, libraries_stay):
    found = check_corpus(out / "corpus")
    assert found.holds, faults_of(found.checked)
    assert [bool(one.cancelling) for one in found.checked] == ["host" not in one.name for one in found.checked]
    assert replay_corpus(out / "corpus").holds


def test_verifiers_are_scored_on_it(out):
    done = fpsynth_here("bench", out / "corpus", "--verifier", "crown", "--verifier", "crown@sound:any", "--json")
    assert done.returncode == 0, done.stderr
    rows = {one["verifier"]: one for one in json.loads(done.stdout)["scoreboard"]}
    wrong = ("false_sat", "false_unsat_float", "false_unsat_real")
    assert all(row[column] == 0 for row in rows.values() for column in wrong)


@pytest.fixture(scope="module")
def wide(host, libraries_stay):
    """A backdoor whose boxes are too wide for any proof."""
    found = fpsynth.backdoor(host / "conv.onnx", host / "x.npz", TORCH, silent=[ORT], behaviour="class:1", verify=0, eps=0.9)
    assert found.verdict.value == "found", found.reason
    return found


def test_without_a_proof_no_instance_is_written_and_that_is_said(wide, tmp_path):
    left_out = fpsynth.write_folder(wide, tmp_path / "out")
    assert [line for line in left_out if line.startswith("corpus: ")] == [
        f"corpus: no proof was found that a box of half-width 0.9 around one of {len(wide.examples)} images keeps its class"
    ]
    assert not (tmp_path / "out" / "corpus").exists()
    assert (tmp_path / "out" / "witness.json").exists()
    assert all(f"* left out: {line}" in (tmp_path / "out" / "README.md").read_text() for line in left_out)


def test_examples_are_images_that_show_it(wide):
    assert wide.examples
    network, host = wide.network, wide.host
    with Revealer() as revealer:
        for name, changes in ((TORCH, True), (ORT, False)):
            where = parse_network_environment(name)
            points = np.array([one.point for one in wide.examples])
            own, before = (
                np.argmax(revealer.outputs(one, FLOAT32, where, points)["outputs"], axis=1) for one in (network, host)
            )
            assert before.tolist() == [one.kept for one in wide.examples]
            assert ((own != before) == changes).all()


@slow  # of a target that rounds there are none either, below
def test_of_a_format_that_instances_have_not_only_the_others_are_written(host, libraries_stay, tmp_path):
    found = fpsynth.backdoor(host / "conv.onnx", host / "x.npz", TORCH, silent=["torch:batch=10"], dtype="bfloat16", verify=0)
    if found.network is None:
        pytest.skip(found.reason)
    left_out = fpsynth.write_folder(found, tmp_path / "out")
    assert "corpus: instances are of float32, the network is of bfloat16" in left_out
    assert "backdoored.keras: Keras files are read in float32 and float64 alone, not in bfloat16" in left_out


def test_of_a_target_that_rounds_the_network_there_is_neither_witness_nor_corpus(wide, tmp_path):
    rounded = replace(wide, target="torch:batch=1,dtype=bfloat16")
    left_out = fpsynth.write_folder(rounded, tmp_path / "out")
    reason = "torch:batch=1,dtype=bfloat16 rounds the network, which is of float32, into another format"
    assert {f"witness.json: {reason}", f"corpus: {reason}"} <= set(left_out)
    assert (tmp_path / "out" / "backdoored.onnx").exists()


def test_what_was_not_found_is_not_written(wide, tmp_path):
    with pytest.raises(InputError, match="nothing was found"):
        fpsynth.write_folder(replace(wide, network=None), tmp_path / "out")
    assert not Path(tmp_path / "out").exists()
