"""Processes of libraries stay from one question to the next where that changes nothing, and end with their block."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable
from pathlib import Path

import pytest
from divergences import triple
from test_process import PATHS, PATIENCE, gone_soon

import fpsynth
from fpsynth.cli.main import main
from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT32, Format
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.libraries.pool import LibraryCall, LibraryPool
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.revealing.revealer import Revealer
from fpsynth.witness import save
from fpsynth.workers.kept import end_all, ended, processes_kept, spoilt, started
from fpsynth.workers.process import Worker, _running

pytestmark = pytest.mark.usefixtures("nothing_stays")


def begun(holds: Hashable = "a", **variables: str) -> Worker:
    return started("scripted_worker", holds=holds, variables={"PYTHONPATH": PATHS, **variables})


def pid(worker: Worker) -> int:
    worker.send({"do": "pid"})
    number: int = worker.receive(PATIENCE)["pid"]
    return number


def used(holds: Hashable = "a", **variables: str) -> int:
    """The process that a question gets, which begins and ends."""
    worker = begun(holds, **variables)
    try:
        return pid(worker)
    finally:
        ended(worker)


def test_without_a_block_each_question_has_its_own() -> None:
    first = used()
    assert gone_soon(first)
    assert used() != first


def test_within_a_block_the_next_question_takes_it_and_with_the_block_it_ends() -> None:
    with processes_kept():
        first = used()
        assert used() == first
    assert gone_soon(first)


def test_the_end_of_a_command_ends_all_but_those_that_are_kept() -> None:
    with processes_kept():
        first, busy = used(), begun("b")
        assert pid(busy) != first
        end_all()
        assert not busy.alive
        assert used() == first
    last = begun()
    end_all()
    assert not last.alive


def test_at_the_end_of_a_command_those_that_end_by_themselves_stay_where_something_is_kept() -> None:
    def resting(most: int) -> bool:
        with processes_kept(most), Worker("scripted_worker", variables={"PYTHONPATH": PATHS}, rest=60.0) as worker:
            assert pid(worker)
            end_all()
            return worker.alive

    assert resting(1)
    assert not resting(0)


def test_commands_of_one_program_share_what_it_keeps(tmp_path: Path) -> None:
    save(triple(), tmp_path / "witness.json")
    with processes_kept():
        asked = [main(["check", str(tmp_path / "witness.json")]) for _ in range(2)]
        kept = {worker.process.pid for worker in _running}
        asked.append(main(["check", str(tmp_path / "witness.json")]))
        assert {worker.process.pid for worker in _running} == kept
    assert asked == [0, 0, 0]
    assert len(kept) == 1
    assert not _running


def test_two_questions_at_a_time_have_two() -> None:
    with processes_kept():
        one, other = begun(), begun()
        assert pid(one) != pid(other)
        ended(one)
        ended(other)
        assert used() == other.process.pid


def test_another_setting_variable_or_environment_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with processes_kept():
        first = used()
        assert used("b") != first
        assert used(FPSYNTH_TEST_FLAG="1") != first
        monkeypatch.setenv("OMP_NUM_THREADS", "7")
        assert used() != first
        monkeypatch.undo()
        assert used() == first


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="the system does not say on which processors a process may run"
)
def test_other_processors_are_another_process() -> None:
    processors = os.sched_getaffinity(0)
    if len(processors) < 2:
        pytest.skip("there is one processor")
    with processes_kept():
        first = used()
        try:
            os.sched_setaffinity(0, {min(processors)})
            assert used() != first
        finally:
            os.sched_setaffinity(0, processors)
        assert used() == first


def test_another_current_folder_is_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with processes_kept():
        first = used()
        monkeypatch.chdir(tmp_path)
        assert used() != first
        monkeypatch.undo()
        assert used() == first


def test_a_block_of_another_thread_that_ends_first_leaves_the_number_of_this_one() -> None:
    entered, may_end = threading.Event(), threading.Event()

    def other() -> None:
        with processes_kept(3):
            entered.set()
            may_end.wait(PATIENCE)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        assert entered.wait(PATIENCE)
        with processes_kept(0):
            may_end.set()
            thread.join(PATIENCE)
            assert gone_soon(used())
    finally:
        may_end.set()
        thread.join(PATIENCE)


def test_so_many_are_kept_and_the_one_used_longest_ago_goes() -> None:
    with processes_kept(2):
        first, second = used("a"), used("b")
        assert used("a") == first
        third = used("c")
        assert gone_soon(second)
        assert [used("a"), used("c")] == [first, third]


def test_inner_blocks_end_what_is_beyond_their_own_number() -> None:
    with processes_kept(2):
        first, second = used("a"), used("b")
        with processes_kept(1):
            assert gone_soon(first)
            assert used("b") == second
        assert used("b") == second


def test_one_that_still_works_is_not_kept() -> None:
    with processes_kept():
        worker = begun()
        number = pid(worker)
        worker.send({"do": "hang"})
        ended(worker)
        assert gone_soon(number)
        assert used() != number


def test_one_that_has_died_is_not_handed_out() -> None:
    with processes_kept():
        first = used()
        os.kill(first, 9)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        assert used() != first


def test_one_in_which_a_library_has_failed_is_not_kept() -> None:
    with processes_kept():
        worker = begun()
        number = pid(worker)
        spoilt(worker)
        ended(worker)
        assert gone_soon(number)


@pytest.mark.parametrize(
    ("rows", "dtype", "runs", "stays"),
    [((0,), FLOAT32, True, True), ((0,), BFLOAT16, False, True), ((), FLOAT32, False, False)],
)
def test_a_library_that_has_raised_is_not_kept_and_one_that_has_refused_is(
    rows: tuple[int, ...], dtype: Format, runs: bool, stays: bool
) -> None:
    network, calls = dense_relu((Dense(((1.0,), (2.0,))),)), {"numpy": [LibraryCall("matmul", rows)]}
    with processes_kept():
        with LibraryPool(["numpy"]) as pool:
            (ran,) = pool.run(network, dtype, [(1.0,)], calls)["numpy"]
            worker = pool.members["numpy"].worker
        assert (ran.outputs is not None) == runs
        assert worker is not None
        assert worker.alive == stays


def test_a_reveal_that_fails_leaves_no_process() -> None:
    with processes_kept():
        with Revealer() as revealer:
            with pytest.raises(InputError, match="numpy"):
                revealer._ask(parse_network_environment("numpy"), {"digest": "no kernel", "seed": 0})
            (worker,) = revealer._workers
            assert worker.alive
        assert not worker.alive


def test_libraries_that_a_question_has_imported_answer_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    begun_for: list[str] = []
    begin = Worker.__init__

    def counted(worker: Worker, module: str, **limits: object) -> None:
        begun_for.append(module)
        begin(worker, module, **limits)  # type: ignore[arg-type]

    monkeypatch.setattr(Worker, "__init__", counted)
    with fpsynth.processes_kept():
        answers = [fpsynth.reveal("numpy:matmul", terms=terms, vectors=100) for terms in (2, 3, 2)]
        assert begun_for == 2 * ["fpsynth.revealing.worker"]  # the other one has another number of threads
    apart = [fpsynth.reveal("numpy:matmul", terms=terms, vectors=100) for terms in (2, 3, 2)]
    assert len(begun_for) == 8
    for kept, alone in zip(answers, apart, strict=True):
        for one, other in zip(kept, alone, strict=True):
            assert (one.classes, one.threads, one.facts) == (other.classes, other.threads, other.facts)


def test_a_library_says_the_same_of_itself_the_second_time() -> None:
    with fpsynth.processes_kept():
        first, second = (fpsynth.environments(library=("numpy",)) for _ in range(2))
    (one,), (other,) = first.libraries, second.libraries
    assert (one.version, one.facts, one.variants) == (other.version, other.facts, other.variants)
