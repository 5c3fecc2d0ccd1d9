"""Time limits and signals: every run ends as it should, and no process is left behind."""

import json
import signal
import time

import pytest
from command_line import HARD, descendants, gone, linux, start, workers

REVEAL = ["reveal", "torch:linear", "--terms", "2000", "--outputs", "3", "--batch", "1,4,64"]
"""Takes some seconds: the library is imported first."""


@linux
def test_a_time_limit_ends_a_hard_query_and_every_process():
    began = time.monotonic()
    process = start(*HARD, "--timeout", "1", "--json")
    seen = workers(process)
    while process.poll() is None:
        seen |= descendants(process.pid)
        time.sleep(0.01)
    took = time.monotonic() - began
    out, err = process.communicate()
    assert process.returncode == 3, err
    assert took < 15  # a second of it is the search
    assert gone(seen)
    said = json.loads(out)
    assert said["verdict"] == "unknown"
    assert "time limit" in said["reason"]
    assert said["attempts"]


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_an_interrupt_ends_it_with_130_and_every_process(number, tmp_path):
    process = start(*HARD, "--timeout", "60", "--out", str(tmp_path / "out"), "--json")
    seen = workers(process)
    time.sleep(0.3)
    seen |= descendants(process.pid)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert gone(seen)
    assert list(tmp_path.iterdir()) == []


@linux
def test_a_killed_run_leaves_no_worker():
    process = start(*HARD, "--timeout", "60")
    seen = workers(process)
    process.kill()
    process.communicate()
    assert gone(seen)


def test_a_closed_pipe_is_no_error():
    process = start("tie", "--no-replay", "--json", "--solver", "sampling")
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""


@linux
def test_an_interrupted_reveal_ends_its_library_too(tmp_path):
    pytest.importorskip("torch")
    process = start(*REVEAL, "--out", str(tmp_path / "reveal.json"))
    end = time.monotonic() + 20
    while not (seen := descendants(process.pid)) and time.monotonic() < end:
        time.sleep(0.02)
    assert seen
    time.sleep(0.5)
    seen |= descendants(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert gone(seen)
    assert list(tmp_path.iterdir()) == []
