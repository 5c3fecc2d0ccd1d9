from fpsynth.encoders import ENCODINGS
from fpsynth.solvers.engines import ENGINES
from fpsynth.solvers.schedule import runners

ORDER = [
    ("sampling", "arrays"),
    ("z3", "significands"),
    ("bitwuzla", "significands"),
    ("bitwuzla", "fp"),
    ("cvc5", "significands"),
    ("z3", "bitblast"),
    ("bitwuzla", "bitblast"),
    ("z3", "fp"),
    ("cvc5", "bitblast"),
    ("cvc5", "fp"),
]
"""As measured; another engine may stand anywhere in between."""


class Newcomer:
    name, encodings, turns = "newcomer", ("fp", "bitblast"), {"bitblast": 55}


def test_every_runner_comes_once_at_the_turn_that_its_engine_says():
    every = runners(list(ENGINES.values()))
    assert [runner for runner in every if runner in ORDER] == ORDER
    assert sorted(every) == sorted((engine.name, encoding) for engine in ENGINES.values() for encoding in engine.encodings)
    assert {encoding for _, encoding in every} == {*ENCODINGS, "arrays"}
    for engine in ENGINES.values():
        assert set(engine.turns) == set(engine.encodings)


def test_a_new_engine_comes_at_its_turns_and_without_one_last():
    every = runners([ENGINES["bitwuzla"], ENGINES["cvc5"], Newcomer()])
    assert every.index(("newcomer", "bitblast")) == every.index(("cvc5", "significands")) + 1
    assert every[-1] == ("newcomer", "fp")


def test_runners_are_those_of_the_engines_that_are_there():
    assert runners([]) == []
    assert {engine for engine, _ in runners([ENGINES["z3"]])} == {"z3"}
