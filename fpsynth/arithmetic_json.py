"""Arithmetics and trees as JSON data, for witness files and reveal files."""

from __future__ import annotations

from typing import Any

from fpsynth.alignment import Alignment
from fpsynth.arithmetic import Arithmetic
from fpsynth.errors import InputError
from fpsynth.formats import format_named
from fpsynth.orders import Order, Tree, fixed_order, parse_order
from fpsynth.orders.nested import MAX_LEAVES
from fpsynth.rounding import Flush, Rounding, rounding_named

Json = dict[str, Any]


def order_to_json(order: Order) -> str | Json:
    """A family by name; a tree as its number of leaves and its steps, node ``leaves + s`` being step s."""
    if order.fixed is None:
        return str(order)
    return {"leaves": order.fixed.leaves, "steps": [list(step) for step in order.fixed.steps]}


def order_from_json(data: object) -> Order:
    """Read what ``order_to_json`` wrote.  Raises InputError in one line for anything else."""
    if isinstance(data, str):
        return parse_order(data)
    if not isinstance(data, dict) or set(data) != {"leaves", "steps"}:
        raise InputError("an order must be a name, or an object with leaves and steps")
    leaves, steps = data["leaves"], data["steps"]
    if not _whole(leaves) or not 1 <= leaves <= MAX_LEAVES or not isinstance(steps, list) or len(steps) >= leaves:
        raise InputError(f"an order must have 1 to {MAX_LEAVES} leaves, and fewer steps than leaves")
    if not all(isinstance(step, list) and all(map(_whole, step)) for step in steps):
        raise InputError("each step of an order must be a list of whole numbers")
    return fixed_order(Tree(leaves, tuple(map(tuple, steps))))


def arithmetic_to_json(how: Arithmetic) -> Json:
    """An arithmetic as an object; every field is written."""
    return {
        "format": None if how.format is None else how.format.name,
        "accumulator": None if how.accumulator is None else how.accumulator.name,
        "operands": None if how.operands is None else how.operands.name,
        "products": None if how.products is None else how.products.name,
        "rounding": how.rounding.value,
        "fused": how.fused,
        "rounded": list(how.rounded),
        "flush": flush_to_json(how.flush),
        "order": order_to_json(how.order),
        "bias_first": how.bias_first,
        "bias_leaf": how.bias_leaf,
        "operand_rounding": how.operand_rounding.value,
        "alignment": None if how.alignment is None else alignment_to_json(how.alignment),
    }


def flush_to_json(flush: Flush) -> bool | str:
    """``unbounded``; for the other kinds whether anything is flushed, as files said before there was a third kind."""
    return "unbounded" if flush == Flush.UNBOUNDED else bool(flush)


def flush_from_json(data: object) -> Flush:
    """Read what ``flush_to_json`` wrote.  Raises InputError in one line for anything else."""
    if data == "unbounded":
        return Flush.UNBOUNDED
    if not isinstance(data, bool):
        raise InputError('flush must be true, false or "unbounded"')
    return Flush(data)


def alignment_to_json(how: Alignment) -> Json:
    """An alignment as an object; every field is written."""
    return {
        "fraction_bits": how.fraction_bits,
        "rounding": how.rounding.value,
        "cut": how.cut.value,
        "least_exponent": how.least_exponent,
    }


def alignment_from_json(data: object) -> Alignment:
    """Read what ``alignment_to_json`` wrote; only ``fraction_bits`` is required.  Raises InputError in one line."""
    if not isinstance(data, dict) or "fraction_bits" not in data:
        raise InputError("an alignment must be an object with fraction_bits")
    unknown = set(data) - {"fraction_bits", "rounding", "cut", "least_exponent"}
    if unknown:
        raise InputError(f"an alignment has no field {min(unknown)[:40]!r}")
    least = data.get("least_exponent")
    if not _whole(data["fraction_bits"]) or not (least is None or (isinstance(least, int) and not isinstance(least, bool))):
        raise InputError("fraction_bits must be a whole number, and least_exponent one or null")
    return Alignment(data["fraction_bits"], _mode(data, "rounding", "RTZ"), _mode(data, "cut", "RTZ"), least)


def _mode(data: Json, name: str, default: str) -> Rounding:
    text = data.get(name, default)
    if not isinstance(text, str):
        raise InputError(f"{name} must be the name of a rounding mode")
    return rounding_named(text)


def arithmetic_from_json(data: object) -> Arithmetic:
    """Read what ``arithmetic_to_json`` wrote; only ``format`` is required.  Raises InputError in one line for anything else."""
    if not isinstance(data, dict) or "format" not in data:
        raise InputError("an arithmetic must be an object with a format")
    unknown = set(data) - set(arithmetic_to_json(Arithmetic(None)))
    if unknown:
        raise InputError(f"an arithmetic has no field {min(unknown)[:40]!r}")
    for name in ("fused", "bias_first", "bias_leaf"):
        if not isinstance(data.get(name, False), bool):
            raise InputError(f"{name} must be true or false")
    rounded = data.get("rounded", [])
    if not isinstance(rounded, list) or not all(map(_whole, rounded)):
        raise InputError("rounded must be a list of leaves")
    formats = {}
    for name in ("format", "accumulator", "operands", "products"):
        text = data.get(name)
        if text is not None and not isinstance(text, str):
            raise InputError(f"{name} must be the name of a format or null")
        formats[name] = None if text is None else format_named(text)
    how = Arithmetic(
        format=formats["format"],
        accumulator=formats["accumulator"],
        rounding=_mode(data, "rounding", "RNE"),
        fused=data.get("fused", False),
        flush=flush_from_json(data.get("flush", False)),
        order=order_from_json(data.get("order", "sequential")),
        bias_first=data.get("bias_first", False),
        rounded=tuple(rounded),
        operands=formats["operands"],
        products=formats["products"],
        bias_leaf=data.get("bias_leaf", False),
        operand_rounding=_mode(data, "operand_rounding", "RNE"),
        alignment=None if data.get("alignment") is None else alignment_from_json(data["alignment"]),
    )
    if how.order.bias and not how.bias_leaf:
        raise InputError(f"order {how.order} places a bias: it needs bias_leaf")
    if how.alignment is not None and not how.fused:
        raise InputError("an alignment needs fused: it says how unrounded products are added")
    return how


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
