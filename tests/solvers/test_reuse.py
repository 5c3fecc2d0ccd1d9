"""A process that has answered is taken for the next race, where it gives the answers that a new one gives."""

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from profiles import SLOW, one_in, slow
from questions import absorption

from fpsynth import expressions as ex
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, Format
from fpsynth.problems import Problem, Variable, problem_to_json
from fpsynth.solvers.engines import ENGINES
from fpsynth.solvers.race import _WORKERS, WORKER, Race, Task, race
from fpsynth.workers.messages import Message
from fpsynth.workers.process import Worker

SOLVABLE = absorption(FLOAT16)
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the memory of a process is not known, and none is kept"
)


@pytest.fixture(autouse=True)
def _no_process_is_left_from_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(_WORKERS, "_most", 9)  # however few processors there are
    _WORKERS.close()
    yield
    _WORKERS.close()


def run(engine: str, seed: int = 0, problem: Problem = SOLVABLE, **options) -> Race:
    encoding = "arrays" if engine == "sampling" else "fp"
    return race([Task(engine, encoding, seed, problem)], **{"seconds": 20, "worker": "stand_in_worker", **options})


def idle() -> list[int]:
    return [worker.process.pid for worker in _WORKERS]


def test_a_process_that_has_answered_is_asked_again():
    run("refuter")
    (first,) = idle()
    run("refuter", 1)
    assert idle() == [first]
    run("denier")  # another engine has a process of its own, and so has another limit
    run("refuter", memory=512 << 20)
    assert len(set(idle())) == 3
    assert first in idle()


@pytest.mark.parametrize("engine", ["z3", "bitwuzla", "cvc5"])
def test_real_solvers_are_asked_again_though_they_watch_a_clock(engine: str):
    pytest.importorskip(engine)
    seen = []
    for seed in range(3):
        problem = absorption(FLOAT16, solvable=seed < 2)
        race([Task(engine, "significands", seed, problem)], seconds=20, refutations=1)
        seen += idle()
    assert len(seen) == 3
    assert len(set(seen)) == 1


@pytest.mark.parametrize("engine", ["hesitant", "thrower", "crasher", "liar", "sleeper"])
def test_one_that_gave_up_broke_or_was_interrupted_is_not(engine: str):
    run(engine, seconds=5 if engine != "sleeper" else 0.5)
    assert idle() == []


def test_one_whose_encoding_refuses_a_problem_is():
    run("wordless")
    assert len(idle()) == 1


def test_one_that_keeps_memory_is_not():
    run("hoarder")
    assert idle() == []


def test_the_memory_of_an_attempt_is_its_own():
    peaks = []
    for seed in (0, 1):
        (attempt,) = run("eater", seed).attempts
        peaks.append(attempt.memory)
        assert len(idle()) == 1
    assert peaks[0] > 1 << 28 > peaks[1] > 1 << 20


def above(fmt: Format, bound: int) -> Problem:
    """A product above a sum, both rounded: many solutions, so that another search would find another one."""
    x, y = ex.variable("x", fmt), ex.variable("y", fmt)
    bounds = Fraction(1, 2), Fraction(bound)
    variables = Variable("x", fmt, *bounds), Variable("y", fmt, *bounds)
    return Problem(f"product above a sum, up to {bound}", variables, (ex.lt(ex.add(x, y), ex.mul(x, y)),))


PROBLEMS = [
    *((above(FLOAT16, bound), seed) for bound in (4, 100) for seed in (0, 7)),
    (above(FLOAT32, 4), 1),
    *((absorption(fmt, solvable), 3) for fmt in (BFLOAT16, FLOAT32) for solvable in (True, False)),
]
RUNS = [
    pytest.param(name, encoding, marks=slow if (name, encoding) == ("cvc5", "bitblast") else ())
    for name, engine in ENGINES.items()
    for encoding in engine.encodings
]


def asked(worker: Worker, engine: str, encoding: str, problem: Problem, seed: int) -> Message:
    task = {"problem": problem_to_json(problem), "engine": engine, "encoding": encoding, "seed": seed}
    worker.send({**task, "seconds": 20.0 if engine != "sampling" else 0.3, "memory": None})
    return worker.receive(60)


@pytest.mark.parametrize(("engine", "encoding"), one_in(2, RUNS))
def test_the_answer_does_not_depend_on_what_was_asked_before(engine: str, encoding: str):
    """z3 gets a context for each problem, bitwuzla and cvc5 a term manager and a solver, and the sampler draws anew."""
    if ENGINES[engine].available() is None or (encoding == "bitblast" and ENGINES["z3"].available() is None):
        pytest.skip(f"{engine} is not installed")

    def told(message: Message) -> tuple[str, object]:
        return message["status"], message["assignment"]

    with Worker(WORKER) as used:
        forth = [told(asked(used, engine, encoding, *problem)) for problem in PROBLEMS]
        back = [told(asked(used, engine, encoding, *problem)) for problem in reversed(PROBLEMS)]
    assert back[::-1] == forth
    assert len({str(answer) for answer in forth}) > 2
    for place in (1, 4) if SLOW else (4,):
        with Worker(WORKER) as new:
            assert told(asked(new, engine, encoding, *PROBLEMS[place])) == forth[place]
