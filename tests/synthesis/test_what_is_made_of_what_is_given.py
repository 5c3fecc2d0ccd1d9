"""A softmax at the end is left out and inputs are rounded: every report and every file says so."""

import json

import numpy as np
import pytest

import fpsynth
from fpsynth.cli.main import main
from fpsynth.networks.layers import Argmax, Dense, ReLU, Softmax
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.networks.npz_graph import write_npz
from fpsynth.report.results import result_json

ENDED = Network((Node("dense", Dense(np.eye(2))), Node("last", Softmax(), ("dense",))), (2,), "last")
TOLD = "last, the softmax at the end, is left out: classes are those of the logits before it"


@pytest.fixture
def files(tmp_path):
    write_npz(ENDED, tmp_path / "ended.npz")
    np.savez(tmp_path / "x.npz", inputs=np.array([[0.25, 0.5], [0.1, 0.05], [0.5, 0.125]]), labels=np.array([1, 0, 0]))
    return tmp_path


def test_compare_says_so_in_words_and_as_data(files, capsys):
    asked = ["compare", str(files / "ended.npz"), "--inputs", str(files / "x.npz"), "--library", "numpy", "--vectors", "50"]
    assert main([*asked, "--batch", "1,2", "--width", "200"]) == 0
    text = capsys.readouterr().out
    assert f"Note: {TOLD}, of which a softmax in floating point may make equal numbers." in text
    assert "Note: 2 of the inputs' 6 numbers are not in float32 and are rounded into it." in text
    main([*asked, "--batch", "1,2", "--json"])
    data = json.loads(capsys.readouterr().out)
    assert data["rounded_inputs"] == 2
    assert data["notes"][0].startswith(TOLD)


def test_a_reveal_of_the_network_says_so(files):
    (found,) = fpsynth.reveal_network(files / "ended.npz", "numpy", vectors=50)
    assert found["notes"][0].startswith(TOLD)


def test_a_witness_says_so(files):
    hidden = dense_relu([(np.array([[0.3, 0.7], [0.9, -0.2]]), None), (np.array([[0.1, 0.2], [0.2, 0.1]]), None)])
    ended = Network((*hidden.nodes, Node("last", Argmax(), (hidden.output,))), (2,), "last")
    write_npz(ended, files / "argmax.npz")
    found = fpsynth.order("sequential", "real", network=files / "argmax.npz", images=files / "x.npz", replay=False, timeout=30)
    assert found.verdict.value == "found"
    (witness,) = found.witnesses
    assert any("the argmax at the end, is left out" in note for note in witness.provenance.notes)
    assert any("of the inputs' 6 numbers" in note for note in witness.provenance.notes)


@pytest.mark.parametrize("b", ["sequential", "reverse"])
def test_an_answer_without_a_witness_says_so(files, b):
    result = fpsynth.order("sequential", b, network=files / "ended.npz", images=files / "x.npz", replay=False, timeout=5)
    assert result.verdict.value == "impossible"
    assert f"Note: {TOLD}" in " ".join(fpsynth.render(result).split())
    assert result_json(result)["notes_given"][0].startswith(TOLD)


def test_of_a_network_that_ends_with_its_logits_nothing_is_said():
    from fpsynth.networks.endings import ending_words

    assert ending_words(dense_relu([(np.eye(2), None)])) == ""
    assert ending_words(ENDED.logits) == ""
    assert ReLU().ending is False
