"""Folders of witness files: what counts as one, what is left alone, and manifests that are held to their word."""

import json
import os
import tracemalloc
from dataclasses import replace

import pytest
from divergences import triple
from ties import tie

from fpsynth.api import write_witnesses
from fpsynth.corpus import folder as folders
from fpsynth.corpus.folder import folder_of
from fpsynth.corpus.writer import write_corpus
from fpsynth.errors import InputError
from fpsynth.witness import save


def names(found, base):
    return [os.path.relpath(path, base) for path in found.witnesses]


def published_corpus(base):
    from witnesses import W1, W2, XA, XB

    made = tie((W1, W2), XA, XB)
    write_corpus([made, replace(made, objective="radius")], base)
    return base


def test_witness_files_are_found_by_name_by_content_and_by_manifest(tmp_path):
    published_corpus(tmp_path / "corpus")
    (tmp_path / "a").mkdir()
    save(triple(), tmp_path / "a" / "witness.json")
    save(triple(), tmp_path / "found.json")
    (tmp_path / "other.json").write_text('{"schema": "something else"}')
    (tmp_path / "a" / "manifest.json").write_text("{")
    found = folder_of(str(tmp_path))
    assert names(found, tmp_path) == [
        "a/witness.json",
        "corpus/witnesses/tie_float32_1x2_000.json",
        "corpus/witnesses/tie_float32_1x2_001.json",
        "found.json",
    ]
    (manifest,) = found.manifests
    assert manifest.files > 10
    assert manifest.faults == ()


def test_an_index_is_no_witness_file_and_hides_none(tmp_path):
    named = replace(triple(), views=tuple(replace(view, label=f"{view.name} fpsynth-witness") for view in triple().views))
    write_witnesses([named], tmp_path / "out")
    assert "fpsynth-witness" in (tmp_path / "out" / "index.json").read_text()
    assert names(folder_of(str(tmp_path)), tmp_path) == ["out/000.json"]
    (tmp_path / "mine").mkdir()
    save(triple(), tmp_path / "mine" / "index.json")
    assert names(folder_of(str(tmp_path)), tmp_path) == ["mine/index.json", "out/000.json"]
    (tmp_path / "out" / "000.json").unlink()
    with pytest.raises(InputError, match="no witness file lies in this folder"):
        folder_of(str(tmp_path / "out"))


def test_symbolic_links_are_counted_and_not_followed(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    save(triple(), outside / "witness.json")
    save(triple(), inside / "own.json")
    (inside / "folder").symlink_to(outside)
    (inside / "witness.json").symlink_to(outside / "witness.json")
    (inside / "loop").symlink_to(inside)
    found = folder_of(str(inside))
    assert (names(found, inside), len(found.links)) == (["own.json"], 3)


def test_a_fifo_and_a_device_of_that_name_are_left_alone(tmp_path):
    os.mkfifo(tmp_path / "witness.json")
    with pytest.raises(InputError, match="no witness file lies in this folder"):
        folder_of(str(tmp_path))


def tampered(base, change):
    published_corpus(base)
    path = base / "manifest.json"
    data = json.loads(path.read_text())
    change(data, base)
    path.write_text(json.dumps(data))
    (manifest,) = folder_of(str(base)).manifests
    return " ".join(manifest.faults)


def lose(data, base):
    (base / "onnx" / "tie_float32_1x2_000.onnx").unlink()


def grow(data, base):
    (base / "instances.csv").write_text("more")


def point_outside(data, base):
    data["sha256"]["../outside"] = "0" * 64


def link_outside(data, base):
    (base.parent / "elsewhere").write_text("")
    (base / "README.txt").unlink()
    (base / "README.txt").symlink_to(base.parent / "elsewhere")


def name_no_witness(data, base):
    del data["instances"][1]["files"]["witness"]


def name_another(data, base):
    data["instances"][1]["files"]["witness"] = "witnesses/none.json"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lose, "cannot read"),
        (grow, "its SHA-256 differs"),
        (point_outside, "'../outside' does not stay in the folder"),
        (link_outside, "README.txt does not stay in the folder"),
        (name_no_witness, "instance 1 names no witness file"),
        (name_another, "none.json is missing"),
    ],
)
def test_a_manifest_that_is_not_true_of_its_corpus_is_told(tmp_path, change, fault):
    assert fault.replace("'", "") in tampered(tmp_path / "corpus", change).replace("'", "")


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"schema": "fpsynth-corpus"}', '{"schema": "fpsynth-corpus", "sha256": [], "instances": {}}']
)
def test_a_manifest_that_is_none_does_not_hide_the_witnesses_beside_it(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    save(triple(), tmp_path / "witness.json")
    assert names(folder_of(str(tmp_path)), tmp_path) == ["witness.json"]


def test_too_many_files_and_bytes_are_refused(tmp_path, monkeypatch):
    for number in range(4):
        save(triple(), tmp_path / f"{number}.json")
    monkeypatch.setattr(folders, "MAX_FILES", 3)
    with pytest.raises(InputError, match="more than 3 witness files"):
        folder_of(str(tmp_path))
    monkeypatch.setattr(folders, "MAX_ENTRIES", 3)
    with pytest.raises(InputError, match="more than 3 files lie below"):
        folder_of(str(tmp_path))
    published_corpus(tmp_path / "corpus")
    monkeypatch.undo()
    monkeypatch.setattr(folders, "MAX_BYTES", 100)
    (manifest,) = folder_of(str(tmp_path)).manifests
    assert any("larger than" in fault for fault in manifest.faults)


def test_a_witness_file_whose_keys_another_program_has_sorted_is_found(tmp_path):
    save(triple(), tmp_path / "plain.json")
    data = json.loads((tmp_path / "plain.json").read_text())
    later = {"a": "x" * 100_000, **{key: data[key] for key in sorted(data, key=lambda key: key == "schema")}}
    (tmp_path / "sorted.json").write_text(json.dumps(later))
    assert names(folder_of(tmp_path), tmp_path) == ["plain.json", "sorted.json"]


def test_a_huge_file_beside_witnesses_is_looked_at_in_pieces(tmp_path):
    with open(tmp_path / "huge.json", "wb") as file:
        file.truncate(1 << 32)
    save(triple(), tmp_path / "plain.json")
    tracemalloc.start()
    try:
        assert names(folder_of(tmp_path), tmp_path) == ["plain.json"]
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_the_name_of_the_schema_is_found_across_two_pieces(tmp_path, monkeypatch):
    for size in (5, 16, 17):
        monkeypatch.setattr(folders, "_PIECE", size)
        for before in range(20):
            (tmp_path / "some.json").write_text(" " * before + '{"schema": "fpsynth-witness"}')
            assert names(folder_of(tmp_path), tmp_path) == ["some.json"]
