import itertools
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from questions import absorption, alive, children, factoring

from fpsynth.evaluators.recheck import failures
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.solvers import engines
from fpsynth.solvers.engines import independent
from fpsynth.solvers.race import Race, SolverContradictionError, Task, race
from fpsynth.workers.deadlines import require_time, within

SOLVABLE = absorption(FLOAT16)
HERE = str(Path(__file__).parent)
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="processes are counted in /proc")


@pytest.fixture(autouse=True)
def _stand_ins_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", HERE)


def run(*engines: str, problem=SOLVABLE, **options) -> Race:
    options = {"jobs": 1, "seconds": 20, "worker": "stand_in_worker", **options}
    return race([Task(engine, "arrays" if engine == "sampling" else "fp", 0, problem) for engine in engines], **options)


def test_the_first_solution_wins_and_the_rest_is_stopped():
    before = time.monotonic()
    result = run("sleeper", "sampling", "sleeper", jobs=2)
    assert time.monotonic() - before < 5
    assert result.status == "sat"
    assert result.assignment is not None
    assert failures(SOLVABLE, result.assignment) == []
    assert result.winner is not None
    assert (result.winner.engine, result.winner_problem) == ("sampling", SOLVABLE)
    assert {(a.engine, a.status) for a in result.attempts} == {("sampling", "sat"), ("sleeper", "stopped")}
    assert result.winner.memory is not None
    assert 1 << 20 < result.winner.memory < 1 << 30


def test_a_solution_that_fails_the_exact_recheck_is_an_unknown_that_names_the_engine():
    result = run("liar")
    assert (result.status, result.assignment) == ("unknown", None)
    (attempt,) = result.attempts
    assert attempt.status == "unknown"
    assert "liar's solution fails the exact re-check" in attempt.reason


def test_the_race_goes_on_after_a_lie():
    assert [a.status for a in run("liar", "sampling").attempts] == ["unknown", "sat"]


def test_unsat_needs_two_different_engines():
    alone = run("refuter", "refuter", "hesitant")
    assert alone.status == "unknown"
    assert "only refuter answered unsat, and 2 engines must agree" in alone.reason
    agreed = run("refuter", "hesitant", "denier", "sampling")
    assert agreed.status == "unsat"
    assert [a.engine for a in agreed.refutations] == ["refuter", "denier"]
    assert len(agreed.attempts) == 3  # sampling was not asked any more
    assert run("refuter", refutations=1).status == "unsat"


def test_unsat_of_a_part_says_nothing_about_the_whole():
    tasks = [Task(engine, "fp", 0, SOLVABLE, complete=False) for engine in ("refuter", "denier")]
    result = race(tasks, jobs=1, seconds=20, worker="stand_in_worker")
    assert (result.status, result.refutations) == ("unknown", ())
    assert [a.status for a in result.attempts] == ["unsat", "unsat"]


def test_a_solution_and_an_unsat_are_a_loud_contradiction_that_keeps_the_solution():
    with pytest.raises(SolverContradictionError, match=r"SOLVER BUG: refuter \(fp, seed 0\) answered unsat") as caught:
        run("refuter", "sampling")
    assert caught.value.race.status == "sat"
    assert caught.value.race.assignment is not None


def test_two_engines_that_read_the_same_bits_of_z3_are_one_witness():
    # z3 5.4 translated products in sorts with few exponent bits wrongly, and all engines repeated it from its text
    bits = [Task(engine, "bitblast", 0, SOLVABLE) for engine in ("refuter", "denier")]
    shared = race(bits, jobs=2, worker="stand_in_worker", seconds=20)
    assert shared.status == "unknown"
    assert "of the bits that z3 made" in shared.reason
    own = race([*bits, Task("refuter", "significands", 0, SOLVABLE)], jobs=2, worker="stand_in_worker", seconds=20)
    assert own.status == "unsat"


