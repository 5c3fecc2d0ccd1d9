"""Folders of instances: written the same to the byte, read back equal, and refused in one line where anything was changed."""

import json
import os
import shutil
import tracemalloc
from dataclasses import replace
from hashlib import sha256

import pytest
from command_line import fpsynth_here, refused
from mutations import check, mutated_data, mutated_json

import fpsynth
from fpsynth.corpus.instances import layout, reading
from fpsynth.corpus.instances.data import ANY, REAL, RUNTIME
from fpsynth.corpus.instances.reading import MAX_FILE, MAX_TEXT, read_corpus
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


def rewritten(folder, path, content):
    """Have the manifest name what a file holds by now."""
    (folder / path).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"][str(path)] = sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_record_is_refused_before_it_is_read_where_it_is_too_large(made, folder):
    one = made.instances[0]
    path = layout.meta(one.category, one.name)
    content = (folder / path).read_bytes()
    rewritten(folder, path, content + b" " * (layout.MAX_RECORD - len(content)))
    assert read_corpus(folder) == made
    rewritten(folder, path, content + b" " * (layout.MAX_RECORD - len(content) + 1))
    for action in ("list", "check", "replay"):
        assert f"meta.json: it is larger than {layout.MAX_RECORD} bytes" in refused(fpsynth_here("corpus", action, folder))


def test_a_query_is_refused_before_it_is_read_where_it_is_too_large(made, folder):
    one = made.instances[0]
    path = layout.vnnlib(one.category, one.name, "2.0")
    content = (folder / path).read_bytes()
    rewritten(folder, path, content + b"\n" * (MAX_TEXT - len(content)))
    assert read_corpus(folder) == made
    rewritten(folder, path, content + b"\n" * (MAX_TEXT - len(content) + 1))
    with pytest.raises(InputError, match=f"vnnlib: it is larger than {MAX_TEXT} bytes"):
        read_corpus(folder)


def test_a_manifest_is_refused_before_it_is_read_where_it_is_too_large(folder):
    os.truncate(folder / "manifest.json", layout.MAX_MANIFEST + 1)
    for command in (("corpus", "list"), ("corpus", "check"), ("bench", "--verifier", "crown")):
        assert f"manifest.json: it is larger than {layout.MAX_MANIFEST} bytes" in refused(fpsynth_here(*command, folder))


def test_all_records_and_all_files_together_have_limits(made, folder, monkeypatch):
    records = sum(path.stat().st_size for path in folder.rglob("meta.json"))
    named = json.loads((folder / "manifest.json").read_text())["sha256"]
    whole = sum((folder / name).stat().st_size for name in named)
    monkeypatch.setattr(reading, "MAX_RECORDS", records)
    monkeypatch.setattr(reading, "MAX_BYTES", whole)
    assert read_corpus(folder) == made
    monkeypatch.setattr(reading, "MAX_RECORDS", records - 1)
    with pytest.raises(InputError, match="the records of all instances together are larger than"):
        read_corpus(folder)
    monkeypatch.setattr(reading, "MAX_BYTES", whole - 1)
    with pytest.raises(InputError, match="larger than"):
        read_corpus(folder)


def test_files_that_only_have_to_be_the_same_are_never_in_memory(made, folder):
    """As large as one may be: a telling that a stranger has made long."""
    one = made.instances[0]
    rewritten(folder, layout.why(one.category, one.name), b"x" * MAX_FILE)
    tracemalloc.start()
    assert read_corpus(folder) == made
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MAX_FILE / 4


def test_no_category_is_called_all(made, folder, tmp_path):
    """It is the word for the total of a scoreboard, whose numbers would be those of the category."""
    named = replace(made, instances=tuple(replace(one, category="all") for one in made.instances))
    with pytest.raises(InputError, match="no category may be called all"):
        write_corpus(named, tmp_path / "named")
    assert not (tmp_path / "named").exists()
    data = instance_to_json(named.instances[0])
    with pytest.raises(InputError, match="no category may be called all"):
        instance_from_json(data, named.instances[0].network)
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest.replace('"category": "tie"', '"category": "all"'))
    for arguments in (("corpus", "list", folder), ("bench", folder, "--verifier", "crown", "--category", "all")):
        assert "no category may be called all" in refused(fpsynth_here(*arguments))


def test_a_corpus_has_no_more_instances_than_are_read(made, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "MAX_INSTANCES", 3)
    with pytest.raises(InputError, match="a corpus has 1 to 3 instances, not 4"):
        write_corpus(made, tmp_path / "corpus")


def test_a_record_that_would_not_be_read_is_not_written(made, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "MAX_RECORD", 1000)
    with pytest.raises(InputError, match="tie_0000: what is known of it takes more than 1000 bytes"):
        write_corpus(made, tmp_path / "corpus")
    monkeypatch.undo()
    monkeypatch.setattr(layout, "MAX_MANIFEST", 1000)
    with pytest.raises(InputError, match="needs a manifest of more than 1000 bytes"):
        write_corpus(made, tmp_path / "corpus")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_list_is_a_line_for_each_instance_and_wraps_well(made, folder, width):
    done = fpsynth_here("corpus", "list", folder, "--width", width)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[:2] == ["4 instances, 2 of them controls, seed 7", "  tie       4"]
    numbers = {lines[k].split()[1]: lines[k].split()[0] for k in range(4, 10)}
    assert list(numbers)[:2] == [REAL, ANY]
    if width >= 80:
        cells = dict(zip(lines[11].split()[2:], zip(*(line.split()[2:] for line in lines[13:]), strict=True), strict=True))
        for semantics, number in numbers.items():
            verdicts = tuple(one.verdict(semantics).replace("unknown", "-") for one in made.instances)
            assert cells[number] == verdicts, semantics
        assert [line.split()[0] for line in lines[13:]] == [one.name for one in made.instances]


def test_a_list_of_categories(tmp_path, monkeypatch):
    made = make(WantedCorpus(6, 7, ("tie", "broken", "robust"), (RUNTIME,)), workers=1)
    write_corpus(made, tmp_path / "corpus")
    done = fpsynth_here("corpus", "list", tmp_path / "corpus", "--category", "robust", "--category", "tie", "--json")
    told = json.loads(done.stdout)
    names = [one.name for one in made.instances if one.category != "broken"]
    assert [one["name"] for one in told["listed"]] == names
    assert told["instances"] == len(names) < 6
    assert [one["category"] for one in told["categories"]] == ["tie", "robust"]
    monkeypatch.chdir(tmp_path)
    assert [one.name for one in fpsynth.corpus.list("corpus", category=["robust", "tie"]).instances] == names
    assert fpsynth.corpus.list("corpus") == made
    said = refused(fpsynth_here("corpus", "list", tmp_path / "corpus", "--category", "brokn"))
    assert "unknown category of this corpus 'brokn' (did you mean broken?)" in said


def test_a_record_that_says_something_else_than_the_query_is_refused(made, folder):
    one = made.instances[0]
    path = layout.vnnlib(one.category, one.name, "1.0")
    rewritten(folder, path, (folder / path).read_text().replace("(<= Y_1 Y_0)", "(<= Y_0 Y_1)").encode())
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
