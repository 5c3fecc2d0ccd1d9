"""The encoders say what the reference says: z3's evaluator bit for bit, and solvers reading the text."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction as F

import pytest
from bitvectors import tie
from hypothesis import example, given, settings
from hypothesis import strategies as st
from profiles import NIGHTLY, SLOW, every_second, examples, slow
from strategies import EVERY, MICRO, TINY, TINYFN, expressions, operands

from fpsynth import expressions as e
from fpsynth.encoders import Script, encode
from fpsynth.encoders.z3_terms import evaluate_z3
from fpsynth.errors import InputError
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import Expression, Op, constant, eq, topological, variable
from fpsynth.formats import FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.problems import Assignment, Problem, Variable
from fpsynth.rounding import MINUS_ZERO, PLUS_ZERO, Flush, Rounding, Value, from_bits

pytest.importorskip("z3", reason="z3 is not installed")

ENCODABLE = tuple(fmt for fmt in EVERY if fmt.precision > 2)
"""Formats that the floating-point theory of solvers can carry."""

Case = tuple[Expression, dict[str, Value]]


@st.composite
def cases(draw: st.DrawFn, formats: Sequence[Format] = ENCODABLE, size: int = 6) -> Case:
    """An expression over three variables, visiting two formats, and values that meet badly."""
    fmt, other = draw(st.sampled_from(formats)), draw(st.sampled_from(formats))
    variables = [variable(f"v{k}", fmt) for k in range(3)]
    found = draw(operands(fmt, 3))
    return draw(expressions(fmt, variables, formats=[other], size=size)), {f"v{k}": v for k, v in enumerate(found)}


def same(roots: Sequence[Expression], assignment: Assignment) -> None:
    wrong = [
        (root, expected, found)
        for root, expected, found in zip(roots, evaluate(roots, assignment), evaluate_z3(roots, assignment), strict=True)
        if expected != found
    ]
    assert not wrong, wrong[0]


SUM_WITH_WIDE_EXPONENT = e.add(variable("v0", FLOAT8_E5M2), variable("v1", FLOAT8_E5M2))
"""z3 does not bit-blast a sum in a sort with more bits of exponent than of precision: it answers unknown."""


@settings(max_examples=examples(400))
@given(cases())
@example((SUM_WITH_WIDE_EXPONENT, {"v0": PLUS_ZERO, "v1": MINUS_ZERO}))
def test_z3_evaluates_every_node_as_the_reference_does(case: Case) -> None:
    root, assignment = case
    same(list(topological([root])), assignment)


@settings(max_examples=examples(150))
@given(cases(), st.sampled_from([Op.LT, Op.LE, Op.EQ]), st.integers(-5, 5), st.sampled_from([1, 3, 10]))
def test_z3_compares_exact_reals_as_the_reference_does(case: Case, op: Op, numerator: int, denominator: int) -> None:
    root, assignment = case
    x = e.real(root)
    y = next((e.real(node) for node in topological([root]) if node.name == "v0"), x)
    third = constant(F(numerator, denominator), None)
    for left in (e.add(x, e.mul(y, third)), e.fma(x, y, third), e.maximum(e.neg(x), y), e.maximum(x, e.neg(x))):
        same([Expression(op, (left, third)), Expression(op, (third, left)), Expression(op, (left, x))], assignment)


def grid(fmt: Format) -> tuple[list[Expression], dict[str, Value]]:
    """A variable for each of a format's encodings."""
    assignment = {f"v{bits}": from_bits(bits, fmt) for bits in range(1 << fmt.bits)}
    return [variable(name, fmt) for name in assignment], assignment


@pytest.mark.parametrize(("fmt", "flush"), every_second(itertools.product([TINY, TINYFN], Flush)))
def test_operations_with_two_arguments_exhaustively(fmt: Format, flush: Flush) -> None:
    leaves, assignment = grid(fmt)
    pairs = list(itertools.combinations_with_replacement(leaves, 2))
    offset, step = (0, len(Rounding)) if SLOW else (list(Flush).index(flush), len(Flush) * len(Rounding))
    for index, mode in enumerate(Rounding):
        some = pairs if NIGHTLY else pairs[index + offset * len(Rounding) :: step]  # each pair in one way at least
        same([Expression(op, pair, fmt, mode, flush) for op in (Op.ADD, Op.MUL) for pair in some], assignment)
    pairs = list(itertools.product(leaves, repeat=2))
    some = pairs if NIGHTLY else pairs[list(Flush).index(flush) :: len(Flush)]
    same([Expression(Op.MAX, pair, fmt, flush=flush) for pair in some], assignment)


