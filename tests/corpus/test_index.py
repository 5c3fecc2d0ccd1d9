"""An index says of each witness file what the file itself says, and leaves out what is not known of it."""

import json

import pytest
from divergences import triple
from witnesses import published

from fpsynth import files
from fpsynth.api import write_witnesses
from fpsynth.confirmation.replay import predicted
from fpsynth.corpus.benchmark import Benchmark
from fpsynth.corpus.index import Origin, index_entry, index_text
from fpsynth.errors import InputError
from fpsynth.witness import load


def test_what_is_not_known_is_null_and_not_made_up():
    entry = index_entry("w.json", triple())
    assert (entry.input, entry.networks, entry.shown_by) == (None, (), ())
    assert triple().predicate.kind != "argmax"
    assert (entry.class_a, entry.class_b, entry.class_real) == (None, None, None)
    index = json.loads(index_text([entry]))
    assert set(index) == {"schema", "schema_version", "counted_from", "witnesses"}
    (data,) = index["witnesses"]
    assert (data["input"], data["label"], data["class_a"]) == (None, None, None)
    assert not any(value == [] for value in data.values())
    assert not {"networks", "also_a", "also_b", "shown_by", "measured"} & set(data)


def test_the_entry_of_a_tie_has_its_classes():
    origin = Origin(input=7, label=3, also_b=("torch:batch=4",), shown_by=("numpy 2.0",))
    entry = index_entry("w.json", predicted(published()), ["w.network-0.npz"], origin)
    benchmark = Benchmark(published())
    assert (entry.class_a, entry.class_b) == (benchmark.label, benchmark.wrong_label)
    assert (entry.input, entry.networks, entry.shown_by) == (7, ("w.network-0.npz",), ("numpy 2.0",))
    index = json.loads(index_text([entry], ("cnn.onnx", "x.npz")))
    assert (index["network"], index["inputs"], index["counted_from"]) == ("cnn.onnx", "x.npz", 0)
    (data,) = index["witnesses"]
    assert (data["label"], data["also_b"], data["networks"]) == (3, ["torch:batch=4"], ["w.network-0.npz"])
    assert "also_a" not in data


def test_witnesses_and_index_appear_together_or_not_at_all(tmp_path, monkeypatch):
    def full(path, data):
        if path.name == "index.json":
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    monkeypatch.setattr(files, "_write_new", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_witnesses([published()], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert write_witnesses([published(), triple()], tmp_path / "out") == ["000.json", "001.json"]
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert [load(tmp_path / "out" / entry["file"]).question for entry in index["witnesses"]] == ["tie", "order"]
    assert [entry["question"] for entry in index["witnesses"]] == ["tie", "order"]
