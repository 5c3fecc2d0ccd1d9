import itertools

from questions import absorption

from fpsynth.encoders import ENCODINGS
from fpsynth.formats import FLOAT16
from fpsynth.solvers.engines import ENGINES
from fpsynth.solvers.race import race
from fpsynth.solvers.schedule import FIRST_LIMIT, ORDER, default_tasks, runners


def test_the_order_names_every_runner_once():
    assert sorted(ORDER) == sorted(runners(list(ENGINES.values())))
    assert runners(list(ENGINES.values())) == list(ORDER)
    assert {encoding for _, encoding in ORDER} == {*ENCODINGS, "arrays"}


def test_rounds_bring_new_seeds_and_twice_the_time():
    tasks = list(itertools.islice(default_tasks(absorption(FLOAT16), [ENGINES["z3"]], 5), 6))
    assert [task.seed for task in tasks] == [5, 5, 5, 6, 6, 6]
    assert [task.seconds for task in tasks] == [FIRST_LIMIT] * 3 + [2 * FIRST_LIMIT] * 3


def test_no_engines_are_no_tasks():
    assert list(default_tasks(absorption(FLOAT16), [])) == []


def test_the_schedule_with_sampling_alone_wins_a_race():
    assert race(default_tasks(absorption(FLOAT16), [ENGINES["sampling"]]), jobs=1, seconds=20).status == "sat"
