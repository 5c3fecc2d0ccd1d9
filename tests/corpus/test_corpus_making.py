"""Making: the same bytes whatever the number of processes, and where it was killed it goes on."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from command_line import ENVIRONMENT, fpsynth_here, refused

from fpsynth.corpus.folder import folder_of
from fpsynth.corpus.instances.data import RUNTIME
from fpsynth.corpus.instances.storing import write_corpus
from fpsynth.corpus.making import WantedCorpus, make
from fpsynth.corpus.making.kept import KeptInstances
from fpsynth.errors import InputError

ARGUMENTS = ["--count", "9", "--seed", "4", "--category", "tie", "--category", "tolerance", "--environments", RUNTIME]
WANTED = WantedCorpus(9, 4, ("tie", "tolerance"), (RUNTIME,))
"""Of one library, which is soon imported: ``test_instances.py`` looks at all of them."""
TWO = WantedCorpus(2, 4, ("tie",), (RUNTIME,))


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
    kept = KeptInstances.beside(tmp_path / "corpus", TWO)
    first = make(TWO, kept=kept)
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / ".corpus.making").iterdir()}
    assert make(TWO, kept=kept) == first
    assert {name: (tmp_path / ".corpus.making" / name).stat().st_mtime_ns for name in times} == times


def test_a_damaged_job_is_done_again(tmp_path):
    kept = KeptInstances.beside(tmp_path / "corpus", TWO)
    first = make(TWO, kept=kept)
    (path,) = (tmp_path / ".corpus.making").glob("tie_0.json")
    data = json.loads(path.read_text())
    data["instances"][0]["meta"]["labels"] = 5
    path.write_text(json.dumps(data))
    assert make(TWO, kept=kept) == first


def test_what_is_left_of_another_corpus_is_not_mixed_in(tmp_path):
    KeptInstances.beside(tmp_path / "corpus", WantedCorpus(2, 4, ("tie",)))
    with pytest.raises(InputError, match="left from another corpus"):
        KeptInstances.beside(tmp_path / "corpus", WantedCorpus(2, 5, ("tie",)))
    KeptInstances.beside(tmp_path / "corpus", WantedCorpus(3, 4, ("tie",)))


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
    wanted = WantedCorpus(2, 4, ("tie",))
    kept = KeptInstances.beside(tmp_path / "corpus", wanted)
    make(wanted, kept=kept)
    kept.remove_if_empty()
    assert list((tmp_path / ".corpus.making").glob("tie_*.json"))


def test_who_takes_it_for_a_folder_of_witness_files_is_told_better(expected, tmp_path):
    for name, content in expected.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    instance = next(name for name in expected if name.endswith("meta.json"))
    for place in (tmp_path, (tmp_path / instance).parent):
        with pytest.raises(InputError, match="holds instances, no witness files: ask corpus check"):
            folder_of(str(place))
