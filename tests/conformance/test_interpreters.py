"""Every interpreter gives any expression the same bits as the exact one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreters import INTERPRETERS
from profiles import examples
from strategies import EVERY, FLOAT32, FLOAT64, TINY, TWO_BITS, conditions, expressions, operands

from fpsynth import expressions as e
from fpsynth.expressions import Expression, Op
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT16, Format
from fpsynth.rounding import Flush, Rounding

OTHERS = [name for name in INTERPRETERS if name != "exact"]
SHORT = (FLOAT16, BFLOAT16, FLOAT8_E4M3FN, TINY, TWO_BITS, FLOAT32)


def same(name: str, roots: list[Expression], point: dict[str, object]) -> None:
    assert INTERPRETERS[name](roots, point) == INTERPRETERS["exact"](roots, point)  # type: ignore[arg-type]


@pytest.mark.parametrize("fmt", EVERY, ids=str)
@pytest.mark.parametrize("name", OTHERS)
@settings(max_examples=examples(25))
@given(data=st.data())
def test_single_operations_on_hostile_operands(name: str, fmt: Format, data: st.DataObject) -> None:
    x, y, z = unknowns = [e.variable(v, fmt) for v in "xyz"]
    mode, flush = data.draw(st.sampled_from(list(Rounding))), data.draw(st.sampled_from(Flush))
    roots = [Expression(op, (x, y), fmt, mode, flush) for op in (Op.ADD, Op.MUL, Op.MAX)]
    roots += [Expression(Op.FMA, (x, y, z), fmt, mode, flush), e.neg(x), e.lt(x, y), e.le(x, y), e.eq(x, y)]
    roots += [e.cast(x, target, mode, flush) for target in SHORT]
    same(name, roots, {v.name: value for v, value in zip(unknowns, data.draw(operands(fmt, 3)), strict=True)})


@pytest.mark.parametrize("fmt", EVERY, ids=str)
@pytest.mark.parametrize("name", OTHERS)
@settings(max_examples=examples(15))
@given(data=st.data())
def test_random_expressions(name: str, fmt: Format, data: st.DataObject) -> None:
    unknowns = [e.variable(v, fmt) for v in "xyz"]
    roots = [
        data.draw(expressions(fmt, unknowns, formats=SHORT, size=6)),
        data.draw(conditions(fmt, unknowns, formats=SHORT, size=3)),
    ]
    same(name, roots, {v.name: value for v, value in zip(unknowns, data.draw(operands(fmt, 3)), strict=True)})


def test_the_table_has_the_reference_and_somebody_to_compare() -> None:
    assert "exact" in INTERPRETERS
    assert len(OTHERS) >= 1
    assert FLOAT64 in EVERY
