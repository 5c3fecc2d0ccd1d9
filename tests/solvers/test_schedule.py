from fpsynth.encoders import ENCODINGS
from fpsynth.solvers.engines import ENGINES
from fpsynth.solvers.schedule import ORDER, runners


def test_the_order_names_every_runner_once():
    assert sorted(ORDER) == sorted(runners(list(ENGINES.values())))
    assert runners(list(ENGINES.values())) == list(ORDER)
    assert {encoding for _, encoding in ORDER} == {*ENCODINGS, "arrays"}


def test_runners_are_those_of_the_engines_that_are_there():
    assert runners([]) == []
    assert {engine for engine, _ in runners([ENGINES["z3"]])} == {"z3"}
