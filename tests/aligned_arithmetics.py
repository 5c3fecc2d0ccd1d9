"""Arithmetics of simulated tensor cores, for tests: groups of products added in aligned steps, TF32 operands."""

from __future__ import annotations

from fpsynth.alignment import Alignment
from fpsynth.formats import FLOAT16, FLOAT32, TF32, Format
from fpsynth.orders import Builder, Order, fixed_order, parse_order
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic


def groups(size: int, terms: int) -> Order:
    """So many consecutive products at a time and the sum so far, each time in one step."""
    build = Builder(terms)
    total: list[int] = []
    for start in range(0, terms, size):
        total = [build.add(*total, *range(start, min(start + size, terms)))]
    return fixed_order(build.tree())


def tensor_core(
    terms: int,
    size: int = 16,
    bits: int = 25,
    fmt: Format = FLOAT16,
    accumulator: Format = FLOAT32,
    operands: Format | None = None,
    operand_rounding: Rounding = Rounding.RNE,
    cut: Rounding = Rounding.RTZ,
    least: int | None = None,
) -> Arithmetic:
    """A matrix instruction's arithmetic; float16 accumulators are rounded to nearest, float32 ones toward zero."""
    mode = Rounding.RTZ if accumulator is FLOAT32 else Rounding.RNE
    return Arithmetic(
        fmt,
        accumulator=accumulator,
        fused=True,
        order=groups(size, terms),
        operands=operands,
        operand_rounding=operand_rounding,
        alignment=Alignment(bits, mode, cut, least),
    )


def tensor_cores(fmt: Format, terms: int) -> dict[str, Arithmetic]:
    """Arithmetics of CPUs and of tensor cores on operands of a format, float16 or float32, by a short name; no two alike."""
    wide = FLOAT32
    found = {
        "chain": Arithmetic(fmt, accumulator=wide),
        "pairwise": Arithmetic(fmt, accumulator=wide, order=parse_order("pairwise")),
    }
    if fmt is FLOAT16:
        found |= {f"{size} aligned to {bits}": tensor_core(terms, size, bits) for size in (4, 8, 16) for bits in (23, 24, 25)}
        found |= {f"{size} aligned, float16": tensor_core(terms, size, 24, accumulator=FLOAT16) for size in (4, 16)}
        return found | {"float16 chain": Arithmetic(fmt)}
    found["chain of FMAs"] = Arithmetic(fmt, fused=True)
    for mode in (Rounding.RNE, Rounding.RTZ, Rounding.RNA):
        found[f"TF32 {mode.value}"] = Arithmetic(fmt, fused=True, operands=TF32, operand_rounding=mode)
        for size, bits in ((4, 24), (8, 25)):
            found[f"TF32 {mode.value}, {size} aligned to {bits}"] = tensor_core(terms, size, bits, fmt, wide, TF32, mode)
    return found
