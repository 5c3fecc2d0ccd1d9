"""Arithmetics and trees as JSON data, for witness files and reveal files."""

from __future__ import annotations

from fpsynth.aliases import Json
from fpsynth.errors import InputError
from fpsynth.formats import format_named
from fpsynth.orders import Order, Tree, fixed_order, parse_order
from fpsynth.orders.nested import MAX_LEAVES
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.program_json import program_from_json, program_to_json
from fpsynth.sums.rounding_json import alignment_from_json, alignment_to_json, flush_from_json, flush_to_json, mode_from_json


def order_to_json(order: Order) -> str | Json:
    """A family by name; a tree as its number of leaves and its steps, node ``leaves + s`` being step s."""
    if order.fixed is None:
        return str(order)
    return {"leaves": order.fixed.leaves, "steps": [list(step) for step in order.fixed.steps]}


def order_from_json(data: object) -> Order:
    """Read what ``order_to_json`` wrote.  Raises InputError in one line for anything else."""
    if isinstance(data, str):
        return parse_order(data)
    if isinstance(data, dict) and "views" in data:
        raise InputError("this is a witness file, not an order or what was revealed: explain reads it")
    if not isinstance(data, dict) or set(data) != {"leaves", "steps"}:
        raise InputError("an order must be a name, or an object with leaves and steps")
    leaves, steps = data["leaves"], data["steps"]
    if not _whole(leaves) or not 1 <= leaves <= MAX_LEAVES or not isinstance(steps, list) or len(steps) >= leaves:
        raise InputError(f"an order must have 1 to {MAX_LEAVES} leaves, and fewer steps than leaves")
    if not all(isinstance(step, list) and all(map(_whole, step)) for step in steps):
        raise InputError("each step of an order must be a list of whole numbers")
    return fixed_order(Tree(leaves, tuple(map(tuple, steps))))


def arithmetic_to_json(how: Arithmetic) -> Json:
    """An arithmetic as an object; every field is written, and the program where one was given."""
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
        **({} if how.given is None else {"program": program_to_json(how.given)}),
    }


def arithmetic_from_json(data: object) -> Arithmetic:
    """Read what ``arithmetic_to_json`` wrote; only ``format`` is required.  Raises InputError in one line for anything else."""
    if not isinstance(data, dict) or "format" not in data:
        raise InputError("an arithmetic must be an object with a format")
    unknown = set(data) - set(arithmetic_to_json(Arithmetic(None))) - {"program"}
    if unknown:
        raise InputError(f"an arithmetic has no field {min(unknown)[:40]!r}")
    if data.get("program") is not None:
        return _given(data)
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
        rounding=mode_from_json(data, "rounding", "RNE"),
        fused=data.get("fused", False),
        flush=flush_from_json(data.get("flush", False)),
        order=order_from_json(data.get("order", "sequential")),
        bias_first=data.get("bias_first", False),
        rounded=tuple(rounded),
        operands=formats["operands"],
        products=formats["products"],
        bias_leaf=data.get("bias_leaf", False),
        operand_rounding=mode_from_json(data, "operand_rounding", "RNE"),
        alignment=None if data.get("alignment") is None else alignment_from_json(data["alignment"]),
    )
    if how.order.bias and not how.bias_leaf:
        raise InputError(f"order {how.order} places a bias: it needs bias_leaf")
    if how.alignment is not None and not how.fused:
        raise InputError("an alignment needs fused: it says how unrounded products are added")
    return how


def _given(data: Json) -> Arithmetic:
    """An arithmetic that is one program: its other fields say nothing."""
    program = program_from_json(data["program"])
    if program.format is None:
        raise InputError("the sum program of an arithmetic needs a format; exact arithmetic has the format null and no program")
    plain = arithmetic_to_json(Arithmetic(program.format))
    for name, value in data.items():
        if name != "program" and value != plain[name]:
            raise InputError(f"{name} says something beside a sum program, which says everything")
    return Arithmetic(program.format, given=program)


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