def test_two_engines_that_run_the_same_code_are_one_witness(monkeypatch: pytest.MonkeyPatch):
    # as two configurations of one solver would be: a bug of it is in both
    for name in ("refuter", "denier"):
        monkeypatch.setitem(engines._CLASSES, name, "Own")
        monkeypatch.setitem(sys.modules, f"fpsynth.solvers.{name}", SimpleNamespace(Own=lambda: SimpleNamespace(package="one")))
    assert (independent(["refuter", "denier"]), independent(["refuter", "hesitant"])) == (1, 2)
    alone = run("refuter", "denier")
    assert alone.status == "unknown"
    assert "only refuter answered unsat, and 2 engines must agree" in alone.reason
    assert [a.engine for a in alone.attempts if a.status == "unsat"] == ["refuter"]  # denier could say nothing new
    assert run("refuter", "denier", "hoarder").status == "unsat"
    engines._engine.cache_clear()


def test_an_engine_that_has_refuted_is_not_asked_again_even_in_endless_supply():
    tasks = (Task("refuter", "fp", seed, SOLVABLE) for seed in itertools.count())
    result = race(tasks, jobs=1, worker="stand_in_worker")
    assert (result.status, len(result.attempts)) == ("unknown", 1)


def test_the_other_runs_of_an_engine_that_has_refuted_are_stopped():
    tasks = [
        Task("refuter", "fp", 0, SOLVABLE),
        Task("late refuter", "fp", 0, SOLVABLE),
        Task("late refuter", "fp", 1, SOLVABLE),
    ]
    result = race(tasks, jobs=3, refutations=3, worker="stand_in_worker", seconds=20)
    assert sorted(a.status for a in result.attempts if a.engine == "late refuter") in (["stopped", "unsat"], ["unsat", "unsat"])
    assert result.status == "unknown"


def test_an_encoding_that_has_refused_a_problem_is_not_tried_again_by_anyone():
    other = absorption(FLOAT32)
    engines = itertools.cycle(("wordless", "hesitant"))
    tasks = (Task(next(engines), "fp", seed, SOLVABLE if seed < 50 else other) for seed in range(52))
    attempts = race(tasks, jobs=1, seconds=20, worker="stand_in_worker").attempts
    assert [(a.engine, a.seed) for a in attempts] == [("wordless", 0), ("wordless", 50)]


def test_problems_of_one_name_are_each_tried():
    """As those are that have weights fixed at random: whether an encoding refuses one depends on its weights."""
    other = replace(absorption(FLOAT32), name=SOLVABLE.name)
    tasks = [Task("wordless", "fp", 0, SOLVABLE), Task("wordless", "fp", 1, other), Task("wordless", "fp", 2, SOLVABLE)]
    attempts = race(tasks, jobs=1, seconds=20, worker="stand_in_worker").attempts
    assert [a.seed for a in attempts] == [0, 1]


def test_an_endless_supply_of_what_cannot_be_encoded_ends():
    tasks = (Task("wordless", "fp", seed, SOLVABLE) for seed in itertools.count())
    result = race(tasks, jobs=1, seconds=20, worker="stand_in_worker")
    assert (len(result.attempts), result.reason) == (1, "every attempt ended without an answer")


def test_tasks_are_taken_only_when_there_is_room():
    taken = []

    def tasks():
        for seed in itertools.count():
            taken.append(seed)
            yield Task("hesitant" if seed < 2 else "sampling", "fp" if seed < 2 else "arrays", seed, SOLVABLE)

    assert race(tasks(), jobs=1, worker="stand_in_worker").status == "sat"
    assert taken == [0, 1, 2]


def test_no_tasks_are_an_unknown():
    assert race([], seconds=1).status == "unknown"


def test_progress_is_told_of_every_attempt():
    lines: list[str] = []
    run("hesitant", "sampling", progress=lines.append)
    assert len(lines) == 2
    assert "hesitant (fp, seed 0) on absorption-float16: unknown after" in lines[0]
    assert "(seed 0 did not help)" in lines[0]


@pytest.mark.parametrize(("engine", "why"), [("crasher", "ended with status -6"), ("thrower", "ArithmeticError: a bug")])
def test_a_crash_is_an_unknown_with_a_reason(engine: str, why: str):
    result = run(engine)
    assert result.status == "unknown"
    assert why in result.attempts[0].reason


def test_an_engine_that_does_not_exist_is_an_unknown_with_a_reason():
    assert "nobody" in run("nobody").attempts[0].reason


