"""Formulas of a certificate: the margin, the Lipschitz bound and the exact radius, as algebra (sympy)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from fpsynth.expressions import Op
from fpsynth.networks.network import Dense, Network
from fpsynth.report.computed import Operation
from fpsynth.report.numerals import scaled_integer
from fpsynth.report.story import Formula, Paragraph, Part, Space


def available() -> bool:
    """Whether sympy is installed."""
    return importlib.util.find_spec("sympy") is not None


def logit_formulas(found: Sequence[Operation]) -> list[Part]:
    """Return each hidden value and logit as a formula of its inputs; fl(...) is one rounding.

    ``found`` are the operations at one point.  Products and partial sums are spelled out within the formula that they end in.
    """
    import sympy

    fl = sympy.Function("fl")
    inner: dict[str, Any] = {}
    formulas: list[Part] = []
    for step in found:
        args = [inner[name] if name in inner else sympy.Symbol(name) for name in step.arguments]
        if step.op is Op.MAX:
            result = sympy.Max(args[0], 0)
        elif step.op is Op.CAST:
            result = fl(args[0])
        else:
            products = [sympy.Mul(*args[:2], evaluate=False)] if step.op in (Op.MUL, Op.FMA) else args[:2]
            result = fl(sympy.Add(*products, *args[2:], evaluate=False) if len(products) + len(args[2:]) > 1 else products[0])
        if step.name[0] in "psr":
            inner[step.name] = result
        else:
            formulas.append(_equation(step.name, result))
    return formulas


def radius_formulas(network: Network, leads: Sequence[tuple[int, Fraction]], top: int) -> list[Part]:
    """Return the general formula of the certified radius and its exact value, simplified.

    ``leads`` are the pairs (other class, lead of ``top`` over it at the certified point); the class with the smallest radius
    decides.  The spectral norm of a hidden layer with at most two inputs or two outputs is exact too; a wider one stays a
    symbol.
    """
    import sympy

    parts: list[Part] = [_general(network)]
    if len(network.dense_layers) == 1 and len(leads) == 1:
        parts += [Space(), Paragraph(f"r = {_numbers(network, top, *leads[0])}", 4)]
    values = [(other, _value(network, top, other, lead)) for other, lead in leads]
    finite = [(other, value) for other, value in values if value is not None]
    known = [(other, value) for other, value in finite if not value.free_symbols]
    if finite and len(known) == len(finite):
        other, value = min(known, key=lambda pair: sympy.N(pair[1], 60))
        parts += [Space(), _equation("r", value)]
        if len(values) > 1:
            parts.append(Paragraph(f"(the least over the other classes: class {other})", 4))
        if not value.is_Rational or value.q > 1000:
            parts.append(Paragraph(f"≈ {sympy.N(value, 20)}", 6))
    else:
        for other, value in finite[:4]:
            parts += [Space(), _equation(f"r{other}", value)]
    return parts


def _equation(name: str, value: Any) -> Formula:
    import sympy

    return Formula(sympy.Eq(sympy.Symbol(name), value, evaluate=False))


def _general(network: Network) -> Formula:
    """r = (y_k - y_i) / (|w_k - w_i| |W_1| ...), with the norms that this network needs."""
    import sympy

    def less(name: str, suffix: int | str = "") -> Any:
        return sympy.Add(sympy.Symbol(f"{name}_k{suffix}"), -sympy.Symbol(f"{name}_i{suffix}"), evaluate=False)

    if network.widths[-2] == 1:
        norm = sympy.Abs(less("w"), evaluate=False)
    else:
        squares = [sympy.Pow(less("w", n), 2, evaluate=False) for n in _sources(network.widths[-2])]
        norm = sympy.sqrt(sympy.Add(*squares, evaluate=False))
    hidden = [sympy.Symbol(f"s{n}") for n in range(len(network.dense_layers) - 1)]
    return _equation("r", less("y") / sympy.Mul(norm, *hidden, evaluate=False))


def _numbers(network: Network, top: int, other: int, lead: Fraction) -> str:
    """The general formula with the numbers in it, each a power of two times an odd number."""
    rows = network.dense_layers[0].weight.tolist()
    gaps = [scaled_integer(Fraction(a) - Fraction(b)) for a, b in zip(rows[top], rows[other], strict=True)]
    if len(gaps) == 1:
        return f"{scaled_integer(lead)} / |{gaps[0]}|"
    return f"{scaled_integer(lead)} / sqrt({' + '.join(f'({gap})²' for gap in gaps)})"


def _sources(width: int) -> Sequence[int | str]:
    """The indices that a formula spells out: all of them for narrow layers."""
    return range(width) if width <= 3 else (0, 1, "n")


def _value(network: Network, top: int, other: int, lead: Fraction) -> Any:
    """lead / (|w_top - w_other| times the hidden norms), exactly; None where the two rows are the same."""
    import sympy

    rows = network.dense_layers[-1].weight.tolist()
    square = sum(((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(rows[top], rows[other], strict=True)), Fraction(0))
    if square == 0:
        return None
    value = _rational(lead) / sympy.sqrt(_rational(square))
    for n, layer in enumerate(network.dense_layers[:-1]):
        value /= _spectral_norm(layer, n)
    return value


def _spectral_norm(layer: Dense, number: int) -> Any:
    """The largest singular value of a layer of rank at most two in radicals; a symbol for a larger one, or for zero."""
    import sympy

    rows = [[Fraction(entry) for entry in row] for row in layer.weight.tolist()]
    if len(rows) > len(rows[0]):
        rows = [list(column) for column in zip(*rows, strict=True)]
    if len(rows) > 2 or not any(map(any, rows)):
        return sympy.Symbol(f"s{number}", positive=True)
    gram = [[sum((a * b for a, b in zip(u, v, strict=True)), Fraction(0)) for v in rows] for u in rows]
    if len(gram) == 1:
        return sympy.sqrt(_rational(gram[0][0]))
    trace, determinant = gram[0][0] + gram[1][1], gram[0][0] * gram[1][1] - gram[0][1] ** 2
    # the larger root of t^2 - trace t + determinant
    return sympy.sqrt((_rational(trace) + sympy.sqrt(_rational(trace**2 - 4 * determinant))) / 2)


def _rational(number: Fraction) -> Any:
    import sympy

    return sympy.Rational(number.numerator, number.denominator)
