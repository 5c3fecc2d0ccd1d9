"""Messages arrive whole, limits hold, every end has its cause, and nothing of a worker outlives its kill or its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import fpsynth
from fpsynth.workers import process
from fpsynth.workers.deadlines import OutOfTimeError, within
from fpsynth.workers.process import Cause, NoAnswer, Worker, heard, kill_all, ready

TESTS = Path(__file__).parent
PATHS = os.pathsep.join([str(TESTS), str(Path(fpsynth.__file__).parent.parent)])
PATIENCE = 30.0
"""Seconds that a loaded machine may take to start a worker."""


def start(memory: int | None = None, **variables: str) -> Worker:
    return Worker("scripted_worker", memory=memory, variables={"PYTHONPATH": PATHS, **variables})


@pytest.fixture
def worker() -> Iterator[Worker]:
    with start() as running:
        yield running


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def gone_soon(*pids: int) -> bool:
    end = time.monotonic() + PATIENCE
    while any(is_running(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(is_running(pid) for pid in pids)


def test_messages_come_back_in_order_and_whole(worker: Worker) -> None:
    long = "ü" * 300_000
    worker.send({"do": "echo", "what": long})
    worker.send({"do": "echo", "what": 2})
    assert worker.receive(PATIENCE) == {"echo": long}
    assert worker.receive(PATIENCE) == {"echo": 2}
    assert worker.idle
    assert worker.poll() is None


def test_a_worker_with_unread_messages_is_ready(worker: Worker) -> None:
    """Several messages may arrive in one read: the second once lay in the buffer until a third came."""
    worker.send({"do": "burst", "count": 3})
    assert worker.receive(PATIENCE) == {"number": 0}
    time.sleep(0.3)
    with start() as idle:
        for number in (1, 2):
            assert ready([idle, worker], PATIENCE) == [worker]
            assert worker.poll() == {"number": number}
        while not worker.idle:  # that the answer is complete is said on its own
            assert heard([idle, worker], PATIENCE) == []
        assert ready([idle, worker], 0.05) == []


def test_what_libraries_print_lands_in_the_log(worker: Worker) -> None:
    worker.send({"do": "noise"})
    assert worker.receive(PATIENCE) == {"done": True}
    for noise in ("library banner", "noise of a child", "noise of native code"):
        assert noise in worker.log_tail()
    worker.send({"do": "noise"})
    assert worker.receive(PATIENCE) == {"done": True}
    assert worker.log_tail().count("native") == 2  # reading the log does not move the place where it is written
    assert len(worker.log_tail(6)) == 6


def test_a_worker_that_ends_says_how(worker: Worker) -> None:
    worker.send({"do": "exit", "status": 7})
    with pytest.raises(NoAnswer, match=r"scripted_worker ended with status 7: .*last words") as lost:
        worker.receive(PATIENCE)
    assert lost.value.cause is Cause.CRASHED
    worker.send({"do": "echo", "what": 1})  # too late, and no error: receive has said it
    with pytest.raises(NoAnswer, match="status 7"):
        worker.poll()


def test_answers_given_before_the_end_are_still_delivered(worker: Worker) -> None:
    worker.send({"do": "echo", "what": "first"})
    worker.send({"do": "exit", "status": 3})
    assert gone_soon(worker.process.pid)
    assert worker.receive(PATIENCE) == {"echo": "first"}
    with pytest.raises(NoAnswer, match="status 3"):
        worker.receive(PATIENCE)


def test_a_module_that_does_not_exist_is_reported() -> None:
    with (
        Worker("fpsynth.no_such_module") as missing,
        pytest.raises(NoAnswer, match=r"No module named 'fpsynth\.no_such_module'"),
    ):
        missing.receive(PATIENCE)


def test_memory_is_limited() -> None:
    with start(memory=1 << 30) as limited:
        limited.send({"do": "memory", "bytes": 1 << 20})
        assert limited.receive(PATIENCE) == {"allocated": 1 << 20}
        limited.send({"do": "memory", "bytes": 2 << 30})
        with pytest.raises(NoAnswer, match="MemoryError") as lost:
            limited.receive(PATIENCE)
        assert lost.value.cause is Cause.MEMORY


def test_kill_leaves_neither_the_worker_nor_its_children() -> None:
    with start() as busy:
        busy.send({"do": "child"})
        pids = busy.receive(PATIENCE)
        assert pids is not None
        assert is_running(pids["pid"])
        assert is_running(pids["child"])
    assert gone_soon(pids["pid"], pids["child"])
    busy.kill()  # twice does no harm


def test_children_are_killed_even_when_the_worker_has_died_already() -> None:
    with start() as busy:
        busy.send({"do": "child"})
        pids = busy.receive(PATIENCE)
        assert pids is not None
        os.kill(pids["pid"], signal.SIGKILL)
        with pytest.raises(NoAnswer, match="status -9") as lost:
            busy.receive(PATIENCE)
        assert lost.value.cause is Cause.KILLED
        assert is_running(pids["child"])
    assert gone_soon(pids["child"])


def test_an_error_of_the_handler_ends_the_worker_with_its_traceback(worker: Worker) -> None:
    worker.send({"do": "raise"})
    with pytest.raises(NoAnswer, match=r"status 1: .*ValueError: a bug") as lost:
        worker.receive(PATIENCE)
    assert lost.value.cause is Cause.CRASHED


def test_an_answer_that_is_late_has_a_cause_and_the_time_of_the_caller_another(worker: Worker) -> None:
    worker.send({"do": "hang"})
    with pytest.raises(NoAnswer, match=r"no answer within 0\.05 s") as lost:
        worker.receive(0.05)
    assert lost.value.cause is Cause.TIME
    assert not worker.idle
    with within(0.05), pytest.raises(OutOfTimeError):
        worker.receive(PATIENCE)


def test_a_request_that_no_pipe_holds_does_not_wait_for_the_worker(worker: Worker) -> None:
    """It is sent as far as it goes; the rest while somebody waits for answers, and answers are taken meanwhile."""
    long = "x" * (1 << 22)
    worker.send({"do": "hang", "seconds": 0.5})
    before = time.monotonic()
    for _ in range(3):
        worker.send({"do": "echo", "what": long})
    assert time.monotonic() - before < 0.4
    assert worker.receive(PATIENCE) == {"slept": True}
    for _ in range(3):
        assert worker.receive(PATIENCE) == {"echo": long}
    assert worker.idle


def test_an_answer_is_complete_only_after_its_last_message(worker: Worker) -> None:
    worker.send({"do": "burst", "count": 2})
    assert worker.receive(PATIENCE) == {"number": 0}
    assert not worker.idle
    assert worker.receive(PATIENCE) == {"number": 1}
    while not worker.idle:
        assert heard([worker], PATIENCE) == []


def test_who_has_ended_is_heard_of(worker: Worker) -> None:
    worker.send({"do": "exit", "status": 4})
    ((who, said),) = heard([worker], PATIENCE)
    assert who is worker
    assert isinstance(said, NoAnswer)
    assert "status 4" in str(said)


def test_what_libraries_start_cannot_read_requests(worker: Worker) -> None:
    worker.send({"do": "read"})
    worker.send({"do": "echo", "what": 1})
    assert worker.receive(PATIENCE) == {"read": ""}
    assert worker.receive(PATIENCE) == {"echo": 1}


def test_a_copy_of_this_process_leaves_its_workers_alone(worker: Worker) -> None:
    child = os.fork()
    if child == 0:
        kill_all()
        os._exit(worker.alive)
    assert os.waitpid(child, 0)[1] == 0
    assert worker.alive
    worker.send({"do": "echo", "what": 1})
    assert worker.receive(PATIENCE) == {"echo": 1}


@pytest.mark.parametrize("inherited", [None, "", os.pathsep, f".{os.pathsep}elsewhere"])
def test_nothing_of_the_current_folder_is_imported(
    inherited: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fpsynth", "json", "selectors", "numpy", "scripted_worker"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('imported from the current folder')\n")
    monkeypatch.chdir(tmp_path)
    if inherited is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}{os.pathsep}{inherited}")
    with start() if inherited is None else Worker("scripted_worker") as running:
        running.send({"do": "echo", "what": 1})
        assert running.receive(PATIENCE) == {"echo": 1}


def test_kill_all_ends_every_worker() -> None:
    workers = [start(), start()]
    for one in workers:
        one.send({"do": "hang"})
    kill_all()
    assert gone_soon(*(one.process.pid for one in workers))
    assert not process._running


def test_variables_can_be_added_to_the_environment() -> None:
    with start(FPSYNTH_TEST_FLAG="on") as flagged:
        flagged.send({"do": "environment", "name": "FPSYNTH_TEST_FLAG"})
        assert flagged.receive(PATIENCE) == {"value": "on"}


ENDING = """
from test_process import start
worker = start()
worker.send({"do": "child"})
print(*worker.receive(30).values(), flush=True)
"""


def test_a_program_that_ends_takes_its_workers_and_their_children_along() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING], env={**os.environ, "PYTHONPATH": PATHS}, capture_output=True, text=True, check=True
    )
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    assert gone_soon(*pids)


PARENT = """
import sys, time
from test_process import start
worker = start()
if sys.argv[1] == "busy":
    worker.send({"do": "pid"})
    print(worker.receive(30)["pid"], flush=True)
    worker.send({"do": "hang"})
else:
    worker.send({"do": "hang"})
    print(worker.process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent death signal is Linux's")
@pytest.mark.parametrize("stage", ["busy", "starting"])
def test_a_worker_dies_with_its_parent_however_that_ends(stage: str) -> None:
    """A worker that was still importing when its parent died once went on to work through its requests."""
    command = [sys.executable, "-c", PARENT, stage]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": PATHS}, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert gone_soon(pid)
