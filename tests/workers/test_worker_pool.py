"""A worker is kept for its key, and never handed out again once it has died or its request was cut off."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from test_process import PATHS, PATIENCE, gone_soon, start

from fpsynth.workers.pool import Pool
from fpsynth.workers.process import NoAnswer, Worker


@pytest.fixture
def pool() -> Iterator[Pool[str]]:
    with Pool[str](lambda key: start(FPSYNTH_TEST_FLAG=key)) as pool:
        yield pool


def pid(pool: Pool[str], key: str) -> int:
    number: int = pool.ask(key, {"do": "pid"}, PATIENCE)["pid"]
    return number


def test_a_worker_answers_again_for_its_key_and_for_no_other(pool: Pool[str]) -> None:
    first = pid(pool, "a")
    assert pid(pool, "a") == first
    assert pid(pool, "b") != first
    for key in "ab":
        assert pool.ask(key, {"do": "environment", "name": "FPSYNTH_TEST_FLAG"}, PATIENCE) == {"value": key}
    assert len(pool) == 2


def test_two_are_there_while_two_are_needed(pool: Pool[str]) -> None:
    with pool.borrowed("a") as first, pool.borrowed("a") as second:
        assert first is not second
    assert set(pool) == {first, second}


def test_one_whose_request_was_cut_off_is_killed(pool: Pool[str]) -> None:
    first = pid(pool, "a")
    with pytest.raises(NoAnswer):
        pool.ask("a", {"do": "hang"}, 0.05)
    assert len(pool) == 0
    assert gone_soon(first)
    assert pid(pool, "a") != first


def test_an_interrupt_cuts_a_request_off_too(pool: Pool[str]) -> None:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        pool.ask("a", {"do": "hang"}, PATIENCE)
    assert len(pool) == 0


def test_one_that_has_died_is_forgotten(pool: Pool[str]) -> None:
    with pytest.raises(NoAnswer, match="status 3"):
        pool.ask("a", {"do": "exit", "status": 3}, PATIENCE)
    assert len(pool) == 0
    first = pid(pool, "a")
    os.kill(first, signal.SIGKILL)
    assert gone_soon(first)
    assert pid(pool, "a") != first


def test_close_ends_them(pool: Pool[str]) -> None:
    pids = [pid(pool, key) for key in "abc"]
    pool.close()
    assert gone_soon(*pids)


def test_at_most_so_many_are_kept_and_the_last_ones() -> None:
    with Pool[str](lambda key: start(), most=2) as pool:
        pids = [pid(pool, key) for key in "abc"]
        assert [worker.process.pid for worker in pool] == pids[1:]
        assert gone_soon(pids[0])


def test_one_that_rests_too_long_ends_by_itself_and_is_not_handed_out() -> None:
    def resting(key: str) -> Worker:
        return Worker("scripted_worker", variables={"PYTHONPATH": PATHS}, rest=1.0)

    with Pool[str](resting, rest=1.0) as pool:
        first = pid(pool, "a")
        assert pid(pool, "a") == first
        (worker,) = pool
        time.sleep(0.6)
        assert pid(pool, "a") != first
        assert not worker.alive
        (worker,) = pool
        assert worker.process.wait(PATIENCE) == 0


def test_a_thread_has_workers_of_its_own(pool: Pool[str]) -> None:
    """The kernel ends those that a thread has started once it ends."""
    pids = [pid(pool, "a")]
    thread = threading.Thread(target=lambda: pids.append(pid(pool, "a")))
    thread.start()
    thread.join()
    assert pids[0] != pids[1]
    assert pid(pool, "a") == pids[0]


def test_a_copy_of_this_process_does_not_take_what_is_not_its_own(pool: Pool[str]) -> None:
    first = pid(pool, "a")
    child = os.fork()
    if child == 0:
        other = pool.take("a")
        os._exit(other.process.pid == first)
    assert os.waitpid(child, 0)[1] == 0
    assert pid(pool, "a") == first
