"""Two programs of one sum taken apart into the largest partial sums that both have: only what lies above these differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fpsynth.formats import holds
from fpsynth.sums.program import Program, StepKind


@dataclass(frozen=True)
class Parts:
    """A program above the parts that it shares with another one."""

    program: Program
    parts: tuple[int, ...]
    """Nodes whose numbers are those of nodes of the other program, none of them below another."""
    above: tuple[int, ...]
    """The nodes of the steps that add these up, the operands of each before it."""


def common_parts(a: Program, b: Program) -> tuple[Parts, Parts]:
    """Both programs, of one format and one number of leaves, above what is evaluated alike in them.

    Two nodes are alike if they are the same leaf, read and rounded in the same way, or steps of one kind with the same
    roundings over nodes that are alike, in whatever order: no step depends on the order of its operands.
    """
    names: dict[object, int] = {}
    of_a, of_b = _names(a, names), _names(b, names)
    return _above(a, of_a, set(of_b)), _above(b, of_b, set(of_a))


def _names(program: Program, names: dict[object, int]) -> list[int]:
    found: list[int] = []
    for k, leaf in enumerate(program.leaves):
        found.append(names.setdefault((k, leaf), len(names)))
    for operands, step in zip(program.tree.steps, program.steps, strict=True):
        key = (step, tuple(sorted(found[operand] for operand in operands)))
        found.append(names.setdefault(key, len(names)))
    return found


def _above(program: Program, own: Sequence[int], other: set[int]) -> Parts:
    parts, above, todo = list[int](), list[int](), [program.tree.root]
    while todo:
        node = todo.pop()
        if own[node] in other:
            parts.append(node)
        elif node < program.tree.leaves:
            return Parts(program, (), ())  # a leaf that the other program reads otherwise
        else:
            above.append(node)
            todo += program.operands(node)
    return Parts(program, tuple(parts), tuple(sorted(above)))


def keeps_the_sign(sum_: Parts) -> bool:
    """Whether the result, where it is not zero, has the sign of the exact sum of the parts: so it is if they are three at most.

    Let nothing above the parts align or flush.  fl(x + y), with whatever roundings after it, has the sign of x + y or is zero:
    that is all for one part or two, or for three that one step adds up.  Else some step adds i and j to y = fl(i + j), and the
    last one y and k.  Let every format that y is rounded into hold k, and so -k.  Rounding is monotone and leaves -k as it is,
    once or several times: y < -k only if i + j < -k, and y > -k only if i + j > -k.  So a result below zero, with y + k < 0,
    has i + j + k < 0, and one above zero i + j + k > 0.  The roundings of the result change no sign either.
    """
    program = sum_.program
    steps = [program.steps[node - program.tree.leaves] for node in sum_.above]
    if not sum_.parts or len(sum_.parts) > 3 or any(step.kind is StepKind.ALIGNED for step in steps):
        return False
    if any(one.flush for step in steps for one in step.rounds[:1]) or any(one.flush for s in steps[:-1] for one in s.rounds):
        return False
    if len(steps) < 2:
        return True
    inner, outer = sum_.above
    (third,) = (operand for operand in program.operands(outer) if operand != inner)
    number = program.node_formats[third]
    return number is not None and all(holds(one.format, number) for one in steps[0].rounds)
