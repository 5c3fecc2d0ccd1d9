"""Problems: what a solver is asked.  Bounded floating-point unknowns and the assertions that must hold of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fpsynth.expressions import Expression, Op, topological
from fpsynth.formats import FORMATS, Format
from fpsynth.rounding import Rounding, Value
from fpsynth.sums.rounding_json import alignment_from_json, alignment_to_json, flush_from_json, flush_to_json

Assignment = Mapping[str, Value]
"""A solution: a Value for every variable of a problem."""


@dataclass(frozen=True)
class Variable:
    """An unknown number of a format with ``lower`` <= value <= ``upper`` (a zero may be of either sign)."""

    name: str
    format: Format
    lower: Fraction
    upper: Fraction


@dataclass(frozen=True)
class Problem:
    """Find finite values for the variables, within their bounds, such that every assertion is true."""

    name: str
    variables: tuple[Variable, ...]
    assertions: tuple[Expression, ...]
    near: tuple[tuple[str, str], ...] = ()
    """A hint for samplers: pairs of variables that solutions tend to have a few ulps apart."""

    def variable(self, name: str) -> Variable:
        """Return the variable called ``name``.  Raises KeyError if there is none."""
        return {v.name: v for v in self.variables}[name]


def problem_to_json(problem: Problem) -> dict[str, Any]:
    """Return the problem as JSON data, the graph as a list of nodes that name earlier ones by position."""
    index: dict[int, int] = {}
    nodes: list[dict[str, Any]] = []
    for node in topological(problem.assertions):
        entry: dict[str, Any] = {"op": node.op.value}
        if node.args:
            entry["args"] = [index[id(arg)] for arg in node.args]
        if node.format is not None:
            entry["format"] = _format_to_json(node.format)
        if node.rounding is not Rounding.RNE:
            entry["rounding"] = node.rounding.value
        if node.flush:
            entry["flush"] = flush_to_json(node.flush)
        if node.name:
            entry["name"] = node.name
        if node.value is not None:
            entry["value"] = str(node.value)
        if node.alignment is not None:
            entry |= {"alignment": alignment_to_json(node.alignment), "products": node.products}
        index[id(node)] = len(nodes)
        nodes.append(entry)
    return {
        "name": problem.name,
        "variables": [
            {"name": v.name, "format": _format_to_json(v.format), "lower": str(v.lower), "upper": str(v.upper)}
            for v in problem.variables
        ],
        "nodes": nodes,
        "assertions": [index[id(node)] for node in problem.assertions],
        "near": [list(pair) for pair in problem.near],
    }


def problem_from_json(data: Mapping[str, Any]) -> Problem:
    """Read what ``problem_to_json`` wrote.  Raises KeyError or ValueError for anything else."""
    nodes: list[Expression] = []
    for entry in data["nodes"]:
        nodes.append(
            Expression(
                Op(entry["op"]),
                tuple(nodes[k] for k in entry.get("args", ())),
                _format_from_json(entry["format"]) if "format" in entry else None,
                Rounding(entry.get("rounding", "RNE")),
                flush_from_json(entry.get("flush", False)),
                entry.get("name", ""),
                Fraction(entry["value"]) if "value" in entry else None,
                alignment_from_json(entry["alignment"]) if "alignment" in entry else None,
                entry.get("products", 0),
            )
        )
    variables = tuple(
        Variable(v["name"], _format_from_json(v["format"]), Fraction(v["lower"]), Fraction(v["upper"]))
        for v in data["variables"]
    )
    near: Sequence[Sequence[str]] = data["near"]
    return Problem(data["name"], variables, tuple(nodes[k] for k in data["assertions"]), tuple((a, b) for a, b in near))


def _format_to_json(fmt: Format) -> str | list[Any]:
    return fmt.name if FORMATS.get(fmt.name) == fmt else [fmt.name, fmt.exponent_bits, fmt.precision, fmt.has_infinity]


def _format_from_json(data: str | list[Any]) -> Format:
    return FORMATS[data] if isinstance(data, str) else Format(*data)
