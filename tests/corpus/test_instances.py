"""Folders of instances: written the same to the byte, read back equal, and refused in one line where anything was changed."""

import json
import shutil
from dataclasses import replace

import pytest
from mutations import check, mutated_data, mutated_json

from fpsynth.corpus.instances.data import ANY, REAL, RUNTIME
from fpsynth.corpus.instances.reading import read_corpus
from fpsynth.corpus.instances.records import instance_from_json, instance_to_json
from fpsynth.corpus.instances.storing import write_corpus
from fpsynth.corpus.making import WantedCorpus, make
from fpsynth.errors import InputError

WANTED = WantedCorpus(4, 7, ("tie",))


@pytest.fixture(scope="module")
def made():
    return make(WANTED, workers=1)


@pytest.fixture
def folder(made, tmp_path):
    write_corpus(made, tmp_path / "corpus")
    return tmp_path / "corpus"


def test_what_is_read_is_what_was_written(made, folder):
    assert read_corpus(folder) == made


@pytest.mark.usefixtures("nothing_stays")
def test_the_same_seed_gives_the_same_bytes_in_other_processes(folder, tmp_path):
    write_corpus(make(WANTED, workers=2), tmp_path / "again")
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = tmp_path / "again"
    assert files == {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}


def test_both_versions_list_the_same_instances_in_the_same_order(folder):
    one, two = ((folder / "tie" / version / "instances.csv").read_text() for version in ("1.0", "2.0"))
    assert one == two
    rows = [line.split(",") for line in one.splitlines()]
    assert len(rows) == 4
    for version in ("1.0", "2.0"):
        assert all((folder / "tie" / version / file).is_file() for row in rows for file in row[:2])


def test_dense_ties_are_sat_in_float_only_and_their_controls_nowhere(made):
    for one in made.instances:
        assert one.verdict(REAL) == "unsat"
        assert one.verdict(RUNTIME) == ("unsat" if one.control_of else "sat")
        assert one.verdict(ANY) == ("unsat" if one.control_of else "unknown")


def test_a_file_that_was_changed_or_is_missing_is_refused(folder):
    models = sorted(folder.rglob("*.onnx"))
    models[0].write_bytes(models[0].read_bytes() + b"\0")
    with pytest.raises(InputError, match="SHA-256 differs"):
        read_corpus(folder)
    models[0].unlink()
    with pytest.raises(InputError, match="No such file"):
        read_corpus(folder)


def test_what_is_no_corpus_is_refused_in_one_line(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "manifest.json"):
        with pytest.raises(InputError) as refusal:
            read_corpus(path)
        assert "\n" not in str(refusal.value)


def test_a_manifest_cannot_name_files_elsewhere(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["../outside"] = "0"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="does not stay in the folder"):
        read_corpus(folder)


def test_a_record_that_says_something_else_than_the_query_is_refused(made, folder):
    from hashlib import sha256

    from fpsynth.corpus.instances.layout import vnnlib

    one = made.instances[0]
    path = vnnlib(one.category, one.name, "1.0")
    text = (folder / path).read_text().replace("(<= Y_1 Y_0)", "(<= Y_0 Y_1)").encode()
    (folder / path).write_bytes(text)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"][path] = sha256(text).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"asks something else than meta\.json says"):
        read_corpus(folder)


def test_damaged_records_are_refused_in_one_line_or_read_as_something_valid(made):
    one = made.instances[0]
    data = json.loads(json.dumps(instance_to_json(one)))
    check("record", lambda draw: mutated_data(data, draw), lambda changed: instance_from_json(changed, one.network))


def test_damaged_manifests_are_refused_in_one_line_or_read_as_something_valid(folder):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())

    def read(text):
        path.write_text(text)
        read_corpus(folder)

    check("manifest", lambda draw: mutated_json(manifest, draw).encode("utf-8", "replace").decode(), read)


def test_a_control_of_nothing_is_refused(made, tmp_path):
    orphans = replace(made, instances=tuple(one for one in made.instances if one.control_of))
    write_corpus(orphans, tmp_path / "corpus")
    with pytest.raises(InputError, match="which is not there"):
        read_corpus(tmp_path / "corpus")


def test_a_control_of_itself_is_refused(made, tmp_path):
    odd = replace(made, instances=tuple(replace(one, control_of=one.control_of or one.name) for one in made.instances))
    write_corpus(odd, tmp_path / "corpus")
    with pytest.raises(InputError, match="which is a control itself"):
        read_corpus(tmp_path / "corpus")


def test_what_a_record_says_twice_or_in_other_letters_is_refused(made):
    one = made.instances[0]
    data = instance_to_json(one)
    for change, message in (
        ({"density": [*data["density"], data["density"][0]]}, "density: a semantics has two of them"),
        ({"about": "caf\u00e9"}, "about holds characters that are not printable ASCII"),
    ):
        with pytest.raises(InputError, match=message):
            instance_from_json({**data, **change}, one.network)


def test_a_folder_that_is_not_empty_is_left_alone(made, folder):
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match="not empty"):
        write_corpus(made, folder)
    assert sorted(folder.rglob("*")) == before
    shutil.rmtree(folder)