def test_the_memory_limit_gives_an_unknown_with_a_reason():
    result = run("glutton", memory=256 << 20)
    assert result.status == "unknown"
    assert "memory" in result.attempts[0].reason.lower()


@needs_proc
def test_the_time_limit_ends_the_race_and_leaves_no_process():
    before, others = time.monotonic(), children()
    result = run("sleeper", "sleeper", jobs=2, seconds=0.5)
    assert time.monotonic() - before < 20
    assert result.status == "unknown"
    assert "the time limit is over" in result.reason
    assert [a.status for a in result.attempts] == ["stopped", "stopped"]
    assert children() <= others


def test_a_task_with_a_limit_of_its_own_makes_room_for_the_next():
    tasks = [Task("sleeper", "fp", 0, SOLVABLE, seconds=0.2), Task("sampling", "arrays", 0, SOLVABLE)]
    before = time.monotonic()
    result = race(tasks, jobs=1, seconds=20, worker="stand_in_worker")
    assert time.monotonic() - before < 5
    assert [a.status for a in result.attempts] == ["unknown", "sat"]
    assert "time limit of 0.2 s" in result.attempts[0].reason


@needs_proc
def test_an_exception_leaves_no_process():
    def tasks():
        yield Task("sleeper", "fp", 0, SOLVABLE)
        raise KeyError("the caller's own bug")

    others = children()
    with pytest.raises(KeyError):
        race(tasks(), jobs=2, worker="stand_in_worker")
    assert children() <= others


@needs_proc
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_race_leaves_no_process(sent: signal.Signals):
    program = (
        "from questions import factoring; from fpsynth.solvers.race import Task, race\n"
        "race([Task('sampling', 'arrays', k, factoring()) for k in range(2)], jobs=2)"
    )
    root = str(Path(HERE).parent.parent)
    with subprocess.Popen(
        [sys.executable, "-c", program], env={"PYTHONPATH": f"{HERE}:{root}", "PATH": ""}, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 20
        while len(workers := children(process.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(workers) == 2
        time.sleep(0.3)
        process.send_signal(sent)
        try:
            _, error = process.communicate(timeout=5)
        finally:
            process.kill()
    assert process.returncode != 0
    assert (b"KeyboardInterrupt" in error) == (sent is signal.SIGINT)
    deadline = time.monotonic() + 1  # the kernel kills them when their parent is gone, and that takes it a moment
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, workers))


@pytest.mark.parametrize("engine", ["z3", "bitwuzla", "cvc5"])
def test_a_real_solver_is_stopped_on_a_problem_too_hard_for_it(engine: str):
    pytest.importorskip(engine)
    before = time.monotonic()
    result = race([Task(engine, "significands", 0, factoring())], jobs=1, seconds=0.5)
    assert time.monotonic() - before < 20
    assert result.status == "unknown"
    assert "limit" in result.reason or "limit" in result.attempts[0].reason


@pytest.mark.parametrize("engine", ["z3", "bitwuzla", "cvc5"])
def test_a_real_solver_that_runs_out_of_memory_is_an_unknown_with_a_reason(engine: str):
    pytest.importorskip(engine)
    pytest.importorskip("z3", reason="z3 does the bit-blasting")
    result = race([Task(engine, "bitblast", 0, factoring())], jobs=1, seconds=20, memory=160 << 20)
    assert result.status == "unknown"
    assert "memory" in result.attempts[0].reason


def test_real_solvers_agree_that_there_is_no_solution():
    pytest.importorskip("z3")
    pytest.importorskip("bitwuzla")
    problem = absorption(FLOAT32, solvable=False)
    result = race([Task(engine, "fp", 0, problem) for engine in ("z3", "bitwuzla")], jobs=2, seconds=30)
    assert result.status == "unsat"
    assert result.reason in ("z3 and bitwuzla answered unsat", "bitwuzla and z3 answered unsat")


def test_a_race_ends_with_the_time_that_is_given_even_while_a_task_is_made():
    def tasks():
        require_time()
        yield from ()

    with within(0):
        result = race(tasks())
    assert (result.status, result.reason, result.attempts) == ("unknown", "the time limit is over", ())
