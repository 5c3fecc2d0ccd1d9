"""Claims of processes.py: messages arrive whole, limits hold, and nothing of a worker outlives its kill or its parent."""

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
from fpsynth import processes
from fpsynth.processes import Worker, WorkerDied, kill_all, ready

TESTS = Path(__file__).parent
PATHS = os.pathsep.join([str(TESTS), str(Path(fpsynth.__file__).parent.parent)])
PATIENCE = 30.0
"""Seconds that a loaded machine may take to start a worker."""


def start(memory: int | None = None, **environment: str) -> Worker:
    return Worker("scripted_worker", memory=memory, environment={"PYTHONPATH": PATHS, **environment})


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
    assert worker.receive(0.05) is None
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
    with pytest.raises(WorkerDied, match=r"scripted_worker ended with status 7: .*last words"):
        worker.receive(PATIENCE)
    worker.send({"do": "echo", "what": 1})  # too late, and no error: receive has said it
    with pytest.raises(WorkerDied, match="status 7"):
        worker.poll()


def test_answers_given_before_the_end_are_still_delivered(worker: Worker) -> None:
    worker.send({"do": "echo", "what": "first"})
    worker.send({"do": "exit", "status": 3})
    assert gone_soon(worker.process.pid)
    assert worker.receive(PATIENCE) == {"echo": "first"}
    with pytest.raises(WorkerDied, match="status 3"):
        worker.receive(PATIENCE)


def test_a_module_that_does_not_exist_is_reported() -> None:
    with (
        Worker("fpsynth.no_such_module") as missing,
        pytest.raises(WorkerDied, match=r"No module named fpsynth\.no_such_module"),
    ):
        missing.receive(PATIENCE)


def test_memory_is_limited() -> None:
    with start(memory=1 << 30) as limited:
        limited.send({"do": "memory", "bytes": 1 << 20})
        assert limited.receive(PATIENCE) == {"allocated": 1 << 20}
        limited.send({"do": "memory", "bytes": 2 << 30})
        with pytest.raises(WorkerDied, match="MemoryError"):
            limited.receive(PATIENCE)


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
        with pytest.raises(WorkerDied, match="status -9"):
            busy.receive(PATIENCE)
        assert is_running(pids["child"])
    assert gone_soon(pids["child"])


def test_kill_all_ends_every_worker() -> None:
    workers = [start(), start()]
    for one in workers:
        one.send({"do": "hang"})
    kill_all()
    assert gone_soon(*(one.process.pid for one in workers))
    assert not processes._running


def test_variables_can_be_added_to_the_environment() -> None:
    with start(FPSYNTH_TEST_FLAG="on") as flagged:
        flagged.send({"do": "environment", "name": "FPSYNTH_TEST_FLAG"})
        assert flagged.receive(PATIENCE) == {"value": "on"}


PARENT = """
import sys, time
from test_processes import start
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
