"""Files of versions 1 and 2 are read as what they say, and say it again in the newest version."""

import json
from dataclasses import replace

import pytest
from goldens import witness_goldens as goldens
from test_divergence_bad_files import good
from test_witness_bad_files import FILES
from witnesses import published

from fpsynth.errors import InputError
from fpsynth.witness import load, save
from fpsynth.witness.file import parse, text
from fpsynth.witness.schema import SCHEMA_VERSION, require_valid

PATHS = {path.stem: path for path in sorted(goldens.FILES.glob("*.json"))}


def loaded(path):
    """The witness in a file; None where it is refused."""
    try:
        return load(path)
    except InputError:
        return None


@pytest.mark.parametrize(("name", "held"), [("version1", published), ("version2", good)])
def test_what_older_versions_wrote_is_what_they_were_given(name, held):
    path = FILES / f"{name}.json"
    assert json.loads(path.read_text("utf-8"))["schema_version"] == int(name[-1])
    assert load(path) == held()


def test_nearly_all_of_the_stored_files_are_witnesses():
    read = [name for name, path in PATHS.items() if loaded(path) is not None]
    assert len(read) > 0.9 * len(PATHS) > 100


@pytest.mark.parametrize("name", PATHS)
def test_a_stored_file_is_the_same_witness_in_the_newest_version(name, tmp_path):
    found = loaded(PATHS[name])
    if found is None:
        return
    path = tmp_path / "again.json"
    save(found, path)
    data = json.loads(path.read_text("utf-8"))
    require_valid(data)
    assert data["schema_version"] == SCHEMA_VERSION
    again = load(path)
    assert again == found
    assert repr(again) == repr(found)  # in which the two zeros differ


def test_the_views_of_an_old_tie_are_labelled_as_its_arithmetic_was_described():
    data = json.loads((FILES / "version1.json").read_text("utf-8"))
    data["arithmetic"]["description"] = "from left to right"
    found = parse(json.dumps(data))
    assert [view.label for view in found.views] == ["from left to right"] * 2
    assert replace(found, views=published().views) == published()
    assert parse(text(found)) == found
    del data["arithmetic"]["description"]
    assert [view.label for view in parse(json.dumps(data)).views] == [""] * 2