def test_fused_multiply_add_on_a_grid() -> None:
    leaves, assignment = grid(MICRO)
    for index, mode in enumerate(Rounding):
        triples = list(itertools.product(leaves, repeat=3))[index :: 11 if NIGHTLY else 41]
        same([Expression(Op.FMA, triple, MICRO, mode) for triple in triples], assignment)
        same([Expression(Op.FMA, triple, MICRO, mode, Flush.UNBOUNDED) for triple in triples[::3]], assignment)


@pytest.mark.parametrize("fmt", [FLOAT8_E4M3FN, FLOAT8_E5M2])
def test_operations_of_8_bit_formats(fmt: Format) -> None:
    leaves, assignment = grid(fmt)
    pairs = list(itertools.product(leaves, repeat=2))
    ways = [
        (mode, flush)
        for mode in Rounding
        for flush in Flush
        if flush is not Flush.ROUNDED or mode in (Rounding.RNE, Rounding.RTZ)
    ]
    for index, (mode, flush) in enumerate(ways):
        casts = list(itertools.product(leaves, (fmt, FLOAT32, TINY)))
        casts = casts if NIGHTLY else casts[index % 4 :: 4]
        same([Expression(Op.CAST, (leaf,), target, mode, flush) for leaf, target in casts], assignment)
        some = pairs[index :: 131 if NIGHTLY else 509 if SLOW else 1021]
        same([Expression(op, pair, fmt, mode, flush) for op in (Op.ADD, Op.MUL) for pair in some], assignment)
        triples = [(a, b, leaves[(3 * k) % len(leaves)]) for k, (a, b) in enumerate(some[::4])]
        same([Expression(Op.FMA, triple, fmt, mode, flush) for triple in triples], assignment)
    zero = constant(0, fmt)
    same([neg for leaf in leaves for neg in (e.neg(leaf), e.maximum(leaf, zero), e.maximum(zero, leaf))], assignment)


def test_casts_from_e5m2_to_e4m3fn_exhaustively() -> None:
    leaves, assignment = grid(FLOAT8_E5M2)
    same([e.cast(leaf, FLOAT8_E4M3FN, mode) for leaf in leaves for mode in Rounding], assignment)


# the text, read by solvers: a point problem in which an unknown must be the result


def solve_z3(text: str) -> str:
    import z3

    solver = z3.SolverFor("QF_FP" if "FloatingPoint" in text else "QF_BV")
    solver.from_string(text.replace("(check-sat)", ""))
    return str(solver.check())


def solve_bitwuzla(text: str) -> str:
    import bitwuzla

    terms = bitwuzla.TermManager()
    parser = bitwuzla.Parser(terms, bitwuzla.Options())
    parser.parse(text.replace("(check-sat)", ""), True, False)
    return {bitwuzla.Result.SAT: "sat", bitwuzla.Result.UNSAT: "unsat"}.get(parser.bitwuzla().check_sat(), "unknown")


def solve_cvc5(text: str) -> str:
    import cvc5

    solver = cvc5.Solver(cvc5.TermManager())
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text.replace("(check-sat)", ""), "script")
    symbols = parser.getSymbolManager()
    while not (command := parser.nextCommand()).isNull():
        answer = command.invoke(solver, symbols)
        assert "error" not in answer, answer
    return str(solver.checkSat())


SOLVERS = {
    "z3": (solve_z3, ENCODABLE),
    "bitwuzla": (solve_bitwuzla, (FLOAT16, FLOAT32, FLOAT64)),
    "cvc5": (solve_cvc5, (FLOAT32, FLOAT64)),
}
"""How to ask a solver, and the formats that it has sorts for."""


def point_problem(root: Expression, assignment: Assignment, result: Value, differs: bool) -> Problem:
    """Every variable has one value, up to the sign of zero; the root is, or is not, worth ``result``."""
    assert root.format is not None
    formats = {node.name: node.format for node in topological([root]) if node.op is Op.VARIABLE}
    variables = [Variable(name, fmt, *[assignment[name].fraction()] * 2) for name, fmt in formats.items() if fmt]
    claim = eq(root, constant(result.fraction(), root.format))
    return Problem("point", tuple(variables), (e.negation(claim) if differs else claim,))


