"""Claims of problems.py: a problem written as JSON and read back is the same problem, sharing included."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from strategies import EVERY, TINYFN, conditions, formats, values

from fpsynth import expressions as e
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import Expression, topological
from fpsynth.formats import FLOAT16, FLOAT32, Format
from fpsynth.problems import Problem, Variable, problem_from_json, problem_to_json
from fpsynth.rounding import Flush, Rounding


def shape_of(problem: Problem) -> list[object]:
    """The graph without node identities: every node with the positions of its arguments."""
    index: dict[Expression, int] = {}
    rows: list[object] = []
    for node in topological(problem.assertions):
        arguments = [index[arg] for arg in node.args]
        rows.append((node.op, arguments, node.format, node.rounding, node.flush, node.name, node.value))
        index[node] = len(index)
    return rows


@settings(max_examples=examples(50))
@given(st.data(), formats)
def test_a_problem_survives_json(data: st.DataObject, fmt: Format) -> None:
    unknowns = [e.variable("a", fmt), e.variable("b", fmt)]
    conditions_of = conditions(fmt, unknowns, formats=EVERY, size=4)
    problem = Problem(
        "random",
        tuple(Variable(v.name, fmt, Fraction(-1, 3), Fraction(5, 7)) for v in unknowns),
        tuple(data.draw(st.lists(conditions_of, max_size=2))),
        (("a", "b"),),
    )
    copy = problem_from_json(json.loads(json.dumps(problem_to_json(problem))))
    assert (copy.name, copy.variables, copy.near) == (problem.name, problem.variables, problem.near)
    assert shape_of(copy) == shape_of(problem)
    point = {"a": data.draw(values(fmt)), "b": data.draw(values(fmt))}
    assert evaluate(copy.assertions, point) == evaluate(problem.assertions, point)


def test_shared_nodes_stay_shared_and_real_constants_exact() -> None:
    x = e.variable("x", FLOAT32)
    square = e.mul(x, x, Rounding.RTZ, flush=Flush.ROUNDED)
    third = e.constant(Fraction(1, 3), None)
    problem = Problem(
        "p", (Variable("x", FLOAT32, Fraction(0), Fraction(1)),), (e.lt(e.real(square), third), e.le(square, square))
    )
    data = problem_to_json(problem)
    assert len(data["nodes"]) == 6
    copy = problem_from_json(data)
    assert copy.assertions[1].args[0] is copy.assertions[1].args[1] is copy.assertions[0].args[0].args[0]
    assert copy.assertions[0].args[1].value == Fraction(1, 3)


def test_invented_formats_and_false_friends_are_written_in_full() -> None:
    impostor = Format("float16", 4, 4)
    for fmt in (TINYFN, impostor):
        problem = Problem("p", (Variable("x", fmt, Fraction(0), Fraction(1)),), (e.eq(*[e.variable("x", fmt)] * 2),))
        copy = problem_from_json(json.loads(json.dumps(problem_to_json(problem))))
        assert copy.variable("x").format == fmt != FLOAT16


@pytest.mark.parametrize("damage", ["nodes", "variables", "assertions", "near", "name"])
def test_incomplete_data_is_refused(damage: str) -> None:
    data = problem_to_json(Problem("p", (), ()))
    del data[damage]
    with pytest.raises(KeyError):
        problem_from_json(data)


def test_a_node_that_names_a_later_one_is_refused() -> None:
    data = problem_to_json(Problem("p", (), (e.conjunction([]),)))
    data["nodes"][0]["args"] = [0]
    with pytest.raises((IndexError, ValueError)):
        problem_from_json(data)


def test_a_problem_knows_its_variables_by_name() -> None:
    problem = Problem("p", (Variable("x", FLOAT32, Fraction(0), Fraction(1)),), ())
    assert problem.variable("x").format == FLOAT32
    with pytest.raises(KeyError):
        problem.variable("y")
