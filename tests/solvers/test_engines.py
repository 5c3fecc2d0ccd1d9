import subprocess
import sys
from fractions import Fraction

import pytest
from profiles import slow
from questions import absorption, factoring

from fpsynth import expressions as ex
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.evaluators.recheck import failures
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, Format
from fpsynth.problems import Problem, Variable
from fpsynth.solvers import base
from fpsynth.solvers.base import Engine, EngineAnswer, Status
from fpsynth.solvers.engines import ENGINES, engines_named

REFUSED = {("bitwuzla", "bfloat16"), ("cvc5", "bfloat16"), ("cvc5", "float16")}
"""Sorts of the floating-point theory that these solvers do not have."""
RUNS = [
    pytest.param(engine, encoding, id=f"{engine.name}-{encoding}")
    for engine in ENGINES.values()
    if engine.name != "sampling"
    for encoding in engine.encodings
]
QUICK = [pytest.param(*run.values, id=run.id, marks=slow if run.id == "cvc5-bitblast" else ()) for run in RUNS]
"""Where cvc5, which takes seconds over other solvers' circuits, is asked in slow runs only."""


def solve(engine: Engine, problem: Problem, encoding: str, seed: int = 0, seconds: float | None = 30) -> EngineAnswer:
    if engine.available() is None:
        pytest.skip(f"{engine.name} is not installed")
    if encoding == "bitblast" and ENGINES["z3"].available() is None:
        pytest.skip("z3, which does the bit-blasting, is not installed")
    return engine.solve(problem, encoding, seed, seconds, None)


@pytest.mark.parametrize("fmt", [FLOAT16, BFLOAT16, FLOAT32], ids=str)
@pytest.mark.parametrize(("engine", "encoding"), RUNS)
def test_every_engine_solves_and_refutes_in_every_encoding(engine: Engine, encoding: str, fmt: Format):
    found = solve(engine, absorption(fmt), encoding)
    if encoding == "fp" and (engine.name, fmt.name) in REFUSED:
        assert found.status is Status.UNKNOWN
        assert "support" in found.reason
        return
    assert found.status is Status.SAT, found.reason
    assert found.assignment is not None
    assert failures(absorption(fmt), found.assignment) == []
    assert solve(engine, absorption(fmt, solvable=False), encoding).status is Status.UNSAT


@pytest.mark.parametrize(("engine", "encoding"), QUICK)
def test_the_same_seed_gives_the_same_solution(engine: Engine, encoding: str):
    x, y = ex.variable("x", FLOAT32), ex.variable("y", FLOAT32)
    bounds = Fraction(1, 2), Fraction(4)
    problem = Problem(
        "product above a sum",
        (Variable("x", FLOAT32, *bounds), Variable("y", FLOAT32, *bounds)),
        (ex.lt(ex.add(x, y), ex.mul(x, y)),),
    )
    first, second = solve(engine, problem, encoding, 7), solve(engine, problem, encoding, 7)
    assert first.assignment is not None
    assert first.assignment == second.assignment
    assert failures(problem, first.assignment) == []


@pytest.mark.parametrize(("engine", "encoding"), QUICK)
def test_products_of_subnormals_in_narrow_sorts_are_encoded_rightly(engine: Engine, encoding: str):
    """(1 + 2**-10 - 1) * (1 + 2**-9 - 1) is 2**-19 and not less.

    z3 5.4 bit-blasts fp.mul wrongly in sorts with few exponent bits for their precision, as (_ FloatingPoint 3 21): it counts
    leading zeros in too few bits.  So real numbers are not carried in such sorts.
    """
    x, y = ex.variable("x", FLOAT16), ex.variable("y", FLOAT16)
    one = ex.constant(1, None)
    product = ex.mul(ex.sub(ex.real(x), one), ex.sub(ex.real(y), one))
    problem = Problem(
        "product of subnormals",
        (
            Variable("x", FLOAT16, 1 + Fraction(1, 2**10), 1 + Fraction(1, 2**10)),
            Variable("y", FLOAT16, 1 + Fraction(1, 2**9), 1 + Fraction(1, 2**9)),
        ),
        (ex.lt(product, ex.constant(Fraction(1, 2**19), None)),),
    )
    answer = solve(engine, problem, encoding)
    if encoding == "fp" and (engine.name, "float16") in REFUSED:
        assert answer.status is Status.UNKNOWN
    else:
        assert answer.status is Status.UNSAT


@pytest.mark.parametrize("engine", [e for e in ENGINES.values() if e.name != "sampling"], ids=lambda e: e.name)
def test_an_engine_keeps_its_own_time_limit_and_says_so(engine: Engine):
    answer = solve(engine, factoring(), "significands", seconds=0.3)
    assert answer.status is Status.UNKNOWN
    assert answer.reason
    assert answer.encode_seconds + answer.solve_seconds < 10  # generous: the limits of solvers are soft, the race's is not


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda e: e.name)
def test_an_encoding_that_an_engine_does_not_read_is_refused(engine: Engine):
    with pytest.raises(InputError, match=f"{engine.name} does not read the encoding 'morse'"):
        engine.solve(absorption(FLOAT16), "morse", 0, 1, None)


def test_auto_names_every_engine_that_is_installed():
    names = [engine.name for engine in engines_named("auto")]
    assert names == [name for name, engine in ENGINES.items() if engine.available()]
    assert "sampling" in names


def test_an_unknown_solver_is_refused_with_the_names_there_are():
    with pytest.raises(InputError, match=r"unknown solver 'cplex'; choose from auto, .*z3"):
        engines_named("cplex")


def test_a_solver_that_is_not_installed_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(base, "package_version", lambda package: None)
    with pytest.raises(MissingPackageError, match=r"z3 is not installed: pip install -e '\.\[solvers\]' in the checkout"):
        engines_named("z3")


def test_asking_for_versions_imports_no_solver():
    program = "import sys; from fpsynth.solvers.engines import engines_named; engines_named('auto'); "
    program += "print([m for m in ('z3', 'bitwuzla', 'cvc5', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
