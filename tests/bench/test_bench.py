"""bench: whatever a verifier does, each of its runs is in the right column; and each is done once, whatever ends the bench."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from bench_corpus import script, standing_in
from command_line import ENVIRONMENT, fpsynth_here

from fpsynth.corpus.instances.data import REAL, RUNTIME, Corpus
from fpsynth.corpus.instances.reading import read_corpus
from fpsynth.corpus.instances.storing import write_corpus
from fpsynth.errors import InputError
from fpsynth.scoring.asking import asked_for
from fpsynth.scoring.job import BenchRun
from fpsynth.scoring.judging import COLUMNS
from fpsynth.scoring.running import TABLE, BenchRequest, bench
from fpsynth.scoring.scoreboard import Scoreboard
from fpsynth.scoring.table import JobTable
from fpsynth.scratch import PREFIX, remove_abandoned
from fpsynth.verifiers.external.base import ToolQuestion

ALL = ("broken_0", "narrow_0", "robust_0", "tie_0", "tie_0_control1")


def columns(board: Scoreboard, verifier: str) -> dict[str, str]:
    """Instance to column."""
    return {run.instance: run.column for run in board.runs if run.verifier == verifier}


def asked(folder: Path, *verifiers: object, **options: object) -> Scoreboard:
    return bench(BenchRequest(folder, verifiers, **options))  # type: ignore[arg-type]


def test_the_corpus_is_what_it_is_meant_to_be(folder: Path) -> None:
    verdicts = {one.name: (one.verdict(REAL), one.verdict(RUNTIME)) for one in read_corpus(folder).instances}
    assert verdicts == {
        "tie_0": ("unsat", "sat"),
        "tie_0_control1": ("unsat", "unsat"),
        "broken_0": ("sat", "sat"),
        "robust_0": ("unsat", "unsat"),
        "narrow_0": ("sat", "sat"),
    }


def test_liars_get_their_rows(folder: Path) -> None:
    board = asked(folder, standing_in("always_unsat"), standing_in("always_sat"), standing_in("always_outside"))
    assert columns(board, "always_unsat") == {
        "tie_0": "false_unsat_float",
        "tie_0_control1": "right",
        "broken_0": "false_unsat_real",
        "robust_0": "right",
        "narrow_0": "false_unsat_real",
    }
    assert columns(board, "always_sat") == {
        "tie_0": "unknown",
        "tie_0_control1": "false_sat",
        "broken_0": "unknown",
        "robust_0": "false_sat",
        "narrow_0": "unknown",
    }
    assert set(columns(board, "always_outside").values()) == {"false_sat"}
    assert [board.tally(name).points for name in ("always_unsat", "always_sat", "always_outside")] == [-430, -750, -750]


def test_who_is_right_is_right(folder: Path) -> None:
    board = asked(folder, standing_in("exact"), "crown@sound:any")
    assert columns(board, "exact") == {**dict.fromkeys(ALL, "right"), "tie_0": "false_unsat_float"}
    sound = columns(board, "crown@sound:any")
    assert set(sound.values()) <= {"right", "unknown"}
    assert (sound["tie_0"], sound["robust_0"]) == ("unknown", "right")
    tie = asked(folder, "crown", categories=("tie",))
    assert columns(tie, "crown@real") == {"tie_0": "false_unsat_float", "tie_0_control1": "right"}


def test_crashes_hangs_garbage_and_gluttons_get_their_rows(folder: Path, tmp_path: Path) -> None:
    crash = script(tmp_path, 'raise ValueError("no such layer")', "crash")
    fault = script(tmp_path, "os.kill(os.getpid(), 11)", "fault")
    hang = script(tmp_path, 'print("unsat", flush=True); time.sleep(600)', "hang")
    garbage = script(tmp_path, "sys.stdout.buffer.write(os.urandom(100_000))", "garbage")
    glutton = script(tmp_path, "hold = []\nwhile True: hold.append(bytearray(os.urandom(1 << 20) * 16))", "glutton")
    thirty = script(tmp_path, "hold = bytearray(30 << 30)\nfor k in range(0, 30 << 30, 4096): hold[k] = 1", "thirty")
    timeout = script(tmp_path, 'print("timeout")', "timeout")
    unknown = script(tmp_path, 'print("unknown")', "unknown")
    names = (crash, fault, hang, garbage, glutton, thirty, timeout, unknown)
    board = asked(folder, *names, categories=("tie",), timeout=4.0, memory=0.25, jobs=4)
    wanted = {
        "crash": "error",
        "fault": "error",
        "hang": "timeout",
        "garbage": "error",
        "glutton": "error",
        "thirty": "error",
        "timeout": "timeout",
        "unknown": "unknown",
    }
    found = {name: set(columns(board, name).values()) for name in wanted}
    assert found == {name: {column} for name, column in wanted.items()}
    reasons = {run.verifier: run.reason for run in board.runs}
    assert reasons["crash"] == "it ended with status 1: ValueError: no such layer"
    assert reasons["hang"] == "no answer within 4 s: it was killed"
    assert "memory" in reasons["glutton"]
    assert "memory" in reasons["thirty"]
    assert all(run.points == 0 for run in board.runs)


def test_functions_of_python_are_asked_in_this_process(folder: Path) -> None:
    def says_unsat(question: ToolQuestion) -> str:
        return "unsat"

    board = asked(folder, says_unsat, categories=("tie",))
    assert columns(board, "says_unsat") == {"tie_0": "false_unsat_float", "tie_0_control1": "right"}
    with pytest.raises(InputError, match="cannot be sent to a cluster"):
        asked(folder, says_unsat, dask="tcp://127.0.0.1:1")


def test_several_seeds_are_rates_and_settled_verifiers_are_asked_once(folder: Path, tmp_path: Path) -> None:
    coin = script(tmp_path, 'print("unsat" if int(sys.argv[4]) % 2 else "unknown")', "coin")
    board = asked(folder, coin, "crown", categories=("tie",), seeds=4, jobs=2)
    tie = board.tally("coin", "tie")
    assert (len(tie.runs), tie.count("false_unsat_float"), tie.count("right"), tie.count("unknown")) == (8, 2, 2, 4)
    assert (tie.seeds, tie.seeds_wrong, tie.controls_right) == (4, 2, (2, 4))
    assert tie.points == (2 * -150 + 2 * 10) / 4
    assert len(board.tally("crown@real", "tie").runs) == 2
    data = board.to_json()
    (row,) = [row for row in data["scoreboard"] if row["verifier"] == "coin"]
    assert [one["false_unsat_float"] for one in row["by_seed"]] == [0, 1, 0, 1]
    assert row["wrong_rate"] == 0.25


def test_the_command_prints_what_programs_read(folder: Path) -> None:
    one, two = standing_in("always_unsat", "A"), standing_in("always_sat", "B")
    done = fpsynth_here("bench", folder, "--verifier", one, "--verifier", two, "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["instances"] == 5
    assert {"verifier", "category", *COLUMNS} <= set(data["scoreboard"][0])
    assert len(data["scoreboard"]) == 6
    assert all(sum(row[column] for column in COLUMNS) == row["instances"] for row in data["scoreboard"])


def run(folder: Path, out: Path, *more: str, log: Path, sleep: str = "0.4") -> subprocess.Popen[bytes]:
    argv = ["bench", str(folder), "--verifier", standing_in("slow"), "--out", str(out), *more]
    variables = {**ENVIRONMENT, "BENCH_LOG": str(log), "BENCH_SLEEP": sleep}
    return subprocess.Popen(
        [sys.executable, "-m", "fpsynth", *argv], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def logged(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def wait_for(log: Path, count: int) -> None:
    end = time.monotonic() + 120
    while len(logged(log)) < count:
        assert time.monotonic() < end
        time.sleep(0.02)


def rows(out: Path) -> Counter[tuple[str, int]]:
    with contextlib.closing(sqlite3.connect(out / TABLE)) as connection:
        return Counter(connection.execute("SELECT instance, seed FROM runs").fetchall())


def test_a_killed_bench_goes_on_and_does_everything_once(folder: Path, tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    options = ("--jobs", "2", "--seeds", "3")
    first = run(folder, out, *options, log=log)
    wait_for(log, 5)
    first.kill()
    first.wait(60)
    kept = rows(out)
    assert 0 < len(kept) < 15
    second = run(folder, out, *options, log=log, sleep="0")
    told, error = second.communicate(timeout=300)
    assert second.returncode == 0, error.decode()
    assert rows(out) == Counter({(name, seed): 1 for name in ALL for seed in range(3)})
    asked_again = Counter(logged(log))
    assert len(asked_again) == 9, "three of the boxes begin at the same number"
    assert sum(asked_again.values()) <= 15 + 2, "only what was being done when it was killed is done again"
    third = run(folder, out, *options, log=log, sleep="0")
    again, _ = third.communicate(timeout=300)
    assert again == told
    assert sum(Counter(logged(log)).values()) == sum(asked_again.values())


def hanging(folder: Path, tmp_path: Path, *more: str) -> tuple[subprocess.Popen[bytes], Path]:
    """A bench of two verifiers that hang, which write their process ids into a file, once they do."""
    pids, temporary = tmp_path / "pids", tmp_path / "temporary"
    temporary.mkdir()
    body = f'open({str(pids)!r}, "a").write(f"{{os.getpid()}} ")\ntime.sleep(600)'
    argv = ["bench", str(folder), "--verifier", script(tmp_path, body), "--jobs", "2", *more]
    variables = {**ENVIRONMENT, "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "fpsynth", *argv]
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 120
    while not pids.exists() or len(pids.read_text().split()) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    return process, pids


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is locked there")
@pytest.mark.parametrize("beginning", ["shrink", "bench", "corpus"])
def test_temporary_folders_of_a_killed_bench_are_removed_by_whoever_begins_next(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beginning: str
) -> None:
    process, pids = hanging(folder, tmp_path)
    process.kill()
    process.communicate(timeout=60)
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids.read_text().split()):
        assert time.monotonic() < end
        time.sleep(0.05)
    left = tmp_path / "temporary"
    whole = {path.name: [*path.iterdir()] for path in left.iterdir() if path.name.startswith(PREFIX)}
    assert sum("network.onnx" in map(os.path.basename, inside) for inside in whole.values()) == 2
    made = ("--count", "1", "--category", "tie", "--environments", RUNTIME)
    beginnings = {
        "bench": (folder, "--verifier", standing_in("always_unsat"), "--category", "tie"),
        "corpus": ("make", "--out", tmp_path / "made", *made),
        "shrink": (folder / "plain" / "broken_0", "--verifier", standing_in("always_unsat"), "--out", tmp_path / "small"),
    }
    monkeypatch.setattr(tempfile, "tempdir", str(left))
    done = fpsynth_here(beginning, *beginnings[beginning])
    assert done.returncode == 0, done.stderr
    assert [path.name for path in left.iterdir() if path.name in whole] == []


def test_a_bench_that_begins_takes_nothing_from_one_that_runs(folder: Path, tmp_path: Path) -> None:
    log, temporary = tmp_path / "log", tmp_path / "temporary"
    temporary.mkdir()
    asking = ["--verifier", standing_in("slow"), "--category", "tie", "--json", "--jobs", "2"]
    argv = [sys.executable, "-m", "fpsynth", "bench", str(folder), *asking]
    variables = {**ENVIRONMENT, "BENCH_LOG": str(log), "BENCH_SLEEP": "3", "TMPDIR": str(temporary)}
    first = subprocess.Popen(argv, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(log, 2)
    held = {path.name for path in temporary.glob(f"{PREFIX}*")}
    assert len(held) >= 2
    remove_abandoned(temporary)
    assert held <= {path.name for path in temporary.glob(f"{PREFIX}*")}
    told, error = first.communicate(timeout=300)
    assert first.returncode == 0, error.decode()
    assert {run["verdict"] for run in json.loads(told)["runs"]} == {"unsat"}
    assert list(temporary.glob(f"{PREFIX}*")) == []


@pytest.mark.parametrize("kept", [True, False])
def test_ctrl_c_ends_at_once_and_leaves_no_process(folder: Path, tmp_path: Path, kept: bool) -> None:
    out = tmp_path / "out"
    process, pids = hanging(folder, tmp_path, *(["--out", str(out)] if kept else []))
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, error = process.communicate(timeout=60)
    assert time.monotonic() - started < 10
    assert process.returncode == 130
    last = error.decode().splitlines()[-1]
    if kept:
        assert last == f"interrupted: what is done is kept in {out}: the same command goes on from there"
    else:
        assert last == "interrupted: nothing is kept, as --out names no folder"
    while any(Path(f"/proc/{pid}").exists() for pid in pids.read_text().split()):
        assert time.monotonic() - started < 30
        time.sleep(0.05)
    assert list((tmp_path / "temporary").glob(f"{PREFIX}*")) == []


def test_a_table_of_something_else_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    out, one = tmp_path / "out", standing_in("always_unsat")
    asked(folder, one, out=out, categories=("tie",))
    for options, message in (({"timeout": 61.0}, "is of another time limit"), ({"memory": 1.0}, "is of another memory limit")):
        with pytest.raises(InputError, match=message) as refusal:
            asked(folder, one, out=out, categories=("tie",), **options)
        assert "\n" not in str(refusal.value)
    with pytest.raises(InputError, match="has another verifier or version of the name always_unsat"):
        asked(folder, standing_in("always_sat", "always_unsat"), out=out)
    other = tmp_path / "other"
    whole = read_corpus(folder)
    write_corpus(Corpus(whole.instances[:2], whole.seed, whole.environments, whole.version), other)
    with pytest.raises(InputError, match="is of another corpus"):
        asked(other, one, out=out)
    assert len(asked(folder, one, out=out).runs) == 5, "more categories of the same corpus are added"


def test_a_table_that_is_none_or_damaged_or_in_use_is_refused(folder: Path, tmp_path: Path) -> None:
    one = standing_in("always_unsat")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / TABLE).write_bytes(b"nothing" * 1000)
    with pytest.raises(InputError, match="as a table of jobs: file is not a database"):
        asked(folder, one, out=tmp_path / "none")
    out = tmp_path / "out"
    asked(folder, one, out=out, categories=("tie",))
    with JobTable(out / TABLE, {}, ()), pytest.raises(InputError, match="another process writes"):
        asked(folder, one, out=out, categories=("tie",))
    for value in ("{", '{"instance": 3}', "[]"):
        with sqlite3.connect(out / TABLE) as connection:
            connection.execute("UPDATE runs SET value = ?", (value,))
        connection.close()
        with pytest.raises(InputError) as refusal:
            asked(folder, one, out=out, categories=("tie",))
        assert "\n" not in str(refusal.value)


def test_a_row_that_is_there_stays(tmp_path: Path) -> None:
    first = BenchRun("a", "v", 0, "unsat", "right", "", 10, 1.0, None)
    with JobTable(tmp_path / TABLE, {}, ()) as table:
        assert table.add(first)
        assert not table.add(BenchRun("a", "v", 0, "sat", "false_sat", "", -150, 2.0, None))
        assert table.runs() == (first,)


@pytest.mark.parametrize(
    ("verifiers", "message"),
    [
        ((), "name at least one verifier"),
        (("crowns",), r"did you mean crown\?"),
        (("neuralsats",), r"did you mean neuralsat\?"),
        (("milp:cplex",), "milp"),
        (("python mytool.py",), r"a command needs \{onnx\} and \{vnnlib\}"),
        (("./mytool",), r"a command needs \{onnx\} and \{vnnlib\}"),
        (("mytool.py",), "FILE.py:FUNCTION names it"),
        (("crown@complex",), "unknown arithmetic 'complex'"),
        (("lipschitz",), "takes no boxes"),
        (("crown", "crown@real"), "two verifiers are called crown@real"),
        (("nnenum",), "name a checkout of it"),
        (("tool {onnx}",), r"there is no \{vnnlib\}"),
        (("none.py:function",), r"there is no file"),
        (("tool {onnx} {vnnlib} {timout}",), r"nothing is put in place of \{timout\}: did you mean \{timeout\}\?"),
    ],
)
def test_verifiers_that_nobody_knows_are_refused(verifiers: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        asked_for(verifiers)


def test_a_program_that_is_not_there_is_refused_before_anything_runs(folder: Path, tmp_path: Path) -> None:
    for text in ("mine=./no_such_tool {onnx} {vnnlib}", "standard:./no_such_tool"):
        with pytest.raises(InputError, match=r"there is no program \S*no_such_tool for"):
            bench(BenchRequest(folder, (text,), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_corpus_itself_is_no_place_for_what_is_written(folder: Path) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(InputError, match="is the corpus itself: name another folder"):
        bench(BenchRequest(folder, ("crown",), out=folder))
    assert sorted(folder.iterdir()) == before


def test_verifiers_are_named_in_every_way(tmp_path: Path) -> None:
    found = asked_for(["crown", "A=bab", standing_in("exact"), "B=cp {onnx} {vnnlib}"], ["real", "sound:any"])
    names = ["crown@real", "crown@sound:any", "A@real", "A@sound:any", "exact", "B"]
    assert [one.name for one in found] == names
    assert [one.kind for one in found] == ["own", "own", "own", "own", "file", "command"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "number of seeds"),
        ({"jobs": 0}, "number of jobs"),
        ({"timeout": float("nan")}, "time limit above 0 s"),
        ({"memory": -1.0}, "memory limit"),
        ({"categories": ("ties",)}, r"did you mean tie\?"),
    ],
)
def test_what_makes_no_sense_is_refused(folder: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        asked(folder, standing_in("exact"), **options)


def test_a_lost_process_is_replaced_and_its_job_done_again(folder: Path, tmp_path: Path) -> None:
    """The verifier kills the process that asked it, once: everything is done nevertheless, and once."""
    mark = tmp_path / "mark"
    body = f"""
