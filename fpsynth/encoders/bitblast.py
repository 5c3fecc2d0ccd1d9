"""The IEEE-754 encoding turned into bit-vectors by z3 and printed as plain QF_BV text, for solvers that refuse a format."""

from __future__ import annotations

from typing import Any

from fpsynth.encoders.script import Script
from fpsynth.encoders.smtlib import Writer, bit_unknowns, literal
from fpsynth.encoders.z3_terms import load_z3, z3_problem
from fpsynth.errors import InputError
from fpsynth.problems import Problem

_CORE = "true false not and or xor => = ite distinct"
_ARITHMETIC = "bvneg bvadd bvsub bvmul bvudiv bvurem bvsdiv bvsrem bvsmod bvshl bvlshr bvashr"
_BITWISE = "concat bvnot bvand bvor bvxor bvnand bvnor bvxnor bvcomp"
_ORDER = "bvult bvule bvugt bvuge bvslt bvsle bvsgt bvsge"
OPERATORS = frozenset(f"{_CORE} {_ARITHMETIC} {_BITWISE} {_ORDER}".split())
"""What the theory of bit-vectors has (SMT-LIB 2.6, FixedSizeBitVectors and logic QF_BV), indexed operators apart."""

INDEXED = frozenset({"extract", "zero_extend", "sign_extend", "repeat", "rotate_left", "rotate_right"})

REDUCTIONS = {"bvredor": False, "bvredand": True}
"""z3's own reductions to one bit, and whether they compare with all ones rather than all zeros."""


def bitblast_script(problem: Problem) -> Script:
    """Write a problem in bits.  The text depends on the version of z3; the constants are those of the "fp" encoding.

    Raises MissingPackageError without z3, InputError where a constant or a format cannot be expressed.
    """
    z3 = load_z3()
    context = z3.Context()  # its own, so that the text does not depend on what else z3 has seen
    constraints, _ = z3_problem(problem, context)
    goal = z3.Goal(ctx=context)
    goal.add(*constraints)
    tactic = z3.Then(*(z3.Tactic(name, context) for name in ("simplify", "fpa2bv", "simplify")))
    (bits,) = tactic(goal)
    writer = Writer("QF_BV")
    for v in bit_unknowns(problem):
        writer.declare(v.name, v.width)
    declared = {v.name for v in bit_unknowns(problem)}
    names: dict[int, str] = {}
    for formula in bits:
        _define(z3, formula, writer, declared, names)
        writer.assertion(names[formula.get_id()])
    return Script("bitblast", writer.logic, writer.text(), bit_unknowns(problem))


def _define(z3: Any, root: Any, writer: Writer, declared: set[str], names: dict[int, str]) -> None:
    """Name every term below ``root``, arguments first, without recursion."""
    stack = [(root, False)]
    while stack:
        term, expanded = stack.pop()
        key = term.get_id()
        if key in names:
            continue
        if expanded or not term.num_args():
            names[key] = _text(z3, term, writer, declared, [names[arg.get_id()] for arg in term.children()])
        else:
            stack.append((term, True))
            stack.extend((arg, False) for arg in term.children())


def _text(z3: Any, term: Any, writer: Writer, declared: set[str], args: list[str]) -> str:
    if z3.is_bv_value(term):
        return literal(term.as_long(), term.size())
    name = term.decl().name()
    if not args:
        if name not in declared and name not in ("true", "false"):
            raise InputError(f"z3's bit-blasting left {name} open: the problem has an operation that is not fully specified")
        return str(name)
    head = name = "ite" if name == "if" else name
    if name in REDUCTIONS:
        width = term.arg(0).size()
        test = f"(bvcomp {args[0]} {literal(((1 << width) - 1) * REDUCTIONS[name], width)})"
        return writer.define(f"(bvnot {test})" if name == "bvredor" else test, "(_ BitVec 1)")
    if name in INDEXED:
        head = f"(_ {name} {' '.join(str(p) for p in term.params())})"
    elif name not in OPERATORS:
        raise InputError(f"z3's bit-blasting wrote {name}, which is not in the theory of bit-vectors")
    sort = "Bool" if z3.is_bool(term) else f"(_ BitVec {term.size()})"
    return writer.define(f"({head} {' '.join(args)})", sort)