def script_of(problem: Problem, encoding: str) -> Script | None:
    """The script; None where the significand encoding refuses the problem because it may overflow."""
    try:
        return encode(problem, encoding)
    except InputError as error:
        if encoding != "significands" or "overflow" not in str(error):
            raise
        return None


@pytest.mark.parametrize("encoding", ["fp", "bitblast", "significands"])
@pytest.mark.parametrize("name", list(SOLVERS))
@settings(max_examples=examples(20))
@given(data=st.data())
def test_solvers_read_the_text_as_the_reference_does(name: str, encoding: str, data: st.DataObject) -> None:
    pytest.importorskip(name, reason=f"{name} is not installed")
    solve, formats = SOLVERS[name]
    other = (FLOAT16, FLOAT8_E4M3FN, TINY, FLOAT32)
    if (name, encoding) == ("cvc5", "bitblast") and not NIGHTLY:
        other = (TINY,)  # a minute for some product in float32
    root, assignment = data.draw(cases(formats if encoding == "fp" else other, size=3))
    if name != "z3" and encoding == "fp" and any(node.flush is Flush.UNBOUNDED for node in topological([root])):
        return  # needs a sort with one more exponent bit, which they refuse
    (result,) = evaluate([root], assignment)
    assert isinstance(result, Value)
    if not result.is_finite or not all(v.is_finite for v in assignment.values()):
        return
    for differs, status in ((False, "sat"), (True, "unsat")):
        script = script_of(point_problem(root, assignment, result, differs), encoding)
        assert script is None or solve(script.text) == status


@pytest.mark.parametrize("fused", [False, pytest.param(True, marks=slow)])
@pytest.mark.parametrize(("encoding", "mode"), [("fp", Rounding.RNE), ("bitblast", Rounding.RTP)])
def test_z3_bit_blasts_sums_where_the_exponent_is_wide(encoding: str, mode: Rounding, fused: bool) -> None:
    root = e.add(*SUM_WITH_WIDE_EXPONENT.args, mode)
    root = e.fma(*SUM_WITH_WIDE_EXPONENT.args, root, mode) if fused else root
    assignment = {"v0": from_bits(0b00111101, FLOAT8_E5M2), "v1": from_bits(0b10110111, FLOAT8_E5M2)}
    (result,) = evaluate([root], assignment)
    assert isinstance(result, Value)
    for differs, status in ((False, "sat"), (True, "unsat")):
        assert solve_z3(encode(point_problem(root, assignment, result, differs), encoding).text) == status


@pytest.mark.parametrize(
    ("fmt", "encoding"),
    [
        pytest.param(fmt, encoding, marks=slow if fmt is TINYFN or (fmt, encoding) == (FLOAT8_E4M3FN, "bitblast") else ())
        for fmt in (TINY, TINYFN, FLOAT8_E4M3FN)
        for encoding in ("fp", "bitblast", "significands")
    ],
)
def test_a_model_of_the_tie_decodes_to_a_solution(fmt: Format, encoding: str) -> None:
    import z3

    from fpsynth.evaluators.recheck import failures

    problem = tie(fmt)
    script = encode(problem, encoding)
    solver = z3.SolverFor("QF_FP" if encoding == "fp" else "QF_BV")
    solver.from_string(script.text.replace("(check-sat)", ""))
    status = str(solver.check())
    if fmt is FLOAT8_E4M3FN:
        assert status == "sat"
    if status == "sat":
        found = {d.name(): solver.model()[d].as_long() for d in solver.model().decls()}
        assert failures(problem, script.decode({u.name: found.get(u.name, 0) for u in script.unknowns})) == []
    else:
        assert status == "unsat"
        assert not solutions(problem)


def solutions(problem: Problem) -> list[Assignment]:
    """All solutions of a small problem, by trying everything."""
    from bitvectors import finite_values

    names = [v.name for v in problem.variables]
    domains = [finite_values(v.format, v.lower, v.upper) for v in problem.variables]
    rows = [dict(zip(names, row, strict=True)) for row in itertools.product(*domains)]
    return [row for row in rows if all(evaluate(problem.assertions, row))]