if not os.path.exists({str(mark)!r}):
    open({str(mark)!r}, "w").close()
    keeper = os.getppid()
    asking = int(open(f"/proc/{{keeper}}/stat").read().rpartition(")")[2].split()[1])
    os.kill(asking, 9)
    time.sleep(600)
print("unsat")
"""
    board = asked(folder, script(tmp_path, body), categories=("tie",), jobs=1)
    assert mark.exists()
    assert columns(board, "tool") == {"tie_0": "false_unsat_float", "tie_0_control1": "right"}


@pytest.mark.skipif(sys.platform != "linux", reason="there are no such limits")
def test_a_full_disk_ends_the_bench_in_one_line_and_is_no_error_of_the_verifier(folder: Path) -> None:
    argv = ["bench", str(folder), "--verifier", "crown", "--category", "tie"]
    limit = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))"
    code = f"{limit}; runpy.run_module('fpsynth', run_name='__main__')"
    variables = {**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}  # else half of a compiled file would be kept
    done = subprocess.run([sys.executable, "-c", code, *argv], env=variables, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: jobs cannot be done here: [Errno 27] File too large" in done.stderr


def test_functions_leave_the_environment_as_it_was(folder: Path) -> None:
    before = dict(os.environ)
    asked(folder, standing_in("always_unsat"), lambda question: "unsat", categories=("tie",))
    assert dict(os.environ) == before
