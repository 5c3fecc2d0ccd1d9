"""Sum programs as JSON data: tables of the different leaves and steps, and the tree that names them by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from fpsynth.aliases import Json
from fpsynth.errors import InputError
from fpsynth.formats import Format, format_named
from fpsynth.orders import Tree
from fpsynth.orders.nested import MAX_LEAVES
from fpsynth.rounding import rounding_named
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.sums.rounding_json import alignment_from_json, alignment_to_json, flush_from_json, flush_to_json

T = TypeVar("T")
_MOST_ROUNDS = 8
"""Roundings one after the other."""


def program_to_json(program: Program) -> Json:
    """A program in a format as an object; every field is written."""
    leaf_kinds, step_kinds = list(dict.fromkeys(program.leaves)), list(dict.fromkeys(program.steps))
    leaf_number, step_number = ({kind: k for k, kind in enumerate(kinds)} for kinds in (leaf_kinds, step_kinds))
    return {
        "format": None if program.format is None else program.format.name,
        "leaf_kinds": [_leaf_to_json(leaf) for leaf in leaf_kinds],
        "step_kinds": [_step_to_json(step) for step in step_kinds],
        "leaves": [leaf_number[leaf] for leaf in program.leaves],
        "steps": [[step_number[s], *operands] for s, operands in zip(program.steps, program.tree.steps, strict=True)],
        "result": _rounds_to_json(program.result),
    }


def program_from_json(data: object) -> Program:
    """Read what ``program_to_json`` wrote.  Raises InputError in one line for anything else."""
    fields = _fields(data, "a sum program", ("format", "leaf_kinds", "step_kinds", "leaves", "steps", "result"))
    leaf_kinds = [_leaf_from_json(one) for one in _list(fields["leaf_kinds"], "leaf_kinds")]
    step_kinds = [_step_from_json(one) for one in _list(fields["step_kinds"], "step_kinds")]
    leaves, steps = _list(fields["leaves"], "leaves"), _list(fields["steps"], "steps")
    if not leaves or len(steps) >= len(leaves):
        raise InputError("a sum program must have at least one leaf, and fewer steps than leaves")
    if not all(isinstance(step, list) and step and all(map(_whole, step)) for step in steps):
        raise InputError("each step of a sum program must be a list: the number of its kind, then its operands")
    return Program(
        _format(fields["format"]),
        Tree(len(leaves), tuple(tuple(step[1:]) for step in steps)),
        tuple(_chosen(leaf_kinds, number, "leaf") for number in leaves),
        tuple(_chosen(step_kinds, step[0], "step") for step in steps),
        _rounds_from_json(fields["result"]),
    )


def _leaf_to_json(leaf: Leaf) -> Json:
    return {"kind": leaf.kind.value, "reads": _rounds_to_json(leaf.reads), "rounds": _rounds_to_json(leaf.rounds)}


def _leaf_from_json(data: object) -> Leaf:
    fields = _fields(data, "a kind of leaf", ("kind", "reads", "rounds"))
    kind = _named({one.value: one for one in LeafKind}, fields["kind"], "kind of leaf")
    return Leaf(kind, _rounds_from_json(fields["reads"]), _rounds_from_json(fields["rounds"]))


def _step_to_json(step: Step) -> Json:
    alignment = None if step.alignment is None else alignment_to_json(step.alignment)
    return {"kind": step.kind.value, "rounds": _rounds_to_json(step.rounds), "alignment": alignment}


def _step_from_json(data: object) -> Step:
    fields = _fields(data, "a kind of step", ("kind", "rounds", "alignment"))
    kind = _named({one.value: one for one in StepKind}, fields["kind"], "kind of step")
    alignment = None if fields["alignment"] is None else alignment_from_json(fields["alignment"])
    return Step(kind, _rounds_from_json(fields["rounds"]), alignment)


def _rounds_to_json(rounds: Sequence[Round]) -> list[Json]:
    return [{"format": one.format.name, "rounding": one.mode.value, "flush": flush_to_json(one.flush)} for one in rounds]


def _rounds_from_json(data: object) -> tuple[Round, ...]:
    rounds = _list(data, "roundings")
    if len(rounds) > _MOST_ROUNDS:
        raise InputError(f"a sum program may round a number at most {_MOST_ROUNDS} times in a row")
    return tuple(_round_from_json(one) for one in rounds)


def _round_from_json(data: object) -> Round:
    fields = _fields(data, "a rounding", ("format", "rounding", "flush"))
    fmt = _format(fields["format"])
    if fmt is None:
        raise InputError("a rounding must name its format")
    return Round(fmt, rounding_named(_text(fields["rounding"], "rounding")), flush_from_json(fields["flush"]))


def _fields(data: object, what: str, names: Sequence[str]) -> Json:
    if not isinstance(data, dict) or set(data) != set(names):
        raise InputError(f"{what} must be an object with {', '.join(names)}")
    return data


def _list(data: object, what: str) -> list[Any]:
    if not isinstance(data, list) or len(data) > MAX_LEAVES + 1:
        raise InputError(f"{what} of a sum program must be a list of at most {MAX_LEAVES + 1}")
    return data


def _whole(data: object) -> bool:
    return isinstance(data, int) and not isinstance(data, bool) and 0 <= data < 1 << 31


def _chosen(kinds: Sequence[T], number: object, what: str) -> T:
    if not _whole(number) or not isinstance(number, int) or number >= len(kinds):
        raise InputError(f"a sum program has no kind {str(number)[:20]} of {what}; there are {len(kinds)}")
    return kinds[number]


def _named(kinds: dict[str, T], name: object, what: str) -> T:
    if not isinstance(name, str) or name not in kinds:
        raise InputError(f"a {what} must be one of {', '.join(kinds)}")
    return kinds[name]


def _text(data: object, what: str) -> str:
    if not isinstance(data, str):
        raise InputError(f"{what} must be the name of one")
    return data


def _format(data: object) -> Format | None:
    return None if data is None else format_named(_text(data, "format"))
