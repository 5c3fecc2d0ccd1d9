"""Making: the same bytes whatever the number of processes, and where it was killed it goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction

import pytest
from command_line import ENVIRONMENT, fpsynth_here, refused

from fpsynth.corpus.families.table import FAMILIES
from fpsynth.corpus.folder import folder_of
from fpsynth.corpus.instances.data import RUNTIME
from fpsynth.corpus.instances.storing import write_corpus
from fpsynth.corpus.making import WantedCorpus, make
from fpsynth.corpus.making.kept import HEADER, KeptInstances
from fpsynth.corpus.making.wanted import Job
from fpsynth.corpus.making.writing import made_in
from fpsynth.errors import InputError

ARGUMENTS = ["--count", "9", "--seed", "4", "--category", "tie", "--category", "tolerance", "--environments", RUNTIME]
WANTED = WantedCorpus(9, 4, ("tie", "tolerance"), (RUNTIME,))
"""Of one library, which is soon imported: ``test_instances.py`` looks at all of them."""
TWO = WantedCorpus(2, 4, ("tie",), (RUNTIME,))
ARGUMENTS_OF_TWO = ["--count", "2", "--seed", "4", "--category", "tie", "--environments", RUNTIME]


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("making") / "corpus"
    write_corpus(make(WANTED, workers=1), folder)
    return files(folder)


@pytest.mark.usefixtures("nothing_stays")
def test_the_number_of_processes_changes_nothing(expected, tmp_path):
    write_corpus(make(WANTED, workers=3), tmp_path / "corpus")
    assert files(tmp_path / "corpus") == expected


def test_what_was_killed_goes_on_and_ends_the_same(expected, tmp_path):
    out = tmp_path / "corpus"
    command = [sys.executable, "-m", "fpsynth", "corpus", "make", "--out", str(out), *ARGUMENTS]
    first = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kept = tmp_path / ".corpus.making"
    while len(list(kept.glob("*_*.json"))) < 2 and first.poll() is None:
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not out.exists()
    before = {path.name: path.stat().st_mtime_ns for path in kept.glob("*_*.json")}
    assert len(before) >= 2
    second = subprocess.run(command, env=ENVIRONMENT, capture_output=True, timeout=300)
    assert second.returncode == 0
    assert files(out) == expected
    assert not kept.exists()


def test_jobs_that_are_kept_are_not_done_again(tmp_path):
    with KeptInstances.beside(tmp_path / "corpus", TWO) as kept:
        first = make(TWO, kept=kept)
        times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / ".corpus.making").iterdir()}
        assert make(TWO, kept=kept) == first
    assert {name: (tmp_path / ".corpus.making" / name).stat().st_mtime_ns for name in times} == times


def test_a_damaged_job_is_done_again(tmp_path):
    with KeptInstances.beside(tmp_path / "corpus", TWO) as kept:
        first = make(TWO, kept=kept)
        (path,) = (tmp_path / ".corpus.making").glob("tie_0.json")
        data = json.loads(path.read_text())
        data["instances"][0]["meta"]["labels"] = 5
        path.write_text(json.dumps(data))
        assert make(TWO, kept=kept) == first


def test_what_is_left_of_another_corpus_is_not_mixed_in(tmp_path):
    other = replace(TWO, seed=5, categories=("tie", "order"), max_weight=Fraction(3))
    with KeptInstances.beside(tmp_path / "corpus", TWO):
        pass
    with KeptInstances.beside(tmp_path / "corpus", other):
        pass  # nothing was made, so nothing is in the way
    with KeptInstances.beside(tmp_path / "corpus", TWO) as kept:
        make(TWO, kept=kept)
    with pytest.raises(InputError) as refusal, KeptInstances.beside(tmp_path / "corpus", other):
        raise AssertionError("it was begun")
    assert "is left from another corpus that was to be there (seed 4, categories tie, largest weight none): ask" in str(
        refusal.value
    )
    with KeptInstances.beside(tmp_path / "corpus", replace(TWO, count=3)) as kept:
        assert kept.kept_of(Job(FAMILIES["tie"], 0)) is not None
    (tmp_path / ".corpus.making" / HEADER).write_text("[]")
    with pytest.raises(InputError, match="left from another corpus"), KeptInstances.beside(tmp_path / "corpus", TWO):
        raise AssertionError("it was begun")


def test_what_gave_nothing_for_another_corpus_says_nothing_of_this_one(tmp_path):
    with KeptInstances.beside(tmp_path / "corpus", replace(TWO, seed=5)) as kept:
        kept.keep(Job(FAMILIES["tie"], 0), {"instances": [], "versions": {}, "reason": "none was drawn"})
    with KeptInstances.beside(tmp_path / "corpus", replace(TWO, seed=5)) as kept:
        assert kept.kept_of(Job(FAMILIES["tie"], 0)) is not None
    with KeptInstances.beside(tmp_path / "corpus", TWO) as kept:
        assert kept.kept_of(Job(FAMILIES["tie"], 0)) is None
        assert os.listdir(tmp_path / ".corpus.making") == [HEADER]


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_others_have_put_in_that_place_stays(tmp_path, kind):
    place = tmp_path / ".corpus.making"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "tie_0.json").write_text("{}")
        place.symlink_to("elsewhere")
    else:
        place.mkdir()
        (place / "thesis.txt").mkdir() if kind == "folder" else (place / "thesis.txt").write_text("all of it")
    before = sorted(tmp_path.rglob("*"))
    said = refused(fpsynth_here("corpus", "make", "--out", tmp_path / "corpus", *ARGUMENTS_OF_TWO))
    assert (
        "is a link, and no folder of a corpus" in said
        if kind == "link"
        else "holds thesis.txt, which is not of a corpus" in said
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_what_comes_into_that_place_meanwhile_stays(tmp_path):
    with KeptInstances.beside(tmp_path / "corpus", TWO) as kept:
        kept.keep(Job(FAMILIES["tie"], 0), {"instances": [], "versions": {}, "reason": "none was drawn"})
        (tmp_path / ".corpus.making" / "thesis.txt").write_text("all of it")
        kept.remove()
    assert os.listdir(tmp_path / ".corpus.making") == ["thesis.txt"]


def test_of_two_that_make_one_corpus_the_second_is_told(tmp_path):
    with KeptInstances.beside(tmp_path / "corpus", TWO):
        said = refused(fpsynth_here("corpus", "make", "--out", tmp_path / "corpus", *ARGUMENTS_OF_TWO))
        assert "another process makes the corpus that is to be there" in said
    assert fpsynth_here("corpus", "make", "--out", tmp_path / "corpus", *ARGUMENTS_OF_TWO).returncode == 0
    assert os.listdir(tmp_path) == ["corpus"]


@pytest.mark.parametrize("more", [["--seed", "5"], ["--count", "3"], []])
def test_a_folder_that_holds_a_corpus_is_left_alone_in_one_line(expected, tmp_path, more):
    for name, content in expected.items():
        (tmp_path / "corpus" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "corpus" / name).write_bytes(content)
    said = refused(fpsynth_here("corpus", "make", "--out", tmp_path / "corpus", *ARGUMENTS, *more))
    assert "the folder exists and is not empty: choose another name, or empty it" in said
    assert os.listdir(tmp_path) == ["corpus"]
    assert files(tmp_path / "corpus") == expected


def test_more_instances_of_the_same_corpus_go_on_from_fewer(expected, tmp_path):
    """As far as it was killed, and with another number of instances, it is made of the same ones."""
    with KeptInstances.beside(tmp_path / "corpus", WANTED) as kept:
        make(replace(WANTED, count=3), kept=kept)
    made_in(tmp_path / "corpus", WANTED)
    assert files(tmp_path / "corpus") == expected


@pytest.mark.parametrize("begun", [True, False])
def test_ctrl_c_says_how_to_go_on(expected, tmp_path, begun):
    out, kept = tmp_path / "corpus", tmp_path / ".corpus.making"
    command = [sys.executable, "-m", "fpsynth", "corpus", "make", "--out", str(out), *ARGUMENTS]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not list(kept.glob("*_*.json" if begun else HEADER)) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    last = error.decode().splitlines()[-1]
    if begun:
        assert last == f"interrupted: what is done is kept in {kept}: the same command goes on from there"
        assert fpsynth_here(*command[3:]).returncode == 0
        assert files(out) == expected
    else:
        assert last == "interrupted", "nothing was done"
        assert os.listdir(tmp_path) == []


def test_half_a_file_of_the_killed_is_no_job(tmp_path):
    (tmp_path / ".corpus.making").mkdir()
    (tmp_path / ".corpus.making" / ".tie_0.json.0123.tmp").write_text('{"instances": [')
    with pytest.raises(KeyboardInterrupt), KeptInstances.beside(tmp_path / "corpus", TWO):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--count", "0"], "from 1 to"),
        (["--count", "-3"], "from 1 to"),
        (["--category", "tei"], "did you mean tie"),
        (["--environments", "torch:batch=1"], "name it among"),
        (["--environments", ""], "needs names"),
        (["--max-weight", "0"], "above 0"),
        (["--max-weight", "x"], "largest weight"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments, reason, tmp_path):
    assert reason in refused(fpsynth_here("corpus", "make", "--out", tmp_path / "corpus", *arguments))
    assert os.listdir(tmp_path) == []


def test_families_that_cannot_be_made_are_told_of(tmp_path):
    with pytest.raises(InputError, match="no family has an instance"):
        make(WantedCorpus(2, 1, ("order",), environments=("onnxruntime:batch=1",)))


def test_what_gives_no_instance_leaves_nothing_in_the_way(tmp_path):
    impossible = ("--count", "2", "--category", "precision", "--max-weight", "0.000001")
    done = fpsynth_here("corpus", "make", "--out", tmp_path / "corpus", *impossible)
    assert (done.returncode, "no family has an instance" in done.stderr) == (2, True)
    assert not list(tmp_path.iterdir())


def test_what_gave_instances_is_kept_whatever_ends_it(tmp_path):
    with KeptInstances.beside(tmp_path / "corpus", TWO) as kept:
        make(TWO, kept=kept)
    with pytest.raises(InputError, match="no"), KeptInstances.beside(tmp_path / "corpus", TWO):
        raise InputError("no")
    assert list((tmp_path / ".corpus.making").glob("tie_*.json"))


def test_who_takes_it_for_a_folder_of_witness_files_is_told_better(expected, tmp_path):
    for name, content in expected.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    instance = next(name for name in expected if name.endswith("meta.json"))
    for place in (tmp_path, (tmp_path / instance).parent):
        with pytest.raises(InputError, match="holds instances, no witness files: ask corpus check"):
            folder_of(str(place))
