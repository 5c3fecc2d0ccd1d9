"""Witness files of today are read as today: what check and explain say of them, and of damaged ones."""

import pytest
from goldens import witness_goldens as goldens
from goldens.comparing import read, require_golden, require_same
from profiles import slow


@pytest.fixture(scope="module")
def said():
    return goldens.checked(goldens.FILES)


def test_every_witness_has_its_goldens_and_every_golden_its_witness():
    for what in ("check", "explain"):
        assert tuple(sorted(path.stem for path in (goldens.WITNESSES / what).glob("*.json"))) == goldens.NAMES
    assert set(goldens.QUICK) <= set(goldens.NAMES)


def test_they_cover_both_versions_every_question_every_format_and_every_exit_code():
    files = [read(goldens.FILES / f"{name}.json") for name in goldens.NAMES]
    questions = {"tie", "order", "precision", "relu", "interval", "twin", "position"}
    formats = {"float16", "bfloat16", "float32", "float64", "tf32", "float8_e4m3fn", "float8_e5m2"}
    kinds = {"sign", "argmax", "gap", "relu", "equal", "outside"}
    assert {file["schema_version"] for file in files} == {1, 2}
    assert {file["question"] for file in files} >= questions
    assert {file["dtype"] for file in files if file["schema_version"] == 1} == formats
    assert {file["predicate"]["kind"] for file in files if "predicate" in file} == kinds
    assert {read(goldens.golden_of("check", name))["code"] for name in goldens.NAMES} == {0, 2, 4}


@pytest.mark.parametrize("name", goldens.NAMES)
def test_check_says_what_it_said(said, name):
    require_golden(goldens.golden_of("check", name), said[name])


@pytest.mark.parametrize("name", [name if name in goldens.QUICK else pytest.param(name, marks=slow) for name in goldens.NAMES])
def test_explain_says_what_it_said(name):
    require_golden(goldens.golden_of("explain", name), goldens.explained(name))


@pytest.mark.parametrize("name", ["tie_float16", "any_tie_00", *(pytest.param(n, marks=slow) for n in goldens.NAMES[::8])])
def test_a_file_by_itself_is_checked_as_in_a_folder(name):
    require_golden(goldens.golden_of("check", name), goldens.checked_alone(name))


def test_damaged_files_are_refused_as_they_were(tmp_path):
    now, before = goldens.damaged(tmp_path), read(goldens.WITNESSES / "damaged.check.json")
    assert {entry["code"] for entry in now} >= {2, 4}
    require_same(before, now, "what check says of damaged files")
