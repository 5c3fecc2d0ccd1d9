"""check, replay and explain on the command line: of a folder, within a time limit, and of what is not true."""

import json
import os
import signal
import threading
from dataclasses import replace

import pytest
from command_line import fpsynth_here as fpsynth
from command_line import refused
from divergences import triple
from tie_questions import question
from witnesses import W1, W2, XA, XB

from fpsynth.api.bounded import Bounded
from fpsynth.cli.many_witnesses import MAX_LISTED, _Entry, _not_checked_lines
from fpsynth.corpus.writer import write_corpus
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.rounding import from_float
from fpsynth.synthesis.ties.certification import Certification
from fpsynth.witness import save


def published():
    """The published tie, with all that the certifiers say of it."""
    numbers = {"w0_0_0": W1, "w0_1_0": W2, "a0": XA, "b0": XB}
    return Certification(question(FLOAT32), "lipschitz-exact").witness({n: from_float(v) for n, v in numbers.items()})[0]


def false():
    found = triple()
    return replace(found, views=(replace(found.views[0], label="reverse"), *found.views[1:]))


@pytest.fixture
def folder(tmp_path):
    """A corpus of two ties, and an order detector."""
    write_corpus([published(), replace(published(), objective="margin")], tmp_path / "corpus")
    save(triple(), tmp_path / "order.json")
    return tmp_path


def test_tree_says_of_a_witness_what_reads_it(folder):
    error = refused(fpsynth("tree", folder / "order.json"))
    assert "this is a witness file, not an order or what was revealed: explain reads it" in error


# folders


