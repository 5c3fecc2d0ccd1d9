"""Which sum programs the certifier ``lipschitz-sound`` speaks of: those that lose no more than its text allows for."""

from __future__ import annotations

from fpsynth.formats import FLOAT16, Format, holds
from fpsynth.networks.network import Network
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.program import LeafKind, Program, Round, inexact


def covers_all(network: Network, deployment: Deployment, fmt: Format) -> bool:
    """Whether every neuron of a network is evaluated by a program that ``covers`` allows."""
    for index, layer in enumerate(network.dense_layers):
        hows = {deployment.at(index, output) for output in range(layer.outputs)}
        if not all(covers(program_of(how, layer.inputs, layer.bias is not None), fmt) for how in hows):
            return False
    return True


def covers(program: Program, fmt: Format) -> bool:
    """Whether the bounds of ``lipschitz_sound`` for ``fmt`` hold for a program of numbers of that format.

    They are those of n products and at most one bias where every rounding is to nearest, with a unit roundoff u, a least
    subnormal and a least normal number that are no larger than the format's, where a product and the bias pass so many
    roundings: a product n + 1, the bias n, and one more where there is a bias or for the bias; and where at most n + 1 of all
    may underflow.  Which of a program's roundings count: those that may change a number, of which a step's own one of numbers
    does not underflow.  Operations that flush are counted one by one: then each rounds once.  Steps that align round otherwise.
    """
    terms, biased = program.terms, program.bias is not None
    if program.format != fmt or program.alignments or len(program.leaves) > terms + biased:
        return False
    if any(not holds(one.format, fmt) for leaf in program.leaves for one in leaf.reads):
        return False
    if not all(_fine(one, fmt) for one in program.roundings):
        return False
    if program.flush and (fmt == FLOAT16 or _repeated(program)):
        return False
    ends = inexact(program.node_formats[program.tree.root], program.result)
    passed = [len(ends)] * (program.tree.leaves + len(program.steps))
    for node in range(program.tree.root, program.tree.leaves - 1, -1):
        own = len(inexact(None, program.steps[node - program.tree.leaves].rounds))
        for operand in program.operands(node):
            passed[operand] = passed[node] + own
    for k, leaf in enumerate(program.leaves):
        product = leaf.kind is LeafKind.PRODUCT
        if passed[k] + len(inexact(None, leaf.rounds)) > terms + 1 + (product and biased):
            return False
    return _underflows(program) + len(ends) <= terms + 1


def _fine(one: Round, fmt: Format) -> bool:
    own = one.format
    least = own.min_normal <= fmt.min_normal and own.lsb_min <= fmt.lsb_min
    nearest = one.mode in (Rounding.RNE, Rounding.RNA)
    return nearest and least and own.precision >= fmt.precision and own.max_finite >= fmt.max_finite


def _repeated(program: Program) -> bool:
    """Whether a product, a sum or the result is rounded more than once."""
    leaves = any(len(leaf.rounds) > 1 for leaf in program.leaves)
    return leaves or len(program.result) > 1 or any(len(step.rounds) > 1 for step in program.steps)


def _underflows(program: Program) -> int:
    """How many roundings of products and sums may underflow."""
    count = sum(len(inexact(None, leaf.rounds)) for leaf in program.leaves)
    for operands, step in zip(program.tree.steps, program.steps, strict=True):
        count += len(inexact(None, step.rounds)) - (not any(map(program.exact, operands)))
    return count
