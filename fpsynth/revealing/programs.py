"""Sum programs that no rule for sums of any length says, but kernels compute: one rounding more, or a part in another format.

Each is made from the program of a hypothesis that explains a kernel in part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, FLOAT64, Format
from fpsynth.orders import Tree
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.sums.restriction import restrict_program

WORDS = (
    "the sum rounded before the bias is added, parts of it rounded before they are added, and products at its end that are"
    " rounded and added up in float64"
)


def further_programs(arithmetic: Arithmetic, terms: int, bias: bool) -> Iterator[Arithmetic]:
    """Arithmetics near one: see WORDS; each explains other results."""
    if arithmetic.format is None or arithmetic.given is not None:
        return
    program = program_of(arithmetic, terms, bias)
    made = [rounded_before_bias(program), wide_tail(program)]
    made += [rounded_parts(program, narrow) for narrow in dict.fromkeys((FLOAT32, arithmetic.format))]
    yield from (Arithmetic(arithmetic.format, given=one) for one in made if one is not None and one != program)


def rounded_before_bias(program: Program) -> Program | None:
    """The sum is rounded into the format before the bias, which comes last, is added in it."""
    fmt, root = program.format, program.tree.root
    if program.bias is None or program.bias not in program.tree.steps[-1] or program.steps[-1].kind is not StepKind.ADD:
        return None
    if fmt is None or program.node_formats[root] == fmt:
        return None
    (total,) = (node for node in program.tree.steps[-1] if node != program.bias)
    leaves, steps = list(program.leaves), list(program.steps)
    leaves[program.bias] = Leaf(LeafKind.BIAS)
    _round_further(leaves, steps, total, program.result)
    last = program.result[-1]
    steps[-1] = Step(StepKind.ADD, (replace(last, flush=last.flush.of_exact),))
    return Program(fmt, program.tree, tuple(leaves), tuple(steps))


def rounded_parts(program: Program, narrow: Format) -> Program | None:
    """What steps of partial sums alone add up is rounded into the format first, and added in ``narrow``; a bias as well."""
    fmt, tree = program.format, program.tree
    if fmt is None or fmt.bits >= FLOAT32.bits:
        return None
    bias = program.bias
    joining = {
        node
        for node, operands in enumerate(tree.steps, tree.leaves)
        if all(operand >= tree.leaves or operand == bias for operand in operands) and len(operands) == 2
    }
    parts = {operand for node in joining for operand in tree.steps[node - tree.leaves]} - joining - {bias}
    if len(parts) < 2:
        return None
    leaves, steps = list(program.leaves), list(program.steps)
    for node in parts:
        _round_further(leaves, steps, node, program.result or (Round(fmt),))
    for node in joining:
        own = steps[node - tree.leaves].rounds[0]
        steps[node - tree.leaves] = Step(StepKind.ADD, (Round(narrow, flush=own.flush.of_exact),))
    if bias is not None and tree.parents()[bias] in joining:
        leaves[bias] = Leaf(LeafKind.BIAS, () if narrow == fmt else (Round(narrow),))
    result = () if narrow == fmt else (Round(fmt, flush=steps[-1].rounds[0].flush),)
    return Program(fmt, tree, tuple(leaves), tuple(steps), result if tree.root in joining else program.result)


def wide_tail(program: Program) -> Program | None:
    """The products below the last step's later operand are rounded and added up in float64, from the left (OpenBLAS's sdot).

    The rest of the sum, as it is, is added to them at the end, and the result is rounded back; float32 without a bias alone.
    """
    terms, tree = program.terms, program.tree
    if program.format != FLOAT32 or len(program.leaves) != terms or not tree.steps or len(tree.steps[-1]) != 2:
        return None
    start = _tail(tree)
    if not 0 < start < terms - 1:
        return None
    try:
        main = restrict_program(program, range(start))
    except InputError:
        return None
    last = Step(StepKind.ADD, (Round(FLOAT64),))
    tail = list(range(start, terms))
    moved = [tuple(node if node < start else node + len(tail) for node in step) for step in main.tree.steps]
    root = main.tree.root if main.tree.root < start else main.tree.root + len(tail)
    steps = list(main.steps)
    total = tail[0]
    for leaf in tail[1:]:
        moved.append((total, leaf))
        steps.append(last)
        total = terms + len(moved) - 1
    moved.append((total, root))
    steps.append(Step(StepKind.ADD, (Round(FLOAT64), Round(FLOAT32))))
    rounded = Leaf(LeafKind.PRODUCT, (), (Round(FLOAT32),))
    return Program(FLOAT32, Tree(terms, tuple(moved)), (*main.leaves, *[rounded] * len(tail)), tuple(steps))


def _tail(tree: Tree) -> int:
    """The first leaf below the last step's operand that holds the last leaf; 0 where its leaves are not the last ones."""
    below = [range(leaf, leaf + 1) for leaf in range(tree.leaves)]
    for step in tree.steps:
        below.append(range(min(below[node].start for node in step), max(below[node].stop for node in step)))
    parts = [below[node] for node in tree.steps[-1]]
    last = max(parts, key=lambda part: part.stop)
    apart = all(part is last or part.stop <= last.start for part in parts)
    return last.start if apart else 0


def _round_further(leaves: list[Leaf], steps: list[Step], node: int, rounds: Sequence[Round]) -> None:
    """Round what a node is worth once more."""
    if node < len(leaves):
        leaves[node] = replace(leaves[node], rounds=(*leaves[node].rounds, *rounds))
        return
    own = steps[node - len(leaves)]
    steps[node - len(leaves)] = replace(own, rounds=(*own.rounds, *rounds))