def test_a_folder_is_checked_as_a_whole(folder):
    done = fpsynth("check", folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "3 witness files: 3 confirmed"
    assert any("order.json" in line for line in lines)
    assert any("files have the SHA-256 that it states" in line for line in lines)


def test_the_exit_code_of_a_folder_is_the_largest(folder):
    save(false(), folder / "false.json")
    (folder / "witness.json").write_text("{")
    (folder / "outside.json").symlink_to(folder / "order.json")
    done = fpsynth("check", folder, "--json")
    assert done.returncode == 4
    told = json.loads(done.stdout)
    assert told["counts"] == {"confirmed": 3, "not true": 1, "cannot be read": 1}
    assert told["symbolic_links_not_followed"] == 1
    codes = {entry["file"]: entry["code"] for entry in told["files"]}
    assert (codes["false.json"], codes["witness.json"], codes["order.json"]) == (4, 2, 0)
    (false_one,) = [entry for entry in told["files"] if entry["code"] == 4]
    assert false_one["told"] == "does not hold: a is evaluated as its label says"
    assert false_one["result"]["confirmed"] is False
    (folder / "false.json").unlink()
    assert fpsynth("check", folder).returncode == 2


def test_what_was_not_checked_of_a_folder_is_listed_once_with_the_reason(folder):
    told = json.loads(fpsynth("check", folder, "--json").stdout)
    assert told["not_checked"]
    for left in told["not_checked"]:
        entry = {"claim": left["claim"], "reason": left["reason"]}
        assert left["files"] == [file["file"] for file in told["files"] if entry in file["result"]["not_checked"]]
    summary = fpsynth("check", folder).stdout
    for left in told["not_checked"]:
        count = len(left["files"])
        assert f"not checked: {left['claim']}\n" in summary
        where = "in all files: " if count == told["witnesses"] else f"in {count} of {told['witnesses']} files: "
        assert "".join((where + left["reason"]).split()) in "".join(summary.split())


def test_a_summary_of_many_kinds_of_claims_has_an_end():
    kinds, nothing = MAX_LISTED + 7, _Entry("b", "unknown", 3, "", None)
    result = {"not_checked": [{"claim": f"claim {k}", "reason": "told"} for k in range(kinds)]}
    lines = _not_checked_lines([_Entry("a", "confirmed", 0, "", result), nothing])
    assert sum(line.startswith("not checked: ") for line in lines) == MAX_LISTED
    assert lines[-1] == "      and 7 more: --json lists them"
    assert _not_checked_lines([nothing]) == []


@pytest.mark.parametrize("command", ["check", "explain"])
def test_a_corpus_whose_files_have_changed_is_not_confirmed(command, folder):
    (folder / "corpus" / "instances.csv").write_text("")
    done = fpsynth(command, folder)
    assert done.returncode == 4
    assert "instances.csv is not the file that the manifest names" in done.stdout


def test_a_folder_is_replayed_as_a_whole(folder):
    done = fpsynth("replay", folder, "--library", "numpy", "--batch", "1", "--json")
    assert done.returncode == 4, done.stderr  # the detector does not fire in NumPy's own order
    told = json.loads(done.stdout)
    verdicts = {entry["file"]: (entry["verdict"], entry["told"]) for entry in told["files"]}
    assert verdicts.pop("order.json")[0] == "not confirmed"
    assert set(verdicts.values()) == {("confirmed", "confirmed by numpy")}
    assert all(entry["result"]["schema"] == "fpsynth-witness" for entry in told["files"])


def test_a_folder_without_witnesses_and_an_out_for_a_folder_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no witness file lies in this folder" in refused(fpsynth("check", tmp_path / "empty"))
    assert "no witness file lies in this folder" in refused(fpsynth("explain", tmp_path / "empty"))
    one = "it goes neither with a folder nor with several files"
    assert one in refused(fpsynth("replay", tmp_path, "--out", tmp_path / "new.json"))
    assert one in refused(fpsynth("replay", "a.json", "b.json", "--out", tmp_path / "new.json"))


# several files


@pytest.mark.parametrize(("command", "good"), [("check", "confirmed"), ("replay", "confirmed"), ("explain", "explained")])
def test_several_files_and_folders_are_taken_alike_and_the_worst_exit_code_is_that_of_all(command, good, folder):
    save(published(), folder / "tie.json")
    save(published(), folder / "again.json")
    rest = ["--library", "numpy", "--batch", "1"] if command == "replay" else []
    one, other, corpus = folder / "tie.json", folder / "again.json", folder / "corpus"
    done = fpsynth(command, one, other, one, corpus, "--json", *rest)
    told = json.loads(done.stdout)
    assert (done.returncode, told["counts"], told["witnesses"]) == (0, {good: 4}, 4)
    assert told["paths"] == [str(path) for path in (one, other, one, corpus)]
    assert [entry["file"] for entry in told["files"]][:2] == [str(one), str(other)]
    assert all(entry["file"].startswith(str(corpus)) for entry in told["files"][2:])
    assert all(entry["result"] for entry in told["files"])
    save(false(), folder / "false.json")
    missing, empty = folder / "missing.json", folder / "empty"
    empty.mkdir()
    done = fpsynth(command, missing, folder / "false.json", empty, one, "--json", *rest)
    codes = {entry["file"]: entry["code"] for entry in json.loads(done.stdout)["files"]}
    assert codes == {str(missing): 2, str(folder / "false.json"): 4, str(one): 0, str(empty): 2}
    assert done.returncode == 4
    done = fpsynth(command, missing, one, *rest)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.splitlines()[-1] in (
        f"2 witness files: 1 cannot be read, 1 {good}",
        f"2 witness files: 1 {good}, 1 cannot be read",
    )


@pytest.mark.parametrize("command", ["check", "replay", "explain"])
def test_a_file_is_told_of_once_under_the_first_of_its_names(command, folder):
    rest = ["--library", "numpy", "--batch", "1"] if command == "replay" else []
    (folder / "link.json").symlink_to(folder / "order.json")
    names = ["order.json", "./order.json", folder / "order.json", "corpus/../order.json", "link.json"]
    told = json.loads(fpsynth(command, *names, "--json", *rest, cwd=folder).stdout)
    assert ([entry["file"] for entry in told["files"]], told["witnesses"]) == (["order.json"], 1)
    assert sum(told["counts"].values()) == 1


def test_a_folder_by_two_names_and_one_below_another_are_told_of_once(folder):
    (folder / "corpus" / "link.json").symlink_to(folder / "order.json")
    told = json.loads(fpsynth("check", ".", folder, "corpus", "--json", cwd=folder).stdout)
    assert (told["witnesses"], len(told["manifests"]), told["symbolic_links_not_followed"]) == (3, 1, 1)


def test_an_explanation_of_several_files_is_that_of_each_under_its_name(folder):
    save(published(), folder / "tie.json")
    alone = [fpsynth("explain", folder / name).stdout.rstrip("\n") for name in ("tie.json", "order.json")]
    done = fpsynth("explain", folder / "tie.json", folder / "order.json")
    told = f"{folder / 'tie.json'}\n{alone[0]}\n\n{folder / 'order.json'}\n{alone[1]}\n\n2 witness files: 2 explained\n"
    assert "".join(done.stdout.split()) == "".join(told.split())  # a name may be too long for a line
    told = fpsynth("explain", folder).stdout
    assert "\norder.json\n" in told
    assert told.splitlines()[-1] == "4 witness files: 4 explained"


# what is not true


def test_an_explanation_of_what_is_not_true_does_not_end_with_0(tmp_path):
    save(false(), tmp_path / "false.json")
    save(triple(), tmp_path / "true.json")
    done = fpsynth("explain", tmp_path / "false.json")
    assert (done.returncode, done.stdout.partition(" (")[0]) == (
        4,
        "NOT TRUE of this file: a is evaluated as its label says",
    )
    as_data = fpsynth("explain", tmp_path / "false.json", "--json")
    assert (as_data.returncode, json.loads(as_data.stdout)["confirmed"]) == (4, False)
    assert fpsynth("check", tmp_path / "false.json").returncode == 4
    assert fpsynth("explain", tmp_path / "true.json").returncode == 0


# limits


@pytest.mark.parametrize("command", ["check", "explain", "replay"])
def test_when_the_time_is_over_the_answer_is_unknown(command, tmp_path):
    save(triple(4096), tmp_path / "large.json")
    done = fpsynth(command, tmp_path / "large.json", "--timeout", "0.01")
    assert (done.returncode, done.stdout, done.stderr) == (3, "unknown: the time limit of 0.01 s is over (timeout)\n", "")
    as_data = fpsynth(command, tmp_path / "large.json", "--timeout", "0.01", "--json")
    assert (as_data.returncode, json.loads(as_data.stdout)["verdict"]) == (3, "unknown")


def test_one_file_that_takes_too_long_does_not_hinder_the_others(folder):
    done = fpsynth("check", folder, "--timeout", "0.01", "--json")
    assert (done.returncode, json.loads(done.stdout)["counts"]) == (3, {"unknown": 3})


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_time_limit_that_is_none_is_refused(seconds, tmp_path):
    save(triple(), tmp_path / "w.json")
    assert "time limit" in refused(fpsynth("check", tmp_path / "w.json", f"--timeout={seconds}"))


def test_a_file_that_needs_more_memory_than_there_is_is_unknown(tmp_path):
    (tmp_path / "bomb.json").write_text('{"schema": [' + "[]," * 8_000_000 + "[]]}")  # 24 MB become 550 MB
    with Bounded(memory=480 << 20) as process:
        assert "memory ran out" in process.ask("check", str(tmp_path / "bomb.json"), style={})["unknown"]
        save(triple(), tmp_path / "w.json")
        assert process.ask("check", str(tmp_path / "w.json"), style={})["holds"]


def test_a_process_that_is_killed_leaves_the_answer_unknown_and_the_next_one_whole(tmp_path):
    save(triple(), tmp_path / "w.json")
    with Bounded() as process:
        assert process.ask("check", str(tmp_path / "w.json"), style={})["holds"]
        (worker,) = process._workers
        os.kill(worker.process.pid, signal.SIGSTOP)  # so that it is asked before it dies
        killer = threading.Timer(0.3, worker.process.kill)
        killer.start()
        assert "ended" in process.ask("check", str(tmp_path / "w.json"), style={})["unknown"]
        assert process.ask("check", str(tmp_path / "w.json"), style={})["holds"]
        with pytest.raises(InputError, match="cannot read"):
            process.ask("check", str(tmp_path / "none.json"), style={})
